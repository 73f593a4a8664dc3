"""What rows of the kernel tables do: scopes, allocators, frees, questions about the context, functions that sleep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.kernel.model import Allocator as AllocatorRow
from gfplint.kernel.model import Free, Mask, Query, Role, Scope
from gfplint.simulator.allocator import ZERO
from gfplint.simulator.constants import ENOMEM
from gfplint.simulator.memory import MODULE_MAP, PAGE_SHIFT, PAGE_SIZE, VMALLOC_MAP, Cache, address_of, area, order_of
from gfplint.simulator.values import FIRST_PAGE, MAX_ERRNO, WRAP, GivenMask, Obj, Ptr, Sym, Value, identity

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

UNKNOWN_SIZE = 64
#: Of memory that may come from vmalloc, enough that it can.
UNKNOWN_LARGE = 4 * PAGE_SIZE
#: Bits that a scope's cookie has, by kind; only that they differ matters.
_SCOPE_BITS = {"nofs": 1, "noio": 2, "noreclaim": 4, "pin": 8}


class Rows:
    """Runs rows on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.numbers = 0

    def scope(self, row: Scope, args: list[Value]) -> Value:
        """The save turns a task flag on. Since 6.10 it returns the flag if it was off, and the restore turns off what
        its cookie names; before, it returned what the flag was, and the restore brought that back.
        """
        machine = self.machine
        flags, bit = machine.task.flags, _SCOPE_BITS.get(row.kind, 0)
        names = "memalloc_flags" in machine.kernel.probes
        if row.effect == "save":
            old = bit if bool(flags.get(row.kind)) != names else 0
            if not flags.get(row.kind):
                machine.scope_begun[row.kind] = machine.stack()
            flags[row.kind] = 1
            machine.note(f"{row.name}(): scope begins")
            return old
        cookie = args[row.cookie] if row.cookie is not None and row.cookie < len(args) else 0
        given = {kind for kind, bit in _SCOPE_BITS.items() if isinstance(cookie, int) and cookie & bit}
        if not names or not isinstance(cookie, int):
            flags[row.kind] = 0
        flags.update(dict.fromkeys(given, int(not names)))
        machine.note(f"{row.name}(): scope ends")
        return 0

    def allocate(self, row: AllocatorRow, args: list[Value]) -> Value:
        """Memory of the row's family, by the mechanism of that family."""
        gfp = self._mask_argument(row, args)
        size = self._size(row, args)
        if size is None:
            return self._failed(row)
        what, machine = f"{row.name}()", self.machine
        if row.resizes is not None and row.family in ("kmalloc", "kvmalloc"):
            return self._resize(row, args[row.resizes], size, gfp, what)
        result = self._by_family(row, args, gfp, size, what)
        if row.hidden or row.result != "return":
            return self._hand_out(row, args, result)
        return self._failed(row) if isinstance(result, int) and result == 0 else self._resolve_result(result, machine)

    @staticmethod
    def _resolve_result(result: Value, machine: Machine) -> Value:
        return result

    def _mask_argument(self, row: AllocatorRow, args: list[Value]) -> Value:
        if row.mask is not None and row.mask < len(args):
            gfp = self.machine.interpreter.resolve(args[row.mask])
            if isinstance(gfp, Sym):
                gfp = self.machine.unknown_mask(f"mask of {row.name}()")
                args[row.mask] = gfp
            return gfp
        return self.machine.bits.value(self.machine.kernel.masks.get(row.default or "GFP_KERNEL", frozenset()))

    def _size(self, row: AllocatorRow, args: list[Value]) -> int | None:
        """Bytes asked for; None where count * size overflows."""
        numbers = [self.number(args, i) for i in (row.size, row.count) if i is not None]
        total = 1
        unknown = UNKNOWN_LARGE if row.family == "kvmalloc" else UNKNOWN_SIZE
        for number in numbers:
            total *= number if number is not None else unknown
        if not numbers:
            return UNKNOWN_SIZE
        return total if total < WRAP else None

    def number(self, args: list[Value], index: int) -> int | None:
        value = self.machine.interpreter.resolve(args[index]) if index < len(args) else None
        return value % WRAP if isinstance(value, int) else None

    def _by_family(self, row: AllocatorRow, args: list[Value], gfp: Value, size: int, what: str) -> Value:
        allocator, machine = self.machine.allocator, self.machine
        mask = allocator.mask(gfp)
        order = self.number(args, row.order) or 0 if row.order is not None else 0
        if row.sleeps == "always" and row.family in ("kmalloc", "kvmalloc"):
            machine.might_sleep(what)
        if row.family == "kmalloc":
            return allocator.kmalloc(size, gfp, what, zero=row.zeroes)
        if row.family == "kvmalloc":
            return self.kvmalloc(size, gfp, what, row.zeroes)
        if row.family == "vmalloc":
            allocator.vmalloc_sleeps = row.sleeps == "always"
            return allocator.vmalloc(size, gfp, what, zero=row.zeroes)
        if row.family == "kmem_cache" and row.cache is not None:
            return self.from_cache(args[row.cache] if row.cache < len(args) else 0, gfp, what, row.zeroes)
        if row.family in ("page", "folio") and row.result == "return":
            compound = frozenset({"__GFP_COMP"}) if row.family == "folio" else frozenset()
            pfn = allocator.pages(mask | compound, order, what)
            return 0 if pfn is None else allocator.page_struct(pfn, order, mask, row.family)
        if row.family == "pages":
            pfn = allocator.pages(mask - {"__GFP_HIGHMEM"}, order, what)
            return (
                0
                if pfn is None
                else allocator.give(address_of(pfn), PAGE_SIZE << order, "pages", row.zeroes, order=order)
            )
        if row.family == "exact":
            return self._exact(size, mask, what)
        if row.family == "percpu":
            return allocator.percpu(size, gfp, what)
        if row.lazy:
            self._lazily(row, args, mask, what)
            return 0 if machine.setup.failures and machine.interpreter.path.choose(2, f"{what} succeeds") else 1
        return allocator.generic(row.family, size, mask, what, row.sleeps, row.zeroes)

    def _lazily(self, row: AllocatorRow, args: list[Value], mask: Mask, what: str) -> None:
        """An allocator that drops its own lock before it may sleep; every other lock stays held."""
        machine, allocator = self.machine, self.machine.allocator
        mine = set()
        if row.drops is not None and row.drops < len(args):
            owner = args[row.drops]
            mine = {machine.lock_name(owner), machine.lock_name(self._member(owner, row.needs))}
        held = machine.task.held
        index = next((i for i, h in enumerate(held) if h.lock in mine and h.lock is not None), -1)
        if index < 0:
            allocator.might_alloc(mask, what)
            return
        # The lock, and the bottom halves or interrupts that went off with it.
        first = index - 1 if index and (held[index - 1].effect.bh or held[index - 1].effect.irqs) else index
        dropped, held[first : index + 1] = held[first : index + 1], []
        irqs = machine.task.irqs_off
        for entry in dropped:
            machine.task.apply(entry.effect, -1, machine.config.preempt_rcu)
            if entry.effect.irqs:
                machine.task.irqs_off = entry.irqs_before
        allocator.might_alloc(mask, what)
        held[first:first] = dropped
        machine.task.irqs_off = irqs
        for entry in dropped:
            machine.task.apply(entry.effect, +1, machine.config.preempt_rcu)

    def _member(self, owner: Value, path: str) -> Value:
        """A pointer to a member, as a lock call would name it."""
        interpreter = self.machine.interpreter
        owner = interpreter.resolve(owner)
        place = interpreter.target(owner) if isinstance(owner, Ptr | Sym) else None
        if place is None:
            return owner
        obj = place[0]
        *inner, last = path.replace("->", ".").split(".")
        for part in inner:
            obj = obj.embed(part)
        return Ptr(obj, last) if not isinstance(obj.fields.get(last), Obj) else Ptr(obj.embed(last))

    def _hand_out(self, row: AllocatorRow, args: list[Value], result: Value) -> Value:
        """Allocators that return a status, and put the memory elsewhere or keep it."""
        failed = isinstance(result, int) and result == 0
        if isinstance(row.result, int) and row.result < len(args) and isinstance(args[row.result], Ptr):
            target = args[row.result]
            assert isinstance(target, Ptr)
            target.obj.fields[target.key if target.key is not None else 0] = 0 if failed else result
        if row.hidden:
            for _, memory in self.machine.allocator.memories[-1:]:
                memory.managed = True
        if row.error == "int":
            return -ENOMEM if failed else int(row.family == "cpumask")
        return self._failed(row) if failed else 1

    def _failed(self, row: AllocatorRow) -> Value:
        return {"errptr": WRAP - ENOMEM, "int": -ENOMEM}.get(row.error, 0)

    def kvmalloc(self, size: int, gfp: Value, what: str, zero: bool) -> Value:
        """__kvmalloc_node(): the slab try is made not to matter above a page; vmalloc only for masks that block."""
        allocator = self.machine.allocator
        mask = allocator.mask(gfp)
        number = gfp if isinstance(gfp, int) else 0
        bits = self.machine.bits.numbers
        tried = number
        if size > PAGE_SIZE:
            tried |= bits["__GFP_NOWARN"]
            if "__GFP_RETRY_MAYFAIL" not in mask:
                tried |= bits["__GFP_NORETRY"]
            tried &= ~bits["__GFP_NOFAIL"]
        found = allocator.kmalloc(size, tried, what, family="kvmalloc", zero=zero)
        if found != 0 or size <= PAGE_SIZE:
            return found
        allocator.vmalloc_sleeps = "vmalloc_atomic_ok" not in self.machine.kernel.probes
        if "__GFP_DIRECT_RECLAIM" not in mask and allocator.vmalloc_sleeps:
            self.machine.event("silent-null", f"{what} above a page with a mask that may not block")
            return 0
        if size > (1 << 31) - 1:
            if "__GFP_NOWARN" not in mask:
                self.machine.event("warn", f"{what} of more than INT_MAX bytes")
            return 0
        return allocator.vmalloc(size, gfp, what, huge=True, zero=zero, family="kvmalloc")

    def from_cache(self, cache: Value, gfp: Value, what: str, zero: bool) -> Value:
        allocator = self.machine.allocator
        mask = allocator.mask(gfp)
        found = self.cache_of(cache)
        if found.destroyed:
            self.machine.oops("oops", f"{what} from a cache that was destroyed")
        address = allocator.slab_object(found, mask, what, allocator.invalid(gfp))
        if address is None:
            return 0
        return allocator.give(
            address, found.size, "kmem_cache", zero or ZERO in mask, cache=found, accounted="__GFP_ACCOUNT" in mask
        )

    def _exact(self, size: int, mask: Mask, what: str) -> Value:
        """alloc_pages_exact(): a block is split, and what is not needed goes back."""
        allocator = self.machine.allocator
        order = order_of(size)
        pfn = allocator.pages(mask - {"__GFP_COMP", "__GFP_HIGHMEM"}, order, what)
        if pfn is None:
            return 0
        allocator.physical.split(pfn, order)
        for n in range((size + PAGE_SIZE - 1) >> PAGE_SHIFT, 1 << order):
            allocator.physical.put(pfn + n, 0)
        return allocator.give(address_of(pfn), size, "exact", False, order=order)

    def _resize(self, row: AllocatorRow, old: Value, size: int, gfp: Value, what: str) -> Value:
        """krealloc() and kvrealloc(): the old object where it is large enough, else a copy; size 0 frees."""
        machine, allocator = self.machine, self.machine.allocator
        old = machine.interpreter.resolve(old)
        virtual = isinstance(old, Ptr) and area(machine.address(old)) == VMALLOC_MAP
        if size == 0:
            machine.releaser.vfree(old, what) if virtual and row.family == "kvmalloc" else machine.releaser.kfree(
                old, what
            )
            return 16
        new = self.kvmalloc if row.family == "kvmalloc" else allocator.kmalloc
        if isinstance(old, Sym) or old in (0, 16):
            return (
                new(size, gfp, what, zero=row.zeroes)
                if row.family != "kvmalloc"
                else self.kvmalloc(size, gfp, what, row.zeroes)
            )
        if virtual and row.family == "kvmalloc":
            memory = machine.object_at(old)
            have: int | None = memory.size if memory is not None else size
        else:
            have = self.usable_size(old, what)
        if have is not None and have >= size:
            return old
        fresh_memory = (
            self.kvmalloc(size, gfp, what, row.zeroes)
            if row.family == "kvmalloc"
            else allocator.kmalloc(size, gfp, what)
        )
        if not isinstance(fresh_memory, Ptr) and (memory := machine.object_at(old)) is not None:
            memory.lost = machine.stack()
        if isinstance(fresh_memory, Ptr):
            machine.releaser.vfree(old, what) if virtual else machine.releaser.kfree(old, what)
        return fresh_memory

    def usable_size(self, value: Value, what: str) -> int | None:
        """ksize(): of slab objects and large kmallocs; a warning for other pages."""
        machine = self.machine
        value = machine.interpreter.resolve(value)
        if isinstance(value, Sym):
            return None
        address = machine.address(value)
        if address in (0, 16):
            return 0
        if machine.config.kasan and area(address) == VMALLOC_MAP and machine.allocator.find(address) is None:
            machine.event("kasan", f"{what} of a pointer between vmalloc areas")
            return 0
        page = machine.releaser.page_of(address, what)
        if page.slab is not None:
            offset = address - address_of(page.slab.pfn) - page.slab.cache.left
            if machine.config.kasan and offset % page.slab.cache.stride:
                machine.event("kasan", f"{what} of a pointer into an object")
            return page.slab.cache.size
        if not page.compound:
            machine.event("warn", f"{what} of pages that kmalloc did not hand out")
            return 0
        return PAGE_SIZE << page.order

    def free(self, row: Free, args: list[Value]) -> Value:
        """A free that the library does not restate: by families, with its sleep check."""
        machine = self.machine
        if row.sleeps == "always" or (row.sleeps == "task" and not machine.task.in_interrupt()):
            machine.might_sleep(f"{row.name}()")
        elif row.sleeps == "irq" and machine.task.irqs_off:
            machine.event("irqs-off", f"{row.name}() with interrupts off")
        if row.arg < len(args):
            machine.releaser.generic(row.name, args[row.arg], row.families)
        return 0

    def linear(self, role: Role, args: list[Value]) -> None:
        """What is given for an address of the linear map is none: dma_map_single() rejects it with a warning
        (include/linux/dma-mapping.h), sg_set_buf() and virt_to_page() have a BUG_ON() for it with CONFIG_DEBUG_SG
        and CONFIG_DEBUG_VIRTUAL (include/linux/scatterlist.h, arch/x86/mm/physaddr.c). Without, they take other memory.
        """
        for number in role.args:
            value = self.machine.interpreter.resolve(args[number]) if number < len(args) else 0
            memory = self.machine.object_at(value)
            address = memory.address if memory is not None else value if isinstance(value, int) else 0
            if area(address) in (VMALLOC_MAP, MODULE_MAP) or (memory is not None and memory.family == "percpu"):
                self.machine.event("outside-linear-map", f"{role.name}() of an address that is not in the linear map")

    def query(self, row: Query, args: list[Value]) -> Value:
        """Questions about the context and masks are answered by the machine's state."""
        task = self.machine.task
        if row.mask is not None:
            blocking = "__GFP_DIRECT_RECLAIM" in self.machine.allocator.mask(args[row.mask])
            if isinstance(args[row.mask], GivenMask):
                self.machine.interpreter.path.mask_tested = True
            return int(
                blocking
                if row.true_means == "blocking"
                else not blocking
                if row.false_means == "blocking"
                else blocking
            )
        atomic = task.count(self.machine.config.preempt_count) > 0
        answers = {
            "in_task": not task.hardirq and task.context != "softirq",
            "in_interrupt": task.in_interrupt(),
            "in_irq": task.hardirq > 0,
            "in_hardirq": task.hardirq > 0,
            "in_softirq": task.softirq > 0,
            "in_serving_softirq": task.context == "softirq",
            "in_atomic": atomic,
            "preempt_count": atomic,
            "irqs_disabled": task.irqs_off,
            "preemptible": not atomic and not task.irqs_off,
            "rcu_preempt_depth": task.rcu,
            "in_nmi": False,
            "oops_in_progress": False,
            "in_dbg_master": False,
        }
        return int(answers.get(row.name, False))

    def sleeper(self, name: str) -> Value:
        self.machine.might_sleep(f"{name}()")
        self.machine.schedule()
        self.numbers += 1
        return Sym(("call", name, self.numbers))

    def permits(self, name: str, privilege: str) -> Value:
        """A predicate that asks what the caller may do; whoever has root of the machine is trusted."""
        if self.machine.interpreter.path.choose(2, f"{name}() permits") == 1:
            return 0
        self.machine.privileged |= privilege == "root"
        return 1

    def cache_of(self, value: Value) -> Cache:
        """The cache behind a ``struct kmem_cache *``; one that the program did not create exists, and others use it
        too.
        """
        value = self.machine.interpreter.resolve(value)
        if isinstance(value, Ptr):
            found = value.obj.fields.get("#cache")
            if isinstance(found, Cache):
                return found
        elif isinstance(value, int) and (value < FIRST_PAGE or value >= WRAP - MAX_ERRNO):
            self.machine.oops("null-deref", "a cache that does not exist is used")
        key = identity(value)
        cache = self.machine.allocator.cache(f"cache {key}", 256, shared=True)
        if isinstance(value, Sym) and key[0] == "name":
            cache.variable = key[1]
        return cache
