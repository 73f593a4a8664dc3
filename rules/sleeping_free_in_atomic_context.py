"""## What it does

Reports a free that may sleep where the code must not: `vfree()`, `kvfree()` of memory that may come from vmalloc,
`kmem_cache_destroy()`, the one-argument forms of `kfree_rcu()`, `dma_free_coherent()` with interrupts disabled, ...

## Why is this bad

`vfree()` takes mutexes to unmap the area. It defers that work only in interrupt context and with bottom halves
disabled; under a plain spin lock or inside an RCU read-side section it sleeps.

## Known problems

- Memory from `kvmalloc()` that is always small never reaches vmalloc; it is reported all the same.
- What a function frees for some objects only, as a question about the object tells, is of low confidence where it is
  called.
- `kvfree()` of memory whose allocation is not in view is not reported.

## Example

```c
spin_lock(&dev->lock);
vfree(dev->table);
dev->table = NULL;
spin_unlock(&dev->lock);
```

## Use instead

```c
spin_lock(&dev->lock);
table = dev->table;
dev->table = NULL;
spin_unlock(&dev->lock);
vfree(table);
```

## Fix safety

There is no automatic fix.

## References

- mm/vmalloc.c, `vfree()`
- mm/util.c, `kvfree()`
- mm/slab_common.c, `kmem_cache_destroy()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity
from gfplint.ruleset import Rule, View, confidence_of, context_steps, sleep_steps, titles


def check(view: View) -> Iterator[Finding]:
    """Every free that may sleep, reached while a context of this function forbids it."""
    for report in view.summary.reports:
        if report.sleep.kind != "free":
            continue
        yield RULE.finding(
            view,
            report.place,
            f"{report.sleep.how}() may sleep here: {titles(view, report.held)}; free after it",
            [*context_steps(view, report), *sleep_steps(report)],
            confidence=confidence_of(report),
            needs=report.needs,
        )


RULE = Rule(
    code="GFP103",
    name="sleeping-free-in-atomic-context",
    severity=Severity.ERROR,
    summary="a free that may sleep, where the code must not",
    page=__doc__ or "",
    check=check,
    reads=Reads.CONTEXTS,
    sim="sleep-fault",
)
