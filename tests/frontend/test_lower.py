"""Bodies: operations in source order, at the right places."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint.facts import (
    Assign,
    Binary,
    Body,
    Call,
    Conditional,
    Declare,
    Do,
    Goto,
    Guard,
    If,
    Label,
    Loop,
    Member,
    Name,
    Return,
    Scoped,
    SizeOf,
    Stmt,
    Switch,
)
from gfplint.frontend.blank import blank
from gfplint.frontend.lower import _Lowering, _parser, _Positions, body, lower_expression, lower_macro
from gfplint.frontend.prepare import prepare
from tests.frontend.trees import calls, lower, nodes, read, sites


def _stmts(inside: str) -> tuple[Stmt, ...]:
    found = lower("void f(void)\n{\n\t" + inside + "\n}\n")
    assert found.errors == ()
    return found.stmts


def _one(inside: str) -> Stmt:
    (stmt,) = _stmts(inside)
    return stmt


def test_an_assigned_call() -> None:
    stmt = _one("p->x = kmalloc(n, GFP_KERNEL | __GFP_ZERO);")
    assert isinstance(stmt, Do) and isinstance(stmt.expr, Assign)
    assert stmt.expr.target == Member(Name("p"), "x", True)
    call = stmt.expr.value
    assert isinstance(call, Call) and call.func == Name("kmalloc")
    assert call.args == (Name("n"), Binary("|", Name("GFP_KERNEL"), Name("__GFP_ZERO")))


def test_declarations() -> None:
    found = _stmts("struct s *p __free(kfree) = get(), **q;\n\tstatic char b[4];\n\tunsigned long flags;")
    assert [(d.name, d.type, d.pointers, d.array, d.static, d.cleanup) for d in found if isinstance(d, Declare)] == [
        ("p", "s", 1, False, False, "kfree"),
        ("q", "s", 2, False, False, ""),
        ("b", "char", 0, True, True, ""),
        ("flags", "unsigned long", 0, False, False, ""),
    ]


def test_control_flow() -> None:
    found = _stmts(
        "if (a)\n\t\tgoto out;\n\telse\n\t\tb();\n\tswitch (c) {\n\tcase 1:\n\t\tbreak;\n\t}\nout:\n\treturn d;"
    )
    assert [type(stmt) for stmt in found] == [If, Switch, Label, Return]
    first = found[0]
    assert isinstance(first, If) and first.then == Goto("out", 4) and isinstance(first.otherwise, Do)


@pytest.mark.parametrize(
    ("text", "kind", "arguments"),
    [
        ("while (a)\n\t\tb();", "while", 0),
        ("do {\n\t\tb();\n\t} while (a);", "do", 0),
        ("for (i = 0; i < n; i++)\n\t\tb();", "for", 0),
        ("list_for_each_entry(p, &h, list)\n\t\tb();", "list_for_each_entry", 3),
        ("for_each_online_cpu(cpu) {\n\t\tb();\n\t}", "for_each_online_cpu", 1),
        ("own_iteration(a, b)\n\t\tb();", "own_iteration", 2),
    ],
)
def test_loops(text: str, kind: str, arguments: int) -> None:
    loop = _one(text)
    assert isinstance(loop, Loop)
    assert (loop.kind, len(loop.args)) == (kind, arguments)
    assert [call.func for call in calls(loop.body)] == [Name("b")]


def test_guards() -> None:
    first, second, third, fourth = _stmts(
        "guard(mutex)(&s->lock);\n\tCLASS(fd, f)(n);\n\tscoped_guard(spinlock, &s->lock) {\n\t\ta();\n\t}\n"
        "\tscoped_cond_guard(mutex_try, return -EBUSY, &s->lock)\n\t\tb();"
    )
    assert isinstance(first, Guard) and (first.kind, len(first.args)) == ("mutex", 1)
    assert isinstance(second, Guard) and (second.kind, second.name) == ("fd", "f")
    assert isinstance(third, Scoped) and third.fail is None and [c.func for c in calls(third.body)] == [Name("a")]
    assert isinstance(fourth, Scoped) and isinstance(fourth.fail, Return)


@pytest.mark.parametrize(
    "text",
    [
        "p = container_of(q, struct s, member);",
        "ASSERTCMP(a, ==, b);",
        "ASSERTCMP(a, >=, b);",
        "n = STAT(65B_127B) + STAT(128B_255B);",
        "n = offsetof(struct s, a.b[c].d);",
        "DECLARE_BITMAP(map, BITS) = { 0 };",
        "static DEFINE_RATELIMIT_STATE(state, 10 * HZ, 1);",
        'register unsigned long r __asm__("r0") = a;',
        'asm volatile("nop" : : "r" (a) : "memory");',
        'if (a)\n\t\tasm("nop");',
        'printk(KERN_INFO "x %" PRIu64 "\\n", a);',
        "TRACE(__func__)\n\tif (a)\n\t\tb();",
        "typeof(a) b = (typeof(a))c;",
        "switch (a) {\n\tcase 1 ... 3:\n\t\tbreak;\n\t}",
        "x = ({ int t = a; t + 1; });",
        "p = (struct s) { .a = 1, .b = { 2 } };",
        "n = sizeof(struct s) + sizeof(*p) + __alignof__(long);",
        "v = va_arg(args, unsigned int);",
        "x = READ_ONCE(*p) ?: y;",
        "int a __maybe_unused, b __aligned(8);",
        "x = (__force u32)y;",
        "min_t(unsigned long long, a, b);",
    ],
)
def test_kernel_constructs_are_understood(text: str) -> None:
    assert _stmts(text)


def test_a_macro_that_is_a_statement_keeps_its_call() -> None:
    found = _stmts("TRACE(a)\n\tuse(b);\n\tEND(c)")
    assert [call.func for call in calls(found)] == [Name("TRACE"), Name("use"), Name("END")]


@pytest.mark.parametrize("text", ["(*s->open)(a);", "(s->open)(a);", "s->open(a);", "(**s->open)(a);"])
def test_the_same_call_written_otherwise(text: str) -> None:
    (call,) = calls(_stmts(text))
    assert call.func == Member(Name("s"), "open", True)


def test_calls_survive_what_is_not_understood() -> None:
    found = lower("void f(void)\n{\n\ta(); @ $ ] b(c(1) d(2);\n\te();\n}\n")
    assert found.errors
    assert {"a", "b", "c", "d"} <= {call.func.name for call in calls(found) if isinstance(call.func, Name)}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("comment", ["", "/* été */ ", "\t"])
def test_places(end: str, comment: str) -> None:
    lines = ["int f(int a)", "{", f"\t{comment}return one(a,", "\t\ttwo(a)) + s->three(a);", "}", ""]
    found = {call.place: call for call in calls(lower(end.join(lines)))}
    assert len(found) == 3
    for place, call in found.items():
        func = call.func
        expected = func.name if isinstance(func, Name) else "s->three"
        assert lines[place.line - 1][place.column - 1 :].startswith(expected)
        assert lines[place.end_line - 1][place.end_column - 2] == ")"


def test_macros_are_lowered_at_their_own_places() -> None:
    source, facts = read("#define get(x, m) \\\n\tdo { \\\n\t\t(x) = kmalloc(1, m); \\\n\t} while (0)\n")
    (macro,) = facts.macros
    lowered = lower_macro(source, macro.start, macro.end)
    assert sites(lowered) == {("kmalloc", 3)}


def test_expressions() -> None:
    assert lower_expression("(GFP_KERNEL | __GFP_NOWARN)") == Binary("|", Name("GFP_KERNEL"), Name("__GFP_NOWARN"))
    assert isinstance(lower_expression("a ? b : c"), Conditional)
    assert lower_expression("sizeof(struct s)") == SizeOf("s", None)
    assert lower_expression("return 1") is None
    assert lower_expression("if (") is None


_PROGRAMS = sorted((Path(__file__).parents[2] / "fixtures").rglob("*.c"))


@pytest.mark.parametrize("path", _PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_understood_is_lowered_as_what_may_not_be(path: Path) -> None:
    source, facts = read(path.read_bytes())
    for function in facts.functions:
        prepared = prepare(source.code[function.body : function.end])
        root = _parser().parse(prepared.text.encode()).root_node
        if not root.has_error:
            plain, careful = (
                _Lowering(prepared, _Positions(source, function.body), plain=plain).block_of(root)
                for plain in (True, False)
            )
            assert plain == careful


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("p->x", Member(Name("p"), "x", True)),
        ("p -> x", Member(Name("p"), "x", True)),
        ("p.x", Member(Name("p"), "x", False)),
        ("p->x.y", Member(Member(Name("p"), "x", True), "y", False)),
        ("p.x->y", Member(Member(Name("p"), "x", False), "y", True)),
        ("p->x->y", Member(Member(Name("p"), "x", True), "y", True)),
    ],
)
def test_members(text: str, value: Member) -> None:
    assert lower_expression(text) == value


def test_comments_among_what_is_a_macro_s_are_no_children_of_it() -> None:
    stmt = lower_expression("({ if (x) /* y */ z; })")
    assert stmt == lower_expression("({ if (x)         z; })")


def test_deep_nesting_is_listed_and_never_raised() -> None:
    for piece in ("(", "{", "a(", "-", "1+", "if (a) ", "a[", "a ? "):
        text = piece * 5_000 + "1;"
        found = lower("void f(void)\n{\n\tx = " + text + "\n}\n")
        assert isinstance(found, Body)
    assert lower("void f(void)\n{\n\tx = " + "(" * 999 + "1" + ")" * 999 + ";\n}\n").errors == ("nested too deeply",)


def test_a_body_that_is_too_large_is_listed() -> None:
    source = blank(b"{" + b"a();" * 200_000 + b"}")
    (error,) = body(source, 0, len(source.code)).errors
    assert "too large" in error


_PIECES = [
    *"(){};,=*&<>+-:?[]\"'",
    *("if", "else", "for", "while", "a", "->b", "f(", "\n", " ", "struct s", "for_each_x(", "__free(x)", "guard(m)("),
    *("#if A\n", "\n#else\n", "\n#endif\n", "sizeof", "typeof(", "asm(", "case 1:", "return", "1", "0x", "12B", "..."),
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(_PIECES), max_size=60).map("".join) | st.text(max_size=120))
def test_any_text_has_a_body(text: str) -> None:
    source = blank(b"{" + text.encode("utf-8", "replace") + b"}")
    found = body(source, 0, len(source.code))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Body) == found
    last = text.count("\n") + 2
    assert all(1 <= call.place.line <= last for call in calls(found))
    assert all(node is not None for node in nodes(found))
