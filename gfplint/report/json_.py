"""``--format json``: the stable, versioned format for programs."""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.findings import Finding, Fix, ScanResult, Step
from gfplint.report.encode import Json, document
from gfplint.report.presentation import Presentation

#: Raised when a key changes its meaning or goes; a new key leaves it as it is.
VERSION = 1


def render(result: ScanResult, how: Presentation) -> Iterator[str]:
    """The result as one JSON object."""
    yield document(
        {
            "version": VERSION,
            "tool": {"name": "gfplint", "version": how.version},
            "kernel_version": result.kernel_version,
            "files_scanned": result.files_scanned,
            "skipped": [{"path": item.path, "reason": item.reason} for item in result.skipped],
            "degraded": [
                {"path": item.path, "function": item.function, "reason": item.reason} for item in result.degraded
            ],
            "findings": [_finding(finding) for finding in result.findings],
        }
    )


def _finding(finding: Finding) -> Json:
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "function": finding.function,
        "message": finding.message,
        "trace": [_step(step) for step in finding.trace],
        "fingerprint": finding.fingerprint,
        "needs": list(finding.needs),
        "fix": _fix(finding.fix) if finding.fix else None,
    }


def _step(step: Step) -> Json:
    return {
        "path": step.path,
        "line": step.line,
        "column": step.column,
        "function": step.function,
        "message": step.message,
    }


def _fix(fix: Fix) -> Json:
    return {
        "safe": fix.safe,
        "edits": [
            {"path": edit.path, "start": list(edit.start), "end": list(edit.end), "text": edit.text}
            for edit in fix.edits
        ],
    }
