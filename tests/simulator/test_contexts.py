"""What may sleep where: locks of all kinds, scopes of interrupts and preemption, callbacks."""

from __future__ import annotations

import pytest

from gfplint.simulator.task import CONTEXT_NAMES
from tests.simulator.marked import check, seen

ATOMIC = {
    "spin_lock(&d->lock)": "spin_unlock(&d->lock)",
    "spin_lock_bh(&d->lock)": "spin_unlock_bh(&d->lock)",
    "spin_lock_irq(&d->lock)": "spin_unlock_irq(&d->lock)",
    "spin_lock_irqsave(&d->lock, flags)": "spin_unlock_irqrestore(&d->lock, flags)",
    "read_lock(&d->rw)": "read_unlock(&d->rw)",
    "write_lock_irqsave(&d->rw, flags)": "write_unlock_irqrestore(&d->rw, flags)",
    "write_seqlock(&d->seq)": "write_sequnlock(&d->seq)",
    "bit_spin_lock(0, &d->bits)": "bit_spin_unlock(0, &d->bits)",
    "rcu_read_lock()": "rcu_read_unlock()",
    "rcu_read_lock_bh()": "rcu_read_unlock_bh()",
    "local_bh_disable()": "local_bh_enable()",
    "preempt_disable()": "preempt_enable()",
    "local_irq_save(flags)": "local_irq_restore(flags)",
    "local_irq_disable()": "local_irq_enable()",
    "get_cpu()": "put_cpu()",
    "non_block_start()": "non_block_end()",
}
SLEEPABLE = {
    "mutex_lock(&d->mutex)": "mutex_unlock(&d->mutex)",
    "down_read(&d->sem)": "up_read(&d->sem)",
    "srcu_read_lock(&d->srcu)": "srcu_read_unlock(&d->srcu, 0)",
    "migrate_disable()": "migrate_enable()",
    "pagefault_disable()": "pagefault_enable()",
}


def program(enter: str, leave: str, mark: str) -> str:
    return f"""
void f(struct d *d)
{{
	unsigned long flags;

	{enter};
	d->a = kmalloc(8, GFP_KERNEL); {mark}
	{leave};
	d->b = kmalloc(8, GFP_KERNEL);
}}
"""


@pytest.mark.parametrize("enter", ATOMIC)
def test_atomic_sections(enter: str) -> None:
    found = seen(program(enter, ATOMIC[enter], ""))
    assert set(found) == {7}
    assert "sleep-fault" in found[7]


@pytest.mark.parametrize("enter", SLEEPABLE)
def test_sections_that_may_sleep(enter: str) -> None:
    check(program(enter, SLEEPABLE[enter], ""))


def test_atomic_masks_are_fine_in_atomic_sections() -> None:
    for enter, leave in ATOMIC.items():
        text = program(enter, leave, "").replace("d->a = kmalloc(8, GFP_KERNEL)", "d->a = kmalloc(8, GFP_ATOMIC)")
        assert seen(text) == {}


def test_slab_memory_under_a_raw_lock() -> None:
    check("""
void f(struct d *d)
{
	raw_spin_lock(&d->raw);
	d->a = kmalloc(8, GFP_ATOMIC); /* sees: wait-context */
	raw_spin_unlock(&d->raw);
}
""")


def test_a_sleeping_lock_under_a_spin_lock() -> None:
    check("""
void f(struct d *d)
{
	spin_lock(&d->lock);
	mutex_lock(&d->mutex); /* sees: sleep-fault wait-context */
	mutex_unlock(&d->mutex);
	spin_unlock(&d->lock);
}
""")


def test_guards_hold_to_the_end_of_their_block() -> None:
    check("""
void f(struct d *d)
{
	{
		guard(spinlock)(&d->lock);
		d->a = kmalloc(8, GFP_KERNEL); /* sees: sleep-fault */
	}
	d->b = kmalloc(8, GFP_KERNEL);
	scoped_guard(rcu) {
		d->c = kmalloc(8, GFP_KERNEL); /* sees: sleep-fault */
	}
	d->e = kmalloc(8, GFP_KERNEL);
}
""")


def test_goto_out_of_a_guard_leaves_it() -> None:
    check("""
void f(struct d *d, int x)
{
	{
		guard(spinlock)(&d->lock);
		if (x)
			goto out;
	}
out:
	d->a = kmalloc(8, GFP_KERNEL);
}
""")


