"""One scan from selection to findings: tree -> facts -> program -> rules -> what is shown."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from gfplint import select as selection_of_findings
from gfplint import workers
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.ownership import FreeAt, StoreAt
from gfplint.analysis.program import Program, Relevance
from gfplint.config import Settings
from gfplint.errors import GfplintError
from gfplint.facts import Suppression
from gfplint.findings import Degraded, Finding, ScanResult, Severity, Skipped
from gfplint.kernel.model import Kernel
from gfplint.linting import FileResult, Wanted, depth_for, doubted, lint_file, member_findings, relevance_of
from gfplint.rules import catalogue, unused_suppression
from gfplint.ruleset import Rule
from gfplint.select import Chosen, RuleStatus, choose_rules
from gfplint.skeletons import gather
from gfplint.target import BATCH, NEWEST, Progress, kernel_of, program_files
from gfplint.tree import Comparison, Selection, State, UnreadableError, patched, since, staged, work_tree
from gfplint.tree import select as select_paths


class _Linted(msgspec.Struct, frozen=True):
    """The findings in one state, before anything is left out."""

    findings: tuple[Finding, ...]
    degraded: tuple[Degraded, ...]
    skipped: tuple[Skipped, ...]
    suppressions: dict[str, tuple[Suppression, ...]]
    files: int
    statistics: dict[str, int]
    kernel: Kernel


def scan(settings: Settings, progress: Progress | None = None) -> ScanResult:
    """Lint what the settings name; with ``diff``, ``staged`` or ``patch``, what the second state adds."""
    selected = select_paths(settings.paths)
    rules = catalogue()
    chosen = choose_rules([RuleStatus(r.code, r.preview, r.off) for r in rules], settings)
    comparison = _comparison(selected, settings)
    running = tuple(r for r in rules if r.code in chosen.codes and _may_show(r, chosen, settings, comparison))
    if comparison is None:
        state: State = work_tree(selected)
        linted = _lint(state, selected, settings, running, None, progress)
        findings = _silence(linted, state, running, rules)
        added = None
    else:
        state = comparison.after
        changed = comparison.changes.changed
        before = _lint(comparison.before, selected, settings, running, changed, None)
        linted = _lint(comparison.after, selected, settings, running, changed, progress)
        old = _silence(before, comparison.before, running, rules, comparison.changes.renamed)
        findings = selection_of_findings.new_findings(old, _silence(linted, comparison.after, running, rules))
        added = comparison.changes.added
    shown = selection_of_findings.shown(findings, chosen, settings, selected.root.path, added)
    if settings.baseline is not None:
        shown = selection_of_findings.apply_baseline(
            shown, selection_of_findings.read_baseline(settings.baseline)
        ).findings
    return ScanResult(
        kernel_version=_version_text(selected, settings),
        files_scanned=linted.files,
        findings=shown,
        skipped=linted.skipped + (comparison.skipped if comparison is not None else ()),
        degraded=linted.degraded,
        statistics=linted.statistics,
    )


def root(settings: Settings) -> Path:
    """The root to which the paths of findings are relative."""
    return select_paths(settings.paths).root.path


def reader(settings: Settings) -> Callable[[str], bytes]:
    """Reads files of the state that findings are about, by path."""
    selected = select_paths(settings.paths)
    comparison = _comparison(selected, settings)
    return (comparison.after if comparison is not None else work_tree(selected)).read


def _may_show(rule: Rule, chosen: Chosen, settings: Settings, comparison: Comparison | None) -> bool:
    """Whether anything that a rule finds would be shown: advice costs nothing where it is not asked for."""
    asked = settings.advice or comparison is not None or rule.code in chosen.explicit
    return asked or rule.severity is not Severity.ADVICE


# ---- one state -----------------------------------------------------------------------------------------------


def _lint(
    state: State,
    selected: Selection,
    settings: Settings,
    rules: Sequence[Rule],
    only: frozenset[str] | None,
    progress: Progress | None,
) -> _Linted:
    jobs = settings.jobs or os.cpu_count() or 1
    paths, facts, failed = gather(state, program_files(state, selected, only), jobs, progress)
    kernel = kernel_of(state, selected, settings)
    program = Program(paths, facts)
    relevance = relevance_of(program, kernel, selected, depth_for(settings))
    subjects = [
        at
        for at, path in enumerate(paths)
        if selected.root.linted(path) and (only is None or path in only) and selected.covers(path)
    ]
    gc.freeze()
    results = _results(state, program, relevance, kernel, rules, subjects, jobs, progress)
    findings: list[Finding] = []
    degraded: list[Degraded] = []
    stores: list[StoreAt] = []
    frees: list[FreeAt] = []
    functions = 0
    for at, result in results:
        if isinstance(result, workers.Failure):
            failed.append(Skipped(paths[at], result.reason, failed=True))
            continue
        findings += result.findings
        degraded += result.degraded
        functions += result.functions
        stores += result.stores
        frees += result.frees
    findings += member_findings(stores, frees, kernel, rules)
    findings = doubted(findings)
    skipped = sorted([*(s for s in state.skipped() if only is None or s.path in only), *failed], key=lambda s: s.path)
    return _Linted(
        findings=tuple(findings),
        degraded=tuple(sorted(set(degraded), key=lambda d: (d.path, d.function, d.reason))),
        skipped=tuple(skipped),
        suppressions={paths[at]: facts[at].suppressions for at in subjects if facts[at].suppressions},
        files=len(subjects),
        kernel=kernel,
        statistics={"files": len(paths), "functions": sum(len(f.functions) for f in facts), "analysed": functions},
    )


def _results(
    state: State,
    program: Program,
    relevance: Relevance,
    kernel: Kernel,
    rules: Sequence[Rule],
    subjects: Sequence[int],
    jobs: int,
    progress: Progress | None,
) -> Iterator[tuple[int, FileResult | workers.Failure]]:
    linker = Linker(program, kernel, relevance, lambda at: state.read(program.paths[at]))
    wanted = Wanted(kernel, relevance, rules)
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(FileResult).decode

    def work(item: int) -> bytes:
        return encode(lint_file(subjects[item], program, linker, kernel, wanted))

    for done, (item, data) in enumerate(workers.run(len(subjects), work, jobs, BATCH), 1):
        if progress is not None:
            progress(len(subjects) + done, 2 * len(subjects))
        yield subjects[item], data if isinstance(data, workers.Failure) else decode(data)


def _silence(
    linted: _Linted, state: State, running: Sequence[Rule], rules: Sequence[Rule], renamed: dict[str, str] | None = None
) -> tuple[Finding, ...]:
    """Leave out what suppression comments silence, add what GFP901 says of them, and set the fingerprints."""
    silenced = selection_of_findings.apply_suppressions(
        linted.findings, linted.suppressions, [r.code for r in running], [r.code for r in rules]
    )
    findings = list(silenced.findings)
    if unused_suppression.RULE in running:
        findings += unused_suppression.report(silenced.unused, linted.kernel)
    return selection_of_findings.with_fingerprints(findings, _Lines(state), renamed)


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


# ---- what to scan --------------------------------------------------------------------------------------------


def _comparison(selected: Selection, settings: Settings) -> Comparison | None:
    if settings.diff is not None:
        return since(selected, settings.diff)
    if settings.staged:
        return staged(selected)
    if settings.patch is not None:
        return patched(selected, settings.patch)
    return None


def _version_text(selected: Selection, settings: Settings) -> str:
    version = settings.kernel_version or selected.root.version or NEWEST
    return f"{version[0]}.{version[1]}"


def index(settings: Settings, export: str | None = None, progress: Progress | None = None) -> None:
    """Build the index of a tree."""
    raise GfplintError("this version keeps no index: every scan reads what it needs")
