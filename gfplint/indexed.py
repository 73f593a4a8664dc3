"""Scans that answer from a linked tree: only what is asked for is read, with the whole tree as context."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gfplint.affected import User, affected
from gfplint.errors import GfplintError
from gfplint.facts import FileFacts
from gfplint.findings import ScanResult, Skipped
from gfplint.index import linked, packed
from gfplint.index.contents import Key, content_key
from gfplint.index.linked import Base, Linked
from gfplint.index.store import StoreError
from gfplint.index.versions import frontend_digest, tool_digest
from gfplint.kernel.model import Kernel, Version
from gfplint.kernels import is_told_alike, telling
from gfplint.skeletons import Gathered, Gatherer
from gfplint.states import Outcome, Run
from gfplint.target import kernel_of
from gfplint.tree import (
    Comparison,
    Git,
    GitIndex,
    GitRevision,
    MissingError,
    Overlay,
    Root,
    Selection,
    State,
    TreeError,
    UnreadableError,
    WorkTree,
    is_kernel_code,
    is_source,
    is_source_path,
)

if TYPE_CHECKING:
    from gfplint.analysis.interprocedural import Linker
    from gfplint.index.update import Change, Present
    from gfplint.passes import Built, Linted
    from gfplint.ruleset import Rule

#: Files that may differ from the linked tree: with more, everything is better linked anew.
MAX_CHANGED = 2_000
#: Parts of the analysis that ask of a function no more than its own file, and what that calls.
_LOCAL = frozenset(("scopes",))


def answered(rule: Rule) -> bool:
    """Whether a linked tree answers for a rule: not for one that looks at all files of the tree at once."""
    return rule.uses <= _LOCAL


def rescan(run: Run, state: State, gatherer: Gatherer, found: Gathered, kernel: Kernel) -> tuple[Outcome | None, bool]:
    """What the rules find in a whole tree, from what an earlier scan found; and whether that is there, but of no use.

    With ``run.keep``, an outcome only where what is kept is of the tree as it is.
    """
    from gfplint.index import kept  # noqa: PLC0415
    from gfplint.rescan import rescanned  # noqa: PLC0415

    if run.store is None or not all(map(answered, run.running)):
        return None, False
    try:
        known = linked.latest(run.store, _scope(run), frontend_digest())
        if known is None:
            return None, False
        if run.keep and (known.meta.paths != found.paths or known.meta.keys != _joined(found)):
            return None, True
        before = kept.read(known, run.running)
        return (rescanned(run, state, gatherer, found, kernel, before), True) if before is not None else (None, False)
    except StoreError:
        return None, True


def is_kept(run: Run) -> bool:
    """Whether the tree is there, linked, for later runs."""
    try:
        return run.store is not None and linked.latest(run.store, _scope(run), frontend_digest()) is not None
    except StoreError:
        return False


def linted_to_keep(run: Run, state: State, built: Built, found: Gathered) -> Linted:
    """What is found in the files of a whole tree; kept for later runs, with the tree linked, unless anything failed."""
    from gfplint.analysis.looks import Looks  # noqa: PLC0415
    from gfplint.index import kept  # noqa: PLC0415
    from gfplint.passes import looked_over  # noqa: PLC0415

    linker = built.linker
    linker.looks = Looks(built.relevance.files or frozenset())
    linted = looked_over(run, built)
    linker.looks = None
    if run.store is None or linted.failures() or not found.complete:
        return linted
    answers = all(map(answered, run.running))
    with run.phases("writing"):
        linked.write(
            run.store,
            _scope(run),
            linker,
            _joined(found),
            _base(run.selected, state, found),
            telling(state, run.selected, run.settings, found.keys),
            lambda put: kept.write(put, built, linted, run.running) if answers else None,
        )
    return linted


def export(run: Run, state: State, path: Path) -> ScanResult:
    """Write a state's tree to a file, for modules elsewhere. Raises GfplintError where that fails."""
    if str(path) == "-" or is_source(path.name):
        raise GfplintError(f"--export {path}: expected the name of a file for the summaries")
    place = path.resolve()  # a link stays a link
    if place.exists() and not place.is_file():
        raise GfplintError(f"{path}: not a regular file")
    if not place.parent.is_dir():
        raise GfplintError(f"{path}: there is no such folder")
    gatherer, found = _gathered(run, state)
    linker = _linker(run, state, gatherer, found)
    if not found.complete:
        raise GfplintError("files changed while they were read: try again")
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    _clear_up(place)
    try:
        packed.write(beside, linker, _joined(found), run.selected.root.version, state.read)
        beside.replace(place)
    except OSError as error:
        raise GfplintError(f"{path}: {error.strerror}") from error
    except StoreError as error:  # which names what stands beside
        raise GfplintError(f"{path}: {str(error).removeprefix(f'{beside}: ')}") from error
    finally:
        for left in (beside, beside.with_name(beside.name + "-journal")):
            left.unlink(missing_ok=True)
    return ScanResult(
        kernel_version="",
        files_scanned=len(found.paths),
        findings=(),
        skipped=tuple(sorted((*state.skipped(), *found.failed), key=lambda item: item.path)),
        degraded=(),
        statistics={"files": len(found.paths)},
    )


