"""## What it does

Reports flags that change nothing: `__GFP_ZERO` for an allocator that zeroes anyway, a bit that another part of the mask
has (`GFP_NOWAIT | __GFP_NOWARN` where `GFP_NOWAIT` includes it, `GFP_KERNEL_ACCOUNT | __GFP_ACCOUNT`), zone bits for
`dma_alloc_coherent()`, which picks the zone itself, `__GFP_ACCOUNT` for a slab cache that charges all its objects.

## Why is this bad

A flag that does nothing makes the reader look for its reason, and is copied to places where it does something.

## Known problems

- What a cache charges is known only where the same file creates it.

## Example

```c
void *p = kzalloc(64, GFP_KERNEL | __GFP_ZERO);

kfree(p);
```

## Use instead

```c
void *p = kzalloc(64, GFP_KERNEL);

kfree(p);
```

## Fix safety

Safe: the mask that reaches the page allocator is the same.

## References

- include/linux/gfp_types.h, "Useful GFP flag combinations"
- include/linux/slab.h, `kzalloc()`
- kernel/dma/mapping.c, `dma_alloc_attrs()`
- mm/slub.c, `memcg_slab_post_alloc_hook()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.idioms.masks import Redundant, redundant_flags
from gfplint.findings import Finding, Fix, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every flag of an allocation that changes nothing."""
    if view.code is None:
        return
    for found in redundant_flags(view.code):
        name = found.allocation.row.name
        reason = _reason(found)
        place = found.allocation.call.place
        step = call_step(view, place, f"{name}() is given {found.flag}")
        yield RULE.finding(view, place, f"{found.flag} changes nothing: {reason}", [step], fix=_fix(found, view.code))


def _reason(found: Redundant) -> str:
    if found.cache:
        return f"the cache {found.cache} charges all its objects (SLAB_ACCOUNT)"
    return f"{found.why} has it" if found.why else f"{found.allocation.row.name}() does without"


def _fix(found: Redundant, code: Code) -> Fix | None:
    if found.span is None or not found.rest:
        return None
    return Fix(safe=True, edits=(code.edit(found.span, found.rest),))


def interest(kernel: Kernel) -> Interest:
    """Functions that name at least two masks, or one that charges."""
    return Interest(masks=2, words=frozenset(n for n, bits in kernel.masks.items() if "__GFP_ACCOUNT" in bits))


RULE = Rule(
    code="GFP505",
    name="redundant-mask-flag",
    severity=Severity.ADVICE,
    summary="a flag that changes nothing",
    page=__doc__ or "",
    check=check,
    interest=interest,
)
