"""## What it does

Reports pages allocated with `GFP_HIGHUSER` or `__GFP_HIGHMEM` whose address the same function takes by
`page_address()`, and movable pages that it maps for hardware.

## Why is this bad

`GFP_HIGHUSER` does not promise that the kernel can reach the page: `page_address()` of a highmem page is NULL until it
is mapped by `kmap_local_page()`. A movable page may be moved away; what hardware is given must stay.

## Known problems

- Only within one function.

## Example

```c
struct page *page = alloc_page(GFP_HIGHUSER);
char *text = page_address(page);

__free_page(page);
```

## Use instead

```c
struct page *page = alloc_page(GFP_USER);
char *text = page_address(page);

__free_page(page);
```

or `kmap_local_page()` instead of `page_address()`.

## Fix safety

There is no automatic fix: a mapping has to be undone, and the mask may be meant.

## References

- Documentation/core-api/memory-allocation.rst, "Get Free Page flags"
- Documentation/mm/highmem.rst
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.userspace import misuses
from gfplint.findings import Finding, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step

_MESSAGES = {
    "__GFP_HIGHMEM": "the page may be in highmem, where it has no address: kmap_local_page() gives it one",
    "__GFP_MOVABLE": "the page may be moved while hardware uses it: GFP_HIGHUSER or GFP_USER stays",
}


def check(view: View) -> Iterator[Finding]:
    """Every page that its own mask does not fit."""
    for found in misuses(view.code) if view.code is not None else ():
        place = found.allocation.call.place
        steps = [
            call_step(view, place, f"allocated with {found.bit}"),
            call_step(view, found.use.place, "and used here as if it were without"),
        ]
        yield RULE.finding(view, place, _MESSAGES[found.bit], steps)


def interest(kernel: Kernel) -> Interest:
    """Functions that ask for the address of a page, or map it for hardware."""
    return Interest(calls=frozenset(name for role, name in kernel.roles if role in ("address", "pins")))


RULE = Rule(
    code="GFP506",
    name="misused-userspace-mask",
    severity=Severity.WARNING,
    summary="a highmem page used by its address, or a movable page given to hardware",
    page=__doc__ or "",
    check=check,
    preview=True,
    interest=interest,
    sim="userspace-page",
)
