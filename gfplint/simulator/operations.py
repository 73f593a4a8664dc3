"""What a name does that no C program defines: rows of the kernel tables, the ``sim_*`` operations on which the library
of restated
kernel functions rests, and a few helpers of C itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gfplint.kernel.model import Allocator as AllocatorRow
from gfplint.kernel.model import Free, Mask, Query, Scope
from gfplint.simulator.allocator import ZERO
from gfplint.simulator.memory import (
    IMAGE_MAP,
    KMALLOC_MAX,
    KMALLOC_MAX_CACHE,
    PAGE_SHIFT,
    PAGE_SIZE,
    RESERVED_PFNS,
    VMALLOC_MAP,
    Cache,
    address_of,
    area,
    order_of,
)
from gfplint.simulator.task import WAIT_CONFIG, WAIT_SLEEP, fresh
from gfplint.simulator.values import FIRST_PAGE, MAX_ERRNO, WRAP, Func, GivenMask, Obj, Ptr, Sym, Text, Value, identity

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

Operation = Callable[[list[Value]], Value | None]

ENOMEM = 12
UNKNOWN_SIZE = 64
#: Of memory that may come from vmalloc, enough that it can.
UNKNOWN_LARGE = 4 * PAGE_SIZE
#: Frees inside objects that a cache takes before its free list shows it: those of a few slabs.
CONFUSED = 64
#: Bits that a scope's cookie has, by kind; only that they differ matters.
_SCOPE_BITS = {"nofs": 1, "noio": 2, "noreclaim": 4, "pin": 8}

_CONSTANTS: dict[str, int] = {
    "NULL": 0,
    "true": 1,
    "false": 0,
    "PAGE_SIZE": PAGE_SIZE,
    "PAGE_SHIFT": PAGE_SHIFT,
    "HZ": 100,
    "jiffies": 1000,
    "SIZE_MAX": WRAP - 1,
    "INT_MAX": (1 << 31) - 1,
    "UINT_MAX": (1 << 32) - 1,
    "ZERO_SIZE_PTR": 16,
    "NUMA_NO_NODE": -1,
    "KMALLOC_MAX_SIZE": KMALLOC_MAX,
    "KMALLOC_MAX_CACHE_SIZE": KMALLOC_MAX_CACHE,
    "PAGE_ALLOC_COSTLY_ORDER": 3,
    "TASK_RUNNING": 0,
    "TASK_INTERRUPTIBLE": 1,
    "TASK_UNINTERRUPTIBLE": 2,
    "SLAB_ACCOUNT": 1 << 26,
    "SLAB_HWCACHE_ALIGN": 1 << 13,
    "SLAB_PANIC": 1 << 18,
    "SLAB_RECLAIM_ACCOUNT": 1 << 17,
    "SLAB_TYPESAFE_BY_RCU": 1 << 19,
    "PAGE_KERNEL": 0x63,
    "VM_MAP": 4,
    "TIMER_IRQSAFE": 1 << 21,
    "IRQF_ONESHOT": 1 << 13,
    "IRQF_SHARED": 1 << 7,
    "IRQ_NONE": 0,
    "IRQ_HANDLED": 1,
    "IRQ_WAKE_THREAD": 2,
    "HRTIMER_NORESTART": 0,
    "HRTIMER_MODE_REL": 1,
    "HRTIMER_MODE_REL_SOFT": 5,
    "CLOCK_MONOTONIC": 1,
    "NOTIFY_OK": 1,
    "NOTIFY_DONE": 0,
    "EPERM": 1,
    "ENOENT": 2,
    "EIO": 5,
    "ENXIO": 6,
    "EAGAIN": 11,
    "ENOMEM": 12,
    "EFAULT": 14,
    "EBUSY": 16,
    "EEXIST": 17,
    "ENODEV": 19,
    "EINVAL": 22,
    "ENOSPC": 28,
    "ERESTARTSYS": 512,
    "WQ_UNBOUND": 2,
    "WQ_MEM_RECLAIM": 8,
    "PF_MEMALLOC": 0x800,
}


class Operations:
    """Finds what a call does on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.bound: dict[str, Operation | None] = {}
        self.numbers = 0
        self.managed: list[tuple[object, int, Value]] = []

    def constant(self, name: str) -> Value | None:
        """Masks of the tables, and a few numbers."""
        mask = self.machine.kernel.masks.get(name)
        if mask is not None:
            return self.machine.bits.value(mask)
        return _CONSTANTS.get(name)

    def find(self, name: str) -> Operation | None:
        """The operation of a name, or None."""
        if name not in self.bound:
            self.bound[name] = self._bind(name)
        return self.bound[name]

    def _bind(self, name: str) -> Operation | None:
        method = getattr(self, f"op_{name}", None) if name.startswith("sim_") or name in _HELPERS else None
        if method is not None:
            bound: Operation = method
            return bound
        kernel, machine = self.machine.kernel, self.machine
        if (op := kernel.context_ops.get(name)) is not None:
            return lambda args: machine.context_op(op, args)
        if (scope := kernel.scopes.get(name)) is not None:
            return lambda args: self._scope(scope, args)
        if (alloc := kernel.allocators.get(name)) is not None:
            return lambda args: self._allocate(alloc, args)
        if (free := kernel.frees.get(name)) is not None:
            return lambda args: self._free(free, args)
        if (query := kernel.queries.get(name)) is not None:
            return lambda args: self._query(query, args)
        if name in kernel.sleepers:
            return lambda args: self._sleeper(name)
        check = kernel.entries.get(("", name))
        if check is not None and check.trigger.startswith("check:") and "capable" in name:
            return lambda args: self._permits(name, check.privilege)
        return None

    def _permits(self, name: str, privilege: str) -> Value:
        """A predicate that asks what the caller may do; whoever has root of the machine is trusted."""
        if self.machine.interpreter.path.choose(2, f"{name}() permits") == 1:
            return 0
        self.machine.privileged |= privilege == "root"
        return 1

    # -- rows of the tables

    def _scope(self, row: Scope, args: list[Value]) -> Value:
        """The save turns a task flag on and returns what it was; the restore brings back what its cookie says."""
        flags, bit = self.machine.task.flags, _SCOPE_BITS.get(row.kind, 0)
        if row.effect == "save":
            old = bit if flags.get(row.kind) else 0
            flags[row.kind] = 1
            self.machine.scope_begun = self.machine.stack()
            self.machine.note(f"{row.name}(): scope begins")
            return old
        cookie = args[row.cookie] if row.cookie is not None and row.cookie < len(args) else 0
        flags[row.kind] = 0
        if isinstance(cookie, int):
            for kind, kind_bit in _SCOPE_BITS.items():
                if cookie & kind_bit:
                    flags[kind] = 1
        self.machine.note(f"{row.name}(): scope ends")
        return 0

    def _allocate(self, row: AllocatorRow, args: list[Value]) -> Value:
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
        numbers = [self._number(args, i) for i in (row.size, row.count) if i is not None]
        total = 1
        unknown = UNKNOWN_LARGE if row.family == "kvmalloc" else UNKNOWN_SIZE
        for number in numbers:
            total *= number if number is not None else unknown
        if not numbers:
            return UNKNOWN_SIZE
        return total if total < WRAP else None

    def _number(self, args: list[Value], index: int) -> int | None:
        value = self.machine.interpreter.resolve(args[index]) if index < len(args) else None
        return value % WRAP if isinstance(value, int) else None

    def _by_family(self, row: AllocatorRow, args: list[Value], gfp: Value, size: int, what: str) -> Value:
        allocator, machine = self.machine.allocator, self.machine
        mask = allocator.mask(gfp)
        order = self._number(args, row.order) or 0 if row.order is not None else 0
        if row.sleeps == "always" and row.family in ("kmalloc", "kvmalloc"):
            machine.might_sleep(what)
        if row.family == "kmalloc":
            return allocator.kmalloc(size, gfp, what, zero=row.zeroes)
        if row.family == "kvmalloc":
            return self._kvmalloc(size, gfp, what, row.zeroes)
        if row.family == "vmalloc":
            allocator.vmalloc_sleeps = row.sleeps == "always"
            return allocator.vmalloc(size, gfp, what, zero=row.zeroes)
        if row.family == "kmem_cache" and row.cache is not None:
            return self._from_cache(args[row.cache] if row.cache < len(args) else 0, gfp, what, row.zeroes)
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
        place = interpreter._target(owner) if isinstance(owner, Ptr | Sym) else None
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

    def _kvmalloc(self, size: int, gfp: Value, what: str, zero: bool) -> Value:
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

    def _from_cache(self, cache: Value, gfp: Value, what: str, zero: bool) -> Value:
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
        new = self._kvmalloc if row.family == "kvmalloc" else allocator.kmalloc
        if isinstance(old, Sym) or old in (0, 16):
            return (
                new(size, gfp, what, zero=row.zeroes)
                if row.family != "kvmalloc"
                else self._kvmalloc(size, gfp, what, row.zeroes)
            )
        if virtual and row.family == "kvmalloc":
            memory = machine.object_at(old)
            have: int | None = memory.size if memory is not None else size
        else:
            have = self.usable_size(old, what)
        if have is not None and have >= size:
            return old
        fresh_memory = (
            self._kvmalloc(size, gfp, what, row.zeroes)
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

    def _free(self, row: Free, args: list[Value]) -> Value:
        """A free that the library does not restate: by families, with its sleep check."""
        machine = self.machine
        if row.sleeps == "always" or (row.sleeps == "task" and not machine.task.in_interrupt()):
            machine.might_sleep(f"{row.name}()")
        elif row.sleeps == "irq" and machine.task.irqs_off:
            machine.event("irqs-off", f"{row.name}() with interrupts off")
        if row.arg < len(args):
            machine.releaser.generic(row.name, args[row.arg], row.families)
        return 0

    def _query(self, row: Query, args: list[Value]) -> Value:
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

    def _sleeper(self, name: str) -> Value:
        self.machine.might_sleep(f"{name}()")
        self.machine.schedule()
        self.numbers += 1
        return Sym(("call", name, self.numbers))

    # -- C helpers

    def op_IS_ERR(self, args: list[Value]) -> Value:  # noqa: N802 (the kernel's name)
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, int):
            return int(value % WRAP >= WRAP - MAX_ERRNO)
        return Sym(("is_err", identity(value))) if isinstance(value, Sym) else 0

    def op_IS_ERR_OR_NULL(self, args: list[Value]) -> Value:  # noqa: N802
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, int):
            return int(value % WRAP >= WRAP - MAX_ERRNO or value == 0)
        return Sym(("is_err", identity(value))) if isinstance(value, Sym) else 0

    def op_ERR_PTR(self, args: list[Value]) -> Value:  # noqa: N802
        value = args[0]
        return value % WRAP if isinstance(value, int) else value

    def op_PTR_ERR(self, args: list[Value]) -> Value:  # noqa: N802
        value = self.machine.interpreter.resolve(args[0])
        return value - WRAP if isinstance(value, int) and value >= WRAP >> 1 else value

    op_ERR_CAST = op_ERR_PTR  # noqa: N815

    def _touch(self, args: list[Value]) -> Value:
        """memset(), memcpy() and their like use the memory."""
        for arg in args[:2]:
            value = self.machine.interpreter.resolve(arg)
            if isinstance(value, Ptr):
                self.machine.touch(value)
            elif isinstance(value, int) and (value < FIRST_PAGE or value % WRAP >= WRAP - MAX_ERRNO) and arg is args[0]:
                self.machine.oops("null-deref", "NULL or an error pointer is written to")
        first = args[0]
        if isinstance(first, Ptr) and len(args) > 1 and args[1] == 0:
            first.obj.zero = True
        return first

    op_memset = op_memcpy = op_memmove = op_memzero_explicit = op_strcpy = op_strscpy = _touch

    def op_strcmp(self, args: list[Value]) -> Value:
        left, right = args[0], args[1]
        if isinstance(left, Text) and isinstance(right, Text):
            return int(left.text != right.text)
        return Sym(("strcmp", identity(left), identity(right)))

    def op_min(self, args: list[Value]) -> Value:
        return min(args) if all(isinstance(a, int) for a in args) else Sym(("min", *map(identity, args)))  # type: ignore[type-var]

    def op_max(self, args: list[Value]) -> Value:
        return max(args) if all(isinstance(a, int) for a in args) else Sym(("max", *map(identity, args)))  # type: ignore[type-var]

    def op_BUG(self, args: list[Value]) -> Value:  # noqa: N802
        self.machine.oops("bug-on", "BUG()")
        return 0

    def op_BUG_ON(self, args: list[Value]) -> Value:  # noqa: N802
        if isinstance(args[0], int) and args[0]:
            self.machine.oops("bug-on", "BUG_ON()")
        return 0

    def op_WARN_ON(self, args: list[Value]) -> Value:  # noqa: N802
        if isinstance(args[0], int) and args[0]:
            self.machine.event("warn", "WARN_ON()")
        return args[0]

    op_WARN_ON_ONCE = op_WARN_ON  # noqa: N815

    # -- operations for the library (sim_*)

    @staticmethod
    def _text(value: Value) -> str:
        return value.text if isinstance(value, Text) else value.name if isinstance(value, Func) else str(value)

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

    def op_sim_might_sleep(self, args: list[Value]) -> Value:
        self.machine.might_sleep(self._text(args[0]) if args else "")
        return 0

    def op_sim_might_resched(self, args: list[Value]) -> Value:
        self.machine.might_resched("cond_resched()")
        return 0

    def op_sim_schedule(self, args: list[Value]) -> Value:
        self.machine.schedule()
        return 0

    def op_sim_might_alloc(self, args: list[Value]) -> Value:
        self.machine.allocator.might_alloc(self.machine.allocator.mask(args[0]), self._text(args[1]))
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
        name = self._text(args[0])
        self.machine.might_sleep(name)
        self.machine.brief_lock(WAIT_SLEEP, name)
        return 0

    def op_sim_spin(self, args: list[Value]) -> Value:
        self.machine.brief_lock(WAIT_CONFIG)
        return 0

    def op_sim_enter(self, args: list[Value]) -> Value:
        self.machine.enter(self._text(args[0]), self._text(args[1]))
        return 0

    def op_sim_leave(self, args: list[Value]) -> Value:
        self.machine.leave(self._text(args[0]), self._text(args[1]))
        return 0

    def op_sim_used_in_tasks(self, args: list[Value]) -> Value:
        """A lock that is otherwise taken with interrupts on: taking it in an interrupt is a report."""
        if self.machine.task.context != "task":
            self.machine.report_lock("lock-state", f"{self._text(args[0])} is taken in an interrupt")
        return 0

    def op_sim_event(self, args: list[Value]) -> Value:
        self.machine.event(self._text(args[0]), self._text(args[1]))
        return 0

    def op_sim_die(self, args: list[Value]) -> Value:
        self.machine.oops(self._text(args[0]), self._text(args[1]))
        return 0

    def op_sim_phase(self, args: list[Value]) -> Value:
        self.machine.phase = self._text(args[0])
        return 0

    def op_sim_config(self, args: list[Value]) -> Value:
        return int(getattr(self.machine.config, self._text(args[0]), False))

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
        return 0

    def op_sim_limit(self, args: list[Value]) -> Value:
        self.machine.allocator.limit = args[0] if isinstance(args[0], int) else 0
        return 0

    def op_sim_defer(self, args: list[Value]) -> Value:
        self.machine.defer(self._text(args[0]), args[1], list(args[2:]))
        return 0

    def op_sim_run(self, args: list[Value]) -> Value:
        return self.machine.run_in(self._text(args[0]), args[1], list(args[2:]))

    def op_sim_run_deferred(self, args: list[Value]) -> Value:
        self.machine.run_deferred()
        return 0

    def op_sim_cache_new(self, args: list[Value]) -> Value:
        size = args[1] if isinstance(args[1], int) else 256
        flags = args[2] if isinstance(args[2], int) else 0
        self.numbers += 1
        name = f"{self._text(args[0])}#{self.numbers}"
        cache = self.machine.allocator.cache(name, size, account=bool(flags & _CONSTANTS["SLAB_ACCOUNT"]), new=True)
        result = self.machine.allocator.give(address_of(RESERVED_PFNS - 1), 256, "cache", True)
        if isinstance(result, Ptr):
            result.obj.fields["#cache"] = cache
            result.obj.memory.managed = True
        return result

    def op_sim_cache_destroy(self, args: list[Value]) -> Value:
        memory = self.machine.object_at(args[0])
        if not isinstance(self.machine.interpreter.resolve(args[0]), Sym):  # of that one nothing is known
            cache = self.cache_of(args[0])
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

    def op_sim_awaits_grace_period(self, args: list[Value]) -> Value:
        """An object goes back after a grace period, for which destroying its cache did not wait before 6.12."""
        machine = self.machine
        memory = machine.object_at(machine.interpreter.resolve(args[0]))
        mine = memory is not None and memory.family == "kmem_cache"
        if mine and memory is not None and memory.cache and "kvfree_rcu_barrier" not in machine.kernel.probes:
            machine.awaiting.append((memory.cache, machine.stack()))
        return 0

    def op_sim_slab(self, args: list[Value]) -> Value:
        return self._from_cache(args[0], args[1], "kmem_cache_alloc()", False)

    def op_sim_kmalloc(self, args: list[Value]) -> Value:
        size = args[0] if isinstance(args[0], int) else UNKNOWN_SIZE
        return self.machine.allocator.kmalloc(size, args[1], self._text(args[2]))

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
            memory.family = self._text(args[1])
        return args[0]

    def op_sim_contract(self, args: list[Value]) -> Value:
        """A free that works on a handle beside the pointer: memory of another family is not what it gives back."""
        name = self._text(args[1])
        row = self.machine.kernel.frees.get(name)
        memory = self.machine.object_at(self.machine.interpreter.resolve(args[0]))
        if row is not None and memory is not None and memory.family not in row.families:
            self.machine.event("bad-free", f"{name}() of memory that it did not hand out")
        return 0

    def op_sim_size_given(self, args: list[Value]) -> Value:
        self.machine.releaser.size_given(args[0], self._number(args, 1), self._text(args[2]))
        return 0

    def op_sim_device(self, args: list[Value]) -> Value:
        memory = self.machine.object_at(args[0])
        if memory is not None:
            memory.device = identity(args[1])
            memory.managed = True
        return args[0]

    def op_sim_is_family(self, args: list[Value]) -> Value:
        memory = self.machine.object_at(self.machine.interpreter.resolve(args[0]))
        return int(memory is not None and memory.alive and memory.family == self._text(args[1]))

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
        if not allocator.vm_area(mask, self._text(args[2])):
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
        pfn = allocator.pages(mask, order, self._text(args[2]))
        return 0 if pfn is None else allocator.give(address_of(pfn), PAGE_SIZE << order, "pages", False, order=order)

    def op_sim_kfree(self, args: list[Value]) -> Value:
        self.machine.releaser.kfree(args[0], self._text(args[1]) if len(args) > 1 else "kfree()")
        return 0

    def op_sim_cache_free(self, args: list[Value]) -> Value:
        self.machine.releaser.cache_free(self.cache_of(args[0]), args[1], "kmem_cache_free()")
        return 0

    def op_sim_bulk_free(self, args: list[Value]) -> Value:
        cache = None if args[0] == 0 else self.cache_of(args[0])
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

    def op_sim_free_pages(self, args: list[Value]) -> Value:
        self.machine.releaser.free_pages(args[0], self._number(args, 1), "free_pages()")
        return 0

    def op_sim_free_frames(self, args: list[Value]) -> Value:
        """Free the frames behind a bus address."""
        address = args[0] if isinstance(args[0], int) else 0
        order = args[1] if isinstance(args[1], int) else 0
        machine = self.machine
        outcome = machine.allocator.physical.put(address >> PAGE_SHIFT, order)
        machine.releaser._report(outcome, "dma_free_coherent()")
        return 0

    def op_sim_bus_address(self, args: list[Value]) -> Value:
        value = self.machine.interpreter.resolve(args[0])
        return 0 if not isinstance(value, Ptr) else self.machine.address(value) - address_of(0)

    def op_sim_put_page(self, args: list[Value]) -> Value:
        what = "put_page()" if args[2] else "__free_pages()"
        self.machine.releaser.put_page(args[0], self._number(args, 1), what, bool(args[2]))
        return 0

    def op_sim_free_exact(self, args: list[Value]) -> Value:
        self.machine.releaser.free_exact(args[0], self._number(args, 1), "free_pages_exact()")
        return 0

    def op_sim_free_percpu(self, args: list[Value]) -> Value:
        self.machine.releaser.free_percpu(args[0])
        return 0

    def op_sim_write(self, args: list[Value]) -> Value:
        value = self.machine.interpreter.resolve(args[0])
        if not isinstance(value, Sym):
            self.machine.releaser.check_write(self.machine.address(value), self._text(args[1]))
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

    def op_sim_known_vmalloc(self, args: list[Value]) -> Value:
        """Whether a pointer is known to be vmalloc memory; an unknown one is taken for what the caller says it is."""
        value = self.machine.interpreter.resolve(args[0])
        return int(not isinstance(value, Sym) and area(self.machine.address(value)) == VMALLOC_MAP)

    def op_sim_rodata(self, args: list[Value]) -> Value:
        return Text("constant")

    def op_sim_ksize(self, args: list[Value]) -> Value:
        size = self.usable_size(args[0], "ksize()")
        return Sym(("ksize", identity(args[0]))) if size is None else size

    def op_sim_callback(self, args: list[Value]) -> Value:
        """The function of a work item, set at run time or where it was declared."""
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, Ptr):
            fields = value.obj.fields
            found: Value = fields.get("function", fields.get("func", fields.get(0, Sym(("callback", identity(value))))))
            return found
        return Sym(("callback", identity(value)))

    def op_sim_is_bh_queue(self, args: list[Value]) -> Value:
        return int("bh" in str(identity(args[0])))

    def op_sim_in_interrupt(self, args: list[Value]) -> Value:
        return int(self.machine.task.in_interrupt())

    def op_sim_in_task_and_bh_on(self, args: list[Value]) -> Value:
        return int(not self.machine.task.in_interrupt())

    def op_sim_interrupted_task_slept(self, args: list[Value]) -> Value:
        """A softirq that sleeps puts the task to sleep that it interrupted, here the idle task, which must not."""
        if self.machine.task.context == "softirq":
            self.machine.oops("oops", "the interrupted task was put to sleep")
        return 0

    def op_sim_wiped(self, args: list[Value]) -> Value:
        """Memory is overwritten to its end; beyond an object's end that is another one's."""
        memory = self.machine.object_at(args[0])
        pointer = args[0]
        if memory is not None and isinstance(pointer, Ptr) and pointer.key:
            self.machine.event("overwritten", "memory behind the object is overwritten")
        return 0

    def op_sim_needs_node(self, args: list[Value]) -> Value:
        """Whether a tree has to grow: explored where failures are, else it has room."""
        return int(self.machine.setup.failures and self.machine.interpreter.path.choose(2, "the tree has room") == 1)

    def op_sim_order(self, args: list[Value]) -> Value:
        return order_of(args[0]) if isinstance(args[0], int) else 0

    # -- managed memory and DMA pools

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
        return self.usable_size(self.machine.address(value) - 40, "devm_krealloc()") or 0

    def op_sim_pool_block(self, args: list[Value]) -> Value:
        """A block of a DMA pool: one given back, or one of a fresh page."""
        pool = self._pool(args[0])
        if pool is None:
            return self.machine.allocator.generic(
                "dma_pool", UNKNOWN_SIZE, self.machine.allocator.mask(args[1]), "dma_pool_alloc()", "mask", False
            )
        size = pool.fields.get("size", UNKNOWN_SIZE)
        size = size if isinstance(size, int) else UNKNOWN_SIZE
        free: list[int] = pool.fields.setdefault("#free", [])
        if not free:
            allocator = self.machine.allocator
            note = self.op_sim_take([40, args[1], Text("dma_pool_alloc()")])  # struct dma_page
            if not isinstance(note, Ptr):
                return 0
            pfn = allocator.pages(allocator.mask(args[1]), 0, "dma_pool_alloc()")
            if pfn is None:
                return 0
            pool.fields.setdefault("#pages", []).append(pfn)
            free.extend(address_of(pfn) + n for n in range(PAGE_SIZE - size, -1, -size))
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


_HELPERS = frozenset(name[3:] for name in vars(Operations) if name.startswith("op_") and not name.startswith("op_sim_"))
