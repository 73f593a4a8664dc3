"""The state of one execution context, and the checks that depend on it: may it sleep, which locks may it take."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: Wait types of lockdep (include/linux/lockdep_types.h): what a lock's holder may wait for.
WAIT_ANY, WAIT_FREE, WAIT_SPIN, WAIT_CONFIG, WAIT_SLEEP = 0, 1, 2, 3, 4


class Effect(NamedTuple):
    """What entering a kind of context does: counts, and the wait type under which lockdep sees it (0: it does not)."""

    preempt: int = 0
    bh: int = 0
    irqs: bool = False
    rcu: int = 0
    non_block: int = 0
    wait: int = WAIT_ANY
    outer: int = -1  # the wait type that counts when it is taken; -1: the same as ``wait``


#: Mechanism of each kind of context (names: kernel/tables/contexts.toml). Sources: include/linux/spinlock_api_smp.h,
#: rcupdate.h, bit_spinlock.h, local_lock_internal.h, seqlock.h, radix-tree.h, highmem-internal.h, lockdep_types.h.
EFFECTS: dict[str, Effect] = {
    "spin": Effect(preempt=1, wait=WAIT_CONFIG),
    "raw_spin": Effect(preempt=1, wait=WAIT_SPIN),
    "rwlock_read": Effect(preempt=1, wait=WAIT_CONFIG),
    "rwlock_write": Effect(preempt=1, wait=WAIT_CONFIG),
    "bit_spin": Effect(preempt=1),
    "seqlock_write": Effect(preempt=1, wait=WAIT_CONFIG),
    "seqcount_write": Effect(preempt=1),
    "page_table_lock": Effect(preempt=1, wait=WAIT_CONFIG),
    "local_lock": Effect(preempt=1, wait=WAIT_CONFIG),
    "preload": Effect(preempt=1, wait=WAIT_CONFIG),
    "irq": Effect(irqs=True),
    "lock_irq": Effect(irqs=True),
    "bh": Effect(bh=1),
    "preempt": Effect(preempt=1),
    "kmap_atomic": Effect(preempt=1),
    "lazy_mmu": Effect(preempt=1),
    "rcu": Effect(rcu=1, wait=WAIT_CONFIG, outer=WAIT_FREE),
    "rcu_sched": Effect(preempt=1, wait=WAIT_SPIN, outer=WAIT_FREE),
    "rcu_bh": Effect(bh=1, wait=WAIT_CONFIG, outer=WAIT_FREE),
    "non_block": Effect(non_block=1),
    # lockdep knows no map of these (include/linux/semaphore.h, mm/filemap.c, fs/buffer.c).
    "semaphore": Effect(),
    "page_lock": Effect(),
    "buffer_lock": Effect(),
    **dict.fromkeys(
        (
            "mutex",
            "rtmutex",
            "ww_mutex",
            "rwsem_read",
            "rwsem_write",
            "percpu_rwsem_read",
            "percpu_rwsem_write",
            "mmap_lock",
            "device_lock",
            "sock_lock",
            "console_lock",
            "rtnl",
            "cpus_lock",
        ),
        Effect(wait=WAIT_SLEEP),
    ),
}
_NOTHING = Effect()
_SLEEPING = Effect(wait=WAIT_SLEEP)


def effect(kind: str, sleeps: bool) -> Effect:
    """The mechanism of a kind; kinds without one are sleeping locks where taking them sleeps, else nothing."""
    return EFFECTS.get(kind, _SLEEPING if sleeps else _NOTHING)


class Held(NamedTuple):
    """A context that is entered: its kind, the lock's identity, what it did, and whether interrupts were off before."""

    kind: str
    lock: Hashable
    effect: Effect
    irqs_before: bool
    trylock: bool = False


@dataclass
class Task:
    """One context of execution. ``context``: ``task``, ``softirq`` or ``hardirq``; ``limit``: the wait type that
    lockdep grants it;
    ``charged``: allocations can be charged to a memory cgroup of its own; ``active_memcg``: the one that they are
    charged to instead, NULL for none."""

    context: str = "task"
    preempt: int = 0
    softirq: int = 0
    hardirq: int = 0
    irqs_off: bool = False
    rcu: int = 0
    non_block: int = 0
    running: bool = True
    limit: int = WAIT_SLEEP
    charged: bool = True
    active_memcg: Any = 0
    name: str = "plain"
    flags: dict[str, int] = field(default_factory=dict)
    scopes: list[tuple[str, int, int]] = field(default_factory=list)  # (kind, number, depth of nesting of its kind)
    held: list[Held] = field(default_factory=list)

    def in_interrupt(self) -> bool:
        """in_interrupt(): an interrupt, a softirq, or bottom halves disabled."""
        return self.softirq > 0 or self.hardirq > 0

    def count(self, preempt_count: bool) -> int:
        """preempt_count(); without CONFIG_PREEMPT_COUNT only interrupts and bottom halves are in it."""
        return (self.preempt if preempt_count else 0) + self.softirq + self.hardirq

    def apply(self, change: Effect, sign: int, preempt_rcu: bool) -> None:
        """Enter (+1) or leave (-1) a context."""
        self.preempt += sign * change.preempt
        self.softirq += sign * change.bh
        self.non_block += sign * change.non_block
        if change.rcu:
            if preempt_rcu:
                self.rcu += sign * change.rcu
            else:
                self.preempt += sign * change.rcu

    def holds(self, kinds: tuple[str, ...]) -> bool:
        """Whether a context of one of these kinds is entered."""
        return any(h.kind in kinds for h in self.held)


_SOFT = {"context": "softirq", "softirq": 1, "limit": WAIT_CONFIG, "charged": False}
_HARD = {"context": "hardirq", "hardirq": 1, "limit": WAIT_CONFIG, "charged": False, "irqs_off": True}
#: Contexts that code may run in, by name: how the task starts. An interrupt that no thread can run
#: (CONFIG_PREEMPT_RT leaves it alone) may wait only for raw locks.
_CONTEXTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "process": {},
    "sleepable": {},
    "kthread": {"charged": False},
    "workqueue": {"charged": False},
    "threaded-irq": {"charged": False},
    "softirq": _SOFT,
    "timer": _SOFT,
    "tasklet": _SOFT,
    "rcu": _SOFT,
    "bh-workqueue": _SOFT,
    "timer-irqsafe": {**_SOFT, "irqs_off": True},
    "bh-disabled": {"softirq": 1, "charged": False},
    "hardirq": _HARD,
    "hrtimer": _HARD,
    "ipi": {**_HARD, "limit": WAIT_SPIN},
    "stopper": {"preempt": 1, "charged": False, "irqs_off": True},
    "atomic": {"preempt": 1},
    "irqs-off": {"irqs_off": True},
}
#: The names that ``fresh`` knows.
CONTEXT_NAMES = tuple(_CONTEXTS)


def fresh(context: str) -> Task:
    """The state with which a callback of this context starts. Raises KeyError for an unknown name."""
    return Task(**_CONTEXTS[context], name=context)
