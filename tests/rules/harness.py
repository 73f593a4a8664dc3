"""Lints one piece of C in the test's own process, and reads the marks of the fixtures."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.program import Program, Relevance
from gfplint.analysis.summary import Summary
from gfplint.engine import DEPTH, NEWEST
from gfplint.findings import Confidence, Finding
from gfplint.frontend.skeleton import skeleton
from gfplint.kernel.load import load
from gfplint.kernel.model import Kernel, Version
from gfplint.kernel.probe import probes_of
from gfplint.rules import catalogue
from gfplint.ruleset import View

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"

#: What a mark on a line says of the rule's findings there: (reported, as it should be).
MARKS = {
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
    return load(version, probes_of(version))


def summaries(files: dict[str, str], version: Version = NEWEST) -> tuple[Kernel, dict[str, Summary]]:
    """The kernel, and the summaries of all functions of these files by name; the files are one program."""
    contents = {path: text.encode() for path, text in files.items()}
    paths = list(contents)
    kernel = kernel_of(version)
    program = Program(paths, [skeleton(contents[path]) for path in paths])
    linker = Linker(program, kernel, Relevance(program, kernel, DEPTH), lambda at: contents[paths[at]])
    found = {}
    for at, facts in enumerate(program.facts):
        for index, function in enumerate(facts.functions):
            summary = linker.summary((at, index), full=True)
            assert summary is not None
            found[function.name] = summary
    return kernel, found


def lint(text: str, version: Version = NEWEST, path: str = "driver.c") -> list[Finding]:
    """What all rules find in a file that stands alone, that of low confidence left out."""
    kernel, found = summaries({path: text}, version)
    findings = [f for summary in found.values() for rule in catalogue() for f in rule.check(View(summary, kernel))]
    return [f for f in findings if f.confidence is not Confidence.LOW]


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
