"""States of a tree: the work tree, a git revision, the index, or any of them with some files replaced.

All hand out bytes by path; paths are relative to the root, with ``/``, and valid UTF-8. A state lists no symbolic
links, opens nothing but regular files, and never runs anything that the tree brings along.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gfplint.findings import Skipped
from gfplint.tree.errors import MissingError, UnreadableError
from gfplint.tree.layout import MAX_BYTES, SUFFIXES, is_entered, is_source, is_source_path

#: How a file that should be a regular one is opened: if it is a FIFO or a terminal, nothing comes of it.
_REGULAR = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY


class State(Protocol):
    """One state of a tree."""

    def files(self) -> Sequence[str]:
        """The paths of the C sources and headers in it, sorted."""

    def skipped(self) -> Sequence[Skipped]:
        """What looks like a source by its name and can't be read as one; sorted by path."""

    def read(self, path: str) -> bytes:
        """The bytes of any regular file in it. Raises MissingError or UnreadableError."""

    def identity(self, path: str) -> str:
        """A cheap mark of the file's content: it changes when the content may have. Raises as ``read``."""

    def identities(self) -> Mapping[str, str]:
        """The identities of the files in it; those that can't be seen are missing."""

    def close(self) -> None:
        """Release what the state holds open; it may be used again."""


class WorkTree:
    """The files on disk below ``top`` (or below some of its files and folders: see ``Selection.scope``)."""

    def __init__(self, top: Path, scope: Sequence[str] = ("",)) -> None:
        self.top = top
        self.scope = tuple(scope)
        self._walked: tuple[tuple[str, ...], tuple[Skipped, ...]] | None = None
        self._marks: dict[str, str] | None = None

    def files(self) -> Sequence[str]:
        return self._walk()[0]

    def skipped(self) -> Sequence[Skipped]:
        return self._walk()[1]

    def read(self, path: str) -> bytes:
        return checked(path, read_regular(self._place(path), path))

    def expect(self, path: str) -> None:
        """Say that a file is read soon: the disk fetches it meanwhile. What goes wrong shows when it is read."""
        if not hasattr(os, "posix_fadvise"):
            return
        with contextlib.suppress(OSError, ValueError, MissingError):
            descriptor = os.open(self._place(path), _REGULAR)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)

    def identity(self, path: str) -> str:
        try:
            return _identity(os.lstat(self._place(path)))
        except OSError as error:
            raise _unreadable(path, error) from error

    def identities(self) -> Mapping[str, str]:
        if self._marks is None:  # only an index asks: looking at each file's status takes longer than to list them
            self._marks = {}
            for path in self.files():
                try:
                    self._marks[path] = _identity(os.lstat(f"{self.top}/{path}"))
                except OSError:
                    continue  # who reads it says why
        return self._marks

    def close(self) -> None:
        """Nothing is held open."""

    def _place(self, path: str) -> str:
        return os.path.join(self.top, _inside(path))  # noqa: PTH118 -- this runs for each of 60,000 files

    def _walk(self) -> tuple[tuple[str, ...], tuple[Skipped, ...]]:
        if self._walked is None:
            found: set[str] = set()
            skipped: dict[str, Skipped] = {}
            for named in self.scope:
                _walk_named(self.top, named, found, skipped)
            self._walked = (tuple(sorted(found)), tuple(skipped[path] for path in sorted(skipped)))
        return self._walked


class Overlay:
    """A state with some files replaced: by bytes, by a file of another state, or by nothing (None: it is gone)."""

    def __init__(self, base: State, contents: Mapping[str, bytes | tuple[State, str] | None]) -> None:
        self.base = base
        self.contents = dict(contents)
        self._files: tuple[str, ...] | None = None

    def files(self) -> Sequence[str]:
        if self._files is None:
            kept = {path for path in self.base.files() if path not in self.contents}
            added = {path for path, content in self.contents.items() if content is not None and is_source_path(path)}
            self._files = tuple(sorted(kept | added))
        return self._files

    def skipped(self) -> Sequence[Skipped]:
        return [item for item in self.base.skipped() if item.path not in self.contents]

    def read(self, path: str) -> bytes:
        if path not in self.contents:
            return self.base.read(path)
        content = self.contents[path]
        if content is None:
            raise MissingError(path)
        if isinstance(content, bytes):
            return checked(path, content)
        return content[0].read(content[1])

    def identity(self, path: str) -> str:
        if path not in self.contents:
            return self.base.identity(path)
        content = self.contents[path]
        if content is None:
            raise MissingError(path)
        if isinstance(content, bytes):
            return "c" + hashlib.sha256(content).hexdigest()
        return content[0].identity(content[1])

    def identities(self) -> Mapping[str, str]:
        kept = {path: mark for path, mark in self.base.identities().items() if path not in self.contents}
        for path, content in self.contents.items():
            if content is not None and is_source_path(path):
                with contextlib.suppress(UnreadableError):
                    kept[path] = self.identity(path)
        return kept

    def close(self) -> None:
        self.base.close()
        for content in self.contents.values():
            if isinstance(content, tuple):
                content[0].close()


def is_file(path: Path) -> bool:
    """True for a regular file that can be seen; pathlib raises where a folder above may not be entered."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """True for a folder that can be seen, as ``is_file``."""
    return os.path.isdir(path)  # noqa: PTH112


def read_regular(place: str | Path, path: str, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; never blocks on a FIFO or device, follows no link.

    ``path`` names it in the error. Raises MissingError or UnreadableError.
    """
    try:
        descriptor = os.open(place, _REGULAR)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError(path, f"not a regular file ({_kind(status.st_mode)})")
        if status.st_size > limit:
            raise UnreadableError(path, too_large(status.st_size, limit))
        data = _all_of(descriptor, status.st_size, limit)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise UnreadableError(path, too_large(len(data), limit))
    return data


