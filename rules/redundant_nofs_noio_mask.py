"""## What it does

Reports `GFP_NOFS` and `GFP_NOIO` inside a memalloc scope that takes the same bits from every mask.

## Why is this bad

It is not wrong, but says twice what the scope says once, and hides that the scope is what protects the allocation.

## Known problems

- Scopes that callers begin are seen for static functions alone, and only where every caller begins one.

## Example

```c
flags = memalloc_nofs_save();
buffer = kmalloc(size, GFP_NOFS);
memalloc_nofs_restore(flags);
```

## Use instead

```c
flags = memalloc_nofs_save();
buffer = kmalloc(size, GFP_KERNEL);
memalloc_nofs_restore(flags);
```

## Fix safety

The effective mask stays the same. There is no automatic fix yet.

## References

- Documentation/core-api/gfp_mask-from-fs-io.rst; include/linux/sched/mm.h, `current_gfp_context()`
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.findings import Finding, Severity, Step
from gfplint.ruleset import Rule, View, legacy_scope

#: The scopes in which a mask of each kind is reduced already.
_COVERED_BY = {"nofs": ("nofs", "noio"), "noio": ("noio",)}


def check(view: View) -> Iterator[Finding]:
    """Every legacy mask inside a scope that reduces any mask to it."""
    for site in (*view.summary.allocs, *view.summary.passed):
        kind = legacy_scope(site)
        active = [k for k in _COVERED_BY.get(kind, ()) if k in site.scopes or k in site.around]
        if not active:
            continue
        whose = "" if active[0] in site.scopes else " of every caller"
        text = site.mask_text or "the mask"
        step = Step(view.summary.path, site.place.line, site.place.column, view.summary.name, f"{site.callee}({text})")
        yield RULE.finding(
            view,
            site.place,
            f"{site.callee}() with {text} inside the {active[0].upper()} scope{whose}: GFP_KERNEL means the same there",
            [step],
        )


RULE = Rule(
    code="GFP202",
    name="redundant-nofs-noio-mask",
    severity=Severity.ADVICE,
    summary="GFP_NOFS or GFP_NOIO inside a scope that reduces every mask to it",
    page=__doc__ or "",
    check=check,
    preview=True,
    uses=frozenset(("scopes",)),
)
