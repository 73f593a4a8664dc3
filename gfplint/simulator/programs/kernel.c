// SPDX-License-Identifier: GPL-2.0
/*
 * What composite kernel functions do to context and memory, restated on the
 * machine's own operations (sim_*). Only effects that a checker or a counter
 * could see are here. Facts: Linux 6.12, files as named.
 */

/* ---- waiting and scheduling: kernel/sched/core.c, completion.c ---- */
void might_sleep(void) { sim_might_sleep("might_sleep()"); }
int cond_resched(void) { sim_might_resched(); return 0; }
void schedule(void) { sim_schedule(); }
long schedule_timeout(long t) { sim_schedule(); return 0; }
long schedule_timeout_interruptible(long t) { sim_schedule(); return 0; }
void msleep(unsigned int ms) { sim_schedule(); }
void set_current_state(int state) { sim_state(state); }
void __set_current_state(int state) { sim_state(state); }
long wait_for_completion_timeout(struct completion *c, long t) { sim_might_sleep("wait_for_completion_timeout()"); sim_run_deferred(); return 1; }
void wait_for_completion(struct completion *c) { sim_might_sleep("wait_for_completion()"); sim_run_deferred(); }
void prepare_to_wait(struct wait_queue_head *q, struct wait_queue_entry *w, int state) { sim_state(state); }
void finish_wait(struct wait_queue_head *q, struct wait_queue_entry *w) { sim_state(TASK_RUNNING); }
void synchronize_rcu(void) { sim_might_sleep("synchronize_rcu()"); sim_schedule(); }

/* ---- callbacks and the contexts they run in ---- */
void timer_setup(struct timer_list *t, void *function, unsigned int flags) { t->function = function; t->flags = flags; }
int mod_timer(struct timer_list *t, unsigned long expires)
{
	sim_defer(t->flags & TIMER_IRQSAFE ? "timer-irqsafe" : "timer", t->function, t);
	return 0;
}
void add_timer(struct timer_list *t) { mod_timer(t, 0); }
int timer_delete_sync(struct timer_list *t) { sim_run_deferred(); return 0; }
int del_timer_sync(struct timer_list *t) { sim_run_deferred(); return 0; }
void tasklet_setup(struct tasklet_struct *t, void *function) { t->function = function; }
void tasklet_schedule(struct tasklet_struct *t) { sim_defer("tasklet", t->function, t); }
void hrtimer_init(struct hrtimer *t, int clock, int mode) { t->mode = mode; }
void hrtimer_setup(struct hrtimer *t, void *function, int clock, int mode) { t->function = function; t->mode = mode; }
void hrtimer_start(struct hrtimer *t, long time, int mode)
{
	sim_defer(mode == HRTIMER_MODE_REL_SOFT ? "softirq" : "hrtimer", t->function, t);
}
void INIT_WORK(struct work_struct *w, void *function) { w->function = function; }
void INIT_DELAYED_WORK(struct delayed_work *w, void *function) { w->function = function; }
void INIT_RCU_WORK(struct rcu_work *w, void *function) { w->function = function; }
int schedule_work(struct work_struct *w) { sim_defer("workqueue", sim_callback(w), w); return 1; }
int schedule_delayed_work(struct work_struct *w, long delay) { sim_defer("workqueue", sim_callback(w), w); return 1; }
int queue_work(struct workqueue_struct *q, struct work_struct *w)
{
	sim_defer(sim_is_bh_queue(q) ? "bh-workqueue" : "workqueue", sim_callback(w), w);
	return 1;
}
int queue_delayed_work(struct workqueue_struct *q, struct work_struct *w, long delay) { return queue_work(q, w); }
int queue_rcu_work(struct workqueue_struct *q, struct rcu_work *w) { sim_defer("workqueue", sim_callback(w), w); return 1; }
int flush_work(struct work_struct *w) { sim_might_sleep("flush_work()"); sim_run_deferred(); return 1; }
void init_irq_work(struct irq_work *w, void *function) { w->function = function; }
/* kernel/irq_work.c: the next list is run with interrupts off, or not at all */
static void run_irq_work(struct irq_work *w)
{
	void *function = w->function;

	function(w);
	if (!sim_irqs_off())
		sim_die("bug-on", "an irq_work ends with interrupts enabled");
}
int irq_work_queue(struct irq_work *w) { sim_run("hrtimer", run_irq_work, w); return 1; }
void call_rcu(struct rcu_head *head, void *function) { sim_defer("rcu", function, head); }
void call_rcu_hurry(struct rcu_head *head, void *function) { sim_defer("rcu", function, head); }
void call_srcu(struct srcu_struct *s, struct rcu_head *head, void *function) { sim_defer("bh-disabled", function, head); }
void rcu_barrier(void) { sim_might_sleep("rcu_barrier()"); sim_run_deferred(); }
int smp_call_function_single(int cpu, void *function, void *data, int wait) { sim_run("ipi", function, data); return 0; }
void on_each_cpu(void *function, void *data, int wait) { sim_run("ipi", function, data); }
int stop_machine(void *function, void *data, void *cpus)
{
	sim_might_sleep("stop_machine()");
	return sim_run("stopper", function, data);
}
struct task_struct *kthread_run(void *function, void *data, const char *name) { sim_defer("kthread", function, data); return 1; }
int kthread_should_stop(void) { return 1; }
int kthread_stop(struct task_struct *t) { sim_might_sleep("kthread_stop()"); sim_run_deferred(); return 0; }
static struct { void *handler; void *thread; void *data; } irq_action;
int request_threaded_irq(unsigned int irq, void *handler, void *thread, unsigned long flags, const char *name, void *data)
{
	sim_might_sleep("request_threaded_irq()");
	irq_action.handler = handler;
	irq_action.thread = thread;
	irq_action.data = data;
	return 0;
}
int request_irq(unsigned int irq, void *handler, unsigned long flags, const char *name, void *data)
{
	return request_threaded_irq(irq, handler, NULL, flags, name, data);
}
/* not a kernel function: the device raises its interrupt */
void sim_raise_irq(void)
{
	if (sim_run("hardirq", irq_action.handler, 8, irq_action.data) == IRQ_WAKE_THREAD)
		sim_run("threaded-irq", irq_action.thread, 8, irq_action.data);
}
void atomic_notifier_call_chain(struct notifier_head *h, unsigned long action, void *data)
{
	rcu_read_lock();
	h->block->notifier_call(h->block, action, data);
	rcu_read_unlock();
}
void blocking_notifier_call_chain(struct notifier_head *h, unsigned long action, void *data)
{
	down_read(&h->rwsem);
	h->block->notifier_call(h->block, action, data);
	up_read(&h->rwsem);
}
void raw_notifier_call_chain(struct notifier_head *h, unsigned long action, void *data)
{
	h->block->notifier_call(h->block, action, data);
}
void atomic_notifier_chain_register(struct notifier_head *h, struct notifier_block *b) { h->block = b; }
void blocking_notifier_chain_register(struct notifier_head *h, struct notifier_block *b) { h->block = b; }
void raw_notifier_chain_register(struct notifier_head *h, struct notifier_block *b) { h->block = b; }

