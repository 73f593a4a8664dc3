"""Large hostile input ends, and does not raise. What is quadratic would not end within a test run."""

from __future__ import annotations

import random

import pytest

from gfplint.frontend.blank import blank
from gfplint.frontend.lower import body, lower_macro
from gfplint.frontend.skeleton import skeleton_of

_SIZE = 400_000
_REPEATED = [
    *("(", ")", "{", "}", '"', "'", '"\\', "/* ", "/", "\0", "a;\r", "#", " #a", "#if A\n", "#define X 1\n"),
    *("#define f(", "#define X(a) f(a)\n", " ", "\n", "a ", ";", "(;", "{}", "{};", "f(){}", "\n{\n {}\n }\n"),
    *("\n{\n {\n }\n", "{{};", "struct ", "struct a {", "struct a b [ ", "typedef struct ", "= {", ".a = (", "__a "),
    *("__a(b) ", "\\\n", "GFP_", "/* gfplint: ignore[", "é", "(\n}", "({\n}", "f(a)\n", "if (", "FOO(a) "),
    *("static DEFINE_X(a", ".a = &(x) {", "#include <a>\n", "#include <a>\n#include <b> \\\n", "enum a ", "enum {"),
]
_BEFORE = ["", "int f(void)\n{\n", "struct a b = {", "int f(", "#define m(a) ", "/*", '"']


@pytest.mark.parametrize("before", _BEFORE)
@pytest.mark.parametrize("piece", _REPEATED)
def test_repeated_pieces(before: str, piece: str) -> None:
    data = (before + piece * (_SIZE // 8 // len(piece))).encode()
    source = blank(data)
    facts = skeleton_of(source, data)
    assert len(source.code) == len(data)
    for function in facts.functions[:3]:
        assert body(source, function.body, function.end) is not None
    for macro in facts.macros[:3]:
        assert lower_macro(source, macro.start, macro.end) is not None


@pytest.mark.parametrize("piece", ["(;", '"\\', "{};", "struct a b [ ", "f(a)\n", "#if A\n", "\n{\n {\n }\n"])
def test_large_files(piece: str) -> None:
    data = (piece * (_SIZE * 3 // len(piece))).encode()
    assert skeleton_of(blank(data), data) is not None


def test_semicolons_before_what_looks_plain_and_is_not() -> None:
    data = (";" * 90_000 + "typedef int f(int a)\n{\n}\n").encode()
    assert [f.name for f in skeleton_of(blank(data), data).functions] == ["f"]
    data = ((";" * 100 + "typedef int f(int a)\n{\n}\n") * 20_000).encode()
    assert skeleton_of(blank(data), data) is not None


def test_noise() -> None:
    rng = random.Random(1)
    for alphabet in (range(256), b"(){};\"'\\/*#\n =.,a_->"):
        data = bytes(rng.choices(alphabet, k=_SIZE))
        source = blank(data)
        for function in skeleton_of(source, data).functions[:50]:
            body(source, function.body, function.end)
        assert len(source.code) == len(data)
