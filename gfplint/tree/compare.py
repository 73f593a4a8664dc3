"""Two states of a tree, and what the second one changes: ``--diff``, ``--staged`` and ``--patch``.

Both states share the work tree's files wherever nothing changed, so that facts are read once for both.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gfplint.findings import Skipped
from gfplint.tree.diff import FilePatch, is_unicode, parse_diff, split_lines, stripped
from gfplint.tree.errors import MissingError, PatchError, TreeError, UnreadableError
from gfplint.tree.git import Git, GitIndex, GitRevision
from gfplint.tree.hunks import Line, apply_hunks
from gfplint.tree.layout import is_source_path
from gfplint.tree.root import Root, Selection
from gfplint.tree.state import Overlay, State, WorkTree, is_file, read_regular

if TYPE_CHECKING:
    from gfplint.tree.mail import Patch


class Changes(msgspec.Struct, frozen=True):
    """What differs between two states; only C sources and headers count.

    ``added``: path -> numbers of the lines that the second state adds. ``changed``: every path whose content differs,
    those that only one state has included. ``renamed``: path in the first state -> path in the second.
    """

    added: dict[str, frozenset[int]]
    changed: frozenset[str]
    renamed: dict[str, str] = {}


class Comparison(msgspec.Struct, frozen=True):
    """Two states; ``notes`` are for the user (hunks that applied elsewhere), ``skipped`` what could not be compared.

    ``base``: the commit, if there is one, from which the second state differs in no other files than the changed ones;
    ``git``: what compared them.
    """

    before: State
    after: State
    changes: Changes
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    base: str = ""
    git: Git | None = None


def work_tree(selection: Selection) -> WorkTree:
    """The state on disk that a selection is about."""
    return WorkTree(selection.root.path, selection.scope)


# ---- git -------------------------------------------------------------------------------------------------------

_DIFF = (
    "--patch",
    "--unified=0",
    "--inter-hunk-context=0",
    "--find-renames",
    "--full-index",
    "--relative",
    "--text",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--ignore-submodules=all",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
_SOURCES = ("--", "*.c", "*.h")
#: How a diff names a file with conflicts.
_UNMERGED = b"* Unmerged path "


def since(selection: Selection, revision: str) -> Comparison:
    """What the work tree adds to a revision; ``A..B`` and ``A...B`` compare two revisions, as in git diff.

    Untracked files count, ignored ones do not. Raises TreeError.
    """
    git = _git(selection.root)
    left, dots, right = revision.partition("..")
    if dots:
        return _between(git, left, right)
    before = GitRevision(git, revision)
    after = work_tree(selection)
    others = git.later("ls-files", "--others", "--exclude-standard", "-z", *_SOURCES)
    files, odd = _diff(git, "diff-index", *_DIFF, before.commit)
    untracked, odd_too = _names(others())
    changes = _with_new_files(_changes(files), untracked, after)
    old = Overlay(after, _old_contents(files, untracked, before))
    return Comparison(old, after, changes, skipped=odd + odd_too, base=before.commit, git=git)


def staged(selection: Selection) -> Comparison:
    """What the index adds to HEAD (to nothing before the first commit). Raises TreeError.

    While a merge is to be committed, what the other side brings as it is counts as old.
    """
    git = _git(selection.root)
    after = GitIndex(git)
    try:
        head: GitRevision | None = GitRevision(git, "HEAD")
    except TreeError:
        head = None
    base = head.commit if head is not None else git.empty_tree()
    listing = git.run("diff-index", "--cached", *_DIFF, base, *_SOURCES)
    if _UNMERGED not in listing:
        after.without_conflicts()
    found, odd = _named(listing)
    files = _not_merged_in(git, found)
    old = _old_contents(files, (), head) if head is not None else dict.fromkeys(after.blobs(), None)
    same = base if len(files) == len(found) else ""
    return Comparison(Overlay(after, old), after, _changes(files), (), (*after.skipped(), *odd), same, git)


def _not_merged_in(git: Git, files: tuple[FilePatch, ...]) -> tuple[FilePatch, ...]:
    """Without the files that the index has from the other side of a merge, unaltered."""
    if not is_file(git.folder / "MERGE_HEAD"):
        return files
    try:
        other = git.commit("MERGE_HEAD")
    except TreeError:
        return files
    altered = {name for file in _diff(git, "diff-index", "--cached", *_DIFF, other)[0] for name in _paths(file)}
    return tuple(file for file in files if not altered.isdisjoint(name for name in _paths(file) if name is not None))


def _between(git: Git, left: str, right: str) -> Comparison:
    after = GitRevision(git, right.removeprefix(".") or "HEAD")
    start = git.commit(left or "HEAD")
    before = GitRevision(git, git.merge_base(start, after.commit) if right.startswith(".") else start)
    files, odd = _diff(git, "diff-tree", "-r", *_DIFF, before.commit, after.commit)
    return Comparison(before, after, _changes(files), skipped=odd)


def _git(root: Root) -> Git:
    if root.git is None:
        raise TreeError(f"{root.path} is in no git repository: --diff and --staged need one")
    return Git(root.path)


def _diff(git: Git, *arguments: str) -> tuple[tuple[FilePatch, ...], tuple[Skipped, ...]]:
    """What git says is different, see ``_named``."""
    return _named(git.run(*arguments, *_SOURCES))


def _named(listing: bytes) -> tuple[tuple[FilePatch, ...], tuple[Skipped, ...]]:
    """The files in a diff; names that are not UTF-8 are in no state: what gets one is told beside."""
    files = parse_diff(listing, texts=False)
    named = (msgspec.structs.replace(file, old=_unicode(file.old), new=_unicode(file.new)) for file in files)
    odd = {file.new[0 if file.bare else len("b/") :] for file in files if file.new and not is_unicode(file.new)}
    return tuple(file for file in named if file.old or file.new), _odd(odd)


def _unicode(name: str | None) -> str | None:
    return name if name is not None and is_unicode(name) else None


def _names(listing: bytes) -> tuple[tuple[str, ...], tuple[Skipped, ...]]:
    """The sources in a list of names that NUL bytes end, and those whose names are not UTF-8."""
    names = [name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name]
    return (
        tuple(name for name in names if is_unicode(name) and is_source_path(name)),
        _odd({name for name in names if not is_unicode(name)}),
    )


def _odd(names: Iterable[str]) -> tuple[Skipped, ...]:
    """The sources of these names: no report can name them as they are."""
    shown = (name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for name in sorted(names))
    return tuple(Skipped(name, "file name is not UTF-8", failed=True) for name in shown if is_source_path(name))


def _changes(files: Iterable[FilePatch]) -> Changes:
    added: dict[str, frozenset[int]] = {}
    changed: set[str] = set()
    renamed: dict[str, str] = {}
    for file in files:
        old, new = _paths(file)
        changed |= {path for path in (old, new) if path is not None and is_source_path(path)}
        if new is not None and is_source_path(new):
            added[new] = frozenset(_added_lines(file))
            if old is not None and old != new and not file.copy:
                renamed[old] = new
    return Changes(added, frozenset(changed), renamed)


def _paths(file: FilePatch) -> tuple[str | None, str | None]:
    level = 0 if file.bare else 1
    return (
        stripped(file.old, level) if file.old is not None else None,
        stripped(file.new, level) if file.new is not None else None,
    )


def _added_lines(file: FilePatch) -> Iterable[int]:
    """From a diff without context, where a hunk's range is what it adds."""
    for hunk in file.hunks:
        yield from range(hunk.new_start, hunk.new_start + hunk.new_count)


