"""## What it does

Reports a `gfplint: ignore[...]` comment that silences nothing, that names no known rule, or that gives no reason. One
without codes in closed square brackets names none, and silences nothing.

## Why is this bad

A suppression outlives the code that it was written for, and then hides the next mistake on that line. Without a
reason, nobody can tell
whether it may go.

## Known problems

- Nothing is known of rules that did not run: a comment for them is left alone.

## Example

```c
/* gfplint: ignore[GFP101] */
p = kmalloc(64, GFP_ATOMIC);
```

## Use instead

```c
p = kmalloc(64, GFP_ATOMIC);
```

or a comment with the reason behind the codes, on the line of the call or above it.

## Fix safety

There is no automatic fix.

## References

- README.md: Use
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gfplint.analysis.summary import Summary
from gfplint.facts import Place
from gfplint.findings import Finding, Severity, Step
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Rule, View
from gfplint.select import Unused

_MESSAGES = {
    "unused": "this suppression silences nothing",
    "unreasoned": "this suppression gives no reason",
    "unknown": "this suppression names no known rule",
}


def check(view: View) -> Iterator[Finding]:
    """Nothing in a function: what is unused is known only once everything was linted (see ``report``)."""
    return iter(())


def report(unused: Iterable[Unused], kernel: Kernel) -> Iterator[Finding]:
    """A finding for each comment that is at fault."""
    for item in unused:
        line, column = item.suppression.line, item.suppression.column
        place = Place(line, column, line, column)
        code = f" ({item.code})" if item.code else ""
        message = f"{_MESSAGES[item.why]}{code}"
        view = View(Summary("", item.path, ()), kernel)
        yield RULE.finding(view, place, message, [Step(item.path, line, column, "", message)])


RULE = Rule(
    code="GFP901",
    name="unused-suppression",
    severity=Severity.ADVICE,
    summary="an ignore comment that silences nothing, or has no reason",
    page=__doc__ or "",
    check=check,
)
