"""One scan from selection to findings: tree -> facts -> program -> rules -> what is shown."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from gfplint import select as selection_of_findings
from gfplint.affected import affected, users_in
from gfplint.config import Settings
from gfplint.errors import GfplintError
from gfplint.facts import FileFacts
from gfplint.findings import ScanResult, Severity
from gfplint.index.store import LINKED, Store, default_folder
from gfplint.phases import Phases
from gfplint.rules import catalogue
from gfplint.ruleset import Rule
from gfplint.select import Chosen, RuleStatus, choose_rules
from gfplint.skeletons import Gathered, Gatherer
from gfplint.states import Outcome, Run, outcome_of
from gfplint.target import NEWEST, Progress, program_files
from gfplint.tree import Comparison, Git, GitIndex, Root, Selection, State, is_folder, patched, since, staged, work_tree
from gfplint.tree import select as select_paths

#: Of so many files an index may lack one and still be one.
_TOLERATED = 20
#: So many files of a driver outside of a kernel are read on the spot.
_SMALL = 300
#: So many files are named that are not linted.
_NAMED = 3
#: Said where the effects of a change elsewhere are not looked for.
NO_INDEX = "no index of this tree: effects beyond the folders that the change touches are not seen (see gfplint index)"
CHANGED_ALONE = "effects of staged changes on other files are not looked for: scan --diff HEAD sees them"
STAGED = "only the folders of staged files are looked at: scan --diff HEAD also sees effects elsewhere"


def scan(
    settings: Settings, progress: Progress | None = None, phases: Phases | None = None, *, keep: bool = False
) -> ScanResult:
    """Lint what the settings name; with ``diff``, ``staged`` or ``patch``, what the second state adds.

    ``phases``: is told where the time goes; ``keep``: whether to keep what is found in a whole tree, linked.
    """
    selected = select_paths(settings.paths)
    rules = catalogue()
    chosen = choose_rules([RuleStatus(r.code, r.preview, r.off) for r in rules], settings)
    if settings.kernel_index is not None and (settings.diff or settings.staged or settings.patch):
        raise GfplintError("--kernel-index goes with files and folders, not with changes")
    # What is wrong with it shows before a long scan.
    accepted = selection_of_findings.read_baseline(settings.baseline) if settings.baseline is not None else None
    comparison = _comparison(selected, settings)
    running = tuple(r for r in rules if r.code in chosen.codes and _may_show(r, chosen, settings, comparison))
    notes: tuple[str, ...] = ()
    version = settings.kernel_version or selected.root.version or NEWEST
    with _store(settings) as store:
        run = Run(settings, selected, running, rules, store, progress, keep=keep, phases=phases or Phases())
        if settings.kernel_index is not None:
            from gfplint import indexed  # noqa: PLC0415 -- it loads the whole analysis

            outcome, version, notes = indexed.module(run, work_tree(selected), settings.kernel_index)
            findings, added = outcome.findings, None
        elif comparison is None:
            outcome = outcome_of(run, work_tree(selected))
            findings = outcome.findings
            added = None
        else:
            before, outcome, said = _both(run, comparison)
            findings = selection_of_findings.new_findings(before.findings, outcome.findings)
            added = comparison.changes.added
            notes += said
        if keep and store is not None:
            store.flush()
            if not store.writable and not any(skipped.failed for skipped in outcome.skipped):
                raise _not_kept(store)
    notes += _left_out(selected, comparison)
    shown = selection_of_findings.shown(findings, chosen, settings, selected.root.path, added)
    if accepted is not None:
        shown = selection_of_findings.apply_baseline(shown, accepted, selected.root.has).findings
    return ScanResult(
        kernel_version=f"{version[0]}.{version[1]}",
        files_scanned=outcome.files,
        findings=shown,
        skipped=tuple(dict.fromkeys(outcome.skipped + (comparison.skipped if comparison is not None else ()))),
        degraded=outcome.degraded,
        statistics=outcome.statistics,
        notes=notes,
    )


def _left_out(selected: Selection, comparison: Comparison | None) -> tuple[str, ...]:
    """What of the named files and folders, or of the changed files, is not linted: programs that run elsewhere."""
    root = selected.root
    if comparison is not None:
        names = sorted(path for path in comparison.changes.changed if selected.covers(path))
    else:
        names = [f"{path}/" if is_folder(root.path / path) else path for path in selected.paths if path]
    names = [path for path in names if not root.linted(path)]
    more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
    return (f"{', '.join(names[:_NAMED])}{more}: no part of the kernel itself, and not linted",) if names else ()


def _both(run: Run, comparison: Comparison) -> tuple[Outcome, Outcome, tuple[str, ...]]:
    """The outcomes of both states, and what to tell the user of how they were found."""
    changes, notes = comparison.changes, comparison.notes
    if changes.changed and run.store is not None and run.store.oldest(0, LINKED):
        from gfplint import indexed  # noqa: PLC0415 -- it loads the whole analysis

        known = indexed.outcomes(run, comparison)
        if known is not None:
            return *known, (*notes, CHANGED_ALONE) if run.settings.staged else notes
    shared = msgspec.structs.replace(run, loaded={})
    widened = _affected(shared, comparison)
    if widened is None and changes.changed and run.selected.root.version is not None:
        notes += (STAGED if run.settings.staged else NO_INDEX,)
    whole, only = widened is not None, widened if widened is not None else _affected_beside(shared, comparison)
    after = outcome_of(shared, comparison.after, only, whole=whole)
    return outcome_of(shared, comparison.before, only, changes.renamed, whole), after, notes


def _affected(run: Run, comparison: Comparison) -> frozenset[str] | None:
    """The files in which a change may have an effect; None where there is no index of a large tree to tell.

    A hook does without there: linking a tree takes longer than a commit may.
    """
    changed = comparison.changes.changed
    if not changed:
        return None
    files = comparison.after.files()
    gatherer = run.gatherer(comparison.after)
    small = run.selected.root.version is None and len(files) <= _SMALL
    if not small and (
        run.store is None or run.settings.staged or gatherer.unknown(files) > len(changed) + len(files) // _TOLERATED
    ):
        return None
    return _affected_among(run, comparison, gatherer, files)


def _affected_beside(run: Run, comparison: Comparison) -> frozenset[str]:
    """The same among the files of the folders that the change touches."""
    changed = comparison.changes.changed
    files = program_files(comparison.after, run.selected, changed)
    return _affected_among(run, comparison, run.gatherer(comparison.after), files)


def _affected_among(run: Run, comparison: Comparison, gatherer: Gatherer, files: Sequence[str]) -> frozenset[str]:
    changed = comparison.changes.changed
    found = gatherer.gather(files)
    old = run.gatherer(comparison.before)
    before = old.gather(sorted(changed.intersection(comparison.before.files())))
    facts, earlier = _by_path(gatherer, found), _by_path(old, before)
    touched = [(path, known[path]) for known in (earlier, facts) for path in changed if path in known]
    linted = run.selected.root.linted
    return affected(users_in({path: file for path, file in facts.items() if linted(path)}), touched, changed)


def _by_path(gatherer: Gatherer, found: Gathered) -> dict[str, FileFacts]:
    return dict(zip(found.paths, gatherer.facts(found, found.paths), strict=True))


def root(settings: Settings) -> Root:
    """The root of the named paths' tree, to which the paths of findings are relative."""
    return select_paths(settings.paths).root