def _clear_up(path: Path) -> None:
    """Remove what exports to a path left that were killed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        number = left.name.removeprefix(f".{path.name}.").removesuffix("-journal")
        if number.isdecimal() and not _runs(int(number)):
            with contextlib.suppress(OSError):
                left.unlink()


def _runs(process: int) -> bool:
    """Whether there is such a process, or may be one."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _gathered(run: Run, state: State) -> tuple[Gatherer, Gathered]:
    gatherer = run.gatherer(state)
    return gatherer, gatherer.gather(list(state.files()), whole=True)


def _linker(run: Run, state: State, gatherer: Gatherer, found: Gathered) -> Linker:
    """All files of a state, linked."""
    from gfplint.analysis.interprocedural import Linker  # noqa: PLC0415 -- a start costs what it uses
    from gfplint.analysis.program import Program  # noqa: PLC0415
    from gfplint.linting import depth_for, relevance_of  # noqa: PLC0415

    program = Program(found.paths, gatherer.facts(found, found.paths))
    kernel = kernel_of(state, run.selected, run.settings)
    relevance = relevance_of(program, kernel, run.selected, depth_for(run.settings))
    return Linker(program, kernel, relevance, lambda at: state.read(program.paths[at]))


# ---- changes -------------------------------------------------------------------------------------------------


def outcomes(run: Run, comparison: Comparison) -> tuple[Outcome, Outcome] | None:
    """What the rules find in both states, with all of the tree as context; None where no linked tree can tell.

    Where they find nothing in the second state, the first one is not looked at. Staged changes are looked at alone, for
    the time that a commit may take; others with the files that they affect.
    Rules that need all of the tree at once are not answered for.
    """
    if run.store is None or not all(map(answered, run.running)):
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
    changes, only, before = comparison.changes, comparison.changes.changed, None
    after = _read(run, known, comparison.after, differing)
    if after is None:
        return None
    if not run.settings.staged:
        before = _read(run, known, comparison.before, differing)
        if before is None:
            return None
        only = _affected(before, after, changes.changed)
    new = after.outcome(run, only, None)
    if new is None or not new.findings:  # then nothing is new, whatever there was before
        return (_NOTHING, new) if new is not None else None
    before = before or _read(run, known, comparison.before, differing)
    old = before.outcome(run, only, changes.renamed) if before is not None else None
    return (old, new) if old is not None else None


_NOTHING = Outcome((), (), 0, {})


