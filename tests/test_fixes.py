"""Fixes: edits, overlaps, patches that git applies, whatever the file and its name."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint import fixes
from gfplint.errors import GfplintError
from gfplint.findings import Edit, Fix
from tests.report.samples import finding

_Place = tuple[int, int]


def _fix(*edits: tuple[_Place, _Place, str], safe: bool = True, path: str = "x.c") -> Fix:
    return Fix(safe, tuple(Edit(path, start, end, text) for start, end, text in edits))


def _applied(data: bytes, *given: Fix) -> bytes:
    chosen = fixes.choose([finding(number, fix=fix) for number, fix in enumerate(given)])
    return fixes.apply(chosen, lambda path: data).get("x.c", data)


def test_edits_replace_insert_and_delete() -> None:
    fix = _fix(((1, 1), (1, 4), "one"), ((2, 4), (2, 4), "!"), ((3, 1), (4, 1), ""))
    assert _applied(b"abc\nabc\nabc\nabc\n", fix) == b"one\nabc!\nabc\n"


def test_columns_count_characters_and_odd_bytes_stay() -> None:
    data = "\u00fc\U00010400 f(a);".encode() + b"\xff g();\r\n"
    assert _applied(data, _fix(((1, 4), (1, 5), "h"))) == data.replace(b"f(", b"h(")
    assert _applied(data, _fix(((1, 11), (1, 12), "k"))) == data.replace(b"g(", b"k(")


def test_only_a_newline_ends_a_line() -> None:
    assert _applied("a\x0b\u2028b\nc".encode(), _fix(((2, 1), (2, 2), "d"))) == "a\x0b\u2028b\nd".encode()


def test_unsafe_fixes_are_not_chosen() -> None:
    assert _applied(b"abc", _fix(((1, 1), (1, 2), "x"), safe=False)) == b"abc"


@pytest.mark.parametrize(
    ("second", "both"),
    [
        (((1, 2), (1, 3)), False),  # inside the first
        (((1, 1), (1, 9)), False),  # around it
        (((1, 4), (1, 6)), False),  # over its end
        (((1, 5), (1, 6)), True),  # right behind it
        (((1, 5), (1, 5)), False),  # an insertion where it ends
        (((1, 6), (1, 6)), True),  # an insertion further on
    ],
)
def test_of_two_fixes_that_touch_the_first_wins(second: tuple[_Place, _Place], both: bool) -> None:
    first = _fix(((1, 2), (1, 5), "F"))
    chosen = fixes.choose([finding(1, fix=first), finding(2, fix=_fix((*second, "S")))])
    assert len(chosen) == (2 if both else 1)


def test_a_fix_is_applied_whole_or_not_at_all() -> None:
    first = _fix(((1, 1), (1, 2), "F"))
    second = _fix(((1, 1), (1, 2), "S"), ((1, 3), (1, 4), "S"))
    assert _applied(b"abcd", first, second) == b"Fbcd"


@pytest.mark.parametrize("place", [(0, 1), (1, 0), (3, 1), (1, 5), (2, 2)])
def test_an_edit_outside_of_the_file_is_an_error(place: _Place) -> None:
    with pytest.raises(GfplintError, match="outside of the file"):
        _applied(b"abc\n", _fix((place, place, "x")))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("x.c", b"a\nb\nc\n", b"a\nB\nc\n"),
        ("x.c", b"a\nb\nc", b"a\nb\nC"),
        ("sub dir/x y.c", b"a\r\nb\r\n", b"a\r\nB\r\n"),
        ('od"d\\na\tme.c', b"a\n\xff\xfe\nb\n", b"a\n\xff\xfe\nB\n"),
        ("x.c", b"b", b"B"),
        ("x.c", b"a\x0cb\nb\n", b"a\x0cB\nb\n"),
    ],
)
def test_git_applies_the_patch(tmp_path: Path, name: str, old: bytes, new: bytes) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(old)
    edits = [_edit_between(old, new, name)]
    patch = "".join(fixes.patch([finding(fix=Fix(True, tuple(edits)))], lambda path: (tmp_path / path).read_bytes()))
    _git_apply(patch, tmp_path)
    assert file.read_bytes() == new


def _edit_between(old: bytes, new: bytes, path: str) -> Edit:
    """The edit of the one byte in which they differ."""
    at = next(index for index in range(len(old)) if old[index] != new[index])
    line = old[:at].count(b"\n") + 1
    column = at - (old[:at].rfind(b"\n") + 1) + 1
    return Edit(path, (line, column), (line, column + 1), new[at : at + 1].decode())


def _git_apply(patch: str, folder: Path) -> None:
    data = patch.encode("utf-8", "surrogateescape")
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"], input=data, check=True, cwd=folder, capture_output=True
    )


_lines = st.lists(st.sampled_from(["", "a", "\tb", "c\r", "\x0c"]), max_size=30)


@settings(deadline=None, max_examples=40)
@given(before=_lines, ended=st.booleans(), places=st.sets(st.integers(1, 30), min_size=1, max_size=4))
def test_a_patch_does_what_apply_does(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], ended: bool, places: set[int]
) -> None:
    text = "\n".join([*before, "end"]) + ("\n" if ended else "")
    last = text.count("\n") + 1
    edits = tuple(Edit("x.c", (line, 1), (line, 1), f"new{line}\n") for line in sorted(places) if line < last)
    folder = tmp_path_factory.mktemp("tree")
    file = folder / "x.c"
    file.write_bytes(text.encode())
    read: Callable[[str], bytes] = lambda path: file.read_bytes()  # noqa: E731 -- read now, not when it was defined
    found = [finding(fix=Fix(True, edits))]
    wanted = fixes.apply(found, read).get("x.c", text.encode())
    patch = "".join(fixes.patch(found, read))
    if patch:
        _git_apply(patch, folder)
    assert file.read_bytes() == wanted
