"""One scan from selection to findings: tree -> facts -> program -> rules -> what is shown."""

from __future__ import annotations

import gc
import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from gfplint import select as selection_of_findings
from gfplint import workers
from gfplint.analysis.describe import described
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.ownership import FreeAt, StoreAt, join
from gfplint.analysis.program import Program, Relevance
from gfplint.analysis.roots import roots
from gfplint.analysis.summary import Summary
from gfplint.analysis.values import MaskValue
from gfplint.config import Settings
from gfplint.errors import GfplintError
from gfplint.facts import FileFacts, Function, Suppression
from gfplint.findings import Confidence, Degraded, Finding, ScanResult, Skipped, Step
from gfplint.frontend.skeleton import skeleton
from gfplint.kernel.callbacks import with_callbacks
from gfplint.kernel.headers import MASK_HEADERS, read_masks
from gfplint.kernel.load import load as load_kernel
from gfplint.kernel.model import Kernel, Mask, Version
from gfplint.kernel.probe import probe, probes_of
from gfplint.rules import catalogue, unused_suppression
from gfplint.ruleset import Rule, View
from gfplint.select import RuleStatus, choose_rules
from gfplint.tree import Comparison, MissingError, Selection, State, UnreadableError, patched, since, staged, work_tree
from gfplint.tree import select as select_paths
from gfplint.user_tables import with_user_tables

Progress = Callable[[int, int], None]

#: The version whose semantics a file outside any kernel tree gets.
NEWEST: Version = (7, 0)
#: Calls between a context and an allocation that a scan looks through.
DEPTH = 6
_BATCH = 32


class _FileResult(msgspec.Struct, frozen=True, array_like=True):
    """What the linting of one file found."""

    findings: tuple[Finding, ...]
    degraded: tuple[Degraded, ...]
    functions: int
    stores: tuple[StoreAt, ...] = ()
    frees: tuple[FreeAt, ...] = ()


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
    running = tuple(r for r in rules if r.code in chosen.codes)
    comparison = _comparison(selected, settings)
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
    paths, facts, failed = _facts(state, _program_files(state, selected, only), jobs, progress)
    kernel = _kernel(state, selected, settings)
    program = Program(paths, facts)
    relevance = _relevance(program, kernel, selected)
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
    findings += _member_findings(stores, frees, kernel, rules)
    findings = _doubted(findings)
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


def _relevance(program: Program, kernel: Kernel, selected: Selection) -> Relevance:
    """What is worth a body. Only files that are linted count: tools/ has a kmalloc() and a panic() of its own."""
    files = frozenset(at for at, path in enumerate(program.paths) if selected.root.linted(path))
    return Relevance(program, kernel, DEPTH, files)


def _program_files(state: State, selected: Selection, only: frozenset[str] | None) -> list[str]:
    """The files that make up the program.

    The whole root where it was named; else, as there is no index of the rest, what was named with its neighbours
    (for files
    and changes: those in the same folder).
    """
    files = list(state.files())
    if only is None and "" in selected.paths:
        return files
    near = only if only is not None else {f for f in files if f in selected.paths}
    folders = {posixpath.dirname(path) for path in near}
    return [f for f in files if posixpath.dirname(f) in folders or (only is None and selected.covers(f))]


def _facts(
    state: State, files: Sequence[str], jobs: int, progress: Progress | None
) -> tuple[list[str], list[FileFacts], list[Skipped]]:
    """The skeletons of files, in their order, and those that have none."""
    encode = msgspec.msgpack.Encoder().encode

    def work(at: int) -> bytes:
        try:
            return encode(skeleton(state.read(files[at])))
        except UnreadableError as error:
            raise RuntimeError(error.reason if hasattr(error, "reason") else str(error)) from error

    decode = msgspec.msgpack.Decoder(FileFacts).decode
    names: dict[str, str] = {}
    found: dict[int, FileFacts] = {}
    failed: list[Skipped] = []
    gc.disable()
    for at, data in workers.run(len(files), work, jobs, _BATCH):
        if isinstance(data, workers.Failure):
            failed.append(Skipped(files[at], data.reason.removeprefix("RuntimeError: "), failed=True))
        else:
            found[at] = _interned(decode(data), names)
        if progress is not None:
            progress(len(found), 2 * len(files))
    gc.enable()
    order = sorted(found)
    return [files[at] for at in order], [found[at] for at in order], failed


