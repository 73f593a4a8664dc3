"""Every fixture is linted; findings and marks must be the same, line by line."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from gfplint.findings import Finding, Severity
from gfplint.rules import catalogue
from tests.rules.harness import FIXTURES, WORDS, Mark, lint_fixture, marks, reported, version_of

_PROGRAMS = sorted(FIXTURES.glob("GFP*/*.c"))
#: GFP901 is about what the other rules left over: see test_unused_suppression.py.
_CODES = {rule.code for rule in catalogue()} - {"GFP901"}

#: Marks that say where the rules fall short: "known" are reported and should not be, "wanted" the other way round.
#: These numbers only shrink.
_SHORTCOMINGS: dict[tuple[str, str], int] = {
    ("GFP101", "wanted"): 5,
    ("GFP103", "wanted"): 1,
    ("GFP401", "wanted"): 4,
    ("GFP501", "wanted"): 2,
    ("GFP504", "wanted"): 2,
}


def _name(program: Path) -> str:
    return str(program.relative_to(FIXTURES))


@cache
def _findings(program: Path) -> tuple[Finding, ...]:
    text = program.read_text()
    return tuple(lint_fixture(text, version_of(text)))


@cache
def _all_marks() -> tuple[tuple[str, Mark], ...]:
    return tuple((_name(program), mark) for program in _PROGRAMS for mark in marks(program.read_text()))


@pytest.mark.parametrize("program", _PROGRAMS, ids=_name)
def test_findings_are_those_that_are_marked(program: Path) -> None:
    lines = program.read_text().split("\n")
    wanted = {(mark.line, mark.code) for mark in marks(program.read_text()) if WORDS[mark.word][0]}
    found = set(reported(list(_findings(program))))
    extra = [f"{_name(program)}:{line}: {code} reported: {lines[line - 1].strip()}" for line, code in found - wanted]
    missing = [f"{_name(program)}:{line}: {code} silent: {lines[line - 1].strip()}" for line, code in wanted - found]
    assert not extra + missing, "\n".join(sorted(extra + missing))


@pytest.mark.parametrize("program", _PROGRAMS, ids=_name)
def test_no_finding_is_said_twice(program: Path) -> None:
    said = Counter((f.rule, f.line, f.column, f.message) for f in _findings(program))
    assert [what for what, times in said.items() if times > 1] == []


@pytest.mark.parametrize("program", _PROGRAMS, ids=_name)
def test_findings_are_arguments(program: Path) -> None:
    lines = program.read_text().split("\n")
    for finding in _findings(program):
        assert finding.trace, finding
        for step in finding.trace:
            assert step.path == finding.path
            assert 1 <= step.line <= len(lines)
            assert lines[step.line - 1][step.column - 1 :].strip(), (finding, step)
        assert (finding.line, finding.column) < (finding.end_line, finding.end_column)
        assert finding.function in program.read_text()
        assert finding.severity in (Severity.ERROR, Severity.WARNING, Severity.ADVICE)


@pytest.mark.parametrize("program", _PROGRAMS, ids=_name)
def test_the_context_comes_before_the_sleep(program: Path) -> None:
    for finding in _findings(program):
        if finding.rule in ("GFP101", "GFP102", "GFP103"):
            assert len(finding.trace) >= 2, finding
            assert "sleep" in finding.trace[-1].message
            assert "sleep" not in finding.trace[0].message


def test_shortcomings_only_shrink() -> None:
    counted = Counter((mark.code, mark.word) for _, mark in _all_marks() if not WORDS[mark.word][1])
    assert dict(counted) == _SHORTCOMINGS


def test_marks_are_well_formed() -> None:
    for program in _PROGRAMS:
        text = program.read_text()
        words = len(re.findall(r"\b(?:expect|quiet|known|wanted):", text))
        assert words == len(marks(text)), f"{_name(program)}: a mark is not understood"
    for name, mark in _all_marks():
        assert mark.code in _CODES, f"{name}:{mark.line}: {mark.code} is no rule"
        assert WORDS[mark.word][1] or mark.reason, f"{name}:{mark.line}: say why"


def test_no_line_has_two_marks_of_a_rule() -> None:
    places = Counter((name, mark.line, mark.code) for name, mark in _all_marks())
    assert [place for place, times in places.items() if times > 1] == []


@pytest.mark.parametrize("code", sorted(_CODES))
def test_each_rule_has_programs_that_fire_and_programs_that_tempt(code: str) -> None:
    own = Counter(mark.word for name, mark in _all_marks() if mark.code == code and name.startswith(code))
    assert own["expect"] >= 5
    assert own["quiet"] >= 5


def test_every_program_says_its_licence_and_marks_something() -> None:
    for program in _PROGRAMS:
        assert program.read_text().startswith("// SPDX-License-Identifier: GPL-2.0-only\n"), program
        assert marks(program.read_text()), program
