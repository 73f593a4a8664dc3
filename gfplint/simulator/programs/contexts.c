// SPDX-License-Identifier: GPL-2.0
/* The oracle's contexts: each runs body() once in the state under test. */

static void *current_call;
static int ran;
static struct completion done;

void body(void)
{
	current_call();
	ran = 1;
}
static void body_and_complete(void) { body(); complete(&done); }

static DEFINE_SPINLOCK(lock);
static DEFINE_SPINLOCK(lock_irq);
static DEFINE_SPINLOCK(lock_bh);
static DEFINE_SPINLOCK(lock_b);
static DEFINE_SPINLOCK(lock_irq_b);
static DEFINE_RAW_SPINLOCK(raw);
static DEFINE_RAW_SPINLOCK(raw_irq);
static DEFINE_RWLOCK(rw);
static DEFINE_RWLOCK(rw_bh);
static DEFINE_RWLOCK(rw_irq);
static DEFINE_MUTEX(mutex);
static struct rw_semaphore rwsem;
static struct semaphore sem;
static struct percpu_rw_semaphore prwsem;
static struct seqlock seq, seq_bh;
static struct seqcount count, count_mutex;
static struct srcu_struct srcu;
static struct local local, local_irq;
static struct xarray tree;
static unsigned long word;
static struct hlist_bl_head bl;
static DECLARE_WAIT_QUEUE_HEAD(queue);

