"""## What it does

Reports memory that one of the flavours which free later, or many at a time, can't free: `kfree_rcu()` of pages, of
per-CPU, device-managed or DMA memory, `kfree_bulk()` of `vmalloc()` memory, ... `kfree_rcu()` of `vmalloc()` memory is
right: it is `kvfree_rcu()`. Before 6.12 it also reports `kfree_rcu()` of objects of a slab cache.

## Why is this bad

The free happens after a grace period, where nothing on the stack tells any more who asked for it: the allocator's books
are corrupted far from the mistake. Objects of a cache go back to it by way of the cache, which before 6.12 may be
destroyed while they still wait.

## Known problems

- Of an array that is freed at once, only elements that the function itself has filled are known.

## Example

```c
p = alloc_percpu(struct stats);
if (!p)
        return -ENOMEM;
kfree_rcu_mightsleep(p);
```

## Use instead

```c
p = alloc_percpu(struct stats);
if (!p)
        return -ENOMEM;
synchronize_rcu();
free_percpu(p);
```

Or `call_rcu()` with a callback that calls the matching free.

## Fix safety

There is no automatic fix: the object may have no `struct rcu_head` for a callback of its own.

## References

- include/linux/rcupdate.h, `kvfree_rcu()`
- mm/slab_common.c, `kvfree_rcu_barrier_on_cache()`
- mm/slub.c, `kmem_cache_free_bulk()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity
from gfplint.ruleset import Rule, View, confidence_of_free, free_steps, is_flavour, right_frees


def check(view: View) -> Iterator[Finding]:
    """Every free after a grace period, or of many at once, of memory that it is not for."""
    kernel = view.kernel
    for site in view.summary.frees:
        memory = site.memory
        row = kernel.freeing(site.callee)
        if memory is None or not is_flavour(row) or memory.family in row.families:
            continue
        if memory.family not in kernel.families:
            continue
        family = kernel.families[memory.family]
        right = right_frees(kernel, memory)
        advice = f"; {family.title} is freed by {', '.join(n + '()' for n in right)}" if right else ""
        when = "frees it after a grace period" if row.rcu else "frees it with others"
        yield RULE.finding(
            view,
            site.place,
            f"{site.callee}() of memory from {memory.allocator}(){advice}",
            free_steps(view, site, f"allocates {family.title}", when),
            confidence=confidence_of_free(view, site),
        )


RULE = Rule(
    code="GFP406",
    name="mismatched-rcu-free",
    severity=Severity.ERROR,
    summary="memory given to an _rcu or _bulk free of another allocator",
    page=__doc__ or "",
    check=check,
    reads=Reads.FAMILIES,
    sim="bad-free",
)
