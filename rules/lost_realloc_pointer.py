"""## What it does

Reports `p = krealloc(p, ...)` where nothing else holds the old pointer.

## Why is this bad

A resize that fails returns NULL and leaves the old memory as it is. The assignment overwrites the only pointer to it:
the memory leaks, and what the object said of its size is now wrong.

## Known problems

- Another pointer to the same memory that was stored by another function is not seen.
- That a failure ends in a panic anyway is not known.

## Example

```c
char *text = kmalloc(16, GFP_KERNEL);

text = krealloc(text, 32, GFP_KERNEL);
kfree(text);
```

## Use instead

```c
char *text = kmalloc(16, GFP_KERNEL);
char *more = krealloc(text, 32, GFP_KERNEL);

if (!more) {
        kfree(text);
        return -ENOMEM;
}
kfree(more);
```

## Fix safety

There is no automatic fix: what has to happen on failure is for the author to say.

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- mm/slab_common.c, `krealloc()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.resizing import lost_pointers
from gfplint.findings import Finding, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every resize that overwrites the only pointer to the old memory."""
    for found in lost_pointers(view.code) if view.code is not None else ():
        place = found.allocation.call.place
        name = found.allocation.row.name
        step = call_step(view, place, f"{name}() leaves the old memory as it is where it fails")
        yield RULE.finding(
            view, place, f"where {name}() fails, the only pointer to the old memory is overwritten by NULL", [step]
        )


def interest(kernel: Kernel) -> Interest:
    """Functions that resize."""
    return Interest(calls=frozenset(n for n, row in kernel.allocators.items() if row.resizes is not None))


RULE = Rule(
    code="GFP607",
    name="lost-realloc-pointer",
    severity=Severity.ERROR,
    summary="a resize that overwrites the only pointer to the old memory",
    page=__doc__ or "",
    check=check,
    preview=True,
    interest=interest,
    sim="leak",
)
