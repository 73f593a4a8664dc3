"""What a name does that no C program defines: rows of the kernel tables, the ``sim_*`` operations on which the library
of restated kernel functions rests, and a few helpers of C itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gfplint.simulator.constants import CONSTANTS
from gfplint.simulator.context_operations import ContextOperations
from gfplint.simulator.device_operations import PINS, TESTS, DeviceOperations
from gfplint.simulator.helpers import Helpers
from gfplint.simulator.memory_operations import MemoryOperations
from gfplint.simulator.pool_operations import PoolOperations
from gfplint.simulator.rows import Rows
from gfplint.simulator.values import Value

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

Operation = Callable[[list[Value]], Value | None]


class Operations:
    """Finds what a call does on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.bound: dict[str, Operation | None] = {}
        self.rows = Rows(machine)
        memory = MemoryOperations(machine, self.rows)
        pools = PoolOperations(machine, self.rows, memory)
        self.device = DeviceOperations(machine, memory)
        self.providers = (Helpers(machine), ContextOperations(machine), memory, pools, self.device)

    def constant(self, name: str) -> Value | None:
        """Masks of the tables, and a few numbers."""
        mask = self.machine.kernel.masks.get(name)
        if mask is not None:
            return self.machine.bits.value(mask)
        return CONSTANTS.get(name)

    def find(self, name: str) -> Operation | None:
        """The operation of a name, or None."""
        if name not in self.bound:
            self.bound[name] = self._bind(name)
        return self.bound[name]

    def _bind(self, name: str) -> Operation | None:
        for provider in self.providers:
            if (found := getattr(provider, f"op_{name}", None)) is not None:
                bound: Operation = found
                return bound
        kernel, machine, rows = self.machine.kernel, self.machine, self.rows
        if (op := kernel.context_ops.get(name)) is not None:
            return lambda args: machine.context_op(op, args)
        if (scope := kernel.scopes.get(name)) is not None:
            return lambda args: rows.scope(scope, args)
        if (alloc := kernel.allocators.get(name)) is not None:
            return lambda args: rows.allocate(alloc, args)
        if (free := kernel.frees.get(name)) is not None:
            return lambda args: rows.free(free, args)
        if (query := kernel.queries.get(name)) is not None:
            return lambda args: rows.query(query, args)
        if name in kernel.sleepers:
            return lambda args: rows.sleeper(name)
        for role in (PINS, TESTS):
            if (taker := kernel.roles.get((role, name))) is not None:
                return lambda args: self.device.role(taker, args)
        check = kernel.entries.get(("", name))
        if check is not None and check.trigger.startswith("check:") and "capable" in name:
            return lambda args: rows.permits(name, check.privilege)
        return None
