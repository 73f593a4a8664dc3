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

There is no automatic fix: either the allocation or the free may be the wrong one.

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- mm/slub.c, `kfree()`
- mm/vmalloc.c, `vfree()`
- mm/util.c, `kvfree()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.values import Memory
from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity
from gfplint.kernel.model import Free
from gfplint.ruleset import Rule, View, confidence_of_free, free_steps, frees_managed, is_flavour, right_frees


def check(view: View) -> Iterator[Finding]:
    """Every free whose pointer holds memory of a family that the function can't free."""
    kernel = view.kernel
    for site in view.summary.frees:
        memory = site.memory
        row = kernel.frees[site.callee]
        if memory is None or memory.managed or memory.family in row.families or memory.family not in kernel.families:
            continue
        if is_flavour(row) or frees_managed(kernel, row) or _takes_apart(view, row, memory):
            continue
        family = kernel.families[memory.family]
        right = right_frees(kernel, memory.family)
        advice = f"; {family.title} is freed by {', '.join(n + '()' for n in right[:3])}" if right else ""
        yield RULE.finding(
            view,
            site.place,
            f"{site.callee}() of memory from {memory.allocator}(){advice}",
            free_steps(view, site, f"allocates {family.title}", "frees it"),
            confidence=confidence_of_free(view, site),
        )


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