/* ---- slab: mm/slab_common.c, mm/slub.c ---- */
struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, unsigned long flags, void *ctor)
{
	struct kmem_cache *c;

	sim_mutex("slab_mutex");
	if (sim_config("debug_vm") && !sim_in_task_and_bh_on()) {
		sim_event("warn", "kmem_cache_create() in an interrupt fails");
		return NULL;
	}
	if (!sim_take(8, GFP_KERNEL, "kmem_cache_create()")) {
		sim_event("warn", "kmem_cache_create() failed");
		return NULL;
	}
	return sim_cache_new(name, size, flags);
}
struct kmem_cache *KMEM_CACHE(int tag, unsigned long flags) { return kmem_cache_create("struct", 256, 0, flags, NULL); }
void kmem_cache_destroy(struct kmem_cache *c)
{
	if (c == NULL)
		return;
	sim_write(c, "kmem_cache_destroy()");
	sim_might_sleep("kmem_cache_destroy()");
	sim_mutex("cpu_hotplug_lock");
	sim_mutex("slab_mutex");
	sim_flush_slabs();
	sim_cache_destroy(c);
}
int kmem_cache_shrink(struct kmem_cache *c)
{
	sim_might_sleep("kmem_cache_shrink()");
	sim_mutex("cpu_hotplug_lock");
	return 0;
}
int kmem_cache_alloc_bulk(struct kmem_cache *c, gfp_t gfp, size_t n, void **out)
{
	for (int i = 0; i < n; i++) {
		void *p = sim_slab(c, gfp);

		if (!p) {	/* all or none */
			while (i-- > 0)
				kmem_cache_free(c, out[i]);
			return 0;
		}
		out[i] = p;
	}
	return n;
}
void kfree(const void *p) { sim_kfree(p, "kfree()"); }
void kmem_cache_free(struct kmem_cache *c, void *p) { sim_cache_free(c, p); }
void kmem_cache_free_bulk(struct kmem_cache *c, size_t n, void **p)
{
	for (int i = 0; i < n; i++)
		sim_bulk_free(c, p[i]);
}
void kfree_bulk(size_t n, void **p)
{
	for (int i = 0; i < n; i++)
		sim_bulk_free(0, p[i]);
}
void kfree_const(const void *p)
{
	if (!sim_is_rodata(p))
		kfree(p);
}
size_t ksize(const void *p) { return sim_ksize(p); }
void kfree_sensitive(const void *p)
{
	if (sim_ksize(p)) {
		sim_write(p, "kfree_sensitive()");
		sim_wiped(p);
	}
	sim_kfree(p, "kfree_sensitive()");
}
bool is_vmalloc_addr(const void *p) { return sim_is_vmalloc(p); }
void kvfree(const void *p)
{
	if (sim_is_vmalloc(p))
		sim_vfree(p);
	else
		sim_kfree(p, "kvfree()");
}
void kvfree_sensitive(const void *p, size_t size)
{
	if (p == NULL || p == ZERO_SIZE_PTR)
		return;
	sim_write(p, "kvfree_sensitive()");
	sim_wiped(p);
	kvfree(p);
}
/* kernel/rcu/tree.c: pointers are gathered and freed in bulk, vmalloc memory by itself */
static void after_grace_period(const void *p)
{
	if (sim_is_vmalloc(p))
		sim_vfree_now(p);
	else
		sim_bulk_free(0, p);
}
void kfree_rcu(void *p, const char *field)
{
	if (sim_given() < 2)
		sim_might_sleep("kfree_rcu()");	/* the form without a head, before 6.5 */
	sim_awaits_grace_period(p);
	if (p)
		sim_run("workqueue", after_grace_period, p);
}
void kvfree_rcu(void *p, const char *field)
{
	if (sim_given() < 2)
		sim_might_sleep("kvfree_rcu()");
	sim_awaits_grace_period(p);
	if (p)
		sim_run("workqueue", after_grace_period, p);
}
void kfree_rcu_mightsleep(void *p)
{
	sim_might_sleep("kfree_rcu_mightsleep()");
	if (p)
		sim_run("workqueue", after_grace_period, p);
}
void kvfree_rcu_mightsleep(void *p)
{
	sim_might_sleep("kvfree_rcu_mightsleep()");
	if (p)
		sim_run("workqueue", after_grace_period, p);
}

