// SPDX-License-Identifier: GPL-2.0
/* The oracle's reclaim cases: how lockdep learns that a lock is taken in reclaim, and what is held when allocating. */

static struct mutex lock;
static struct rw_semaphore rw;
static struct mutex outer;
static int use_rw, shrinker_calls;

static void take(void) { if (use_rw) down_write(&rw); else mutex_lock(&lock); }
static void drop(void) { if (use_rw) up_write(&rw); else mutex_unlock(&lock); }
void use_semaphore(void) { use_rw = 1; }

static void shrink(gfp_t mask) { shrinker_calls++; take(); drop(); }
static void shrink_if_fs(gfp_t mask) { if (mask & __GFP_FS) shrink(mask); }
/* direct reclaim of the allocating task comes first, kswapd goes on in the background */
static void eat_memory(gfp_t mask, void *shrinker)
{
	fs_reclaim_acquire(mask);
	shrinker(mask);
	fs_reclaim_release(mask);
	if (shrinker_calls == 0)
		sim_kswapd(shrinker, GFP_KERNEL);
}
static void annotate(gfp_t mask) { fs_reclaim_acquire(mask); take(); drop(); fs_reclaim_release(mask); }
void p_none(void) { }
void p_annot_kernel(void) { annotate(GFP_KERNEL); }
void p_annot_nofs(void) { annotate(GFP_NOFS); }
void p_annot_noio(void) { annotate(GFP_NOIO); }
void p_shrinker_kernel(void) { eat_memory(GFP_KERNEL, shrink); }
void p_shrinker_nofs(void) { eat_memory(GFP_NOFS, shrink); }
void p_shrinker_check_kernel(void) { eat_memory(GFP_KERNEL, shrink_if_fs); }
void p_shrinker_check_nofs(void) { eat_memory(GFP_NOFS, shrink_if_fs); }

void h_none(void) { body(); }
void h_mutex(void) { mutex_lock(&lock); body(); mutex_unlock(&lock); }
void h_mutex_nofs(void) { unsigned int f; mutex_lock(&lock); f = memalloc_nofs_save(); body(); memalloc_nofs_restore(f); mutex_unlock(&lock); }
void h_mutex_noio(void) { unsigned int f; mutex_lock(&lock); f = memalloc_noio_save(); body(); memalloc_noio_restore(f); mutex_unlock(&lock); }
void h_mutex_pf_memalloc(void) { unsigned int f; mutex_lock(&lock); f = memalloc_noreclaim_save(); body(); memalloc_noreclaim_restore(f); mutex_unlock(&lock); }
void h_nofs_then_mutex(void) { unsigned int f = memalloc_nofs_save(); mutex_lock(&lock); body(); mutex_unlock(&lock); memalloc_nofs_restore(f); }
void h_nofs_ended(void) { unsigned int f; mutex_lock(&lock); f = memalloc_nofs_save(); memalloc_nofs_restore(f); body(); mutex_unlock(&lock); }
static void locked_work(struct work_struct *w) { mutex_lock(&lock); body(); mutex_unlock(&lock); }
static DECLARE_WORK(work, locked_work);
void h_nofs_in_queuer(void) { unsigned int f = memalloc_nofs_save(); schedule_work(&work); flush_work(&work); memalloc_nofs_restore(f); }
void h_nofs_nested(void) { unsigned int f, g; mutex_lock(&lock); f = memalloc_nofs_save(); g = memalloc_nofs_save(); memalloc_nofs_restore(g); body(); memalloc_nofs_restore(f); mutex_unlock(&lock); }
void h_after_unlock(void) { mutex_lock(&lock); mutex_unlock(&lock); body(); }
void h_trylock(void) { if (mutex_trylock(&lock)) { body(); mutex_unlock(&lock); } }
void h_read(void) { down_read(&rw); body(); up_read(&rw); }
void h_write(void) { down_write(&rw); body(); up_write(&rw); }
void h_chain(void) { mutex_lock(&lock); mutex_lock(&outer); mutex_unlock(&outer); mutex_unlock(&lock); mutex_lock(&outer); body(); mutex_unlock(&outer); }
void h_unrelated(void) { mutex_lock(&outer); body(); mutex_unlock(&outer); }
void h_in_reclaim(void) { fs_reclaim_acquire(GFP_KERNEL); body(); fs_reclaim_release(GFP_KERNEL); }
void h_in_reclaim_pf_memalloc(void)
{
	unsigned int f = memalloc_noreclaim_save();

	fs_reclaim_acquire(GFP_KERNEL);
	body();
	fs_reclaim_release(GFP_KERNEL);
	memalloc_noreclaim_restore(f);
}

static const struct { const char *name; void *prime; } primes[] = {
	{ "none", p_none }, { "annot_KERNEL", p_annot_kernel }, { "annot_NOFS", p_annot_nofs }, { "annot_NOIO", p_annot_noio },
	{ "shrinker_KERNEL", p_shrinker_kernel }, { "shrinker_NOFS", p_shrinker_nofs },
	{ "shrinker_gfpcheck_KERNEL", p_shrinker_check_kernel }, { "shrinker_gfpcheck_NOFS", p_shrinker_check_nofs },
};
static const struct { const char *name; void *hold; } holds[] = {
	{ "none", h_none }, { "mutex", h_mutex }, { "mutex_nofs_scope", h_mutex_nofs }, { "mutex_noio_scope", h_mutex_noio },
	{ "mutex_PF_MEMALLOC", h_mutex_pf_memalloc }, { "nofs_scope_then_mutex", h_nofs_then_mutex },
	{ "mutex_nofs_scope_ended", h_nofs_ended }, { "nofs_scope_in_queuer_only", h_nofs_in_queuer },
	{ "mutex_nofs_nested_inner_restored", h_nofs_nested }, { "mutex_after_unlock", h_after_unlock },
	{ "mutex_trylock", h_trylock }, { "rwsem_read", h_read }, { "rwsem_write", h_write }, { "chain_other_mutex", h_chain },
	{ "unrelated_mutex", h_unrelated }, { "in_fs_reclaim", h_in_reclaim }, { "in_fs_reclaim_PF_MEMALLOC", h_in_reclaim_pf_memalloc },
};
