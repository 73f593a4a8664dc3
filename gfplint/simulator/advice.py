"""What advice rests on: facts that no checker of a kernel prints, but that a run shows.

An allocation that dips into the reserves though its path sleeps, a mask that the scope makes anyway, and what would
sleep only on PREEMPT_RT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gfplint.kernel.model import Mask
from gfplint.simulator.task import WAIT_SPIN, Task

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

DIRECT, IO, FS, HIGH = "__GFP_DIRECT_RECLAIM", "__GFP_IO", "__GFP_FS", "__GFP_HIGH"

#: Contexts of which it is known that they may sleep; of a plain function's callers nothing is.
KNOWN_SLEEPABLE = frozenset({"sleepable", "kthread", "workqueue", "threaded-irq"})


class _Dip(NamedTuple):
    """An allocation with access to the reserves, outside atomic context."""

    task: Task
    stack: tuple[tuple[str, int], ...]
    what: str
    decisions: int


class Advice:
    """The advice of one path; what can be said only at its end waits for ``finish``."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.dips: list[_Dip] = []
        self.slept: set[int] = set()
        self.lacking: tuple[Mask, tuple[tuple[str, int], ...]] | None = None

    def asked(self, mask: Mask, what: str) -> None:
        """Memory is asked for with this mask, as the program wrote it."""
        machine = self.machine
        failed, self.lacking = self.lacking, None
        again = failed is not None and failed[0] != mask
        if DIRECT in mask:
            if again and failed is not None and HIGH in failed[0]:
                machine.veto("reserve-needed", failed[1])  # the first try of two was not to wait
            self._scope(mask, what)
        elif HIGH in mask:
            if machine.atomic() or machine.task.context != "task":
                machine.veto("reserve-needed", machine.stack())
            elif not again:
                decisions = len(machine.interpreter.path.answers)
                self.dips.append(_Dip(machine.task, machine.stack(), what, decisions))

    def failed(self, mask: Mask) -> None:
        """The allocation that was asked for last failed."""
        self.lacking = (mask, self.machine.stack())

    def sleeps(self) -> None:
        """The task sleeps, and may."""
        self.slept.add(id(self.machine.task))

    def finish(self) -> None:
        """The path is over."""
        for dip in self.dips:
            if id(dip.task) in self.slept or dip.task.name in KNOWN_SLEEPABLE:
                message = f"{dip.what} may use the reserves though the task may sleep"
                self.machine.record("reserve-used", message, dip.stack, dip.decisions)

    def _scope(self, mask: Mask, what: str) -> None:
        """Whether a mask without __GFP_FS or __GFP_IO is what the scope makes of GFP_KERNEL."""
        if {IO, FS} <= mask:
            return
        effective = self.machine.allocator.effective
        if effective(mask | {IO, FS}) == effective(mask):
            self.machine.event("mask-unchanged", f"{what}: the scope takes the same from any mask")
        else:
            self.machine.veto("mask-needed", self.machine.stack())

    def sleeping_spinlock(self, what: str) -> None:
        """A spinlock_t of the allocator is taken: on PREEMPT_RT it sleeps (Documentation/locking/locktypes.rst)."""
        machine = self.machine
        kinds = machine.kernel.kinds
        raw = next((kinds[h.kind].title for h in machine.task.held if h.kind in kinds and kinds[h.kind].raw), "")
        if machine.task.limit <= WAIT_SPIN:
            raw = raw or "an interrupt that no thread runs"
        if raw:
            machine.event("raw-context", f"{what} takes locks that sleep on PREEMPT_RT ({raw})")