@dataclass(frozen=True, slots=True)
class _Now:
    """A state and its program; ``failed``: the files of it that can't be read."""

    state: State
    kernel: Kernel
    present: Present
    failed: tuple[Skipped, ...]

    def outcome(self, run: Run, only: Collection[str], renamed: Mapping[str, str] | None) -> Outcome | None:
        """What the rules find in some files; None where something fails on the way."""
        from gfplint.passes import Built, lint  # noqa: PLC0415

        number = self.present.program.number
        subjects = sorted(number[path] for path in only if path in number and run.linted(path))
        linker = self.present.linker(self.kernel, self.state.read)
        outcome = lint(run, self.state, Built(self.present.program, self.present.relevance, linker, subjects), renamed)
        if outcome.skipped:  # whatever it is, a run without the index can tell
            return None
        skipped = [*self._passed_over(only), *self.failed]
        return msgspec.structs.replace(outcome, skipped=tuple(sorted(skipped, key=lambda s: s.path)))

    def _passed_over(self, only: Collection[str]) -> Iterator[Skipped]:
        """What a state has of some files and hands out to nobody: it is asked only where it may have any."""
        number = self.present.program.number
        there = _Part(self.state, [path for path in only if path not in number]).files()
        return (s for s in self.state.skipped() if s.path in there) if there else iter(())

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
    from gfplint.index.update import present  # noqa: PLC0415
    from gfplint.linting import depth_for  # noqa: PLC0415

    part, on_disk = _Part(state, differing), isinstance(_innermost(state), WorkTree)
    gatherer = Gatherer(part, run.store, "", run.jobs, None, remember=False)
    found = gatherer.gather(part.files())
    facts = dict(zip(found.paths, gatherer.facts(found, found.paths), strict=True))
    if not found.complete:
        return None
    changes = _changes(known, differing, found, facts)
    kernel = _kernel(run, known, state, frozenset(differing))
    now = present(known, kernel, changes, run.selected.root.linted, depth_for(run.settings))
    if now is None:
        return None
    top = run.selected.root.path
    failed = tuple(s for s in found.failed if not (on_disk and (top / s.path).is_symlink()))  # see WorkTree.skipped
    return _Now(_Unchanged(state, known, differing, run.selected.root), kernel, now, failed)


def _changes(known: Linked, paths: Collection[str], found: Gathered, facts: Mapping[str, FileFacts]) -> list[Change]:
    """The files that are not as the linked tree has them. Raises StoreError."""
    from gfplint.index.update import Change  # noqa: PLC0415

    number = known.number
    return [
        Change(path, known.facts(number[path]) if path in number else None, facts.get(path))
        for path in sorted(paths)
        if (known.content(number[path]) if path in number else None) != found.keys.get(path)
    ]


def _kernel(run: Run, known: Linked, state: State, changed: Set[str]) -> Kernel:
    """What is known of the kernel: as it was, where no file that tells has changed."""
    told = known.meta.telling
    others = {path: content for path, content in told.items() if not is_source_path(path)}
    if not changed.isdisjoint(told) or not is_told_alike(others, WorkTree(run.selected.root.path), {}):
        return kernel_of(state, run.selected, run.settings)
    return known.kernel


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


# ---- modules elsewhere ---------------------------------------------------------------------------------------

#: What a file that somebody made up can lead to, beside StoreError.
_HOSTILE = (IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError)
#: Said where rules that were asked for are left out.
_LEFT_OUT = "not looked for with --kernel-index: "


def module(run: Run, state: State, file: Path) -> tuple[Outcome, Version, tuple[str, ...]]:
    """What the rules find in files outside of a kernel that was exported to a file, its version, and notes.

    Raises GfplintError where the file is not such a kernel.
    """
    try:
        return _module(run, state, file)
    except StoreError as error:
        raise GfplintError(f"{file}: {error}") from error
    except _HOSTILE as error:
        raise GfplintError(f"{file}: damaged ({type(error).__name__})") from error


def _module(run: Run, state: State, file: Path) -> tuple[Outcome, Version, tuple[str, ...]]:
    from gfplint.index.stored import ModuleProgram  # noqa: PLC0415
    from gfplint.index.update import present  # noqa: PLC0415
    from gfplint.linting import depth_for  # noqa: PLC0415
    from gfplint.user_tables import with_user_tables  # noqa: PLC0415

    exported = packed.read(file)
    depth = depth_for(run.settings)
    if depth != exported.label.depth:
        raise StoreError("exported for another --min-confidence: give index --export the same")
    left_out = sorted(rule.code for rule in run.running if not answered(rule))
    run = msgspec.structs.replace(run, running=tuple(filter(answered, run.running)))
    files = list(state.files())
    gatherer = run.gatherer(state)
    found = gatherer.gather(files)
    facts = dict(zip(found.paths, gatherer.facts(found, found.paths), strict=True))
    own = frozenset(files)
    changes = _changes(exported.tree, own, found, facts)
    kernel = with_user_tables(exported.tree.kernel, run.settings.tables)
    now = present(
        exported.tree, kernel, changes, lambda path: path in own or is_kernel_code(path), depth, ModuleProgram
    )
    if now is None:
        raise StoreError("the module and the kernel have too much in common")
    outcome = _Now(_Beside(state, exported), kernel, now, tuple(found.failed)).outcome(run, own, None)
    if outcome is None:
        raise StoreError("damaged")
    return outcome, kernel.version, (_LEFT_OUT + ", ".join(left_out),) if left_out else ()


