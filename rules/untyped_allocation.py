"""## What it does

Reports allocations of `sizeof(*p)` bytes, of arrays of them and of `struct_size()`, in trees that have the forms which
take the type instead: `kmalloc_obj()`, `kmalloc_objs()`, `kmalloc_flex()`. Off unless selected.

## Why is this bad

A size says nothing of the type that it was meant for: the compiler can't tell that the pointer is of another one. The
typed forms return a pointer of the type, know its alignment, and need no overflow helper.

## Known problems

- Only where the target's type is known and the same.

## Example

```c
struct ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL);

kfree(ring);
```

## Use instead

```c
struct ring *ring = kzalloc_obj(*ring);

kfree(ring);
```

## Fix safety

Safe: the size and the type are those that were there. No fix is offered where a comment stands in the call.

## References

- include/linux/slab.h, `kmalloc_obj()`
- Documentation/process/deprecated.rst, "Open-coded kmalloc assignments for struct objects"
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.idioms.typed import Typed, typed
from gfplint.findings import Finding, Fix, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step

_KINDS = ("object", "objects", "flex")


def check(view: View) -> Iterator[Finding]:
    """Every allocation that a typed form could make."""
    for found in typed(view.code) if view.code is not None else ():
        place = found.allocation.call.place
        step = call_step(view, place, f"{found.allocation.row.name}() of a size")
        yield RULE.finding(
            view, place, f"{found.form}() takes the type, and returns it", [step], fix=_fix(found, view.code)
        )


def _fix(found: Typed, code: Code | None) -> Fix | None:
    text = code.call_text(found.allocation.call) if code is not None else None
    if text is None or code is None or not found.args:
        return None
    return Fix(safe=True, edits=(code.edit(text.whole, f"{found.form}({', '.join(found.args)})"),))


def interest(kernel: Kernel) -> Interest:
    """Functions that call an allocator which has a typed form."""
    return Interest(calls=frozenset(name for name, kind in kernel.forms if kind in _KINDS))


RULE = Rule(
    code="GFP606",
    name="untyped-allocation",
    severity=Severity.ADVICE,
    summary="an allocation by size where the tree has forms by type",
    page=__doc__ or "",
    check=check,
    off=True,
    interest=interest,
)
