"""## What it does

Reports kmalloc() and its kin of a size that is known to be above a page: above the largest that the slab allocator
has an error, else advice. A size that user space gives, and that nothing bounds, is a warning.

## Why is this bad

Slab memory of more than a page needs contiguous pages. On fragmented memory the allocation fails, the more surely the
larger it is, though memory enough is free. The guide: kmalloc for less than a page, kvmalloc when that is not sure.

## Known problems

- Sizes are known only where no type's layout is needed: numbers, `PAGE_SIZE`, macros over these.
- What user space gives is known only of the length that `read()` and `write()` of a file get. Any earlier look at it
  counts as a bound.
- That hardware needs the memory in one piece is seen only where the same file maps it for DMA. In files that speak to
  a bus which takes memory for transfers (USB, SDIO, SCSI, ...) findings are of low confidence.

## Example

```c
void *log = kmalloc(8 << 20, GFP_KERNEL);

kfree(log);
```

## Use instead

```c
void *log = kvmalloc(8 << 20, GFP_KERNEL);

kvfree(log);
```

## Fix safety

There is no automatic fix: all frees have to change with it, and whoever gets the pointer must not need contiguous
memory.

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- include/linux/slab.h, `KMALLOC_MAX_SIZE`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.oversize import CACHED, LARGEST, Oversize, oversizes, unbounded
from gfplint.findings import Confidence, Finding, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every slab allocation of more than a page."""
    for found in oversizes(view.code) if view.code is not None else ():
        place = found.allocation.call.place
        step = call_step(view, place, f"{found.allocation.row.name}() of at least {found.size} bytes")
        yield RULE.finding(
            view,
            place,
            _message(found),
            [step],
            severity=Severity.ERROR if found.size > LARGEST else Severity.ADVICE,
            confidence=_confidence(found),
        )
    for any_size in unbounded(view.code) if view.code is not None else ():
        place, name = any_size.allocation.call.place, any_size.allocation.row.name
        yield RULE.finding(
            view,
            place,
            f"user space chooses {any_size.count}, and nothing bounds it: {name}() warns above its largest size, and "
            f"contiguous pages may not be free; {any_size.form}() does without them",
            [call_step(view, place, f"{name}() of any size")],
            severity=Severity.WARNING,
            confidence=Confidence.MEDIUM,
        )


def _confidence(found: Oversize) -> Confidence:
    """Two pages are served from slabs, which hardly ever fails."""
    if found.size > LARGEST:
        return Confidence.MEDIUM
    return Confidence.MEDIUM if found.plain and found.size > CACHED else Confidence.LOW


def _message(found: Oversize) -> str:
    name = found.allocation.row.name
    if found.size > LARGEST:
        return f"{name}() has no size as large as {found.size} bytes: it always fails"
    return f"{found.size} contiguous bytes may not be free: {found.form}() does without"


def interest(kernel: Kernel) -> Interest:
    """Functions that call the slab allocator with a size."""
    return Interest(calls=frozenset(name for name, row in kernel.allocators.items() if row.maximum == "kmalloc"))


RULE = Rule(
    code="GFP603",
    name="oversized-kmalloc",
    severity=Severity.ERROR,
    summary="a slab allocation of more than a page",
    page=__doc__ or "",
    check=check,
    preview=True,
    interest=interest,
    sim="null",
)
