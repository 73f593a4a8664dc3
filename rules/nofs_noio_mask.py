"""## What it does

Reports `GFP_NOFS` and `GFP_NOIO`, and masks that come to the same, outside any memalloc scope.

## Why is this bad

The mask says nothing of why reclaim must not enter the file system or start I/O, and reaches no allocation made on the
caller's behalf: one forgotten mask, or one `vmalloc()`, is a deadlock. Since 4.12 the guide prefers
`memalloc_nofs_save()` and `memalloc_noio_save()` where the critical section starts: where the lock is taken, or the
transaction begun, that reclaim would wait for. Inside, plain `GFP_KERNEL` is right, and where nothing of that kind is
held, it is right as well.

## Known problems

- The lock that matters may be taken by a caller: the message names only what the function itself holds, and what its
  file works on.
- Scopes that callers begin are seen for static functions alone.
- What comes from a mempool, bios among it, is reported with low confidence: drivers under the block layer ask for it
  with `GFP_NOIO` for every request, and no lock shows where a scope would begin.

## Example

```c
mutex_lock(&journal_lock);
buffer = kmalloc(size, GFP_NOFS);
mutex_unlock(&journal_lock);
```

## Use instead

```c
mutex_lock(&journal_lock);
flags = memalloc_nofs_save();
buffer = kmalloc(size, GFP_KERNEL);
memalloc_nofs_restore(flags);
mutex_unlock(&journal_lock);
```

## Fix safety

There is no automatic fix: the scope belongs where the critical section starts, which a person has to find.

## References

- Documentation/core-api/gfp_mask-from-fs-io.rst
- Documentation/core-api/memory-allocation.rst
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gfplint.analysis.summary import AllocSite, Hold
from gfplint.findings import Confidence, Finding, Severity, Step
from gfplint.ruleset import Rule, View, legacy_scope, titles


def check(view: View) -> Iterator[Finding]:
    """Every legacy mask outside any scope that would do for it."""
    for site in (*view.summary.allocs, *view.summary.passed):
        kind = legacy_scope(site)
        if kind and not ({"nofs", "noio"} & {*site.scopes, *site.around}):
            yield _finding(view, site, kind)


def _finding(view: View, site: AllocSite, kind: str) -> Finding:
    held = _sleeping(view, site.held)
    where = (
        f": the {kind.upper()} scope belongs where {titles(view, held)} is taken" if held else _elsewhere(view, kind)
    )
    trace = [
        Step(view.summary.path, h.place.line, h.place.column, view.summary.name, f"{titles(view, (h,))} taken here")
        for h in held
        if h.place.line
    ]
    text = site.mask_text or "a mask"
    trace.append(
        Step(view.summary.path, site.place.line, site.place.column, view.summary.name, f"{site.callee}({text})")
    )
    message = f"{site.callee}() with {text} outside any scope{where}"
    return RULE.finding(view, site.place, message, trace, confidence=_confidence(view, site))


def _confidence(view: View, site: AllocSite) -> Confidence:
    family = view.kernel.families.get(site.family)
    if family is not None and family.reserve:
        return Confidence.LOW
    certain = all(m is not None and not m.base for m in site.masks) and len(site.masks) == 1
    return Confidence.HIGH if certain else Confidence.MEDIUM


def _elsewhere(view: View, kind: str) -> str:
    """Where the scope belongs, where the function itself holds nothing that tells: by what its file works on."""
    found = "; this function holds no lock that reclaim could wait for"
    if _works_on(view, "file system"):
        who = "the file system takes the lock or begins the transaction"
    elif _works_on(view, "block"):
        who = "the driver is entered for a request, a resume or a reset and begins that"
    else:
        reclaim = "I/O" if kind == "noio" else "file system"
        return (
            f"{found}, and its file works on neither inodes nor block requests: GFP_KERNEL will do, unless a caller "
            f"holds what {reclaim} reclaim waits for"
        )
    return f"{found}: the {kind.upper()} scope belongs where {who} which reclaim would wait for"


def _works_on(view: View, role: str) -> bool:
    """Whether the file names a struct that only code of one kind works on."""
    structs = "|".join(name for known, name in view.kernel.roles if known == role)
    code = view.source().code if view.source is not None else ""
    return bool(structs and re.search(rf"\bstruct\s+(?:{structs})\b", code))


def _sleeping(view: View, held: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """The locks that a task may sleep with: those that reclaim may wait for."""
    return tuple(h for h in held if not view.kernel.kinds[h.kind].atomic and view.kernel.kinds[h.kind].lock)


RULE = Rule(
    code="GFP201",
    name="nofs-noio-mask",
    severity=Severity.ADVICE,
    summary="GFP_NOFS or GFP_NOIO where a scope would say why",
    page=__doc__ or "",
    check=check,
    preview=True,
    uses=frozenset(("scopes",)),
)
