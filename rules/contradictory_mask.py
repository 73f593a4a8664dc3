"""## What it does

Reports masks whose parts exclude each other (`GFP_ATOMIC | GFP_KERNEL`, `GFP_NOFS | GFP_KERNEL`,
`__GFP_NORETRY | __GFP_NOFAIL`, two zones), that an operator empties or fills (`GFP_KERNEL & __GFP_NOWARN`,
`GFP_KERNEL || __GFP_ZERO`, `!__GFP_FS`, `| ~__GFP_FS`), that allow file systems but not I/O
(`GFP_KERNEL & ~__GFP_IO`), and a mask and a size that changed places.

## Why is this bad

A mask is a set of bits. OR-ing a mask that restricts reclaim with one that does not gives the wider one: the
restriction that the author had in mind is gone, and code that must not sleep sleeps. A logical operator gives 1, which
is `__GFP_DMA` and nothing else.

## Known problems

- Masks that are put together over several statements are not looked at.

## Example

```c
void *p = kmalloc(64, GFP_ATOMIC | GFP_KERNEL);

kfree(p);
```

## Use instead

Where the code may sleep:

```c
void *p = kmalloc(64, GFP_KERNEL);

kfree(p);
```

## Fix safety

There is no automatic fix: which of the two was meant is not known.

## References

- include/linux/gfp_types.h, "Useful GFP flag combinations"
- Documentation/core-api/memory-allocation.rst, "Get Free Page flags"
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.masks import Contradiction, contradictions
from gfplint.findings import Finding, Severity
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View, call_step

_MESSAGES = {
    "wider": "{0} | {1} is the wider of the two: what {0} forbids is allowed",
    "exclusive": "{0} and {1} exclude each other",
    "zones": "{0} and {1} name two zones: there is no page in both",
    "nothing": "{0} & {1} is empty: the mask allows nothing",
    "all": "| {0} sets every bit but {1}; '& {0}' takes it away",
    "not": "{0} is {1}, not a mask without that bit ('~')",
    "||": "{0} || {1} is 1, not the two masks together ('|')",
    "&&": "{0} && {1} is 1, not a mask ('&' or '|')",
    "+": "{0} + {1}: bits that both have carry over ('|')",
    "-": "{0} - {1}: bits that are not set borrow ('& ~')",
    "half": "{0} without {1}: the file systems that reclaim then enters start I/O",
    "exchanged": "the size is {0} and the mask is {1}: the arguments have changed places",
}


def check(view: View) -> Iterator[Finding]:
    """Every mask that contradicts itself."""
    for found in contradictions(view.code) if view.code is not None else ():
        step = call_step(view, found.call.place, "the mask is given here")
        yield RULE.finding(view, found.call.place, _message(found), [step])


def _message(found: Contradiction) -> str:
    return _MESSAGES[found.why].format(*found.what)


def interest(kernel: Kernel) -> Interest:
    """Functions that name a mask."""
    return Interest(masks=1)


RULE = Rule(
    code="GFP502",
    name="contradictory-mask",
    severity=Severity.WARNING,
    summary="a mask whose parts exclude each other, or that an operator spoils",
    page=__doc__ or "",
    check=check,
    preview=True,
    interest=interest,
)
