"""Where texts assign, and what arguments name."""

from __future__ import annotations

import pytest

from gfplint.analysis.bases import UNKNOWN, Bases
from gfplint.analysis.spots import CALL, CONSTANT, PATH, Assignment, assignments, last


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("p = q;", [("p", None, " q", PATH, "q")]),
        ("p = x->y.q ;", [("p", None, " x->y.q ", PATH, "x->y.q")]),
        ("p = f(a, g(b));", [("p", None, " f(a, g(b))", CALL, "f")]),
        ("p = (struct x *) f(a);", [("p", None, " (struct x *) f(a)", CALL, "f")]),
        ("p = -ENOMEM; q = ENOMEM;", [("p", None, " -ENOMEM", 0, ""), ("q", None, " ENOMEM", CONSTANT, "ENOMEM")]),
        ("p = 0; p = NULL; p = -1; p = NULLED;", [("p", None, " NULLED", CONSTANT, "NULLED")]),
        ("a == b; a != b; a <= b; a += b; a >>= b;", []),
        ("a = b = c;", [("a", None, " b = c", 0, ""), ("b", None, " c", PATH, "c")]),
        ("if ((p = f())) g(p);", [("p", None, " f())) g(p)", CALL, "f")]),
        ("p[i] [j + 1] = q;", [("p", None, " q", PATH, "q")]),
        ("{ [2] = q, }", []),
        ("p = q", [("p", None, " q", PATH, "q")]),
        ("p = *q;", [("p", None, " *q", 0, "")]),
    ],
)
def test_assignments(code: str, found: list[Assignment]) -> None:
    assert assignments(code) == found


@pytest.mark.parametrize(
    ("code", "base"),
    [
        ("x->p = q;", ("x",)),
        ("x->y.p[i] = q;", ("x", "y")),
        ("x ->\n y . p = q;", ("x", "y")),
        ("x[i].y[0]->p = q;", ("x", "y")),
        ("(*x)->p = q;", ("x",)),
        ("((struct x *)y)->p = q;", ("y",)),
        ("f(x)->p = q;", ()),
        ("struct x y = { .p = q };", ()),
    ],
)
def test_members_that_are_assigned_to(code: str, base: tuple[str, ...]) -> None:
    name, spot, *_ = assignments(code)[-1]
    assert name == "p" and spot is not None and spot.key == ".p" and spot.base == base


@pytest.mark.parametrize(
    ("text", "key", "base"),
    [
        ("p", "p", ()),
        (" &x->p ", ".p", ("x",)),
        ("x->y.p", ".p", ("x", "y")),
        ("x -> p", ".p", ("x",)),
        ("x[i].p[j]", ".p", ("x",)),
        ("(void *)x->p", ".p", ("x",)),
        ("f(p)", "p", ()),
        ("f(x)->p", ".p", ()),
    ],
)
def test_arguments(text: str, key: str, base: tuple[str, ...]) -> None:
    spot = last(text)
    assert spot is not None and spot.key == key
    assert not spot.member or spot.base == base


def test_numbers_are_no_places() -> None:
    assert last("8") is None


class _Nothing:
    """A file that declares nothing."""

    def field_type(self, record: str, field: str) -> None:
        """No struct."""

    def global_type(self, name: str) -> None:
        """No variable."""

    def record_key(self, record: str) -> str:
        """No struct."""
        return record


def test_types_of_parameters_and_of_variables() -> None:
    code = "{\n\tconst struct y *y, *z = x;\n\tstruct w w;\n\tif (a) {\n\t\tstruct v *y;\n\t}\n\treturn y;\n}"
    bases = Bases("int f(struct x *x, int a)", code, _Nothing())
    assert bases.types("x") == {"x"}
    assert bases.types("a") == {"int"}
    assert bases.types("y") == {"y", "v"}
    assert bases.types("z") == {"y"}
    assert bases.types("w") == {"w"}
    assert bases.types("n") == set()


@pytest.mark.parametrize(
    ("code", "base"),
    [
        ("x->a->p = q;", ()),
        ("use(&x->a);", ()),
        ("x = y; x->a->p = q;", UNKNOWN),
        ("struct w *x; x->a->p = q;", UNKNOWN),
        ("if (n) { x++; }", UNKNOWN),
        ("x[0] = y;", UNKNOWN),
        ("xx = y; y = x == n;", ()),
    ],
)
def test_paths_from_variables_that_a_text_does_not_set(code: str, base: tuple[str, ...]) -> None:
    assert Bases("void f(int n)", code, _Nothing()).records(("x", "a")) == base


def test_many_paths_from_one_variable_end() -> None:
    code = "".join(f"x->a{at}->p = q;\n" for at in range(40_000))
    bases = Bases("void f(struct x *x)", code, _Nothing())
    assert {bases.records(("x", f"a{at}")) for at in range(40_000)} == {()}
