"""``--format gitlab``: GitLab's code quality report, a JSON array; its fingerprints are unique, as GitLab requires."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from gfplint.findings import Confidence, Finding, ScanResult, Severity
from gfplint.report.encode import Json, document
from gfplint.report.presentation import Presentation, unique_fingerprints


def render(result: ScanResult, how: Presentation) -> Iterator[str]:
    """All findings as code quality issues."""
    pairs = zip(result.findings, unique_fingerprints(result.findings), strict=True)
    yield document([_issue(finding, fingerprint, how.shown(finding.path)) for finding, fingerprint in pairs])


def _issue(finding: Finding, fingerprint: str, path: str) -> Json:
    return {
        "type": "issue",
        "check_name": finding.rule,
        "description": f"{finding.rule} {finding.name}: {finding.message}",
        "categories": ["Bug Risk"],
        "fingerprint": hashlib.sha256(fingerprint.encode("utf-8", "backslashreplace")).hexdigest(),
        "severity": _severity(finding),
        "location": {"path": path, "lines": {"begin": finding.line, "end": finding.end_line}},
    }


def _severity(finding: Finding) -> str:
    if finding.severity is Severity.ERROR:
        return "critical" if finding.confidence is Confidence.HIGH else "major"
    return "minor" if finding.severity is Severity.WARNING else "info"
