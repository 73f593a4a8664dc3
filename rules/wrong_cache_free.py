"""## What it does

Reports `kmem_cache_free()` with another cache than the one that the object came from.

## Why is this bad

Without slab debugging or hardening the allocator trusts the cache that it is given: the object lands on the free list
of a cache with another size, and two users later share memory. Newer kernels warn and leak the object.

## Known problems

- Caches are told apart by the names of their variables: two names for one cache are taken for two caches.
- Of an object that was allocated elsewhere the type tells the cache: where all objects of its struct come from one, and
  those of another struct from the other. Typedefs and structs that several caches serve are passed over.

## Example

```c
req = kmem_cache_alloc(req_cache, GFP_KERNEL);
if (!req)
        return -ENOMEM;
kmem_cache_free(ctx_cache, req);
```

## Use instead

```c
req = kmem_cache_alloc(req_cache, GFP_KERNEL);
if (!req)
        return -ENOMEM;
kmem_cache_free(req_cache, req);
```

## Fix safety

Safe where the object was allocated in the same function, nothing else arrives at the free, and the cache is named there
by a path that means the same at the free: that cache takes the place of the wrong one. Elsewhere there is none.

## References

- mm/slub.c, `kmem_cache_free()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import FreeSite
from gfplint.analysis.values import Memory
from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Fix, Severity, Step
from gfplint.rewriting import argument, freed_with
from gfplint.ruleset import Rule, View, confidence_of_free


def check(view: View) -> Iterator[Finding]:
    """Every free into a cache that differs from the allocation's, both known by name."""
    for site in view.summary.frees:
        memory = site.memory
        if memory is None:
            continue
        together = memory.path == view.summary.path and memory.function == view.summary.name
        if not _differ(memory.cache, site.cache, together):
            continue
        origin = Step(
            memory.path,
            memory.place.line,
            memory.place.column,
            memory.function,
            f"{memory.allocator}() takes it from {memory.cache}",
        )
        here = Step(
            view.summary.path,
            site.place.line,
            site.place.column,
            view.summary.name,
            f"{site.callee}() gives it back to {site.cache}",
        )
        yield RULE.finding(
            view,
            site.place,
            f"{site.callee}() into {site.cache} of an object from {memory.cache}",
            [origin, *(site.steps or [here])],
            confidence=confidence_of_free(view, site),
            fix=_fix(view, site, memory) if together else None,
        )


def _fix(view: View, site: FreeSite, memory: Memory) -> Fix | None:
    """The cache that the allocation names, in the place of the other one."""
    row = view.kernel.allocators.get(memory.allocator)
    cache = argument(view, site, row.cache) if row is not None else ""
    return freed_with(view, site, view.kernel.freeing(site.callee).cache, cache)


def _differ(one: str, two: str, together: bool) -> bool:
    """Whether two names are surely of two caches: not two paths to one member, nor elements of one array.

    ``together``: both stand in one function, where different paths to members of one name are different objects.
    """
    if not one or not two or one == two or "[" in one + two:
        return False
    if one.endswith("." + two) or two.endswith("." + one):
        return False
    return together or one.rpartition(".")[2] != two.rpartition(".")[2]


RULE = Rule(
    code="GFP402",
    name="wrong-cache-free",
    severity=Severity.ERROR,
    summary="an object given back to another slab cache than it came from",
    page=__doc__ or "",
    check=check,
    reads=Reads.FAMILIES | Reads.MEASURES,
    sim="bad-free",
)
