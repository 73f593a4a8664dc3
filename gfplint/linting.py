"""What the rules say of one file of a linked program, and of what only all files together tell."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import msgspec

from gfplint.analysis.callers import Callers, CallersOf
from gfplint.analysis.environment import LONG_CHAIN, MEMORY
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.ownership import FreeAt, StoreAt, join
from gfplint.analysis.program import FunctionId, Program, Relevance
from gfplint.analysis.summary import Summary
from gfplint.analysis.values import Memory
from gfplint.analysis.worth import MemberEvidence, Reads, Worth, of_summary
from gfplint.config import Settings
from gfplint.facts import Function
from gfplint.findings import Confidence, Degraded, Finding, Step
from gfplint.kernel.model import Kernel
from gfplint.reading import Readers
from gfplint.rules import unused_suppression
from gfplint.ruleset import Rule, View
from gfplint.tree import Selection

#: Calls between a context and an allocation that a scan looks through where findings of low confidence are shown.
DEPTH = 6


def relevance_of(program: Program, kernel: Kernel, selected: Selection, depth: int = DEPTH) -> Relevance:
    """What is worth a body. Only files that are linted count: tools/ has a kmalloc() and a panic() of its own."""
    files = frozenset(at for at, path in enumerate(program.paths) if selected.root.linted(path))
    return Relevance(program, kernel, depth, files)


def depth_for(settings: Settings) -> int:
    """Calls between a context and an allocation that a scan looks through: longer chains are of low confidence."""
    least = [settings.min_confidence, *(entry.min_confidence for entry in settings.per_path)]
    return DEPTH if Confidence.LOW in least else LONG_CHAIN - 1


class FileResult(msgspec.Struct, frozen=True, array_like=True):
    """What the linting of one file found. ``members``: what its functions may do to members, analysed or not."""

    findings: tuple[Finding, ...]
    degraded: tuple[Degraded, ...]
    functions: int
    stores: tuple[StoreAt, ...] = ()
    frees: tuple[FreeAt, ...] = ()
    members: tuple[MemberEvidence, ...] = ()


class Wanted:
    """Which functions of a linted file have anything to check, and for which rules."""

    def __init__(self, linker: Linker, rules: Sequence[Rule]) -> None:
        self.readers = Readers(rules, linker.kernel)
        self.rules = tuple(r for r in rules if r.interest is None and r is not unused_suppression.RULE)
        reads = functools.reduce(operator.or_, (r.reads for r in self.rules), Reads(0))
        self.worth = Worth(linker.program, linker.kernel, linker.relevance, reads, linker.sleeping_operations)
        self.callers = Callers(linker, self.worth.regions.contexts)


class _Linting:
    """What is found in one file."""

    def __init__(self, file: int, linker: Linker, wanted: Wanted) -> None:
        self.file = file
        self.linker = linker
        self.wanted = wanted
        self.findings: dict[Finding, None] = {}
        self.degraded: list[Degraded] = []
        self.stores: list[StoreAt] = []
        self.frees: list[FreeAt] = []
        self.members: list[MemberEvidence] = []
        self.functions = 0

    def function(self, index: int, function: Function) -> None:
        """Lint a function as far as it is worth it."""
        worth = self.wanted.worth
        fid = (self.file, index)
        depth = worth.by_name(fid, function, lambda: self.linker.code(fid))
        if depth is not None:
            self.analyse(index, depth)
        elif worth.has_memory(function):
            wanted, members = worth.by_text(fid, function, self.linker.code(fid))
            if wanted:
                self.analyse(index, MEMORY)
            else:
                self.members += members

    def analyse(self, index: int, depth: int) -> None:
        """Lint a function; ``depth`` as ``flow.analyse`` takes it."""
        summary = self.linker.summary((self.file, index), depth)
        if summary is None:
            return
        self.functions += 1
        self.degraded += [Degraded(summary.path, summary.name, reason) for reason in summary.degraded]
        self.stores += [StoreAt(summary.path, summary.name, s) for s in summary.stores]
        known = {f.place for f in summary.frees if f.memory is not None}
        self.frees += [
            FreeAt(summary.path, summary.name, f) for f in summary.frees if f.holders and f.place not in known
        ]
        self.members += of_summary(index, summary)
        self.check(summary, self.wanted.callers.of((self.file, index)))

    def check(self, summary: Summary, callers: CallersOf | None = None) -> None:
        """What the rules say of a summary."""
        _check(View(summary, self.linker.kernel, callers=callers), self.wanted.rules, self.findings)

    def result(self) -> FileResult:
        """What was found."""
        return FileResult(
            tuple(self.findings),
            tuple(self.degraded),
            self.functions,
            tuple(self.stores),
            tuple(self.frees),
            tuple(self.members),
        )


def lint_file(at: int, linker: Linker, wanted: Wanted) -> FileResult:
    """Run the rules over one file: its functions, and the roots that it hands to the core."""
    linting = _Linting(at, linker, wanted)
    if wanted.rules:
        for index, function in enumerate(linker.program.facts[at].functions):
            linting.function(index, function)
    linting.findings.update(dict.fromkeys(wanted.readers.findings(at, linker)))
    entered: set[FunctionId] = set()
    for root in linker.roots.of_file(at, linker.sources.get) if wanted.rules else ():
        if root.function in entered:
            continue  # a function that is handed out twice is one root
        if (summary := linker.rooted(root)) is not None:
            entered.add(root.function)
            linting.check(summary)
    return linting.result()


def lint_functions(at: int, functions: Sequence[int], linker: Linker, wanted: Wanted) -> FileResult:
    """Run the rules over some functions of a file."""
    linting = _Linting(at, linker, wanted)
    for index in functions:
        linting.analyse(index, MEMORY)
    return linting.result()


def _check(view: View, rules: Sequence[Rule], findings: dict[Finding, None]) -> None:
    for rule in rules:
        for finding in rule.check(view):
            findings[finding] = None


def member_findings(
    stores: Sequence[StoreAt], frees: Sequence[FreeAt], kernel: Kernel, rules: Sequence[Rule]
) -> tuple[Finding, ...]:
    """What the rules say of frees of members, once the stores of the whole program are known."""
    findings: dict[Finding, None] = {}

    def legal(free: str, memory: Memory) -> bool:
        return memory.family in kernel.frees[free].families

    apart = frozenset(f.name for f in kernel.families.values() if f.local)
    for free in join(stores, frees, legal, apart):
        _check(View(Summary(free.function, free.path, (), frees=(free.site,)), kernel), rules, findings)
    return tuple(findings)


#: Calls from a context to an allocation from which on a chain is long, and places that share its end from which on it
#: is well trodden.
_LONG, _TRODDEN = 4, 4


def doubted(findings: Sequence[Finding]) -> list[Finding]:
    """Findings whose long chains end alike, in many places, are of low confidence.

    What so many callers do with a lock held would have shown long ago, were the end of the chain within reach of them.
    """
    ends: dict[tuple[Step, ...], int] = {}
    for finding in findings:
        if finding.rule in _CONTEXT_RULES and len(finding.trace) > _LONG:
            ends[finding.trace[-2:]] = ends.get(finding.trace[-2:], 0) + 1
    return [
        msgspec.structs.replace(f, confidence=Confidence.LOW)
        if f.rule in _CONTEXT_RULES and len(f.trace) > _LONG and ends[f.trace[-2:]] >= _TRODDEN
        else f
        for f in findings
    ]


_CONTEXT_RULES = frozenset(("GFP101", "GFP102", "GFP103"))
