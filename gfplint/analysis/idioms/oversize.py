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
from gfplint.facts import Binary, Cast, Name, Number

#: Characters of a call that are looked at; a hostile file may hold a call within a call without end.
_ARGUMENTS = 400

#: The length beside a pointer to user memory in read() and write() of a file (include/linux/fs.h, struct
#: file_operations): the VFS bounds it by 2 GB alone. Operations of other kinds are called with less.
_FROM_USER = re.compile(r"__user\s*\*\s*\w+\s*,\s*size_t\s+(\w+)\s*,\s*loff_t\s*\*", re.ASCII)
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


@dataclass(frozen=True, slots=True)
class Unbounded:
    """An allocation of as many bytes as user space says: ``count`` is a parameter that nothing looks at before."""

    allocation: Allocation
    count: str
    form: str


def unbounded(code: Code) -> Iterator[Unbounded]:
    """Every slab allocation of the length that read() or write() gets, neither tested nor changed before."""
    counts = _FROM_USER.findall(code.function.header)
    if not counts:
        return
    for found in code.allocations:
        name = _count(found)
        form = code.form(found.row.name, "kv") if name in counts and found.row.count is None else ""
        if not form or _needs_contiguous(found, code) or _may_not_vmalloc(found, code) or _is_quiet(found, code):
            continue
        text = code.call_text(found.call)
        if text is not None and not _is_bounded(name, code.source.code[code.function.body : text.whole.start]):
            yield Unbounded(found, name, form)


def _count(found: Allocation) -> str:
    """The variable that a size is, or is up to a constant; "" where it is something else."""
    size = found.arg(found.row.size)
    while isinstance(size, Cast):
        size = size.value
    if isinstance(size, Binary) and size.op == "+" and isinstance(size.right, Number):
        size = size.left
    return size.name if isinstance(size, Name) else ""


def _is_quiet(found: Allocation, code: Code) -> bool:
    """Whether the mask says that a failure is expected."""
    parts = operands(found.mask) if found.mask is not None else []
    return any("__GFP_NOWARN" in (bits_of(part, code) or ()) for part in parts)


def _is_bounded(name: str, before: str) -> bool:
    """Whether a text does more with a variable than to ask whether it is 0."""
    asked = rf"!\s*{name}\b|\b{name}\s*(?:[!=]=|<=|>)\s*0\b|\b{name}\s*<\s*1\b"
    return bool(re.search(rf"\b{name}\b", re.sub(asked, "", before)))


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
    return re.compile(rf"\b(?:{'|'.join(names)})\s*\([^;]{{0,{_ARGUMENTS}}}?(?:{large})", re.ASCII)


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
