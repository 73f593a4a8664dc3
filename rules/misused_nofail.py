"""## What it does

Reports `__GFP_NOFAIL` where the allocator can't keep the promise: without direct reclaim, or for more than two
contiguous pages.

## Why is this bad

An allocation that must not fail has to be able to wait. Without direct reclaim it returns NULL all the same, to code
that does not expect it; for higher orders it may loop for ever on fragmented memory, and the kernel warns.

## Known problems

- Orders are known only where they are constants.
- A test for NULL behind an allocation that can't fail is not reported yet, nor is one inside `PF_MEMALLOC`.

## Example

```c
p = kmalloc(size, GFP_ATOMIC | __GFP_NOFAIL);
```

## Use instead

In a context that may sleep:

```c
p = kmalloc(size, GFP_KERNEL | __GFP_NOFAIL);
```

or `kvmalloc()` for more than a page.

## Fix safety

There is no automatic fix.

## References

- include/linux/gfp_types.h, "Reclaim modifiers"
- mm/page_alloc.c, `__alloc_pages_slowpath()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity, Step
from gfplint.ruleset import Rule, View

_NOFAIL = "__GFP_NOFAIL"
_RECLAIM = "__GFP_DIRECT_RECLAIM"
#: Orders above it warn (mm/page_alloc.c, rmqueue(): two contiguous pages).
_LARGEST_ORDER = 1


def check(view: View) -> Iterator[Finding]:
    """Every constant mask with __GFP_NOFAIL that the allocator can't keep."""
    for site in view.summary.allocs:
        row = view.kernel.allocators.get(site.callee)
        if row is None or row.mask is None:
            continue
        insisting = [m.plus for m in site.masks if m is not None and not m.base and _NOFAIL in m.plus]
        if not insisting:
            continue
        # Of several masks the one that can't wait is the worst.
        bits = next((plus for plus in insisting if _RECLAIM not in plus), insisting[0])
        step = Step(
            view.summary.path, site.place.line, site.place.column, view.summary.name, f"{site.callee}({site.mask_text})"
        )
        if _RECLAIM not in bits:
            yield RULE.finding(
                view,
                site.place,
                f"{site.callee}() with __GFP_NOFAIL but without direct reclaim can fail all the same",
                [step],
            )
        elif site.order.isdigit() and int(site.order) > _LARGEST_ORDER:
            yield RULE.finding(
                view,
                site.place,
                f"{site.callee}() with __GFP_NOFAIL of order {site.order}: it may loop for ever on fragmented memory",
                [step],
            )


RULE = Rule(
    code="GFP504",
    name="misused-nofail",
    severity=Severity.ERROR,
    summary="__GFP_NOFAIL where the allocator can't keep the promise",
    page=__doc__ or "",
    check=check,
    reads=Reads.MASKS,
    sim="warn",
)
