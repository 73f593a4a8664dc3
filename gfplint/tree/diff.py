"""Unified diffs: what they change, file by file, hunk by hunk. Names in them stay inside the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from gfplint.tree.errors import PatchError


class Hunk(msgspec.Struct, frozen=True):
    """One ``@@`` hunk: (b" ", b"-" or b"+", text with its newline) a line; ``number`` counts from 1 in its file."""

    number: int
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[tuple[bytes, bytes], ...]

    @property
    def header(self) -> str:
        """The line with which the hunk starts."""
        return f"@@ -{self.old_start},{self.old_count} +{self.new_start},{self.new_count} @@"


class FilePatch(msgspec.Struct, frozen=True):
    """What a patch does to one file.

    ``old``/``new``: names as written, with their ``a/`` and ``b/``; None where the file is created or deleted.
    ``bare``: the names have no such prefix (``rename from``). ``copy``: the old file stays. ``binary``: a change that
    is not text; ``special``: a symbolic link or submodule.
    """

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...] = ()
    bare: bool = False
    copy: bool = False
    binary: bool = False
    special: bool = False


_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
#: What is of a hunk, and neither the header of the next file nor a mail's or a key's signature.
_OVERLONG = re.compile(rb"\+|-(?!-)")
_MARKED = (b"diff --git ", b"--- ", b"+++ ", b"@@ -")
_REGULAR = b"100"
_EMPTY_IDS = (b"e69de29", b"473a0f4")  # of the file without a byte, in SHA-1 and SHA-256


def parse_diff(data: bytes, texts: bool = True) -> tuple[FilePatch, ...]:
    """The changes in one text of unified diffs; other words in it are passed over. Raises PatchError.

    Without ``texts`` the hunks have no lines: enough for ranges, and cheap where git compares two releases.
    """
    lines = split_lines(data)
    return tuple(_Reader(_without_transport_cr(lines) if texts else lines, texts).files())


def split_lines(data: bytes) -> list[bytes]:
    """The lines of a file with their newlines; only a line feed ends one."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _without_transport_cr(lines: list[bytes]) -> list[bytes]:
    """Drop the carriage returns that a mail or an editor gave to every line, the diff's own included."""
    marked = [line for line in lines if line.startswith(_MARKED)]
    if marked and all(line.endswith(b"\r\n") for line in marked):
        return [line[:-2] + b"\n" if line.endswith(b"\r\n") else line for line in lines]
    return lines


class _Reader:
    """A cursor over the lines of one diff."""

    def __init__(self, lines: list[bytes], texts: bool) -> None:
        self.lines = lines
        self.texts = texts
        self.at = 0

    def files(self) -> Iterator[FilePatch]:
        """Words are passed over, but for what is left of a change: none of one gets lost."""
        begun = False  # before the first file a mail's words may show a hunk
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.startswith(b"diff --git "):
                begun = True
                yield self._git_file()
            elif line.startswith((b"diff --cc ", b"diff --combined ")):
                raise PatchError(f"line {self.at + 1}: the combined diff of a merge can't be applied")
            elif self._plain_header():
                begun = True
                old, new = self._names()
                yield _plain_file(old, new, self._hunks(new or old))
            elif begun and _HUNK.match(line):
                raise PatchError(f"line {self.at + 1}: a hunk without a file, or behind a line that is of no hunk")
            elif self._lost_hunks():
                raise PatchError(f"line {self.at + 1}: the change is cut short or mangled")
            else:
                self.at += 1

    def _peek(self, ahead: int = 0) -> bytes:
        return self.lines[self.at + ahead] if self.at + ahead < len(self.lines) else b""

    def _plain_header(self) -> bool:
        return (
            self._peek().startswith(b"--- ")
            and self._peek(1).startswith(b"+++ ")
            and _HUNK.match(self._peek(2)) is not None
        )

    def _lost_hunks(self) -> bool:
        """Whether the lines that name a file come here, and behind them a hunk that is none, or the end of the text."""
        if not (self._peek().startswith(b"--- ") and self._peek(1).startswith(b"+++ ")):
            return False
        rest = range(self.at + 2, len(self.lines))
        return self._peek(2).startswith(b"@@ ") or not any(self.lines[at].strip() for at in rest)

    def _names(self) -> tuple[str | None, str | None]:
        old, new = _name(self._peek()[4:]), _name(self._peek(1)[4:])
        self.at += 2
        return old, new

    def _git_file(self) -> FilePatch:
        """One file with git's extended header."""
        old, new = _git_names(self._peek()[len(b"diff --git ") :])
        self.at += 1
        bare = copy = binary = special = changes = False
        start = self.at
        while self.at < len(self.lines):
            line = self._peek()
            key, _, value = line.rstrip(b"\r\n").partition(b" mode ")
            if line.startswith((b"rename from ", b"copy from ")):
                old, bare, copy = _unquoted(line.split(b" from ", 1)[1]), True, line.startswith(b"copy")
            elif line.startswith((b"rename to ", b"copy to ")):
                new, bare = _unquoted(line.split(b" to ", 1)[1]), True
            elif key in (b"new file", b"deleted file", b"old", b"new") and value:
                special |= not value.startswith(_REGULAR)
                old = None if key == b"new file" else old
                new = None if key == b"deleted file" else new
            elif line.startswith(b"index "):
                changes = _changes_text(line)
            elif not line.startswith((b"similarity index ", b"dissimilarity index ")):
                break
            self.at += 1
        hunks: tuple[Hunk, ...] = ()
        if self._peek().startswith((b"GIT binary patch", b"Binary files ")):
            binary = True
            self.at += 1
        elif self._plain_header():
            # The names here agree with the header's; after a rename they carry the prefixes that "rename from" lacks.
            named_old, named_new = self._names()
            old, new = (named_old, named_new) if not bare else (old, new)
            hunks = self._hunks(new or old)
        elif changes or self.at == start or self._peek().startswith(b"--- "):
            raise PatchError(f"line {self.at + 1}: {new or old}: the change is cut short")
        if old is None and new is None:
            raise PatchError(f"line {self.at}: a change without a file name")
        return FilePatch(old, new, hunks, bare=bare, copy=copy, binary=binary, special=special)

    def _hunks(self, name: str | None) -> tuple[Hunk, ...]:
        """The hunks of the file ``name``, which is for messages."""
        try:
            return self._read_hunks()
        except PatchError as error:
            raise PatchError(f"{name}: {error}") from error

    def _read_hunks(self) -> tuple[Hunk, ...]:
        hunks: list[Hunk] = []
        while found := _HUNK.match(self._peek()):
            self.at += 1
            old, old_count, new, new_count = (int(number) if number is not None else 1 for number in found.groups())
            lines = tuple(self._hunk_lines(old_count, new_count)) if self.texts else self._skip(old_count, new_count)
            hunks.append(Hunk(len(hunks) + 1, old, old_count, new, new_count, lines))
            if _OVERLONG.match(self._peek()):
                raise PatchError(f"line {self.at + 1}: the hunk is longer than its header says ({hunks[-1].header})")
        if self._peek().startswith(b"@@ -"):
            raise PatchError(f"line {self.at + 1}: the header of a hunk is cut short or mangled")
        return tuple(hunks)

    def _skip(self, *counts: int) -> tuple[()]:
        """Pass over the lines of a hunk without context; each side may end without a newline."""
        for count in counts:
            self.at += count
            self.at += self._peek().startswith(b"\\")
        return ()

    def _hunk_lines(self, old_left: int, new_left: int) -> list[tuple[bytes, bytes]]:
        lines: list[tuple[bytes, bytes]] = []
        while old_left or new_left or self._peek().startswith(b"\\"):
            line = self._peek()
            # Mail programs drop the blank of an empty context line.
            sign, text = (line[:1], line[1:]) if line not in (b"\n", b"\r\n") else (b" ", line)
            if sign == b"\\" and lines:
                lines[-1] = (lines[-1][0], lines[-1][1].removesuffix(b"\n"))
            elif sign in (b" ", b"-", b"+"):
                old_left -= sign != b"+"
                new_left -= sign != b"-"
                lines.append((sign, text if text.endswith(b"\n") else text + b"\n"))
            else:
                sign = b""
            if not sign or old_left < 0 or new_left < 0:
                raise PatchError(f"line {self.at + 1}: the hunk is cut short or mangled")
            self.at += 1
        return lines


