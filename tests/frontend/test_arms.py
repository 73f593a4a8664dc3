"""``#if`` arms inside a function: every arm is seen in some alternative, and no alternative contradicts itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gfplint.facts import Arms, Name
from gfplint.frontend.arms import MAX_VARIANTS, variants
from gfplint.frontend.blank import blank
from tests.frontend.trees import calls, lower


def _alternatives(inside: str) -> dict[str, set[str]]:
    """Conditions -> names called."""
    tree = lower("void f(void)\n{\n" + inside + "}\n")
    assert tree.errors == ()
    (arms,) = tree.stmts
    assert isinstance(arms, Arms)
    return {names: {c.func.name for c in calls(stmts) if isinstance(c.func, Name)} for names, stmts in arms.arms}


def test_without_conditionals_there_is_no_choice() -> None:
    assert not isinstance(lower("void f(void)\n{\n\ta();\n}\n").stmts[0], Arms)


def test_if_and_else() -> None:
    assert _alternatives("#ifdef CONFIG_A\na();\n#else\nb();\n#endif\nc();\n") == {
        "CONFIG_A": {"a", "c"},
        "!CONFIG_A": {"b", "c"},
    }


def test_a_negated_condition() -> None:
    assert _alternatives("#if !defined(CONFIG_A)\na();\n#endif\nc();\n") == {"": {"c"}, "!CONFIG_A": {"a", "c"}}


def test_elif_chains() -> None:
    found = _alternatives("#if A\na();\n#elif B\nb();\n#elif C\nc();\n#else\nd();\n#endif\n")
    assert sorted(found.values(), key=sorted) == [{"a"}, {"b"}, {"c"}, {"d"}]


def test_arms_inside_arms_are_all_seen() -> None:
    found = _alternatives(
        "#ifdef A\n#ifdef B\nab();\n#else\na();\n#endif\n#else\n#ifdef B\nb();\n#else\nnone();\n#endif\n#endif\n"
    )
    assert set().union(*found.values()) == {"ab", "a", "b", "none"}
    for conditions in found:
        literals = conditions.split(",")
        assert not any("!" + literal in literals for literal in literals)


def test_a_symbol_has_one_value_in_an_alternative() -> None:
    found = _alternatives("#ifdef A\na1();\n#endif\n#ifdef A\na2();\n#else\nn2();\n#endif\n")
    assert sorted(found.values(), key=sorted) == [{"a1", "a2"}, {"n2"}]


def test_what_is_never_compiled_is_left_out() -> None:
    found = _alternatives("#if 0\na();\n#else\nb();\n#endif\n#ifdef A\nc();\n#endif\n")
    assert all("a" not in names for names in found.values())


def test_an_if_that_two_arms_begin() -> None:
    found = _alternatives("#ifdef A\nif (x) {\n#else\nif (y) {\n#endif\na();\n}\n")
    assert set(found) == {"A", "!A"}


@given(st.lists(st.sampled_from(["#if A\n", "#ifdef B\n", "#elif C\n", "#else\n", "#endif\n", "x();\n", "{\n"])))
def test_alternatives_are_few_and_as_long_as_the_text(lines: list[str]) -> None:
    source = blank("".join(lines).encode())
    found = variants(source.code, 0, source.conditionals(-1, len(source.code)))
    assert 1 <= len(found) <= MAX_VARIANTS
    assert all(len(variant.text) == len(source.code) for variant in found)
    assert len({variant.text for variant in found}) == len(found)
