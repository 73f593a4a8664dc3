"""What every report needs besides the findings: the tool's version, the rules' pages, the source lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gfplint.findings import Confidence, Finding, Severity

#: Lines of a file without their ends, by its path as findings name it; empty where it can't be read.
LineReader = Callable[[str], list[str]]

_SEVERITY_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.ADVICE: 2}
_CONFIDENCE_RANK = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}


class Rule(Protocol):
    """The part of a rule's description that reports show (``page`` is Markdown)."""

    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def summary(self) -> str: ...
    @property
    def page(self) -> str: ...
    @property
    def preview(self) -> bool: ...
    @property
    def sim(self) -> str: ...


def as_is(path: str) -> str:
    """A finding's path as it stands: relative to the root of the tree."""
    return path


def no_lines(path: str) -> list[str]:
    """A LineReader for reports without source lines."""
    del path
    return []


@dataclass(frozen=True)
class Presentation:
    """How to present a result. ``rules``: the catalogue by code; ``colour``, ``quiet``, ``verbose`` concern text alone.

    ``shown`` gives the path to show for a finding's path: compilers' logs need it relative to their own folder,
    services relative to the top of the repository.
    """

    version: str
    read_lines: LineReader = no_lines
    rules: Mapping[str, Rule] = field(default_factory=dict)
    colour: bool = False
    quiet: bool = False
    verbose: bool = False
    shown: Callable[[str], str] = as_is


def worst_first(findings: tuple[Finding, ...]) -> list[Finding]:
    """``findings`` by severity, then confidence, then place."""
    return sorted(
        findings,
        key=lambda f: (_SEVERITY_RANK[f.severity], _CONFIDENCE_RANK[f.confidence], f.path, f.line, f.column, f.rule),
    )


def unique_fingerprints(findings: tuple[Finding, ...]) -> list[str]:
    """A fingerprint for each finding, in order; where several share one, the second and later carry their number."""
    seen: dict[str, int] = {}
    result = []
    for finding in findings:
        count = seen[finding.fingerprint] = seen.get(finding.fingerprint, 0) + 1
        result.append(finding.fingerprint if count == 1 else f"{finding.fingerprint}.{count}")
    return result
