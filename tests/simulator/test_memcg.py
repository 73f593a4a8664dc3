"""Who is charged for memory, and what a limit does; what each mask does at each level of memory."""

from __future__ import annotations

import pytest

from gfplint.simulator.observe import ADVICE, Options, explore_program, observe, trace_of
from gfplint.simulator.program import parse

LTS = (6, 12)
#: BUG() says that the program's own checks fail.
HEAD = """
static void expect(int holds) { if (!holds) BUG(); }
static void *one(gfp_t gfp) { return kmalloc(64, gfp); }
"""


def kinds(body: str, context: str = "plain", *, failures: bool = False) -> set[str]:
    text = HEAD + body
    found = observe(text.encode(), "f", context, version=LTS, failures=failures)
    return {seen.kind for seen in found} - {"leak", *ADVICE}


def test_a_task_is_charged_for_what_asks_for_it() -> None:
    assert not kinds("""
void f(void)
{
	kfree(one(GFP_KERNEL));
	expect(sim_charged() == 0);
	kfree(one(GFP_KERNEL_ACCOUNT));
	expect(sim_charged() == 64);
}
""")


@pytest.mark.parametrize("context", ["kthread", "workqueue", "threaded-irq", "softirq", "hardirq", "rcu", "timer"])
def test_kernel_threads_and_interrupts_charge_nobody(context: str) -> None:
    body = "void f(void) { kfree(one(GFP_ATOMIC | __GFP_ACCOUNT)); expect(sim_charged() == 0); }"
    assert not kinds(body, context)


@pytest.mark.parametrize("context", ["plain", "kthread", "workqueue", "softirq", "hardirq"])
def test_remote_charging(context: str) -> None:
    assert not kinds(
        """
void f(struct mem_cgroup *m)
{
	struct mem_cgroup *old = set_active_memcg(m);

	kfree(one(GFP_ATOMIC | __GFP_ACCOUNT));
	expect(sim_charged(m) == 64);
	expect(sim_charged() == 0);
	set_active_memcg(old);
	kfree(one(GFP_ATOMIC | __GFP_ACCOUNT));
	expect(sim_charged(m) == 64);
}
""",
        context,
    )


def test_an_interrupt_does_not_charge_whom_the_task_charges() -> None:
    assert not kinds("""
static struct mem_cgroup *group;
static void late(struct timer_list *t) { kfree(one(GFP_ATOMIC | __GFP_ACCOUNT)); }
static struct timer_list timer;
void f(void)
{
	set_active_memcg(group);
	timer_setup(&timer, late, 0);
	mod_timer(&timer, 1);
	del_timer_sync(&timer);
	expect(sim_charged(group) == 0);
	set_active_memcg(NULL);
}
""")


def test_the_root_is_not_charged() -> None:
    assert not kinds("""
void f(void)
{
	set_active_memcg(root_mem_cgroup);
	kfree(one(GFP_KERNEL_ACCOUNT));
	expect(sim_charged(root_mem_cgroup) == 0);
	expect(sim_charged() == 0);
	set_active_memcg(NULL);
}
""")


def test_a_cache_may_account_by_itself() -> None:
    assert not kinds("""
void f(void)
{
	struct kmem_cache *plain = kmem_cache_create("a", 128, 0, 0, NULL);
	struct kmem_cache *accounting = kmem_cache_create("b", 128, 0, SLAB_ACCOUNT, NULL);

	kmem_cache_free(plain, kmem_cache_alloc(plain, GFP_KERNEL));
	expect(sim_charged() == 0);
	kmem_cache_free(accounting, kmem_cache_alloc(accounting, GFP_KERNEL));
	expect(sim_charged() == 128);
	kmem_cache_destroy(plain);
	kmem_cache_destroy(accounting);
}
""")


#: A mask at the limit: whether memory comes, and whether the OOM killer of the cgroup runs.
AT_LIMIT = {
    "GFP_KERNEL_ACCOUNT": (False, True),
    "GFP_NOFS | __GFP_ACCOUNT": (False, True),
    "GFP_KERNEL_ACCOUNT | __GFP_NOFAIL": (True, True),
    "GFP_KERNEL_ACCOUNT | __GFP_NORETRY": (False, False),
    "GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL": (False, False),
    "GFP_NOWAIT | __GFP_ACCOUNT": (False, False),
    "GFP_ATOMIC | __GFP_ACCOUNT": (True, False),
    "GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOFAIL": (True, False),
}


@pytest.mark.parametrize("mask", AT_LIMIT)
def test_at_the_limit(mask: str) -> None:
    comes, killed = AT_LIMIT[mask]
    test = "p != NULL" if comes else "p == NULL"
    seen = kinds(f"void f(void) {{ void *p; sim_limit(32); p = one({mask}); expect({test}); kfree(p); }}")
    assert seen == ({"memcg-oom"} if killed else set())


def test_reclaim_itself_is_let_over_the_limit() -> None:
    assert not kinds("""
void f(void)
{
	unsigned int flags = memalloc_noreclaim_save();
	void *p;

	sim_limit(32);
	p = one(GFP_KERNEL_ACCOUNT);
	expect(p != NULL);
	kfree(p);
	memalloc_noreclaim_restore(flags);
}
""")


