"""Getting memory: the page allocator's fast and slow path by mask, slab caches, vmalloc, per-CPU memory, and charging.

Sources: mm/page_alloc.c, mm/slub.c, mm/failslab.c, mm/util.c, mm/vmalloc.c, mm/percpu.c, mm/memcontrol.c,
mm/oom_kill.c of 6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.kernel.model import Mask
from gfplint.simulator.events import HungError
from gfplint.simulator.lockdep import FS_RECLAIM, IO_RECLAIM
from gfplint.simulator.memcg import Charging
from gfplint.simulator.memory import (
    COSTLY_ORDER,
    KMALLOC_MAX,
    KMALLOC_MAX_CACHE,
    MAX_PAGE_ORDER,
    PAGE_SHIFT,
    PAGE_SIZE,
    PERCPU,
    PMD_SIZE,
    STRUCT_PAGES,
    VMALLOC,
    Cache,
    Memory,
    Physical,
    Slab,
    address_of,
    cache_layout,
    kmalloc_class,
    order_of,
)
from gfplint.simulator.task import WAIT_CONFIG, WAIT_SLEEP
from gfplint.simulator.values import Obj, Ptr, Value
from gfplint.simulator.zones import CMA, HIGH_PAGES, USABLE, ZONE_NORMAL, has_no_address, takes_cma, zone_of

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

DIRECT, IO, FS, HIGH = "__GFP_DIRECT_RECLAIM", "__GFP_IO", "__GFP_FS", "__GFP_HIGH"
NOWARN, NOFAIL, NORETRY, MAYFAIL = "__GFP_NOWARN", "__GFP_NOFAIL", "__GFP_NORETRY", "__GFP_RETRY_MAYFAIL"
MEMALLOC, NOMEMALLOC, COMP, ACCOUNT = "__GFP_MEMALLOC", "__GFP_NOMEMALLOC", "__GFP_COMP", "__GFP_ACCOUNT"
ZERO, DMA, DMA32, HIGHMEM, MOVABLE, RECLAIMABLE = (
    "__GFP_ZERO",
    "__GFP_DMA",
    "__GFP_DMA32",
    "__GFP_HIGHMEM",
    "__GFP_MOVABLE",
    "__GFP_RECLAIMABLE",
)
NOLOCKDEP, KSWAPD = "__GFP_NOLOCKDEP", "__GFP_KSWAPD_RECLAIM"

ZERO_SIZE_PTR = 16
INT_MAX = (1 << 31) - 1

#: Pages that each rank of request may still take when memory is exhausted: ordinary ones, those that dip into the
#: reserve
#: (__GFP_HIGH), those without watermarks (__GFP_MEMALLOC, PF_MEMALLOC). Measured order of magnitude, not a constant of
#: the kernel.
RESERVES = (0, 256, 1024)
#: States of memory that pressure explores: what is exhausted (as in ``Allocator.exhausted``), and whether reclaim finds
#: pages. Below the min watermark only requests that may use the reserves succeed at once.
LEVELS = {
    "plenty": (0, False),
    "below min": (1, True),
    "only reserves": (1, False),
    "nothing": (2, False),
}
#: Pages that reclaim finds when it may do I/O but not enter file systems.
RECLAIMABLE_BY_IO = 512


class Allocator:
    """What hands out memory on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.physical = Physical(machine.config)
        self.caches: dict[str, Cache] = {}
        self.exhausted = 0  # 0: memory is there, 1: only the reserves are, 2: only what PF_MEMALLOC may take
        self.taken = [0, 0, 0]
        self.reclaimed = 0
        self.fail_slab = False
        self.fail_pages = False
        self.charging = Charging(machine)
        self.reclaimable = False  # where memory is short, reclaim finds some
        self.left = ""  # what is free though memory is short, as in zones.USABLE
        self.next_vmalloc = VMALLOC + 0x100_0000
        self.next_percpu = PERCPU
        self.memories: list[tuple[Obj, Memory]] = []
        self.page_objects: dict[int, Obj] = {}
        self.atomic_percpu = 0
        self.vmalloc_sleeps = True

    # -- masks

    def mask(self, gfp: Value) -> Mask:
        """The named bits of a mask; of an unknown one none."""
        gfp = self.machine.interpreter.resolve(gfp)
        return self.machine.bits.names(gfp) if isinstance(gfp, int) else frozenset()

    def effective(self, mask: Mask) -> Mask:
        """current_gfp_context(): what the task's scopes leave of a mask."""
        flags = self.machine.task.flags
        if flags.get("noio"):
            return mask - {IO, FS}
        if flags.get("nofs"):
            mask = mask - {FS}
        if flags.get("pin"):
            mask = mask - {MOVABLE}
        return mask

    def might_alloc(self, mask: Mask, what: str) -> None:
        """might_alloc(): the reclaim map, then the sleep check; a fact about the mask alone."""
        self.reclaim_map(self.effective(mask))
        self.machine.advice.asked(mask, what)
        if DIRECT in mask:
            self.machine.might_sleep(what)

    def reclaim_map(self, mask: Mask) -> None:
        """fs_reclaim_acquire() and _release(), and the same for I/O"""
        machine = self.machine
        if (
            not machine.debug_locks
            or DIRECT not in mask
            or IO not in mask
            or NOLOCKDEP in mask
            or machine.task.flags.get("noreclaim")
        ):
            return
        if machine.task.context == "task":
            machine.learn(IO_RECLAIM)
        if FS not in mask:
            return
        if machine.task.context != "task":
            machine.report_lock("lock-state", "reclaim is entered in an interrupt")
            return
        machine.learn(FS_RECLAIM)

    # -- pages

    def pages(self, mask: Mask, order: int, what: str, invalid: bool = False) -> int | None:
        """__alloc_pages(): the first frame, or None. Raises HungError where the kernel would loop for ever."""
        machine = self.machine
        if order > MAX_PAGE_ORDER:
            if NOWARN not in mask:
                machine.event("warn", f"order {order} is more than the page allocator has")
            return None
        self.check_zone(mask, what)
        self.might_alloc(mask, what)
        self._explored_pressure(mask, what)
        if self.fail_pages and NOFAIL not in mask:
            return None
        effective = self.effective(mask)
        machine.advice.sleeping_spinlock(what)
        if order > COSTLY_ORDER:
            machine.brief_lock(WAIT_CONFIG)  # beyond the per-CPU lists: zone->lock
        if not self._granted(effective, what) and not self._slow(effective, order):
            return None
        charge = ACCOUNT in mask and not self.charging.charge(mask, order, PAGE_SIZE << order, what)
        if charge:
            return None
        return self.physical.take(order, COMP in mask)

    def _rank(self, mask: Mask) -> int:
        """Which reserve a request may use: 0 none, 1 that of __GFP_HIGH, 2 all."""
        no_watermarks = MEMALLOC in mask or bool(self.machine.task.flags.get("noreclaim"))
        if no_watermarks and NOMEMALLOC not in mask:
            return 2
        return 1 if HIGH in mask else 0

    def check_zone(self, mask: Mask, what: str) -> None:
        """gfp_zone(): a kernel that checks itself stops at bits that exclude each other."""
        try:
            zone = zone_of(mask, self.machine.config.highmem)
        except ValueError as error:
            if self.machine.config.debug_vm:
                self.machine.oops("bug-on", f"{what} asks for {error}")
            return
        if zone != ZONE_NORMAL:
            self.machine.note(f"the request is for zone {zone}")

    def _granted(self, mask: Mask, what: str) -> bool:
        if self.exhausted == 0:
            return not self._explored_failure(mask, what)
        return self._usable(self.left, mask)

    def _usable(self, left: str, mask: Mask) -> bool:
        """Whether a request may have what is left: pages of contiguous areas, or high memory."""
        if left == HIGH_PAGES and not self.machine.config.highmem:
            return False
        usable = left in USABLE and USABLE[left] in mask and (left != CMA or takes_cma(mask))
        if usable:
            self.machine.note(f"there are {left}, which the mask allows")
        return usable

    def _explored_pressure(self, mask: Mask, what: str) -> None:
        """Where pressure is explored, every request finds one of these states of memory. That there are only pages
        which few masks allow is tried with these alone: the others find nothing then.
        """
        if self.machine.setup.pressure:
            effective = self.effective(mask)
            names = (*LEVELS, *(left for left, bit in USABLE.items() if bit in effective))
            level = self.machine.interpreter.path.choose(len(names), f"memory for {what} ({', '.join(names)})")
            self.exhausted, self.reclaimable = LEVELS.get(names[level], (1, False))
            self.left = names[level] if names[level] in USABLE else ""

    def _explored_failure(self, mask: Mask, what: str) -> bool:
        machine = self.machine
        if not machine.setup.failures or (NOFAIL in mask and DIRECT in mask):
            return False
        failed = machine.interpreter.path.choose(2, f"{what} succeeds") == 1
        if failed:
            machine.advice.failed(mask)
        return failed

    def _from_reserves(self, mask: Mask, order: int) -> bool:
        rank = self._rank(mask)
        if rank < self.exhausted or self.taken[rank] + (1 << order) > RESERVES[rank]:
            return False
        self.taken[rank] += 1 << order
        self.machine.note("the request dips into the reserves")
        return True

    def _slow(self, mask: Mask, order: int) -> bool:
        """The slow path: reserves, reclaim, the OOM killer, and what each flag makes of them."""
        machine = self.machine
        if self.exhausted and NOFAIL in mask:
            self._nofail_checks(mask, order)
        if self.exhausted and KSWAPD in mask:
            machine.note("kswapd is woken")
        if self.exhausted and self._from_reserves(mask, order):
            return True
        if DIRECT in mask and not machine.task.flags.get("noreclaim"):
            if self.reclaimable:
                machine.note("direct reclaim: the task sleeps until pages are free")
                return True
            machine.note("direct reclaim")
            if self.exhausted and NORETRY not in mask and MAYFAIL not in mask:
                return self._reclaim_or_oom(mask, order)
        if NOWARN not in mask:
            machine.event("alloc-failure", "page allocation failure")
        return False

    def _nofail_checks(self, mask: Mask, order: int) -> None:
        if order > 1:
            self.machine.event("warn", "__GFP_NOFAIL with an order above 1")
        if DIRECT not in mask:
            self.machine.event("warn", "__GFP_NOFAIL without direct reclaim")
        if self.machine.task.flags.get("noreclaim"):
            self.machine.event("warn", "__GFP_NOFAIL under PF_MEMALLOC")

    def _reclaim_or_oom(self, mask: Mask, order: int) -> bool:
        if order > COSTLY_ORDER and NOFAIL not in mask:
            if NOWARN not in mask:
                self.machine.event("alloc-failure", "page allocation failure")
            return False
        if FS in mask:
            self.machine.oops("oom", "nothing can be reclaimed: the OOM killer runs")
        if IO in mask and self.reclaimed + (1 << order) <= RECLAIMABLE_BY_IO:
            self.reclaimed += 1 << order
            return True
        self.machine.event("hang", "the request would loop for ever")
        raise HungError

    # -- slab

    def cache(
        self, name: str, size: int, shared: bool = False, power: bool = False, account: bool = False, new: bool = False
    ) -> Cache:
        """The cache of this name, made when first asked for (``new``: always)."""
        found = self.caches.get(name)
        if found is None or new:
            stride, left, order = cache_layout(size, self.machine.config, power)
            found = self.caches[name] = Cache(name, size, stride, left, order, shared=shared, account=account)
            if shared:
                self._warm(found)
        return found

    def _warm(self, cache: Cache) -> None:
        """A cache that others use has a slab with objects in use: up to the second page where objects are padded."""
        slab = self._new_slab(cache)
        debug = self.machine.config.slub_debug
        warm = (
            next((i for i in range(cache.objects) if cache.left + i * cache.stride >= PAGE_SIZE), 1)
            if debug
            else cache.objects - 1
        )
        if self.machine.config.kasan:
            warm = 3
        slab.used = set(range(warm))
        cache.spare = [(slab, i) for i in range(cache.objects - 1, warm - 1, -1)]
        self.physical.free_delta = self.physical.slab_delta = 0

    def _new_slab(self, cache: Cache) -> Slab:
        pfn = self.physical.take(cache.order, True)
        slab = Slab(cache, pfn)
        for n in range(1 << cache.order):
            self.physical.page(pfn + n).slab = slab
        self.physical.slab_delta += 1 << cache.order
        cache.slabs.append(slab)
        return slab

    def fix_mask(self, mask: Mask, invalid: bool) -> Mask:
        """kmalloc_fix_flags(): bits that slab memory can't have are dropped, with a message."""
        if invalid or mask & {DMA32, HIGHMEM}:
            self.machine.event("mask-fixed", "the slab allocator drops bits that it can't take")
        return mask - {DMA32, HIGHMEM}

    def slab_object(self, cache: Cache, mask: Mask, what: str, invalid: bool = False) -> int | None:
        """slab_alloc_node(): the object's address, or None."""
        machine = self.machine
        self.might_alloc(mask, what)
        machine.advice.sleeping_spinlock(what)
        if self.fail_slab and NOFAIL not in mask:
            return None
        if machine.config.slub_debug:
            machine.brief_lock(WAIT_CONFIG)  # caches with checks always take the node's list_lock
        self._explored_pressure(frozenset(), what)
        if self.exhausted == 0 and self._explored_failure(mask, what):
            return None
        if self._needs_slab(cache, mask) and not self._refill(cache, mask, invalid):
            return None
        slab, index = cache.spare.pop()
        cache.active = True
        slab.used.add(index)
        if (ACCOUNT in mask or cache.account) and not self.charging.charge(mask, 0, cache.size, what):
            slab.used.discard(index)
            cache.spare.append((slab, index))
            return None
        return address_of(slab.pfn) + cache.left + index * cache.stride

    def _needs_slab(self, cache: Cache, mask: Mask) -> bool:
        """Whether the cache has no object left; explored only where a new slab shows more than an object does."""
        if not cache.spare:
            return True
        telling = self.exhausted > 0 or bool(mask & {DMA32, HIGHMEM})
        machine = self.machine
        return (
            machine.setup.failures
            and telling
            and machine.interpreter.path.choose(2, f"{cache.name} has a free object") == 1
        )

    def _refill(self, cache: Cache, mask: Mask, invalid: bool) -> bool:
        """allocate_slab(): the mask is checked only here."""
        mask = self.fix_mask(mask, invalid)
        if self.fail_pages and NOFAIL not in mask:
            return False
        if self.exhausted and not self._slow(self.effective(mask), 0):
            if NOWARN not in mask:
                self.machine.event("alloc-failure", "the slab allocator is out of memory")
            return False
        slab = self._new_slab(cache)
        cache.spare = [(slab, i) for i in range(cache.objects - 1, -1, -1)]
        return True

    def kmalloc(self, size: int, gfp: Value, what: str, family: str = "kmalloc", zero: bool = False) -> Value:
        """kmalloc(): from the size classes up to two pages, then from pages, nothing above KMALLOC_MAX_SIZE."""
        mask, invalid = self.mask(gfp), self.invalid(gfp)
        if size == 0:
            return ZERO_SIZE_PTR
        if size > KMALLOC_MAX_CACHE:
            return self._large(size, mask, invalid, what, family, zero)
        kind = self.kmalloc_type(mask)
        name = f"{kind}-{size_name(kmalloc_class(size) or size)}"
        cache = self.cache(name, kmalloc_class(size) or size, shared=True, power=True)
        address = self.slab_object(cache, mask, what, invalid)
        return (
            0
            if address is None
            else self.give(address, size, family, zero or ZERO in mask, cache=cache, accounted=ACCOUNT in mask)
        )

    @staticmethod
    def kmalloc_type(mask: Mask) -> str:
        """The kind of kmalloc cache that a mask selects (kmalloc_type())."""
        if DMA in mask:
            return "dma-kmalloc"
        if RECLAIMABLE in mask:
            return "kmalloc-rcl"
        return "kmalloc-cg" if ACCOUNT in mask else "kmalloc"

    def _large(self, size: int, mask: Mask, invalid: bool, what: str, family: str, zero: bool) -> Value:
        mask = self.fix_mask(mask, invalid)
        order = order_of(size)
        pfn = self.pages(mask | {COMP}, order, what)
        if pfn is None:
            return 0
        self.physical.slab_delta += 1 << order
        return self.give(address_of(pfn), size, family, zero or ZERO in mask, order=order, accounted=ACCOUNT in mask)

    def invalid(self, gfp: Value) -> bool:
        """Whether a mask holds bits that no kernel has."""
        return isinstance(gfp, int) and self.machine.bits.unknown(gfp)

    # -- vmalloc

    def vmalloc(
        self, size: int, gfp: Value, what: str, huge: bool = False, zero: bool = False, family: str = "vmalloc"
    ) -> Value:
        """__vmalloc_node_range(): never in an interrupt, always sleeps, whatever the mask."""
        machine, mask = self.machine, self.mask(gfp)
        if size == 0:
            machine.event("warn", "vmalloc of nothing")
            return 0
        if not self.vm_area(mask, what):
            return 0
        count = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
        mapped = self._mapping(mask | {HIGHMEM}, count, huge and size >= PMD_SIZE, what)
        if mapped is None:
            if NOWARN not in mask:
                machine.event("alloc-failure", "vmalloc error")
            return 0
        address, self.next_vmalloc = self.next_vmalloc, self.next_vmalloc + (count + 1) * PAGE_SIZE
        self.physical.vmalloc_delta += count
        return self.give(address, size, family, zero or ZERO in mask, pages=tuple(mapped), accounted=ACCOUNT in mask)

    def vm_area(self, mask: Mask, what: str) -> bool:
        """A range of addresses: its bookkeeping comes from slab caches."""
        machine = self.machine
        if not self.vmalloc_sleeps and DIRECT not in mask:
            return not (machine.setup.failures and self._explored_failure(mask, what))
        if machine.task.in_interrupt():
            machine.bug(f"{what} in an interrupt or with bottom halves disabled")
        slab_mask = self.machine.bits.value(
            mask & {DIRECT, IO, FS, NOFAIL, NORETRY, MAYFAIL, NOWARN, HIGH, ACCOUNT, "__GFP_KSWAPD_RECLAIM"}
        )
        if self.fail_slab and NOFAIL not in mask:
            machine.might_sleep(what)
            if NOWARN not in mask:
                machine.event("alloc-failure", "vmalloc error")
            return False
        machine.might_sleep(what)
        machine.advice.asked(mask, what)
        self.reclaim_map(self.effective(self.mask(slab_mask)))
        return not (machine.setup.failures and self.exhausted == 0 and self._explored_failure(mask, what))

    def _mapping(self, mask: Mask, count: int, huge: bool, what: str) -> list[tuple[int, int]] | None:
        """Pages for a mapping, single ones or, where allowed, of PMD size; they are split again."""
        if huge and COMP in mask and self.machine.config.debug_vm:
            self.machine.oops("bug-on", "a compound page is split")
        if self.exhausted:
            for _ in range(count):
                if not self._slow(self.effective(mask) | {NOWARN}, 0):
                    return None
        if self.fail_pages and NOFAIL not in mask:
            return None
        if ACCOUNT in mask and not self.charging.charge(mask, 0, count * PAGE_SIZE, what):
            return None
        return [(self.physical.take(0), 0) for _ in range(min(count, 64))]

    # -- pages for callers

    def page_struct(self, pfn: int, order: int, mask: Mask, family: str = "page") -> Value:
        """alloc_pages(): a pointer to struct page."""
        value = self.give(
            STRUCT_PAGES + pfn * 64, 64, family, True, order=order, pages=((pfn, order),), accounted=ACCOUNT in mask
        )
        if isinstance(value, Ptr):
            self.page_objects[pfn] = value.obj
            memory, highmem = value.obj.memory, self.machine.config.highmem
            memory.no_address, memory.movable = has_no_address(mask, highmem), MOVABLE in self.effective(mask)
        return value

    def percpu(self, size: int, gfp: Value, what: str) -> Value:
        """pcpu_alloc(): a mask that blocks takes a mutex; others are served from what is populated (mm/percpu.c)."""
        machine, mask = self.machine, self.mask(gfp)
        if DIRECT in mask:
            machine.might_sleep(what)
            machine.brief_lock(WAIT_SLEEP, "pcpu_alloc_mutex")
        elif size >= PAGE_SIZE:
            self.atomic_percpu += 1
        machine.brief_lock(WAIT_CONFIG)
        machine.advice.sleeping_spinlock(what)
        if DIRECT not in mask:
            machine.advice.asked(mask, what)
        if DIRECT not in mask and self.atomic_percpu > ATOMIC_PERCPU_PAGES:
            return 0
        if ACCOUNT in mask and not self.charging.charge(mask, 0, 2 * size, what):
            return 0
        if machine.setup.failures and self._explored_failure(mask, what):
            return 0
        address, self.next_percpu = self.next_percpu, self.next_percpu + max(8, size) + 8
        self.physical.free_delta -= 1
        return self.give(address, size, "percpu", True, accounted=ACCOUNT in mask)

    # -- what the program gets

    def give(
        self,
        address: int,
        size: int,
        family: str,
        zero: bool,
        *,
        order: int = 0,
        cache: Cache | None = None,
        pages: tuple[tuple[int, int], ...] = (),
        accounted: bool = False,
    ) -> Value:
        """A pointer to fresh memory."""
        obj = Obj(family, None if zero else ("heap", address), zero)
        accounted = (accounted or bool(cache and cache.account)) and self.charging.target() is not None
        memory = Memory(address, size, family, order, cache=cache, pages=pages, accounted=accounted)
        memory.stack = self.machine.stack()
        memory.charges = self.charging.given()
        obj.memory = memory
        self.memories.append((obj, memory))
        self.machine.note(f"{family} memory, {size} bytes")
        return Ptr(obj)

    def find(self, address: int) -> Memory | None:
        """The live allocation that an address is in, or one that was freed."""
        dead = None
        for _, memory in reversed(self.memories):
            if memory.address <= address < memory.address + max(memory.size, 1):
                if memory.alive:
                    return memory
                dead = dead or memory
        return dead

    def generic(self, family: str, size: int, mask: Mask, what: str, sleeps: str, zero: bool) -> Value:
        """An allocator of which only the family and the mask are known: it takes slab memory of its own cache."""
        if sleeps == "always":
            self.machine.might_sleep(what)
        elif sleeps == "never":
            mask = mask - {DIRECT}
        if DIRECT in mask and sleeps != "always":
            self.might_alloc(mask, what)
        elif sleeps == "always":
            self.reclaim_map(self.effective(mask))
        if self.machine.setup.failures and self._explored_failure(mask, what):
            return 0
        cache = self.cache(f"{family}-objects", 256, shared=True)
        if not cache.spare:
            slab = self._new_slab(cache)
            cache.spare = [(slab, i) for i in range(cache.objects - 1, -1, -1)]
        slab, index = cache.spare.pop()
        slab.used.add(index)
        return self.give(
            address_of(slab.pfn) + cache.left + index * cache.stride,
            size,
            family,
            zero,
            cache=cache,
            accounted=ACCOUNT in mask,
        )


#: Pages of per-CPU memory that are populated ahead for allocations that may not block (mm/percpu.c,
#: PCPU_EMPTY_POP_PAGES_HIGH).
ATOMIC_PERCPU_PAGES = 24


def size_name(size: int) -> str:
    """The size in a kmalloc cache's name: 1024 is ``1k``."""
    return f"{size // 1024}k" if size >= 1024 else str(size)


__all__ = ["KMALLOC_MAX", "Allocator", "size_name"]
