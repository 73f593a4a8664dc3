"""Charging memory to a memory cgroup: who is charged, and what its limit does.

Sources: mm/memcontrol.c (current_obj_cgroup(), try_charge_memcg()), include/linux/sched/mm.h (set_active_memcg()) of
6.12.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from gfplint.kernel.model import Mask
from gfplint.simulator.memory import COSTLY_ORDER
from gfplint.simulator.values import Value, identity

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

DIRECT, HIGH, NOFAIL = "__GFP_DIRECT_RECLAIM", "__GFP_HIGH", "__GFP_NOFAIL"
NORETRY, MAYFAIL = "__GFP_NORETRY", "__GFP_RETRY_MAYFAIL"

#: The cgroup of the task that the system call came from.
OWN = "own"
#: Charging the root is no charge.
_ROOT = ("name", "root_mem_cgroup")


class Charging:
    """What is charged on one machine. ``limits``: bytes by cgroup; one that is not there has none. ``charged``: all
    that was ever charged.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.charged: dict[Hashable, int] = {}
        self.limits: dict[Hashable, int] = {}
        self.of_interrupts: Value = 0
        self.pending: list[tuple[Hashable, int]] = []  # charges of the memory that is being handed out

    def set_active(self, memcg: Value) -> Value:
        """set_active_memcg(): whom to charge from now on, in this task or in this CPU's interrupts; who it was."""
        task = self.machine.task
        old: Value
        if task.context == "task":
            old, task.active_memcg = task.active_memcg, memcg
        else:
            old, self.of_interrupts = self.of_interrupts, memcg
        return old

    def target(self) -> Hashable | None:
        """current_obj_cgroup(): who is charged; None for nobody. A kernel thread has no cgroup of its own, and an
        interrupt is nobody's.
        """
        task = self.machine.task
        active = self.machine.interpreter.resolve(task.active_memcg if task.context == "task" else self.of_interrupts)
        if active != 0:
            name: Hashable = identity(active)
            return None if name == _ROOT else name
        return OWN if task.context == "task" and task.charged else None

    def charge(self, mask: Mask, order: int, size: int, what: str = "memory") -> bool:
        """Charge whom it concerns; False where the limit says no."""
        target = self.target()
        if target is None:
            self.machine.note("nobody is charged: a kernel thread or an interrupt has no memory cgroup")
            return True
        if self._full(target, size, what) and not self._over_limit(mask, order, target):
            return False
        self.charged[target] = self.charged.get(target, 0) + size
        self.pending.append((target, size))
        return True

    def given(self) -> tuple[tuple[Hashable, int], ...]:
        """The charges of the memory that is handed out now; they last until it is freed (obj_cgroup_uncharge())."""
        found, self.pending = tuple(self.pending), []
        return found

    def usage(self, target: Hashable) -> int:
        """Bytes that a memory cgroup is charged for at this moment."""
        freed = (m.charges for _, m in self.machine.allocator.memories if not m.alive)
        return self.charged.get(target, 0) - sum(size for charges in freed for whom, size in charges if whom == target)

    def _full(self, target: Hashable, size: int, what: str) -> bool:
        limit = self.limits.get(target, 0)
        if limit:
            return self.usage(target) + size > limit
        machine = self.machine
        return machine.setup.pressure and machine.interpreter.path.choose(2, f"room in the cgroup for {what}") == 1

    def _over_limit(self, mask: Mask, order: int, target: Hashable) -> bool:
        """try_charge_memcg() at the limit. PF_MEMALLOC is let through, so are masks that may use the reserves or must
        not fail; those that may wait have a task of the cgroup killed, which is the running one where it is its own.
        """
        forced = bool(mask & {NOFAIL, HIGH})
        if self.machine.task.flags.get("noreclaim"):
            return True
        if DIRECT in mask and not mask & {NORETRY, MAYFAIL} and order <= COSTLY_ORDER:
            self.machine.event("memcg-oom", "the memory cgroup is at its limit: its OOM killer runs")
            return forced or target != OWN
        return forced
