"""Skeletons: what a file defines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint.facts import FileFacts, Macro
from gfplint.frontend.header import parse_declarator, signature
from gfplint.frontend.skeleton import MAX_ITEMS, skeleton


def _facts(text: str) -> FileFacts:
    return skeleton(text.encode())


@pytest.mark.parametrize(
    ("header", "name", "annotations"),
    [
        ("static int f(int a)", "f", ()),
        ("static void *f(struct s *a, loff_t *b)\n\t__acquires(&a->lock)", "f", ("__acquires(&a->lock)",)),
        ("void f(void) __must_hold(x) __releases(y)", "f", ("__releases(y)", "__must_hold(x)")),
        ("static noinline_for_stack int f(int a)", "f", ()),
        ("static __printf(1, 2) void f(const char *a, ...)", "f", ("__printf",)),
        ("asmlinkage __visible void __init f(void)", "f", ("__visible", "__init")),
        ("int __init __f(void)", "__f", ("__init",)),
        ("static int __init f(void)", "f", ("__init",)),
        ("static int f(int (*cb)(void *), void *data)", "f", ()),
        ("MODULE_NAME(x)\nstatic int f(void)", "f", ()),
        ("SYSCALL_DEFINE2(open, int, fd, char __user *, p)", "sys_open", ("SYSCALL_DEFINE2",)),
        ("COMPAT_SYSCALL_DEFINE1(open, int, fd)", "compat_sys_open", ("COMPAT_SYSCALL_DEFINE1",)),
        ("BPF_CALL_2(helper, u32, a, u64, b)", "helper", ("BPF_CALL_2",)),
    ],
)
def test_headers(header: str, name: str, annotations: tuple[str, ...]) -> None:
    (function,) = _facts(f"{header}\n{{\n\tg();\n}}\n").functions
    assert function.name == name
    assert function.callees == ("g",)
    assert set(annotations) <= set(signature(function.header).annotations)


def test_the_parameters_of_a_system_call() -> None:
    (function,) = _facts("SYSCALL_DEFINE2(open, int, fd, char __user *, p)\n{\n}\n").functions
    assert [(p.type, p.pointers, p.name) for p in signature(function.header).params] == [
        ("int", 0, "fd"),
        ("char", 1, "p"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("struct page **pages", ("page", 2, "pages")),
        ("const char *name", ("char", 1, "name")),
        ("unsigned long flags", ("unsigned long", 0, "flags")),
        ("gfp_t gfp", ("gfp_t", 0, "gfp")),
        ("int (*f)(void *)", ("function", 1, "f")),
        ("u8 a[16]", ("u8", 1, "a")),
        ("struct s *", ("s", 1, "")),
    ],
)
def test_declarators(text: str, expected: tuple[str, int, str]) -> None:
    found = parse_declarator(text)
    assert (found.type, found.pointers, found.name) == expected


def test_spans_lines_callees_and_words() -> None:
    text = "\n/* é */ static inline int f(int a)\n{\n\treturn g(a, GFP_KERNEL | __GFP_ZERO) + h2 (1);\n}\n"
    (function,) = _facts(text).functions
    assert (function.line, function.static) == (2, True)
    assert function.callees == ("g", "h2")
    assert function.words == ("GFP_KERNEL", "__GFP_ZERO")
    data = text.encode()
    assert data[function.start :].startswith(b"f(int a)")
    assert data[function.body : function.body + 1] == b"{" and data[function.end - 1 : function.end] == b"}"


def _macros(text: str) -> dict[str, Macro]:
    return {macro.name: macro for macro in _facts(text).macros}


def test_macros() -> None:
    found = _macros(
        "#define ONE 1\n#define MASK (GFP_KERNEL | \\\n\t__GFP_NOWARN)\n#define alias other\n"
        "#define get(x, m) \\\n\tkmalloc(x, m)\n#define sum(a, b) ((a) + (b))\n#define mask(x) ((x) | GFP_ATOMIC)\n"
    )
    assert "ONE" not in found
    assert found["MASK"].params is None and "__GFP_NOWARN" in found["MASK"].text
    assert found["alias"].text == "other"
    assert found["get"].params == ("x", "m") and found["get"].callees == ("kmalloc",)
    assert found["mask"].callees == () and found["mask"].text == "((x) | GFP_ATOMIC)"
    assert "sum" not in found


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("(A + 2)", False),
        ("A | G | GF", False),
        ('"s" G', False),
        ("~A", False),
        ("CALL(A, b)", False),
        ("3 /* c */", False),
        ("a b", False),
        ("A", True),
        ("(A)", True),
        ("&a", True),
        ("(&a)", True),
        ("A /* c */", True),
        ("A | GFP_NOIO", True),
        ("GFP_NOIO | A", True),
        ("(1 | __GFP_ZERO)", True),
        ("G(GFP_NOIO)", True),
        ("\\\n\tA", True),
    ],
)
def test_macros_among_others(text: str, kept: bool) -> None:
    """Other names for something and masks are kept, wherever in a run of macros they stand."""
    for before in ("", "#define A 1\n", "#define A 1\n\n#define B (C + 1)\n"):
        assert list(_macros(f"{before}#define NAME {text}\n#define D 2\n#define other(x) g(x)\n")) == [
            *(["NAME"] if kept else []),
            "other",
        ]


def test_tables() -> None:
    facts = _facts(
        "static const struct ops my_ops = {\n\t.open = my_open,\n\t.nested = {\n\t\t.close\t= &my_close,\n\t},\n};\n"
        "static struct item items[] = {\n\t{ .a = one },\n\t{ .a = two, .f = (handler_t)three },\n};\n"
        "static struct driver d = {\n\t.ops = &(const struct ops) {\n\t\t.open = other,\n\t},\n\t.name = n,\n};\n"
        "static struct s *const list[] = { &a, &b };\n"
    )
    found = [(t.struct, t.name, [(e.member, e.value, e.line) for e in t.entries]) for t in facts.tables]
    assert found == [
        ("ops", "my_ops", [("open", "my_open", 2), ("nested.close", "my_close", 4)]),
        ("item", "items", [("a", "one", 8)]),
        ("item", "items", [("a", "two", 9), ("f", "three", 9)]),
        ("ops", "d", [("open", "other", 13)]),
        ("driver", "d", [("name", "n", 15)]),
    ]
    assert [(g.type, g.pointers, g.name) for g in facts.globals] == [
        ("ops", 0, "my_ops"),
        ("item", 0, "items"),
        ("driver", 0, "d"),
        ("s", 1, "list"),
    ]


def test_elements_that_a_macro_makes_of_a_member_and_a_function_are_a_table() -> None:
    facts = _facts(
        "static int my_open(void)\n{\n\treturn 0;\n}\n"
        "static struct hooks list[] __ro_after_init = {\n\tHOOK_INIT(open, my_open),\n\tPIN(x, unknown),\n};\n"
    )
    assert [(t.struct, t.name, [(e.member, e.value, e.line) for e in t.entries]) for t in facts.tables] == [
        ("HOOK_INIT", "list", [("open", "my_open", 6)])
    ]


def test_a_declaring_macro_with_members_is_a_table_and_no_function() -> None:
    facts = _facts("define_machine(board) {\n\t.init = board_init,\n};\n")
    assert facts.functions == ()
    (table,) = facts.tables
    assert (table.struct, table.name, table.entries[0].value) == ("define_machine", "board", "board_init")


def test_records() -> None:
    facts = _facts(
        "struct a {\n\tint x;\n};\nunion b { int y; };\ntypedef struct {\n\tint z;\n} c;\n"
        "struct d {\n\tint w;\n} __packed;\nstruct e *f(void)\n{\n\treturn 0;\n}\n"
    )
    assert [record.name for record in facts.records] == ["a", "b", "c", "d"]
    assert [function.name for function in facts.functions] == ["f"]


def test_functions_that_return_a_struct_are_no_record() -> None:
    facts = _facts(
        "static struct a __get(int b)\n{\n\treturn c(b);\n}\nunion d e(void)\n{\n}\n"
        "struct f __aligned(8)\n{\n\tint g;\n};\n"
    )
    assert [(f.name, f.callees) for f in facts.functions] == [("__get", ("c",)), ("e", ())]
    assert [record.name for record in facts.records] == ["f"]


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("static DEFINE_X(a,  b [1] );", ("a", "b [1]")),
        ("DEFINE_X(a, b[c(1, 2), 3], d);", ("a", "b[c(1, 2), 3]", "d")),
        ("DEFINE_X(a[1, 2]);", ("a[1, 2]",)),
        ("DEFINE_X();", ("",)),
        ("DEFINE_X(a) ;", ("a",)),
        ("DEFINE_X(a, {1, 2});", ("a", "{1, 2}")),
        ("DEFINE_X(a) = 1;", ("a",)),
        ("DEFINE_X(a)\n", ("a",)),
    ],
)
def test_definitions_by_their_arguments(text: str, args: tuple[str, ...]) -> None:
    data = f"int before;\n{text}\nDEFINE_Y(z);\n"
    first, second = _facts(data).definitions
    assert (first.macro, first.args, second.macro) == ("DEFINE_X", args, "DEFINE_Y")
    assert data[first.start :].startswith("DEFINE_X(") and data[second.start :].startswith("DEFINE_Y(")


def test_definitions() -> None:
    facts = _facts(
        "static DEFINE_SPINLOCK(lock);\nDEFINE_FREE(put, struct s *, if (_T) drop(_T))\n"
        "DEFINE_GUARD(hold, struct s *, take(_T), leave(_T))\nDEFINE_SHOW_ATTRIBUTE(stats);\nmodule_init(start);\n"
    )
    found = [(d.macro, d.args[0]) for d in facts.definitions]
    assert found == [
        ("DEFINE_SPINLOCK", "lock"),
        ("DEFINE_FREE", "put"),
        ("DEFINE_GUARD", "hold"),
        ("DEFINE_SHOW_ATTRIBUTE", "stats"),
        ("module_init", "start"),
    ]
    assert facts.definitions[1].args == ("put", "struct s *", "if (_T) drop(_T)")


def test_includes_among_comments_and_other_directives() -> None:
    text = (
        '#include <a.h> /* one\n#include <no.h>\n*/\n#include <b.h>\n#include <c.h> // two\n#include "d.h"\n'
        "#ifdef X\n# include <e.h>\n#include MACRO\n#include <f.h> \\\n\n#include <g.h>\n#includes <h.h>\n#endif\n"
        "#include <i.h>"
    )
    facts = skeleton(text.encode())
    assert facts.includes == ("a.h", "b.h", "c.h", "d.h", "e.h", "f.h", "g.h", "i.h")
    assert skeleton(text.encode().replace(b"\n", b"\r\n")).includes == facts.includes


def test_calls_of_functions_that_follow_each_other_stay_apart() -> None:
    facts = _facts(
        "void a(void)\n{\n\tx();\n\tx();\n}\nvoid b(void)\n{\n}\nvoid c(void)\n{\n}\n"
        "void d(void)\n{\n\tif (x())\n\t\tx(sizeof(int));\n}\nvoid e(void)\n{\n\tx(GFP_KERNEL);\n\ty();\n\tx();\n}\n"
    )
    assert [f.callees for f in facts.functions] == [("x",), (), (), ("x",), ("x", "y", "x")]
    assert [f.words for f in facts.functions] == [(), (), (), (), ("GFP_KERNEL",)]
    assert [f.line for f in facts.functions] == [1, 6, 9, 12, 17]


def test_members_are_called_in_brackets_as_well() -> None:
    facts = _facts(
        "int f(struct s *s, int (*cb)(int))\n{\n\t(*s->ops->open)(s);\n\t(s->close) (s);\n\t(*cb)(1);\n"
        "\treturn (u64)(s->size) + (int)(2);\n}\n"
    )
    assert facts.functions[0].callees == ("open", "close")


def test_globals_stores_and_includes() -> None:
    facts = _facts(
        '#include <linux/slab.h>\n#include "own.h"\n' + "/* long */\n" * 200 + "static gfp_t mask = GFP_KERNEL;\n"
        "struct s *head;\nextern int other;\nstatic void cb(void)\n{\n}\nvoid f(struct s *s)\n{\n\ts->done = cb;\n"
        "\ts->x = &cb;\n\ts->y = unknown;\n}\n"
    )
    assert facts.includes == ("linux/slab.h", "own.h")
    assert [(g.type, g.pointers, g.name, g.static) for g in facts.globals] == [
        ("gfp_t", 0, "mask", True),
        ("s", 1, "head", False),
    ]
    assert [(s.function, s.member, s.value) for s in facts.stores] == [("f", "done", "cb"), ("f", "x", "cb")]


def test_both_arms_at_file_scope_are_seen() -> None:
    facts = _facts("#ifdef A\nint f(void)\n{\n\tx();\n}\n#else\nint f(void)\n{\n\ty();\n}\n#endif\n")
    assert [function.callees for function in facts.functions] == [("x",), ("y",)]


def test_items_beyond_the_limit_are_named_as_left_out() -> None:
    facts = _facts("a b;" * (MAX_ITEMS + 10))
    assert str(MAX_ITEMS) in facts.errors[0]
    assert _facts("int a;").errors == ()


@settings(max_examples=200)
@given(
    st.binary(max_size=300)
    | st.text(alphabet="ab_ \n\t(){};=.,*&#\"'\\/[]", max_size=300).map(str.encode)
    | st.lists(
        st.sampled_from(["struct a", "f(b)", "{", "}", "\n", "= {", ".x = ", "#if A\n", "\n#endif\n", ";", "__m(", ")"])
    ).map(lambda parts: " ".join(parts).encode())
)
def test_any_bytes_have_a_skeleton(data: bytes) -> None:
    facts = skeleton(data)
    for function in facts.functions:
        assert 0 <= function.start <= function.body < function.end <= len(data)
        assert function.line >= 1
        assert signature(function.header) is not None


def test_long_names_of_members_are_not_repeated_before_each_entry() -> None:
    name = "m" * 2_000
    inner = ".b = f,\n" * 10
    (table,) = skeleton(f"static struct a t = {{\n.c = {{ .{name} = {{\n{inner}}} }},\n}};\n".encode()).tables
    assert {(entry.member, entry.value) for entry in table.entries} == {("c.b", "f")}
