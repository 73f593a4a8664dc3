"""Zone masks: who asks for memory of low zones, and what speaks for a device that needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gfplint.analysis.idioms.code import Allocation, Code
from gfplint.analysis.idioms.masks import bits_of, operands
from gfplint.analysis.syntax import all_calls, calls_in
from gfplint.facts import Expr, If, Name
from gfplint.kernel.masks import DIRECT_RECLAIM, KSWAPD_RECLAIM
from gfplint.kernel.model import Mask

#: Characters of a call that are looked at; a hostile file may hold a call within a call without end.
_ARGUMENTS = 400

#: Zones that devices with few address lines see.
ZONES: Mask = frozenset(("__GFP_DMA", "__GFP_DMA32"))
_RECLAIM: Mask = frozenset((DIRECT_RECLAIM, KSWAPD_RECLAIM))
#: The end of the names of functions that tell whether mapping failed (include/linux/dma-mapping.h).
_MAPPING_FAILS = "mapping_error"
#: A device that does not see 32 bits says so when it sets its mask.
_NARROW = re.compile(r"\bDMA_BIT_MASK\s*\(\s*(?:[12]?[0-9]|3[01])\s*\)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ZoneMask:
    """An allocation from a low zone. ``flag``: as written.

    ``mapped``: the file uses an interface that maps memory for devices, and takes no physical addresses.
    """

    allocation: Allocation
    flag: str
    mapped: bool


def zone_masks(code: Code) -> Iterator[ZoneMask]:
    """Every allocation that names a low zone, in files that know of no device with such a limit."""
    limited: bool | None = None
    for found in code.allocations:
        flag = _zone(found, code)
        if not flag:
            continue
        if limited is None:
            limited = _has_limit(code)
        if not limited and not _second_try(found, code):
            yield ZoneMask(found, flag, _mapped(found, flag, code))


def _zone(found: Allocation, code: Code) -> str:
    """The operand of a mask that names a zone which the allocator honours."""
    family = code.kernel.families.get(found.row.family)
    if found.mask is None or family is None:
        return ""
    if family.restricts and not (_all_bits(found.mask, code) & _RECLAIM):
        return ""  # a zone alone is another mistake (GFP501)
    ignored = frozenset(family.drops) | frozenset(family.restricts)
    for part in operands(found.mask):
        bits = bits_of(part, code) if isinstance(part, Name) else None
        if bits and (bits & ZONES) - ignored:
            return part.name if isinstance(part, Name) else ""
    return ""


def _all_bits(mask: Expr, code: Code) -> Mask:
    """The bits of a mask, those of a part that is not constant taken to allow reclaim."""
    known = [bits_of(part, code) for part in operands(mask)]
    return frozenset().union(*(_RECLAIM if bits is None else bits for bits in known))


def _second_try(found: Allocation, code: Code) -> bool:
    """Whether an allocation is made because memory from anywhere was out of the device's reach: its mapping failed."""
    return any(
        isinstance(stmt, If) and _asks_mapping(stmt.test) and any(c is found.call for c in all_calls((stmt.then,)))
        for stmt in code.statements
    )


def _asks_mapping(test: Expr) -> bool:
    """Whether a condition calls dma_mapping_error(), or what a driver calls its own by that name."""
    names = (c.func.name for c in calls_in(test) if isinstance(c.func, Name))
    return any(name.endswith(_MAPPING_FAILS) for name in names)


def _has_limit(code: Code) -> bool:
    """Whether the file drives a device that sees less than 32 bits."""
    isa = [name for role, name in code.kernel.roles if role == "isa"]
    text = code.source.code
    return bool(_NARROW.search(text)) or any(re.search(rf"\b{name}\s*\(", text) for name in isa)


def _mapped(found: Allocation, flag: str, code: Code) -> bool:
    """Whether the mapping interfaces do what the zone is for.

    Pages below 4 GB are taken for devices with 32 address lines, which are many: unless the DMA API gives them out.
    """
    wide = "__GFP_DMA32" in code.kernel.masks.get(flag, frozenset()) and found.row.family != "dma_pool"
    return not wide and _maps(code) and not _physical(code)


def _maps(code: Code) -> bool:
    """Whether the file uses an interface that brings memory to devices: by its header, or a call."""
    headers = "|".join(re.escape(name) for role, name in code.kernel.roles if role == "maps")
    if re.search(rf"^\s*#\s*include\s*<(?:{headers})>".encode(), code.source.data, re.MULTILINE):
        return True
    calls = "|".join(name for role, name in code.kernel.roles if role == "contiguous")
    return bool(re.search(rf"\b(?:{calls})\s*\(", code.source.code))


def _physical(code: Code) -> bool:
    """Whether the file takes physical addresses itself."""
    takers = "|".join(taker for role, taker in code.kernel.roles if role == "physical")
    return bool(re.search(rf"\b(?:{takers})\s*\(", code.source.code))
