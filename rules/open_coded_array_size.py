"""## What it does

Reports allocations whose size is a product written with `*`: a count times a `sizeof`, or of two values that are known
only at run time.

## Why is this bad

The product may overflow; the allocation is then too small for what is written to it. The array forms (`kmalloc_array()`
and `kcalloc()`) check the product and fail instead, as `array_size()` does for allocators that have no array form.

## Known problems

- Where all factors are constants nothing can overflow: the array form then only says what is allocated.
- What bounds a count elsewhere is not known.
- A run-time value times a constant other than a `sizeof` is reported with low confidence.

## Example

```c
u32 *slots = kmalloc(count * sizeof(*slots), GFP_KERNEL);

kfree(slots);
```

## Use instead

```c
u32 *slots = kmalloc_array(count, sizeof(*slots), GFP_KERNEL);

kfree(slots);
```

## Fix safety

Safe: the array form computes the same product and fails where it overflows. No fix is offered for products of more
than two factors other than `a * b * sizeof(c)`, and where a comment or `#if` stands in the argument.

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- Documentation/process/deprecated.rst, "open-coded arithmetic in allocator arguments"
- include/linux/overflow.h, `array_size()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.idioms.products import Product, products
from gfplint.findings import Confidence, Finding, Fix, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every allocation of ``count * size`` bytes."""
    if view.code is None:
        return
    for found in products(view.code):
        if found.fixed and not found.typed:
            continue
        call = found.allocation.call
        form = view.code.form(found.allocation.row.name, "array")
        if not form:
            continue
        if found.fixed:
            message = f"an array is allocated: {form}() says so"
        else:
            message = f"the product may overflow: {form}() checks it"
        sure = found.typed or not found.bounded
        step = call_step(view, call.place, f"{found.allocation.row.name}() of a product")
        yield RULE.finding(
            view,
            call.place,
            message,
            [step],
            confidence=Confidence.MEDIUM if sure else Confidence.LOW,
            fix=_fix(found, form, view.code),
        )


def _fix(found: Product, form: str, code: Code) -> Fix | None:
    text = code.call_text(found.allocation.call)
    if text is None or found.span is None or not found.count:
        return None
    if ("product", form) in code.kernel.roles:  # no array form: the product stays an argument
        return Fix(safe=True, edits=(code.edit(found.span, f"{form}({found.count}, {found.size})"),))
    return Fix(safe=True, edits=(code.edit(text.name, form), code.edit(found.span, f"{found.count}, {found.size}")))


def interest(kernel: Kernel) -> Interest:
    """Functions that call an allocator which has an array form."""
    return Interest(calls=frozenset(name for name, kind in kernel.forms if kind == "array"))


RULE = Rule(
    code="GFP602",
    name="open-coded-array-size",
    severity=Severity.ADVICE,
    summary="a count times a size, where an array form checks the product",
    page=__doc__ or "",
    check=check,
    interest=interest,
)
