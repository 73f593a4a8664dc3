"""``--format gcc``: one line a finding as a C compiler writes it, its steps as notes, for editors and kbuild."""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.escape import printable
from gfplint.findings import ScanResult, Severity
from gfplint.report.presentation import Presentation

_KINDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "note"}


def render(result: ScanResult, how: Presentation) -> Iterator[str]:
    """``path:line:column: error: message [GFP101]`` and a ``note`` for each step."""
    for finding in result.findings:
        place = f"{printable(how.shown(finding.path))}:{finding.line}:{finding.column}"
        yield f"{place}: {_KINDS[finding.severity]}: {printable(finding.message)} [{finding.rule}]\n"
        for step in finding.trace:
            yield f"{printable(how.shown(step.path))}:{step.line}:{step.column}: note: {printable(step.message)}\n"
