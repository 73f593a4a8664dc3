"""The findings in one state of a tree: gathered, linked, linted, silenced; or as an earlier run left them.

What a run finds depends on the code of gfplint, on what is known of the kernel, on the rules that run and on the
contents of the program's files, on nothing else. Under a digest of all these it is kept, and found again.
"""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gfplint import select as selection_of_findings
from gfplint import workers
from gfplint.config import Settings
from gfplint.facts import FileFacts, Suppression
from gfplint.findings import Degraded, Finding, Skipped
from gfplint.index.store import Store, StoreError
from gfplint.index.versions import tool_digest
from gfplint.kernel.model import Kernel
from gfplint.phases import Phases
from gfplint.rules import unused_suppression
from gfplint.ruleset import Rule
from gfplint.skeletons import Gathered, Gatherer
from gfplint.target import BATCH, Progress, kernel_of, program_files
from gfplint.tree import Selection, State, UnreadableError

if TYPE_CHECKING:
    from gfplint.analysis.interprocedural import Linker
    from gfplint.analysis.operations import Coverage
    from gfplint.analysis.program import Program, Relevance
    from gfplint.linting import FileResult, Whole

#: Files after which another worker takes the place of one: what it looked at of the program has become its own memory.
_RENEWED = 3_000
#: Outcomes of smaller scans that are kept beside each other.
_KEPT_OUTCOMES = 64


class Run(msgspec.Struct, frozen=True):
    """What all states of one scan have in common. ``loaded``: skeletons by content, where states share them."""

    settings: Settings
    selected: Selection
    running: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    store: Store | None = None
    progress: Progress | None = None
    loaded: dict[bytes, FileFacts] | None = None
    phases: Phases = msgspec.field(default_factory=Phases)

    def gatherer(self, state: State) -> Gatherer:
        """What reads the files of a state."""
        root = os.fspath(self.selected.root.path)
        return Gatherer(state, self.store, root, self.jobs, self.progress, self.loaded)

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
    gatherer = run.gatherer(state)
    with run.phases("files"):
        files = list(state.files()) if whole else program_files(state, run.selected, only)
    with run.phases("skeletons"):
        found = gatherer.gather(files, whole=whole or (only is None and "" in run.selected.paths))
    with run.phases("kernel"):
        kernel = kernel_of(state, run.selected, run.settings)
        key = _key(run, kernel, found, only, renamed)
        outcome = _kept(run.store, key) if found.complete else None
    if outcome is None:
        outcome = _lint(run, state, gatherer, found, kernel, only, renamed)
        if found.complete and not outcome.skipped and run.store is not None:
            _keep(run.store, key, outcome)
    else:
        outcome = msgspec.structs.replace(outcome, statistics={**outcome.statistics, **_cache_use(len(files), 0)})
    skipped = [*(s for s in state.skipped() if only is None or s.path in only), *found.failed, *outcome.skipped]
    return msgspec.structs.replace(outcome, skipped=tuple(sorted(skipped, key=lambda s: s.path)))


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
    for part in (said, _plain(kernel), found.keys):
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


def _coverage(known: Coverage) -> dict[str, int]:
    """How much of the operation tables the context tables know."""
    return {
        "operations": known.entries,
        "operations of known context": known.classified,
        "operations left open": known.open,
    }


# ---- a run ---------------------------------------------------------------------------------------------------


def _lint(
    run: Run,
    state: State,
    gatherer: Gatherer,
    found: Gathered,
    kernel: Kernel,
    only: frozenset[str] | None,
    renamed: Mapping[str, str] | None,
) -> Outcome:
    # What is below takes a third of a second to load, and most runs of a hook end above.
    from gfplint.analysis.interprocedural import Linker  # noqa: PLC0415
    from gfplint.analysis.program import Program  # noqa: PLC0415
    from gfplint.linting import depth_for, relevance_of  # noqa: PLC0415

    paths = found.paths
    with run.phases("skeletons"):
        facts = gatherer.facts(found, paths)
    gc.freeze()  # facts have no cycles: none are looked for in millions of them
    with run.phases("linking"):
        program = Program(paths, facts)
        subjects = [at for at, path in enumerate(paths) if run.linted(path) and (only is None or path in only)]
        relevance = relevance_of(program, kernel, run.selected, depth_for(run.settings))
        linker = Linker(program, kernel, relevance, lambda at: state.read(program.paths[at]))
    outcome = lint(run, state, Built(program, relevance, linker, subjects), renamed)
    statistics = {
        "files": len(paths),
        "functions": sum(len(f.functions) for f in program.facts),
        **outcome.statistics,
        **(_cache_use(gatherer.reused, len(paths) - gatherer.reused) if run.store is not None else {}),
    }
    return msgspec.structs.replace(outcome, statistics=statistics)


