"""## What it does

Reports an allocation whose result is used before anything tests it, and one that is tested for the wrong kind of
failure: `IS_ERR()` where the allocator returns NULL, a test for NULL where it returns an error pointer.

## Why is this bad

The guide: there is no guarantee that an allocation succeeds, so failures have to be checked. The use then writes
through a null pointer.

## Known problems

- Only the first thing that happens to the pointer counts, and only in the block of the allocation.
- In functions that run once at start, and in self-tests, findings are advice.
- Small allocations with `GFP_KERNEL` hardly ever fail today; none of them is guaranteed.

## Example

```c
u32 *slots = kmalloc(64, GFP_KERNEL);

slots[0] = 1;
kfree(slots);
```

## Use instead

```c
u32 *slots = kmalloc(64, GFP_KERNEL);

if (!slots)
        return -ENOMEM;
slots[0] = 1;
kfree(slots);
```

## Fix safety

There is no automatic fix: what has to happen on failure is for the author to say.

## References

- Documentation/core-api/memory-allocation.rst, "GFP flags and reclaim behavior"
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.idioms.unchecked import FirstUse, first_uses
from gfplint.facts import Place
from gfplint.findings import Confidence, Finding, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every allocation that is used untested, or tested for what never happens."""
    if view.code is None:
        return
    # A kernel that can't boot may as well crash, and so may a test.
    early = "__init" in view.code.signature.annotations or _is_test(view.code)
    for found in first_uses(view.code):
        place, name = found.allocation.call.place, found.allocation.row.name
        fails = "NULL" if found.allocation.row.error == "null" else "an error pointer"
        used = Place(found.line, 1, found.line, 2)
        steps = [
            call_step(view, place, f"{name}() returns {fails} where it fails"),
            call_step(view, used, "used here" if found.kind == "used" else "tested here for something else"),
        ]
        yield RULE.finding(
            view,
            place,
            _message(found, fails),
            steps,
            severity=Severity.ADVICE if early else Severity.WARNING,
            confidence=Confidence.MEDIUM if found.certain else Confidence.LOW,
        )


def _is_test(code: Code) -> bool:
    """Whether a function is given the context of a self-test."""
    return any(("test", param.type) in code.kernel.roles for param in code.signature.params)


def _message(found: FirstUse, fails: str) -> str:
    name = found.allocation.row.name
    if found.kind == "used":
        return f"the result of {name}() is used without a test for {fails}"
    return f"{name}() returns {fails} where it fails: the test does not see it"


def interest(kernel: Kernel) -> Interest:
    """Functions that allocate."""
    return Interest(
        calls=frozenset(n for n, row in kernel.allocators.items() if row.error in ("null", "errptr") and not row.weak)
    )


RULE = Rule(
    code="GFP701",
    name="unchecked-allocation",
    severity=Severity.WARNING,
    summary="an allocation that is used without a test for failure",
    page=__doc__ or "",
    check=check,
    preview=True,
    interest=interest,
    sim="null-deref",
)
