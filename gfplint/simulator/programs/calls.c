// SPDX-License-Identifier: GPL-2.0
/* The oracle's calls: each allocates or frees once in the context under test. */

struct call { gfp_t gfp; void *p; void *old; long ret; int status; };
static struct call now;
static struct kmem_cache *cache_a, *cache_b;
static struct mempool *element_pool;
static struct dma_pool *block_pool;
static struct platform_device the_device;
static struct platform_device *device;
static dma_addr_t bus;
static struct idr numbers;
static struct ida ids;
static struct xarray array;
static struct mutex other_mutex;
static struct page *mapped[2];
static void *many[400];

void setup(void)
{
	device = &the_device;
	cache_a = kmem_cache_create("oracle_a", 200, 0, 0, NULL);
	cache_b = kmem_cache_create("oracle_b", 456, 0, 0, NULL);
	element_pool = mempool_create_kmalloc_pool(4, 128);
	block_pool = dma_pool_create("oracle", &device->dev, 64, 64, 0);
	preload_nodes = 1;
}
void empty_preloads(void) { preload_nodes = 0; }

void call_kmalloc(void) { now.p = kmalloc(64, now.gfp); }
void call_kmalloc_64k(void) { now.p = kmalloc(65536, now.gfp); }
void call_kmalloc_x400(void)
{
	for (int i = 0; i < 48; i++) {
		now.p = kmalloc(1024, now.gfp);
		if (!now.p)
			return;
	}
}
void call_kmem_cache_alloc_x400(void)
{
	for (int i = 0; i < 48; i++) {
		now.p = kmem_cache_alloc(cache_b, now.gfp);
		if (!now.p)
			return;
	}
}
void call_kmalloc_8m(void) { now.p = kmalloc(8 << 20, now.gfp); }
void call_kmalloc_zero(void) { now.p = kmalloc(0, now.gfp); }
void call_kzalloc(void) { now.p = kzalloc(64, now.gfp); }
void call_kmalloc_array(void) { now.p = kmalloc_array(4, 16, now.gfp); }
void call_kmalloc_array_overflow(void) { now.p = kmalloc_array(SIZE_MAX / 2, 16, now.gfp); }
void call_kcalloc(void) { now.p = kcalloc(4, 16, now.gfp); }
void call_kmalloc_node(void) { now.p = kmalloc_node(64, now.gfp, NUMA_NO_NODE); }
void call_kmem_cache_alloc(void) { now.p = kmem_cache_alloc(cache_a, now.gfp); }
void call_kmem_cache_alloc_bulk(void)
{
	void *out[1];

	now.ret = kmem_cache_alloc_bulk(cache_a, now.gfp, 1, out);
	now.p = now.ret ? out[0] : NULL;
}
void call_kvmalloc_64(void) { now.p = kvmalloc(64, now.gfp); }
void call_kvmalloc_64k(void) { now.p = kvmalloc(65536, now.gfp); }
void call_kvmalloc_9m(void) { now.p = kvmalloc(9 << 20, now.gfp); }
void call_kvzalloc_64(void) { now.p = kvzalloc(64, now.gfp); }
void call_vmalloc(void) { now.p = vmalloc(65536); }
void call_vzalloc(void) { now.p = vzalloc(65536); }
void call___vmalloc(void) { now.p = __vmalloc(65536, now.gfp); }
void call_alloc_pages_o0(void) { now.p = alloc_pages(now.gfp, 0); }
void call_alloc_pages_o2(void) { now.p = alloc_pages(now.gfp, 2); }
void call_alloc_page(void) { now.p = alloc_page(now.gfp); }
void call___get_free_pages_o0(void) { now.p = __get_free_pages(now.gfp, 0); }
void call_get_zeroed_page(void) { now.p = get_zeroed_page(now.gfp); }
void call_alloc_pages_exact(void) { now.p = alloc_pages_exact(3 * PAGE_SIZE, now.gfp); }
void call_alloc_percpu(void) { now.p = __alloc_percpu(16, 8); }
void call_alloc_percpu_gfp(void) { now.p = __alloc_percpu_gfp(16, 8, now.gfp); }
void call_mempool_alloc(void) { now.p = mempool_alloc(element_pool, now.gfp); }
void call_dma_pool_alloc(void) { now.p = dma_pool_alloc(block_pool, now.gfp, &bus); }
void call_dma_alloc_coherent(void) { now.p = dma_alloc_coherent(&device->dev, PAGE_SIZE, &bus, now.gfp); }
void call_kstrdup(void) { now.p = kstrdup("a string", now.gfp); }
void call_kstrndup(void) { now.p = kstrndup("a string", 5, now.gfp); }
void call_kmemdup(void) { now.p = kmemdup("0123456789abcdef", 16, now.gfp); }
void call_kasprintf(void) { now.p = kasprintf(now.gfp, "x%d", 42); }
void prepare_old(void) { now.old = kmalloc(64, GFP_KERNEL); }
void call_krealloc(void) { now.p = krealloc(now.old, 4096, now.gfp); }
void call_kvrealloc(void) { now.p = kvrealloc(now.old, 4096, now.gfp); }
void call_idr_preload(void) { idr_preload(now.gfp); idr_preload_end(); now.status = 1; }
void call_idr_alloc(void) { now.ret = idr_alloc(&numbers, &numbers, 0, 0, now.gfp); now.status = 1; }
void call_ida_alloc(void) { now.ret = ida_alloc(&ids, now.gfp); now.status = 1; }
void call_xa_store(void) { now.ret = xa_err(xa_store(&array, 77777, &array, now.gfp)); now.status = 1; }
void call_radix_tree_preload(void)
{
	now.ret = radix_tree_preload(now.gfp);
	now.status = 1;
	if (!now.ret)
		radix_tree_preload_end();
}
void call_radix_tree_maybe_preload(void)
{
	now.ret = radix_tree_maybe_preload(now.gfp);
	now.status = 1;
	if (!now.ret)
		radix_tree_preload_end();
}
void call_devm_kmalloc(void) { now.p = devm_kmalloc(&device->dev, 64, now.gfp); }
void call_kmem_cache_create(void) { now.p = kmem_cache_create("oracle_tmp", 72, 0, 0, NULL); }
void call_mempool_create_kmalloc_pool(void) { now.p = mempool_create_kmalloc_pool(2, 128); }
void prepare_pages(void) { mapped[0] = alloc_page(GFP_KERNEL); mapped[1] = alloc_page(GFP_KERNEL); }
void call_vmap(void) { now.p = vmap(mapped, 2, VM_MAP, PAGE_KERNEL); }
static int idle_thread(void *data) { return 0; }
void call_kthread_create(void) { now.p = kthread_create(idle_thread, NULL, "thread"); }
void call_alloc_workqueue(void) { now.p = alloc_workqueue("queue", WQ_UNBOUND, 0); }

