"""Flow inside a function, seen in its summary."""

from __future__ import annotations

import pytest

from gfplint.analysis.environment import MAX_SLEEPS
from gfplint.analysis.summary import Effect, Summary
from gfplint.analysis.values import MaskValue
from gfplint.target import NEWEST
from tests.rules.harness import kernel_of, program_of

_MASKS = kernel_of(NEWEST).masks


def summaries(text: str) -> dict[str, Summary]:
    """The full summaries of all functions of a file."""
    program, linker = program_of({"driver.c": text})
    found = {}
    for at, function in enumerate(program.facts[0].functions):
        summary = linker.summary((0, at), 6)
        assert summary is not None
        found[function.name] = summary
    return found


def summary(text: str) -> Summary:
    """The full summary of the last function of a file."""
    return list(summaries(text).values())[-1]


# ---- masks


def _masks(declarations: str, argument: str) -> set[MaskValue | None]:
    """The masks that may reach an allocation with this argument."""
    found = summary(f"void f(gfp_t gfp, struct s *s, int n, bool a) {{ {declarations} kmalloc(n, {argument}); }}")
    return set(found.allocs[0].masks)


def test_constant_masks_are_sets_of_bits() -> None:
    assert _masks("", "GFP_KERNEL | __GFP_ZERO") == {MaskValue("", _MASKS["GFP_KERNEL"] | _MASKS["__GFP_ZERO"])}
    assert _masks("", "GFP_KERNEL & ~__GFP_FS") == {MaskValue("", _MASKS["GFP_KERNEL"] - _MASKS["__GFP_FS"])}
    assert _masks("", "0") == {MaskValue()}


def test_masks_of_parameters_stay_symbolic() -> None:
    assert _masks("", "gfp") == {MaskValue("gfp")}
    assert _masks("", "gfp | __GFP_ZERO") == {MaskValue("gfp", _MASKS["__GFP_ZERO"])}
    assert _masks("gfp_t local = gfp & ~__GFP_IO;", "local") == {MaskValue("gfp", frozenset(), _MASKS["__GFP_IO"])}


def test_a_conditional_mask_has_two_values() -> None:
    both = {MaskValue("", _MASKS["GFP_ATOMIC"]), MaskValue("", _MASKS["GFP_KERNEL"])}
    assert _masks("", "a ? GFP_ATOMIC : GFP_KERNEL") == both
    assert _masks("gfp_t m = GFP_KERNEL; if (a) m = GFP_ATOMIC;", "m") == both


def test_a_branch_decides_a_conditional_mask() -> None:
    assert _masks("gfp_t m = a ? GFP_ATOMIC : GFP_KERNEL; if (a) return;", "m") == {MaskValue("", _MASKS["GFP_KERNEL"])}


def test_a_mask_that_is_not_understood_is_unknown() -> None:
    assert _masks("gfp_t m = compute(s);", "m") <= {None, MaskValue("compute(s)"), MaskValue("m")}
    assert all(mask is None or mask.base for mask in _masks("gfp_t m = compute(s);", "m"))


def test_a_loop_or_s_bits_into_a_mask() -> None:
    masks = _masks("gfp_t m = GFP_NOWAIT; while (n--) m |= __GFP_ZERO;", "m")
    assert MaskValue("", _MASKS["GFP_NOWAIT"]) in masks
    assert MaskValue("", _MASKS["GFP_NOWAIT"] | _MASKS["__GFP_ZERO"]) in masks


# ---- effects on the caller's context


