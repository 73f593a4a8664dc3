"""The safe fixes of every fixture: they apply as a patch, what they leave is read as well as before, and is clean."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from gfplint import fixes
from gfplint.analysis.interprocedural import Linker
from gfplint.findings import Finding
from tests.rules.harness import FIXTURES, lint_fixture, program_of, version_of

_PROGRAMS = sorted(FIXTURES.glob("GFP*/*.c"))
#: Rules with safe fixes, each of which some fixture shows.
_FIXING = {"GFP202", "GFP401", "GFP402", "GFP403", "GFP404", "GFP505", "GFP601", "GFP602", "GFP604", "GFP606"}


def _name(program: Path) -> str:
    return str(program.relative_to(FIXTURES))


def _findings(text: str) -> list[Finding]:
    return lint_fixture(text, version_of(text))


def _fixed(text: str, findings: list[Finding]) -> str:
    """The text with all safe fixes applied that can be applied together."""
    data = fixes.apply(fixes.choose(findings), lambda _: text.encode())
    return data["driver.c"].decode() if data else text


def _errors(text: str) -> list[str]:
    """What the front end does not understand."""
    program, linker = program_of({"driver.c": text}, version_of(text))
    return [error for index in range(len(program.facts[0].functions)) for error in _body_errors(linker, index)]


def _body_errors(linker: Linker, index: int) -> tuple[str, ...]:
    return linker.body((0, index)).errors


@pytest.mark.parametrize("program", _PROGRAMS, ids=_name)
def test_fixed_programs_are_clean(program: Path) -> None:
    text = program.read_text()
    before = _findings(text)
    for _ in range(3):  # two fixes may touch the same call; the second then waits for the next run
        text = _fixed(text, _findings(text))
    after = _findings(text)
    assert [f for f in after if f.fix is not None and f.fix.safe] == []
    assert not Counter(f.rule for f in after) - Counter(f.rule for f in before), "a fix brought something new"
    assert _errors(text) == _errors(program.read_text())


@pytest.mark.parametrize("program", _PROGRAMS, ids=_name)
def test_git_takes_the_patch(program: Path, tmp_path: Path) -> None:
    text = program.read_text()
    chosen = fixes.choose(_findings(text))
    if not chosen:
        return
    (tmp_path / "driver.c").write_text(text)
    patch = "".join(fixes.patch(chosen, lambda _: text.encode()))
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert (tmp_path / "driver.c").read_text() == _fixed(text, chosen)


def test_every_rule_that_fixes_is_shown() -> None:
    seen = {f.rule for program in _PROGRAMS for f in _findings(program.read_text()) if f.fix is not None}
    assert seen == _FIXING
