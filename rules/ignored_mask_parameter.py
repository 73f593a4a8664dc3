"""## What it does

Reports a function that takes a mask and may sleep whatever it is: it allocates with a constant mask that blocks, or
calls what does so, on a path that does not depend on the mask.

## Why is this bad

Who passes `GFP_ATOMIC` or `GFP_NOWAIT` relies on not sleeping, and who passes `GFP_NOIO` on not doing I/O. The function
promises it with its parameter and does not keep it.

## Known problems

- A constant mask may be meant: a function that sleeps by other means as well (takes a mutex, waits) is left out, as its
  mask is not about sleeping.

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
from gfplint.analysis.summary import Sleep
from gfplint.analysis.texts import condition_root
from gfplint.analysis.values import blocking
from gfplint.analysis.worth import MASK_LEVELS, Reads
from gfplint.findings import Confidence, Finding, Severity, Step
from gfplint.ruleset import Rule, View


def check(view: View) -> Iterator[Finding]:
    """Every allocation with a constant mask that blocks in a function that takes a mask."""
    summary = view.summary
    if len(summary.masks) != 1 or summary.waits:
        return
    mask = summary.masks[0]
    seen = set()
    for sleep in summary.sleeps:
        if not _regardless(sleep, mask) or sleep.place in seen:
            continue
        seen.add(sleep.place)
        place = sleep.place
        taken = Step(summary.path, place.line, place.column, summary.name, f"{summary.name}() is given the mask {mask}")
        yield RULE.finding(
            view,
            place,
            f"{sleep.how}() may sleep here whatever {mask} is; hand {mask} on",
            [taken, *sleep.steps],
            confidence=_confidence(sleep, view),
        )


def _confidence(sleep: Sleep, view: View) -> Confidence:
    """Sure where the function itself allocates; behind calls only where somebody may pass a mask that matters."""
    if len(sleep.steps) == 1:
        return Confidence.HIGH
    passed = view.callers is not None and view.callers.pass_atomic()
    return Confidence.MEDIUM if passed else Confidence.LOW


def _regardless(sleep: Sleep, mask: str) -> bool:
    """Whether a sleep happens whatever the mask is, as far as the analysis tells."""
    if sleep.kind != "mask" or sleep.mask is None or sleep.mask.base or blocking(sleep.mask) is not True:
        return False
    if sleep.inner or sleep.dropped or sleep.uncertain or sleep.ignores or len(sleep.steps) > MASK_LEVELS:
        return False
    return not any(
        kind == "blocking" or mask in (root_of(text), condition_root(text)) for kind, text, _ in sleep.guards
    )


RULE = Rule(
    code="GFP106",
    name="ignored-mask-parameter",
    severity=Severity.WARNING,
    summary="a function that takes a mask and may sleep whatever it is",
    page=__doc__ or "",
    check=check,
    reads=Reads.SLEEPS,
    preview=True,
)
