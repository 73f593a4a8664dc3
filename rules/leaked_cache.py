"""## What it does

Reports slab caches that a module does not destroy: on a way through its init function that fails, or when it is
unloaded.

## Why is this bad

The cache stays, with the name that it has: loading the module again warns and may fail, and its constructor lies in
memory that is gone.

## Known problems

- Only caches are followed that the function named by `module_init()` makes itself and keeps in a variable of the file.
- Caches that are destroyed while their objects live, and those that are used before they are made, are not reported.

## Example

```c
static struct kmem_cache *first, *second;

static int __init start(void)
{
        first = kmem_cache_create("first", 64, 0, 0, NULL);
        if (!first)
                return -ENOMEM;
        second = kmem_cache_create("second", 64, 0, 0, NULL);
        if (!second)
                return -ENOMEM;
        return 0;
}

static void __exit stop(void)
{
        kmem_cache_destroy(second);
        kmem_cache_destroy(first);
}

module_init(start);
module_exit(stop);
```

## Use instead

```c
static struct kmem_cache *first, *second;

static int __init start(void)
{
        first = kmem_cache_create("first", 64, 0, 0, NULL);
        if (!first)
                return -ENOMEM;
        second = kmem_cache_create("second", 64, 0, 0, NULL);
        if (!second) {
                kmem_cache_destroy(first);
                return -ENOMEM;
        }
        return 0;
}

static void __exit stop(void)
{
        kmem_cache_destroy(second);
        kmem_cache_destroy(first);
}

module_init(start);
module_exit(stop);
```

## Fix safety

There is no automatic fix: what else has to be undone on that way is for a person to see.

## References

- Documentation/core-api/memory-allocation.rst, "Selecting memory allocator"
- mm/slab_common.c, `kmem_cache_destroy()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.caches import creators, leaks
from gfplint.findings import Confidence, Finding, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step


def check(view: View) -> Iterator[Finding]:
    """Every cache that loading or unloading the module leaves behind."""
    for leak in leaks(view.code) if view.code is not None else ():
        steps = [call_step(view, leak.call.place, f"makes {leak.variable}")]
        if leak.left is None:
            message = f"{leak.variable} is not destroyed when the module is unloaded"
        else:
            message = f"{leak.variable} is not destroyed where loading the module fails"
            how = "fails here" if leak.sure else "may fail here"
            steps.append(call_step(view, leak.left, f"{how}, and {leak.variable} stays"))
        yield RULE.finding(
            view,
            leak.call.place,
            message,
            steps,
            confidence=Confidence.HIGH if leak.sure else Confidence.MEDIUM,
        )


def interest(kernel: Kernel) -> Interest:
    """Functions that make a slab cache."""
    return Interest(calls=creators(kernel))


RULE = Rule(
    code="GFP405",
    name="leaked-cache",
    severity=Severity.WARNING,
    summary="a slab cache that a module does not destroy",
    page=__doc__ or "",
    check=check,
    preview=True,
    interest=interest,
    sim="cache-leak",
)