@pytest.mark.parametrize(
    ("body", "effects"),
    [
        ("spin_lock(&s->lock);", (Effect("always", (("spin", "s.lock"),)),)),
        ("spin_unlock(&s->lock);", (Effect("always", (), (("spin", "s.lock"),)),)),
        ("spin_lock(&s->lock); spin_unlock(&s->lock);", ()),
        ("spin_unlock(&s->lock); spin_lock(&s->lock);", ()),
        (
            "spin_lock(&s->lock); spin_unlock(&s->lock); spin_lock(&s->lock);",
            (Effect("always", (("spin", "s.lock"),)),),
        ),
        ("guard(spinlock)(&s->lock);", ()),
        ("rcu_read_lock();", (Effect("always", (("rcu", ""),)),)),
        ("if (s->a) spin_lock(&s->lock); s->b = 1; if (s->a) spin_unlock(&s->lock);", ()),
    ],
)
def test_effects(body: str, effects: tuple[Effect, ...]) -> None:
    assert summary(f"void f(struct s *s) {{ {body} }}").effects == effects


@pytest.mark.parametrize(
    ("body", "when"),
    [
        ("return spin_trylock(&s->lock);", "nonzero"),
        ("if (!spin_trylock(&s->lock)) return false; return true;", "nonzero"),
        ("spin_lock(&s->lock); if (s->busy) { spin_unlock(&s->lock); return 0; } return 1;", "nonzero"),
        ("spin_lock(&s->lock); if (s->busy) { spin_unlock(&s->lock); return -EBUSY; } return 0;", "zero"),
        ("if (s->busy) return -1; spin_lock(&s->lock); return 0;", "zero"),
    ],
)
def test_effects_that_the_result_tells(body: str, when: str) -> None:
    assert summary(f"int f(struct s *s) {{ {body} }}").effects == (Effect(when, (("spin", "s.lock"),)),)


def test_an_effect_on_an_unknown_condition_is_none() -> None:
    assert summary("void f(struct s *s) { if (s->a) spin_lock(&s->lock); }").effects == ()


# ---- what callers are told


def test_a_sleep_is_told_with_its_mask() -> None:
    found = summary("void *f(gfp_t gfp) { return kmalloc(64, gfp | __GFP_ZERO); }")
    assert [(s.kind, s.how, s.mask) for s in found.sleeps] == [
        ("mask", "kmalloc", MaskValue("gfp", _MASKS["__GFP_ZERO"]))
    ]


def test_a_mask_that_never_blocks_is_not_told() -> None:
    assert summary("void *f(void) { return kmalloc(64, GFP_ATOMIC); }").sleeps == ()
    assert summary("void *f(gfp_t g) { return kmalloc(64, g & ~__GFP_DIRECT_RECLAIM); }").sleeps == ()


def test_a_sleep_is_told_with_the_conditions_on_parameters() -> None:
    found = summary("void f(struct s *s, bool wait) { if (wait) s->p = kmalloc(64, GFP_KERNEL); }")
    assert [s.guards for s in found.sleeps] == [(("cond", "wait", True),)]


def test_a_condition_on_a_changed_parameter_is_not_told() -> None:
    found = summary("void f(struct s *s, int n) { n = s->n; if (n) s->p = kmalloc(64, GFP_KERNEL); }")
    assert [s.guards for s in found.sleeps] == [()]


def test_a_sleep_is_told_with_the_locks_that_were_dropped() -> None:
    found = summary(
        "void f(struct s *s) { spin_unlock(&s->lock); s->p = kmalloc(64, GFP_KERNEL); spin_lock(&s->lock); }"
    )
    assert [s.dropped for s in found.sleeps] == [(("spin", "s.lock"),)]


def test_a_sleep_under_an_own_lock_is_reported_not_told() -> None:
    found = summary(
        "void f(struct s *s) { spin_lock(&s->lock); s->p = kmalloc(64, GFP_KERNEL); spin_unlock(&s->lock); }"
    )
    assert found.sleeps == ()
    assert [[(h.kind, h.lock) for h in report.held] for report in found.reports] == [[("spin", "s.lock")]]


def test_what_is_told_is_bounded() -> None:
    many = "".join(f"if (a{n}) s->p{n} = kmalloc(64, GFP_KERNEL);" for n in range(40))
    params = ", ".join(f"int a{n}" for n in range(40))
    found = summary(f"void f(struct s *s, {params}) {{ {many} }}")
    assert 0 < len(found.sleeps) <= MAX_SLEEPS


# ---- memory


