"""What the rules' ``sim`` names is seen exactly where it should be: programs of our own, line by line."""

from __future__ import annotations

import pytest

from gfplint.simulator.observe import OBSERVABLES, Options, explore_program
from gfplint.simulator.program import parse
from tests.simulator.marked import LTS, expected

OLD = (6, 1)

PROGRAMS = {
    "reserve-used: the path sleeps before or after": """
struct d { spinlock_t lock; struct mutex m; void *a, *b, *c; };
void sleeps_after(struct d *d)
{
	d->a = kmalloc(8, GFP_ATOMIC); /* sees: reserve-used */
	msleep(10);
}
void sleeps_before(struct d *d)
{
	mutex_lock(&d->m);
	d->a = kmalloc(8, GFP_ATOMIC); /* sees: reserve-used */
	d->b = kmalloc(8, GFP_NOWAIT);
	mutex_unlock(&d->m);
}
void never_sleeps(struct d *d) { d->a = kmalloc(8, GFP_ATOMIC); }
void locked(struct d *d)
{
	msleep(10);
	spin_lock(&d->lock);
	d->a = kmalloc(8, GFP_ATOMIC);
	spin_unlock(&d->lock);
}
static void helper(struct d *d) { d->c = kmalloc(8, GFP_ATOMIC); }
void both(struct d *d)
{
	msleep(1);
	spin_lock(&d->lock);
	if (!d->c)
		helper(d);
	spin_unlock(&d->lock);
	if (!d->c)
		helper(d);
}
""",
    "reserve-used: a work item sleeps, a timer does not": """
struct d { struct work_struct w; struct timer_list t; void *a; };
static void on_work(struct work_struct *w)
{
	struct d *d = container_of(w, struct d, w);
	d->a = kmalloc(8, GFP_ATOMIC); /* sees: reserve-used */
}
static void on_timer(struct timer_list *t) { struct d *d = from_timer(d, t, t); d->a = kmalloc(8, GFP_ATOMIC); }
void start(struct d *d) { INIT_WORK(&d->w, on_work); timer_setup(&d->t, on_timer, 0); }
""",
    "reserve-used: one of two tries may fail": """
void *second(struct d *d)
{
	void *p = kmalloc(8, GFP_KERNEL);
	if (!p)
		p = kmalloc(8, GFP_ATOMIC);
	return p;
}
void *first(struct d *d)
{
	void *p = kmalloc(8, GFP_ATOMIC);
	if (!p)
		p = kmalloc(8, GFP_KERNEL);
	return p;
}
""",
    "mask-unchanged: a legacy mask in a scope": """
void f(struct d *d)
{
	unsigned int s = memalloc_nofs_save();
	d->a = kmalloc(8, GFP_NOFS); /* sees: mask-unchanged */
	d->b = kmalloc(8, GFP_NOIO);
	d->c = kmalloc(8, GFP_KERNEL);
	d->e = kmalloc(8, GFP_NOWAIT);
	d->v = __vmalloc(8192, GFP_NOFS); /* sees: mask-unchanged */
	memalloc_nofs_restore(s);
	d->f = kmalloc(8, GFP_NOFS);
}
void io(struct d *d)
{
	unsigned int s = memalloc_noio_save();
	d->a = kmalloc(8, GFP_NOFS); /* sees: mask-unchanged */
	d->b = kmalloc(8, GFP_NOIO); /* sees: mask-unchanged */
	memalloc_noio_restore(s);
}
static void one(struct d *d) { d->a = kmalloc(8, GFP_NOFS); }
void some_callers(struct d *d)
{
	unsigned int s = memalloc_nofs_save();
	if (!d->a)
		one(d);
	memalloc_nofs_restore(s);
	if (!d->a)
		one(d);
}
""",
    "raw-context: what sleeps on PREEMPT_RT": """
struct d { raw_spinlock_t raw; spinlock_t lock; unsigned long bits; void *a, *b; struct page *p; };
void f(struct d *d)
{
	raw_spin_lock(&d->raw);
	d->p = alloc_pages(GFP_ATOMIC, 0); /* sees: raw-context */
	raw_spin_unlock(&d->raw);
	spin_lock(&d->lock);
	d->b = kmalloc(8, GFP_ATOMIC);
	spin_unlock(&d->lock);
}
void g(struct d *d)
{
	local_irq_disable();
	free_page(d->bits);
	d->p = alloc_page(GFP_NOWAIT); /* sees: raw-context */
	local_irq_enable();
	preempt_disable();
	kfree_rcu(d->a, rcu);
	d->b = kmalloc(8, GFP_ATOMIC); /* sees: raw-context */
	preempt_enable();
	bit_spin_lock(0, &d->bits);
	d->a = kmalloc(8, GFP_ATOMIC); /* sees: raw-context */
	bit_spin_unlock(0, &d->bits);
}
void irqsave(struct d *d)
{
	unsigned long flags;
	spin_lock_irqsave(&d->lock, flags);
	d->b = kmalloc(8, GFP_ATOMIC);
	spin_unlock_irqrestore(&d->lock, flags);
}
""",
    "recursion: a lock that a shrinker takes": """
struct cache { struct mutex lock; struct mutex other; void *a, *b; };
static struct cache cache;
static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	mutex_lock(&cache.lock);
	mutex_unlock(&cache.lock);
	return 0;
}
static unsigned long count(struct shrinker *s, struct shrink_control *sc) { return 1; }
static struct shrinker shrinker = { .count_objects = count, .scan_objects = scan };
void fill(struct cache *c)
{
	mutex_lock(&c->lock);
	c->a = kmalloc(8, GFP_KERNEL); /* sees: recursion */
	mutex_unlock(&c->lock);
}
void fill_nofs(struct cache *c)
{
	mutex_lock(&c->lock);
	c->a = kmalloc(8, GFP_NOFS);
	mutex_unlock(&c->lock);
}
void fill_scope(struct cache *c)
{
	unsigned int s;
	mutex_lock(&c->lock);
	s = memalloc_nofs_save();
	c->a = vmalloc(8192);
	memalloc_nofs_restore(s);
	mutex_unlock(&c->lock);
}
void fill_other(struct cache *c)
{
	mutex_lock(&c->other);
	c->a = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&c->other);
}
void fill_mapped(struct cache *c)
{
	mutex_lock(&c->lock);
	c->a = vmalloc(8192); /* sees: recursion */
	mutex_unlock(&c->lock);
}
""",
    "recursion: a lock under which pages are written": """
struct fs { struct rw_semaphore sem; void *a; };
static struct fs fs;
static int fs_writepages(struct address_space *m, struct writeback_control *wbc)
{
	down_read(&fs.sem);
	up_read(&fs.sem);
	return 0;
}
static const struct address_space_operations aops = { .writepages = fs_writepages };
void grow(struct fs *f)
{
	down_write(&f->sem);
	f->a = kmalloc(8, GFP_KERNEL); /* sees: recursion */
	up_write(&f->sem);
}
void grow_nofs(struct fs *f)
{
	down_write(&f->sem);
	f->a = kmalloc(8, GFP_NOFS);
	up_write(&f->sem);
}
""",
    "uncharged: what user space keeps": """
struct file { void *private_data; };
struct d { void *a; };
static long ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct d *d = file->private_data;
	void *tmp;
	if (cmd == 1) {
		d->a = kmalloc(8, GFP_KERNEL); /* sees: uncharged */
	} else if (cmd == 2) {
		d->a = kmalloc(8, GFP_KERNEL_ACCOUNT);
	} else if (cmd == 3) {
		tmp = kmalloc(8, GFP_KERNEL);
		kfree(tmp);
	} else if (cmd == 4) {
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		d->a = kmalloc(8, GFP_KERNEL);
	} else if (cmd == 5) {
		if (!ns_capable(d, CAP_NET_ADMIN))
			return -EPERM;
		d->a = kmalloc(8, GFP_KERNEL); /* sees: uncharged */
	}
	return 0;
}
static const struct file_operations fops = { .unlocked_ioctl = ioctl };
void not_reached_by_users(struct d *d) { d->a = kmalloc(8, GFP_KERNEL); }
""",
    "uncharged-cache: the cache's flags decide": """
struct file { void *private_data; };
struct d { void *a, *b; };
static struct kmem_cache *plain, *accounts;
static int start(void)
{
	plain = kmem_cache_create("plain", 64, 0, 0, NULL); /* sees: uncharged-cache */
	accounts = kmem_cache_create("accounts", 64, 0, SLAB_ACCOUNT, NULL);
	return 0;
}
static long ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct d *d = file->private_data;
	d->a = kmem_cache_alloc(plain, GFP_KERNEL);
	d->b = kmem_cache_alloc(accounts, GFP_KERNEL);
	return 0;
}
static const struct file_operations fops = { .unlocked_ioctl = ioctl };
module_init(start);
""",
    "size: pages go back with their order": """
void f(struct device *dev, int n)
{
	unsigned long a = __get_free_pages(GFP_KERNEL, 2), b = __get_free_pages(GFP_KERNEL, 1);
	struct page *p = alloc_pages(GFP_KERNEL, 3), *q = alloc_pages(GFP_KERNEL, n);
	void *e = alloc_pages_exact(5000, GFP_KERNEL);
	free_pages(a, 1); /* sees: wrong-size */
	free_pages(b, 1);
	if (p)
		__free_pages(p, 2); /* sees: wrong-size */
	if (q)
		__free_pages(q, n);
	if (e)
		free_pages_exact(e, 9000); /* sees: wrong-size */
}
void dma(struct device *dev, dma_addr_t h)
{
	void *p = dma_alloc_coherent(dev, 8192, &h, GFP_KERNEL);
	if (p)
		dma_free_coherent(dev, 4096, p, h); /* sees: wrong-size */
}
""",
    "cache-leak: a module leaves a cache": """
static struct kmem_cache *first, *second, *third;
static int prepare(void);
static int start(void)
{
	first = kmem_cache_create("first", 64, 0, 0, NULL);
	if (!first)
		return -ENOMEM;
	second = kmem_cache_create("second", 64, 0, 0, NULL); /* sees: cache-leak */
	if (!second) {
		kmem_cache_destroy(first);
		return -ENOMEM;
	}
	third = kmem_cache_create("third", 64, 0, 0, NULL); /* sees: cache-leak */
	if (!third) {
		kmem_cache_destroy(first);
		return -ENOMEM;
	}
	return 0;
}
static void stop(void)
{
	kmem_cache_destroy(second);
	kmem_cache_destroy(first);
}
module_init(start);
module_exit(stop);
""",
    "cache-leak: what is built in stays": """
static struct kmem_cache *first;
static int start(void)
{
	first = kmem_cache_create("first", 64, 0, 0, NULL);
	return 0;
}
subsys_initcall(start);
""",
    "leak: a failed resize": """
void *f(void *p, size_t n)
{
	p = kmalloc(8, GFP_KERNEL);
	p = krealloc(p, n, GFP_KERNEL); /* sees: leak */
	return p;
}
void *g(size_t n)
{
	void *q, *p = kmalloc(8, GFP_KERNEL);
	q = krealloc(p, n, GFP_KERNEL);
	if (!q)
		kfree(p);
	return q;
}
""",
    "null-deref: nobody asked": """
struct d { int n; };
void f(void)
{
	struct d *d = kmalloc(sizeof(*d), GFP_KERNEL);
	d->n = 1; /* sees: null-deref */
	kfree(d);
}
void g(void)
{
	struct d *d = kmalloc(sizeof(*d), GFP_KERNEL | __GFP_NOFAIL);
	d->n = 1;
	kfree(d);
}
int h(void)
{
	struct d *d = kmalloc(sizeof(*d), GFP_KERNEL);
	if (IS_ERR(d))
		return -ENOMEM;
	d->n = 1; /* sees: null-deref */
	kfree(d);
	return 0;
}
""",
}


