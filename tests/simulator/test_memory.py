"""Getting and giving back memory: what fits, what faults, what leaks."""

from __future__ import annotations

import pytest

from gfplint.simulator.observe import observe
from tests.simulator.marked import check, seen

PAIRS = [
    ("kmalloc(64, GFP_KERNEL)", "kfree(p)", set()),
    ("kmalloc(64, GFP_KERNEL)", "kvfree(p)", set()),
    ("kmalloc(64, GFP_KERNEL)", "vfree(p)", {"warn"}),
    ("kmalloc(16384, GFP_KERNEL)", "kfree(p)", set()),
    ("vmalloc(8192)", "vfree(p)", set()),
    ("vmalloc(8192)", "kvfree(p)", set()),
    ("vmalloc(8192)", "kfree(p)", {"oops"}),
    ("vmalloc(8192)", "kfree_rcu_mightsleep(p)", set()),
    ("kvmalloc(64, GFP_KERNEL)", "kvfree(p)", set()),
    ("kvmalloc(9 << 20, GFP_KERNEL)", "kvfree(p)", set()),
    ("kvmalloc(9 << 20, GFP_KERNEL)", "kfree(p)", {"oops"}),
    ("__get_free_pages(GFP_KERNEL, 2)", "free_pages(p, 2)", set()),
    ("__get_free_pages(GFP_KERNEL, 0)", "free_pages(p, 2)", {"bad-page", "wrong-size"}),
    ("__get_free_pages(GFP_KERNEL, 0)", "kfree(p)", {"warn"}),
    ("alloc_pages(GFP_KERNEL, 1)", "__free_pages(p, 1)", set()),
    ("alloc_page(GFP_KERNEL)", "put_page(p)", set()),
    ("alloc_pages_exact(12288, GFP_KERNEL)", "free_pages_exact(p, 12288)", set()),
    ("alloc_pages_exact(12288, GFP_KERNEL)", "free_pages(p, 2)", {"bad-page", "wrong-size"}),
    ("__alloc_percpu(64, 8)", "free_percpu(p)", set()),
    ("__alloc_percpu(64, 8)", "kfree(p)", {"oops"}),
    ("kmem_cache_alloc(cache, GFP_KERNEL)", "kmem_cache_free(cache, p)", set()),
    ("kmem_cache_alloc(cache, GFP_KERNEL)", "kfree(p)", set()),
    ("kmem_cache_alloc(cache, GFP_KERNEL)", "kmem_cache_free(other, p)", {"slub"}),
    ("kmalloc(64, GFP_KERNEL)", "kmem_cache_free(cache, p)", {"slub"}),
    ("devm_kmalloc(dev, 64, GFP_KERNEL)", "devm_kfree(dev, p)", set()),
    ("devm_kmalloc(dev, 64, GFP_KERNEL)", "kfree(p)", {"slub"}),
    ("kmalloc(64, GFP_KERNEL)", "devm_kfree(dev, p)", {"warn", "leak"}),
    ("alloc_skb(64, GFP_KERNEL)", "kfree_skb(p)", set()),
    ("alloc_skb(64, GFP_KERNEL)", "kfree(p)", {"bad-free"}),
    ("usb_alloc_urb(0, GFP_KERNEL)", "kfree_skb(p)", {"bad-free"}),
    ("dma_alloc_coherent(dev, 4096, &bus, GFP_KERNEL)", "dma_free_coherent(dev, 4096, p, bus)", set()),
    ("mempool_alloc(pool, GFP_KERNEL)", "mempool_free(p, pool)", set()),
]


@pytest.mark.parametrize(("get", "put", "kinds"), PAIRS)
def test_pairs(get: str, put: str, kinds: set[str]) -> None:
    text = f"""
void f(struct device *dev)
{{
	dma_addr_t bus;
	struct kmem_cache *cache = kmem_cache_create("a", 512, 0, 0, NULL);
	struct kmem_cache *other = kmem_cache_create("b", 768, 0, 0, NULL);
	struct mempool *pool = mempool_create_kmalloc_pool(4, 128);
	void *p = {get};
	{put};
	mempool_destroy(pool);
	kmem_cache_destroy(cache);
	kmem_cache_destroy(other);
}}
"""
    found = {kind for kinds_there in seen(text).values() for kind in kinds_there}
    assert found == kinds


def test_freed_twice() -> None:
    check("""
void f(void)
{
	void *p = kmalloc(64, GFP_KERNEL);

	kfree(p);
	kfree(p); /* sees: slub */
}
""")


def test_used_after_free() -> None:
    check("""
void f(struct d *d)
{
	struct x *p = kmalloc(64, GFP_KERNEL);

	kfree(p);
	p->a = 1; /* sees: use-after-free */
}
""")


def test_leak_on_an_error_path() -> None:
    check("""
int f(struct d *d, int bad)
{
	void *p = kmalloc(64, GFP_KERNEL); /* sees: leak */

	if (bad)
		return -EINVAL;
	d->p = p;
	return 0;
}
void *g(void) { return kmalloc(64, GFP_KERNEL); }
void h(void) { void *p = kmalloc(64, GFP_KERNEL); give_away(p); }
""")


def test_cleanup_attributes_free() -> None:
    check("""
void *f(int x)
{
	void *p __free(kfree) = kmalloc(64, GFP_KERNEL);

	if (x)
		return NULL;
	return no_free_ptr(p);
}
""")


