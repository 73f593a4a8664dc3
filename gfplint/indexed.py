"""Scans that answer from a linked tree: only what is asked for is read, with the whole tree as context."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from gfplint.affected import User, affected
from gfplint.facts import FileFacts
from gfplint.findings import Skipped
from gfplint.index import linked
from gfplint.index.contents import Key, content_key
from gfplint.index.linked import Base, Linked
from gfplint.index.store import StoreError
from gfplint.index.versions import frontend_digest, tool_digest
from gfplint.kernel.model import Kernel
from gfplint.skeletons import Gathered, Gatherer
from gfplint.states import Outcome, Run
from gfplint.target import kernel_of
from gfplint.tree import Comparison, Git, GitRevision, MissingError, Selection, State, TreeError, UnreadableError

if TYPE_CHECKING:
    from gfplint.index.update import Present

#: Files that may differ from the linked tree: with more, everything is better linked anew.
MAX_CHANGED = 2_000


def link(run: Run, state: State) -> None:
    """Keep the tree of a state linked, for runs that come after."""
    from gfplint.analysis.interprocedural import Linker  # noqa: PLC0415 -- a start costs what it uses
    from gfplint.analysis.program import Program  # noqa: PLC0415
    from gfplint.linting import depth_for, relevance_of  # noqa: PLC0415

    if run.store is None:
        return
    gatherer = run.gatherer(state)
    found = gatherer.gather(list(state.files()), whole=True)
    scope = _scope(run)
    known = linked.latest(run.store, scope, frontend_digest())
    if known is not None and known.meta.paths == found.paths and known.meta.keys == _joined(found):
        return
    facts = gatherer.facts(found, found.paths)
    if not found.complete:
        return
    noted = _Noted(state)
    kernel = kernel_of(noted, run.selected, run.settings)
    program = Program(found.paths, facts)
    relevance = relevance_of(program, kernel, run.selected, depth_for(run.settings))
    linker = Linker(program, kernel, relevance, lambda at: state.read(program.paths[at]))
    base = _base(run.selected, state, found)
    linked.write(run.store, scope, linker, _joined(found), base, sorted(noted.read_paths))


def outcomes(run: Run, comparison: Comparison) -> tuple[Outcome, Outcome] | None:
    """What the rules find in both states, with all of the tree as context; None where no linked tree can tell.

    Staged changes are looked at alone, for the time that a commit may take; others with the files that they affect.
    Rules that need all of the tree at once are not answered for.
    """
    if run.store is None or any(rule.uses for rule in run.running):
        return None
    try:
        known = linked.latest(run.store, _scope(run), frontend_digest())
        if known is None:
            return None
        differing = _differing(run, known, comparison)
        if differing is None or len(differing) > MAX_CHANGED:
            return None
        return _outcomes(run, known, comparison, differing)
    except StoreError:
        return None


def _outcomes(
    run: Run, known: Linked, comparison: Comparison, differing: Collection[str]
) -> tuple[Outcome, Outcome] | None:
    changes = comparison.changes
    before, after = (_read(run, known, state, differing) for state in (comparison.before, comparison.after))
    if before is None or after is None:
        return None
    only = changes.changed if run.settings.staged else _affected(before, after, changes.changed)
    old, new = before.outcome(run, only, changes.renamed), after.outcome(run, only, None)
    return (old, new) if old is not None and new is not None else None


@dataclass(frozen=True, slots=True)
class _Now:
    """A state and its program; ``failed``: the files of it that can't be read."""

    state: State
    kernel: Kernel
    present: Present
    failed: tuple[Skipped, ...]

    def outcome(self, run: Run, only: Collection[str], renamed: Mapping[str, str] | None) -> Outcome | None:
        """What the rules find in some files; None where something fails on the way."""
        from gfplint.states import Built, lint  # noqa: PLC0415

        number = self.present.program.number
        subjects = sorted(number[path] for path in only if path in number and run.linted(path))
        linker = self.present.linker(self.kernel, self.state.read)
        outcome = lint(run, self.state, Built(self.present.program, self.present.relevance, linker, subjects), renamed)
        if outcome.skipped:  # whatever it is, a run without the index can tell
            return None
        skipped = [*(s for s in self.state.skipped() if s.path in only), *self.failed]
        return msgspec.structs.replace(outcome, skipped=tuple(sorted(skipped, key=lambda s: s.path)))

    def touched(self, paths: Collection[str]) -> Iterator[tuple[str, FileFacts]]:
        """The skeletons of some files, as far as they are there."""
        program = self.present.program
        return ((path, program.facts[program.number[path]]) for path in paths if path in program.number)

    def users(self, name: str) -> Iterator[User]:
        """Who calls a name."""
        program, calls = self.present.program, self.present.update.calls
        for at, index in calls.functions(name):
            path, function = program.paths[at], program.facts[at].functions[index]
            yield User(path, function.name, function.static and not path.endswith(".h"))
        for at, macro in calls.macros_at(name):
            yield User(program.paths[at], macro, inside=False)


def _affected(before: _Now, after: _Now, changed: Collection[str]) -> frozenset[str]:
    return affected(after.users, chain(before.touched(changed), after.touched(changed)), changed)