void x_plain(void) { body(); }
void x_preempt_disable(void) { preempt_disable(); body(); preempt_enable(); }
void x_spin_lock(void) { spin_lock(&lock); body(); spin_unlock(&lock); }
void x_after_spin_unlock(void) { spin_lock(&lock); spin_unlock(&lock); body(); }
void x_spin_trylock(void) { if (spin_trylock(&lock)) { body(); spin_unlock(&lock); } }
void x_spin_lock_bh(void) { spin_lock_bh(&lock_bh); body(); spin_unlock_bh(&lock_bh); }
void x_spin_lock_irqsave(void) { unsigned long f; spin_lock_irqsave(&lock_irq, f); body(); spin_unlock_irqrestore(&lock_irq, f); }
void x_spin_lock_irq(void) { spin_lock_irq(&lock_irq); body(); spin_unlock_irq(&lock_irq); }
void x_raw_spin_lock(void) { raw_spin_lock(&raw); body(); raw_spin_unlock(&raw); }
void x_raw_spin_lock_irqsave(void) { unsigned long f; raw_spin_lock_irqsave(&raw_irq, f); body(); raw_spin_unlock_irqrestore(&raw_irq, f); }
void x_read_lock(void) { read_lock(&rw); body(); read_unlock(&rw); }
void x_write_lock(void) { write_lock(&rw); body(); write_unlock(&rw); }
void x_read_lock_bh(void) { read_lock_bh(&rw_bh); body(); read_unlock_bh(&rw_bh); }
void x_write_lock_bh(void) { write_lock_bh(&rw_bh); body(); write_unlock_bh(&rw_bh); }
void x_read_lock_irqsave(void) { unsigned long f; read_lock_irqsave(&rw_irq, f); body(); read_unlock_irqrestore(&rw_irq, f); }
void x_write_lock_irqsave(void) { unsigned long f; write_lock_irqsave(&rw_irq, f); body(); write_unlock_irqrestore(&rw_irq, f); }
void x_rcu_read_lock(void) { rcu_read_lock(); body(); rcu_read_unlock(); }
void x_rcu_read_lock_bh(void) { rcu_read_lock_bh(); body(); rcu_read_unlock_bh(); }
void x_rcu_read_lock_sched(void) { rcu_read_lock_sched(); body(); rcu_read_unlock_sched(); }
void x_srcu_read_lock(void) { int i = srcu_read_lock(&srcu); body(); srcu_read_unlock(&srcu, i); }
void x_local_irq_disable(void) { local_irq_disable(); body(); local_irq_enable(); }
void x_local_irq_save(void) { unsigned long f; local_irq_save(f); body(); local_irq_restore(f); }
void x_local_bh_disable(void) { local_bh_disable(); body(); local_bh_enable(); }
void x_bit_spin_lock(void) { bit_spin_lock(0, &word); body(); bit_spin_unlock(0, &word); }
void x_hlist_bl_lock(void) { hlist_bl_lock(&bl); body(); hlist_bl_unlock(&bl); }
void x_get_cpu(void) { get_cpu(); body(); put_cpu(); }
void x_get_cpu_var(void) { get_cpu_var(word); body(); put_cpu_var(word); }
void x_kmap_local_page(void) { struct page *p = alloc_page(GFP_KERNEL); void *v = kmap_local_page(p); body(); kunmap_local(v); __free_page(p); }
void x_kmap_atomic(void) { struct page *p = alloc_page(GFP_KERNEL); void *v = kmap_atomic(p); body(); kunmap_atomic(v); __free_page(p); }
void x_kmap(void) { struct page *p = alloc_page(GFP_KERNEL); kmap(p); body(); kunmap(p); __free_page(p); }
void x_mutex(void) { mutex_lock(&mutex); body(); mutex_unlock(&mutex); }
void x_down_read(void) { down_read(&rwsem); body(); up_read(&rwsem); }
void x_down_write(void) { down_write(&rwsem); body(); up_write(&rwsem); }
void x_semaphore_down(void) { down(&sem); body(); up(&sem); }
void x_percpu_down_read(void) { percpu_down_read(&prwsem); body(); percpu_up_read(&prwsem); }
void x_percpu_down_write(void) { percpu_down_write(&prwsem); body(); percpu_up_write(&prwsem); }
void x_write_seqlock(void) { write_seqlock(&seq); body(); write_sequnlock(&seq); }
void x_write_seqlock_bh(void) { write_seqlock_bh(&seq_bh); body(); write_sequnlock_bh(&seq_bh); }
void x_write_seqcount_preempt_off(void) { preempt_disable(); write_seqcount_begin(&count); body(); write_seqcount_end(&count); preempt_enable(); }
void x_write_seqcount_mutex(void) { mutex_lock(&mutex); write_seqcount_begin(&count_mutex); body(); write_seqcount_end(&count_mutex); mutex_unlock(&mutex); }
void x_read_seqbegin(void) { unsigned int s = read_seqbegin(&seq); body(); read_seqretry(&seq, s); }
void x_read_seqlock_excl(void) { read_seqlock_excl(&seq); body(); read_sequnlock_excl(&seq); }
void x_migrate_disable(void) { migrate_disable(); body(); migrate_enable(); }
void x_pagefault_disable(void) { pagefault_disable(); body(); pagefault_enable(); }
void x_non_block_start(void) { non_block_start(); body(); non_block_end(); }
void x_set_current_state_interruptible(void) { set_current_state(TASK_INTERRUPTIBLE); body(); __set_current_state(TASK_RUNNING); }
static int evaluations;
static int on_first(void) { if (!ran) body(); return 1; }
static int on_second(void) { if (evaluations++ == 0) return 0; if (!ran) body(); return 1; }
void x_wait_event_condition(void) { evaluations = 0; wait_event_timeout(queue, on_second(), HZ); }
void x_wait_event_condition_first_eval(void) { wait_event(queue, on_first()); }
void x_local_lock(void) { local_lock(&local); body(); local_unlock(&local); }
void x_local_lock_irqsave(void) { unsigned long f; local_lock_irqsave(&local_irq, f); body(); local_unlock_irqrestore(&local_irq, f); }
void x_xa_lock(void) { xa_lock(&tree); body(); xa_unlock(&tree); }
void x_idr_preload_section(void) { idr_preload(GFP_KERNEL); body(); idr_preload_end(); }
void x_radix_tree_preload_section(void) { if (!radix_tree_preload(GFP_KERNEL)) { body(); radix_tree_preload_end(); } }
void x_memalloc_nofs(void) { unsigned int f = memalloc_nofs_save(); body(); memalloc_nofs_restore(f); }
void x_memalloc_noio(void) { unsigned int f = memalloc_noio_save(); body(); memalloc_noio_restore(f); }
void x_pf_memalloc(void) { unsigned int f = memalloc_noreclaim_save(); body(); memalloc_noreclaim_restore(f); }
void x_memalloc_pin(void) { unsigned int f = memalloc_pin_save(); body(); memalloc_pin_restore(f); }
void x_nofs_and_spin(void) { unsigned int f = memalloc_nofs_save(); spin_lock(&lock); body(); spin_unlock(&lock); memalloc_nofs_restore(f); }
void x_pf_memalloc_and_spin(void) { unsigned int f = memalloc_noreclaim_save(); spin_lock(&lock); body(); spin_unlock(&lock); memalloc_noreclaim_restore(f); }
void x_mutex_and_spin(void) { mutex_lock(&mutex); spin_lock(&lock); body(); spin_unlock(&lock); mutex_unlock(&mutex); }
void x_rcu_and_spin(void) { rcu_read_lock(); spin_lock(&lock); body(); spin_unlock(&lock); rcu_read_unlock(); }
void x_after_rcu_read_unlock(void) { rcu_read_lock(); rcu_read_unlock(); body(); }
void x_irqsave_then_plain_unlock(void) { unsigned long f; spin_lock_irqsave(&lock_irq, f); spin_unlock(&lock_irq); body(); local_irq_restore(f); }

