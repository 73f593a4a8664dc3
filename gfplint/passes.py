"""A linked program linted, in worker processes: each file, then what only all files together make worth it; joined."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import msgspec

from gfplint import collection, workers
from gfplint import select as selection_of_findings
from gfplint.analysis.holders import Holder
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.meeting import Meetings, Members, differing, holder_of, refined, refuting, scattered, touching
from gfplint.analysis.operations import Coverage, added
from gfplint.analysis.program import FunctionId, Program, Relevance
from gfplint.analysis.summary import Summary
from gfplint.facts import Suppression
from gfplint.findings import Degraded, Finding, Skipped
from gfplint.joining import Ours, findings_of, tell_all
from gfplint.kernel.model import Kernel
from gfplint.linting import FileResult, Wanted, Whole, doubted, lint_file, lint_functions, whole_of
from gfplint.rules import unused_suppression
from gfplint.states import Outcome, Run
from gfplint.tree import State, UnreadableError

#: Files after which another worker takes the place of one: what it looked at of the program has become its own memory.
_RENEWED = 6_000

#: Files handed to a worker at a time: neighbours call the same functions, which one worker then computes once.
_BATCH = 512

#: By the numbers of files.
Results = dict[int, FileResult | workers.Failure]


@dataclass(frozen=True, slots=True)
class Built:
    """A linked program, ready to be linted; ``subjects``: the numbers of the files that are."""

    program: Program
    relevance: Relevance
    linker: Linker
    subjects: Sequence[int]


@dataclass(frozen=True, slots=True)
class Round:
    """Functions, by file, that only all files together make worth it; the members that make them so; the results."""

    members: Members
    functions: dict[int, list[int]]
    results: Results


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found in each file, and then in functions that only all files together make worth it.

    ``scattered``: as ``ownership.Books`` takes them; ``whole``: what some rules use besides; ``covered``: the operation
    tables.
    """

    first: Results
    rounds: tuple[Round, ...]
    scattered: frozenset[Holder]
    whole: Whole
    covered: Coverage

    def of(self, file: int) -> list[FileResult]:
        """The results of a file."""
        found = (self.first.get(file), *(round_.results.get(file) for round_ in self.rounds))
        return [r for r in found if isinstance(r, FileResult)]

    def failures(self) -> dict[int, str]:
        """Why files have no result, or only part of one."""
        found = (self.first, *(round_.results for round_ in self.rounds))
        return {at: r.reason for results in found for at, r in results.items() if isinstance(r, workers.Failure)}


#: Which functions of a file are looked at in each round: those that may show a member to hold nothing that it should
#: not, as few as there are; then, where they have not, all that touch it.
ROUNDS = (refuting, touching)


def lint(run: Run, state: State, built: Built, renamed: Mapping[str, str] | None) -> Outcome:
    """What the rules find in the files of a program; ``renamed``: as in ``states.outcome_of``."""
    return judged(run, state, built, looked_over(run, built), renamed)


# ---- linting -------------------------------------------------------------------------------------------------


def looked_over(run: Run, built: Built) -> Linted:
    """What is found in each file, and then in the functions that only all files together make worth it."""
    linker, subjects = built.linker, built.subjects
    with run.phases("linking"), collection.put_off():
        whole = whole_of(built.program, linker, run.selected.root.linted, run.running, subjects)
        wanted = Wanted(linker, run.running, whole, subjects)
        gc.freeze()
    first = lint_files(run, linker, wanted, whole, subjects)

    def again(functions: Mapping[int, Sequence[int]]) -> Results:
        return lint_again(run, linker, wanted, whole, functions)

    rounds, far = in_rounds(wanted.meetings, first, again, lambda: run.phases("joining"))
    return Linted(first, rounds, far, whole, added(map(linker.operations.coverage_in, subjects)))


