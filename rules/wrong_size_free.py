"""## What it does

Reports memory that goes back with another order or size than it was allocated with: `free_page()` of
`__get_free_pages(mask, 2)`, `__free_pages(page, 1)` of `alloc_pages(mask, 3)`, `dma_free_coherent()` with another
constant as its size. Members are followed over files.

## Why is this bad

The page allocator believes the caller. Too small an order leaks the rest of the pages; too large a one frees pages
that somebody else uses. So does a DMA free with a wrong size.

## Known problems

- Sizes are compared where both are numbers after macros are expanded, or the same type counted differently, and where
  the calls themselves are written with them: not through variables.
- An order that is a variable is compared only with the functions that free one page.

## Example

```c
buf = (void *)__get_free_pages(GFP_KERNEL, 2);
if (!buf)
        return -ENOMEM;
free_page((unsigned long)buf);
```

## Use instead

```c
buf = (void *)__get_free_pages(GFP_KERNEL, 2);
if (!buf)
        return -ENOMEM;
free_pages((unsigned long)buf, 2);
```

## Fix safety

Safe where the memory was allocated in the same function, nothing else arrives at the free, and the order or size is a
constant or a path that means the same at the free: it takes the place of the wrong one. Elsewhere there is none.

## References

- Documentation/core-api/mm-api.rst
- mm/page_alloc.c, `__free_pages()`
- kernel/dma/mapping.c, `dma_free_attrs()`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gfplint.analysis.summary import FreeSite
from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Fix, Severity
from gfplint.kernel.model import Kernel
from gfplint.rewriting import argument, freed_by, freed_with
from gfplint.ruleset import Rule, View, confidence_of_free, free_steps

_PRODUCT = re.compile(r"\(?(\d+) \* (sizeof\(.+\))\)?")
_PAGE, _MAX_ORDER = 4096, 32
_VARIABLE = re.compile(r"[a-z_][\w.]*")


def check(view: View) -> Iterator[Finding]:
    """Every free whose order or size is surely not that of the allocation."""
    for site in view.summary.frees:
        memory = site.memory
        if memory is None or memory.offset or memory.managed:
            continue
        if memory.family not in view.kernel.freeing(site.callee).families:
            continue
        found = _orders(site) or _sizes(site, view.kernel) or _exact(site)
        if not found:
            continue
        what, given, freed = found
        yield RULE.finding(
            view,
            site.place,
            f"{site.callee}() with {what} {freed} of memory that {memory.allocator}() allocated with {what} {given}",
            free_steps(view, site, f"allocates with {what} {given}", f"frees with {what} {freed}"),
            confidence=confidence_of_free(view, site),
            fix=_fix(view, site, what),
        )


def _fix(view: View, site: FreeSite, what: str) -> Fix | None:
    """The order or size of the allocation, in the place of the other one; a free of one page becomes one of several."""
    kernel, memory = view.kernel, site.memory
    row, given = kernel.freeing(site.callee), kernel.allocators.get(memory.allocator if memory is not None else "")
    if given is None:
        return None
    if what == "size":
        return freed_with(view, site, row.size, argument(view, site, given.size))
    order = argument(view, site, given.order) if given.order is not None else "0"
    if row.order is not None:
        return freed_with(view, site, row.order, order)
    for other in kernel.frees.values():
        if other.order is not None and other.families == row.families and not other.rcu and order:
            return freed_by(view, site, other, {other.order: order})
    return None


def _orders(site: FreeSite) -> tuple[str, str, str] | None:
    given, freed = site.memory.order if site.memory is not None else "", site.order
    if not given or not freed or given == freed:
        return None
    known = given.isdigit() and freed.isdigit()
    variable = freed == "0" and _VARIABLE.fullmatch(given) and not given.isupper()
    return ("order", given, freed) if known or variable else None


def _sizes(site: FreeSite, kernel: Kernel) -> tuple[str, str, str] | None:
    memory = site.memory
    if memory is None or not kernel.families[memory.family].sized or not memory.size or not site.size:
        return None
    given, freed = memory.size, site.size
    if given.isdigit() and freed.isdigit():
        return ("size", given, freed) if int(given) != int(freed) else None
    one, two = _PRODUCT.fullmatch(given), _PRODUCT.fullmatch(freed)
    if one and two and one.group(2) == two.group(2) and int(one.group(1)) != int(two.group(1)):
        return ("size", given, freed)
    return None


def _exact(site: FreeSite) -> tuple[str, str, str] | None:
    """Pages of an exact size that go back as a block of an order, where pages have 4 KiB."""
    memory, order = site.memory, site.order
    if memory is None or memory.family != "exact" or not memory.size.isdigit() or not order.isdigit():
        return None
    given, freed = -(-int(memory.size) // _PAGE) * _PAGE, _PAGE << min(int(order), _MAX_ORDER)
    return ("size", memory.size, str(freed)) if given != freed else None


RULE = Rule(
    code="GFP403",
    name="wrong-size-free",
    severity=Severity.ERROR,
    summary="memory freed with another order or size than it was allocated with",
    page=__doc__ or "",
    check=check,
    reads=Reads.FAMILIES | Reads.MEASURES,
    sim="bad-free",
)