#: What none of the programs may show unless it says so.
GRAVE = frozenset({"leak", "recursion", "sleep-fault", "bad-free", "second-free", "null-deref", "slub"})


def observed(text: str, kinds: set[str], version: tuple[int, int] = LTS) -> dict[int, set[str]]:
    """Line to those of the kinds that are seen there, or of the gravest ones."""
    found: dict[int, set[str]] = {}
    for run in explore_program(parse(text.encode()), Options(), None, version):
        for item in run.observations:
            if item.kind in kinds or item.kind in GRAVE:
                found.setdefault(item.line, set()).add(item.kind)
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_observables(name: str) -> None:
    text = PROGRAMS[name]
    asked = set().union(*expected(text).values(), {name.partition(":")[0]})
    assert observed(text, asked) == expected(text)


WAITING = """
struct o { struct rcu_head rcu; };
void f(void)
{
	struct kmem_cache *c = kmem_cache_create("o", 64, 0, 0, NULL);
	struct o *p;
	if (!c)
		return;
	p = kmem_cache_alloc(c, GFP_KERNEL);
	if (p)
		kfree_rcu(p, rcu); /* sees: bad-free */
	kmem_cache_destroy(c);
}
"""


def test_a_cache_waits_for_its_objects_since_it_can() -> None:
    assert observed(WAITING, set(), (6, 8)) == expected(WAITING)
    assert observed(WAITING, set(), LTS) == {}


def test_the_form_without_a_head_sleeps() -> None:
    text = "void f(struct d *d) { spin_lock(&d->lock); kfree_rcu(d->p); spin_unlock(&d->lock); }"
    assert observed(text, set(), OLD) == {1: {"sleep-fault"}}
    text = text.replace("d->p)", "d->p, rcu)")
    assert observed(text, set(), OLD) == {}


def test_each_observable_of_a_rule_has_a_program() -> None:
    told = {kind for text in PROGRAMS.values() for kinds in expected(text).values() for kind in kinds}
    new = ("wait-context", "size", "cache-leak", "leak", "null-deref", "recursion", "reserve-used", "mask-unchanged")
    assert all(OBSERVABLES[name] & told for name in (*new, "uncharged"))