void n_two_one(void) { spin_lock(&lock); spin_lock(&lock_b); spin_unlock(&lock_b); body(); spin_unlock(&lock); }
void n_two_both(void) { spin_lock(&lock); spin_lock(&lock_b); spin_unlock(&lock_b); spin_unlock(&lock); body(); }
void n_preempt2_1(void) { preempt_disable(); preempt_disable(); preempt_enable(); body(); preempt_enable(); }
void n_irqsave2_1(void) { unsigned long f, g; local_irq_save(f); local_irq_save(g); local_irq_restore(g); body(); local_irq_restore(f); }
void n_irqdis_inner_enable(void) { unsigned long f; local_irq_save(f); local_irq_disable(); local_irq_enable(); body(); local_irq_restore(f); }
void n_irqsave_a_irq_b(void) { unsigned long f; spin_lock_irqsave(&lock_irq, f); spin_lock_irq(&lock_irq_b); spin_unlock_irq(&lock_irq_b); body(); spin_unlock_irqrestore(&lock_irq, f); }
void n_irqsave_a_irqsave_b(void) { unsigned long f, g; spin_lock_irqsave(&lock_irq, f); spin_lock_irqsave(&lock_irq_b, g); spin_unlock_irqrestore(&lock_irq_b, g); body(); spin_unlock_irqrestore(&lock_irq, f); }
void n_irqsave_unlock_irq(void) { unsigned long f; spin_lock_irqsave(&lock_irq, f); spin_unlock_irq(&lock_irq); body(); }
void n_irqsave_restored(void) { unsigned long f; spin_lock_irqsave(&lock_irq, f); spin_unlock_irqrestore(&lock_irq, f); body(); }
void n_bh2_1(void) { local_bh_disable(); local_bh_disable(); local_bh_enable(); body(); local_bh_enable(); }
void n_bh_lock_plain_unlock(void) { spin_lock_bh(&lock_bh); spin_unlock(&lock_bh); body(); local_bh_enable(); }
void n_bh_unlocked(void) { spin_lock_bh(&lock_bh); spin_unlock_bh(&lock_bh); body(); }
void n_rcu2_1(void) { rcu_read_lock(); rcu_read_lock(); rcu_read_unlock(); body(); rcu_read_unlock(); }
void n_drop_retake(void) { spin_lock(&lock); spin_unlock(&lock); body(); spin_lock(&lock); spin_unlock(&lock); }
void n_state_reset(void) { set_current_state(TASK_INTERRUPTIBLE); __set_current_state(TASK_RUNNING); body(); }
void n_prepare_finish(void) { DEFINE_WAIT(w); prepare_to_wait(&queue, &w, TASK_UNINTERRUPTIBLE); finish_wait(&queue, &w); body(); }
void n_mutex_in_rcu_released(void) { rcu_read_lock(); rcu_read_unlock(); mutex_lock(&mutex); body(); mutex_unlock(&mutex); }
void n_spin_in_mutex_released(void) { mutex_lock(&mutex); spin_lock(&lock); spin_unlock(&lock); body(); mutex_unlock(&mutex); }
void n_guard_spin(void) { guard(spinlock)(&lock); body(); }
void n_scoped_guard_after(void) { scoped_guard(spinlock, &lock) { } body(); }
void n_guard_rcu(void) { guard(rcu)(); body(); }
void n_guard_mutex(void) { guard(mutex)(&mutex); body(); }
void n_guard_irqsave(void) { guard(spinlock_irqsave)(&lock_irq); body(); }
void n_guard_preempt(void) { guard(preempt)(); body(); }
void n_nofs_nested_inner(void) { unsigned int a = memalloc_nofs_save(), b = memalloc_nofs_save(); memalloc_nofs_restore(b); body(); memalloc_nofs_restore(a); }
void n_dec_and_lock(void) { int a = 1; if (atomic_dec_and_lock(&a, &lock)) { body(); spin_unlock(&lock); } }
void n_dec_and_lock_not(void) { int a = 2; if (atomic_dec_and_lock(&a, &lock)) spin_unlock(&lock); else body(); }
void n_trylock_fail(void) { spin_lock(&lock); if (!spin_trylock(&lock)) { spin_unlock(&lock); body(); } else { spin_unlock(&lock); spin_unlock(&lock); } }
void n_write_seq_ended(void) { write_seqlock(&seq); write_sequnlock(&seq); body(); }
void n_kmap_atomic_ended(void) { struct page *p = alloc_page(GFP_KERNEL); void *v = kmap_atomic(p); kunmap_atomic(v); body(); __free_page(p); }
void n_get_cpu_put(void) { get_cpu(); put_cpu(); body(); }
void n_srcu_in_spin(void) { int i; spin_lock(&lock); i = srcu_read_lock(&srcu); body(); srcu_read_unlock(&srcu, i); spin_unlock(&lock); }