/* ---- vmalloc: mm/vmalloc.c ---- */
void vfree(const void *p) { sim_vfree(p); }
void vfree_atomic(const void *p) { sim_vfree_atomic(p); }
void vunmap(const void *p) { sim_vunmap(p); }
void *vmap(struct page **pages, unsigned int count, unsigned long flags, unsigned long prot)
{
	sim_might_sleep("vmap()");
	return sim_vm_area(count * PAGE_SIZE, GFP_KERNEL, "vmap()");
}

/* ---- pages: mm/page_alloc.c ---- */
void free_pages(unsigned long address, unsigned int order) { sim_free_pages(address, order); }
void free_page(unsigned long address) { sim_free_pages(address, 0); }
void __free_pages(struct page *page, unsigned int order) { sim_put_page(page, order, 0); }
void __free_page(struct page *page) { sim_put_page(page, 0, 0); }
void put_page(struct page *page) { sim_put_page(page, 0, 1); }
void folio_put(struct folio *folio) { sim_put_page(folio, 0, 1); }
void free_pages_exact(void *p, size_t size)
{
	sim_free_exact(p, size);
}
void *page_address(struct page *page) { return sim_page_address(page, "page_address()"); }
void *lowmem_page_address(struct page *page) { return sim_page_address(page, "lowmem_page_address()"); }
void *page_to_virt(struct page *page) { return sim_page_address(page, "page_to_virt()"); }
void *folio_address(struct folio *folio) { return sim_page_address(folio, "folio_address()"); }
void *kmap_local_folio(struct folio *folio, size_t offset) { return sim_address(folio); }
void *kmap_local_page(struct page *page) { return sim_address(page); }
void kunmap_local(const void *p) { }
void *kmap(struct page *page) { sim_might_sleep("kmap()"); return sim_address(page); }
void kunmap(struct page *page) { sim_might_sleep("kunmap()"); }

