"""What the rules say of one file of a linked program, and of what only all files together tell."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gfplint.analysis.environment import LONG_CHAIN
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.ownership import FreeAt, StoreAt, join
from gfplint.analysis.program import Program, Relevance
from gfplint.analysis.summary import Summary
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
    """What the linting of one file found."""

    findings: tuple[Finding, ...]
    degraded: tuple[Degraded, ...]
    functions: int
    stores: tuple[StoreAt, ...] = ()
    frees: tuple[FreeAt, ...] = ()


class Wanted:
    """Which functions of a linted file have anything to check, and for which rules."""

    def __init__(self, kernel: Kernel, relevance: Relevance, rules: Sequence[Rule]) -> None:
        self.readers = Readers(rules, kernel)
        self.rules = tuple(r for r in rules if r.interest is None and r is not unused_suppression.RULE)
        atomic = {n for n, op in kernel.context_ops.items() if any(kernel.kinds[k].atomic for k in op.kinds)}
        tabled = kernel.allocators.keys() | kernel.frees.keys() | kernel.scopes.keys()
        macros = {macro for name in tabled for macro in relevance.macro_callers.get(name, ())}
        self.direct = frozenset(tabled | macros | relevance.locking)
        self.contexts = frozenset(atomic | relevance.effects | {"guard", "scoped_guard", "scoped_cond_guard"})
        self.relevance = relevance

    def __call__(self, function: Function, file: int) -> bool:
        if not self.rules:
            return False
        names = frozenset(function.callees)
        if not self.direct.isdisjoint(names):
            return True
        if self.contexts.isdisjoint(names):
            return False
        return any(self.relevance.may_sleep(n, file) for n in names & self.relevance.reaching_names)


def lint_file(at: int, program: Program, linker: Linker, kernel: Kernel, wanted: Wanted) -> FileResult:
    """Run the rules over one file: its functions, and the roots that it hands to the core."""
    findings: dict[Finding, None] = {}
    degraded: list[Degraded] = []
    stores: list[StoreAt] = []
    frees: list[FreeAt] = []
    functions = 0
    for index, function in enumerate(program.facts[at].functions):
        if not wanted(function, at):
            continue
        summary = linker.summary((at, index), 0)
        if summary is None:
            continue
        functions += 1
        degraded += [Degraded(summary.path, summary.name, reason) for reason in summary.degraded]
        stores += [StoreAt(summary.path, summary.name, s) for s in summary.stores]
        frees += [
            FreeAt(summary.path, summary.name, f)
            for f in summary.frees
            if f.owner[0] and f.memory is None and not f.chosen
        ]
        _check(View(summary, kernel), wanted.rules, findings)
    findings.update(dict.fromkeys(wanted.readers.findings(at, linker)))
    for root in linker.roots.of_file(at, linker.sources.get) if wanted.rules else ():
        if (summary := linker.rooted(root)) is not None:
            _check(View(summary, kernel), wanted.rules, findings)
    return FileResult(tuple(findings), tuple(degraded), functions, tuple(stores), tuple(frees))


def _check(view: View, rules: Sequence[Rule], findings: dict[Finding, None]) -> None:
    for rule in rules:
        for finding in rule.check(view):
            findings[finding] = None


def member_findings(
    stores: Sequence[StoreAt], frees: Sequence[FreeAt], kernel: Kernel, rules: Sequence[Rule]
) -> tuple[Finding, ...]:
    """What the rules say of frees of members, once the stores of the whole program are known."""
    findings: dict[Finding, None] = {}
    for free in join(stores, frees):
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
