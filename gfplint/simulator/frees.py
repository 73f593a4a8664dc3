"""Giving memory back: each function's checks and effects, by address as the kernel sees it.

Sources: mm/slub.c, mm/slab_common.c, mm/vmalloc.c, mm/page_alloc.c, mm/percpu.c, mm/dmapool.c, mm/kasan/common.c of
6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.simulator.memory import (
    IMAGE_MAP,
    LINEAR_MAP,
    MAX_PAGE_ORDER,
    MODULE_MAP,
    NOWHERE,
    PAGE_SIZE,
    PERCPU,
    STRUCT_PAGES,
    VMALLOC_MAP,
    Cache,
    Memory,
    Page,
    Slab,
    address_of,
    area,
    frame_of,
)
from gfplint.simulator.task import WAIT_CONFIG
from gfplint.simulator.values import FIRST_PAGE, MAX_ERRNO, WRAP, Ptr, Sym, Value

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

ZERO_SIZE_PTR = 16
#: Families that are given back with the order they were asked for with.
PAGES = frozenset({"page", "pages", "folio"})


class Releaser:
    """The freeing side of one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    # -- helpers

    def _address(self, value: Value) -> int | None:
        """The address to free; None for an unknown pointer, about which nothing can be said."""
        value = self.machine.interpreter.resolve(value)
        if isinstance(value, Sym) or (isinstance(value, Ptr) and value.obj.unknown()):
            return None
        return self.machine.address(value)

    def _crash(self, message: str, address: int | None = None) -> None:
        null = address is not None and address < FIRST_PAGE
        self.machine.oops("null-deref" if null else "oops", message)

    def _attempt(self, value: Value, what: str) -> None:
        """A function gets memory to free: its own report is enough, and an owner elsewhere will free it again."""
        memory = self.machine.object_at(self.machine.interpreter.resolve(value))
        if memory is None:
            return
        memory.attempted = True
        family = self.machine.kernel.families.get(memory.family)
        row = self.machine.kernel.frees.get(what.removesuffix("()"))
        legal = row is not None and memory.family in row.families
        if family is not None and family.managed and not legal and memory.family != "devm":
            self.machine.event("second-free", f"{what} of {family.title}: its owner frees it again")
        elif memory.family == "kmem_cache" and row is not None and "kmalloc" in row.families and not legal:
            self.machine.event("bad-free", f"{what} of a slab cache object on a kernel whose allocator may not tell")

    def page_of(self, address: int, what: str) -> Page:
        """virt_to_page(); an oops where the result is no struct page."""
        pfn = frame_of(address)
        if pfn is None:
            self._crash(f"{what} of an address that has no struct page", address)
        assert pfn is not None
        page = self.machine.allocator.physical.page(pfn)
        return self.machine.allocator.physical.page(page.head) if page.head >= 0 else page

    def _dead(self, address: int) -> None:
        """Note that the program's allocation at this address is gone."""
        memory = self.machine.allocator.find(address)
        if memory is not None:
            memory.alive = False

    def _report(self, outcome: str, what: str) -> None:
        """What the page checks said."""
        if outcome == "crash":
            self.machine.oops("page-bug", f"{what}: the page's state does not fit")
        elif outcome:
            self.machine.event(outcome, f"{what}: bad page state")

    # -- slab and large kmalloc

    def kfree(self, value: Value, what: str = "kfree()") -> None:
        """kfree(): by address; a page that is no slab page counts as a large kmalloc."""
        address = self._address(value)
        if address is None or address in (0, ZERO_SIZE_PTR):
            return
        self._attempt(value, what)
        self._foreign_family(value, what)
        page = self.page_of(address, what)
        if page.slab is None:
            self.free_large(page, address, what)
        else:
            self.slab_free(page.slab, None, address, what)

    def _foreign_family(self, value: Value, what: str) -> None:
        """Memory whose owner is more than its pages (a socket buffer, a URB): freeing the bytes alone is a defect."""
        memory = self.machine.object_at(value)
        if memory is not None and memory.cache is not None and memory.cache.name.endswith("-objects"):
            self.machine.event("bad-free", f"{what} of {self._title(memory.family)}")

    def _title(self, family: str) -> str:
        """A family as messages name it."""
        known = self.machine.kernel.families.get(family)
        return known.title if known is not None else family

    def free_large(self, page: Page, address: int, what: str) -> None:
        """free_large_kmalloc()"""
        machine, physical = self.machine, self.machine.allocator.physical
        order = page.order if page.compound else 0
        if order == 0:
            machine.event("warn", f"{what} of pages that kmalloc did not hand out")
        if machine.config.kasan and (
            page.reserved or page.free or address != self._start(page) or area(address) == IMAGE_MAP
        ):
            machine.event("kasan", f"invalid free by {what}")
        if order > 3:
            machine.brief_lock(WAIT_CONFIG)
        physical.slab_delta -= 1 << order
        self._dead(address)
        if page.ref == 0 and machine.config.debug_vm:
            machine.oops("page-bug", f"{what}: the page is free already")
        page.ref -= 1
        if page.ref == 0 or page.reserved:
            self._report(physical.release(page.pfn, order), what)

    def _start(self, page: Page) -> int:
        return address_of(page.pfn)

    def cache_free(self, cache: Cache | None, value: Value, what: str) -> None:
        """kmem_cache_free(): without checks the given cache is believed."""
        address = self._address(value)
        if address is None:
            return
        self._attempt(value, what)
        config = self.machine.config
        page = self.page_of(address, what)
        slab = page.slab
        if config.slub_debug:
            if slab is None:
                self.machine.event("slub", f"{what}: the object is not in a slab page")
                return
            if cache is not None and slab.cache is not cache:
                self.machine.event("slub", f"{what}: wrong cache, the object is from {slab.cache.name}")
                cache = None
        elif slab is None:
            if config.kasan or (cache is not None and cache.active):
                self._crash(f"{what} of memory that is in no slab")
            return
        self.slab_free(slab, cache, address, what)

    def bulk_free(self, cache: Cache | None, value: Value, what: str) -> None:
        """kmem_cache_free_bulk() and kfree_bulk(): the address is looked at before anything is checked."""
        address = self._address(value)
        if address is None:
            return
        if address in (0, ZERO_SIZE_PTR):
            self._crash(f"{what} of a NULL pointer", address)
        self._attempt(value, what)
        page = self.page_of(address, what)
        if cache is None and page.slab is None:
            self.free_large(page, address, what)
            return
        if page.slab is None:
            if self.machine.config.slub_debug:
                self.machine.event("slub", f"{what}: the object is not in a slab page")
            if self.machine.config.slub_debug or self.machine.config.kasan:
                self._crash(f"{what} of memory that is in no slab")
            assert cache is not None
            cache.foreign = True
            return
        self.cache_free(cache, value, what) if cache is not None else self.slab_free(page.slab, None, address, what)

    def slab_free(self, slab: Slab, given: Cache | None, address: int, what: str) -> None:
        """slab_free(): object checks where configured, then the object is free."""
        machine, cache = self.machine, slab.cache
        config = machine.config
        machine.advice.sleeping_spinlock(what)
        offset = address - self._start(machine.allocator.physical.page(slab.pfn)) - cache.left
        index, inside = divmod(offset, cache.stride)
        if config.kasan:
            believed = given or cache
            if (offset if given else inside) % believed.stride:
                machine.event("kasan", f"invalid free by {what}")
                return
            if index not in slab.used:
                machine.event("kasan", f"double free by {what}")
                return
        if config.slub_debug:
            machine.brief_lock(WAIT_CONFIG)
            if inside:
                machine.event("slub", f"{what}: invalid object pointer")
                return
            if index not in slab.used:
                machine.event("slub", f"{what}: the object is free already")
                return
        if inside == 0 and index not in slab.used:
            machine.event("second-free", f"{what}: the object is free already")
        if inside:
            cache.confused += 1
            machine.event("interior-free", f"{what}: the pointer is not where the object starts")
        if given is not None and given is not cache:
            cache.stray = True
        self._dead(address)
        if index in slab.used:
            slab.used.discard(index)
            cache.spare.append((slab, index))

    def cache_destroy(self, cache: Cache) -> None:
        """kmem_cache_destroy(): objects that are left, or slabs that strayed, are reported."""
        physical = self.machine.allocator.physical
        cache.destroyed = True
        gone = any(slab.gone for slab in cache.slabs)
        if cache.live() or cache.stray or cache.foreign or gone:
            self.machine.event("slub", f"objects remain in {cache.name} when it is destroyed")
        for slab in cache.slabs:
            if not slab.gone and not slab.used:
                for n in range(1 << cache.order):
                    physical.page(slab.pfn + n).slab = None
                physical.page(slab.pfn).ref = 0
                physical.release(slab.pfn, cache.order)
                physical.slab_delta -= 1 << cache.order
        cache.slabs = []

    # -- vmalloc

    def vfree(self, value: Value, what: str = "vfree()") -> None:
        """vfree(): deferred in interrupts, else it may sleep."""
        self._attempt(value, what)
        if self.machine.task.in_interrupt():
            self.vfree_atomic(value, what)
            return
        self.machine.might_sleep(what)
        self.vfree_now(value, what)

    def vfree_atomic(self, value: Value, what: str) -> None:
        """vfree_atomic(): the address is queued in the memory itself, and freed by a work item."""
        address = self._address(value)
        if address is None or address == 0:
            return
        self.check_write(address, what)
        self.vfree_now(value, what)

    def vfree_now(self, value: Value, what: str) -> None:
        """The mapping goes away, and its pages."""
        address = self._address(value)
        if address is None or address == 0:
            return
        memory = self._mapping(address, what)
        if memory is None:
            return
        memory.alive = False
        physical = self.machine.allocator.physical
        for pfn, order in memory.pages:
            self._report(physical.put(pfn, order), what)
        if memory.family != "vmap":
            physical.vmalloc_delta -= (memory.size + PAGE_SIZE - 1) // PAGE_SIZE

    def _mapping(self, address: int, what: str) -> Memory | None:
        memory = next(
            (
                m
                for _, m in self.machine.allocator.memories
                if m.address == address and m.alive and area(address) == VMALLOC_MAP
            ),
            None,
        )
        if memory is None:
            self.machine.event("warn", f"{what} of an address that is no mapping")
        return memory

    def vunmap(self, value: Value, what: str = "vunmap()") -> None:
        """vunmap(): the mapping goes away, its pages stay."""
        if self.machine.task.in_interrupt():
            self.machine.bug(f"{what} in an interrupt")
        self.machine.might_sleep(what)
        address = self._address(value)
        if address is None or address == 0:
            return
        self._attempt(value, what)
        memory = self._mapping(address, what)
        if memory is not None:
            memory.alive = False
            if memory.pages:
                self.machine.event("leaked-pages", f"{what} keeps the pages of vmalloc memory")

    # -- pages

    def free_pages(self, value: Value, order: int | None, what: str) -> None:
        """free_pages(): by address; 0 is nothing."""
        address = self._address(value)
        if address is None or address == 0:
            return
        self._attempt(value, what)
        self.put_address(address, self._order(value, order, what), what)

    def _order(self, value: Value, order: int | None, what: str) -> int:
        """The order that a free is given; an unknown one is taken to be right, a wrong one is a leak or worse."""
        memory = self.machine.object_at(self.machine.interpreter.resolve(value))
        own = memory.order if memory is not None and memory.family in PAGES else None
        if order is None:
            return own or 0
        if memory is not None and memory.family == "exact":
            self.size_given(value, PAGE_SIZE << order, what)
        if own is not None and memory is not None and memory.alive and own != order:
            self._wrong_size(PAGE_SIZE << own, PAGE_SIZE << order, what)
        return order

    def _wrong_size(self, have: int, given: int, what: str) -> None:
        fault = "the rest leaks" if given < have else "others' pages are freed too"
        self.machine.event("wrong-size", f"{what} of {given >> 12} of {have >> 12} pages: {fault}")

    def size_given(self, value: Value, size: int | None, what: str) -> None:
        """A free is told how large its memory is: it has to be what was asked for, in whole pages."""
        memory = self.machine.object_at(self.machine.interpreter.resolve(value))
        if memory is None or size is None or not memory.alive:
            return
        have, given = -(-memory.size // PAGE_SIZE), -(-size // PAGE_SIZE)
        if have != given:
            self._wrong_size(have * PAGE_SIZE, given * PAGE_SIZE, what)

    def put_address(self, address: int, order: int, what: str) -> None:
        """__free_pages(virt_to_page(address), order)"""
        config = self.machine.config
        pfn = frame_of(address)
        if pfn is None:
            if config.debug_vm and address >= FIRST_PAGE:
                self.machine.oops("page-bug", f"{what} of an address outside the linear map")
            self._crash(f"{what} of an address that has no struct page", address)
        assert pfn is not None
        self.machine.advice.sleeping_spinlock(what)
        if order > 3:
            self.machine.brief_lock(WAIT_CONFIG)
        self._in_slab(pfn, what)
        self._dead(address)
        self._report(self.machine.allocator.physical.put(pfn, order), what)

    def _in_slab(self, pfn: int, what: str) -> None:
        """Pages of a slab that are given back as pages stay in use as objects."""
        page = self.machine.allocator.physical.pages.get(pfn)
        if page is not None and page.slab is not None and page.slab.used:
            self.machine.event("bad-free", f"{what} of pages that a slab is made of")

    def free_exact(self, value: Value, size: int | None, what: str) -> None:
        """free_pages_exact(): page by page."""
        address = self._address(value)
        if address is None:
            return
        self._attempt(value, what)
        memory = self.machine.object_at(self.machine.interpreter.resolve(value))
        if memory is not None and memory.family in ("exact", *PAGES):
            self.size_given(value, size, what)
        if size is None:
            size = memory.size if memory is not None else PAGE_SIZE
        end = (address + min(size, PAGE_SIZE << MAX_PAGE_ORDER + 1)) % WRAP
        while address < end:
            self.put_address(address, 0, what)
            address += PAGE_SIZE

    def page_frame(self, value: Value, what: str) -> int | None:
        """The frame number behind a struct page pointer; an oops where it is none."""
        address = self._address(value)
        if address is None:
            return None
        if address < PAGE_SIZE or address >= WRAP - MAX_ERRNO or area(address) == NOWHERE:
            self._crash(f"{what} of a pointer that is no struct page", address)
        if STRUCT_PAGES <= address < STRUCT_PAGES + (1 << 24):
            return (address - STRUCT_PAGES) // 64
        return -1

    def put_page(self, value: Value, order: int | None, what: str, whole: bool) -> None:
        """__free_pages() or, with ``whole``, put_page(): by struct page."""
        pfn = self.page_frame(value, what)
        if pfn is None:
            return
        self._attempt(value, what)
        self.machine.advice.sleeping_spinlock(what)
        if whole:
            page = self.machine.allocator.physical.pages.get(pfn)
            order = page.order if page is not None and page.compound else 0
        order = self._order(value, order, what)
        if pfn < 0:
            self._not_a_page(value, what, whole)
            return
        physical = self.machine.allocator.physical
        if order > 3:
            self.machine.brief_lock(WAIT_CONFIG)
        address = self._address(value)
        if address is not None:
            self._dead(address)
        self._report(physical.put(pfn, order), what)

    def _not_a_page(self, value: Value, what: str, whole: bool) -> None:
        """The bytes at the pointer are taken for a struct page: put_page() follows them, __free_pages() mostly does
        nothing.
        """
        if whole and self.machine.config.slub_debug:
            self._crash(f"{what} follows the poison in memory that is no struct page")
        address = self._address(value)
        if address is not None:
            self.check_write(address, what)
        self.machine.event("silent", f"{what} of memory that is no struct page")

    # -- others

    def free_percpu(self, value: Value, what: str = "free_percpu()") -> None:
        """free_percpu(): finds the chunk by address."""
        address = self._address(value)
        if address is None or address == 0:
            return
        self._attempt(value, what)
        self.machine.brief_lock(WAIT_CONFIG)
        self.machine.advice.sleeping_spinlock(what)
        if not PERCPU <= address < self.machine.allocator.next_percpu:
            self._crash(f"{what} of memory that is not per-CPU")
        memory = self.machine.allocator.find(address)
        if memory is not None:
            if not memory.alive:
                self.machine.event("second-free", f"{what}: freed already")
            else:
                self.machine.allocator.physical.free_delta += 1
            memory.alive = False

    def check_write(self, address: int, what: str) -> None:
        """The kernel writes to the memory: an oops where it can't."""
        where = area(address)
        if where == NOWHERE:
            self._crash(f"{what} writes to an address that is no memory", address)
        if where == IMAGE_MAP:
            self._crash(f"{what} writes to read-only memory")
        memory = self.machine.allocator.find(address) if where == VMALLOC_MAP else None
        if memory is not None and not memory.alive:
            self._crash(f"{what} writes to memory that is unmapped")

    def where(self, value: Value) -> str:
        """The area of a pointer."""
        address = self._address(value)
        return "unknown" if address is None else area(address)

    def generic(self, name: str, value: Value, families: tuple[str, ...]) -> None:
        """A free of which only the families are known: others are a defect."""
        value = self.machine.interpreter.resolve(value)
        memory = self.machine.object_at(value)
        if memory is None:
            return
        memory.attempted = True
        known = self.machine.kernel.families.get(memory.family)
        allowed = memory.family in families or any(f in families for f in (known.may_be if known else ()))
        if not allowed:
            self.machine.event("bad-free", f"{name}() of {self._title(memory.family)}")
        elif not memory.alive:
            self.machine.event("second-free", f"{name}(): freed already")
        memory.alive = False


__all__ = ["LINEAR_MAP", "MODULE_MAP", "Ptr", "Releaser"]
