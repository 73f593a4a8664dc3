"""Calls as they are written in a text."""

from __future__ import annotations

import pytest

from gfplint.analysis.written import arguments


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
