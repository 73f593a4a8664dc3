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

from gfplint.analysis.worth import Reads
from gfplint.findings import Confidence, Finding, Severity, Step
from gfplint.ruleset import Rule, View, frees_managed


def check(view: View) -> Iterator[Finding]:
    """Every free whose pointer holds memory of a family that the function can't free."""
    kernel = view.kernel
    for site in view.summary.frees:
        memory = site.memory
        row = kernel.frees[site.callee]
        if memory is None or memory.managed or memory.family in row.families or memory.family not in kernel.families:
            continue
        if frees_managed(kernel, row):
            continue
        family = kernel.families[memory.family]
        right = sorted(f.name for f in kernel.frees.values() if memory.family in f.families and not f.rcu)
        advice = f"; {family.title} is freed by {', '.join(n + '()' for n in right[:3])}" if right else ""
        origin = Step(
            memory.path,
            memory.place.line,
            memory.place.column,
            memory.function,
            f"{memory.allocator}() allocates {family.title}",
        )
        here = Step(
            view.summary.path, site.place.line, site.place.column, view.summary.name, f"{site.callee}() frees it"
        )
        yield RULE.finding(
            view,
            site.place,
            f"{site.callee}() of memory from {memory.allocator}(){advice}",
            [origin, here],
            confidence=Confidence.HIGH if memory.path == view.summary.path else Confidence.MEDIUM,
        )


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
