"""## What it does

Reports masks that the called allocator can't honour: highmem or DMA32 bits for the slab allocator (error), zone bits
alone such as `kmalloc(n, GFP_DMA)` and a non-blocking `kvmalloc()` of more than a page (warnings).

## Why is this bad

Slab memory is always mapped and comes from a few sets of caches: the bits can't be honoured, and the allocator drops
them with a warning once it needs a new page; until then the memory is silently from the wrong zone. A zone bit without
a reclaim bit neither blocks nor wakes kswapd. `kvmalloc()` never falls back to vmalloc for a non-blocking mask before
Linux 6.19.

## Known problems

- The mask that a caller passes to a function of the tree's own is not compared with the allocator inside.
- The size of a `kvmalloc()` is known only where it is a number.

## Example

```c
buf = kmalloc(len, GFP_KERNEL | __GFP_HIGHMEM);
```

## Use instead

```c
buf = kmalloc(len, GFP_KERNEL);
```

## Fix safety

There is no automatic fix: what the author wanted is not known.

## References

- mm/slab_common.c, `kmalloc_fix_flags()`
- include/linux/gfp_types.h, "Physical address zone modifiers"
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import AllocSite
from gfplint.analysis.values import MaskValue
from gfplint.analysis.worth import Reads
from gfplint.findings import Confidence, Finding, Severity, Step
from gfplint.kernel.model import Mask
from gfplint.ruleset import Rule, View

_ZONES: Mask = frozenset({"__GFP_DMA", "__GFP_DMA32", "__GFP_HIGHMEM", "__GFP_MOVABLE"})
_RECLAIM: Mask = frozenset({"__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM"})
_PAGE = 4096


def check(view: View) -> Iterator[Finding]:
    """Every constant mask with bits that the allocator refuses."""
    for site in view.summary.allocs:
        row = view.kernel.allocators.get(site.callee)
        if row is None or row.mask is None:
            continue
        for mask in site.masks:
            if mask is None:
                continue
            found = _problem(view, site, mask)
            if found is not None:
                message, severity = found
                step = Step(
                    view.summary.path,
                    site.place.line,
                    site.place.column,
                    view.summary.name,
                    f"{site.callee}({site.mask_text})",
                )
                yield RULE.finding(
                    view,
                    site.place,
                    message,
                    [step],
                    severity=severity,
                    confidence=Confidence.HIGH if not mask.base else Confidence.MEDIUM,
                )
                break


def _problem(view: View, site: AllocSite, mask: MaskValue) -> tuple[str, Severity] | None:
    family = view.kernel.families.get(site.family)
    refused = sorted(mask.plus & frozenset(family.restricts)) if family is not None else []
    if refused:
        return f"{site.callee}() can't honour {', '.join(refused)}: the bits are dropped with a warning", Severity.ERROR
    if mask.base:
        return None
    deliberate = "__GFP_NOWARN" in mask.plus  # a failure is expected, and handled
    alone = mask.plus & _ZONES and not mask.plus & _RECLAIM
    if family is not None and family.restricts and alone and not deliberate:
        zone = ", ".join(sorted(mask.plus & _ZONES))
        return (
            f"{zone} alone neither reclaims nor wakes kswapd; it is meant to be combined, as in GFP_KERNEL | {zone}",
            Severity.WARNING,
        )
    if (
        site.family == "kvmalloc"
        and "__GFP_DIRECT_RECLAIM" not in mask.plus
        and "vmalloc_atomic_ok" not in view.kernel.probes
    ):
        size = site.size
        if size.isdigit() and int(size) > _PAGE:
            return (
                f"{site.callee}() with a non-blocking mask never uses vmalloc: "
                f"it fails where {size} contiguous bytes are not free",
                Severity.WARNING,
            )
    return None


RULE = Rule(
    code="GFP501",
    name="unsupported-mask",
    severity=Severity.ERROR,
    summary="a mask that the called allocator can't honour",
    page=__doc__ or "",
    check=check,
    reads=Reads.MASKS,
    sim="mask-fixed",
)