def test_lost_realloc_pointer() -> None:
    check(
        """
int f(struct d *d)
{
	char *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	p = krealloc(p, 4096, GFP_KERNEL); /* sees: leak */
	if (!p)
		return -ENOMEM;
	d->p = p;
	return 0;
}
""",
        failures=True,
    )


def test_unchecked_allocation() -> None:
    check(
        """
int f(struct d *d)
{
	struct x *p = kmalloc(64, GFP_KERNEL);
	struct x *q = kmalloc(64, GFP_KERNEL | __GFP_NOFAIL);

	q->a = 1;
	p->a = 1; /* sees: null-deref */
	d->p = p;
	d->q = q;
	return 0;
}
""",
        failures=True,
    )


def test_scopes() -> None:
    check("""
void balanced(struct d *d)
{
	unsigned int a = memalloc_nofs_save(), b = memalloc_nofs_save();

	d->p = kmalloc(64, GFP_KERNEL);
	memalloc_nofs_restore(b);
	memalloc_nofs_restore(a);
}
int open(struct d *d, int bad)
{
	unsigned int a = memalloc_noio_save(); /* sees: task-flags-differ */

	if (bad)
		return -EINVAL;
	memalloc_noio_restore(a);
	return 0;
}
""")


#: Ended as another kind.
WRONG_KIND = """
void wrong_kind(struct d *d)
{
	unsigned int a = memalloc_noio_save(); /* sees: task-flags-differ */

	memalloc_nofs_restore(a);
}
"""


def test_before_6_10_a_restore_ends_its_own_kind() -> None:
    check(WRONG_KIND, version=(6, 9))


def test_since_6_10_a_restore_ends_what_its_cookie_says() -> None:
    check(WRONG_KIND.replace("/* sees: task-flags-differ */", ""))


def test_reclaim_recursion() -> None:
    check("""
static void shrink(struct d *d)
{
	fs_reclaim_acquire(GFP_KERNEL);
	mutex_lock(&d->lock);
	mutex_unlock(&d->lock);
	fs_reclaim_release(GFP_KERNEL);
}
void held(struct d *d)
{
	shrink(d);
	mutex_lock(&d->lock);
	d->a = kmalloc(64, GFP_NOFS);
	d->b = kmalloc(64, GFP_KERNEL); /* sees: recursion */
	mutex_unlock(&d->lock);
}
void scoped(struct d *d)
{
	unsigned int f;

	shrink(d);
	mutex_lock(&d->lock);
	f = memalloc_nofs_save();
	d->b = kmalloc(64, GFP_KERNEL);
	memalloc_nofs_restore(f);
	mutex_unlock(&d->lock);
}
""")


def test_masks_that_slab_memory_cannot_have() -> None:
    check("void *f(void) { return kmalloc(65536, GFP_KERNEL | __GFP_HIGHMEM); } /* sees: mask-fixed */")
    check("void *f(void) { return __vmalloc(65536, GFP_KERNEL | __GFP_HIGHMEM); }")


def test_kvmalloc_that_may_not_block() -> None:
    text = "void *f(void) { return kvmalloc(9 << 20, GFP_ATOMIC); } /* sees: silent-null */"
    check(text)
    assert "silent-null" not in seen(text, version=(7, 1)).get(1, set())


def test_memory_that_outlives_the_call_and_is_charged_to_nobody() -> None:
    check("""
void f(struct d *d)
{
	void *p = kmalloc(64, GFP_KERNEL);

	d->a = kmalloc(64, GFP_KERNEL); /* sees: uncharged */
	d->b = kmalloc(64, GFP_KERNEL_ACCOUNT);
	kfree(p);
}
""")


def test_reserves_taken_where_sleeping_is_allowed() -> None:
    check("""
void f(struct d *d)
{
	d->a = kmalloc(64, GFP_ATOMIC); /* sees: reserve-used */
	d->b = kmalloc(64, GFP_NOWAIT);
	mutex_lock(&d->m);
	mutex_unlock(&d->m);
	spin_lock(&d->lock);
	d->c = kmalloc(64, GFP_ATOMIC);
	spin_unlock(&d->lock);
}
""")


def test_pressure_shows_what_masks_do() -> None:
    text = b"void *f(void) { return alloc_pages(GFP_ATOMIC | __GFP_NOFAIL, 2); }"
    assert {o.kind for o in observe(text, version=(6, 12))} & {"warn"} == set()
    assert {o.kind for o in observe(text, version=(6, 12), pressure=True)} >= {"warn", "alloc-failure"}


def test_what_a_version_changes() -> None:
    text = "void f(void) { void *p = __vmalloc(100, GFP_ATOMIC); vfree(p); }"
    assert "bug-on" in seen(text, "softirq", (6, 12))[1]
    assert "bug-on" not in seen(text, "softirq", (7, 1)).get(1, set())


@pytest.mark.parametrize("mask", ["GFP_KERNEL", "GFP_ATOMIC", "GFP_KERNEL | __GFP_NOFAIL"])
def test_too_large_for_kmalloc(mask: str) -> None:
    found = seen(f"void *f(void) {{ return kmalloc(8 << 20, {mask}); }}")
    assert "warn" in found[1]
    assert (
        seen(f"void *f(void) {{ return kmalloc(8 << 20, {mask} | __GFP_NOWARN); }}").get(1, set()) & {"warn"} == set()
    )


def test_unknown_memory_of_a_device_is_resized_without_a_word() -> None:
    text = b"void f(struct d *d) { d->p = devm_krealloc(d->dev, d->p, 99, GFP_KERNEL); devm_kfree(d->dev, d->q); }"
    assert "warn" not in {seen.kind for seen in observe(text)}
