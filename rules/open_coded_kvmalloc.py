"""## What it does

Reports a kmalloc() with a vmalloc() of the same size for the case that it fails or that the size is large, and frees
that ask `is_vmalloc_addr()` to choose between `vfree()` and `kfree()`.

## Why is this bad

`kvmalloc()` does the same, and does it better: it tries slab memory without disturbing the system where that is not
at hand, and falls back to vmalloc only for sizes where that makes sense. `kvfree()` frees what either has given.

## Known problems

- Fallbacks over several functions are not seen.

## Example

```c
void *table = kmalloc(len, GFP_KERNEL);

if (!table)
        table = vmalloc(len);
kvfree(table);
```

## Use instead

```c
void *table = kvmalloc(len, GFP_KERNEL);

kvfree(table);
```

## Fix safety

Safe for frees: `kvfree()` asks the same question. No fix is offered for allocations: their frees may be anywhere.

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- mm/util.c, `kvmalloc_node()` and `kvfree()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.idioms.fallback import FreeChoice, fallbacks, free_choices
from gfplint.findings import Finding, Fix, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step

#: What frees either kind of memory; its own definition has to choose.
_FREE = "kvfree"


def check(view: View) -> Iterator[Finding]:
    """Every open-coded kvmalloc() and kvfree()."""
    if view.code is None:
        return
    for found in fallbacks(view.code):
        form = view.code.form(found.first.row.name, "kv")
        steps = [
            call_step(view, found.first.call.place, f"{found.first.row.name}() for one case"),
            call_step(view, found.second.call.place, f"{found.second.row.name}() of the same size for the other"),
        ]
        yield RULE.finding(view, found.first.call.place, f"{form}() chooses between the two itself", steps)
    for choice in free_choices(view.code) if view.code.name != _FREE else ():
        step = call_step(view, choice.question.place, "asks where the memory came from")
        yield RULE.finding(
            view, choice.question.place, f"{_FREE}() frees either kind of memory", [step], fix=_fix(choice, view.code)
        )


def _fix(found: FreeChoice, code: Code) -> Fix | None:
    if found.span is None or not found.pointer:
        return None
    return Fix(safe=True, edits=(code.edit(found.span, f"{_FREE}({found.pointer});"),))


def interest(kernel: Kernel) -> Interest:
    """Functions that call vmalloc(), or ask where memory came from."""
    vmalloc = {n for n, row in kernel.allocators.items() if row.family == "vmalloc"}
    asking = {n for n, query in kernel.queries.items() if query.true_means == "vmalloc"}
    return Interest(calls=frozenset(vmalloc | asking))


RULE = Rule(
    code="GFP604",
    name="open-coded-kvmalloc",
    severity=Severity.ADVICE,
    summary="a choice between kmalloc and vmalloc that kvmalloc makes itself",
    page=__doc__ or "",
    check=check,
    preview=True,
    interest=interest,
)
