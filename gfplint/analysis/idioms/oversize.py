"""Slab allocations of a size that is known to be large."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from gfplint.analysis.idioms.code import Allocation, Code
from gfplint.analysis.idioms.masks import bits_of, operands
from gfplint.analysis.idioms.sizes import PAGE, value_of
from gfplint.analysis.paths import last_of, path_of

#: Characters of a call that are looked at; a hostile file may hold a call within a call without end.
_ARGUMENTS = 400

#: The largest slab object with pages of 4 KiB: order MAX_PAGE_ORDER, 10 (include/linux/slab.h, KMALLOC_MAX_SIZE).
LARGEST = PAGE << 10
#: The largest that the slab allocator serves from caches of its own (include/linux/slab.h, KMALLOC_MAX_CACHE_SIZE).
CACHED = PAGE << 1


@dataclass(frozen=True, slots=True)
class Oversize:
    """An allocation of at least ``size`` bytes; ``form``: the allocator that needs no contiguous pages.

    ``plain``: nothing in the file speaks of a bus or a mapping by which hardware could get the memory.
    """

    allocation: Allocation
    size: int
    form: str
    plain: bool


def oversizes(code: Code) -> Iterator[Oversize]:
    """Every slab allocation of more than a page that nothing here needs in one piece."""
    if not _suspect(tuple(name for name, kind in code.kernel.forms if kind == "kv")).search(code.text_of_body):
        return
    for found in code.allocations:
        form = code.form(found.row.name, "kv")
        if not form:
            continue
        size = _size(found, code)
        if size is None or size <= PAGE:
            continue
        if size > LARGEST or not (_needs_contiguous(found, code) or _may_not_vmalloc(found, code)):
            yield Oversize(found, size, form, not _transfers(code))


@cache
def _suspect(names: tuple[str, ...]) -> re.Pattern[str]:
    """Text that may hold a large size: a call with a long number, a product of numbers, or the name of a constant.

    A look at the text is cheaper than one at the tree.
    """
    large = r"[0-9]{5}|0x[0-9a-fA-F]{4}|<<|[0-9]\s*\*|\*\s*[0-9]|(?<!_)\b(?!GFP_|NULL\b)[A-Z][A-Z0-9_]{2,}\b"
    return re.compile(rf"\b(?:{'|'.join(names)})\s*\([^;]{{0,{_ARGUMENTS}}}?(?:{large})")


def _size(found: Allocation, code: Code) -> int | None:
    """The least size of an allocation."""
    total = 1
    for part in (found.arg(found.row.count), found.arg(found.row.size)):
        if part is not None:
            value = value_of(part, code)
            if value is None:
                return None
            total *= value
    return total


def _may_not_vmalloc(found: Allocation, code: Code) -> bool:
    """Whether the mask keeps kvmalloc() from its fallback (it asks for a zone, or does not block), or the author has
    one.
    """
    if found.mask is None:
        return False
    bits = [bits_of(part, code) for part in operands(found.mask)]
    known = frozenset().union(*(b for b in bits if b is not None))
    if "__GFP_NORETRY" in known:  # it may fail, and something else is done then
        return True
    return None not in bits and ("__GFP_DIRECT_RECLAIM" not in known or "__GFP_DMA" in known)


def _transfers(code: Code) -> bool:
    """Whether the file calls an interface of a bus that takes memory for transfers, by the prefix of its names."""
    prefixes = "|".join(name for role, name in code.kernel.roles if role == "transfers")
    return bool(re.search(rf"\b(?:{prefixes})", code.source.code))


def _needs_contiguous(found: Allocation, code: Code) -> bool:
    """Whether the file hands what has the target's name to something that needs contiguous memory."""
    name = last_of(path_of(found.target)).partition("[")[0] if found.target is not None else ""
    if not name:
        return True
    takers = "|".join(taker for role, taker in code.kernel.roles if role in ("contiguous", "physical"))
    return bool(re.search(rf"\b(?:{takers})\s*\([^;]{{0,{_ARGUMENTS}}}?\b{re.escape(name)}\b", code.source.code))