def in_rounds(
    meetings: Meetings,
    first: Results,
    lint: Callable[[Mapping[int, Sequence[int]]], Results],
    joining: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> tuple[tuple[Round, ...], frozenset[Holder]]:
    """What is found in functions that only all files together make worth it, and what is scattered (``Linted``).

    ``first``: of all files; ``lint``: looks at functions, by file; ``joining``: around what is done in between.
    """
    evidence = {
        at: result.members for at, result in sorted(first.items()) if isinstance(result, FileResult) and result.members
    }
    rounds: list[Round] = []
    members: Members = {}
    names: set[str] = set()
    for chosen in ROUNDS:
        with joining():
            items = evidence.items()
            members = meetings.again(members, items, names) if rounds else meetings.members(items)
            again = {
                at: found for at, items in evidence.items() if (found := chosen(meetings.path(at), items, members))
            }
        rounds.append(Round(members, again, lint(again)))
        names = set()
        for at, result in rounds[-1].results.items():
            if isinstance(result, FileResult):
                before, evidence[at] = evidence[at], refined(evidence[at], again[at], result.members)
                names |= differing(before, evidence[at])
    with joining():
        far = scattered(meetings.path, evidence.items(), rounds[-1].members)
    return tuple(rounds), frozenset(map(holder_of, far))


def lint_files(run: Run, linker: Linker, wanted: Wanted, whole: Whole, files: Sequence[int]) -> Results:
    """What is found in some files."""
    encode = msgspec.msgpack.Encoder().encode

    def work(item: int) -> bytes:
        return encode(lint_file(files[item], linker, wanted, whole))

    def done(number: int) -> None:
        if run.progress is not None:
            run.progress(len(files) + number, 2 * len(files))

    with run.phases("linting"):
        return _worked(run, linker, files, work, _RENEWED, done)


def lint_again(
    run: Run, linker: Linker, wanted: Wanted, whole: Whole, functions: Mapping[int, Sequence[int]]
) -> Results:
    """What is found in some functions of files."""
    encode = msgspec.msgpack.Encoder().encode
    files = sorted(functions)

    def work(item: int) -> bytes:
        return encode(lint_functions(files[item], functions[files[item]], linker, wanted, whole))

    with run.phases("linting of members"):
        return _worked(run, linker, files, work, _RENEWED // 4)


def _worked(
    run: Run,
    linker: Linker,
    files: Sequence[int],
    work: workers.Work,
    renewed: int,
    done: Callable[[int], None] = lambda _: None,
) -> Results:
    decode = msgspec.msgpack.Decoder(FileResult).decode
    found: Results = {}
    # Looks are noted where something is computed: there every worker does that for itself.
    estate = _estate(linker) if linker.looks is None else None
    found_out = workers.run(len(files), work, run.jobs, _BATCH, renewed=renewed, estate=estate)
    for number, (item, data) in enumerate(found_out, 1):
        done(number)
        found[files[item]] = data if isinstance(data, workers.Failure) else decode(data)
    return found


def _estate(linker: Linker) -> workers.Estate:
    """Summaries go from worker to worker."""
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(list[tuple[FunctionId, int, Summary]]).decode
    return workers.Estate(
        lambda: encode(list(linker.shared_summaries())), lambda data: linker.take_summaries(decode(data))
    )


# ---- joining -------------------------------------------------------------------------------------------------


class Sum(msgspec.Struct, frozen=True):
    """What was found in all files, in whichever order; ``suppressions``: by path; ``files``: those that were linted."""

    findings: tuple[Finding, ...]
    degraded: tuple[Degraded, ...]
    suppressions: dict[str, tuple[Suppression, ...]]
    files: int
    analysed: int
    covered: Coverage


def judged(run: Run, state: State, built: Built, linted: Linted, renamed: Mapping[str, str] | None) -> Outcome:
    """All that was found, joined, and without what is silenced."""
    program, kernel, subjects = built.program, built.linker.kernel, built.subjects
    paths = program.paths
    with run.phases("joining"):
        done = [(at, result) for at in sorted(subjects, key=paths.__getitem__) for result in linted.of(at)]
        findings = [finding for _, result in done for finding in result.findings]
        findings += findings_of(tell_all(ours_of_all(done), linted.scattered, kernel, run.running))
        if linted.whole.accounting is not None:
            records = [record for _, result in done for record in result.records]
            callers = built.relevance.callers
            findings += linted.whole.accounting.findings(records, frozenset(subjects), callers, run.running)
    found = Sum(
        tuple(findings),
        tuple([degraded for _, result in done for degraded in result.degraded]),
        {paths[at]: found for at in subjects if (found := program.facts[at].suppressions)},
        len(subjects),
        sum(result.functions for _, result in done),
        linted.covered,
    )
    failed = tuple(Skipped(paths[at], reason, failed=True) for at, reason in linted.failures().items())
    return msgspec.structs.replace(outcome_from(run, state, found, kernel, renamed), skipped=failed)


def ours_of_all(done: Sequence[tuple[int, FileResult]]) -> dict[int, Ours]:
    """What files do to members, by number, from all their results."""
    found: dict[int, list[FileResult]] = {}
    for at, result in done:
        if result.stores or result.frees or result.uses:
            found.setdefault(at, []).append(result)
    return {at: ours_of(results) for at, results in found.items()}


def ours_of(results: Sequence[FileResult]) -> Ours:
    """What a file does to members, from its results."""
    return Ours(
        tuple([store for result in results for store in result.stores]),
        tuple([free for result in results for free in result.frees]),
        tuple([use for result in results for use in result.uses]),
    )


def outcome_from(
    run: Run, state: State, found: Sum, kernel: Kernel, renamed: Mapping[str, str] | None = None
) -> Outcome:
    """What is left of all that was found."""
    encode = msgspec.msgpack.Encoder().encode
    findings = doubted(sorted(found.findings, key=lambda f: (f.path, encode(f))))
    covered = found.covered
    return Outcome(
        findings=_silenced(run, findings, found.suppressions, kernel, _Lines(state), renamed),
        degraded=tuple(sorted(set(found.degraded), key=lambda d: (d.path, d.function, d.reason))),
        files=found.files,
        statistics={
            "analysed": found.analysed,
            # How much of the operation tables the context tables know.
            "operations": covered.entries,
            "operations of known context": covered.classified,
            "operations left open": covered.open,
        },
    )


def _silenced(
    run: Run,
    findings: Sequence[Finding],
    suppressions: Mapping[str, tuple[Suppression, ...]],
    kernel: Kernel,
    lines: selection_of_findings.LineReader,
    renamed: Mapping[str, str] | None,
) -> tuple[Finding, ...]:
    """Leave out what suppression comments silence, add what GFP901 says of them, and set the fingerprints."""
    silenced = selection_of_findings.apply_suppressions(
        findings, suppressions, [r.code for r in run.running], [r.code for r in run.rules]
    )
    left = list(silenced.findings)
    if unused_suppression.RULE in run.running:
        left += unused_suppression.report(silenced.unused, kernel)
    return selection_of_findings.with_fingerprints(left, lines, renamed)


class _Lines:
    """Lines of a state's files, by path and number."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.path = ""
        self.lines: list[str] = []

    def __call__(self, path: str, line: int) -> str:
        if path != self.path:
            try:
                self.lines = self.state.read(path).decode("utf-8", "replace").split("\n")
            except UnreadableError:
                self.lines = []
            self.path = path
        return self.lines[line - 1] if 0 < line <= len(self.lines) else ""
