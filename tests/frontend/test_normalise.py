"""The normaliser: its output parses, keeps every line, and says what the source meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycparser import c_ast, c_parser

from gfplint.frontend.normalise import MAX_BYTES, MAX_NESTING, NormaliseError, normalise


def parse(text: str) -> c_ast.FileAST:
    return c_parser.CParser().parse(normalise(text.encode()))


def flat(text: str) -> str:
    """The normalised text with single spaces."""
    return " ".join(normalise(text.encode()).split())


def calls(tree: c_ast.FileAST) -> list[tuple[str, int]]:
    """Names and lines of the calls, in source order."""
    found: list[tuple[str, int]] = []

    def visit(node: Any) -> None:
        if isinstance(node, c_ast.FuncCall) and isinstance(node.name, c_ast.ID):
            found.append((node.name.name, node.coord.line))
        for _, child in node.children():
            visit(child)

    visit(tree)
    return found


def test_calls_stay_on_their_lines() -> None:
    text = "/* a\n comment */\n#include <linux/slab.h>\n\nint f(void)\n{\n\tfirst(1);\n\n\tsecond(\n\t\tthird(2));\n}\n"
    assert calls(parse(text)) == [("first", 7), ("second", 9), ("third", 10)]


def test_annotations_and_unknown_types_go() -> None:
    tree = parse(
        "static __init int __must_check f(struct x __user *p, gfp_t gfp, foo_t bar) __must_hold(&p->lock)\n"
        "{ u8 *a = (u8 *)p; blob_t b; return sizeof(*a) + bar; }\n"
    )
    assert isinstance(tree.ext[-1], c_ast.FuncDef)
    assert [p.name for p in tree.ext[-1].decl.type.args.params] == ["p", "gfp", "bar"]


def test_guards_become_calls_that_end_with_their_block() -> None:
    assert '__guard ( "spinlock" , & x -> lock ) ;' in flat("void f(struct x *x) { guard(spinlock)(&x->lock); g(); }")
    scoped = flat("void f(void) { scoped_guard(mutex, &m) { g(); } h(); }")
    assert 'do { __guard ( "mutex" , & m ) ; { g ( ) ; } } while ( 0 ) ; h ( ) ;' in scoped


def test_scoped_guard_around_a_single_statement() -> None:
    text = flat("int f(void) { scoped_guard(rcu) if (a) return 1; else b(); c(); return 0; }")
    assert '__guard ( "rcu" ) ; if ( a ) return 1 ; else b ( ) ; } while ( 0 ) ; c ( ) ;' in text


def test_conditional_guard_keeps_its_failure_arm() -> None:
    text = flat("int f(void) { scoped_cond_guard(mutex_intr, return -4, &m) g(); return 0; }")
    assert 'if ( ! __cond_guard ( "mutex_intr" , & m ) ) { return - 4 ; }' in text


def test_free_is_called_at_the_end_of_the_declaration() -> None:
    text = flat("void f(void) { char *p __free(kfree) = kmalloc(8, GFP_KERNEL); g(p); }")
    assert 'char * p = kmalloc ( 8 , GFP_KERNEL ) ; __cleanup ( "kfree" , p ) ; g ( p ) ;' in text


def test_loops_over_lists() -> None:
    assert 'while ( __for_each ( "list_for_each_entry" , p , & h , member ) ) { g ( p ) ; }' in flat(
        "void f(void) { struct x *p; list_for_each_entry(p, &h, member) { g(p); } }"
    )


def test_declaring_macros_declare() -> None:
    tree = parse(
        "static DEFINE_SPINLOCK(lock);\nstatic LIST_HEAD(list);\nDEFINE_PER_CPU(int, counter);\nMODULE_LICENSE(x);\n"
    )
    assert [item.name for item in tree.ext] == ["lock", "list", "counter"]


def test_define_free_is_a_function() -> None:
    tree = parse("DEFINE_FREE(thing, struct thing *, if (_T) thing_put(_T))\nint x;\n")
    assert tree.ext[0].decl.name == "__free_thing"
    assert calls(tree) == [("thing_put", 1)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("int f(void) { return a ?: b; }", "return a ? __elvis : b ;"),
        ("int f(int x) { switch (x) { case 1 ... 5: return 1; } return 0; }", "case 1 : return 1 ;"),
        ("void f(void) { g(container_of(p, struct x, m)); }", "container_of ( p , sizeof ( struct x ) , m )"),
        ("void f(void) { typeof(*p) *q = p; }", "int * q = p ;"),
        ("#define M(x) ((x) | GFP_ATOMIC)\nint f(void) { return M(1); }", "return ( ( 1 ) | GFP_ATOMIC ) ;"),
        ("#define A B\n#define B A\nint f(void) { return A; }", "return A ;"),
        ("#if 0\nnot C\n#else\nint x;\n#endif\n", "int x ;"),
        ("#ifdef CONFIG_X\nint x;\n#else\nint y;\n#endif\n", "int x ;"),
        ("SYSCALL_DEFINE2(open, int, fd, char *, name) { return 0; }", "long open ( int fd , char * name )"),
    ],
)
def test_rewritten(source: str, expected: str) -> None:
    text = flat(source)
    assert expected in text
    c_parser.CParser().parse(normalise(source.encode()))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"int f( {", "never closed"),
        (b"int f() }", "unmatched"),
        (b"(" * (MAX_NESTING + 1) + b")" * (MAX_NESTING + 1), "nest deeper"),
        (b" " * (MAX_BYTES + 1), "larger than"),
        (b"void f(void) { scoped_guard() }", "without a class"),
        (b'void f(void) { g("unterminated); }', "unexpected character"),
    ],
)
def test_bad_input_is_a_message(source: bytes, message: str) -> None:
    with pytest.raises(NormaliseError, match=message):
        normalise(source)


def test_macro_bombs_end() -> None:
    text = "\n".join(f"#define A{n + 1} A{n} A{n}" for n in range(30)) + "\nA30\n"
    with pytest.raises(NormaliseError, match=r"tokens after macro expansion|too deeply"):
        normalise(text.encode())


@given(st.binary(max_size=300))
def test_any_bytes_give_text_or_a_message(data: bytes) -> None:
    try:
        normalise(data)
    except NormaliseError as error:
        assert str(error)


@given(
    st.lists(
        st.sampled_from(
            [
                "int",
                "f",
                "(",
                ")",
                "{",
                "}",
                ";",
                "guard",
                "scoped_guard",
                "__free",
                "CLASS",
                "for_each_x",
                "#",
                "define",
                "a",
                "b",
                "1",
                ",",
                '"',
                "\n",
                "*",
                "=",
                "?:",
                "case",
            ]
        ),
        max_size=40,
    )
)
def test_any_tokens_give_text_or_a_message(words: list[str]) -> None:
    try:
        text = normalise(" ".join(words).encode())
    except NormaliseError:
        return
    assert text.count("\n") <= " ".join(words).count("\n") + 1