@dataclass(frozen=True, slots=True)
class Built:
    """A linked program, ready to be linted; ``subjects``: the numbers of the files that are."""

    program: Program
    relevance: Relevance
    linker: Linker
    subjects: Sequence[int]


def lint(run: Run, state: State, built: Built, renamed: Mapping[str, str] | None) -> Outcome:
    """What the rules find in the files of a program; ``renamed``: as in ``outcome_of``."""
    from gfplint.analysis.operations import coverage  # noqa: PLC0415
    from gfplint.linting import doubted, member_findings, whole_of  # noqa: PLC0415

    program, linker, subjects = built.program, built.linker, built.subjects
    paths, kernel = program.paths, linker.kernel
    with run.phases("linking"):
        whole = whole_of(program, linker, run.selected.root.linted, run.running, subjects)
        gc.freeze()
    results = sorted(_results(run, linker, whole, subjects), key=lambda item: paths[item[0]])
    with run.phases("joining"):
        done = [result for _, result in results if not isinstance(result, workers.Failure)]
        findings = [finding for result in done for finding in result.findings]
        stores = [store for result in done for store in result.stores]
        frees = [free for result in done for free in result.frees]
        uses = [use for result in done for use in result.uses]
        findings += member_findings(stores, frees, uses, kernel, run.running)
        if whole.accounting is not None:
            records = [record for result in done for record in result.records]
            findings += whole.accounting.findings(records, frozenset(subjects), built.relevance.callers, run.running)
    suppressions = {paths[at]: found for at in subjects if (found := program.facts[at].suppressions)}
    return Outcome(
        findings=_silenced(run, doubted(findings), suppressions, kernel, _Lines(state), renamed),
        degraded=tuple(
            sorted({d for result in done for d in result.degraded}, key=lambda d: (d.path, d.function, d.reason))
        ),
        files=len(subjects),
        statistics={
            "analysed": sum(result.functions for result in done),
            **_coverage(coverage(program, kernel, subjects)),
        },
        skipped=tuple(
            Skipped(paths[at], result.reason, failed=True)
            for at, result in results
            if isinstance(result, workers.Failure)
        ),
    )


def _results(
    run: Run, linker: Linker, whole: Whole, subjects: Sequence[int]
) -> Iterator[tuple[int, FileResult | workers.Failure]]:
    """What is found in each file, and then in the functions that only all files together make worth it."""
    from gfplint.linting import FileResult, Wanted, lint_file, lint_functions  # noqa: PLC0415

    with run.phases("linking"):
        wanted = Wanted(linker, run.running, whole, subjects)
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(FileResult).decode
    members = {}

    def first(item: int) -> bytes:
        return encode(lint_file(subjects[item], linker, wanted, whole))

    with run.phases("linting"):
        for done, (item, data) in enumerate(workers.run(len(subjects), first, run.jobs, BATCH, renewed=_RENEWED), 1):
            if run.progress is not None:
                run.progress(len(subjects) + done, 2 * len(subjects))
            if isinstance(data, workers.Failure):
                yield subjects[item], data
            else:
                result = decode(data)
                members[subjects[item]] = result.members
                yield subjects[item], result
    with run.phases("joining"):
        functions = wanted.worth.meeting([(at, members[at]) for at in sorted(members)])
        files = sorted(functions)

    def second(item: int) -> bytes:
        return encode(lint_functions(files[item], functions[files[item]], linker, wanted, whole))

    with run.phases("linting of members"):
        for item, data in workers.run(len(files), second, run.jobs, BATCH, renewed=_RENEWED // 4):
            yield files[item], data if isinstance(data, workers.Failure) else decode(data)


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
