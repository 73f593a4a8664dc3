"""## What it does

Reports memory that is not physically contiguous (`vmalloc()`, `kvmalloc()`, per-CPU memory, mappings) where the linear
map is needed: `dma_map_single()`, `sg_init_one()`, `sg_set_buf()`, `virt_to_phys()`, `virt_to_page()`, buffers of USB
transfers. Members are followed over files.

## Why is this bad

What these functions compute from the address is the address of some other memory: the device reads and writes there.
`kvmalloc()` hands out contiguous memory as long as there is some, so that it goes wrong on a busy machine only.

## Known problems

- Memory of `kvmalloc()` whose size is a number below a page is taken for contiguous.
- A buffer is not followed through the lists and queues of a driver.

## Example

```c
buf = vmalloc(size);
if (!buf)
        return -ENOMEM;
addr = dma_map_single(dev, buf, size, DMA_TO_DEVICE);
vfree(buf);
```

## Use instead

```c
buf = kmalloc(size, GFP_KERNEL);
if (!buf)
        return -ENOMEM;
addr = dma_map_single(dev, buf, size, DMA_TO_DEVICE);
kfree(buf);
```

Or a scatter list of the pages of the buffer (`vmalloc_to_page()`), where it is too large for `kmalloc()`.

## Fix safety

There is no automatic fix: the memory may be too large for `kmalloc()`.

## References

- Documentation/core-api/dma-api-howto.rst, "What memory is DMA'able?"
- Documentation/core-api/memory-allocation.rst
- include/linux/dma-mapping.h, `dma_map_single_attrs()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import FreeSite
from gfplint.analysis.values import Memory
from gfplint.analysis.worth import Reads
from gfplint.findings import Confidence, Finding, Severity, Step
from gfplint.ruleset import Rule, View, call_step, confidence_of_free

#: Sizes that kvmalloc() leaves to kmalloc() (mm/util.c, kvmalloc_node()).
_PAGE = 4096


def check(view: View) -> Iterator[Finding]:
    """Every use of the linear map for memory that does not lie in it."""
    families = view.kernel.families
    for site in view.summary.linear_uses:
        memory = site.memory
        if memory is None or memory.family not in families or families[memory.family].contiguous:
            continue
        if families[memory.family].may_be and _small(memory):
            continue
        family = families[memory.family]
        place = memory.place
        steps = [
            Step(
                memory.path, place.line, place.column, memory.function, f"{memory.allocator}() allocates {family.title}"
            ),
            call_step(view, site.place, f"{site.callee}() needs memory of the linear map"),
        ]
        maybe = "need not be" if family.may_be else "is not"
        yield RULE.finding(
            view,
            site.place,
            f"{site.callee}() of memory from {memory.allocator}(), which {maybe} physically contiguous",
            steps,
            confidence=_confidence(view, site, memory),
        )


def _confidence(view: View, site: FreeSite, memory: Memory) -> Confidence:
    """Who keeps kvmalloc() memory may have asked elsewhere what it is."""
    if not view.kernel.families[memory.family].may_be:
        return confidence_of_free(view, site)
    return Confidence.MEDIUM if memory.function == view.summary.name and not site.doubt else Confidence.LOW


def _small(memory: Memory) -> bool:
    size = memory.size
    return (size.isdigit() and int(size) < _PAGE) or (size.startswith("sizeof(") and size.endswith(")"))


RULE = Rule(
    code="GFP605",
    name="noncontiguous-memory-for-dma",
    severity=Severity.ERROR,
    summary="vmalloc() or kvmalloc() memory where hardware or the linear map is concerned",
    page=__doc__ or "",
    check=check,
    preview=True,
    reads=Reads.ALL | Reads.LINEAR,
    sim="outside-linear-map",
)