static void exhausted(int level, int held)
{
	sim_exhaust(level);
	if (held == 1)
		spin_lock(&lock);
	if (held == 2)
		rcu_read_lock();
	body();
	if (held == 1)
		spin_unlock(&lock);
	if (held == 2)
		rcu_read_unlock();
	sim_exhaust(0);
}
void x_mem_exhausted(void) { exhausted(1, 0); }
void x_mem_exhausted_spin(void) { exhausted(1, 1); }
void x_mem_exhausted_rcu(void) { exhausted(1, 2); }
void x_mem_exhausted_to_atomic_reserve(void) { exhausted(2, 0); }
void x_mem_exhausted_pf_memalloc(void) { unsigned int f = memalloc_noreclaim_save(); exhausted(1, 0); memalloc_noreclaim_restore(f); }

static struct timer_list timer, timer_irq;
static void on_timer(struct timer_list *t) { body_and_complete(); }
void x_timer(void) { timer_setup(&timer, on_timer, 0); mod_timer(&timer, jiffies + 1); wait_for_completion_timeout(&done, HZ); del_timer_sync(&timer); }
void x_timer_irqsafe(void) { timer_setup(&timer_irq, on_timer, TIMER_IRQSAFE); mod_timer(&timer_irq, jiffies + 1); wait_for_completion_timeout(&done, HZ); del_timer_sync(&timer_irq); }
static struct tasklet_struct tasklet;
static void on_tasklet(struct tasklet_struct *t) { body_and_complete(); }
void x_tasklet(void) { tasklet_setup(&tasklet, on_tasklet); tasklet_schedule(&tasklet); wait_for_completion_timeout(&done, HZ); }
static struct hrtimer hrtimer;
static int on_hrtimer(struct hrtimer *h) { body_and_complete(); return HRTIMER_NORESTART; }
void x_hrtimer(void) { hrtimer_setup(&hrtimer, on_hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL); hrtimer_start(&hrtimer, 2, HRTIMER_MODE_REL); wait_for_completion_timeout(&done, HZ); }
void x_hrtimer_soft(void) { hrtimer_setup(&hrtimer, on_hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT); hrtimer_start(&hrtimer, 2, HRTIMER_MODE_REL_SOFT); wait_for_completion_timeout(&done, HZ); }
static void on_work(struct work_struct *w) { body_and_complete(); }
static DECLARE_WORK(work, on_work);
static DECLARE_DELAYED_WORK(delayed, on_work);
static struct workqueue_struct *reclaim_queue;
void x_workqueue(void) { schedule_work(&work); wait_for_completion_timeout(&done, HZ); flush_work(&work); }
void x_delayed_work(void) { schedule_delayed_work(&delayed, 1); wait_for_completion_timeout(&done, HZ); }
void x_bh_workqueue(void) { queue_work(system_bh_wq, &work); wait_for_completion_timeout(&done, HZ); flush_work(&work); }
void x_highpri_workqueue(void) { queue_work(system_highpri_wq, &work); wait_for_completion_timeout(&done, HZ); flush_work(&work); }
void x_workqueue_mem_reclaim(void) { queue_work(reclaim_queue, &work); wait_for_completion_timeout(&done, HZ); flush_work(&work); }
static struct irq_work irq_work;
static void on_irq_work(struct irq_work *w) { body_and_complete(); }
void x_irq_work(void) { init_irq_work(&irq_work, on_irq_work); irq_work_queue(&irq_work); wait_for_completion_timeout(&done, HZ); }
static int on_irq(int irq, void *data) { body_and_complete(); return IRQ_HANDLED; }
static int wake_thread(int irq, void *data) { return IRQ_WAKE_THREAD; }
void x_hardirq(void) { request_irq(8, on_irq, 0, "oracle", &done); sim_raise_irq(); }
void x_threaded_irq(void) { request_threaded_irq(8, wake_thread, on_irq, IRQF_ONESHOT, "oracle", &done); sim_raise_irq(); }
static struct rcu_head head;
static void on_rcu(struct rcu_head *h) { body_and_complete(); }
void x_call_rcu(void) { call_rcu(&head, on_rcu); wait_for_completion_timeout(&done, HZ); }
void x_call_rcu_hurry(void) { call_rcu_hurry(&head, on_rcu); wait_for_completion_timeout(&done, HZ); }
void x_call_srcu(void) { call_srcu(&srcu, &head, on_rcu); wait_for_completion_timeout(&done, HZ); }
static struct rcu_work rcu_work;
void x_rcu_work(void) { INIT_RCU_WORK(&rcu_work, on_work); queue_rcu_work(system_wq, &rcu_work); wait_for_completion_timeout(&done, HZ); }
static void on_ipi(void *data) { body(); }
void x_smp_call_function_single(void) { get_cpu(); smp_call_function_single(1, on_ipi, NULL, 1); put_cpu(); }
void x_on_each_cpu(void) { on_each_cpu(on_ipi, NULL, 1); }
static int on_stop(void *data) { body(); return 0; }
void x_stop_machine(void) { stop_machine(on_stop, NULL, NULL); }
static int on_thread(void *data) { body_and_complete(); while (!kthread_should_stop()) schedule_timeout_interruptible(1); return 0; }
void x_kthread(void) { struct task_struct *t = kthread_run(on_thread, NULL, "thread"); wait_for_completion_timeout(&done, HZ); kthread_stop(t); }
static int on_notify(struct notifier_block *n, unsigned long action, void *data) { body(); return NOTIFY_OK; }
static struct notifier_block block = { .notifier_call = on_notify };
static struct notifier_head chain;
void x_atomic_notifier(void) { atomic_notifier_chain_register(&chain, &block); atomic_notifier_call_chain(&chain, 0, NULL); }
void x_blocking_notifier(void) { blocking_notifier_chain_register(&chain, &block); blocking_notifier_call_chain(&chain, 0, NULL); }
void x_raw_notifier(void) { raw_notifier_chain_register(&chain, &block); raw_notifier_call_chain(&chain, 0, NULL); }
/* the driver core walks a bus without holding a lock across the callback */
void x_bus_for_each_dev(void) { body(); }

