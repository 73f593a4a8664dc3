"""Locks that a function says its caller holds: lockdep_assert_held(), __must_hold(), __releases()."""

from __future__ import annotations

import pytest

from tests.rules.harness import lint

HEADER = """
struct pier { spinlock_t lock; raw_spinlock_t raw; struct mutex mutex; rwlock_t table; void *slot; };
"""


@pytest.mark.parametrize(
    ("annotation", "statements", "reported"),
    [
        ("", "lockdep_assert_held(&p->lock); A", ["spin lock p.lock"]),
        ("", "A lockdep_assert_held(&p->lock);", []),
        ("", "lockdep_assert_held(&p->mutex); A", []),
        ("", "lockdep_assert_held(&p->raw); A", ["raw spin lock p.raw"]),
        ("", "assert_spin_locked(&p->lock); A", ["spin lock p.lock"]),
        ("", "lockdep_assert_held_write(&p->table); A", ["write lock p.table"]),
        ("", "lockdep_assert_held(&p->lock); spin_unlock(&p->lock); A spin_lock(&p->lock);", []),
        ("", "spin_lock(&p->lock); lockdep_assert_held(&p->lock); spin_unlock(&p->lock); A", []),
        ("__must_hold(&p->lock)", "A", ["spin lock p.lock"]),
        ("__must_hold(&p->mutex)", "A", []),
        ("__releases(&p->lock) __acquires(&p->lock)", "spin_unlock(&p->lock); A spin_lock(&p->lock);", []),
        ("__releases(&p->lock)", "A spin_unlock(&p->lock);", ["spin lock p.lock"]),
    ],
)
def test_what_a_function_says_of_its_caller_counts(annotation: str, statements: str, reported: list[str]) -> None:
    body = statements.replace("A", "p->slot = kmalloc(64, GFP_KERNEL);", 1)
    findings = lint(f"{HEADER}\nstatic void moor(struct pier *p) {annotation}\n{{\n\t{body}\n}}\n")
    assert [f.message.partition("may sleep here: ")[2].partition(";")[0] for f in findings] == reported
    assert all(len(f.trace) == 2 for f in findings)


DROPPING = """
static void moor(struct pier *p)
{
	lockdep_assert_held(&p->lock);
	spin_unlock(&p->lock);
	p->slot = kmalloc(64, GFP_KERNEL);
	spin_lock(&p->lock);
}

void berth(struct pier *p)
{
	spin_lock(&p->lock);
	moor(p);
	spin_unlock(&p->lock);
	p->slot = kmalloc(64, GFP_KERNEL);
}
"""


def test_a_caller_learns_of_the_lock_that_is_dropped() -> None:
    assert lint(HEADER + DROPPING) == []
