"""## What it does

Reports `GFP_DMA` and `GFP_DMA32` where the file shows no device that sees less memory than that.

## Why is this bad

The low zones are small, and memory from them is no better for DMA than other memory: `dma_map_*()` bounces what a
device can't reach, and `dma_alloc_*()` picks the zone from the device's mask. The guide calls these flags legacy.

## Known problems

- A device's limit may be known elsewhere than in its driver's file. Where the file takes physical addresses itself, or
  uses no interface that maps memory for devices (as firmware interfaces that take addresses of 31 bits), the finding is
  of low confidence, and so it is for pages below 4 GB.
- A second allocation behind a mapping that failed is left alone: there the device's limit has shown.
- Fields such as `vb2_queue.gfp_flags` are not looked at.

## Example

```c
void *buf = kmalloc(64, GFP_KERNEL | GFP_DMA);
dma_addr_t at = dma_map_single(dev, buf, 64, DMA_TO_DEVICE);

kfree(buf);
```

## Use instead

```c
void *buf = kmalloc(64, GFP_KERNEL);
dma_addr_t at = dma_map_single(dev, buf, 64, DMA_TO_DEVICE);

kfree(buf);
```

or `dma_alloc_coherent()` instead of both.

## Fix safety

There is no automatic fix: that no device needs the zone can't be proved.

## References

- Documentation/core-api/memory-allocation.rst, "Get Free Page flags"
- Documentation/core-api/dma-api-howto.rst
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.zones import ZONES, zone_masks
from gfplint.findings import Confidence, Finding, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every allocation that asks for a low zone without need."""
    for found in zone_masks(view.code) if view.code is not None else ():
        place = found.allocation.call.place
        step = call_step(view, place, f"{found.allocation.row.name}() is asked for {found.flag}")
        yield RULE.finding(
            view,
            place,
            f"{found.flag} takes memory of a small zone: dma_map_*() and dma_alloc_*() do what the device needs",
            [step],
            confidence=Confidence.MEDIUM if found.mapped else Confidence.LOW,
        )


def interest(kernel: Kernel) -> Interest:
    """Functions that name a zone."""
    return Interest(words=frozenset(name for name, bits in kernel.masks.items() if bits & ZONES))


RULE = Rule(
    code="GFP503",
    name="legacy-zone-mask",
    severity=Severity.ADVICE,
    summary="a zone mask without a device that needs it",
    page=__doc__ or "",
    check=check,
    interest=interest,
)
