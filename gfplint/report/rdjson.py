"""``--format rdjson``: reviewdog's diagnostic format; its columns count bytes of UTF-8, so lines are read."""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.findings import Edit, Finding, ScanResult, Severity
from gfplint.report.encode import Json, document
from gfplint.report.presentation import LineReader, Presentation

_SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.ADVICE: "INFO"}


def render(result: ScanResult, how: Presentation) -> Iterator[str]:
    """One DiagnosticResult."""
    yield document(
        {
            "source": {"name": "gfplint"},
            "diagnostics": [_diagnostic(finding, how) for finding in result.findings],
        }
    )


def _diagnostic(finding: Finding, how: Presentation) -> Json:
    steps = "".join(f"\n{n}. {how.shown(s.path)}:{s.line}: {s.message}" for n, s in enumerate(finding.trace, 1))
    start, end = (finding.line, finding.column), (finding.end_line, finding.end_column)
    return {
        "message": finding.message + steps,
        "location": {"path": how.shown(finding.path), "range": _range(how.read_lines(finding.path), start, end)},
        "severity": _SEVERITIES[finding.severity],
        "code": {"value": finding.rule},
        "suggestions": [_suggestion(edit, how.read_lines) for edit in _whole_fix(finding)],
    }


def _whole_fix(finding: Finding) -> tuple[Edit, ...]:
    """The fix, if one suggestion can be all of it: each is accepted alone, and has no path of its own."""
    edits = finding.fix.edits if finding.fix is not None and finding.fix.safe else ()
    return edits if len(edits) == 1 and edits[0].path == finding.path else ()


def _suggestion(edit: Edit, read_lines: LineReader) -> Json:
    return {"range": _range(read_lines(edit.path), edit.start, edit.end), "text": edit.text}


def _range(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> Json:
    return {"start": _position(lines, *start), "end": _position(lines, *end)}


def _position(lines: list[str], line: int, column: int) -> Json:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    before = text[: column - 1]
    beyond = column - 1 - len(before)
    return {"line": line, "column": len(before.encode("utf-8", "surrogateescape")) + beyond + 1}
