"""## What it does

Reports an allocation whose mask allows direct reclaim (`GFP_KERNEL`, `GFP_NOFS`, `GFP_NOIO`, `GFP_USER`, ...) where the
code must not sleep: a spinning lock is held, interrupts, bottom halves or preemption are disabled, the code runs inside
an RCU read-side section, or the core calls it from an interrupt, a timer, a tasklet or an RCU callback.

The finding stands where the context began to matter: at the call that is made while the lock is held. Its trace leads
on to the allocation, through callees and macros.

## Why is this bad

Direct reclaim may wait: for I/O, for another task, for the OOM killer. A task that sleeps with a spin lock held leaves
every other CPU spinning on it; with interrupts disabled the machine stops answering; inside an RCU read-side section
the grace period is broken. It shows only under memory pressure, on somebody else's machine.

## Known problems

- A lock that a callee drops in a way that its body does not show is taken as held.
- Conditions that correlate through data structures are seen as such only where they ask the same member. What depends
  on the state of an object that others may have prepared, on the mode that an object's own lock was set up for, on a
  page table that is not there yet, on a warning, or on the last reference is of low confidence.
- Locks are told apart by their names: a callee that drops `a->lock` is taken to drop `b->lock` too.
- A call through a function pointer is followed only where tables tell which functions it may reach, and all of them
  may sleep.
- Functions that do nothing but switch interrupts off or on are looked into only where their names say so (`irq_lock()`,
  `run_begin()`), not where they say nothing (`off()`) or only the end (`run_end()`).

## Example

```c
spin_lock(&ring->lock);
entry = kmalloc(sizeof(*entry), GFP_KERNEL);
if (entry)
        list_add(&entry->link, &ring->entries);
spin_unlock(&ring->lock);
```

## Use instead

Allocate before the lock is taken, which keeps the stronger mask:

```c
entry = kmalloc(sizeof(*entry), GFP_KERNEL);
if (!entry)
        return -ENOMEM;
spin_lock(&ring->lock);
list_add(&entry->link, &ring->entries);
spin_unlock(&ring->lock);
```

or `GFP_NOWAIT` with a fallback for the failure; or drop the lock around the allocation and look again afterwards.

## Fix safety

There is no automatic fix: `GFP_ATOMIC` instead of `GFP_KERNEL` eats into the reserves and fails earlier.

## References

- Documentation/core-api/memory-allocation.rst, "Get Free Page flags"
- include/linux/sched/mm.h, `might_alloc()`
- kernel/sched/core.c, `__might_resched()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity
from gfplint.ruleset import Rule, View, confidence_of, context_steps, sleep_steps, titles


def check(view: View) -> Iterator[Finding]:
    """Every blocking mask that reaches an allocator while a context of this function forbids sleeping."""
    for report in view.summary.reports:
        if report.sleep.kind != "mask":
            continue
        yield RULE.finding(
            view,
            report.place,
            f"{report.sleep.how}() may sleep here: {titles(view, report.held)}; "
            "allocate before it, or use GFP_NOWAIT with a fallback",
            [*context_steps(view, report), *sleep_steps(report)],
            confidence=confidence_of(report),
            needs=report.needs,
        )


RULE = Rule(
    code="GFP101",
    name="blocking-allocation-in-atomic-context",
    severity=Severity.ERROR,
    summary="a mask that allows direct reclaim where the code must not sleep",
    page=__doc__ or "",
    check=check,
    reads=Reads.CONTEXTS,
    sim="sleep-fault",
)
