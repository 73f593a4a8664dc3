// SPDX-License-Identifier: GPL-2.0
/* The oracle's accounting cases: many objects of one kind are allocated and kept, in the context under test. */

static gfp_t gfp;
static int wanted, got, failed;
static struct kmem_cache *accounted, *plain_cache;
static void *allocate;

void setup(void)
{
	accounted = kmem_cache_create("g3_acct", 1024, 0, SLAB_ACCOUNT, NULL);
	plain_cache = kmem_cache_create("g3_noacct", 1024, 0, 0, NULL);
}
void *one_kmalloc_4k(void) { return kmalloc(4096, gfp); }
void *one_kmalloc_256(void) { return kmalloc(256, gfp); }
void *one_kmalloc_64k(void) { return kmalloc(65536, gfp); }
void *one_plain(void) { return kmem_cache_alloc(plain_cache, gfp); }
void *one_accounted(void) { return kmem_cache_alloc(accounted, gfp); }
void *one_vmalloc(void) { return vmalloc(65536); }
void *one___vmalloc(void) { return __vmalloc(65536, gfp); }
void *one_kvmalloc(void) { return kvmalloc(9 << 20, gfp); }
void *one_page(void) { return alloc_pages(gfp, 0); }
void *one_pages(void) { return alloc_pages(gfp, 2); }
void *one_percpu(void) { return __alloc_percpu_gfp(4096, 8, gfp); }
void all(void)
{
	while (got < wanted) {
		if (!allocate()) {
			failed = 1;
			return;
		}
		got++;
	}
}
static const struct { const char *name; void *one; int bytes; } objects[] = {
	{ "kmalloc_4k", one_kmalloc_4k, size_4096 }, { "kmalloc_256", one_kmalloc_256, size_256 },
	{ "kmalloc_64k", one_kmalloc_64k, size_65536 }, { "kmem_cache_noaccount_1k", one_plain, size_1024 },
	{ "kmem_cache_SLAB_ACCOUNT_1k", one_accounted, size_1024 }, { "vmalloc_64k", one_vmalloc, size_65536 },
	{ "__vmalloc_64k", one___vmalloc, size_65536 }, { "kvmalloc_9m", one_kvmalloc, size_9437184 },
	{ "alloc_pages_o0", one_page, size_4096 }, { "alloc_pages_o2", one_pages, size_16384 },
	{ "alloc_percpu_gfp_4k", one_percpu, size_4096 },
};
