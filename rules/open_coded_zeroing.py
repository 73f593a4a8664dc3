"""## What it does

Reports memory that is allocated and then, as the next thing that happens to it, set to zero as a whole: the zeroing
form of the allocator does both. Also reports the second zeroing of memory that its allocator zeroes anyway.

## Why is this bad

The guide calls routines that set memory to zero the safe choice. One call can't be parted from its `memset()` by a
later change, can't get the size wrong, and lets the allocator skip the work where its pages are zero already.

## Known problems

- Objects of a slab cache are taken to have the size of the type that the pointer has.
- Memory that is zeroed in parts, or by a loop, is not looked at.

## Example

```c
struct ring *ring = kmalloc(sizeof(*ring), GFP_KERNEL);

if (!ring)
        return -ENOMEM;
memset(ring, 0, sizeof(*ring));
kfree(ring);
```

## Use instead

```c
struct ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL);

if (!ring)
        return -ENOMEM;
kfree(ring);
```

## Fix safety

Safe: nothing reads the memory in between, and the sizes are the same. No fix is offered where the `memset()` is not a
statement on lines of its own, where `#if` stands between the two, and for objects of a slab cache (one with a
constructor refuses to zero).

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- include/linux/slab.h, `kzalloc()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.idioms.zeroing import Zeroing, zeroings
from gfplint.findings import Edit, Finding, Fix, Severity
from gfplint.frontend.spans import Span, has_directive, statement_lines
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every allocation that is zeroed next."""
    if view.code is None:
        return
    for found in zeroings(view.code):
        name = found.allocation.row.name
        already = found.allocation.row.zeroes
        form = name if already else view.code.form(name, "zeroed")
        if not form:
            continue
        already = already or form == name
        message = f"{name}() returns zeroed memory already" if already else f"{form}() allocates and zeroes"
        steps = [
            call_step(view, found.allocation.call.place, f"{name}() allocates"),
            call_step(view, found.clear.place, "all of it is zeroed, before anything else happens to it"),
        ]
        yield RULE.finding(
            view, found.allocation.call.place, message, steps, fix=_fix(found, form, view.code) if found.whole else None
        )


def _fix(found: Zeroing, form: str, code: Code) -> Fix | None:
    text, clear = code.call_text(found.allocation.call), code.call_text(found.clear)
    if text is None or clear is None or not found.alone:
        return None
    lines = statement_lines(code.source, clear.whole)
    if lines is None or has_directive(code.source, Span(text.whole.start, lines.end)):
        return None
    edits: list[Edit] = []
    if form != found.allocation.row.name:
        edits.append(code.edit(text.name, form))
    return Fix(safe=True, edits=(*edits, code.edit(_with_blank_line(code, lines), "")))


def _with_blank_line(code: Code, lines: Span) -> Span:
    """The lines with the empty one behind them, where one stands before them too or a block begins or ends there."""
    data = code.source.data
    newline = data.find(b"\n", lines.end)
    behind = newline >= 0 and not data[lines.end : newline].strip()
    before = data[data.rfind(b"\n", 0, lines.start - 1) + 1 : lines.start].strip()
    if behind and (not before or before.endswith(b"{")):
        return Span(lines.start, newline + 1)
    return lines


def interest(kernel: Kernel) -> Interest:
    """Functions that set memory."""
    return Interest(calls=frozenset(name for role, name in kernel.roles if role == "fill"))


RULE = Rule(
    code="GFP601",
    name="open-coded-zeroing",
    severity=Severity.ADVICE,
    summary="memory zeroed by hand, where one call allocates and zeroes",
    page=__doc__ or "",
    check=check,
    interest=interest,
)
