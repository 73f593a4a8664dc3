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

Safe: the effective mask stays the same. A mask that is passed on to another function may be kept there for later: that
fix is not applied by itself.

## References

- Documentation/core-api/gfp_mask-from-fs-io.rst; include/linux/sched/mm.h, `current_gfp_context()`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gfplint.analysis.summary import AllocSite
from gfplint.findings import Edit, Finding, Fix, Severity, Step
from gfplint.frontend.spans import call_text, has_directive, is_plain
from gfplint.kernel.masks import effective
from gfplint.ruleset import Rule, View, legacy_scope

_PLAIN = "GFP_KERNEL"
_MASK = re.compile(r"\bGFP_[A-Z0-9_]+")
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
            fix=_fix(view, site, active[0], safe=site in view.summary.allocs),
        )


def _fix(view: View, site: AllocSite, scope: str, *, safe: bool) -> Fix | None:
    """GFP_KERNEL in the place of the one name in the call that means the same in the scope."""
    source = view.source() if view.source is not None and len(site.masks) == 1 else None
    text = call_text(source, site.place) if source is not None else None
    if source is None or text is None or has_directive(source, text.whole):
        return None
    masks = view.kernel.masks
    plain = effective(masks.get(_PLAIN, frozenset()), (scope,))
    found = [
        (arg.start + match.start(), arg.start + match.end())
        for arg in text.args
        if is_plain(source, arg)
        for match in _MASK.finditer(source.code[arg.start : arg.end])
        if match.group() != _PLAIN and effective(masks.get(match.group(), frozenset()), (scope,)) == plain
    ]
    if len(found) != 1:
        return None
    start, end = found[0]
    return Fix(safe, (Edit(view.summary.path, source.position(start), source.position(end), _PLAIN),))


RULE = Rule(
    code="GFP202",
    name="redundant-nofs-noio-mask",
    severity=Severity.ADVICE,
    summary="GFP_NOFS or GFP_NOIO inside a scope that reduces every mask to it",
    page=__doc__ or "",
    check=check,
    preview=True,
    uses=frozenset(("scopes",)),
    sim="mask-unchanged",
)
