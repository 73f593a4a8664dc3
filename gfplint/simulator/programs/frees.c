// SPDX-License-Identifier: GPL-2.0
/* The oracle's allocators and frees: any pointer of the first is given to any function of the second. */

static struct kmem_cache *cache_a, *cache_b;
static struct mempool *pool_kmalloc, *pool_slab, *pool_page;
static struct platform_device the_device;
static struct dma_pool *blocks;
static dma_addr_t bus;
static char static_bytes[1024];
static size_t size;

void setup(void)
{
	cache_a = kmem_cache_create("orc_A", 512, 0, 0, NULL);
	cache_b = kmem_cache_create("orc_B", 768, 0, 0, NULL);
	pool_kmalloc = mempool_create_kmalloc_pool(4, 512);
	pool_slab = mempool_create_slab_pool(4, cache_a);
	pool_page = mempool_create_page_pool(4, 0);
	blocks = dma_pool_create("orc2", &the_device.dev, 512, 64, 0);
}
void teardown(void)
{
	dma_pool_destroy(blocks);
	platform_device_unregister(&the_device);
	mempool_destroy(pool_page);
	mempool_destroy(pool_slab);
	mempool_destroy(pool_kmalloc);
	kmem_cache_destroy(cache_b);
	kmem_cache_destroy(cache_a);
}

void *get_kmalloc_512(void) { size = 512; return kmalloc(512, GFP_KERNEL); }
void *get_kmalloc_16k(void) { size = 16384; return kmalloc(16384, GFP_KERNEL); }
void *get_object(void) { size = 512; return kmem_cache_alloc(cache_a, GFP_KERNEL); }
void *get_vmalloc(void) { size = 16384; return vmalloc(16384); }
void *get_kvmalloc_512(void) { size = 512; return kvmalloc(512, GFP_KERNEL); }
void *get_kvmalloc_9m(void) { size = 9 << 20; return kvmalloc(9 << 20, GFP_KERNEL); }
void *get_page(void) { size = PAGE_SIZE; return __get_free_pages(GFP_KERNEL, 0); }
void *get_pages(void) { size = 4 * PAGE_SIZE; return __get_free_pages(GFP_KERNEL, 2); }
void *get_compound(void) { size = 4 * PAGE_SIZE; return __get_free_pages(GFP_KERNEL | __GFP_COMP, 2); }
void *get_exact(void) { size = 3 * PAGE_SIZE; return alloc_pages_exact(3 * PAGE_SIZE, GFP_KERNEL); }
void *get_percpu(void) { size = 512; return __alloc_percpu(512, 8); }
void *get_pool_kmalloc(void) { size = 512; return mempool_alloc(pool_kmalloc, GFP_KERNEL); }
void *get_pool_slab(void) { size = 512; return mempool_alloc(pool_slab, GFP_KERNEL); }
void *get_pool_page(void) { size = PAGE_SIZE; return mempool_alloc(pool_page, GFP_KERNEL); }
void *get_devm(void) { size = 512; return devm_kmalloc(&the_device.dev, 512, GFP_KERNEL); }
void *get_block(void) { size = 512; return dma_pool_alloc(blocks, GFP_KERNEL, &bus); }
void *get_coherent(void) { size = 16384; return dma_alloc_coherent(&the_device.dev, 16384, &bus, GFP_KERNEL); }
void *get_static(void) { size = 512; return static_bytes; }
void *get_stack(void) { char bytes[64]; size = 64; return bytes; }
void *get_rodata(void) { size = 16; return "read-only"; }
void *get_null(void) { size = 512; return NULL; }
void *get_zero_size(void) { size = 512; return ZERO_SIZE_PTR; }
void *get_error(void) { size = 512; return ERR_PTR(-ENOMEM); }
void *get_interior(void) { char *p = get_kmalloc_512(); return p + 64; }
void *get_page_struct(void) { size = PAGE_SIZE; return alloc_page(GFP_KERNEL); }
void *get_freed_kmalloc(void) { void *p = get_kmalloc_512(); kfree(p); return p; }
void *get_freed_kmalloc_16k(void) { void *p = get_kmalloc_16k(); kfree(p); return p; }
void *get_freed_object(void) { void *p = get_object(); kmem_cache_free(cache_a, p); return p; }
void *get_freed_vmalloc(void) { void *p = get_vmalloc(); vfree(p); return p; }
void *get_freed_page(void) { void *p = get_page(); free_pages(p, 0); return p; }
void *get_freed_pages(void) { void *p = get_pages(); free_pages(p, 2); return p; }
void *get_freed_percpu(void) { void *p = get_percpu(); free_percpu(p); return p; }
void *get_freed_devm(void) { void *p = get_devm(); devm_kfree(&the_device.dev, p); return p; }
void *get_freed_pool_kmalloc(void) { void *p = get_pool_kmalloc(); mempool_free(p, pool_kmalloc); return p; }

