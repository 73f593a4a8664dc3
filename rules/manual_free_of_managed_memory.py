"""## What it does

Reports device-managed memory (`devm_*`, `drmm_*`) that is given to a plain free.

## Why is this bad

The device frees it again when it is unbound: a second free. The pointer also does not point at the start of the slab
object, so that `kfree()` corrupts the allocator at once on some configurations.

## Known problems

- Memory that reaches the free through a list or another container is not followed.

## Example

```c
priv = devm_kzalloc(dev, sizeof(*priv), GFP_KERNEL);
if (!priv)
        return -ENOMEM;
kfree(priv);
```

## Use instead

Nothing: the device frees it. Where it has to go earlier:

```c
priv = devm_kzalloc(dev, sizeof(*priv), GFP_KERNEL);
if (!priv)
        return -ENOMEM;
devm_kfree(dev, priv);
```

## Fix safety

There is no automatic fix.

## References

- Documentation/driver-api/driver-model/devres.rst
- drivers/base/devres.c, `devm_kfree()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Severity
from gfplint.ruleset import Rule, View, confidence_of_free, free_steps, frees_managed, is_flavour


def check(view: View) -> Iterator[Finding]:
    """Every plain free of managed memory, and every managed free of plain memory."""
    kernel = view.kernel
    for site in view.summary.frees:
        memory = site.memory
        row = kernel.frees[site.callee]
        if memory is None or memory.family in row.families or memory.family not in kernel.families:
            continue
        if is_flavour(row) or (not memory.managed and not frees_managed(kernel, row)):
            continue
        leaves = "leaves the free to the device" if memory.managed else "allocates memory that no device manages"
        message = (
            f"{site.callee}() of memory that the device frees itself ({memory.allocator}()): it is freed twice"
            if memory.managed
            else f"{site.callee}() of memory from {memory.allocator}(), which no device manages"
        )
        yield RULE.finding(
            view,
            site.place,
            message,
            free_steps(view, site, leaves, "frees it by hand"),
            confidence=confidence_of_free(view, site),
        )


RULE = Rule(
    code="GFP404",
    name="manual-free-of-managed-memory",
    severity=Severity.ERROR,
    summary="device-managed memory freed by hand",
    page=__doc__ or "",
    check=check,
    reads=Reads.FAMILIES,
    sim="bad-free",
)
