"""Blanking keeps every offset and removes what is no code."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gfplint.frontend.blank import Source, blank, blank_part, holds_code

_C_LIKE = st.text(alphabet="ab0 \t\n\r\\\"'/*#;(){}=.,\0é", max_size=120).map(lambda text: text.encode())


@given(_C_LIKE | st.binary(max_size=200))
@example(b'"\\\n')  # never closed, and continued
def test_offsets_and_newlines_stay(data: bytes) -> None:
    source = blank(data)
    assert len(source.code) == len(data)
    assert source.code.isascii()
    assert [i for i, char in enumerate(source.code) if char == "\n"] == [i for i, b in enumerate(data) if b == 10]


_LEXEMES = st.lists(
    st.sampled_from(
        ("/*", "*/", "//", '"', "'", "\\", "\n", "a", "\1", " ", "'\"'", "'\\''", '"s"', "# define X", "#", "\r\n")
    ),
    max_size=40,
).map(lambda parts: "".join(parts).encode())


@given(_C_LIKE | _LEXEMES)
@example(b'"/*", "*/"')
@example(b'\'"\', "/*"')
@example(b'f("a//b"); // "c')
def test_what_is_found_by_turns_is_what_one_after_the_other_shows(data: bytes) -> None:
    first = b"/* gfplint */\n"  # every comment is looked at then
    one, other = blank(data), blank(first + data)
    assert one.code == other.code[len(first) :]
    assert [(d.name, d.text, d.start + len(first)) for d in one.directives] == [
        (d.name, d.text, d.start) for d in other.directives
    ]


@pytest.mark.parametrize(
    "text",
    [
        "#define A 1\n",
        "/* a */\n#ifndef A\n#define A\n#define B 0x1f // b\n#endif\n",
        "\n",
        "#define A   0x1\n#define B\t2\n\n# define  C 3UL \n#define D 4\n//d\n#define E 5\n",
    ],
)
def test_files_of_numbers_hold_no_code(text: str) -> None:
    assert not holds_code(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "#define A GFP_KERNEL\n",
        "#define A B\n",
        "#define A 1\n#define B C\n",
        "#define A 1\nint b;\n",
        "#define A 1 \\\n+ g()\n",
        "#define F(x) g(x)\n",
        "#define A 1 + \\\n g()\n",
        '#include "a.h"\n',
        "int a;\n",
        "#define A 1\n/* gfplint: ignore */\n",
        "/* #define A",
    ],
)
def test_other_files_hold_code(text: str) -> None:
    assert holds_code(text.encode())


@given(_C_LIKE)
def test_positions_count_characters(data: bytes) -> None:
    source = blank(data)
    for offset in range(len(data)):
        line, column = source.position(offset)
        before = data[:offset]
        assert line == before.count(b"\n") + 1
        assert column == len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a /* b\nc */ d", "a     \n     d"),
        ("a // b\nc", "a     \nc"),
        ("a // b \\\nc\nd", "a       \n \nd"),
        ('f("x;{");', 'f("   ");'),
        ('f("a\\"b");', 'f("    ");'),
        ("x = '{';", "x = '0';"),
        ("x = '\\'';", "x = '00';"),
        ('"/* no */" x', '"        " x'),
        ("/* never closed", "               "),
        ('x "never closed\ny', "x              \ny"),
    ],
)
def test_comments_and_literals(text: str, code: str) -> None:
    assert blank(text.encode()).code == code


def test_directives_are_taken_out_with_their_continuations() -> None:
    source = blank(b"#define F(x) \\\n  g(x)\nint a;\n  # if B\nint c;\n#endif\n")
    assert [d.name for d in source.directives] == ["define", "if", "endif"]
    assert source.code.split() == ["int", "a;", "int", "c;"]
    first = source.directives[0]
    assert source.data[first.text_start : first.end] == b" F(x) \\\n  g(x)"


def test_plain_numbers_are_no_directives_worth_keeping() -> None:
    source = blank(b"#define A 1\n#define B 0x2 /* b */\n\n#define C (1 << 3)\n#define D GFP_KERNEL\n#include <x.h>\n")
    assert [(d.name, d.text.strip()) for d in source.directives] == [("define", "D GFP_KERNEL"), ("include", "<x.h>")]


def test_numbers_are_those_of_lines_that_define_one_once() -> None:
    source = blank(
        b"#define A 1\n\t # define B 2 /* b */\n#define C 3\n#undef C\n#define C 4\n/* #define D 5 */ #define E 6\n"
        b"#define F (7)\n#define G 8 + 1\n#define H\n"
    )
    assert source.numbers == {"A": "1", "B": "2", "F": "7"}


def test_a_part_knows_the_numbers_of_its_file() -> None:
    data = b"#define DUMP 0\nint f(void)\n{\n\treturn 1;\n}\n"
    whole = Source(data, "", ())
    part = blank_part(whole, data.index(b"{"), len(data) - 1, 2, data.index(b"f("))
    assert part.source.code[part.start : part.end] == "{\n\treturn 1;\n}"
    assert part.source.numbers is whole.numbers
    assert part.source.line(part.start) == 3


def test_masks_on_continued_lines_are_kept() -> None:
    source = blank(b"#define M ( \\\n GFP_KERNEL | \\\n __GFP_NOWARN)\n")
    assert [d.name for d in source.directives] == ["define"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_continuations_end_at_either_kind_of_line(end: str) -> None:
    source = blank(f"#define F(x) \\{end} g(x){end}int a;{end}".encode())
    assert "g" not in source.code
    assert "g(x)" in source.directives[0].text


def test_a_newline_in_a_character_stays() -> None:
    assert blank(b"a = '\\\n';\n").code == "a =   \n ;\n"


def test_suppressions() -> None:
    source = blank(b"int a; /* gfplint: ignore[GFP101, GFP102] it is fine */\n// gfplint: ignore\n")
    first, second = source.suppressions
    assert (first.codes, first.reason, first.line) == (("GFP101", "GFP102"), "it is fine", 1)
    assert (second.codes, second.line) == ((), 2)
    assert blank(b'char *s = "gfplint: ignore";\n').suppressions == ()


@pytest.mark.parametrize(
    "text",
    ["[GFP401 why", " GFP401 why", ": GFP401 why", "(GFP401) why", "[] why", "[GFP401\n] why", "-file[GFP401] why"],
)
def test_suppressions_without_codes_in_brackets_name_no_rule(text: str) -> None:
    (found,) = blank(f"int a; /* gfplint: ignore{text} */\n".encode()).suppressions
    assert found.codes == ()


def test_other_words_are_no_suppression() -> None:
    assert (
        blank(b"/* gfplint: ignored[GFP401] why */ /* gfplint: ignore_all */ /* gfplint ignore[GFP1] */\n").suppressions
        == ()
    )
