"""Lints pieces of C in the test's own process, as the engine does, and reads the marks of the fixtures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.program import Program, Relevance
from gfplint.findings import Confidence, Finding
from gfplint.frontend.skeleton import skeleton
from gfplint.joining import findings_of, tell_all
from gfplint.kernel.callbacks import with_callbacks
from gfplint.kernel.load import load
from gfplint.kernel.model import Kernel, Version
from gfplint.kernel.probe import probes_of
from gfplint.linting import DEPTH, Wanted, lint_file, lint_functions, whole_of
from gfplint.passes import Results, in_rounds, ours_of_all
from gfplint.rules import catalogue
from gfplint.target import NEWEST

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"

#: What the words of marks say of a rule's findings on their line: (reported, as it should be).
WORDS = {
    "expect": (True, True),
    "quiet": (False, True),
    "known": (True, False),
    "wanted": (False, False),
}
_MARK = re.compile(r"/\* *(expect|quiet|known|wanted): *(GFP\d{3}) ?([^*]*)\*/")
_VERSION = re.compile(r"/\* kernel: (\d+)\.(\d+) \*/")


class Mark(NamedTuple):
    """One mark: the line that it stands on, its word, the rule's code and the reason given."""

    line: int
    word: str
    code: str
    reason: str


@cache
def kernel_of(version: Version) -> Kernel:
    """What is known of a kernel, for a file outside any tree."""
    return with_callbacks(load(version, probes_of(version)))


def program_of(files: dict[str, str], version: Version = NEWEST, depth: int = DEPTH) -> tuple[Program, Linker]:
    """Files as one program, each a path and its text, and what computes the summaries of its functions."""
    contents = {path: text.encode() for path, text in files.items()}
    paths = list(contents)
    kernel = kernel_of(version)
    program = Program(paths, [skeleton(contents[path]) for path in paths])
    return program, Linker(program, kernel, Relevance(program, kernel, depth, None), lambda at: contents[paths[at]])


def lint_all(
    files: dict[str, str], version: Version = NEWEST, also: Collection[str] = (), only: Collection[str] = ()
) -> list[Finding]:
    """What all rules find in a program, that of low confidence left out; ``also``: those to run that are off;
    ``only``: the rules to run, where not all are.
    """
    program, linker = program_of(files, version)
    asked = [rule for rule in catalogue() if not only or rule.code in only]
    rules = tuple(rule for rule in asked if not rule.off or rule.code in also)
    every = range(len(program.paths))
    whole = whole_of(program, linker, lambda path: True, rules, every)
    wanted = Wanted(linker, rules, whole, every)
    done = [(at, lint_file(at, linker, wanted, whole)) for at in every]

    def again(functions: Mapping[int, Sequence[int]]) -> Results:
        found = {at: lint_functions(at, numbers, linker, wanted, whole) for at, numbers in functions.items()}
        done.extend(found.items())
        return {**found}

    _, far = in_rounds(wanted.meetings, dict(done), again)
    findings = [finding for _, result in done for finding in result.findings]
    findings += findings_of(tell_all(ours_of_all(done), far, linker.kernel, rules))
    records = [record for _, result in done for record in result.records]
    if whole.accounting is not None:
        findings += whole.accounting.findings(records, frozenset(every), linker.relevance.callers, rules)
    return sorted(
        (f for f in findings if f.confidence is not Confidence.LOW), key=lambda f: (f.path, f.line, f.column, f.rule)
    )


def lint(text: str, version: Version = NEWEST, also: Collection[str] = ()) -> list[Finding]:
    """What all rules find in a file that stands alone, as ``lint_all`` for a program.

    A rule that is off runs where the file has a mark for it.
    """
    return lint_all({"driver.c": text}, version, {*also, *(mark.code for mark in marks(text))})


def lint_fixture(text: str, version: Version) -> list[Finding]:
    """The findings in a fixture; those of preview rules only where it marks something for them."""
    marked = {mark.code for mark in marks(text)}
    preview = {rule.code for rule in catalogue() if rule.preview}
    return [f for f in lint(text, version) if f.rule not in preview or f.rule in marked]


def codes(text: str, version: Version = NEWEST) -> list[tuple[int, str]]:
    """(line, code) of every finding in a file that stands alone."""
    return [(f.line, f.rule) for f in lint(text, version)]


def marks(text: str) -> list[Mark]:
    """All marks of a fixture."""
    return [
        Mark(number, *(part.strip() for part in match.groups()))
        for number, line in enumerate(text.split("\n"), 1)
        for match in _MARK.finditer(line)
    ]


def version_of(text: str) -> Version:
    """The kernel that a fixture is for: the newest where it does not say."""
    match = _VERSION.search(text)
    return (int(match[1]), int(match[2])) if match else NEWEST


def reported(findings: list[Finding]) -> Counter[tuple[int, str]]:
    """How often each (line, code) is reported."""
    return Counter((f.line, f.rule) for f in findings)