void call_might_sleep(void) { now.status = 1; might_sleep(); }
void call_mutex_lock(void) { now.status = 1; mutex_lock(&other_mutex); mutex_unlock(&other_mutex); }
void call_cond_resched(void) { now.status = 1; cond_resched(); }
void call_schedule_timeout(void) { now.status = 1; __set_current_state(TASK_UNINTERRUPTIBLE); schedule_timeout(1); }
void call_synchronize_rcu(void) { now.status = 1; synchronize_rcu(); }

void prepare_kmalloc(void) { now.p = kmalloc(64, GFP_KERNEL); now.status = 1; }
void prepare_kmalloc_64k(void) { now.p = kmalloc(65536, GFP_KERNEL); now.status = 1; }
void prepare_vmalloc(void) { now.p = vmalloc(65536); now.status = 1; }
void prepare_page_o0(void) { now.p = __get_free_pages(GFP_KERNEL, 0); now.status = 1; }
void prepare_pages_o3(void) { now.p = __get_free_pages(GFP_KERNEL, 3); now.status = 1; }
void prepare_object(void) { now.p = kmem_cache_alloc(cache_a, GFP_KERNEL); now.status = 1; }
void prepare_cache(void)
{
	now.p = kmem_cache_create("oracle_tmpd", 72, 0, 0, NULL);
	kmem_cache_free(now.p, kmem_cache_alloc(now.p, GFP_KERNEL));
	now.status = 1;
}
void prepare_percpu(void) { now.p = __alloc_percpu(16, 8); now.status = 1; }
void prepare_element(void) { now.p = mempool_alloc(element_pool, GFP_KERNEL); now.status = 1; }
void prepare_pool(void) { now.p = mempool_create_kmalloc_pool(2, 128); now.status = 1; }
void prepare_block(void) { now.p = dma_pool_alloc(block_pool, GFP_KERNEL, &bus); now.status = 1; }
void prepare_coherent(void) { now.p = dma_alloc_coherent(&device->dev, PAGE_SIZE, &bus, GFP_KERNEL); now.status = 1; }
void prepare_devm(void) { now.p = devm_kmalloc(&device->dev, 64, GFP_KERNEL); now.status = 1; }
void prepare_mapping(void) { prepare_pages(); call_vmap(); now.status = 1; }
void call_kfree(void) { kfree(now.p); }
void call_kfree_sensitive(void) { kfree_sensitive(now.p); }
void call_kvfree(void) { kvfree(now.p); }
void call_kvfree_sensitive(void) { kvfree_sensitive(now.p, 64); }
void call_vfree(void) { vfree(now.p); }
void call_vfree_NULL(void) { now.status = 1; vfree(NULL); }
void call_vfree_atomic(void) { vfree_atomic(now.p); }
void call_free_pages_o0(void) { free_pages(now.p, 0); }
void call_free_pages_o3(void) { free_pages(now.p, 3); }
void call_kmem_cache_free(void) { kmem_cache_free(cache_a, now.p); }
void call_kmem_cache_free_bulk(void) { void *a[1] = { now.p }; kmem_cache_free_bulk(cache_a, 1, a); }
void call_kmem_cache_destroy(void) { kmem_cache_destroy(now.p); }
void call_kmem_cache_shrink(void) { now.status = 1; kmem_cache_shrink(cache_a); }
void call_free_percpu(void) { free_percpu(now.p); }
void call_mempool_free(void) { mempool_free(now.p, element_pool); }
void call_mempool_destroy(void) { mempool_destroy(now.p); }
void call_dma_pool_free(void) { dma_pool_free(block_pool, now.p, bus); }
void call_dma_free_coherent(void) { dma_free_coherent(&device->dev, PAGE_SIZE, now.p, bus); }
void call_kfree_rcu(void) { kfree_rcu(now.p, rh); }
void call_kfree_rcu_mightsleep(void) { kfree_rcu_mightsleep(now.p); }
void call_kvfree_rcu_mightsleep(void) { kvfree_rcu_mightsleep(now.p); }
void call_devm_kfree(void) { devm_kfree(&device->dev, now.p); }
void call_vunmap(void) { vunmap(now.p); }

