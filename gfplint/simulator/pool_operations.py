"""Operations of the library of restated functions (``sim_*``) on managed memory and DMA pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.simulator.memory import PAGE_SHIFT, PAGE_SIZE, address_of
from gfplint.simulator.memory_operations import MemoryOperations
from gfplint.simulator.rows import UNKNOWN_SIZE, Rows
from gfplint.simulator.values import Obj, Ptr, Sym, Text, Value, identity

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

#: Frees inside objects that a cache takes before its free list shows it: those of a few slabs.
CONFUSED = 64


class PoolOperations:
    """``op_sim_NAME`` is what ``sim_NAME()`` does."""

    def __init__(self, machine: Machine, rows: Rows, memory: MemoryOperations) -> None:
        self.machine = machine
        self.rows = rows
        self.memory = memory
        self.managed: list[tuple[object, int, Value]] = []

    def op_sim_devres_add(self, args: list[Value]) -> Value:
        memory = self.machine.object_at(args[1])
        if memory is not None:
            self.managed.append((identity(args[0]), memory.address, args[1]))
        return 0

    def op_sim_devres_del(self, args: list[Value]) -> Value:
        value = self.machine.interpreter.resolve(args[1])
        address = None if isinstance(value, Sym) else self.machine.address(value)
        for entry in self.managed:
            if entry[0] == identity(args[0]) and entry[1] == address:
                self.managed.remove(entry)
                return 1
        return int(address is None)

    def op_sim_devres_release(self, args: list[Value]) -> Value:
        """The device goes away: what it manages is freed, whatever became of it."""
        for entry in [e for e in self.managed if e[0] == identity(args[0])]:
            self.managed.remove(entry)
            memory = self.machine.object_at(entry[2])
            if memory is not None:
                memory.address -= 40
                if memory.cache is not None and memory.cache.confused > CONFUSED:
                    self.machine.event("corrupted", "objects of the free list overlap")
                base = Ptr(Obj("devres"))
                base.obj.memory = type(memory)(entry[1] - 40, memory.size, "kmalloc")
                self.machine.releaser.kfree(base, "the release of managed memory")
        return 0

    def op_sim_ksize_before(self, args: list[Value]) -> Value:
        """ksize() of the node that precedes managed memory."""
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, Sym):
            return UNKNOWN_SIZE
        return self.rows.usable_size(self.machine.address(value) - 40, "devm_krealloc()") or 0

    def op_sim_pool_block(self, args: list[Value]) -> Value:
        """A block of a DMA pool: one given back, or one of a fresh page."""
        pool = self._pool(args[0])
        if pool is None:
            return self.machine.allocator.generic(
                "dma_pool", UNKNOWN_SIZE, self.machine.allocator.mask(args[1]), "dma_pool_alloc()", "mask", False
            )
        size = pool.fields.get("size", UNKNOWN_SIZE)
        size = size if isinstance(size, int) and size > 0 else UNKNOWN_SIZE
        free: list[int] = pool.fields.setdefault("#free", [])
        if not free:
            allocator = self.machine.allocator
            note = self.memory.op_sim_take([40, args[1], Text("dma_pool_alloc()")])  # struct dma_page
            if not isinstance(note, Ptr):
                return 0
            pfn = allocator.pages(allocator.mask(args[1]), 0, "dma_pool_alloc()")
            if pfn is None:
                return 0
            pool.fields.setdefault("#pages", []).append(pfn)
            free.extend(address_of(pfn) + n for n in range(max(PAGE_SIZE - size, 0), -1, -size))
        pool.fields["#active"] = pool.fields.get("#active", 0) + 1
        return self.machine.allocator.give(free.pop(), size, "dma_pool", False)

    def _pool(self, value: Value) -> Obj | None:
        value = self.machine.interpreter.resolve(value)
        return value.obj if isinstance(value, Ptr) else None

    def op_sim_pool_owns(self, args: list[Value]) -> Value:
        pool = self._pool(args[0])
        pages = pool.fields.get("#pages", []) if pool is not None else []
        return int(isinstance(args[1], int) and args[1] >> PAGE_SHIFT in pages)

    def op_sim_pool_push(self, args: list[Value]) -> Value:
        pool, value = self._pool(args[0]), self.machine.interpreter.resolve(args[1])
        memory = self.machine.object_at(value)
        if memory is not None and memory.family not in ("dma_pool",):
            self.machine.event("silent", "a DMA pool takes memory that is not its own")
        if pool is not None and not isinstance(value, Sym):
            pool.fields.setdefault("#free", []).append(self.machine.address(value))
            pool.fields["#active"] = pool.fields.get("#active", 0) - 1
        if memory is not None:
            memory.alive = False
        return 0

    def op_sim_pool_destroy(self, args: list[Value]) -> Value:
        """Pages of a pool go back unless blocks of it are in use."""
        pool = self._pool(args[0])
        if pool is not None and pool.fields.get("#active", 0) <= 0:
            for pfn in pool.fields.get("#pages", []):
                self.machine.releaser._report(self.machine.allocator.physical.put(pfn, 0), "dma_pool_destroy()")
        return 0
