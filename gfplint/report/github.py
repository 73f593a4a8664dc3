"""``--format github``: workflow commands, which GitHub shows as annotations on the changed lines.

GitHub keeps ten annotations a step and drops the rest in silence. So the ten worst are written, then one plain
line that says how many more there are.
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.escape import printable
from gfplint.findings import Finding, ScanResult, Severity
from gfplint.report.presentation import Presentation, worst_first
from gfplint.report.text import count_line

#: Annotations that GitHub shows for one step.
LIMIT = 10

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "notice"}


def render(result: ScanResult, how: Presentation) -> Iterator[str]:
    """The ten worst findings as workflow commands and a line that counts them all."""
    ordered = worst_first(result.findings)
    for finding in ordered[:LIMIT]:
        yield _command(finding, how)
    hidden = len(ordered) - LIMIT
    rest = f"; the {LIMIT} worst are annotated, {hidden} more are not" if hidden > 0 else ""
    yield f"gfplint: {count_line(result)}{rest}\n"


def _command(finding: Finding, how: Presentation) -> str:
    properties = {
        "file": how.shown(finding.path),
        "line": str(finding.line),
        "endLine": str(finding.end_line),
        # GitHub takes columns only for a place on one line.
        **({"col": str(finding.column), "endColumn": str(finding.end_column)} if _one_line(finding) else {}),
        "title": f"{finding.rule} {finding.name}",
    }
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    steps = "".join(
        f"\n{number}. {printable(how.shown(step.path))}:{step.line}: {printable(step.message)}"
        for number, step in enumerate(finding.trace, 1)
    )
    return f"::{_COMMANDS[finding.severity]} {written}::{_data(printable(finding.message) + steps)}\n"


def _one_line(finding: Finding) -> bool:
    return finding.line == finding.end_line


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