void put_nothing(void *p) { }
void put_kfree(void *p) { kfree(p); }
void put_kfree_const(void *p) { kfree_const(p); }
void put_kfree_sensitive(void *p) { kfree_sensitive(p); }
void put_kvfree(void *p) { kvfree(p); }
void put_kvfree_sensitive(void *p) { kvfree_sensitive(p, size); }
void put_vfree(void *p) { vfree(p); }
void put_vfree_atomic(void *p) { vfree_atomic(p); }
void put_vunmap(void *p) { vunmap(p); }
void put_object_a(void *p) { kmem_cache_free(cache_a, p); }
void put_object_b(void *p) { kmem_cache_free(cache_b, p); }
void put_pages_o0(void *p) { free_pages(p, 0); }
void put_pages_o1(void *p) { free_pages(p, 1); }
void put_pages_o2(void *p) { free_pages(p, 2); }
void put_page_struct(void *p) { __free_page(p); }
void put_exact(void *p) { free_pages_exact(p, 3 * PAGE_SIZE); }
void put_percpu(void *p) { free_percpu(p); }
void put_pool_kmalloc(void *p) { mempool_free(p, pool_kmalloc); }
void put_pool_slab(void *p) { mempool_free(p, pool_slab); }
void put_pool_page(void *p) { mempool_free(p, pool_page); }
void put_devm(void *p) { devm_kfree(&the_device.dev, p); }
void put_block(void *p) { dma_pool_free(blocks, p, bus); }
void put_coherent(void *p) { dma_free_coherent(&the_device.dev, 16384, p, bus); }
void put_rcu(void *p) { kfree_rcu(p, rh); }
void put_rcu_mightsleep(void *p) { kfree_rcu_mightsleep(p); }
void put_kvrcu_mightsleep(void *p) { kvfree_rcu_mightsleep(p); }
void put_bulk(void *p) { void *a[1] = { p }; kfree_bulk(1, a); }
void put_object_bulk(void *p) { void *a[1] = { p }; kmem_cache_free_bulk(cache_a, 1, a); }
void put_reference(void *p) { put_page(p); }
void put_cache(void *p) { kmem_cache_destroy(p); }
void put_mempool(void *p) { mempool_destroy(p); }
void put_dma_pool(void *p) { dma_pool_destroy(p); }
void put_krealloc_0(void *p) { krealloc(p, 0, GFP_KERNEL); }
void put_krealloc_700(void *p) { p = krealloc(p, 700, GFP_KERNEL); kfree(p); }
void put_kvrealloc_700(void *p) { p = kvrealloc(p, 700, GFP_KERNEL); kvfree(p); }
void put_devm_krealloc(void *p) { devm_krealloc(&the_device.dev, p, 700, GFP_KERNEL); }
void put_ksize(void *p) { ksize(p); kfree(p); }
void put_by_address(void *p) { if (is_vmalloc_addr(p)) vfree(p); else kfree(p); }

