"""Where a call and its arguments stand in a file."""

from __future__ import annotations

import pytest

from gfplint.facts import Place
from gfplint.frontend.blank import blank
from gfplint.frontend.spans import Span, call_text, has_directive, is_plain, offset_of, statement_lines


def _at(data: bytes, call: bytes) -> Place:
    """The place of a piece of a one-line text, in characters."""
    start = len(data[: data.index(call)].decode()) + 1
    return Place(1, start, 1, start + len(call.decode()))


@pytest.mark.parametrize(
    ("call", "args"),
    [
        (b"f()", []),
        (b"f(a)", [b"a"]),
        (b"f( a , b )", [b"a", b"b"]),
        (b"f(g(a, b), c[d, e])", [b"g(a, b)", b"c[d, e]"]),
        (b'f("a, b", ",")', [b'"a, b"', b'","']),
    ],
)
@pytest.mark.parametrize(
    "lead", [b"x = ", "/* \N{LATIN SMALL LETTER E WITH ACUTE} */ x = ".encode()], ids=["ascii", "not"]
)
def test_arguments_are_found(call: bytes, args: list[bytes], lead: bytes) -> None:
    data = lead + call + b";"
    found = call_text(blank(data), _at(data, call))
    assert found is not None
    assert data[slice(*found.name)] == b"f"
    assert [data[slice(*span)] for span in found.args] == args


@pytest.mark.parametrize("text", [b"f (a", b"(f)(a)", b"f(a]b)", b"f(a))"])
def test_what_is_no_call_is_not_found(text: bytes) -> None:
    assert call_text(blank(text), Place(1, 1, 1, len(text) + 1)) is None


def test_places_outside_of_the_file_have_no_offset() -> None:
    source = blank(b"ab\ncd")
    assert offset_of(source, 2, 2) == 4
    assert offset_of(source, 3, 1) is None
    assert offset_of(source, 1, 9) is None


def test_a_statement_alone_on_its_lines() -> None:
    data = b"{\n\tf(a,\n\t  b);\n\tx; f(c);\n\tf(d); /* why */\n}\n"
    source = blank(data)

    def lines(call: bytes) -> bytes | None:
        start = data.index(call)
        span = statement_lines(source, Span(start, start + len(call)))
        return data[slice(*span)] if span is not None else None

    assert lines(b"f(a,\n\t  b)") == b"\tf(a,\n\t  b);\n"
    assert lines(b"f(c)") is None
    assert lines(b"f(d)") is None


def test_plain_text_and_directives() -> None:
    data = b"a /* b */\n#ifdef X\nc\n#endif\n"
    source = blank(data)
    assert is_plain(source, Span(0, 2))
    assert not is_plain(source, Span(0, 9))
    assert has_directive(source, Span(0, len(data)))
    assert not has_directive(source, Span(0, 5))
