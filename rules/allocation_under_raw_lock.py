"""## What it does

Reports an allocation or a free of memory, whatever its mask, under a raw spin lock.

## Why is this bad

On PREEMPT_RT the allocators take locks that sleep, so under a raw spin lock even `GFP_ATOMIC` and `kfree()` are bugs.
Lockdep says "BUG: Invalid wait context" on every kernel that has CONFIG_PROVE_RAW_LOCK_NESTING.

## Known problems

- Only what the function that holds the lock does itself is looked at, not what it calls.
- Frees, memory other than that of slab caches, mempools and percpu, and places where interrupts or preemption are
  disabled by hand, are reported with low confidence: lockdep does not report them.

## Example

```c
raw_spin_lock(&ring->lock);
entry = kmalloc(64, GFP_ATOMIC);
raw_spin_unlock(&ring->lock);
```

## Use instead

```c
entry = kmalloc(64, GFP_KERNEL);
raw_spin_lock(&ring->lock);
raw_spin_unlock(&ring->lock);
```

or a `spinlock_t` where the lock need not be raw.

## Fix safety

There is no automatic fix.

## References

- Documentation/locking/locktypes.rst, "raw_spinlock_t on RT"
- kernel/locking/lockdep.c, `check_wait_context()`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gfplint.analysis.summary import AllocSite, FreeSite, Hold
from gfplint.analysis.values import blocking
from gfplint.findings import Confidence, Finding, Severity, Step
from gfplint.ruleset import Rule, View, holding_steps, titles

#: What lockdep checks: slab (and what is built on it), mempool and percpu.
_CHECKED = frozenset(("kmalloc", "kmem_cache", "percpu", "mempool"))
_RAW_LOCK = "raw_spin"


def check(view: View) -> Iterator[Finding]:
    """Every allocation and free of a function while it holds what may not be held there on PREEMPT_RT."""
    for site in view.summary.allocs:
        row = view.kernel.allocators.get(site.callee)
        if row is None or row.hidden or site.callee.endswith("_nolock") or _sleeps(site):
            continue
        yield from _finding(view, site, site.family, site.held)
    for free in view.summary.frees:
        if free.callee.endswith("_nolock") or free.scope_exit or free.null:
            continue
        yield from _finding(view, free, "", free.held)


def _finding(view: View, site: AllocSite | FreeSite, family: str, held: Iterable[Hold]) -> Iterator[Finding]:
    """``family``: what is allocated; "" for a free."""
    raw = tuple(h for h in held if view.kernel.kinds[h.kind].raw)
    if not raw:
        return
    sure = family in _CHECKED and any(h.kind == _RAW_LOCK for h in raw)
    place = site.place
    step = Step(
        view.summary.path, place.line, place.column, view.summary.name, f"{site.callee}() may sleep on PREEMPT_RT"
    )
    yield RULE.finding(
        view,
        place,
        f"{site.callee}() must not be called here on PREEMPT_RT, whatever its mask: {titles(view, raw)}",
        [*holding_steps(view, raw, place), step],
        confidence=Confidence.HIGH if sure else Confidence.LOW,
    )


def _sleeps(site: AllocSite) -> bool:
    """Whether other rules say more: it sleeps on every kernel."""
    return any(mask is None or blocking(mask) is not False for mask in site.masks)


RULE = Rule(
    code="GFP105",
    name="allocation-under-raw-lock",
    severity=Severity.WARNING,
    summary="memory is allocated or freed under a raw spin lock, which PREEMPT_RT forbids",
    page=__doc__ or "",
    check=check,
    sim="wait-context",
    preview=True,
)