def sources(state: State, file: Path) -> Callable[[str], bytes]:
    """Reads a state's files, and of what an exported kernel has what it has."""
    try:
        return _Beside(state, packed.read(file)).read
    except StoreError as error:
        raise GfplintError(f"{file}: {error}") from error


class _Beside:
    """A state beside which the files of an exported kernel can be read."""

    def __init__(self, state: State, exported: packed.Kernel) -> None:
        self._state = state
        self._exported = exported
        self.files, self.skipped, self.close = state.files, state.skipped, state.close
        self.identity, self.identities = state.identity, state.identities

    def read(self, path: str) -> bytes:
        """A file of the state, or of the kernel."""
        try:
            return self._state.read(path)
        except MissingError:
            try:
                data = self._exported.source(path)
            except StoreError as error:
                raise UnreadableError(path, str(error)) from error
            if data is None:
                raise
            return data


# ---- what differs --------------------------------------------------------------------------------------------


def _differing(run: Run, known: Linked, comparison: Comparison) -> frozenset[str] | None:
    """The files whose content may not be that of the linked tree, in either state; None where that is not known."""
    changed = comparison.changes.changed
    told = _told_by_git(run.selected, known.meta.base, comparison)
    if told is not None:
        return changed.union(told)
    if run.settings.staged:
        return None
    keys = dict(zip(known.meta.paths, map(known.content, range(len(known.meta.paths))), strict=True))
    found = run.gatherer(comparison.after).gather(list(comparison.after.files()))
    return changed.union(path for path in keys.keys() | found.keys.keys() if keys.get(path) != found.keys.get(path))


_NAMES = ("--name-only", "--no-renames", "--relative", "-z")
_SOURCES = ("--", "*.c", "*.h")
#: Files that git does not look at, as somebody told it (``git ls-files -v``).
_UNSEEN = re.compile(rb"(?:\A|\0)[a-zS] ")


def _told_by_git(selected: Selection, base: Base, comparison: Comparison) -> list[str] | None:
    """The files that the second state and the linked tree may not have in common, but for those that the states differ
    in; None where git does not know without reading them.
    """
    if not base.commit or selected.root.git is None or selected.scope != ("",):
        return None
    after = _innermost(comparison.after)
    try:
        git = comparison.git or Git(selected.root.path)
        found = list(base.differing)
        on_disk = isinstance(after, WorkTree)
        others = git.later("ls-files", "--others", "-z", *_SOURCES) if on_disk else bytes
        marks = git.later("ls-files", "-v", "-z", *_SOURCES) if on_disk else bytes
        if base.commit != comparison.base:
            if isinstance(after, GitRevision):
                listing = git.run("diff-tree", "-r", *_NAMES, base.commit, after.commit, *_SOURCES)
            else:
                cached = ("--cached",) if isinstance(after, GitIndex) else ()
                listing = git.run("diff-index", *cached, *_NAMES, base.commit, *_SOURCES)
            found += _listed(listing)
        if _UNSEEN.search(marks()):
            return None
        found += _listed(others())
    except TreeError:  # the commit is gone
        return None
    return found


def _listed(listing: bytes) -> Iterator[str]:
    names = (name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name)
    return (name for name in names if is_source_path(name))


def _innermost(state: State) -> State:
    """The state that others replace files of."""
    while isinstance(state, Overlay):
        state = state.base
    return state


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


class _Unchanged:
    """A state whose files are read from disk where they are as the linked tree has them: that is the shortest way."""

    def __init__(self, state: State, known: Linked, differing: Collection[str], root: Root) -> None:
        self._state = state
        self._known = known
        self._differing = differing
        self._disk = WorkTree(root.path)
        self._is_disk = isinstance(_innermost(state), WorkTree)
        self.files, self.skipped, self.close = state.files, state.skipped, state.close
        self.identity, self.identities = state.identity, state.identities

    def read(self, path: str) -> bytes:
        """A file of the state."""
        at = self._known.number.get(path)
        if at is not None and path not in self._differing:
            with contextlib.suppress(UnreadableError):
                data = self._disk.read(path)
                if content_key(data) == self._known.content(at):
                    return data
                if self._is_disk:  # git compares what its filters make of a file
                    raise StoreError("a file is not what git says that it is")
        return self._state.read(path)


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