def _with_new_files(changes: Changes, paths: Iterable[str], state: State) -> Changes:
    added = dict(changes.added)
    for path in paths:
        try:
            added[path] = frozenset(range(1, len(split_lines(state.read(path))) + 1))
        except UnreadableError:
            # The scan names it when it reads it.
            added[path] = frozenset()
    return Changes(added, changes.changed.union(added), changes.renamed)


def _old_contents(
    files: Iterable[FilePatch], created: Iterable[str], before: State
) -> dict[str, bytes | tuple[State, str] | None]:
    """What to put over the second state to get the first one."""
    contents: dict[str, bytes | tuple[State, str] | None] = dict.fromkeys(created)
    renames = [(old, new, file.copy) for file in files for old, new in (_paths(file),)]
    contents |= {new: None for old, new, _ in renames if new is not None and new != old}
    contents |= {old: (before, old) for old, new, copy in renames if old is not None and not (copy and old != new)}
    return contents


# ---- patches ---------------------------------------------------------------------------------------------------


def read_patch(name: str) -> bytes:
    """The bytes of ``--patch FILE`` or, for ``-``, of standard input. Raises PatchError."""
    from gfplint.tree.mail import MAX_PATCH_BYTES  # noqa: PLC0415 -- as in ``with_patches``

    if name == "-":
        if sys.stdin is None:
            raise PatchError("the standard input is closed")
        data = sys.stdin.buffer.read(MAX_PATCH_BYTES + 1)
        if len(data) > MAX_PATCH_BYTES:
            raise PatchError("the patch is too large")
        return data
    try:
        return read_regular(Path(name).resolve(), name, MAX_PATCH_BYTES)
    except UnreadableError as error:
        raise PatchError(str(error)) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise PatchError(f"{name}: not a file") from error


def patched(selection: Selection, name: str) -> Comparison:
    """The work tree, and the work tree with the patch or series in a file ("-": standard input) applied.

    Raises PatchError where it does not apply.
    """
    root = selection.root
    folder = root.path.relative_to(root.git).as_posix() if root.git not in (None, root.path) else ""
    return with_patches(work_tree(selection), read_patch(name), folder)


