"""Guard classes that the linted code defines itself."""

from __future__ import annotations

import pytest

from tests.rules.harness import lint_all

HEADER = """
struct weir { spinlock_t lock; struct mutex mutex; void *slot; };

static inline void weir_lock(struct weir *w)
{
	spin_lock_bh(&w->lock);
}

static inline void weir_unlock(struct weir *w)
{
	spin_unlock_bh(&w->lock);
}

DEFINE_GUARD(weir_plain, struct weir *, spin_lock(&_T->lock), spin_unlock(&_T->lock))
DEFINE_GUARD_COND(weir_plain, _try, spin_trylock(&_T->lock))
DEFINE_GUARD(weir_wrapped, struct weir *, weir_lock(_T), weir_unlock(_T))
DEFINE_GUARD(weir_mutex, struct weir *, mutex_lock(&_T->mutex), mutex_unlock(&_T->mutex))
DEFINE_LOCK_GUARD_1(weir_irqsave, struct weir,
		spin_lock_irqsave(&_T->lock->lock, _T->flags),
		spin_unlock_irqrestore(&_T->lock->lock, _T->flags),
		unsigned long flags)
DEFINE_LOCK_GUARD_0(weir_preempt, preempt_disable(), preempt_enable())
DEFINE_CLASS(weir_held, struct weir *, spin_unlock(&_T->lock), ({ spin_lock(&w->lock); w; }), struct weir *w)

static inline void weir_refill(struct weir *w)
{
	spin_unlock(&w->lock);
	w->slot = kmalloc(64, GFP_KERNEL);
	spin_lock(&w->lock);
}
"""


@pytest.mark.parametrize(
    ("statements", "reported"),
    [
        ("guard(weir_plain)(w); w->slot = kmalloc(64, GFP_KERNEL);", ["spin lock w.lock"]),
        ("scoped_guard(weir_plain, w) w->slot = kmalloc(64, GFP_KERNEL);", ["spin lock w.lock"]),
        ("scoped_guard(weir_plain, w) {} w->slot = kmalloc(64, GFP_KERNEL);", []),
        ("scoped_guard(weir_plain_try, w) w->slot = kmalloc(64, GFP_KERNEL);", ["spin lock w.lock"]),
        ("guard(weir_wrapped)(w); w->slot = kmalloc(64, GFP_KERNEL);", ["spin lock w.lock, bottom halves disabled"]),
        ("guard(weir_mutex)(w); w->slot = kmalloc(64, GFP_KERNEL);", []),
        ("guard(weir_irqsave)(w); w->slot = kmalloc(64, GFP_KERNEL);", ["spin lock w.lock, interrupts disabled"]),
        ("guard(weir_preempt)(); w->slot = kmalloc(64, GFP_KERNEL);", ["preemption disabled"]),
        ("CLASS(weir_held, held)(w); held->slot = kmalloc(64, GFP_KERNEL);", ["spin lock w.lock"]),
        ("guard(weir_plain)(w); weir_refill(w);", []),
        ("guard(weir_unknown)(w); w->slot = kmalloc(64, GFP_KERNEL);", []),
    ],
)
def test_guards_hold_what_their_constructor_takes(statements: str, reported: list[str]) -> None:
    text = f'#include "weir.h"\nvoid pour(struct weir *w)\n{{\n\t{statements}\n}}\n'
    findings = lint_all({"drivers/weir.h": HEADER, "drivers/weir.c": text})
    assert [f.message.partition("may sleep here: ")[2].partition(";")[0] for f in findings] == reported


def test_a_class_that_the_file_does_not_see_says_nothing() -> None:
    text = "void pour(struct weir *w)\n{\n\tguard(weir_plain)(w);\n\tw->slot = kmalloc(64, GFP_KERNEL);\n}\n"
    assert lint_all({"drivers/weir/weir.h": HEADER, "drivers/dam/dam.c": text}) == []
