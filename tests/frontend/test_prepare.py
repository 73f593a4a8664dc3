"""What a body is rewritten to before it is parsed: the same length, and C."""

from __future__ import annotations

import pytest

from gfplint.frontend.prepare import prepare


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("x = f(struct a *, b);", "x = f(       a  , b);"),
        ("x = f(b, const struct a *);", "x = f(b,              a  );"),
        ("x = f(b,\n\tenum a);", "x = f(b,\n\t     a);"),
        ("x = f(union a, struct b *);", "x = f(      a,        b  );"),
        ("x = sizeof(struct a);", "x = sizeof(struct a);"),
        ("x = (struct a *)y;", "x = (struct a *)y;"),
        ("x = f(mystruct a, b);", "x = f(mystruct a, b);"),
        ("x = f(b, unsigned int *);", "x = f(b, unsigned_int  );"),
        ("x = (u8)y;", "x = (u8)y;"),
    ],
)
def test_types_among_arguments(text: str, prepared: str) -> None:
    assert prepare("{" + text + "}").text == "{" + prepared + "}"


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("{ a(); DO(x)\n}", "{ a(); DO(x);}"),
        ("{ DO(x)\ny(); }", "{ DO(x);y(); }"),
        ("{ if (a) b(); else c(x)\n}", "{ if (a) b(); else c(x)\n}"),
        ("{ if (a) b(); else for_each_x(y) z(); }", "{ if (a) b(); else while     (y) z(); }"),
        ("{ list_for_each(a, b) { c(); } }", "{ while        (a, b) { c(); } }"),
        ("{ a(b); c(d); }", "{ a(b); c(d); }"),
        ("{ return f(x)\n}", "{ return f(x)\n}"),
    ],
)
def test_macros_with_blocks_and_without_semicolons(text: str, prepared: str) -> None:
    assert prepare(text).text == prepared
