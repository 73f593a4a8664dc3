"""With which order or size memory is allocated and freed, or of which cache, as far as the text of a call says it.

Enough to know where they may differ, not whether they do: names are compared as they are written. A measure is a text,
``^`` and an order, ``#`` and a size or ``@`` and a cache; "" where there is none to compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gfplint.analysis.written import arguments
from gfplint.kernel.model import Allocator, Free, Kernel

_SIZEOF = re.compile(r"sizeof\s*\([^()]*\)", re.ASCII)
_VARIABLE = re.compile(r"[a-z]\w*(?:(?:->|\.)\w+)*", re.ASCII)
_PATH = re.compile(r"[A-Za-z_]\w*(?:(?:->|\.)\w+)*", re.ASCII)
_PART = re.compile(r"->|\.")
_LOWER = re.compile(r"\b(?!0[xX])[a-z_]", re.ASCII)
_MARK = re.compile(r"[\^#@]")
_SPACE = re.compile(r"[\s()]+", re.ASCII)
#: Measured by its size, where a block of pages has an order: they are never the same text.
_EXACT = "^="


class Measures:
    """Reads the measures of calls; nothing where nobody asks for them."""

    def __init__(self, kernel: Kernel, *, asked: bool) -> None:
        sized = {f.name for f in kernel.families.values() if f.sized}
        ordered = {a.family for a in kernel.allocators.values() if a.order is not None and not a.hidden} - sized
        allocators = kernel.allocators.values() if asked else ()
        frees = kernel.frees.values() if asked else ()
        self.allocators = {a.name: a for a in allocators if a.family in sized | ordered and not a.hidden}
        self.frees = {f.name: f for f in frees if f.single or f.order is not None or f.size is not None}
        self.caching = {a.name: a.cache for a in allocators if a.cache is not None}
        self.cached = {f.name: f.cache for f in frees if f.cache is not None}
        #: Those whose calls have a measure.
        self.giving = self.allocators.keys() | self.caching.keys()
        self.sized = sized
        #: Calls that give the other name of the same pages.
        self.converting = frozenset(
            n for n, q in kernel.queries.items() if asked and q.true_means in ("address", "page")
        )

    def given(self, name: str, code: str) -> frozenset[str]:
        """The measures of what the calls of an allocator in a text hand out."""
        row = self.allocators.get(name)
        calls = arguments(code, name) if row is not None or name in self.caching else ()
        if row is None:
            return frozenset(cache for args in calls if (cache := _cache(self.caching, name, args)))
        return frozenset(m for args in calls for m in self._given(row, args))

    def _given(self, row: Allocator, args: Sequence[str]) -> Iterable[str]:
        if row.family in self.sized:
            yield _EXACT
            if row.size is not None and row.size < len(args) and (text := _constant(args[row.size])):
                yield f"#{text}"
        elif row.order is None:
            yield "^0"
        elif row.order < len(args) and (text := _constant(args[row.order]) or _variable(args[row.order])):
            yield f"^{text}"

    def freed(self, name: str, args: Sequence[str]) -> str:
        """The measure that a free takes."""
        row = self.frees.get(name)
        if row is None:
            return _cache(self.cached, name, args)
        if row.single:
            return "^0"
        return _measure(row, args)

    def cache(self, name: str, code: str) -> str:
        """The cache that the only call of an allocator in a text names; "" where it takes none, or it is not known."""
        return next((_cache(self.caching, name, args) for args in arguments(code, name)), "") if self.caching else ""

    def differ(self, given: Iterable[str], freed: str) -> bool:
        """Whether memory of one of these measures may go back by another; what is no measure is passed over."""
        if not freed or not self.frees:
            return False
        plain = freed == "^0"
        return any(g[0] == freed[0] and g != freed and (plain or not _variable(g[1:])) for g in given)


def _measure(row: Free, args: Sequence[str]) -> str:
    for mark, number in (("^", row.order), ("#", row.size)):
        if number is not None and number < len(args):
            return mark + text if (text := _constant(args[number])) else ""
    return ""


def parted(free: str) -> tuple[str, str]:
    """The name of a free, and the measure behind it."""
    found = _MARK.search(free)
    return (free[: found.start()], free[found.start() :]) if found else (free, "")


def _cache(numbers: Mapping[str, int], name: str, args: Sequence[str]) -> str:
    number = numbers.get(name)
    return cache_of(args[number]) if number is not None and number < len(args) else ""


def other_cache(given: str, free: str) -> bool:
    """Whether two measures, the second with the free before it, are of two caches."""
    _, freed = parted(free)
    return given[:1] == "@" == freed[:1] and given != freed


def cache_of(text: str) -> str:
    """The measure of a cache that is named by a path: by its last component, for others may come to it another way."""
    bare = text.strip()
    return "@" + _PART.split(bare)[-1] if _PATH.fullmatch(bare) else ""


def measures_in(given: Iterable[str]) -> frozenset[str]:
    """What of families and measures is measures."""
    return frozenset(g for g in given if g[0] in "^#")


def measure_of(order: str, size: str) -> str:
    """The measure of memory or of a free that was analysed."""
    if text := _constant(order) or _variable(order):
        return f"^{text}"
    return f"#{text}" if (text := _constant(size)) else ""


def is_constant(text: str) -> bool:
    """Whether a text is made of numbers, names in capitals and sizes of types: no variable decides it."""
    return bool(text) and _LOWER.search(_SIZEOF.sub("0", text)) is None


def _constant(text: str) -> str:
    return _SPACE.sub("", text) if is_constant(text) else ""


def _variable(text: str) -> str:
    bare = text.strip()
    return bare if _VARIABLE.fullmatch(bare) else ""
