"""Values that cross from the rules to the reports: findings, traces, fixes, the result of one scan.

Frozen and without behaviour. Paths are relative to the root of the scanned tree, with ``/``; lines and
columns count from 1, columns in characters; ends are exclusive in columns, as editors count them.
"""

from __future__ import annotations

import enum

import msgspec


class Severity(enum.StrEnum):
    """How bad a finding is when its path is taken (see the rule catalogue)."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


class Confidence(enum.StrEnum):
    """How sure the analysis is; high and medium are shown by default."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Step(msgspec.Struct, frozen=True):
    """One step of a finding's argument: what happens at this place."""

    path: str
    line: int
    column: int
    function: str
    message: str


class Edit(msgspec.Struct, frozen=True):
    """Replace the text from ``start`` to ``end`` (line, column) by ``text``."""

    path: str
    start: tuple[int, int]
    end: tuple[int, int]
    text: str


class Fix(msgspec.Struct, frozen=True):
    """Edits that mend a finding; ``safe`` ones keep the program's meaning and are applied by ``--fix``."""

    safe: bool
    edits: tuple[Edit, ...]


class Finding(msgspec.Struct, frozen=True):
    """One report of one rule. ``trace`` ends at the allocation or free; ``fingerprint`` is set by the engine."""

    rule: str
    name: str
    severity: Severity
    confidence: Confidence
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    function: str
    message: str
    trace: tuple[Step, ...] = ()
    fingerprint: str = ""
    needs: tuple[str, ...] = ()
    fix: Fix | None = None


class Skipped(msgspec.Struct, frozen=True):
    """An input that was not linted. ``failed``: the run is incomplete because of it (exit status 2)."""

    path: str
    reason: str
    failed: bool = False


class Degraded(msgspec.Struct, frozen=True):
    """A function that was analysed only in part, and why; without a name, a file."""

    path: str
    function: str
    reason: str


class ScanResult(msgspec.Struct, frozen=True):
    """What one scan found; sorted, and the same bytes for the same state whatever the jobs and the cache.

    ``notes``: for the user, of how it was found.
    """

    kernel_version: str
    files_scanned: int
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...] = ()
    degraded: tuple[Degraded, ...] = ()
    statistics: dict[str, int] = {}
    notes: tuple[str, ...] = ()