def _all_of(descriptor: int, size: int, limit: int) -> bytes:
    """What an open file holds, up to one byte more than ``limit``: it may grow, and files of /proc have no size."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    pieces, room = [data], limit + 1 - len(data)
    while room > 0 and (piece := os.read(descriptor, min(room, 1 << 20))):
        pieces.append(piece)
        room -= len(piece)
    return b"".join(pieces)


def checked(path: str, data: bytes) -> bytes:
    """The data, if it can be C source. Raises UnreadableError for binary data and monsters."""
    if len(data) > MAX_BYTES:
        raise UnreadableError(path, too_large(len(data), MAX_BYTES))
    if b"\0" in data:
        raise UnreadableError(path, "binary data (NUL bytes)")
    return data


def too_large(size: int, limit: int) -> str:
    """The reason for leaving out a file of ``size`` bytes."""
    return f"too large ({size / 1e6:.1f} MB, the limit is {limit / 1e6:.1f} MB)"


def _identity(status: os.stat_result) -> str:
    # ctime too: a file's mtime can be set back, and often is when archives are unpacked.
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "f%x:%x:%x:%x:%x" % numbers  # noqa: UP031 -- half the time of an f-string with five formats


def _walk_named(top: Path, named: str, found: set[str], skipped: dict[str, Skipped]) -> None:
    """Note what a named file or folder ("" or "folder", "folder/." without subfolders) contributes: paths of files, and
    what can't be read.
    """
    flat = named == "." or named.endswith("/.")
    relative = named[: -len("/.")] if named.endswith("/.") else named if named != "." else ""
    if not is_utf8(relative):
        shown = escaped(relative)
        skipped[shown] = Skipped(shown, "file name is not UTF-8", failed=True)
        return
    if relative and not is_folder(top / relative):
        item = _named_file(top, relative)
        if item is None:
            found.add(relative)
        else:
            skipped[relative] = item
        return
    for item in _walk_folder(top, relative, not flat, found):
        skipped[item.path] = item


def _named_file(top: Path, path: str) -> Skipped | None:
    """Why a named file can't be read; None where it can."""
    if not path.endswith(SUFFIXES):
        return Skipped(
            path, f"not a C source or header ({', '.join('*' + suffix for suffix in SUFFIXES)})", failed=True
        )
    try:
        status = os.lstat(top / path)
    except OSError as error:
        return Skipped(path, _reason(error), failed=True)
    if not stat.S_ISREG(status.st_mode):
        return Skipped(path, f"not a regular file ({_kind(status.st_mode)})", failed=True)
    return None


def _walk_folder(top: Path, start: str, enter: bool, found: set[str]) -> Iterator[Skipped]:
    pending = [start]
    while pending:
        folder = pending.pop()
        prefix = folder + "/" if folder else ""
        try:
            with os.scandir(os.path.join(top, folder)) as entries:  # noqa: PTH118 -- this runs for each of 6,000 folders
                listing = list(entries)
        except OSError as error:
            yield Skipped(folder or ".", f"folder not read: {_reason(error)}", failed=True)
            continue
        for entry in listing:  # and this for 100,000 names
            name = entry.name
            if not name.isascii() and not is_utf8(name):
                shown = escaped(name)
                if entry.is_dir(follow_symlinks=False) or is_source(shown):
                    yield Skipped(prefix + shown, "file name is not UTF-8", failed=True)
            elif entry.is_dir(follow_symlinks=False):
                if enter and is_entered(prefix + name):
                    pending.append(prefix + name)
            elif name.endswith(SUFFIXES) and is_source(name):
                path = prefix + name
                if not entry.is_file(follow_symlinks=False):
                    yield from _special(top, path, entry)
                    continue
                found.add(path)


def escaped(name: str) -> str:
    """A name that is not UTF-8, with escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_utf8(name: str) -> bool:
    """Whether a name is UTF-8, and known as that: not where the locale is ASCII, and nobody made Python leave it."""
    try:
        os.fsencode(name).decode("utf-8")
        name.encode()
    except UnicodeError:
        return False
    return True


def _special(top: Path, path: str, entry: os.DirEntry[str]) -> Iterator[Skipped]:
    """A source by name that is no regular file. Links into the tree lead to what is read anyway."""
    try:
        if not entry.is_symlink():
            kind = _kind(entry.stat(follow_symlinks=False).st_mode)
            yield Skipped(path, f"not a regular file ({kind})", failed=True)
            return
        target = Path(os.path.realpath(entry.path, strict=True))
    except OSError as error:
        yield Skipped(path, f"symbolic link that leads nowhere: {_reason(error)}", failed=True)
        return
    if not target.is_relative_to(top):
        yield Skipped(path, "symbolic link that leads out of the tree")


_KINDS: Sequence[tuple[Callable[[int], bool], str]] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _kind(mode: int) -> str:
    return next((name for test, name in _KINDS if test(mode)), "of an unknown kind")


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise MissingError(path, "not a path inside the tree")
    return path


def _unreadable(path: str, error: OSError | ValueError) -> UnreadableError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return MissingError(path)
    return UnreadableError(path, _reason(error))


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return "not a file name"
