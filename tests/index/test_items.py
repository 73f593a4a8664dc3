"""Digests of what a file says under a name: a function or macro that stands elsewhere counts as another one."""

from __future__ import annotations

from gfplint.frontend.skeleton import skeleton
from gfplint.index.items import Items

_TEXT = b"#define get(x) \\\n\tfind(x)\n#define put(x) drop(x)\nvoid f(void)\n{\n\tget(1);\n}\n"


def _digests(data: bytes) -> list[bytes]:
    items = Items(skeleton(data), data)
    return [items.digest(name) for name in ("get", "put", "f")]


def test_what_moves_is_another_thing() -> None:
    before = _digests(_TEXT)
    assert all(before) and before == _digests(_TEXT)
    first = _digests(_TEXT.replace(b"#define put", b"\n#define put"))
    assert [a == b for a, b in zip(before, first, strict=True)] == [True, False, False]


def test_what_others_say_does_not_matter() -> None:
    after = _digests(_TEXT.replace(b"drop(x)", b"drop(0)"))
    assert [a == b for a, b in zip(_digests(_TEXT), after, strict=True)] == [True, False, True]
