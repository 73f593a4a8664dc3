"""A real kernel tree: what the environment variable GFPLINT_CORPUS names.

The parts that are scanned run daily under the kernel's own checkers, so nearly every report of a sleep there is false.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from gfplint import engine
from gfplint.config import Settings
from gfplint.findings import Confidence, ScanResult

pytestmark = pytest.mark.corpus

_PARTS = ("mm", "kernel", "block", "lib")
#: Functions of which every statement was understood, of those analysed.
_LOWERED = 0.998
#: Reports of sleeps in these parts, at default settings; the share of false ones is high here.
_MOST_SLEEPS = 25


def _tree() -> Path:
    named = os.environ.get("GFPLINT_CORPUS")
    if not named:
        pytest.fail("GFPLINT_CORPUS names no kernel tree; scripts/get-corpus fetches one")
    return Path(named)


@cache
def _scan() -> ScanResult:
    paths = tuple(str(_tree() / part) for part in _PARTS)
    return engine.scan(Settings(paths=paths, min_confidence=Confidence.LOW))


def test_every_file_is_read() -> None:
    result = _scan()
    assert [skipped for skipped in result.skipped if skipped.failed] == []
    assert result.files_scanned > 1000


def test_nearly_every_function_is_understood() -> None:
    result = _scan()
    broken = {(d.path, d.function) for d in result.degraded}
    assert len(broken) <= (1 - _LOWERED) * result.statistics["functions"]


def test_code_that_is_watched_closely_is_nearly_silent() -> None:
    sleeps = [f for f in _scan().findings if f.rule.startswith("GFP10") and f.confidence is not Confidence.LOW]
    assert len(sleeps) <= _MOST_SLEEPS, [(f.path, f.line, f.rule) for f in sleeps]


def test_findings_are_arguments() -> None:
    for finding in _scan().findings:
        assert finding.trace, finding
        assert finding.fingerprint
        for step in finding.trace:
            assert (_tree() / step.path).is_file()


def test_a_second_scan_says_the_same() -> None:
    paths = (str(_tree() / "block"),)
    one = engine.scan(Settings(paths=paths, jobs=1, cache=False))
    two = engine.scan(Settings(paths=paths, jobs=3, cache=False))
    assert one == two
    kept = [engine.scan(Settings(paths=paths)) for _ in range(2)]
    assert [scan.findings for scan in kept] == [one.findings] * 2
