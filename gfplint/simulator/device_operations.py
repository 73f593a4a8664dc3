"""Pages that hardware is given, and the addresses of pages: high memory has none.

Sources: mm/highmem.c (page_address()), mm/gup.c (movable pages are moved before they are pinned) of 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.simulator.memory import Memory
from gfplint.simulator.memory_operations import MemoryOperations
from gfplint.simulator.values import Ptr, Sym, Value, identity, text_of

if TYPE_CHECKING:
    from gfplint.kernel.model import Role
    from gfplint.simulator.machine import Machine

#: What the table of roles says of a function that takes memory, and what is wrong with what it may get.
PINS, TESTS = "pins", "highmem-test"


class DeviceOperations:
    """``op_NAME`` is what ``NAME()`` does; ``role`` gives what the table of roles says of others."""

    def __init__(self, machine: Machine, memory: MemoryOperations) -> None:
        self.machine = machine
        self.memory = memory

    def role(self, row: Role, args: list[Value]) -> Value:
        """A call that takes memory in a role; what it does with it else nobody knows."""
        for at in row.args:
            memory = self._memory(args[at]) if at < len(args) else None
            if row.role == TESTS:
                return Sym(("highmem", identity(args[at]))) if memory is None else int(memory.no_address)
            if memory is not None and row.role == PINS and memory.movable:
                self.machine.event("movable-pinned", f"{row.name}() of a page that may be moved")
        return self.machine.interpreter.unknown_call(row.name, args)

    def op_sim_page_address(self, args: list[Value]) -> Value:
        """page_address(): NULL for a page of high memory that is not mapped."""
        memory = self._memory(args[0])
        if memory is not None and memory.no_address:
            self.machine.event("highmem-address", f"{text_of(args[1])} of a page that may be high memory")
            return 0
        return self.memory.op_sim_address(args)

    def _memory(self, value: Value) -> Memory | None:
        value = self.machine.interpreter.resolve(value)
        return self.machine.object_at(value) if isinstance(value, Ptr) else None
