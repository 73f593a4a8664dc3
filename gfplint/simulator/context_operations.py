"""Operations of the library of restated functions (``sim_*``) on the context: sleeping, locks, deferred work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.simulator.memcg import OWN
from gfplint.simulator.task import WAIT_CONFIG, WAIT_SLEEP, fresh
from gfplint.simulator.values import Ptr, Sym, Value, identity, text_of

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine


class ContextOperations:
    """``op_sim_NAME`` is what ``sim_NAME()`` does."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def op_sim_might_sleep(self, args: list[Value]) -> Value:
        self.machine.might_sleep(text_of(args[0]) if args else "")
        return 0

    def op_sim_might_resched(self, args: list[Value]) -> Value:
        self.machine.might_resched("cond_resched()")
        return 0

    def op_sim_schedule(self, args: list[Value]) -> Value:
        self.machine.schedule()
        return 0

    def op_sim_might_alloc(self, args: list[Value]) -> Value:
        self.machine.allocator.might_alloc(self.machine.allocator.mask(args[0]), text_of(args[1]))
        return 0

    def op_sim_reclaim_begin(self, args: list[Value]) -> Value:
        """fs_reclaim_acquire(): reclaim with this mask begins."""
        machine = self.machine
        mask = machine.allocator.effective(machine.allocator.mask(args[0]))
        machine.allocator.reclaim_map(mask)
        if {"__GFP_DIRECT_RECLAIM", "__GFP_FS"} <= mask and not machine.task.flags.get("noreclaim"):
            machine.enter("fs_reclaim", "fs_reclaim")
        return 0

    def op_sim_reclaim_end(self, args: list[Value]) -> Value:
        self.machine.leave("fs_reclaim", "fs_reclaim")
        return 0

    def op_sim_kswapd(self, args: list[Value]) -> Value:
        """kswapd runs: a task of its own, in reclaim with every right."""
        machine = self.machine
        outer, machine.task = machine.task, fresh("kthread")
        try:
            machine.task.flags["noreclaim"] = 1
            machine.enter("fs_reclaim", "fs_reclaim")
            machine.interpreter.call_value(args[0], list(args[1:]))
        finally:
            machine.task = outer
        return 0

    def op_sim_mutex(self, args: list[Value]) -> Value:
        """A sleeping lock of the core kernel, taken and dropped within the call."""
        name = text_of(args[0])
        self.machine.might_sleep(name)
        self.machine.brief_lock(WAIT_SLEEP, name)
        return 0

    def op_sim_spin(self, args: list[Value]) -> Value:
        self.machine.brief_lock(WAIT_CONFIG)
        return 0

    def op_sim_enter(self, args: list[Value]) -> Value:
        self.machine.enter(text_of(args[0]), text_of(args[1]))
        return 0

    def op_sim_leave(self, args: list[Value]) -> Value:
        self.machine.leave(text_of(args[0]), text_of(args[1]))
        return 0

    def op_sim_used_in_tasks(self, args: list[Value]) -> Value:
        """A lock that is otherwise taken with interrupts on: taking it in an interrupt is a report."""
        if self.machine.task.context != "task":
            self.machine.report_lock("lock-state", f"{text_of(args[0])} is taken in an interrupt")
        return 0

    def op_sim_event(self, args: list[Value]) -> Value:
        self.machine.event(text_of(args[0]), text_of(args[1]))
        return 0

    def op_sim_die(self, args: list[Value]) -> Value:
        self.machine.oops(text_of(args[0]), text_of(args[1]))
        return 0

    def op_sim_phase(self, args: list[Value]) -> Value:
        self.machine.phase = text_of(args[0])
        return 0

    def op_sim_config(self, args: list[Value]) -> Value:
        return int(getattr(self.machine.config, text_of(args[0]), False))

    def op_sim_state(self, args: list[Value]) -> Value:
        self.machine.task.running = args[0] == 0
        return 0

    def op_sim_in_task(self, args: list[Value]) -> Value:
        return int(self.machine.task.context == "task")

    def op_sim_device_interrupt(self, args: list[Value]) -> Value:
        """Device interrupts come in on another CPU than the one that the test's task runs on."""
        return int(self.machine.task.context == "hardirq")

    def op_sim_count(self, args: list[Value]) -> Value:
        return self.machine.task.count(self.machine.config.preempt_count)

    def op_sim_irqs_off(self, args: list[Value]) -> Value:
        return int(self.machine.task.irqs_off)

    def op_sim_fail_slab(self, args: list[Value]) -> Value:
        self.machine.allocator.fail_slab = bool(args[0])
        return 0

    def op_sim_fail_pages(self, args: list[Value]) -> Value:
        self.machine.allocator.fail_pages = bool(args[0])
        return 0

    def op_sim_exhaust(self, args: list[Value]) -> Value:
        self.machine.allocator.exhausted = args[0] if isinstance(args[0], int) else 1
        self.machine.allocator.left = text_of(args[1]) if len(args) > 1 else ""
        return 0

    def op_sim_limit(self, args: list[Value]) -> Value:
        """The limit in bytes of a memory cgroup: the second argument, or the task's own."""
        cgroup = OWN if len(args) < 2 else identity(args[1])
        self.machine.allocator.charging.limits[cgroup] = args[0] if isinstance(args[0], int) else 0
        return 0

    def op_sim_active_memcg(self, args: list[Value]) -> Value:
        return self.machine.allocator.charging.set_active(args[0])

    def op_sim_charged(self, args: list[Value]) -> Value:
        """Bytes that a memory cgroup is charged for: the argument, or the task's own."""
        cgroup = identity(args[0]) if args else OWN
        return self.machine.allocator.charging.charged.get(cgroup, 0)

    def op_sim_usage(self, args: list[Value]) -> Value:
        """Bytes of which a memory cgroup is charged now: the argument, or the task's own."""
        return self.machine.allocator.charging.usage(identity(args[0]) if args else OWN)

    def op_sim_defer(self, args: list[Value]) -> Value:
        self.machine.defer(text_of(args[0]), args[1], list(args[2:]))
        return 0

    def op_sim_run(self, args: list[Value]) -> Value:
        return self.machine.run_in(text_of(args[0]), args[1], list(args[2:]))

    def op_sim_run_deferred(self, args: list[Value]) -> Value:
        self.machine.run_deferred()
        return 0

    def op_sim_flush_slabs(self, args: list[Value]) -> Value:
        """flush_all_cpus_locked(): CPU slabs are given back by work items that the caller waits for; a task in a read
        section would wait for ever.
        """
        if not self.machine.task.rcu:
            self.machine.schedule()
        return 0

    def op_sim_given(self, args: list[Value]) -> Value:
        """How many arguments the running function was given."""
        return self.machine.frame().given

    def op_sim_callback(self, args: list[Value]) -> Value:
        """The function of a work item, set at run time or where it was declared."""
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, Ptr):
            fields = value.obj.fields
            found: Value = fields.get("function", fields.get("func", fields.get(0, Sym(("callback", identity(value))))))
            return found
        return Sym(("callback", identity(value)))

    def op_sim_is_bh_queue(self, args: list[Value]) -> Value:
        """Of the queues that the kernel makes itself; others say so where they are made (kernel/workqueue.c)."""
        return int(identity(args[0]) in (("name", "system_bh_wq"), ("name", "system_bh_highpri_wq")))

    def op_sim_in_interrupt(self, args: list[Value]) -> Value:
        return int(self.machine.task.in_interrupt())

    def op_sim_in_task_and_bh_on(self, args: list[Value]) -> Value:
        return int(not self.machine.task.in_interrupt())

    def op_sim_interrupted_task_slept(self, args: list[Value]) -> Value:
        """A softirq that sleeps puts the task to sleep that it interrupted, here the idle task, which must not."""
        if self.machine.task.context == "softirq":
            self.machine.oops("oops", "the interrupted task was put to sleep")
        return 0

    def op_sim_needs_node(self, args: list[Value]) -> Value:
        """Whether a tree has to grow: explored where failures are, else it has room."""
        return int(self.machine.setup.failures and self.machine.interpreter.path.choose(2, "the tree has room") == 1)
