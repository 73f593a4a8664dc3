"""Operations of the library of restated functions (``sim_*``) on memory: caches, pages, vmalloc areas, frees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.simulator.constants import CONSTANTS
from gfplint.simulator.memory import (
    IMAGE_MAP,
    MAX_PAGE_ORDER,
    PAGE_SHIFT,
    PAGE_SIZE,
    RESERVED_PFNS,
    VMALLOC_MAP,
    address_of,
    area,
    order_of,
)
from gfplint.simulator.rows import UNKNOWN_SIZE, Rows
from gfplint.simulator.values import Obj, Ptr, Sym, Text, Value, identity, text_of

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine


class MemoryOperations:
    """``op_sim_NAME`` is what ``sim_NAME()`` does."""

    def __init__(self, machine: Machine, rows: Rows) -> None:
        self.machine = machine
        self.rows = rows

    def op_sim_cache_new(self, args: list[Value]) -> Value:
        size = args[1] if isinstance(args[1], int) else 256
        flags = args[2] if isinstance(args[2], int) else 0
        self.rows.numbers += 1
        name = f"{text_of(args[0])}#{self.rows.numbers}"
        cache = self.machine.allocator.cache(name, size, account=bool(flags & CONSTANTS["SLAB_ACCOUNT"]), new=True)
        result = self.machine.allocator.give(address_of(RESERVED_PFNS - 1), 256, "cache", True)
        if isinstance(result, Ptr):
            result.obj.fields["#cache"] = cache
            result.obj.memory.managed = True
        return result

    def op_sim_cache_destroy(self, args: list[Value]) -> Value:
        memory = self.machine.object_at(args[0])
        if not isinstance(self.machine.interpreter.resolve(args[0]), Sym):  # of that one nothing is known
            cache = self.rows.cache_of(args[0])
            for waiting, stack in self.machine.awaiting:
                if waiting is cache:
                    decisions = len(self.machine.interpreter.path.answers)
                    self.machine.record(
                        "bad-free", "the cache may be destroyed before the object is free", stack, decisions
                    )
            self.machine.releaser.cache_destroy(cache)
        if memory is not None:
            memory.alive = False
        return 0

    def op_sim_awaits_grace_period(self, args: list[Value]) -> Value:
        """An object goes back after a grace period, for which destroying its cache did not wait before 6.12."""
        machine = self.machine
        memory = machine.object_at(machine.interpreter.resolve(args[0]))
        mine = memory is not None and memory.family == "kmem_cache"
        if mine and memory is not None and memory.cache and "kvfree_rcu_barrier" not in machine.kernel.probes:
            machine.awaiting.append((memory.cache, machine.stack()))
        return 0

    def op_sim_slab(self, args: list[Value]) -> Value:
        return self.rows.from_cache(args[0], args[1], "kmem_cache_alloc()", False)

    def op_sim_kmalloc(self, args: list[Value]) -> Value:
        size = args[0] if isinstance(args[0], int) else UNKNOWN_SIZE
        return self.machine.allocator.kmalloc(size, args[1], text_of(args[2]))

    def op_sim_take(self, args: list[Value]) -> Value:
        """Memory that the core kernel takes for itself."""
        taken = self.op_sim_kmalloc(args)
        memory = self.machine.object_at(taken)
        if memory is not None:
            memory.managed, memory.stack = True, ()
        return taken

    def op_sim_family(self, args: list[Value]) -> Value:
        """Memory that one allocator took from another is of the first one's family."""
        memory = self.machine.object_at(args[0])
        if memory is not None:
            memory.family = text_of(args[1])
        return args[0]

    def op_sim_contract(self, args: list[Value]) -> Value:
        """A free that works on a handle beside the pointer: memory of another family is not what it gives back."""
        name = text_of(args[1])
        row = self.machine.kernel.frees.get(name)
        memory = self.machine.object_at(self.machine.interpreter.resolve(args[0]))
        if row is not None and memory is not None and memory.family not in row.families:
            self.machine.event("bad-free", f"{name}() of memory that it did not hand out")
        return 0

    def op_sim_size_given(self, args: list[Value]) -> Value:
        self.machine.releaser.size_given(args[0], self.rows.number(args, 1), text_of(args[2]))
        return 0

    def op_sim_device(self, args: list[Value]) -> Value:
        memory = self.machine.object_at(args[0])
        if memory is not None:
            memory.device = identity(args[1])
            memory.managed = True
        return args[0]

    def op_sim_is_family(self, args: list[Value]) -> Value:
        memory = self.machine.object_at(self.machine.interpreter.resolve(args[0]))
        return int(memory is not None and memory.alive and memory.family == text_of(args[1]))

    def op_sim_inner(self, args: list[Value]) -> Value:
        """A pointer some bytes into an allocation, as the allocation that the program sees."""
        base, offset = args[0], args[1]
        memory = self.machine.object_at(base)
        if memory is not None and isinstance(offset, int):
            memory.address += offset
        return base

    def op_sim_outer(self, args: list[Value]) -> Value:
        return self.op_sim_inner([args[0], -args[1] if isinstance(args[1], int) else 0])

    def op_sim_vm_area(self, args: list[Value]) -> Value:
        allocator = self.machine.allocator
        mask = allocator.mask(args[1])
        if not allocator.vm_area(mask, text_of(args[2])):
            return 0
        size = args[0] if isinstance(args[0], int) else PAGE_SIZE
        address, allocator.next_vmalloc = allocator.next_vmalloc, allocator.next_vmalloc + size + PAGE_SIZE
        return allocator.give(address, size, "vmap", False)

    def op_sim_address(self, args: list[Value]) -> Value:
        """The address of a page's memory (page_address())."""
        value = self.machine.interpreter.resolve(args[0])
        memory = self.machine.object_at(value)
        if memory is None or not memory.pages:
            return Sym(("address", identity(value)))
        pfn, order = memory.pages[0]
        obj = Obj("page memory", ("heap", pfn))
        obj.memory = type(memory)(address_of(pfn), PAGE_SIZE << order, "page memory", order)
        obj.memory.managed = True
        return Ptr(obj)

    def op_sim_pages(self, args: list[Value]) -> Value:
        """Pages by address, for allocators that build on them."""
        allocator = self.machine.allocator
        mask = allocator.mask(args[0])
        order = args[1] if isinstance(args[1], int) else 0
        pfn = allocator.pages(mask, order, text_of(args[2]))
        return 0 if pfn is None else allocator.give(address_of(pfn), PAGE_SIZE << order, "pages", False, order=order)

    def op_sim_kfree(self, args: list[Value]) -> Value:
        self.machine.releaser.kfree(args[0], text_of(args[1]) if len(args) > 1 else "kfree()")
        return 0

    def op_sim_cache_free(self, args: list[Value]) -> Value:
        self.machine.releaser.cache_free(self.rows.cache_of(args[0]), args[1], "kmem_cache_free()")
        return 0

    def op_sim_bulk_free(self, args: list[Value]) -> Value:
        cache = None if args[0] == 0 else self.rows.cache_of(args[0])
        self.machine.releaser.bulk_free(cache, args[1], "kmem_cache_free_bulk()" if cache else "kfree_bulk()")
        return 0

    def op_sim_vfree(self, args: list[Value]) -> Value:
        self.machine.releaser.vfree(args[0])
        return 0

    def op_sim_vfree_now(self, args: list[Value]) -> Value:
        self.machine.releaser.vfree_now(args[0], "vfree()")
        return 0

    def op_sim_vfree_atomic(self, args: list[Value]) -> Value:
        self.machine.releaser.vfree_atomic(args[0], "vfree_atomic()")
        return 0

    def op_sim_vunmap(self, args: list[Value]) -> Value:
        self.machine.releaser.vunmap(args[0])
        return 0

    def _order(self, args: list[Value]) -> int | None:
        """The order that a free is given; one that no block has is as good as the next."""
        order = self.rows.number(args, 1)
        return None if order is None else min(order, MAX_PAGE_ORDER + 1)

    def op_sim_free_pages(self, args: list[Value]) -> Value:
        self.machine.releaser.free_pages(args[0], self._order(args), "free_pages()")
        return 0

    def op_sim_free_frames(self, args: list[Value]) -> Value:
        """Free the frames behind a bus address."""
        address = args[0] if isinstance(args[0], int) else 0
        order = self._order(args) or 0
        machine = self.machine
        outcome = machine.allocator.physical.put(address >> PAGE_SHIFT, order)
        machine.releaser._report(outcome, "dma_free_coherent()")
        return 0

    def op_sim_bus_address(self, args: list[Value]) -> Value:
        value = self.machine.interpreter.resolve(args[0])
        return 0 if not isinstance(value, Ptr) else self.machine.address(value) - address_of(0)

    def op_sim_put_page(self, args: list[Value]) -> Value:
        what = "put_page()" if args[2] else "__free_pages()"
        self.machine.releaser.put_page(args[0], self._order(args), what, bool(args[2]))
        return 0

    def op_sim_free_exact(self, args: list[Value]) -> Value:
        self.machine.releaser.free_exact(args[0], self.rows.number(args, 1), "free_pages_exact()")
        return 0

    def op_sim_free_percpu(self, args: list[Value]) -> Value:
        self.machine.releaser.free_percpu(args[0])
        return 0

    def op_sim_write(self, args: list[Value]) -> Value:
        value = self.machine.interpreter.resolve(args[0])
        if not isinstance(value, Sym):
            self.machine.releaser.check_write(self.machine.address(value), text_of(args[1]))
        return 0

    def op_sim_dead(self, args: list[Value]) -> Value:
        memory = self.machine.object_at(self.machine.interpreter.resolve(args[0]))
        if memory is not None:
            memory.alive = False
        return 0

    def op_sim_is_vmalloc(self, args: list[Value]) -> Value:
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, Sym):
            return Sym(("is_vmalloc", identity(value)))
        return int(area(self.machine.address(value)) == VMALLOC_MAP)

    def op_sim_is_rodata(self, args: list[Value]) -> Value:
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, Sym):
            return Sym(("is_rodata", identity(value)))
        return int(area(self.machine.address(value)) == IMAGE_MAP)

    def op_sim_known_rodata(self, args: list[Value]) -> Value:
        """Whether a pointer is known to be read-only data; an unknown one is taken for what it is used as."""
        value = self.machine.interpreter.resolve(args[0])
        return int(not isinstance(value, Sym) and area(self.machine.address(value)) == IMAGE_MAP)

    def op_sim_known_vmalloc(self, args: list[Value]) -> Value:
        """Whether a pointer is known to be vmalloc memory; an unknown one is taken for what the caller says it is."""
        value = self.machine.interpreter.resolve(args[0])
        return int(not isinstance(value, Sym) and area(self.machine.address(value)) == VMALLOC_MAP)

    def op_sim_rodata(self, args: list[Value]) -> Value:
        return Text("constant")

    def op_sim_ksize(self, args: list[Value]) -> Value:
        size = self.rows.usable_size(args[0], "ksize()")
        return Sym(("ksize", identity(args[0]))) if size is None else size

    def op_sim_wiped(self, args: list[Value]) -> Value:
        """Memory is overwritten to its end; beyond an object's end that is another one's."""
        memory = self.machine.object_at(args[0])
        pointer = args[0]
        if memory is not None and isinstance(pointer, Ptr) and pointer.key:
            self.machine.event("overwritten", "memory behind the object is overwritten")
        return 0

    def op_sim_order(self, args: list[Value]) -> Value:
        return order_of(args[0]) if isinstance(args[0], int) else 0
