"""The interpreter: C as kernel code uses it, on values that are known and on those that are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint.simulator.configs import JUDGE
from gfplint.simulator.events import DiedError
from gfplint.simulator.interp import Interpreter
from gfplint.simulator.machine import Machine, Setup
from gfplint.simulator.masks import MaskBits
from gfplint.simulator.observe import Options, explore_program, kernel_of, observe
from gfplint.simulator.paths import BudgetError, Path, explore
from gfplint.simulator.program import ProgramError, parse, shipped
from gfplint.simulator.values import Sym, Value


def run(text: str, *args: Value, path: Path | None = None) -> Value:
    """The value of ``f(args)``."""
    kernel = kernel_of((6, 12))
    machine = Machine(Setup(JUDGE, kernel, MaskBits(kernel.masks), zero_globals=True))
    program = parse(text.encode())
    return Interpreter((program, shipped("kernel")), machine, path or Path()).run("f", list(args))


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("return 7 / 2 + (-7) / 2 + 7 % 3 + (-7) % 3;", 0),
        ("return (1 << 4 | 3) & ~1;", 18),
        ("unsigned char c = 300; return c;", 44),
        ("signed char c = 200; return c;", -56),
        ("int a[4] = { 1, 2, [3] = 9 }; return a[0] + a[1] + a[2] + a[3];", 12),
        ("int a[3], i; for (i = 0; i < 3; i++) a[i] = i * i; return a[2] + i;", 7),
        ("int i = 0; do { i++; if (i == 2) continue; if (i > 4) break; } while (1); return i;", 5),
        ("int i = 0; again: i++; if (i < 5) goto again; return i;", 5),
        ("switch (3) { case 1: return 1; case 3: ; case 4: return 34; default: return 0; }", 34),
        ("switch (9) { case 1: return 1; default: return 5; case 2: return 2; }", 5),
        ("int x = 0; return x ?: 4;", 4),
        ("int x = 1; return x++ + ++x;", 4),
        (
            "struct { int a; struct { int b; } in; } s = { .a = 1, .in.b = 2 }, t; t = s; t.in.b = 5;"
            " return t.a + s.a + t.in.b;",
            7,
        ),
        ("int x = 5, *p = &x; *p += 2; return x;", 7),
        ('char *s = "ab"; return sizeof(int) + sizeof(void *);', 12),
        ("return ({ int y = 3; y * 2; });", 6),
        ("int x = 1; { int y = x; x = y + 1; } return x;", 2),
        ("return IS_ERR(ERR_PTR(-12)) && PTR_ERR(ERR_PTR(-12)) == -12;", 1),
        ("return (1 && 0) || (0 || 2);", 1),
        ("return 0x10 + 010 + 'A' + 1UL;", 90),
    ],
)
def test_values(body: str, value: int) -> None:
    assert run(f"int f(void) {{ {body} }}") == value


def test_functions_pointers_and_statics() -> None:
    text = """
struct ops { int (*get)(int); };
static int twice(int x) { return 2 * x; }
static const struct ops ops = { .get = twice };
static int calls;
static int count(void) { static int n; calls++; return ++n; }
int f(void) { int (*g)(int) = twice; count(); count(); return ops.get(3) + g(4) + (*g)(1) + count() + calls; }
"""
    assert run(text) == 6 + 8 + 2 + 3 + 3


def test_containers() -> None:
    text = """
struct inner { int x; };
struct outer { int a; struct inner in; };
int f(void) { struct outer o; struct inner *i = &o.in; o.a = 4; return container_of(i, struct outer, in)->a; }
"""
    assert run(text) == 4


def test_recursion_ends() -> None:
    with pytest.raises(BudgetError):
        run("int f(void) { return f(); }")
    with pytest.raises(BudgetError):
        run("int f(void) { for (;;) ; return 0; }")


def test_null_is_not_dereferenced() -> None:
    with pytest.raises(DiedError):
        run("int f(void) { int *p = NULL; return *p; }")
    with pytest.raises(DiedError):
        run("int f(void) { struct x *p = ERR_PTR(-12); return p->a; }")


def test_every_path_is_taken_once() -> None:
    body = "if (a) n += 1; if (b > 3) n += 2; if (!a) n += 4; if (b <= 3) n += 8;"
    text = f"int f(int a, int b) {{ int n = 0; {body} return n; }}"
    unknown = [Sym(("param", "a")), Sym(("param", "b"))]
    values = [value for value, _ in explore(lambda path: run(text, *unknown, path=path))]
    assert len(values) == 4
    assert set(values) == {1 + 2, 1 + 8, 2 + 4, 4 + 8}


@given(
    st.lists(st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.integers(-3, 3)), min_size=1, max_size=5)
)
@settings(max_examples=60, deadline=None)
def test_paths_are_those_of_some_number(conditions: list[tuple[str, int]]) -> None:
    """Exploring an unknown gives the outcomes that its possible values give, and no others."""
    terms = "".join(f"if (x {op} {c}) n += {1 << i}; " for i, (op, c) in enumerate(conditions))
    text = f"int f(int x) {{ int n = 0; {terms} return n; }}"
    explored = {value for value, _ in explore(lambda path: run(text, Sym(("param", "x")), path=path))}
    assert explored == {run(text, number) for number in range(-6, 7)}


def test_unknown_loops_are_bounded() -> None:
    found = observe(b"void f(struct d *d, int n) { int i; for (i = 0; i < n; i++) d->p = kmalloc(8, GFP_KERNEL); }")
    assert {o.kind for o in found} <= {"leak", "uncharged"}


@pytest.mark.parametrize(
    "source",
    [
        b"int f(",
        b"\xff\xfe",
        b"int f(void) { goto nowhere; }",
        b"#define A A(",
        b"int f(void) { return 1" + b"+1" * 4000 + b"; }",
        b"}",
    ],
)
def test_hostile_source_is_an_error_with_a_message(source: bytes) -> None:
    try:
        observe(source)
    except ProgramError as error:
        assert str(error)


WORDS = [
    "int",
    "void",
    "f",
    "x",
    "(",
    ")",
    "{",
    "}",
    ";",
    "=",
    "kmalloc",
    "GFP_KERNEL",
    ",",
    "if",
    "else",
    "while",
    "return",
    "*",
    "&",
    "->",
    "a",
    "1",
    "kfree",
    "spin_lock",
    "goto",
    "l",
    ":",
    "struct",
    "[",
    "]",
]


@given(st.lists(st.sampled_from(WORDS), max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_tokens_run_or_are_refused(words: list[str]) -> None:
    for source in (" ".join(words), "void f(void *x) { " + " ".join(words) + " }"):
        try:
            observe(source.encode())
        except ProgramError as error:
            assert str(error)


def test_a_program_has_steps_for_all_its_functions_together() -> None:
    loop = "void f{n}(struct d *d) {{ int i; for (i = 0; i < 100000; i++) d->a = i; }}"
    program = parse("\n".join(loop.format(n=n) for n in range(40)).encode())
    runs = list(explore_program(program, Options(max_steps=3000, max_total=20_000)))
    assert len(runs) == 40
    assert sum(run.paths for run in runs) < 60
    assert runs[0].abandoned == 1
    assert runs[-1].truncated