/* ---- per-CPU: mm/percpu.c ---- */
void free_percpu(void *p) { sim_free_percpu(p); }

/* ---- mempool: mm/mempool.c. The element's kind is kept in the pool. ---- */
static void *pool_element(struct mempool *pool, gfp_t gfp)
{
	if (pool->kind == 1)
		return sim_slab(pool->data, gfp);
	if (pool->kind == 2)
		return alloc_pages(gfp, pool->data);
	return sim_kmalloc(pool->data, gfp, "mempool_alloc()");
}
static void pool_release(struct mempool *pool, void *p)
{
	if (pool->kind == 1)
		kmem_cache_free(pool->data, p);
	else if (pool->kind == 2)
		__free_pages(p, pool->data);
	else
		kfree(p);
}
static struct mempool *pool_create(int count, int kind, unsigned long data)
{
	struct mempool *pool;
	void *p;

	pool = sim_kmalloc(96, GFP_KERNEL, "mempool_create()");
	if (!pool)
		return NULL;
	sim_family(pool, "mempool_pool");
	pool->kind = kind;
	pool->data = data;
	pool->min = count;
	pool->count = 0;
	for (int i = 0; i < count; i++) {
		p = pool_element(pool, GFP_KERNEL);
		if (!p)
			return NULL;
		pool->element[i] = p;
		sim_family(p, "mempool");
		pool->count++;
	}
	return pool;
}
struct mempool *mempool_create_kmalloc_pool(int count, size_t size) { return pool_create(count, 0, size); }
struct mempool *mempool_create_slab_pool(int count, struct kmem_cache *c) { return pool_create(count, 1, c); }
struct mempool *mempool_create_page_pool(int count, int order) { return pool_create(count, 2, order); }
void mempool_destroy(struct mempool *pool)
{
	if (pool == NULL)
		return;
	sim_write(pool, "mempool_destroy()");
	while (pool->count > 0) {
		pool->count--;
		pool_release(pool, pool->element[pool->count]);
	}
	kfree(pool);
}
void *mempool_alloc(struct mempool *pool, gfp_t gfp)
{
	void *p;

	if ((gfp & __GFP_ZERO) && sim_config("debug_vm"))
		sim_event("warn", "mempool_alloc() can't zero what it keeps");
	sim_might_alloc(gfp, "mempool_alloc()");
	gfp |= __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;
	p = pool_element(pool, gfp & ~(__GFP_DIRECT_RECLAIM | __GFP_IO));
	if (!p && pool->count > 0) {
		sim_spin();
		pool->count--;
		p = pool->element[pool->count];
	}
	if (!p)
		p = pool_element(pool, gfp);
	/* else it waits until an element comes back */
	if (p)
		sim_family(p, "mempool");
	return p;
}
void mempool_free(void *p, struct mempool *pool)
{
	if (p == NULL)
		return;
	if (pool->count < pool->min) {
		sim_spin();
		pool->element[pool->count] = p;
		pool->count++;
		return;
	}
	pool_release(pool, p);
}

/* ---- devres: drivers/base/devres.c. A node of 40 bytes precedes the memory. ---- */
void *devm_kmalloc(struct device *dev, size_t size, gfp_t gfp)
{
	void *p = sim_kmalloc(size + 40, gfp, "devm_kmalloc()");

	if (!p)
		return NULL;
	sim_spin();
	sim_inner(p, 40);
	sim_family(p, "devm");
	sim_device(p, dev);
	sim_devres_add(dev, p);
	return p;
}
void *devm_kzalloc(struct device *dev, size_t size, gfp_t gfp) { return devm_kmalloc(dev, size, gfp | __GFP_ZERO); }
void *devm_kcalloc(struct device *dev, size_t n, size_t size, gfp_t gfp) { return devm_kmalloc(dev, n * size, gfp | __GFP_ZERO); }
void devm_kfree(struct device *dev, const void *p)
{
	if (p == NULL || p == ZERO_SIZE_PTR || sim_known_rodata(p))
		return;
	sim_spin();
	if (!sim_devres_del(dev, p)) {
		sim_event("warn", "devm_kfree() of memory that the device does not manage");
		return;
	}
	sim_outer(p, 40);
	sim_kfree(p, "devm_kfree()");
}
void *devm_krealloc(struct device *dev, void *p, size_t size, gfp_t gfp)
{
	size_t have;
	void *q;

	if (p == NULL || p == ZERO_SIZE_PTR)
		return devm_kmalloc(dev, size, gfp);
	if (sim_known_rodata(p)) {
		sim_event("warn", "devm_krealloc() of read-only data");
		return NULL;
	}
	have = sim_ksize_before(p, 40);
	if (have == 0) {
		sim_event("warn", "devm_krealloc() of memory that was not allocated");
		return NULL;
	}
	if (size + 40 <= have)
		return p;
	if (!sim_devres_del(dev, p)) {
		sim_event("warn", "devm_krealloc() of memory that the device does not manage");
		return NULL;
	}
	q = devm_kmalloc(dev, size, gfp);
	sim_outer(p, 40);
	sim_kfree(p, "devm_krealloc()");
	return q;
}
/* the device goes away, and what it manages */
void platform_device_unregister(struct platform_device *d) { sim_devres_release(&d->dev); }

