"""## What it does

Reports a `memalloc_nofs_save()`, `memalloc_noio_save()` or another memalloc scope that a path leaves open, or, before
Linux 6.10, that is restored with the function of another kind.

## Why is this bad

The scope lives in the task. One that stays open takes `__GFP_FS` or `__GFP_IO` from every later allocation of that
task, in code that knows nothing of it; reclaim then can't make progress where it should. Before 6.10 one that is
restored as another kind leaves its own flag set and may clear an outer one, which brings back the deadlock that it
prevented; since then the saved value alone says what ends.

## Known problems

- A cookie that reaches its restore through a data structure is taken as handed over.
- A second restore with the same cookie is not reported: it sets the flags to what they are.

## Example

```c
unsigned int flags = memalloc_nofs_save();
p = kmalloc(size, GFP_KERNEL);
if (!p)
        return -ENOMEM;
memalloc_nofs_restore(flags);
```

## Use instead

```c
unsigned int flags = memalloc_nofs_save();
p = kmalloc(size, GFP_KERNEL);
memalloc_nofs_restore(flags);
if (!p)
        return -ENOMEM;
```

## Fix safety

There is no automatic fix.

## References

- Documentation/core-api/gfp_mask-from-fs-io.rst; include/linux/sched/mm.h, `memalloc_nofs_save()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity, Step
from gfplint.ruleset import Rule, View

_MESSAGES = {
    "open": "the {kind} scope is still open when the function returns",
    "wrong": "the {kind} scope is restored with the function of another kind",
}


def check(view: View) -> Iterator[Finding]:
    """Every scope that some path does not end as it was begun."""
    summary = view.summary
    for fault in summary.scope_faults:
        message = _MESSAGES[fault.fault].format(kind=fault.kind.upper())
        trace = [Step(summary.path, fault.saved.line, fault.saved.column, summary.name, "the scope begins here")]
        if fault.place.line:
            trace.append(Step(summary.path, fault.place.line, fault.place.column, summary.name, message))
        yield RULE.finding(view, fault.saved, message, trace)


RULE = Rule(
    code="GFP203",
    name="unbalanced-scope",
    severity=Severity.ERROR,
    summary="a memalloc scope that is not ended as it was begun",
    page=__doc__ or "",
    check=check,
    reads=Reads.SCOPES,
    sim="task-flags-differ",
)
