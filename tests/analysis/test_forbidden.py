"""Which functions may call what sleeps with a context held that forbids it: the others need no whole flow."""

from __future__ import annotations

import pytest

from gfplint.analysis.environment import LONG_CHAIN
from gfplint.analysis.program import FunctionId
from gfplint.analysis.summary import Summary
from gfplint.linting import DEPTH
from tests.rules.harness import lint, program_of

#: Calls that are looked through where findings of low confidence are not asked for, and where they are.
SURE, LOW = LONG_CHAIN - 1, DEPTH
HEAD = """
struct ops { int (*all)(void); int (*some)(void); int (*given)(gfp_t gfp); int (*none)(void); };
struct pier {
	spinlock_t lock; raw_spinlock_t raw; struct mutex mutex; const struct ops *ops; struct other *other; void *slot;
};
static int all_one(void) { return kmalloc(8, GFP_KERNEL) != 0; }
static int all_two(void) { return kmalloc(9, GFP_KERNEL) != 0; }
static int awake(void) { return 1; }
static int given_one(gfp_t gfp) { return kmalloc(8, gfp) != 0; }
static int given_two(gfp_t gfp) { return kmalloc(9, gfp) != 0; }
static const struct ops one = { .all = all_one, .some = all_one, .given = given_one, .none = awake };
static const struct ops two = { .all = all_two, .some = all_two, .given = given_two, .none = awake };
static const struct ops three = { .some = awake };
static void *build(void) { return kmalloc(64, GFP_KERNEL); }
static void *mask(gfp_t gfp) { return kmalloc(64, gfp); }
static void own(struct pier *p, gfp_t gfp) { spin_lock(&p->raw); p->slot = kmalloc(64, gfp); spin_unlock(&p->raw); }
static void sure(struct pier *p, gfp_t gfp) { own(p, gfp); }
static void drops(struct pier *p) { local_bh_enable(); p->slot = kmalloc(64, GFP_KERNEL); local_bh_disable(); }
static void parts(struct device *dev, void *v) { dma_free_coherent(dev, 8, v, 0); }
"""
NAMES = frozenset(
    ("build", "mask", "sure", "own", "kmalloc", "all", "some", "given", "none", "drops", "parts", "vfree", "rare")
)


def _meets(statements: str, annotation: str = "", depth: int = SURE) -> bool:
    text = f"{HEAD}\nvoid moor(struct pier *p, struct device *dev) {annotation}\n{{\n\t{statements}\n}}\n"
    program, linker = program_of({"drivers/a/a.c": text}, (6, 12), depth)
    fid = program.resolve("moor", 0)
    assert fid is not None
    met = linker.meets(fid, NAMES)
    summary = linker.summary(fid, 0)
    assert summary is not None
    surely = [r for r in summary.reports if depth == LOW or r.sleep.uncertain < 2]
    assert met or not surely  # whatever the whole flow reports
    return met


@pytest.mark.parametrize(
    ("said", "met"),
    [
        ("lockdep_assert_held(&p->lock);", True),
        ("lockdep_assert_held(&p->raw);", True),
        ("lockdep_assert_held(&p->mutex);", False),
        ("lockdep_assert_held(&p->other->lock);", False),
        ("spinlock_t *of = &p->lock; lockdep_assert_held(of);", True),
        ("struct mutex *of = &p->mutex; lockdep_assert_held(of);", False),
        ("if (dev) { spinlock_t *l; lockdep_assert_held(l); } else { struct mutex *l; lockdep_assert_held(l); }", True),
        ("p->slot = ({ spinlock_t *l = &p->lock; lockdep_assert_held(l); l; });", True),
    ],
)
@pytest.mark.parametrize("depth", [SURE, LOW])
def test_locks_that_are_said_to_be_held_go_by_their_type(said: str, met: bool, depth: int) -> None:
    assert _meets(f"{said} p->slot = kmalloc(64, GFP_KERNEL);", depth=depth) is met


@pytest.mark.parametrize(("lock", "met"), [("&p->lock", True), ("&p->mutex", False)])
@pytest.mark.parametrize("word", ["__must_hold", "__releases"])
def test_headers_that_say_what_is_held(word: str, lock: str, met: bool) -> None:
    assert _meets("p->slot = kmalloc(64, GFP_KERNEL);", f"{word}({lock})") is met
    assert _meets("p->slot = kmalloc(64, GFP_ATOMIC);", f"{word}({lock})") is False


