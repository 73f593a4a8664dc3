"""The findings in one state of a tree: gathered, linked, linted, silenced; or as an earlier run left them.

What a run finds depends on the code of gfplint, on what is known of the kernel, on the rules that run and on the
contents of the program's files, on nothing else. Under a digest of all these it is kept, and found again.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from gfplint import collection
from gfplint.config import Settings
from gfplint.facts import FileFacts
from gfplint.findings import Degraded, Finding, Skipped
from gfplint.index.store import LINKED, Store, StoreError
from gfplint.index.versions import tool_digest
from gfplint.kernel.model import Kernel
from gfplint.kernels import kernel_by_contents
from gfplint.phases import Phases
from gfplint.ruleset import Rule
from gfplint.skeletons import Gathered, Gatherer
from gfplint.target import Progress, kernel_of, program_files
from gfplint.tree import Selection, State

if TYPE_CHECKING:
    from gfplint.analysis.program import Growing

#: Outcomes of smaller scans that are kept beside each other.
_KEPT_OUTCOMES = 64


class Run(msgspec.Struct, frozen=True):
    """What all states of one scan have in common. ``loaded``: skeletons by content, where states share them; ``keep``:
    whether to keep all that is found in the tree for later runs, linked.
    """

    settings: Settings
    selected: Selection
    running: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    store: Store | None = None
    progress: Progress | None = None
    loaded: dict[bytes, FileFacts] | None = None
    keep: bool = False
    phases: Phases = msgspec.field(default_factory=Phases)

    def gatherer(self, state: State, *, keyed: bool = True) -> Gatherer:
        """What reads the files of a state; ``keyed``: as ``Gatherer`` has it."""
        root = os.fspath(self.selected.root.path)
        return Gatherer(state, self.store, root, self.jobs, self.progress, self.loaded, keyed=keyed)

    @property
    def jobs(self) -> int:
        """Worker processes to use."""
        return self.settings.jobs or os.cpu_count() or 1

    def linted(self, path: str) -> bool:
        """Whether a file is linted, and not only read."""
        return self.selected.root.linted(path) and self.selected.covers(path)


class Outcome(msgspec.Struct, frozen=True):
    """The findings in one state, silenced ones left out; ``skipped``: files that this run could not lint."""

    findings: tuple[Finding, ...]
    degraded: tuple[Degraded, ...]
    files: int
    statistics: dict[str, int]
    skipped: tuple[Skipped, ...] = ()


def outcome_of(
    run: Run,
    state: State,
    only: frozenset[str] | None = None,
    renamed: Mapping[str, str] | None = None,
    whole: bool = False,
) -> Outcome:
    """What the rules find in a state.

    ``only``: lint these files alone, with what stands in their folders as the program or, with ``whole``, with all
    files of the tree. ``renamed``: paths in this state to those in the other one of a comparison, for fingerprints.
    """
    gc.unfreeze()  # the program of an earlier scan refers to itself: two at a time are more than a machine may have
    gc.collect()
    with collection.put_off():  # nearly all that is made stays to the end
        return _outcome_of(run, state, only, renamed, whole)


def _outcome_of(
    run: Run, state: State, only: frozenset[str] | None, renamed: Mapping[str, str] | None, whole: bool
) -> Outcome:
    gatherer = run.gatherer(state, keyed=False)
    with run.phases("files"):
        files = list(state.files()) if whole else program_files(state, run.selected, only)
    whole_tree = only is None and "" in run.selected.paths
    told = run.store is not None and (whole or whole_tree)  # the contents of files tell the kernel
    early: list[Kernel] = []

    def meanwhile() -> None:
        """What takes as long whoever does it, and can be done while others read files."""
        if not told:
            early.append(kernel_of(state, run.selected, run.settings))

    grown: list[Growing] = []

    def each(path: str, facts: FileFacts) -> None:
        if not grown:
            from gfplint.analysis.program import Growing  # noqa: PLC0415 -- a run that finds its outcome needs none

            importlib.import_module("gfplint.passes")
            grown.append(Growing(run.selected.root.linted))
        grown[0].add(path, facts)

    with run.phases("skeletons"):
        found = gatherer.gather(files, whole=whole or whole_tree, meanwhile=meanwhile, each=each)
    with run.phases("kernel"):
        kernel = early[0] if early else _kernel(run, state, found, told)
        key = _key(run, kernel, found, only, renamed) if run.store is not None else b""
        outcome = _kept(run.store, key) if found.complete and not run.keep else None
    known = outcome is not None
    if outcome is None and whole_tree and found.complete and run.store is not None and run.store.oldest(0, LINKED):
        from gfplint import indexed  # noqa: PLC0415 -- it loads the whole analysis

        outcome, outdated = indexed.rescan(run, state, gatherer, found, kernel)
        run = msgspec.structs.replace(run, keep=run.keep or outdated)
    if outcome is None:
        outcome = _lint(run, state, gatherer, found, kernel, only, renamed, grown[0] if grown else None)
    else:
        outcome = msgspec.structs.replace(outcome, statistics={**outcome.statistics, **_cache_use(len(files), 0)})
    if not known and found.complete and not outcome.skipped and run.store is not None:
        _keep(run.store, key, outcome)
    skipped = [*(s for s in state.skipped() if only is None or s.path in only), *found.failed, *outcome.skipped]
    return msgspec.structs.replace(outcome, skipped=tuple(sorted(skipped, key=lambda s: s.path)))


def _kernel(run: Run, state: State, found: Gathered, told: bool) -> Kernel:
    """``told``: whether the contents of files, which an index knows, tell what kernel it is."""
    if run.store is None or not told:
        return kernel_of(state, run.selected, run.settings)
    return kernel_by_contents(state, run.selected, run.settings, run.store, found.keys)


# ---- what earlier runs found -----------------------------------------------------------------------------------


def _key(
    run: Run, kernel: Kernel, found: Gathered, only: frozenset[str] | None, renamed: Mapping[str, str] | None
) -> bytes:
    """Stands for all that the outcome depends on."""
    said = (
        run.selected.root.version is None,
        [rule.code for rule in run.running],
        [rule.code for rule in run.rules],
        run.selected.paths,
        sorted({run.settings.min_confidence, *(e.min_confidence or "" for e in run.settings.per_path)}),
        sorted(only) if only is not None else None,
        sorted((renamed or {}).items()),
    )
    digest = hashlib.blake2b(tool_digest(), digest_size=16)
    files = sorted(found.keys.items())  # msgspec's own order of a dict this large takes seconds
    for part in (said, _plain(kernel), files):
        data = msgspec.msgpack.encode(part, order="deterministic")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return b"end" + digest.digest()


def _plain(kernel: Kernel) -> dict[str, object]:
    """What is known of the kernel, in an order that does not depend on how it was read."""
    fields = ((name, getattr(kernel, name)) for name in kernel.__struct_fields__)
    return {name: sorted(value.items()) if isinstance(value, dict) else value for name, value in fields}


def _kept(store: Store | None, key: bytes) -> Outcome | None:
    if store is None:
        return None
    try:
        data = store.get("recent", key)
        outcome = msgspec.msgpack.decode(data, type=Outcome) if data is not None else None
    except StoreError:
        return None
    except (msgspec.DecodeError, ValueError):
        store.damaged()
        return None
    if outcome is not None:
        store.touch(key)
    return outcome


def _keep(store: Store, key: bytes, outcome: Outcome) -> None:
    store.put("recent", key, msgspec.msgpack.encode(outcome))
    store.flush()
    for old in store.oldest(_KEPT_OUTCOMES, b"end"):
        store.drop_snapshot(old)


def _cache_use(reused: int, read: int) -> dict[str, int]:
    return {"files from the index": reused, "files read": read}


# ---- a run ---------------------------------------------------------------------------------------------------


def _lint(
    run: Run,
    state: State,
    gatherer: Gatherer,
    found: Gathered,
    kernel: Kernel,
    only: frozenset[str] | None,
    renamed: Mapping[str, str] | None,
    grown: Growing | None,
) -> Outcome:
    """``grown``: the program as far as its skeletons came in order."""
    # What is below takes a third of a second to load, and most runs of a hook end above.
    from gfplint.analysis.interprocedural import Linker  # noqa: PLC0415
    from gfplint.analysis.operations import Operations  # noqa: PLC0415
    from gfplint.analysis.program import Program  # noqa: PLC0415
    from gfplint.linting import depth_for, relevance_of  # noqa: PLC0415
    from gfplint.passes import Built, judged, looked_over  # noqa: PLC0415

    paths = found.paths
    with run.phases("skeletons"):
        facts = gatherer.facts(found, paths)
    gc.freeze()  # facts have no cycles: none are looked for in millions of them
    with run.phases("linking"), collection.put_off():
        if grown is not None and grown.paths != paths:
            grown = None
        program = Program(paths, facts, grown.names if grown is not None else None)
        subjects = [at for at, path in enumerate(paths) if run.linted(path) and (only is None or path in only)]
        relevance = relevance_of(program, kernel, run.selected, depth_for(run.settings), grown)
        operations = Operations(program, kernel, every=run.keep)
        linker = Linker(program, kernel, relevance, lambda at: state.read(program.paths[at]), operations)
    built = Built(program, relevance, linker, subjects)
    if run.keep and only is None:
        from gfplint import indexed  # noqa: PLC0415

        linted = indexed.linted_to_keep(run, state, built, found)
    else:
        linted = looked_over(run, built)
    outcome = judged(run, state, built, linted, renamed)
    statistics = {
        "files": len(paths),
        "functions": sum(len(f.functions) for f in program.facts),
        **outcome.statistics,
        **(_cache_use(gatherer.reused, len(paths) - gatherer.reused) if run.store is not None else {}),
    }
    return msgspec.structs.replace(outcome, statistics=statistics)
