"""One scan from selection to findings: tree -> facts -> program -> rules -> what is shown."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from gfplint import select as selection_of_findings
from gfplint.config import Settings
from gfplint.errors import GfplintError
from gfplint.findings import ScanResult, Severity
from gfplint.index.store import Store, default_folder
from gfplint.rules import catalogue
from gfplint.ruleset import Rule
from gfplint.select import Chosen, RuleStatus, choose_rules
from gfplint.states import Run, outcome_of
from gfplint.target import NEWEST, Progress
from gfplint.tree import Comparison, Selection, patched, since, staged, work_tree
from gfplint.tree import select as select_paths


def scan(settings: Settings, progress: Progress | None = None) -> ScanResult:
    """Lint what the settings name; with ``diff``, ``staged`` or ``patch``, what the second state adds."""
    selected = select_paths(settings.paths)
    rules = catalogue()
    chosen = choose_rules([RuleStatus(r.code, r.preview, r.off) for r in rules], settings)
    comparison = _comparison(selected, settings)
    running = tuple(r for r in rules if r.code in chosen.codes and _may_show(r, chosen, settings, comparison))
    with _store(settings) as store:
        run = Run(settings, selected, running, rules, store, progress)
        if comparison is None:
            outcome = outcome_of(run, work_tree(selected))
            findings = outcome.findings
            added = None
        else:
            changes = comparison.changes
            before = outcome_of(run, comparison.before, changes.changed, changes.renamed)
            outcome = outcome_of(run, comparison.after, changes.changed)
            findings = selection_of_findings.new_findings(before.findings, outcome.findings)
            added = changes.added
    shown = selection_of_findings.shown(findings, chosen, settings, selected.root.path, added)
    if settings.baseline is not None:
        shown = selection_of_findings.apply_baseline(
            shown, selection_of_findings.read_baseline(settings.baseline)
        ).findings
    return ScanResult(
        kernel_version=_version_text(selected, settings),
        files_scanned=outcome.files,
        findings=shown,
        skipped=outcome.skipped + (comparison.skipped if comparison is not None else ()),
        degraded=outcome.degraded,
        statistics=outcome.statistics,
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


def _version_text(selected: Selection, settings: Settings) -> str:
    version = settings.kernel_version or selected.root.version or NEWEST
    return f"{version[0]}.{version[1]}"


def index(settings: Settings, export: str | None = None, progress: Progress | None = None) -> None:
    """Build the index of a tree."""
    raise GfplintError("this version keeps no index: every scan reads what it needs")