def _interned(facts: FileFacts, names: dict[str, str]) -> FileFacts:
    """Share the strings that most files have in common: a tree has millions of calls and few names."""
    share = names.setdefault
    for function in facts.functions:
        msgspec.structs.force_setattr(function, "callees", tuple([share(c, c) for c in function.callees]))
    return facts


def _results(
    state: State,
    program: Program,
    relevance: Relevance,
    kernel: Kernel,
    rules: Sequence[Rule],
    subjects: Sequence[int],
    jobs: int,
    progress: Progress | None,
) -> Iterator[tuple[int, _FileResult | workers.Failure]]:
    linker = Linker(program, kernel, relevance, lambda at: state.read(program.paths[at]))
    wanted = _Wanted(kernel, relevance)
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(_FileResult).decode

    def work(item: int) -> bytes:
        return encode(_lint_file(subjects[item], program, linker, kernel, rules, wanted))

    for done, (item, data) in enumerate(workers.run(len(subjects), work, jobs, _BATCH), 1):
        if progress is not None:
            progress(len(subjects) + done, 2 * len(subjects))
        yield subjects[item], data if isinstance(data, workers.Failure) else decode(data)


class _Wanted:
    """Which functions of a linted file have anything to check."""

    def __init__(self, kernel: Kernel, relevance: Relevance) -> None:
        atomic = {n for n, op in kernel.context_ops.items() if any(kernel.kinds[k].atomic for k in op.kinds)}
        tabled = kernel.allocators.keys() | kernel.frees.keys() | kernel.scopes.keys()
        macros = {macro for name in tabled for macro in relevance.macro_callers.get(name, ())}
        self.direct = frozenset(tabled | macros | relevance.locking)
        self.contexts = frozenset(atomic | relevance.effects | {"guard", "scoped_guard", "scoped_cond_guard"})
        self.relevance = relevance

    def __call__(self, function: Function, file: int) -> bool:
        names = frozenset(function.callees)
        if not self.direct.isdisjoint(names):
            return True
        if self.contexts.isdisjoint(names):
            return False
        return any(self.relevance.may_sleep(n, file) for n in names & self.relevance.reaching_names)


def _lint_file(
    at: int, program: Program, linker: Linker, kernel: Kernel, rules: Sequence[Rule], wanted: _Wanted
) -> _FileResult:
    """Run the rules over one file: its functions, and the roots that it hands to the core."""
    findings: dict[Finding, None] = {}
    degraded: list[Degraded] = []
    stores: list[StoreAt] = []
    frees: list[FreeAt] = []
    functions = 0
    for index, function in enumerate(program.facts[at].functions):
        if not wanted(function, at):
            continue
        summary = linker.summary((at, index), full=False)
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
        _check(View(summary, kernel), rules, findings)
    for root in roots(program, kernel, at, linker.sources.get(at)):
        if (summary := linker.rooted(root)) is not None:
            _check(View(summary, kernel), rules, findings)
    return _FileResult(tuple(findings), tuple(degraded), functions, tuple(stores), tuple(frees))


def _check(view: View, rules: Sequence[Rule], findings: dict[Finding, None]) -> None:
    for rule in rules:
        for finding in rule.check(view):
            findings[finding] = None


