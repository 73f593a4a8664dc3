"""## What it does

Reports a call of an allocator that sleeps whatever its mask says (`vmalloc()`, `kmem_cache_create()`, `alloc_percpu()`,
`alloc_workqueue()`, `request_irq()`, ...) where the code must not sleep.

## Why is this bad

These functions take mutexes, wait for other CPUs or allocate with `GFP_KERNEL` inside; no mask makes them safe. In
interrupt context `vmalloc()` is a `BUG_ON()` on every kernel.

## Known problems

- The same as for GFP101: locks that are dropped out of sight, conditions that correlate through data.
- Since Linux 6.19 `__vmalloc()` honours a mask that does not block; with one that does, GFP101 reports it.

## Example

```c
spin_lock(&dev->lock);
dev->table = vmalloc(size);
spin_unlock(&dev->lock);
```

## Use instead

```c
table = vmalloc(size);
spin_lock(&dev->lock);
dev->table = table;
spin_unlock(&dev->lock);
```

## Fix safety

There is no automatic fix.

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- mm/vmalloc.c, `__get_vm_area_node()`
- mm/percpu.c, `pcpu_alloc_noprof()`
- mm/slab_common.c, `__kmem_cache_create_args()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity
from gfplint.ruleset import Rule, View, confidence_of, context_steps, sleep_steps, titles


def check(view: View) -> Iterator[Finding]:
    """Every allocator that sleeps whatever its mask, reached while a context of this function forbids it."""
    for report in view.summary.reports:
        if report.sleep.kind != "always":
            continue
        yield RULE.finding(
            view,
            report.place,
            f"{report.sleep.how}() sleeps whatever its mask: {titles(view, report.held)}; call it before",
            [*context_steps(view, report), *sleep_steps(report)],
            confidence=confidence_of(report),
            needs=report.needs,
        )


RULE = Rule(
    code="GFP102",
    name="sleeping-allocator-in-atomic-context",
    severity=Severity.ERROR,
    summary="an allocator that sleeps whatever its mask, where the code must not sleep",
    page=__doc__ or "",
    check=check,
    reads=Reads.CONTEXTS,
    sim="sleep-fault",
)
