"""Calls, and other uses of a name, as they are written in a text."""

from __future__ import annotations

import pytest

from gfplint.analysis.written import arguments, uncalled


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("f();", [[""]]),
        ("f(a, b->c);", [["a", " b->c"]]),
        ("f (g(a, b), (c));", [["g(a, b)", " (c)"]]),
        ("f(a); of(b); f_(c); f(d, e);", [["a"], ["d", " e"]]),
        ("f(a, b", [["a"]]),
        ("f(a, g(b)", [["a"]]),
        ("f;", []),
        (f"f(a, {'b' * 3000});", [["a"]]),  # arguments are read up to a length
    ],
)
def test_arguments_of_calls(code: str, found: list[list[str]]) -> None:
    assert list(arguments(code, "f")) == found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("f", [0]),
        ("f(a); of; f_; x = f;", [18]),
        ("f (a); f\n(b); &f, f)", [15, 18]),
        ("EXPORT_SYMBOL(f); f2(f)", [14, 21]),
        ("\u00e9f; f\u00e9; f", [8]),
        ("", []),
    ],
)
def test_uses_that_are_no_calls(code: str, found: list[int]) -> None:
    assert list(uncalled(code, "f")) == found
