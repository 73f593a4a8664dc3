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

Safe where the memory was allocated in the same function, nothing else arrives at the free, and the device is named
there by a path that means the same at the free: the managed free of that device takes the place of the plain one, or
the plain one of plain memory that of the managed one. Elsewhere there is none: whether the device alone should free the
memory is for its author to say.

## References

- Documentation/driver-api/driver-model/devres.rst
- drivers/base/devres.c, `devm_kfree()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import FreeSite
from gfplint.analysis.values import Memory
from gfplint.analysis.worth import Reads
from gfplint.findings import Finding, Fix, Severity
from gfplint.rewriting import argument, freed_by
from gfplint.ruleset import Rule, View, confidence_of_free, free_steps, frees_managed, is_flavour


def check(view: View) -> Iterator[Finding]:
    """Every plain free of managed memory, and every managed free of plain memory."""
    kernel = view.kernel
    for site in view.summary.frees:
        memory = site.memory
        row = kernel.freeing(site.callee)
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
            fix=_fix(view, site, memory),
        )


def _fix(view: View, site: FreeSite, memory: Memory) -> Fix | None:
    """The managed free of the same device, or the plain free of plain memory."""
    kernel, family = view.kernel, memory.family
    if site.callee in kernel.resizers:
        return None
    made_for = [f for f in kernel.frees.values() if f.families[0] == family and not is_flavour(f) and not f.single]
    if memory.managed:
        rows = [f for f in made_for if f.device is not None and f.size is None]
        given = kernel.allocators.get(memory.allocator)
        device = argument(view, site, given.device) if given is not None else ""
        others = {rows[0].device: device} if len(rows) == 1 and rows[0].device is not None else {}
    else:
        rows = [f for f in made_for if (f.device, f.cache, f.size, f.order) == (None,) * 4][:1]
        others = {}
    return freed_by(view, site, rows[0], others) if len(rows) == 1 else None


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