def looks_for(settings: Settings) -> Callable[[str, str], bool]:
    """Whether a scan with these settings looks for a rule (by its code) in the file of a path."""
    selected = select_paths(settings.paths)
    chosen = choose_rules([RuleStatus(r.code, r.preview, r.off) for r in catalogue()], settings)
    return lambda code, path: code in chosen.codes and selected.covers(path)


def reader(settings: Settings) -> Callable[[str], bytes]:
    """Reads files of the state that findings are about, by path."""
    selected = select_paths(settings.paths)
    if settings.kernel_index is not None:
        from gfplint import indexed  # noqa: PLC0415 -- it loads the whole analysis

        return indexed.sources(work_tree(selected), settings.kernel_index)

    @functools.cache
    def state() -> State:
        """Found out for who reads anything: it is a comparison of its own."""
        if settings.staged and selected.root.git is not None:
            return GitIndex(Git(selected.root.path))
        comparison = _comparison(selected, settings)
        return comparison.after if comparison is not None else work_tree(selected)

    return lambda path: state().read(path)


def _may_show(rule: Rule, chosen: Chosen, settings: Settings, comparison: Comparison | None) -> bool:
    """Whether anything that a rule finds would be shown: advice costs nothing where it is not asked for."""
    asked = settings.advice or comparison is not None or rule.code in chosen.explicit
    return asked or rule.severity is not Severity.ADVICE


def _comparison(selected: Selection, settings: Settings) -> Comparison | None:
    if settings.diff is not None:
        return since(selected, settings.diff)
    if settings.staged:
        return staged(selected)
    if settings.patch is not None:
        return patched(selected, settings.patch)
    return None


@contextlib.contextmanager
def _store(settings: Settings) -> Iterator[Store | None]:
    """The user's index, if it is to be used."""
    if not settings.cache:
        yield None
        return
    store = Store(settings.cache_dir or default_folder())
    try:
        yield store
    finally:
        store.close()
        store.prune()


def index(settings: Settings, export: str | None = None, progress: Progress | None = None) -> ScanResult:
    """Build the index of a tree: by a scan of all of it, whose result is returned; or ``export`` it to a file."""
    from gfplint import indexed  # noqa: PLC0415 -- it loads the whole analysis

    selected = select_paths(settings.paths)
    whole = msgspec.structs.replace(
        settings, paths=(str(selected.root.path),), diff=None, staged=False, patch=None, baseline=None
    )
    selected = select_paths(whole.paths)
    if export is not None:
        with _store(whole) as store:
            run = Run(whole, selected, (), (), store, progress)
            return indexed.export(run, work_tree(selected), Path(export))
    if not settings.cache:
        raise GfplintError("--no-cache: an index that is not kept is of no use")
    result = scan(whole, progress, keep=True)
    with _store(whole) as store:
        failed = any(skipped.failed for skipped in result.skipped)  # of which the result tells
        if store is not None and not failed and not indexed.is_kept(Run(whole, selected, (), (), store)):
            raise _not_kept(store)
    return result


def _not_kept(store: Store) -> GfplintError:
    return GfplintError(f"the index could not be kept: {store.note or f'{store.path}: not written'}")