def _changes_text(line: bytes) -> bool:
    """True for an ``index`` line whose two contents differ by lines; the empty file has known ids."""
    ids = b"".join(line.split()[1:2]).split(b"..")
    texts = {b"" if not part.strip(b"0") or part.startswith(_EMPTY_IDS) else part for part in ids}
    return len(texts) > 1


def _plain_file(old: str | None, new: str | None, hunks: tuple[Hunk, ...]) -> FilePatch:
    """A diff without git's header: diff -N names a file that is not there, and says so only in the range."""
    only = hunks[0] if len(hunks) == 1 else None
    if only is not None and (only.old_start, only.old_count) == (0, 0):
        old = None
    elif only is not None and (only.new_start, only.new_count) == (0, 0):
        new = None
    return FilePatch(old, new, hunks)


# ---- names -----------------------------------------------------------------------------------------------------

_ESCAPE = re.compile(rb'\\([abfnrtv"\\]|[0-7]{1,3})')
_ESCAPED = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"t": 9, b"v": 11, b'"': 34, b"\\": 92}
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')


def _name(field: bytes) -> str | None:
    """The name in a ``---`` or ``+++`` line; None for /dev/null."""
    field = field.rstrip(b"\r\n")
    name = _unquoted(field if field.startswith(b'"') else field.split(b"\t")[0])
    return None if name == "/dev/null" else name


def _git_names(field: bytes) -> tuple[str | None, str | None]:
    """The two names of a ``diff --git`` line where they can be told apart: quoted, or the same but for the prefix."""
    field = field.rstrip(b"\r\n")
    if quoted := re.match(rb'("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)$', field):
        return _unquoted(quoted[1]), _unquoted(quoted[2])
    middle = len(field) // 2
    old, new = field[:middle], field[middle + 1 :]
    if field[middle : middle + 1] == b" " and old.partition(b"/")[2] == new.partition(b"/")[2]:
        return _unquoted(old), _unquoted(new)
    return None, None


def _unquoted(field: bytes) -> str:
    field = field.rstrip(b"\r\n")
    if quoted := _QUOTED.match(field):
        field = _ESCAPE.sub(_unescaped, quoted[1])
    return field.decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    return bytes([_ESCAPED[escape] if escape in _ESCAPED else int(escape, 8) & 0xFF])


def stripped(name: str, level: int) -> str:
    """The path in the tree that a patch means: its name without the first ``level`` folders. Raises PatchError."""
    parts = name.split("/")
    hostile = name.startswith("/") or ".." in parts or ".git" in parts or "\0" in name or len(name) > 4096
    path = "/".join(part for part in parts[level:] if part not in ("", "."))
    if hostile or not path or not is_unicode(path):
        raise PatchError(f"the patch names a path outside the tree, or none: {name[:200]}")
    return path


def is_unicode(name: str) -> bool:
    """False for a name that was not UTF-8 in the input."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
