"""What the rules say of one file of a linked program, and of what only all files together tell."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gfplint.analysis.accounting import Collector, Judge, Record
from gfplint.analysis.callers import Callers, CallersOf
from gfplint.analysis.environment import LONG_CHAIN, MEMORY, RECLAIM_LEVELS
from gfplint.analysis.holders import OBJECT
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.lifetime import Allocated, Lifetimes, Types
from gfplint.analysis.looks import Node
from gfplint.analysis.meeting import Meetings, MemberEvidence, of_summary
from gfplint.analysis.ownership import FreeAt, StoreAt
from gfplint.analysis.program import FunctionId, Growing, Program, Relevance
from gfplint.analysis.reach import Reach, charges
from gfplint.analysis.reclaim import Reclaim
from gfplint.analysis.scopes import CallerScopes
from gfplint.analysis.summary import FreeSite, Summary
from gfplint.analysis.worth import Reads, Worth
from gfplint.config import Settings
from gfplint.facts import Body, Function
from gfplint.findings import Confidence, Degraded, Finding, Step
from gfplint.frontend.header import signature
from gfplint.kernel.model import Kernel
from gfplint.reading import Readers
from gfplint.rules import unused_suppression
from gfplint.ruleset import Rule, View
from gfplint.tree import Selection

#: Calls between a context and an allocation that a scan looks through where findings of low confidence are shown.
DEPTH = 6


def relevance_of(
    program: Program, kernel: Kernel, selected: Selection, depth: int = DEPTH, grown: Growing | None = None
) -> Relevance:
    """What is worth a body. Only files that are linted count: tools/ has a kmalloc() and a panic() of its own.

    ``grown``: the program, where it came file by file.
    """
    files = frozenset(at for at, path in enumerate(program.paths) if selected.root.linted(path))
    return Relevance(program, kernel, depth, files, grown.calling if grown is not None else None)


def depth_for(settings: Settings) -> int:
    """Calls between a context and an allocation that a scan looks through: longer chains are of low confidence."""
    least = [settings.min_confidence, *(entry.min_confidence for entry in settings.per_path)]
    return DEPTH if Confidence.LOW in least else LONG_CHAIN - 1


class FileResult(msgspec.Struct, frozen=True, array_like=True):
    """What the linting of one file found. ``members``: what its functions may do to members, analysed or not;
    ``looks``: what it looked at in other files, where that is noted.
    """

    findings: tuple[Finding, ...]
    degraded: tuple[Degraded, ...]
    functions: int
    stores: tuple[StoreAt, ...] = ()
    frees: tuple[FreeAt, ...] = ()
    uses: tuple[FreeAt, ...] = ()
    members: tuple[MemberEvidence, ...] = ()
    records: tuple[Record, ...] = ()
    looks: tuple[Node, ...] = ()


class Wanted:
    """Which functions of a linted file have anything to check, and for which rules."""

    def __init__(
        self, linker: Linker, rules: Sequence[Rule], whole: Whole, subjects: Sequence[int], *, few: bool = False
    ) -> None:
        """``subjects``: the numbers of the files that are linted; ``few``: whether the program has far more."""
        self.readers = Readers(rules, linker.kernel)
        self.rules = tuple(r for r in rules if r.interest is None and r is not unused_suppression.RULE)
        reads = functools.reduce(operator.or_, (r.reads for r in self.rules), Reads(0))
        self.worth = Worth(
            linker.program,
            linker.kernel,
            linker.relevance,
            reads,
            linker.sleeping_operations,
            linker.meets,
            linker.conditional,
        )
        self.meetings = Meetings(linker.program.paths.__getitem__, linker.kernel, self.worth.reader)
        self.callers = Callers(linker, self.worth.regions.contexts)
        names = self.readers.calls | (whole.reclaim.names if whole.reclaim is not None else frozenset())
        # Found out before workers are forked: what they don't touch they share.
        self.candidates = self.worth.candidates(subjects, names)
        if self.rules and not few:
            linker.forbidding.look_over(subjects, linker.relevance.callers)


class _Linting:
    """What is found in one file."""

    def __init__(self, file: int, linker: Linker, wanted: Wanted, whole: Whole) -> None:
        self.file = file
        self.whole = whole
        self.linker = linker
        self.wanted = wanted
        self.findings: dict[Finding, None] = {}
        self.degraded: list[Degraded] = []
        self.stores: list[StoreAt] = []
        self.frees: list[FreeAt] = []
        self.uses: list[FreeAt] = []
        self.members: list[MemberEvidence] = []
        self.functions = 0

    def function(self, index: int, function: Function) -> None:
        """Lint a function as far as it is worth it."""
        worth = self.wanted.worth
        fid, callees = (self.file, index), frozenset(function.callees)
        depth = worth.by_name(fid, function, callees, lambda: self.linker.code(fid))
        if self.whole.reclaim is not None and self.whole.reclaim.wants(function, lambda: self.linker.code(fid)):
            depth = max(depth or 0, RECLAIM_LEVELS)
        if depth is not None:
            self.analyse(index, depth)
        elif worth.has_memory(callees):
            code, seen = self.linker.code(fid), self.linker.environment(self.file)
            wanted, members = worth.by_text(fid, function, callees, code, seen)
            if wanted:
                self.analyse(index, MEMORY)
            else:
                self.members += members
                self.stores += self.wanted.meetings.made(self.linker.program.paths[self.file], function.name, members)

    def analyse(self, index: int, depth: int) -> None:
        """Lint a function; ``depth`` as ``flow.analyse`` takes it."""
        summary = self.linker.summary((self.file, index), depth)
        if summary is None:
            return
        if self.whole.scopes is not None:
            summary = _with_callers(summary, self.whole.scopes.around((self.file, index)))
        self.functions += 1
        self.degraded += [Degraded(summary.path, summary.name, reason) for reason in summary.degraded]
        self.stores += [StoreAt(summary.path, summary.name, s) for s in summary.stores]
        known = {f.place for f in summary.frees if f.memory is not None}
        freed = [f for f in summary.frees if f.callee not in self.linker.kernel.resizers]
        frees = [
            FreeAt(summary.path, summary.name, f)
            for f in summary.frees
            if f.holders and f.place not in known and not _chosen(f, freed)
        ]
        self.frees += frees
        self.uses += [FreeAt(summary.path, summary.name, u) for u in summary.linear_uses if u.holders]
        self.members += of_summary(index, summary.stores, [f.site for f in frees])
        self.check(summary, self.wanted.callers.of((self.file, index)))

    def check(self, summary: Summary, callers: CallersOf | None = None) -> None:
        """What the rules say of a summary."""
        view = View(summary, self.linker.kernel, callers=callers, source=lambda: self.linker.sources.get(self.file))
        _check(view, self.wanted.rules, self.findings)

    def reclaim(self, known: Reclaim) -> None:
        """What the rules say of the functions of the file that reclaim waits for."""
        for fid in (f for f in known.inside if f[0] == self.file):
            summary = self.linker.summary(fid, RECLAIM_LEVELS)
            if summary is not None:
                self.check(msgspec.structs.replace(_bare(summary), recursions=tuple(known.waited_for(fid, summary))))

    def result(self, first: bool) -> FileResult:
        """What was found; ``first``: with what is found once in a file."""
        return FileResult(
            tuple(self.findings),
            tuple(self.degraded),
            self.functions,
            tuple(self.stores),
            tuple(self.frees),
            tuple(self.uses),
            tuple(self.members),
            self.whole.accounting.records(self.file) if first and self.whole.accounting is not None else (),
            tuple(self.linker.looks.of(self.file)) if self.linker.looks is not None else (),
        )


def lint_file(at: int, linker: Linker, wanted: Wanted, whole: Whole) -> FileResult:
    """Run the rules over one file: its functions, and the roots that it hands to the core."""
    with linker.looking(at, ""):
        return _lint_file(at, linker, wanted, whole)


def _lint_file(at: int, linker: Linker, wanted: Wanted, whole: Whole) -> FileResult:
    linting = _Linting(at, linker, wanted, whole)
    if wanted.rules:
        facts = linker.program.facts[at]
        functions = facts.functions
        linting.degraded += [Degraded(linker.program.paths[at], "", reason) for reason in facts.errors]
        for index in wanted.candidates[at]:
            linting.function(index, functions[index])
    linting.findings.update(dict.fromkeys(wanted.readers.findings(at, linker, wanted.candidates[at])))
    entered: set[FunctionId] = set()
    for root in linker.forbidding.of_file(at, linker.sources) if wanted.rules else ():
        if root.function in entered:
            continue  # a function that is handed out twice is one root
        if (summary := linker.rooted(root)) is not None:
            entered.add(root.function)
            linting.check(summary)
    if whole.reclaim is not None:
        linting.reclaim(whole.reclaim)
    return linting.result(first=True)


def lint_functions(at: int, functions: Sequence[int], linker: Linker, wanted: Wanted, whole: Whole) -> FileResult:
    """Run the rules over some functions of a file."""
    linting = _Linting(at, linker, wanted, whole)
    with linker.looking(at, ""):
        for index in functions:
            linting.analyse(index, MEMORY)
    return linting.result(first=False)


def whole_of(
    program: Program, linker: Linker, linted: Callable[[str], bool], rules: Sequence[Rule], subjects: Sequence[int]
) -> Whole:
    """The parts of the analysis that some of the rules use. ``linted``: whether a path is part of the kernel."""
    used = {part for rule in rules for part in rule.uses} if subjects else set()
    return Whole(
        Accounting(program, linker, linker.kernel, linted) if "accounting" in used else None,
        _scopes_of(program, linker) if "scopes" in used else None,
        _reclaim_of(program, linker, linted) if "reclaim" in used else None,
    )


def _scopes_of(program: Program, linker: Linker) -> CallerScopes:
    saves = frozenset(n for n, row in linker.kernel.scopes.items() if row.effect == "save")
    return CallerScopes(
        program,
        linker.relevance.callers,
        saves,
        lambda fid: linker.summary(fid, 0),
        linker.body,
        linker.sources.get,
    )


def _reclaim_of(program: Program, linker: Linker, linted: Callable[[str], bool]) -> Reclaim:
    files = frozenset(at for at, path in enumerate(program.paths) if linted(path))
    found = Reclaim(program, linker.kernel, files, linker.body, linker.environment, linker.record_fields)
    linker.reclaim = found.classes
    linker.forget_environment()
    return found


def _bare(summary: Summary) -> Summary:
    """A summary without what has been looked at."""
    return Summary(summary.name, summary.path, summary.params)


def _with_callers(summary: Summary, kinds: frozenset[str]) -> Summary:
    """A summary whose allocations know the scopes that all callers are in."""
    if not kinds:
        return summary
    around = tuple(sorted(kinds))
    allocs, passed = (
        tuple(msgspec.structs.replace(site, around=around) for site in sites)
        for sites in (summary.allocs, summary.passed)
    )
    return msgspec.structs.replace(summary, allocs=allocs, passed=passed)


def _chosen(site: FreeSite, frees: Sequence[FreeSite]) -> bool:
    """Whether a function frees an object, of which only the type is known, in several ways: it tells them apart.

    Those that loops over containers find in different ones are others.
    """
    return site.holders[0][1] == OBJECT and any(
        f.target == site.target and f.callee != site.callee and f.walk == site.walk for f in frees
    )


def _check(view: View, rules: Sequence[Rule], findings: dict[Finding, None]) -> None:
    for rule in rules:
        for finding in rule.check(view):
            findings[finding] = None


class Accounting:
    """What the rules on accounting need of the whole program: who is reached, and what is charged elsewhere."""

    def __init__(self, program: Program, linker: Linker, kernel: Kernel, linted: Callable[[str], bool]) -> None:
        """``linted``: whether the file of a path is part of the kernel."""
        self.program, self.linker, self.kernel = program, linker, kernel
        files = frozenset(at for at, path in enumerate(program.paths) if linted(path))
        self.reach = Reach(program, kernel, files, self._body, linker.sources.get)
        self.collector = Collector(program, kernel, self.reach)

    def _body(self, fid: FunctionId) -> Body:
        return self.linker.body(fid)

    def records(self, at: int) -> tuple[Record, ...]:
        """The allocations of a file, and what becomes of them."""
        functions = self.program.facts[at].functions
        wanted = [(at, i) for i, f in enumerate(functions) if self.collector.wanted((at, i), f)]
        if not wanted:
            return ()
        env = self.linker.environment(at)
        return tuple(
            record
            for fid in wanted
            for record in self.collector.records(
                fid, signature(functions[fid[1]].header), self._body(fid), env, env.record_key
            )
        )

    def findings(
        self,
        records: Sequence[Record],
        subjects: frozenset[int],
        callers: Mapping[str, Sequence[FunctionId]],
        rules: Sequence[Rule],
    ) -> tuple[Finding, ...]:
        """What the rules say of memory that is not charged in the files ``subjects``, which ``records`` are of.

        ``callers``: functions by the names that they call.
        """
        found: dict[Finding, None] = {}
        records = [*records, *self._beside(subjects)]
        using = [r for r in rules if "accounting" in r.uses]
        for record, site in Judge(
            self.program, self.reach, records, callers, self._lifetimes, self._parameter, self._stack
        ).unaccounted():
            if record.file not in subjects:
                continue
            name = self.program.facts[record.file].functions[record.index].name
            _check(
                View(Summary(name, self.program.paths[record.file], (), unaccounted=(site,)), self.kernel), using, found
            )
        return tuple(found)

    def _beside(self, subjects: frozenset[int]) -> Iterator[Record]:
        """What is charged in files that are not linted themselves: their neighbours'."""
        for at, facts in enumerate(self.program.facts):
            if at not in subjects and at in self.reach.files and any(charges(f) for f in facts.functions):
                yield from self.records(at)

    def _stack(self, fid: FunctionId, name: str) -> frozenset[str]:
        """The structs on a function's stack whose address it gives to a callee."""
        body = self._body(fid)
        return Types(signature(""), body, self.linker.environment(fid[0])).given_from_stack(body, name)

    def _parameter(self, fid: FunctionId, number: int) -> Allocated | None:
        header = signature(self.program.function(fid).header)
        names = [p.name for p in header.params]
        if number >= len(names) or not names[number]:
            return None
        body = self._body(fid)
        types = Types(header, body, self.linker.environment(fid[0]))
        return Lifetimes(self.kernel, types).parameter(body, number, names)

    def _lifetimes(self, fid: FunctionId, names: frozenset[str]) -> list[Allocated]:
        body = self._body(fid)
        types = Types(signature(self.program.function(fid).header), body, self.linker.environment(fid[0]))
        return Lifetimes(self.kernel, types).read(body, names)


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


@dataclass(frozen=True, slots=True)
class Whole:
    """The parts of the analysis that only some rules use, where one of these runs."""

    accounting: Accounting | None = None
    scopes: CallerScopes | None = None
    reclaim: Reclaim | None = None