/* ---- DMA: kernel/dma/direct.c, mapping.c, mm/dmapool.c ---- */
void *dma_alloc_coherent(struct device *dev, size_t size, dma_addr_t *handle, gfp_t gfp)
{
	void *p;

	if (gfp & __GFP_COMP) {
		sim_event("warn", "dma_alloc_coherent() hands out no compound pages");
		return NULL;
	}
	p = sim_pages(gfp & ~(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM), sim_order(size), "dma_alloc_coherent()");
	if (!p)
		return NULL;
	*handle = sim_bus_address(p);
	return sim_family(p, "dma");
}
void dma_free_coherent(struct device *dev, size_t size, void *p, dma_addr_t handle)
{
	if (sim_irqs_off())
		sim_event("irqs-off", "dma_free_coherent() with interrupts off");
	if (!p)
		return;
	if (sim_known_vmalloc(p))
		sim_vunmap(p);
	sim_contract(p, "dma_free_coherent");
	if (sim_is_family(p, "dma"))
		sim_size_given(p, size, "dma_free_coherent()");
	sim_free_frames(handle, sim_order(size));
	sim_dead(p);
}
struct dma_pool *dma_pool_create(const char *name, struct device *dev, size_t size, size_t align, size_t boundary)
{
	struct dma_pool *pool;

	if (size == 0 || size > INT_MAX)
		return NULL;
	pool = sim_kmalloc(96, GFP_KERNEL, "dma_pool_create()");
	if (!pool)
		return NULL;
	sim_family(pool, "dma_pool_pool");
	pool->size = size;
	pool->free = 0;
	pool->active = 0;
	pool->pages = 0;
	return pool;
}
void *dma_pool_alloc(struct dma_pool *pool, gfp_t gfp, dma_addr_t *handle)
{
	void *p;

	sim_might_alloc(gfp, "dma_pool_alloc()");
	sim_spin();
	p = sim_pool_block(pool, gfp);
	if (!p)
		return NULL;
	*handle = sim_bus_address(p);
	return p;
}
void dma_pool_free(struct dma_pool *pool, void *p, dma_addr_t handle)
{
	sim_spin();
	if (sim_config("slub_debug") && sim_config("lockdep") && !sim_pool_owns(pool, handle))
		return;
	sim_write(p, "dma_pool_free()");
	sim_pool_push(pool, p);
}
void dma_pool_destroy(struct dma_pool *pool)
{
	if (pool == NULL)
		return;
	sim_write(pool, "dma_pool_destroy()");
	sim_mutex("pools_reg_lock");
	sim_pool_destroy(pool);
	kfree(pool);
}

