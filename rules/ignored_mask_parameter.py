"""## What it does

Reports a function that takes a mask and may sleep whatever it is: it allocates with a constant mask that blocks, on a
path that does not depend on the mask.

## Why is this bad

Who passes `GFP_ATOMIC` or `GFP_NOWAIT` relies on not sleeping, and who passes `GFP_NOIO` on not doing I/O. The function
promises it with its parameter and does not keep it.

## Known problems

- A constant mask may be meant: a function that sleeps by other means as well (takes a mutex, waits, calls `vmap()`) is
  left out, as its mask is not about sleeping; so is one that uses the mask for something else, or asks it for a zone.
- What a callee allocates that takes no mask is not seen.

## Example

```c
int ring_fill(struct ring *ring, gfp_t gfp)
{
        ring->slots = kmalloc(64, gfp);
        ring->names = kmalloc(32, GFP_KERNEL);
        return 0;
}
```

## Use instead

```c
int ring_fill(struct ring *ring, gfp_t gfp)
{
        ring->slots = kmalloc(64, gfp);
        ring->names = kmalloc(32, gfp);
        return 0;
}
```

## Fix safety

There is no automatic fix: the mask may have to be handed on through several calls.

## References

- Documentation/core-api/memory-allocation.rst, "Get Free Page flags"
- include/linux/gfp.h, `gfpflags_allow_blocking()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.paths import root_of
from gfplint.analysis.summary import Sleep, Summary
from gfplint.analysis.texts import condition_root
from gfplint.analysis.values import blocking
from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity, Step
from gfplint.ruleset import Rule, View


def check(view: View) -> Iterator[Finding]:
    """Every allocation with a constant mask that blocks in a function that takes a mask to allocate with."""
    summary = view.summary
    if len(summary.masks) != 1 or summary.waits:
        return
    mask = summary.masks[0]
    if mask not in summary.idle and not _allocates_with(summary, mask):
        return
    if any(sleep.kind == "always" and _decided_by_neither(sleep, summary, mask) for sleep in summary.sleeps):
        return
    seen = set()
    for sleep in summary.sleeps:
        if not _regardless(sleep, summary, mask) or sleep.place in seen:
            continue
        seen.add(sleep.place)
        place = sleep.place
        taken = Step(summary.path, place.line, place.column, summary.name, f"{summary.name}() is given the mask {mask}")
        yield RULE.finding(
            view,
            place,
            f"{sleep.how}() may sleep here whatever {mask} is; hand {mask} on",
            [taken, *sleep.steps],
        )


def _allocates_with(summary: Summary, mask: str) -> bool:
    """Whether the function, or what it calls, allocates with the mask: else it is for something else."""
    given = [m for site in summary.allocs for m in site.masks] + [s.mask for s in summary.sleeps]
    return any(m is not None and m.base == mask for m in given)


def _regardless(sleep: Sleep, summary: Summary, mask: str) -> bool:
    """Whether the function itself sleeps whatever the mask is, and whatever else its caller chooses."""
    if sleep.kind != "mask" or sleep.mask is None or sleep.mask.base or blocking(sleep.mask) is not True:
        return False
    return _decided_by_neither(sleep, summary, mask)


def _decided_by_neither(sleep: Sleep, summary: Summary, mask: str) -> bool:
    """Whether neither the mask nor what else the caller chooses decides about what the function itself does."""
    if len(sleep.steps) > 1 or sleep.inner or sleep.dropped or sleep.uncertain:
        return False
    for kind, text, truth in sleep.guards:
        if kind == "blocking" or mask in (root_of(text), condition_root(text)):
            return False
        if "." not in text and condition_root(text) in summary.params and not (truth and text in summary.params):
            return False
    return True


RULE = Rule(
    code="GFP106",
    name="ignored-mask-parameter",
    severity=Severity.WARNING,
    summary="a function that takes a mask and may sleep whatever it is",
    page=__doc__ or "",
    check=check,
    reads=Reads.SLEEPS,
)
