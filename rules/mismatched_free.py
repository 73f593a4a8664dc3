"""## What it does

Reports memory that is freed with a function of another family: `kfree()` of `vmalloc()` memory, `vfree()` of
`kmalloc()` memory, `kfree()` of what may come from `kvmalloc()`, `free_pages()` of slab memory, ... Pointers are
followed through locals, wrappers that return or free, `__free()` and struct members.

## Why is this bad

Each allocator keeps its own books. The wrong function corrupts them silently, leaks the memory, or oopses: which of
them depends on the configuration and on where the memory happens to lie, so it passes tests.

## Known problems

- A member is followed only where all stores to it that are in view agree on the family.
- Memory that reaches the free through a list or another container is not followed.

## Example

```c
buf = vmalloc(size);
if (!buf)
        return -ENOMEM;
kfree(buf);
```

## Use instead

```c
buf = vmalloc(size);
if (!buf)
        return -ENOMEM;
vfree(buf);
```

`kvfree()` frees what `kmalloc()`, `vmalloc()` and `kvmalloc()` hand out.

## Fix safety

Safe where the free takes nothing but the pointer, everything that arrives there is of families that one other such free
is made for (`vfree()` for `vmalloc()`, `kvfree()` for `kvmalloc()`), all in one file, and nothing that forbids sleeping
is held: that free takes the place of the wrong one. Elsewhere there is none.

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- mm/slub.c, `kfree()`
- mm/vmalloc.c, `vfree()`
- mm/util.c, `kvfree()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import FreeSite
from gfplint.analysis.values import Memory
from gfplint.analysis.worth import Reads
from gfplint.findings import Edit, Finding, Fix, Severity
from gfplint.kernel.model import Free, Kernel
from gfplint.ruleset import Rule, View, confidence_of_free, free_steps, frees_managed, is_flavour, right_frees

#: Families that have one free made for them, which takes the pointer alone.
_MENDED = ("vmalloc", "kvmalloc", "percpu")


def check(view: View) -> Iterator[Finding]:
    """Every free whose pointer holds memory of a family that the function can't free."""
    kernel = view.kernel
    for site in view.summary.frees:
        memory = site.memory
        row = kernel.freeing(site.callee)
        if memory is None or memory.managed or memory.family in row.families or memory.family not in kernel.families:
            continue
        if is_flavour(row) or frees_managed(kernel, row) or _takes_apart(view, row, memory):
            continue
        if memory.family in site.ended:
            continue  # what is left of a pool that goes itself needs no way back into it
        family = kernel.families[memory.family]
        right = right_frees(kernel, memory)
        advice = f"; {family.title} is freed by {', '.join(n + '()' for n in right)}" if right else ""
        verb = "frees it where it does not suffice" if site.callee in kernel.resizers else "frees it"
        yield RULE.finding(
            view,
            site.place,
            f"{site.callee}() of memory from {memory.allocator}(){advice}",
            free_steps(view, site, f"allocates {family.title}", verb),
            confidence=confidence_of_free(view, site),
            fix=_fix(view, site, memory),
        )


def _fix(view: View, site: FreeSite, memory: Memory) -> Fix | None:
    """The free that the memory's family is made for, in the place of the name of the wrong one."""
    kernel, path = view.kernel, view.summary.path
    if site.doubt or site.steps or site.scope_exit or memory.offset or memory.path != path:
        return None
    if site.callee in kernel.resizers or not _plain(kernel.frees[site.callee]):
        return None
    if any(kernel.kinds[h.kind].atomic for h in site.held):
        return None
    right = _made_for(kernel, memory.family)
    here = [s for s in view.summary.frees if s.place == site.place]
    if right is None or any(s.memory is None or s.memory.family not in right.families for s in here if not s.null):
        return None
    start = (site.place.line, site.place.column)
    return Fix(True, (Edit(path, start, (start[0], start[1] + len(site.callee)), right.name),))


def _plain(row: Free) -> bool:
    """Whether a free takes nothing but the pointer, and keeps no promise beyond freeing it."""
    others = (row.cache, row.device, row.size, row.order, row.bulk, row.field)
    return row.arg == 0 and not row.rcu and not row.single and all(number is None for number in others)


def _made_for(kernel: Kernel, family: str) -> Free | None:
    """The free that is made for a family: the one with the fewest other families, if that is one."""
    found = [f for f in kernel.frees.values() if family in f.families and _plain(f)]
    rank = {f.name: (f.families[0] != family, len(f.families), f.sleeps == "never", len(f.name)) for f in found}
    best = sorted(found, key=lambda f: rank[f.name])
    return best[0] if best and not kernel.families[family].built and family in _MENDED else None


def _takes_apart(view: View, row: Free, memory: Memory) -> bool:
    """Whether another function may have made an object of this very memory, or keeps one where memory is freed here."""
    families = view.kernel.families
    built = all(families[f].built for f in row.families if f in families)
    return built is not families[memory.family].built and memory.function != view.summary.name


RULE = Rule(
    code="GFP401",
    name="mismatched-free",
    severity=Severity.ERROR,
    summary="memory freed with a function of another allocator",
    page=__doc__ or "",
    check=check,
    reads=Reads.FAMILIES,
    sim="bad-free",
)