/* ---- radix tree, idr, ida, xarray: lib/ ---- */
static int preload_nodes;
static int preload_fill(gfp_t gfp)
{
	sim_used_in_tasks("radix_tree_preloads");
	if (sim_device_interrupt())
		return sim_take(576, gfp, "radix_tree_preload()") ? 0 : -ENOMEM;
	if (!preload_nodes) {
		if (!sim_take(576, gfp, "radix_tree_preload()"))
			return -ENOMEM;
		preload_nodes = 1;
	}
	return 0;
}
int radix_tree_preload(gfp_t gfp)
{
	int ret;

	if (!(gfp & __GFP_DIRECT_RECLAIM))
		sim_event("warn", "radix_tree_preload() with a mask that may not block");
	ret = preload_fill(gfp);
	if (!ret)
		sim_enter("preload", "radix_tree_preloads");
	return ret;
}
int radix_tree_maybe_preload(gfp_t gfp)
{
	int ret = 0;

	if (gfp & __GFP_DIRECT_RECLAIM)
		ret = preload_fill(gfp);
	else
		sim_used_in_tasks("radix_tree_preloads");
	if (!ret)
		sim_enter("preload", "radix_tree_preloads");
	return ret;
}
void radix_tree_preload_end(void) { sim_leave("preload", "radix_tree_preloads"); }
void idr_preload(gfp_t gfp)
{
	preload_fill(gfp);
	sim_enter("preload", "radix_tree_preloads");
}
void idr_preload_end(void) { sim_leave("preload", "radix_tree_preloads"); }
/* an atomic idr_alloc() falls back to the CPU's preloaded nodes */
static void *tree_node(gfp_t gfp)
{
	void *p = sim_take(576, (gfp & __GFP_DIRECT_RECLAIM) ? gfp : (gfp | __GFP_NOWARN), "idr_alloc()");

	if (!p && !(gfp & __GFP_DIRECT_RECLAIM) && !sim_in_interrupt()) {
		if (sim_config("debug_preempt") && sim_count() == 0 && !sim_irqs_off())
			sim_event("warn", "the CPU number is asked for while preemptible");
		return 1;
	}
	return p;
}
int idr_alloc(struct idr *idr, void *p, int start, int end, gfp_t gfp) { return tree_node(gfp) ? 0 : -ENOMEM; }
int idr_alloc_cyclic(struct idr *idr, void *p, int start, int end, gfp_t gfp) { return tree_node(gfp) ? 0 : -ENOMEM; }
/* most numbers fit into what is there */
int ida_alloc(struct ida *ida, gfp_t gfp) { return sim_needs_node() && !tree_node(gfp) ? -ENOMEM : 0; }
/* the node is first asked for without sleeping, under the array's lock */
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	sim_spin();
	if (sim_take(576, GFP_NOWAIT | __GFP_NOWARN, "xa_store()"))
		return NULL;
	return sim_take(576, gfp, "xa_store()") ? NULL : ERR_PTR(-ENOMEM);
}
int xa_err(void *entry) { return IS_ERR(entry) ? PTR_ERR(entry) : 0; }

/* ---- threads and workqueues ---- */
struct task_struct *kthread_create(void *function, void *data, const char *name)
{
	if (!sim_take(64, GFP_KERNEL, "kthread_create()"))
		return ERR_PTR(-ENOMEM);
	sim_might_sleep("kthread_create()");
	sim_schedule();
	if (!sim_in_task())
		sim_interrupted_task_slept();
	return 1;
}
struct workqueue_struct *alloc_workqueue(const char *format, unsigned int flags, int max)
{
	if (!sim_take(512, GFP_KERNEL, "alloc_workqueue()"))
		return NULL;
	sim_mutex("cpu_hotplug_lock");
	sim_mutex("wq_pool_mutex");
	return 1;
}

/* ---- strings: mm/util.c, lib/kasprintf.c ---- */
void *kmemdup(const void *p, size_t size, gfp_t gfp) { return sim_kmalloc(size, gfp, "kmemdup()"); }
char *kstrdup(const char *s, gfp_t gfp) { return s ? sim_kmalloc(18, gfp, "kstrdup()") : NULL; }
const char *kstrdup_const(const char *s, gfp_t gfp) { return sim_is_rodata(s) ? sim_rodata() : kstrdup(s, gfp); }
char *kstrndup(const char *s, size_t max, gfp_t gfp) { return s ? sim_kmalloc(6, gfp, "kstrndup()") : NULL; }

/* ---- reference counts: lib/dec_and_lock.c ---- */
int atomic_dec_and_lock(int *count, struct spinlock *lock)
{
	(*count)--;
	if (*count)
		return 0;
	spin_lock(lock);
	return 1;
}

/* ---- memory cgroups: include/linux/sched/mm.h ---- */
struct mem_cgroup *set_active_memcg(struct mem_cgroup *memcg) { return sim_active_memcg(memcg); }

/* ---- reclaim: mm/page_alloc.c, mm/vmscan.c ---- */
void fs_reclaim_acquire(gfp_t gfp) { sim_reclaim_begin(gfp); }
void fs_reclaim_release(gfp_t gfp) { sim_reclaim_end(gfp); }
/* not a kernel function: grace periods and deferred work pass */
void sim_settle(void) { sim_run_deferred(); }