def test_another_cgroups_limit_is_its_own() -> None:
    """The task is not of that cgroup: it is not the one that is killed."""
    assert kinds("""
void f(struct mem_cgroup *m)
{
	void *p;

	sim_limit(32, m);
	kfree(one(GFP_KERNEL_ACCOUNT));
	set_active_memcg(m);
	p = one(GFP_KERNEL_ACCOUNT);
	expect(p != NULL);
	kfree(p);
	expect(one(GFP_NOWAIT | __GFP_ACCOUNT) == NULL);
	set_active_memcg(NULL);
}
""") == {"memcg-oom"}


#: What a page allocation does under pressure: the kinds of faults over all levels, and whether it may fail, reclaim
#: (and so sleep) and take from the reserves.
UNDER_PRESSURE = {
    "GFP_KERNEL": ({"oom"}, False, True, False),
    "GFP_KERNEL | __GFP_NORETRY": ({"alloc-failure"}, True, True, False),
    "GFP_KERNEL | __GFP_RETRY_MAYFAIL": ({"alloc-failure"}, True, True, False),
    "GFP_KERNEL | __GFP_NOFAIL": ({"oom"}, False, True, False),
    "GFP_NOIO": ({"hang"}, False, True, False),
    "GFP_NOWAIT": (set(), True, False, False),
    "GFP_ATOMIC": ({"alloc-failure"}, True, False, True),
    "GFP_ATOMIC | __GFP_NOFAIL": ({"warn", "alloc-failure"}, True, False, True),
    "GFP_KERNEL | __GFP_HIGH": ({"oom"}, False, True, True),
    "GFP_KERNEL | __GFP_MEMALLOC": (set(), False, False, True),
}


@pytest.mark.parametrize("mask", UNDER_PRESSURE)
def test_each_level_of_memory(mask: str) -> None:
    faults, fails, reclaims, dips = UNDER_PRESSURE[mask]
    text = f"""
void f(void)
{{
	struct page *page = alloc_pages({mask}, 0);

	if (!page) {{
		WARN_ON(1);
		return;
	}}
	__free_pages(page, 0);
}}
"""
    program = parse(text.encode())
    options = Options(pressure=True, failures=False)
    (run,) = explore_program(program, options, None, LTS)
    kinds_seen = {seen.kind for seen in run.observations}
    notes = {event.message for n in range(len(run.observations)) for event in trace_of(program, run, n, options, LTS)}
    assert kinds_seen - {"warn"} == faults - {"warn"}
    assert fails == any(seen.message == "WARN_ON()" for seen in run.observations)
    assert ("warn" in faults) == any("NOFAIL" in seen.message for seen in run.observations)
    if run.observations:
        assert dips >= any("reserves" in note for note in notes)
    if fails or "oom" in faults:
        assert reclaims == any("direct reclaim" in note for note in notes) or dips


def test_reclaim_sleeps_where_it_may_not() -> None:
    text = """
void f(struct d *d)
{
	spin_lock(&d->lock);
	d->p = alloc_pages(GFP_KERNEL, 0);
	spin_unlock(&d->lock);
}
"""
    found = {seen.kind for seen in observe(text.encode(), version=LTS, pressure=True)}
    assert "sleep-fault" in found


def test_what_is_freed_makes_room() -> None:
    assert not kinds("""
void f(void)
{
	void *p, *q;

	sim_limit(100);
	p = kmalloc(64, GFP_NOWAIT | __GFP_ACCOUNT);
	expect(p != NULL && sim_usage() == 64);
	expect(kmalloc(64, GFP_NOWAIT | __GFP_ACCOUNT) == NULL);
	kfree(p);
	expect(sim_usage() == 0);
	q = kmalloc(64, GFP_NOWAIT | __GFP_ACCOUNT);
	expect(q != NULL);
	kfree(q);
}
""")


def test_an_accounting_cache_meets_the_limit_and_bulk_takes_all_or_none() -> None:
    assert not kinds("""
void f(void)
{
	struct kmem_cache *c = kmem_cache_create("b", 128, 0, SLAB_ACCOUNT, NULL);
	void *objects[4];

	sim_limit(300);
	expect(kmem_cache_alloc_bulk(c, GFP_NOWAIT, 3, objects) == 0);
	expect(sim_usage() == 0);
	expect(kmem_cache_alloc_bulk(c, GFP_NOWAIT, 2, objects) == 2);
	expect(sim_usage() == 256);
	expect(kmem_cache_alloc(c, GFP_NOWAIT) == NULL);
	kmem_cache_free_bulk(c, 2, objects);
	expect(sim_usage() == 0);
	kmem_cache_destroy(c);
}
""")


@pytest.mark.parametrize(
    "get", ["alloc_pages(GFP_NOWAIT | __GFP_ACCOUNT, 1)", "__vmalloc(8192, GFP_NOWAIT | __GFP_ACCOUNT)"]
)
def test_pages_are_charged_whole(get: str) -> None:
    assert not kinds(f"void f(void) {{ sim_limit(8191); expect({get} == NULL); expect(sim_usage() == 0); }}") - {
        "alloc-failure"
    }


def test_scopes_of_remote_charging_nest() -> None:
    assert not kinds("""
void f(struct mem_cgroup *a, struct mem_cgroup *b)
{
	struct mem_cgroup *outer = set_active_memcg(a), *inner = set_active_memcg(b);

	kfree(one(GFP_KERNEL_ACCOUNT));
	set_active_memcg(inner);
	kfree(one(GFP_KERNEL_ACCOUNT));
	set_active_memcg(outer);
	kfree(one(GFP_KERNEL_ACCOUNT));
	expect(sim_charged(a) == 64 && sim_charged(b) == 64 && sim_charged() == 64);
	expect(sim_usage(a) == 0);
}
""")