def _frees(body: str) -> list[tuple[str, str | None]]:
    """(free, family of what it frees) of each free in a body."""
    found = summary(f"void f(struct s *s, int n, bool a) {{ {body} }}")
    return [(site.callee, site.memory.family if site.memory else None) for site in found.frees]


def test_memory_is_followed_through_copies_and_branches() -> None:
    assert _frees("void *p = kmalloc(n, GFP_KERNEL); void *q = p; kfree(q);") == [("kfree", "kmalloc")]
    assert set(_frees("void *p = a ? vmalloc(n) : kmalloc(n, GFP_KERNEL); kvfree(p);")) == {
        ("kvfree", "vmalloc"),
        ("kvfree", "kmalloc"),
    }
    assert _frees("void *p = a ? vmalloc(n) : kmalloc(n, GFP_KERNEL); if (a) vfree(p);") == [("vfree", "vmalloc")]


def test_memory_of_members_and_elements() -> None:
    assert _frees("s->p = vmalloc(n); kfree(s->p);") == [("kfree", "vmalloc")]
    assert _frees("s->rows[n] = vmalloc(n); kfree(s->rows[n]);") == [("kfree", "vmalloc")]
    assert _frees("s->p = vmalloc(n); s->p = other(s); kfree(s->p);") == [("kfree", None)]


def test_memory_that_is_handed_out_and_taken() -> None:
    found = summaries("void *new(int n) { return vmalloc(n); } void drop(void *a, void *p) { kfree(p); }")
    assert [memory.family for memory in found["new"].returns] == ["vmalloc"]
    assert [(freed.number, freed.free) for freed in found["drop"].frees_params] == [(1, "kfree")]


def test_a_reassigned_parameter_is_not_the_callers() -> None:
    assert summary("void drop(void *p, struct s *s) { p = s->p; kfree(p); }").frees_params == ()


# ---- hostile shapes


@pytest.mark.parametrize(
    "body",
    [
        "if (a) " * 60 + "s->p = kmalloc(64, GFP_KERNEL);",
        "for (;;) " * 60 + "s->p = kmalloc(64, GFP_KERNEL);",
        "".join(f"if (c{n}) s->x{n} = {n}; " for n in range(200)) + "s->p = kmalloc(64, GFP_KERNEL);",
        "again: if (s->a) goto again; s->p = kmalloc(64, GFP_KERNEL); goto again;",
        "goto nowhere; s->p = 0; here: s->p = kmalloc(64, GFP_KERNEL); goto here; nowhere: goto here;",
        "switch (n) { "
        + "".join(f"case {n}: s->p = {n}; break; " for n in range(200))
        + "} s->p = kmalloc(64, GFP_KERNEL);",
    ],
    ids=["nested ifs", "nested loops", "independent ifs", "backward goto", "gotos", "wide switch"],
)
def test_shapes_that_multiply_paths_still_end_and_report(body: str) -> None:
    found = summary(f"void f(struct s *s, int n, bool a) {{ spin_lock(&s->lock); {body} spin_unlock(&s->lock); }}")
    assert found.degraded == ()
    assert len(found.reports) >= 1


def test_a_function_beyond_the_budget_is_degraded_and_says_so() -> None:
    body = "s->x = 1; " * 7_000
    found = summary(f"void f(struct s *s) {{ spin_lock(&s->lock); s->p = kmalloc(64, GFP_KERNEL); {body} }}")
    assert any("steps" in reason for reason in found.degraded)
    assert len(found.reports) == 1  # what was found before stays


def test_mutual_recursion_ends() -> None:
    text = (
        "static void g(struct s *s, int n); static void f(struct s *s, int n) { if (n) g(s, n - 1); }"
        "static void g(struct s *s, int n) { s->p = kmalloc(64, GFP_KERNEL); f(s, n); }"
        "void h(struct s *s) { spin_lock(&s->lock); f(s, 3); spin_unlock(&s->lock); }"
    )
    assert [report.sleep.how for report in summaries(text)["h"].reports] == ["kmalloc"]
