"""A linked tree and the files that differ from it answer every question as all files would, linked anew."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gfplint.analysis.environment import LONG_CHAIN
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.operations import Operations
from gfplint.analysis.program import Program, Relevance
from gfplint.config import Options, load_settings
from gfplint.facts import FileFacts
from gfplint.index import linked
from gfplint.index.contents import content_key
from gfplint.index.store import Store
from gfplint.index.update import Change, present
from gfplint.index.versions import frontend_digest
from gfplint.kernel.model import Kernel
from gfplint.linting import relevance_of
from gfplint.skeletons import Gatherer
from gfplint.target import kernel_of
from gfplint.tree import select, work_tree
from tests.index.trees import edit, make


class _State:
    """All files of a tree, linked anew."""

    def __init__(self, tree: Path, store: Store | None, kernel: Kernel | None = None, depth: int = 6) -> None:
        self.selected = select((str(tree),))
        state = work_tree(self.selected)
        gatherer = Gatherer(state, store, str(tree), 1, None)
        self.found = gatherer.gather(state.files(), whole=True)
        self.facts: dict[str, FileFacts] = dict(
            zip(self.found.paths, gatherer.facts(self.found, self.found.paths), strict=True)
        )
        settings = load_settings(Options(paths=(str(tree),)), tree)
        self.kernel = kernel or kernel_of(state, self.selected, settings)
        self.program = Program(self.found.paths, list(self.facts.values()))
        self.relevance = relevance_of(self.program, self.kernel, self.selected, depth)
        self.linker = Linker(self.program, self.kernel, self.relevance, lambda at: state.read(self.program.paths[at]))

    def answers(self, names: set[str]) -> dict[str, Any]:
        return _answers(self.program, self.relevance, self.linker.operations, self.linker.sleeping_operations, names)

    def names(self) -> set[str]:
        program = self.program
        found: set[str] = set()
        for table in (program.functions, program.macros, program.records, program.globals, program.definitions):
            found.update(table)
        return found.union(self.relevance.callers, self.relevance.macro_callers, self.relevance.wrappers.places)


def _answers(
    program: Program, relevance: Relevance, operations: Operations, sleeping: frozenset[str], names: set[str]
) -> dict[str, Any]:
    """Everything that can be asked about names, with paths for numbers."""
    paths = program.paths
    files = [at for at, path in enumerate(paths) if path in program.number]
    fids = [(at, index) for at in files for index in range(len(program.facts[at].functions))]
    plain, owned = _plain(paths), program.owned(names)
    answers: dict[str, Any] = {
        "functions": {n: plain(program.functions.get(n)) for n in names},
        "macros": {n: plain(program.macros.get(n)) for n in names},
        "records": {n: plain(program.records.get(n)) for n in names},
        "globals": {n: plain(program.globals.get(n)) for n in names},
        "definitions": {n: plain(program.definitions.get(n)) for n in names},
        "resolve": {(n, paths[at]): plain([program.resolve(n, at)]) for n in names for at in files},
        "reach": {(paths[at], index): relevance.reach.get((at, index)) for at, index in fids},
        "macro levels": {n: relevance.reaching_macros.get(n) for n in names},
        "reaching": {n: n in relevance.reaching_names for n in names},
        "level": {(n, paths[at]): relevance.level(n, at) for n in names for at in files},
        "effects": relevance.effects,
        "leaving": relevance.leaving,
        "signs": relevance.signs,
        "locking": relevance.locking,
        "tabled": relevance.tabled,
        "callers": {n: plain(relevance.callers.get(n)) for n in names},
        "macro callers": {n: sorted(set(relevance.macro_callers.get(n, ()))) for n in names},
        "returned": {(n, paths[at]): relevance.wrappers.returned(n, at) for n in names for at in files},
        "freeing": {(n, paths[at]): relevance.wrappers.freeing(n, at) for n in names for at in files},
        "giving": {(n, paths[at]): relevance.wrappers.giving(n, at) for n in names for at in files},
        "hand out": {n: relevance.wrappers.hand_out((n,)) for n in names},
        "sleeping": sleeping,
        "naming": {n: [paths[at] for at in operations.files_naming(n)] for n in names},
        "units": {paths[at]: {paths[u] for u in program.unit(at)} for at in files},
        "own": {paths[at]: owned(at) for at in files},
    }
    return answers


def _plain(paths: tuple[str, ...]) -> Callable[[Any], Any]:
    def plain(rows: Any) -> Any:
        return [(paths[row[0]], *row[1:]) if row is not None else None for row in rows or ()]

    return plain


def _changes(old: Mapping[str, FileFacts], new: Mapping[str, FileFacts], keys: Any, now: Any) -> Iterator[Change]:
    for path in sorted(old.keys() | new.keys()):
        if keys.get(path) != now.get(path):
            yield Change(path, old.get(path), new.get(path))


def check(tree: Path, cache: Path, chance: random.Random, steps: int) -> int:
    """Edit a tree and compare; returns how often the linked tree served."""
    depth = chance.choice((LONG_CHAIN - 1, 6))
    store = Store(cache)
    base = _State(tree, store, None, depth)
    linked.write(store, b"here", base.linker, b"".join(base.found.keys[p] for p in base.found.paths))
    done: list[str] = []
    served = 0
    for _ in range(steps):
        done.append(edit(tree, chance))
        now = _State(tree, store, base.kernel, depth)
        known = linked.latest(store, b"here", frontend_digest())
        assert known is not None
        changes = list(_changes(base.facts, now.facts, base.found.keys, now.found.keys))
        updated = present(known, base.kernel, changes, base.selected.root.linted, depth)
        if updated is None:
            continue
        served += 1
        names = base.names() | now.names()
        expected = now.answers(names)
        sleeping = updated.update.operations.sleeping
        answers = _answers(updated.program, updated.relevance, updated.update.operations, sleeping, names)
        for question, answer in expected.items():
            assert answers[question] == answer, (question, done)
    store.close()
    return served


# Seed 3 begins with a .c file that includes another one for good, and then nothing is served.
@pytest.mark.parametrize("seed", (0, 1, 2, 4, 5, 6))
def test_every_question_is_answered_as_by_all_files(tmp_path: Path, seed: int) -> None:
    assert check(make(tmp_path / "linux"), tmp_path / "cache", random.Random(seed), 8) > 0


def test_keys_stand_for_contents() -> None:
    assert content_key(b"a") != content_key(b"b")