def _read(run: Run, known: Linked, state: State, differing: Collection[str]) -> _Now | None:
    """A state's program; ``differing``: the files that may not be as the linked tree has them."""
    from gfplint.index.update import Change, present  # noqa: PLC0415
    from gfplint.linting import depth_for  # noqa: PLC0415

    part = _Part(state, differing)
    gatherer = Gatherer(part, run.store, "", run.jobs, None, remember=False)
    found = gatherer.gather(part.files())
    facts = dict(zip(found.paths, gatherer.facts(found, found.paths), strict=True))
    if not found.complete:
        return None
    number = {path: at for at, path in enumerate(known.meta.paths)}
    changes = [
        Change(path, known.facts(number[path]) if path in number else None, facts.get(path))
        for path in sorted(differing)
        if (known.content(number[path]) if path in number else None) != found.keys.get(path)
    ]
    kernel = _kernel(run, known, state, differing)
    now = present(known, kernel, changes, run.selected.root.linted, depth_for(run.settings))
    return _Now(state, kernel, now, tuple(found.failed)) if now is not None else None


def _kernel(run: Run, known: Linked, state: State, changed: Collection[str]) -> Kernel:
    """What is known of the kernel: as it was, where no file that tells has changed."""
    if set(known.meta.telling).isdisjoint(changed):
        return known.kernel()
    return kernel_of(state, run.selected, run.settings)


def _scope(run: Run) -> bytes:
    """Stands for what a linked tree can be used for."""
    from gfplint.linting import depth_for  # noqa: PLC0415

    root = run.selected.root
    said = (os.fsencode(root.path), root.version, run.settings.kernel_version, depth_for(run.settings))
    digest = hashlib.blake2b(tool_digest(), digest_size=16)
    digest.update(msgspec.msgpack.encode(said))
    digest.update(repr(run.settings.tables).encode())
    return digest.digest()


def _joined(found: Gathered) -> bytes:
    return b"".join(found.keys[path] for path in found.paths)


# ---- what differs --------------------------------------------------------------------------------------------


def _differing(run: Run, known: Linked, comparison: Comparison) -> frozenset[str] | None:
    """The files whose content may not be that of the linked tree, in either state; None where that is not known."""
    changed = comparison.changes.changed
    if run.settings.staged:
        staged = _staged(run.selected, known.meta.base)
        return None if staged is None else changed.union(staged)
    keys = dict(zip(known.meta.paths, map(known.content, range(len(known.meta.paths))), strict=True))
    found = run.gatherer(comparison.after).gather(list(comparison.after.files()))
    return changed.union(path for path in keys.keys() | found.keys.keys() if keys.get(path) != found.keys.get(path))


def _staged(selected: Selection, base: Base) -> list[str] | None:
    """The files that the index and the linked tree may not have in common: git knows without reading them."""
    if not base.commit:
        return None
    try:
        listing = Git(selected.root.path).run(
            "diff-index", "--cached", "--name-only", "--no-renames", "--relative", "-z", base.commit, "--", "*.c", "*.h"
        )
    except TreeError:  # the commit is gone
        return None
    names = (name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name)
    return [*base.differing, *names]


def _base(selected: Selection, state: State, found: Gathered) -> Base:
    """The commit that is checked out, and the files of a state whose content is not that of the commit."""
    if selected.root.git is None:
        return Base()
    try:
        revision = GitRevision(Git(selected.root.path), "HEAD")
        blobs = revision.identities()
    except TreeError:
        return Base()
    differing = [
        path
        for path in sorted(blobs.keys() | found.keys.keys())
        if path not in blobs or path not in found.keys or not _same(state, path, blobs[path][1:], found.keys[path])
    ]
    return Base(revision.commit, differing)


def _same(state: State, path: str, blob: str, key: Key) -> bool:
    """Whether a file's content has both names: git's and ours."""
    try:
        data = state.read(path)
    except UnreadableError:
        return False
    make = hashlib.sha1 if len(blob) == 40 else hashlib.sha256
    return content_key(data) == key and make(b"blob %d\0" % len(data) + data).hexdigest() == blob


class _Part:
    """Some files of a state, as a state."""

    def __init__(self, state: State, paths: Collection[str]) -> None:
        self._state = state
        self._paths = paths
        self._files: tuple[str, ...] | None = None

    def files(self) -> Sequence[str]:
        """Those that are there."""
        if self._files is None:
            self._files = tuple(path for path in sorted(self._paths) if self._has(path))
        return self._files

    def _has(self, path: str) -> bool:
        try:
            self._state.identity(path)
        except MissingError:
            return False
        except UnreadableError:
            pass  # whoever reads it says why
        return True

    def skipped(self) -> Sequence[Skipped]:
        return ()

    def read(self, path: str) -> bytes:
        return self._state.read(path)

    def identity(self, path: str) -> str:
        return self._state.identity(path)

    def identities(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        """The state belongs to others."""


class _Noted(_Part):
    """A state that notes what is read of it, or looked for in vain."""

    def __init__(self, state: State) -> None:
        super().__init__(state, ())
        self.read_paths: set[str] = set()

    def read(self, path: str) -> bytes:
        self.read_paths.add(path)
        return super().read(path)