static const struct { const char *name; void *get; } allocators[] = {
	{ "kmalloc_512", get_kmalloc_512 }, { "kmalloc_16k", get_kmalloc_16k }, { "kmem_cache_A", get_object },
	{ "vmalloc_16k", get_vmalloc }, { "kvmalloc_512", get_kvmalloc_512 }, { "kvmalloc_9m", get_kvmalloc_9m },
	{ "get_free_page_o0", get_page }, { "get_free_pages_o2", get_pages }, { "get_free_pages_o2_comp", get_compound },
	{ "alloc_pages_exact_3p", get_exact }, { "alloc_percpu_512", get_percpu }, { "mempool_kmalloc", get_pool_kmalloc },
	{ "mempool_slab", get_pool_slab }, { "mempool_page", get_pool_page }, { "devm_kmalloc_512", get_devm },
	{ "dma_pool_512", get_block }, { "dma_coherent_16k", get_coherent }, { "static_data", get_static }, { "stack", get_stack },
	{ "kernel_rodata", get_rodata }, { "NULL", get_null }, { "ZERO_SIZE_PTR", get_zero_size }, { "ERR_PTR", get_error },
	{ "kmalloc_512+64", get_interior }, { "alloc_page_struct", get_page_struct }, { "freed:kmalloc_512", get_freed_kmalloc },
	{ "freed:kmalloc_16k", get_freed_kmalloc_16k }, { "freed:kmem_cache_A", get_freed_object },
	{ "freed:vmalloc_16k", get_freed_vmalloc }, { "freed:get_free_page_o0", get_freed_page },
	{ "freed:get_free_pages_o2", get_freed_pages }, { "freed:alloc_percpu_512", get_freed_percpu },
	{ "freed:devm_kmalloc_512", get_freed_devm }, { "freed:mempool_kmalloc", get_freed_pool_kmalloc },
};
static const struct { const char *name; void *put; } frees[] = {
	{ "none(leak)", put_nothing }, { "kfree", put_kfree }, { "kfree_const", put_kfree_const },
	{ "kfree_sensitive", put_kfree_sensitive }, { "kvfree", put_kvfree }, { "kvfree_sensitive", put_kvfree_sensitive },
	{ "vfree", put_vfree }, { "vfree_atomic", put_vfree_atomic, slow }, { "vunmap", put_vunmap },
	{ "kmem_cache_free_A", put_object_a }, { "kmem_cache_free_B", put_object_b }, { "free_pages_o0", put_pages_o0 },
	{ "free_pages_o1", put_pages_o1 }, { "free_pages_o2", put_pages_o2 }, { "__free_page(struct_page)", put_page_struct },
	{ "free_pages_exact_3p", put_exact }, { "free_percpu", put_percpu }, { "mempool_free_kmalloc", put_pool_kmalloc },
	{ "mempool_free_slab", put_pool_slab }, { "mempool_free_page", put_pool_page }, { "devm_kfree", put_devm },
	{ "dma_pool_free", put_block }, { "dma_free_coherent_16k", put_coherent }, { "kfree_rcu", put_rcu, slow },
	{ "kfree_rcu_mightsleep", put_rcu_mightsleep, slow }, { "kvfree_rcu_mightsleep", put_kvrcu_mightsleep, slow },
	{ "kfree_bulk", put_bulk }, { "kmem_cache_free_bulk_A", put_object_bulk }, { "put_page(struct_page)", put_reference },
	{ "kmem_cache_destroy", put_cache }, { "mempool_destroy", put_mempool }, { "dma_pool_destroy", put_dma_pool },
	{ "krealloc_0", put_krealloc_0 }, { "krealloc_700+kfree", put_krealloc_700 }, { "kvrealloc_700+kvfree", put_kvrealloc_700 },
	{ "devm_krealloc_700", put_devm_krealloc }, { "ksize+kfree", put_ksize }, { "is_vmalloc_addr?vfree:kfree", put_by_address },
};