@pytest.mark.parametrize(
    ("statements", "sure"),
    [
        ("lockdep_assert_held(&p->lock); build();", False),
        ("lockdep_assert_held(&p->lock); p->ops->all();", False),
        ("lockdep_assert_held(&p->lock); sure(p, GFP_KERNEL);", True),
        ("lockdep_assert_held(&p->lock); spin_lock(&p->raw); build();", True),
        ("spin_lock(&p->raw); lockdep_assert_held(&p->lock); spin_unlock(&p->lock); build();", True),
    ],
)
def test_callees_where_locks_are_only_said_to_be_held(statements: str, sure: bool) -> None:
    assert _meets(statements) is sure
    assert _meets(statements, depth=LOW)


@pytest.mark.parametrize(
    ("call", "sure", "low"),
    [
        ("p->ops->all()", True, True),
        ("p->ops->some()", False, True),
        ("p->ops->given(GFP_KERNEL)", True, True),
        ("p->ops->given(GFP_ATOMIC)", False, False),
        ("p->ops->none()", False, False),
        ("p->other->all()", False, False),
        ("p->all()", False, False),
    ],
)
def test_operations_go_by_the_struct_that_has_them(call: str, sure: bool, low: bool) -> None:
    for depth, met in ((SURE, sure), (LOW, low)):
        assert _meets(f"spin_lock(&p->lock); {call}; spin_unlock(&p->lock);", depth=depth) is met


@pytest.mark.parametrize(
    ("statements", "met"),
    [
        ("local_bh_disable(); drops(p); local_bh_enable();", False),
        ("local_bh_disable(); spin_lock(&p->lock); drops(p); spin_unlock(&p->lock); local_bh_enable();", True),
        ("spin_lock(&p->lock); parts(dev, p); spin_unlock(&p->lock);", False),
        ("spin_lock_irq(&p->lock); parts(dev, p); spin_unlock_irq(&p->lock);", True),
        ("spin_lock(&p->lock); vfree(p->slot); spin_unlock(&p->lock);", True),
    ],
)
def test_contexts_that_a_callee_leaves_or_that_do_not_forbid_its_sleep(statements: str, met: bool) -> None:
    assert _meets(statements) is met


def test_a_callee_that_locks_by_itself_gets_its_mask_from_here() -> None:
    text = f"{HEAD}\nvoid moor(struct pier *p)\n{{\n\tlockdep_assert_held(&p->lock);\n\tsure(p, GFP_KERNEL);\n}}\n"
    assert any(f.rule == "GFP101" and f.function == "moor" for f in lint(text))


MAYBE = "static void maybe(struct pier *p) { if (p->slot) spin_lock(&p->raw); }\n"
TWICE = (
    "static void lock_twice(struct pier *p, int n)\n{\n"
    "\tif (n) spin_lock(&p->lock);\n\tp->other = 0;\n\tif (%s) spin_%s(&p->lock);\n}\n"
)
PAIRED, EITHER = TWICE % ("n", "unlock"), TWICE % ("!n", "lock")


@pytest.mark.parametrize(
    ("more", "statements", "met", "asked"),
    [
        (PAIRED, "lock_twice(p, 1); p->slot = kmalloc(64, GFP_KERNEL);", False, True),
        (PAIRED, "lock_twice(p, 1); p->other = 0;", False, False),
        (PAIRED, "spin_lock(&p->lock); lock_twice(p, 1); build(); spin_unlock(&p->lock);", True, True),
        (PAIRED, "p->slot = kmalloc(64, GFP_KERNEL); lock_twice(p, 1);", False, False),
        (MAYBE, "maybe(p); build();", False, True),
        (EITHER, "lock_twice(p, 1); build();", True, True),
        (EITHER, "lock_twice(p, 1); spin_unlock(&p->lock); build();", False, True),
    ],
)
def test_a_callee_that_may_do_several_things_is_followed_only_where_it_matters(
    more: str, statements: str, met: bool, asked: bool
) -> None:
    text = f"{HEAD}{more}\nvoid moor(struct pier *p)\n{{\n\t{statements}\n}}\n"
    program, linker = program_of({"drivers/a/a.c": text}, (6, 12), SURE)
    fid = program.resolve("moor", 0)
    assert fid is not None
    depths: list[int] = []
    summary = linker.summary

    def noted(fid: FunctionId, depth: int) -> Summary | None:
        depths.append(depth)
        return summary(fid, depth)

    linker.summary = noted  # type: ignore[method-assign]
    assert linker.meets(fid, NAMES) is met
    assert (0 in depths) is asked
    found = linker.summary(fid, 0)
    assert found is not None
    assert bool(found.reports) is met
