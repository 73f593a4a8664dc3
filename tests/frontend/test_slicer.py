"""Top-level items are disjoint, in order, and cover the code."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from gfplint.frontend.header import PLAIN_FUNCTION, PLAIN_ITEM, Header, find_header, is_plain_header
from gfplint.frontend.slicer import Item, Slicer


def items(code: str) -> Iterator[Item]:
    """The items of a code in order."""
    slicer, position = Slicer(code), 0
    while item := slicer.item(position):
        yield item
        position = item.end


@given(st.text(alphabet="ab;{}() \n=", max_size=300))
def test_items_are_ordered_disjoint_and_cover(code: str) -> None:
    position = 0
    for item in items(code):
        assert item.start == position
        assert item.end > item.start
        assert item.brace == -1 or item.start <= item.brace < item.end
        position = item.end
    assert not code[position:].strip()


_LEADS = ("static ", "inline int\n", "struct s *", "typedef ", "__init ", "DEFINE_X ", "unsigned ", " ", "")
_NAMES = ("f", "sizeof", "if", "SYSCALL_DEFINE1", "DEFINE_X", "READ", "get_typedef", "a" * 300)


@given(
    st.lists(st.sampled_from(_LEADS), max_size=4),
    st.sampled_from(_NAMES),
    st.text(alphabet="ab ,*\n", max_size=20),
    st.text(alphabet="a{}\n\t;", max_size=60),
)
def test_what_looks_plain_is_read_as_if_looked_at_closely(lead: list[str], name: str, params: str, body: str) -> None:
    code = f"{''.join(lead)}{name}({params})\n{{\n{body}\n}}\nint g(void)\n{{\n}}\n"
    match = PLAIN_ITEM.match(code)
    if match is None:
        return
    assert match.lastindex == PLAIN_FUNCTION
    words, found = match.group(2, 3)
    if is_plain_header(words, found):
        plain = Header(found, match.start(3), 0, "static" in words, "inline" in words)
        assert plain == find_header(match.group())
    assert Slicer(code).item(0) == Item(0, match.end(), Slicer(code).closing(match.end()))
    assert Slicer(code).plain(match.end()) in (0, Slicer(code).closing(match.end()))


def _texts(code: str) -> list[str]:
    return [code[item.start : item.end].strip() for item in items(code)]


def test_functions_and_declarations() -> None:
    code = "int a;\nint f(void)\n{\n\tif (a) {\n\t}\n}\nstruct s {\n\tint x;\n};\n"
    assert _texts(code) == ["int a;", "int f(void)\n{\n\tif (a) {\n\t}\n}", "struct s {\n\tint x;\n}", ";"]


def test_one_line_functions() -> None:
    assert _texts("int f(void) { if (a) { g(); } }\nint h(void) { }\n") == [
        "int f(void) { if (a) { g(); } }",
        "int h(void) { }",
    ]


def test_braces_in_the_arguments_of_a_declaring_macro() -> None:
    code = "DEFINE_FREE(x, struct x *, if (_T) { put(_T); })\nint f(void)\n{\n}\n"
    (only,) = _texts(code)
    assert only.startswith("DEFINE_FREE") and only.endswith("}")


def test_a_function_whose_braces_do_not_balance_costs_itself_alone() -> None:
    code = "int f(void)\n{\n\tif (a) {\n\tif (b) {\n\t}\n}\nint g(void)\n{\n}\n"
    assert [text.split("(")[0] for text in _texts(code)] == ["int f", "int g"]


def test_a_function_with_a_brace_too_many_in_it_ends_at_the_margin() -> None:
    code = "int f(void)\n{\n\tif (a) {\n\t}\n\t}\n\tg();\n}\nint h(void)\n{\n}\n"
    assert [text.split("(")[0] for text in _texts(code)] == ["int f", "int h"]


def test_indented_closing_braces() -> None:
    code = "int f(void)\n{\n\tif (a) {\n\t}\n  }\nint g(void)\n{\n\tx();\n}\n"
    assert [text.split("(")[0] for text in _texts(code)] == ["int f", "int g"]
