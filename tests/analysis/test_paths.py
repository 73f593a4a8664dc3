"""Access paths: what two places of the code share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfplint.analysis.paths import MAX_TEXT, children, last_of, names_in, path_of, root_of, substitute, text_of
from gfplint.analysis.state import mentions
from gfplint.facts import Call, Expr, Name
from gfplint.frontend.lower import lower_expression


def _expression(text: str) -> Expr:
    found = lower_expression(text)
    assert found is not None
    return found


@pytest.mark.parametrize("text", ["x->lock", "x.lock", "&x->lock", "(*x).lock", "(&x)->lock", "(spinlock_t *)&x->lock"])
def test_levels_of_indirection_are_one_path(text: str) -> None:
    assert path_of(_expression(text)) == "x.lock"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("p", "p"),
        ("a->b->c", "a.b.c"),
        ("a->rows[i].lock", "a.rows[i].lock"),
        ("*p", "p"),
        ("to_ring(dev)->lock", "to_ring(dev).lock"),
        ("a + 1", ""),
        ("!a", ""),
        ("12", ""),
        ("a ? b : c", ""),
    ],
)
def test_paths(text: str, path: str) -> None:
    assert path_of(_expression(text)) == path


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("a->b", "a.b"),
        ("a==b", "a == b"),
        ("( a )", "a"),
        ("a & FLAG", "(a&FLAG)"),
        ("f(a,b)", "f( a, b )"),
        ("(int)a", "a"),
    ],
)
def test_same_conditions_have_the_same_text(one: str, two: str) -> None:
    assert text_of(_expression(one)) == text_of(_expression(two)) != ""


@pytest.mark.parametrize(("one", "two"), [("a", "!a"), ("a == b", "a != b"), ("a->b", "a->c"), ("f(a)", "f(b)")])
def test_other_conditions_have_other_texts(one: str, two: str) -> None:
    assert text_of(_expression(one)) != text_of(_expression(two))


def test_texts_are_bounded() -> None:
    long = " + ".join(f"variable_{n}" for n in range(40))
    assert text_of(_expression(long)) == ""
    deep = "->".join(f"member_{n}" for n in range(80))
    assert len(path_of(_expression(deep))) < 2 * MAX_TEXT


def test_substitution_renames_the_root_alone() -> None:
    assert substitute("arg.lock", {"arg": "dev.ring"}) == "dev.ring.lock"
    assert substitute("arg", {"arg": "x"}) == "x"
    assert substitute("arg.arg", {"arg": "x"}) == "x.arg"
    assert substitute("global.lock", {"arg": "x"}) == "global.lock"
    assert substitute("arg.lock", {"arg": ""}) == ""


_NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)


@given(st.lists(_NAMES, min_size=1, max_size=5))
def test_root_and_last(parts: list[str]) -> None:
    path = ".".join(parts)
    assert root_of(path) == parts[0]
    assert last_of(path) == parts[-1]
    assert root_of(path + "[i].x") == parts[0]


@given(_NAMES, _NAMES, _NAMES)
def test_a_path_is_mentioned_as_a_word(one: str, two: str, three: str) -> None:
    assert mentions(f"({one}.{two} == {three})", one)
    assert mentions(f"!{one}", one)
    assert not mentions(f"x{one}", one)
    assert not mentions(f"{one}x", one)
    assert not mentions(f"whole.{one}", one)  # a member of another object


def test_names_are_the_roots_that_are_read() -> None:
    assert names_in(_expression("a->b + f(c, d[e])")) == {"a", "c", "d", "e"}


@pytest.mark.parametrize(
    "text", ["f(g(x), y->z[i])", "a ? f(x) : g(y)", "a ?: f(x)", "(int)f(x) + -g(y)", "p = f(x), q |= g(y)", "!f(x)"]
)
def test_children_reach_every_call(text: str) -> None:
    calls = set()
    pending = [_expression(text)]
    while pending:
        node = pending.pop()
        if isinstance(node, Call) and isinstance(node.func, Name):
            calls.add(node.func.name)
        pending += children(node)
    assert calls == {name for name in ("f", "g") if f"{name}(" in text}
