"""Physical pages, slab caches and address ranges: what an address is, and what giving it back does.

Sources: mm/page_alloc.c, mm/slub.c, mm/slab_common.c, mm/vmalloc.c, mm/kasan/generic.c of 6.12. Positions of objects
inside
slabs follow from sizes; a cache that others use too starts ``warm`` objects into a slab.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gfplint.simulator.configs import Config

PAGE_SIZE = 4096
PAGE_SHIFT = 12
MAX_PAGE_ORDER = 10
COSTLY_ORDER = 3
KMALLOC_MAX_CACHE = 2 * PAGE_SIZE
KMALLOC_MAX = PAGE_SIZE << MAX_PAGE_ORDER
PMD_SIZE = 2 << 20

LINEAR = 0xFFFF_8880_0000_0000
VMALLOC = 0xFFFF_C900_0000_0000
IMAGE = 0xFFFF_FFFF_8100_0000
MODULE = 0xFFFF_FFFF_C000_0000
RANGE = 1 << 36
#: Per-CPU pointers are small offsets; struct pages lie in reserved pages of the linear map.
PERCPU = 0x2_3040
STRUCT_PAGES = LINEAR + 0x10_0000
RESERVED_PFNS = 0x400
FIRST_FREE_PFN = 0x8000
#: The task's stack: a block of order 2 in the linear map (kernel/fork.c, no VMAP_STACK), used from its last page down.
STACK_PFN, STACK_ORDER = 0x4000, 2
STACK = LINEAR + (STACK_PFN << PAGE_SHIFT) + (PAGE_SIZE << STACK_ORDER) - 0x300
#: Frames between blocks: what lies next to a fresh block is nobody's that the program knows.
GAP = 8

#: Objects that a slab should hold on two CPUs (calculate_order()).
MIN_OBJECTS = 12

#: Slab object sizes of kmalloc (mm/slab_common.c, kmalloc_info).
KMALLOC_SIZES = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192)


@dataclass
class Page:
    """One page frame."""

    pfn: int
    ref: int = 1
    order: int = 0
    compound: bool = False
    head: int = -1  # pfn of the head where this is a tail of a compound page
    slab: Slab | None = None
    reserved: bool = False
    free: bool = False


@dataclass
class Slab:
    """Pages that a cache has cut into objects; ``used`` are the indices of live ones."""

    cache: Cache
    pfn: int
    used: set[int] = field(default_factory=set)
    gone: bool = False


@dataclass
class Cache:
    """A slab cache. ``stride``: distance of objects; ``left``: where the first begins; ``active``: it has a CPU slab;
    ``stray``: slabs of it went to another cache; ``confused``: frees at addresses inside objects; ``account``:
    SLAB_ACCOUNT."""

    name: str
    size: int
    stride: int
    left: int
    order: int
    warm: int = 0
    shared: bool = False
    account: bool = False
    active: bool = False
    stray: bool = False
    foreign: bool = False
    confused: int = 0
    destroyed: bool = False
    variable: str = ""  # the global variable through which a cache is used that was made elsewhere
    slabs: list[Slab] = field(default_factory=list)
    spare: list[tuple[Slab, int]] = field(default_factory=list)

    @property
    def objects(self) -> int:
        return max(1, ((PAGE_SIZE << self.order) - self.left) // self.stride)

    def live(self) -> int:
        """Objects not given back."""
        return sum(len(slab.used) for slab in self.slabs if not slab.gone)


@dataclass
class Memory:
    """An allocation as the program sees it. ``family``: as in kernel/tables/families.toml; ``line``: where it was
    made.
    """

    address: int
    size: int
    family: str
    order: int = 0
    alive: bool = True
    cache: Cache | None = None
    pages: tuple[tuple[int, int], ...] = ()  # (pfn, order) of the pages behind a mapping
    accounted: bool = False
    managed: bool = False
    device: Any = None
    stack: tuple[tuple[str, int], ...] = ()
    lost: tuple[tuple[str, int], ...] = ()
    escaped: bool = False
    attempted: bool = False  # some free was given it
    reported: bool = False
    no_address: bool = False  # pages of high memory
    movable: bool = False
    charges: tuple[tuple[Any, int], ...] = ()  # (memory cgroup, bytes), until it is freed


def cache_layout(size: int, config: Config, power_aligned: bool) -> tuple[int, int, int]:
    """(stride, left, order) of a cache's objects, with the metadata that the configuration adds."""
    stride, left = size, 0
    if config.slub_debug:
        left = 64 if power_aligned and size >= 64 else 16
        stride = size + left + 96
    elif config.kasan:
        stride = size + (128 if size > 448 else 64)
    if power_aligned:
        stride = (
            1 << (stride - 1).bit_length() if (config.kasan or config.slub_debug) or size & (size - 1) == 0 else stride
        )
        left = min(left, stride - size)
    stride = -(-stride // 8) * 8
    order = 0
    while (PAGE_SIZE << order) // stride < MIN_OBJECTS and order < COSTLY_ORDER:
        order += 1
    return stride, left, order


class Physical:
    """Page frames, the free counter and the slab counter."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.pages = {STACK_PFN + n: Page(STACK_PFN + n, ref=0 if n else 1) for n in range(1 << STACK_ORDER)}
        self.next = FIRST_FREE_PFN
        self.lists: dict[int, list[int]] = {}
        self.free_delta = 0
        self.slab_delta = 0
        self.vmalloc_delta = 0

    def page(self, pfn: int) -> Page:
        """A frame; one that was never seen is reserved, somebody else's, or free."""
        found = self.pages.get(pfn)
        if found is None:
            reserved = pfn < RESERVED_PFNS or self.is_image(pfn)
            found = self.pages[pfn] = Page(pfn, int(reserved or self.config.crowded), reserved=reserved)
        return found

    @staticmethod
    def is_image(pfn: int) -> bool:
        return IMAGE_PFN <= pfn < IMAGE_PFN + 0x2000

    def take(self, order: int, compound: bool = False) -> int:
        """Allocate ``1 << order`` frames; the first one's number."""
        stack = self.lists.get(order)
        if stack:
            pfn = stack.pop()
        else:
            self.next = -(-self.next >> order) << order if order else self.next
            pfn = self.next
            self.next += (1 << order) + GAP
        self.free_delta -= 1 << order
        for n in range(1 << order):
            self.pages[pfn + n] = Page(pfn + n, ref=0 if n else 1, head=pfn if compound and n else -1)
        first = self.pages[pfn]
        first.order, first.compound = (order, True) if compound and order else (0, False)
        return pfn

    def split(self, pfn: int, order: int) -> None:
        """Make single pages of a block (split_page)."""
        for n in range(1 << order):
            self.page(pfn + n).ref = 1

    def release(self, pfn: int, order: int) -> str:
        """Give a block to the free lists; what the page checks say: "", ``crash`` or ``bad-page`` (nothing freed)."""
        page = self.page(pfn)
        if self.config.debug_vm:
            if page.compound and page.order != order:
                return "crash"
            if page.reserved or any(self.page(pfn + n).ref > 0 for n in range(1, 1 << order)):
                return "bad-page"
            if page.slab is not None and page.slab.used:
                return "bad-page"  # the page's type is in the place of its map count
        for n in range(1 << order):
            tail = self.page(pfn + n)
            if tail.slab is not None and tail.slab.pfn == pfn + n:
                tail.slab.gone = True
            tail.slab, tail.free, tail.compound, tail.head, tail.order, tail.reserved = None, True, False, -1, 0, False
            tail.ref = min(tail.ref, 0)
        self.free_delta += 1 << order
        if not self._overlaps(pfn, order):
            self.lists.setdefault(order, []).append(pfn)
        return ""

    def _overlaps(self, pfn: int, order: int) -> bool:
        """Whether a block is on a list already, or lies below the memory that may be handed out again."""
        return pfn < FIRST_FREE_PFN or pfn >= self.next or any(pfn in stack for stack in self.lists.values())

    def put(self, pfn: int, order: int) -> str:
        """__free_pages(): drop a reference; the block is freed with the last one, its tail pages even without."""
        foreign = pfn not in self.pages
        page = self.page(pfn)
        foreign = foreign and not page.reserved
        head = page.compound
        if page.ref == 0 and self.config.debug_vm:
            return "crash"
        page.ref -= 1
        if page.ref == 0:
            return self.release(pfn, order) or ("delayed" if foreign else "")
        if not head:
            worst = ""
            while order > 0:
                order -= 1
                worst = worst or self.release(pfn + (1 << order), order)
            return worst
        return ""


IMAGE_PFN = 0x1000

#: What an address is: linear map, kernel image, vmalloc area, module area, or no memory at all.
LINEAR_MAP, IMAGE_MAP, VMALLOC_MAP, MODULE_MAP, NOWHERE = "linear", "image", "vmalloc", "module", "nowhere"


def area(address: int) -> str:
    """The area of an address."""
    if LINEAR <= address < LINEAR + RANGE:
        return LINEAR_MAP
    if VMALLOC <= address < VMALLOC + RANGE:
        return VMALLOC_MAP
    if IMAGE <= address < IMAGE + 0x200_0000:
        return IMAGE_MAP
    if MODULE <= address < MODULE + 0x1000_0000:
        return MODULE_MAP
    return NOWHERE


def frame_of(address: int) -> int | None:
    """virt_to_page() as a frame number; None where the result is no struct page, so that using it is an oops."""
    where = area(address)
    if where == LINEAR_MAP:
        return (address - LINEAR) >> PAGE_SHIFT
    if where == IMAGE_MAP:
        return IMAGE_PFN + ((address - IMAGE) >> PAGE_SHIFT)
    return None


def address_of(pfn: int) -> int:
    """The linear address of a frame."""
    return LINEAR + (pfn << PAGE_SHIFT)


def kmalloc_class(size: int) -> int | None:
    """The size of the kmalloc cache that serves ``size``; None where pages serve it."""
    return next((s for s in KMALLOC_SIZES if size <= s), None)


def order_of(size: int) -> int:
    """get_order()"""
    return max(0, (max(size, 1) - 1 >> PAGE_SHIFT).bit_length())