def with_patches(before: State, data: bytes, folder: str = "") -> Comparison:
    """A state, and the state with a patch or series applied.

    ``folder``: the folder of the repository in which the state's root stands; a patch made in the repository names
    it, and what it changes elsewhere is passed over. Raises PatchError where the patch does not apply.
    """
    from gfplint.tree.mail import parse_patches  # noqa: PLC0415 -- a start costs what it uses

    patches = parse_patches(data)
    series = _Series(before, _prefix(before, patches, folder))
    for patch in patches:
        for file in patch.files:
            try:
                series.apply(file)
            except PatchError as error:
                title = f" [{patch.title}]" if patch.title else ""
                raise PatchError(f"{error}{title}") from error
    return series.result()


class _Prefix(msgspec.Struct, frozen=True):
    """What stands before the paths in a patch's names: ``level`` folders of any name, then ``folder``."""

    level: int
    folder: str = ""

    def path(self, name: str, bare: bool) -> str | None:
        """The path that a name means; None outside of the folder. Raises PatchError for a hostile name."""
        path = stripped(name, 0 if bare else self.level)
        if not self.folder:
            return path
        return path[len(self.folder) + 1 :] if path.startswith(self.folder + "/") else None

    def leads_to(self, known: Collection[str], name: str, bare: bool) -> bool:
        """True if a name means one of the paths; a name that this form can't mean is no evidence for it."""
        try:
            return self.path(name, bare) in known
        except PatchError:
            return False


def _prefix(state: State, patches: Iterable[Patch], folder: str) -> _Prefix:
    """The form under which most names are in the tree: ``a/`` and ``b/`` before, as they stand, from the top."""
    names = [(name, file.bare) for patch in patches for file in patch.files for name in (file.old, file.new) if name]
    known = frozenset(state.files())
    forms = [_Prefix(1), _Prefix(0)] + [_Prefix(level, folder) for level in (1, 0) if folder]
    return max(forms, key=lambda form: sum(form.leads_to(known, name, bare) for name, bare in names))


class _Series:
    """The files that a series has touched so far."""

    def __init__(self, before: State, prefix: _Prefix) -> None:
        self.before = before
        self.prefix = prefix
        self.lines: dict[str, list[Line] | None] = {}
        self.origin: dict[str, str] = {}
        self.notes: list[str] = []
        self.skipped: list[Skipped] = []

    def apply(self, file: FilePatch) -> None:
        old = self.prefix.path(file.old, file.bare) if file.old is not None else None
        new = self.prefix.path(file.new, file.bare) if file.new is not None else None
        path = new or old or ""
        if not any(name is not None and is_source_path(name) for name in (old, new)):
            return
        if file.binary or file.special:
            kind = "not text" if file.binary else "not about a regular file"
            self.skipped.append(Skipped(path, f"the patch's change is {kind}: left out"))
            return
        lines = self._start(old, new)
        try:
            placed = apply_hunks(lines, file.hunks)
        except PatchError as error:
            raise PatchError(f"{path}: {error}") from error
        self.notes += [f"{path}: {note}" for note in placed.notes]
        if old is not None and old != new and not file.copy:
            self.lines[old] = None
        if new is not None:
            self.lines[new] = placed.lines
            if old is not None and old != new and not file.copy:
                self.origin[new] = self.origin.pop(old, old)
        elif placed.lines:
            raise PatchError(f"{path}: the patch deletes the file, but not all of its lines")

    def result(self) -> Comparison:
        contents: dict[str, bytes | tuple[State, str] | None] = {}
        added: dict[str, frozenset[int]] = {}
        for path, lines in self.lines.items():
            content = b"".join(line for line, _ in lines) if lines is not None else None
            if not is_source_path(path) or content == self._original(path):
                continue
            contents[path] = content
            if lines is not None:
                added[path] = frozenset(number for number, (_, new) in enumerate(lines, 1) if new)
        renamed = {old: new for new, old in self.origin.items() if new in added and contents.get(old, b"") is None}
        changes = Changes(added, frozenset(contents), renamed)
        after = Overlay(self.before, contents)
        return Comparison(self.before, after, changes, tuple(self.notes), tuple(self.skipped))

    def _start(self, old: str | None, new: str | None) -> list[Line]:
        """The lines to which a file's hunks apply."""
        if new is not None and new != old and self._lines(new) is not None:
            raise PatchError(f"{new}: the patch creates the file, but there is one already")
        if old is None:
            return []
        lines = self._lines(old)
        if lines is None:
            raise PatchError(f"{old}: the patch changes the file, but there is none in the tree")
        return lines

    def _lines(self, path: str) -> list[Line] | None:
        if path not in self.lines:
            content = self._original(path)
            self.lines[path] = None if content is None else [(line, False) for line in split_lines(content)]
        return self.lines[path]

    def _original(self, path: str) -> bytes | None:
        try:
            return self.before.read(path)
        except MissingError:
            return None
        except UnreadableError as error:
            raise PatchError(str(error)) from error