def test_trylock_that_fails_on_a_held_lock() -> None:
    check("""
void f(struct d *d)
{
	spin_lock(&d->lock);
	if (!spin_trylock(&d->lock)) {
		spin_unlock(&d->lock);
		d->a = kmalloc(8, GFP_KERNEL);
		return;
	}
	d->b = kmalloc(8, GFP_KERNEL);
}
""")


def test_correlated_conditions_agree() -> None:
    check("""
void f(struct d *d, int locked)
{
	if (locked)
		spin_lock(&d->lock);
	if (!locked)
		d->a = kmalloc(8, GFP_KERNEL);
	if (locked == 0)
		d->b = kmalloc(8, GFP_KERNEL);
	if (locked)
		d->c = kmalloc(8, GFP_KERNEL); /* sees: sleep-fault */
	if (locked)
		spin_unlock(&d->lock);
}
""")


def test_uncorrelated_conditions_meet() -> None:
    check("""
void f(struct d *d, int locked, int wanted)
{
	if (locked)
		spin_lock(&d->lock);
	if (wanted)
		d->c = kmalloc(8, GFP_KERNEL); /* sees: sleep-fault */
	if (locked)
		spin_unlock(&d->lock);
}
""")


def test_callbacks_run_where_the_core_calls_them() -> None:
    check("""
static void on_timer(struct timer_list *t)
{
	t->data = kmalloc(8, GFP_KERNEL); /* sees: sleep-fault lock-state */
}
static void on_work(struct work_struct *w)
{
	w->data = kmalloc(8, GFP_KERNEL);
}
int probe(struct d *d)
{
	timer_setup(&d->timer, on_timer, 0);
	INIT_WORK(&d->work, on_work);
	return 0;
}
""")


@pytest.mark.parametrize("context", CONTEXT_NAMES)
def test_vmalloc_by_context(context: str) -> None:
    kinds = seen("void *f(void) { return vmalloc(100); }", context).get(1, set())
    if context in ("plain", "process", "sleepable", "kthread", "workqueue", "threaded-irq"):
        assert kinds == set()
    elif context in ("atomic", "irqs-off", "stopper"):
        assert kinds == {"sleep-fault"}
    else:
        assert kinds == {"bug-on"}


def test_wait_event_evaluates_its_condition_with_the_task_not_running() -> None:
    check("""
static int ready(struct d *d)
{
	d->tries++;
	if (d->tries == 1)
		return 0;
	d->a = kmalloc(8, GFP_KERNEL); /* sees: not-running */
	return 1;
}
void f(struct d *d)
{
	d->tries = 0;
	wait_event(d->queue, ready(d));
}
""")


def test_locks_that_a_callee_drops() -> None:
    check("""
void own(struct d *d)
{
	xa_lock(&d->xa);
	__xa_store(&d->xa, 1, d, GFP_KERNEL);
	xa_unlock(&d->xa);
}
void other(struct d *d)
{
	spin_lock(&d->lock);
	xa_lock(&d->xa);
	__xa_store(&d->xa, 1, d, GFP_KERNEL); /* sees: sleep-fault */
	xa_unlock(&d->xa);
	spin_unlock(&d->lock);
}
""")


def test_locks_that_a_call_tells_its_caller_of() -> None:
    check("""
void in_a_variable(struct mm_struct *mm, pmd_t *pmd, struct d *d)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(mm, pmd, 0, &ptl);

	if (!pte)
		return;
	d->a = kmalloc(8, GFP_KERNEL); /* sees: sleep-fault */
	pte_unmap_unlock(pte, ptl);
	d->b = kmalloc(8, GFP_KERNEL);
}
void by_its_result(struct mm_struct *mm, pmd_t *pmd, struct d *d)
{
	spinlock_t *ptl = pmd_lock(mm, pmd);

	d->a = kmalloc(8, GFP_KERNEL); /* sees: sleep-fault */
	spin_unlock(ptl);
	d->b = kmalloc(8, GFP_KERNEL);
}
void contiguous(struct cma *cma, struct d *d)
{
	spin_lock(&d->lock);
	d->a = cma_alloc(cma, 1, 0, false); /* sees: sleep-fault */
	spin_unlock(&d->lock);
}
""")