def _member_findings(
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


def _doubted(findings: Sequence[Finding]) -> list[Finding]:
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


def _kernel(state: State, selected: Selection, settings: Settings) -> Kernel:
    """What is known of the scanned kernel: the tree's headers count more than its version."""
    version = settings.kernel_version or selected.root.version or NEWEST
    if settings.kernel_version is not None or selected.root.version is None:
        return with_user_tables(with_callbacks(load_kernel(version, probes_of(version))), settings.tables)

    def read(path: str) -> bytes | None:
        try:
            return state.read(path)
        except (MissingError, UnreadableError):
            return None

    texts = [text.decode("utf-8", "replace") for path in MASK_HEADERS if (text := read(path)) is not None]
    masks = read_masks(texts) if texts else None
    return with_user_tables(with_callbacks(load_kernel(version, probe(read, version), masks or None)), settings.tables)


def _version_text(selected: Selection, settings: Settings) -> str:
    version = settings.kernel_version or selected.root.version or NEWEST
    return f"{version[0]}.{version[1]}"


# ---- questions -----------------------------------------------------------------------------------------------


class Site(msgspec.Struct, frozen=True):
    """One call that allocates or frees. ``mask`` and ``size`` as written; ``mask_values``: every mask that it may
    be.
    """

    path: str
    line: int
    column: int
    function: str
    callee: str
    kind: str
    family: str
    mask: str | None
    mask_values: tuple[str, ...]
    size: str


def sites(settings: Settings, progress: Progress | None = None) -> tuple[Site, ...]:
    """The allocation and free call sites of what the settings name, by place."""
    linker, subjects = _linker(settings, progress)
    found: dict[Site, None] = {}
    for at in subjects:
        for index, function in enumerate(linker.program.facts[at].functions):
            if linker.tabled.isdisjoint(function.callees):
                continue
            summary = linker.summary((at, index), full=False)
            if summary is not None:
                found.update(dict.fromkeys(_sites_of(summary, linker.kernel)))
    return tuple(sorted(found, key=lambda s: (s.path, s.line, s.column, s.callee)))


def _sites_of(summary: Summary, kernel: Kernel) -> Iterator[Site]:
    names = {mask: name for name, mask in sorted(kernel.masks.items(), reverse=True) if name.startswith("GFP_")}
    for site in summary.allocs:
        values = tuple(_mask_text(mask, names) for mask in site.masks if mask is not None)
        yield Site(
            path=summary.path,
            line=site.place.line,
            column=site.place.column,
            function=summary.name,
            callee=site.callee,
            kind="alloc",
            family=site.family,
            mask=site.mask_text or None,
            mask_values=tuple(sorted(set(values))),
            size=site.size,
        )
    for free in summary.frees:
        if not free.scope_exit:
            family = free.memory.family if free.memory is not None else ""
            yield Site(
                path=summary.path,
                line=free.place.line,
                column=free.place.column,
                function=summary.name,
                callee=free.callee,
                kind="free",
                family=family,
                mask=None,
                mask_values=(),
                size=free.size,
            )


def _mask_text(mask: MaskValue, names: dict[Mask, str]) -> str:
    """A mask by its name, or by its bits; a symbolic one by where it comes from."""
    known = names.get(mask.plus) or "|".join(sorted(mask.plus))
    if not mask.base:
        return known or "0"
    text = mask.base + (f"|{known}" if known else "")
    return f"{text}&~({'|'.join(sorted(mask.minus))})" if mask.minus else text


def summary(settings: Settings, name: str, progress: Progress | None = None) -> Iterator[str]:
    """What the analysis knows of the functions and macros called ``name``, as text."""
    linker, subjects = _linker(settings, progress)
    chosen = set(subjects)
    found = [
        known
        for fid in linker.program.functions.get(name, ())
        if fid[0] in chosen and (known := linker.summary(fid, full=True)) is not None
    ]
    if not found:
        raise GfplintError(f"no function {name!r} is defined there")
    for known in found:
        yield from described(known, linker.kernel)


def _linker(settings: Settings, progress: Progress | None) -> tuple[Linker, list[int]]:
    """The linked program of what the settings name, and the numbers of the files that were named."""
    selected = select_paths(settings.paths)
    state = work_tree(selected)
    jobs = settings.jobs or os.cpu_count() or 1
    paths, facts, _ = _facts(state, _program_files(state, selected, None), jobs, progress)
    kernel = _kernel(state, selected, settings)
    program = Program(paths, facts)
    relevance = _relevance(program, kernel, selected)
    linker = Linker(program, kernel, relevance, lambda at: state.read(paths[at]))
    return linker, [at for at, path in enumerate(paths) if selected.covers(path)]


def index(settings: Settings, export: str | None = None, progress: Progress | None = None) -> None:
    """Build the index of a tree."""
    raise GfplintError("this version keeps no index: every scan reads what it needs")