static const struct { const char *name; void *function; } contexts[] = {
	{ "plain", x_plain }, { "preempt_disable", x_preempt_disable }, { "spin_lock", x_spin_lock },
	{ "after_spin_unlock", x_after_spin_unlock }, { "spin_trylock", x_spin_trylock }, { "spin_lock_bh", x_spin_lock_bh },
	{ "spin_lock_irqsave", x_spin_lock_irqsave }, { "spin_lock_irq", x_spin_lock_irq }, { "raw_spin_lock", x_raw_spin_lock },
	{ "raw_spin_lock_irqsave", x_raw_spin_lock_irqsave }, { "read_lock", x_read_lock }, { "write_lock", x_write_lock },
	{ "read_lock_bh", x_read_lock_bh }, { "write_lock_bh", x_write_lock_bh }, { "read_lock_irqsave", x_read_lock_irqsave },
	{ "write_lock_irqsave", x_write_lock_irqsave }, { "rcu_read_lock", x_rcu_read_lock }, { "rcu_read_lock_bh", x_rcu_read_lock_bh },
	{ "rcu_read_lock_sched", x_rcu_read_lock_sched }, { "srcu_read_lock", x_srcu_read_lock },
	{ "local_irq_disable", x_local_irq_disable }, { "local_irq_save", x_local_irq_save }, { "local_bh_disable", x_local_bh_disable },
	{ "bit_spin_lock", x_bit_spin_lock }, { "hlist_bl_lock", x_hlist_bl_lock }, { "get_cpu", x_get_cpu },
	{ "get_cpu_var", x_get_cpu_var }, { "kmap_local_page", x_kmap_local_page }, { "kmap_atomic", x_kmap_atomic }, { "kmap", x_kmap },
	{ "mutex", x_mutex }, { "down_read", x_down_read }, { "down_write", x_down_write }, { "semaphore_down", x_semaphore_down },
	{ "percpu_down_read", x_percpu_down_read }, { "percpu_down_write", x_percpu_down_write }, { "write_seqlock", x_write_seqlock },
	{ "write_seqlock_bh", x_write_seqlock_bh }, { "write_seqcount_preempt_off", x_write_seqcount_preempt_off },
	{ "write_seqcount_mutex", x_write_seqcount_mutex }, { "read_seqbegin", x_read_seqbegin },
	{ "read_seqlock_excl", x_read_seqlock_excl }, { "migrate_disable", x_migrate_disable },
	{ "pagefault_disable", x_pagefault_disable }, { "non_block_start", x_non_block_start },
	{ "set_current_state_interruptible", x_set_current_state_interruptible }, { "wait_event_condition", x_wait_event_condition },
	{ "wait_event_condition_first_eval", x_wait_event_condition_first_eval }, { "local_lock", x_local_lock },
	{ "local_lock_irqsave", x_local_lock_irqsave }, { "xa_lock", x_xa_lock }, { "idr_preload_section", x_idr_preload_section },
	{ "radix_tree_preload_section", x_radix_tree_preload_section }, { "memalloc_nofs", x_memalloc_nofs },
	{ "memalloc_noio", x_memalloc_noio }, { "PF_MEMALLOC", x_pf_memalloc }, { "memalloc_pin", x_memalloc_pin },
	{ "memalloc_nofs+spin_lock", x_nofs_and_spin }, { "PF_MEMALLOC+spin_lock", x_pf_memalloc_and_spin },
	{ "mutex+spin_lock", x_mutex_and_spin }, { "rcu_read_lock+spin_lock", x_rcu_and_spin },
	{ "after_rcu_read_unlock", x_after_rcu_read_unlock }, { "irqsave_lock_then_plain_unlock", x_irqsave_then_plain_unlock },
	{ "nest:two_one", n_two_one }, { "nest:two_both", n_two_both }, { "nest:preempt2_1", n_preempt2_1 },
	{ "nest:irqsave2_1", n_irqsave2_1 }, { "nest:irqdis_inner_enable", n_irqdis_inner_enable },
	{ "nest:irqsave_a_irq_b", n_irqsave_a_irq_b }, { "nest:irqsave_a_irqsave_b", n_irqsave_a_irqsave_b },
	{ "nest:irqsave_unlock_irq", n_irqsave_unlock_irq }, { "nest:irqsave_restored", n_irqsave_restored }, { "nest:bh2_1", n_bh2_1 },
	{ "nest:bh_lock_plain_unlock", n_bh_lock_plain_unlock }, { "nest:bh_unlocked", n_bh_unlocked }, { "nest:rcu2_1", n_rcu2_1 },
	{ "nest:drop_retake", n_drop_retake }, { "nest:state_reset", n_state_reset }, { "nest:prepare_finish", n_prepare_finish },
	{ "nest:mutex_in_rcu_released", n_mutex_in_rcu_released }, { "nest:spin_in_mutex_released", n_spin_in_mutex_released },
	{ "nest:guard_spin", n_guard_spin }, { "nest:scoped_guard_after", n_scoped_guard_after }, { "nest:guard_rcu", n_guard_rcu },
	{ "nest:guard_mutex", n_guard_mutex }, { "nest:guard_irqsave", n_guard_irqsave }, { "nest:guard_preempt", n_guard_preempt },
	{ "nest:nofs_nested_inner", n_nofs_nested_inner }, { "nest:dec_and_lock", n_dec_and_lock },
	{ "nest:dec_and_lock_not", n_dec_and_lock_not }, { "nest:trylock_fail", n_trylock_fail },
	{ "nest:write_seq_ended", n_write_seq_ended }, { "nest:kmap_atomic_ended", n_kmap_atomic_ended },
	{ "nest:get_cpu_put", n_get_cpu_put }, { "nest:srcu_in_spin", n_srcu_in_spin }, { "mem_exhausted", x_mem_exhausted },
	{ "mem_exhausted+spin_lock", x_mem_exhausted_spin }, { "mem_exhausted+rcu_read_lock", x_mem_exhausted_rcu },
	{ "mem_exhausted_to_atomic_reserve", x_mem_exhausted_to_atomic_reserve }, { "mem_exhausted+PF_MEMALLOC", x_mem_exhausted_pf_memalloc },
	{ "timer", x_timer }, { "timer_irqsafe", x_timer_irqsafe }, { "tasklet", x_tasklet }, { "hrtimer", x_hrtimer },
	{ "hrtimer_soft", x_hrtimer_soft }, { "workqueue", x_workqueue }, { "delayed_work", x_delayed_work },
	{ "bh_workqueue", x_bh_workqueue }, { "highpri_workqueue", x_highpri_workqueue }, { "workqueue_mem_reclaim", x_workqueue_mem_reclaim },
	{ "irq_work", x_irq_work }, { "hardirq", x_hardirq }, { "threaded_irq", x_threaded_irq }, { "call_rcu", x_call_rcu },
	{ "call_rcu_hurry", x_call_rcu_hurry }, { "call_srcu", x_call_srcu }, { "rcu_work", x_rcu_work },
	{ "smp_call_function_single", x_smp_call_function_single }, { "on_each_cpu", x_on_each_cpu }, { "stop_machine", x_stop_machine },
	{ "kthread", x_kthread }, { "atomic_notifier", x_atomic_notifier }, { "blocking_notifier", x_blocking_notifier },
	{ "raw_notifier", x_raw_notifier }, { "bus_for_each_dev", x_bus_for_each_dev },
};
