"""## What it does

Reports a mask that may use the memory reserves and must not sleep (`GFP_ATOMIC`) where the code may sleep: it does so
before or after on the same path, in the same context, or every way into the function is known and may sleep.

## Why is this bad

`GFP_KERNEL` is what you need most of the time. `GFP_ATOMIC` does not reclaim, so it fails earlier under pressure, and
it takes from reserves that interrupt handlers depend on.

## Known problems

- A deliberate choice not to wait can't be told from a needless one, unless a second try with another mask follows, or
  the mask asks for `__GFP_NOWARN` or `__GFP_NORETRY` as well.
- Whether the code sleeps is read from the function itself; where it may be left early, only what follows at the same
  level counts.

## Example

```c
p = kmalloc(64, GFP_ATOMIC);
mutex_lock(&lock);
```

## Use instead

```c
p = kmalloc(64, GFP_KERNEL);
mutex_lock(&lock);
```

or `GFP_NOWAIT` where the failure is handled and waiting is not wanted.

## Fix safety

There is no automatic fix: only the author knows that no caller is atomic.

## References

- Documentation/core-api/memory-allocation.rst, "Get Free Page flags"
- include/linux/gfp_types.h, "Useful GFP flag combinations"
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import AllocSite
from gfplint.analysis.values import blocking
from gfplint.findings import Finding, Severity, Step
from gfplint.ruleset import Rule, View

#: What says that a failure is expected and handled.
_TENTATIVE = frozenset(("__GFP_NOWARN", "__GFP_NORETRY", "__GFP_NOMEMALLOC"))


def check(view: View) -> Iterator[Finding]:
    """Every atomic mask whose path sleeps in the same context."""
    for site in view.summary.allocs:
        if not site.unbound or _tentative(site) or _second_try(site, view):
            continue
        asked = view.callers.sleepable() if view.callers is not None and site.slept is None else None
        evidence = (site.slept,) if site.slept is not None else asked
        if evidence is None:
            continue
        place = site.place
        step = Step(view.summary.path, place.line, place.column, view.summary.name, f"{site.callee}() must not wait")
        yield RULE.finding(
            view,
            place,
            f"{site.callee}({site.mask_text}) takes from the reserves though the code may sleep here; "
            "use GFP_KERNEL, or GFP_NOWAIT where a failure is expected",
            [*evidence, step],
        )


def _tentative(site: AllocSite) -> bool:
    return any(mask is not None and not _TENTATIVE.isdisjoint(mask.plus) for mask in site.masks)


def _second_try(site: AllocSite, view: View) -> bool:
    """Whether the same allocation is tried with a mask that blocks as well."""
    return any(
        other.callee == site.callee
        and other.size == site.size
        and any(mask is not None and blocking(mask) for mask in other.masks)
        for other in view.summary.allocs
        if other.place != site.place and other.size
    )


RULE = Rule(
    code="GFP104",
    name="atomic-mask-in-sleepable-context",
    severity=Severity.ADVICE,
    summary="a mask that takes from the reserves where the code may sleep",
    page=__doc__ or "",
    check=check,
    sim="reserve-used",
)
