"""Which memory a mask asks for: zones, and whether pages of the contiguous memory allocator will do.

Sources: include/linux/gfp.h (gfp_zone(), gfp_migratetype()), mm/page_alloc.c (gfp_to_alloc_flags_cma()) of 6.12.
"""

from __future__ import annotations

from gfplint.kernel.model import Mask

DMA, DMA32, HIGHMEM, MOVABLE = "__GFP_DMA", "__GFP_DMA32", "__GFP_HIGHMEM", "__GFP_MOVABLE"

#: Zones as Linux names them.
ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, ZONE_HIGHMEM, ZONE_MOVABLE = "DMA", "DMA32", "Normal", "HighMem", "Movable"

#: What else may still be free where ordinary pages are not: the bit of a mask that lets it be used.
CMA, HIGH_PAGES = "only CMA pages", "only high memory"
USABLE = {CMA: MOVABLE, HIGH_PAGES: HIGHMEM}


def zone_of(mask: Mask, highmem: bool = False) -> str:
    """gfp_zone(): the highest zone that a mask may take from; ``highmem``: the machine has memory without addresses.

    Raises ValueError where the bits exclude each other (GFP_ZONE_BAD).
    """
    low = mask & {DMA, DMA32}
    if len(low) == 2 or (low and HIGHMEM in mask):
        raise ValueError("zones that exclude each other")
    if DMA in mask:
        return ZONE_DMA
    if DMA32 in mask:
        return ZONE_DMA32
    if {HIGHMEM, MOVABLE} <= mask:
        return ZONE_MOVABLE
    return ZONE_HIGHMEM if HIGHMEM in mask and highmem else ZONE_NORMAL


def has_no_address(mask: Mask, highmem: bool) -> bool:
    """PageHighMem() of the pages that such a mask gets first: they lie outside the linear map until they are mapped."""
    return highmem and zone_of(mask, highmem) in (ZONE_HIGHMEM, ZONE_MOVABLE)


def takes_cma(mask: Mask) -> bool:
    """ALLOC_CMA: only movable pages may be lent from a contiguous area, which wants them back. ``mask``: the effective
    one, for a pin scope takes __GFP_MOVABLE away.
    """
    return MOVABLE in mask