/* name in the oracle, what is prepared outside the context, what is called in it */
static const struct { const char *name; void *prepare; void *call; } calls[] = {
	{ "kmalloc", NULL, call_kmalloc }, { "kmalloc_64k", NULL, call_kmalloc_64k },
	{ "kmalloc_x400", NULL, call_kmalloc_x400 }, { "kmem_cache_alloc_x400", NULL, call_kmem_cache_alloc_x400 },
	{ "kmalloc_8m", NULL, call_kmalloc_8m }, { "kmalloc_zero", NULL, call_kmalloc_zero },
	{ "kzalloc", NULL, call_kzalloc }, { "kmalloc_array", NULL, call_kmalloc_array },
	{ "kmalloc_array_overflow", NULL, call_kmalloc_array_overflow }, { "kcalloc", NULL, call_kcalloc },
	{ "kmalloc_node", NULL, call_kmalloc_node }, { "kmem_cache_alloc", NULL, call_kmem_cache_alloc },
	{ "kmem_cache_alloc_bulk", NULL, call_kmem_cache_alloc_bulk }, { "kvmalloc_64", NULL, call_kvmalloc_64 },
	{ "kvmalloc_64k", NULL, call_kvmalloc_64k }, { "kvmalloc_9m", NULL, call_kvmalloc_9m },
	{ "kvzalloc_64", NULL, call_kvzalloc_64 }, { "vmalloc", NULL, call_vmalloc }, { "vzalloc", NULL, call_vzalloc },
	{ "__vmalloc", NULL, call___vmalloc }, { "alloc_pages_o0", NULL, call_alloc_pages_o0 },
	{ "alloc_pages_o2", NULL, call_alloc_pages_o2 }, { "alloc_page", NULL, call_alloc_page },
	{ "__get_free_pages_o0", NULL, call___get_free_pages_o0 }, { "get_zeroed_page", NULL, call_get_zeroed_page },
	{ "alloc_pages_exact", NULL, call_alloc_pages_exact }, { "alloc_percpu", NULL, call_alloc_percpu },
	{ "alloc_percpu_gfp", NULL, call_alloc_percpu_gfp }, { "mempool_alloc", NULL, call_mempool_alloc },
	{ "dma_pool_alloc", NULL, call_dma_pool_alloc }, { "dma_alloc_coherent", NULL, call_dma_alloc_coherent },
	{ "kstrdup", NULL, call_kstrdup }, { "kstrndup", NULL, call_kstrndup }, { "kmemdup", NULL, call_kmemdup },
	{ "kasprintf", NULL, call_kasprintf }, { "krealloc", prepare_old, call_krealloc },
	{ "kvrealloc", prepare_old, call_kvrealloc }, { "idr_preload_empty_pool", empty_preloads, call_idr_preload },
	{ "idr_preload", NULL, call_idr_preload }, { "idr_alloc", NULL, call_idr_alloc },
	{ "ida_alloc", NULL, call_ida_alloc }, { "xa_store", NULL, call_xa_store },
	{ "radix_tree_preload_empty_pool", empty_preloads, call_radix_tree_preload },
	{ "radix_tree_preload", NULL, call_radix_tree_preload },
	{ "radix_tree_maybe_preload_empty_pool", empty_preloads, call_radix_tree_maybe_preload },
	{ "radix_tree_maybe_preload", NULL, call_radix_tree_maybe_preload }, { "devm_kmalloc", NULL, call_devm_kmalloc },
	{ "kmem_cache_create", NULL, call_kmem_cache_create },
	{ "mempool_create_kmalloc_pool", NULL, call_mempool_create_kmalloc_pool }, { "vmap", prepare_pages, call_vmap },
	{ "kthread_create", NULL, call_kthread_create }, { "alloc_workqueue", NULL, call_alloc_workqueue },
	{ "might_sleep", NULL, call_might_sleep }, { "mutex_lock", NULL, call_mutex_lock },
	{ "cond_resched", NULL, call_cond_resched }, { "schedule_timeout", NULL, call_schedule_timeout },
	{ "synchronize_rcu", NULL, call_synchronize_rcu }, { "kfree", prepare_kmalloc, call_kfree },
	{ "kfree_64k", prepare_kmalloc_64k, call_kfree }, { "kfree_sensitive", prepare_kmalloc, call_kfree_sensitive },
	{ "kvfree_slab", prepare_kmalloc, call_kvfree }, { "kvfree_vmalloc", prepare_vmalloc, call_kvfree },
	{ "kvfree_sensitive_slab", prepare_kmalloc, call_kvfree_sensitive },
	{ "kvfree_sensitive_vmalloc", prepare_vmalloc, call_kvfree_sensitive }, { "vfree", prepare_vmalloc, call_vfree },
	{ "vfree_NULL", NULL, call_vfree_NULL }, { "vfree_atomic", prepare_vmalloc, call_vfree_atomic },
	{ "free_pages_o0", prepare_page_o0, call_free_pages_o0 }, { "free_pages_o3", prepare_pages_o3, call_free_pages_o3 },
	{ "kmem_cache_free", prepare_object, call_kmem_cache_free },
	{ "kmem_cache_free_bulk", prepare_object, call_kmem_cache_free_bulk },
	{ "kmem_cache_destroy", prepare_cache, call_kmem_cache_destroy }, { "kmem_cache_shrink", NULL, call_kmem_cache_shrink },
	{ "free_percpu", prepare_percpu, call_free_percpu }, { "mempool_free", prepare_element, call_mempool_free },
	{ "mempool_destroy", prepare_pool, call_mempool_destroy }, { "dma_pool_free", prepare_block, call_dma_pool_free },
	{ "dma_free_coherent", prepare_coherent, call_dma_free_coherent }, { "kfree_rcu", prepare_kmalloc, call_kfree_rcu },
	{ "kfree_rcu_mightsleep", prepare_kmalloc, call_kfree_rcu_mightsleep },
	{ "kvfree_rcu_mightsleep", prepare_vmalloc, call_kvfree_rcu_mightsleep },
	{ "devm_kfree", prepare_devm, call_devm_kfree }, { "vunmap", prepare_mapping, call_vunmap },
};
