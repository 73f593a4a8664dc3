"""Patches: unified diffs, mails and series of mails, read and applied in memory.

A patch is hostile input: its paths stay inside the tree, its sizes are bounded, and it changes nothing on disk. Hunks
are placed as patch(1) does: at their line, else at the nearest place that matches, else with up to two lines of outer
context ignored.
"""

from __future__ import annotations

import email
import email.errors
import email.header
import email.message
import re
from collections.abc import Iterator, Sequence

import msgspec

from gfplint.tree.errors import PatchError

#: A patch larger than this is not one that somebody reviews.
MAX_PATCH_BYTES = 64 << 20


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


class Patch(msgspec.Struct, frozen=True):
    """One mail, or one file of diffs; ``title`` for messages."""

    title: str
    files: tuple[FilePatch, ...]


def parse_patches(data: bytes) -> tuple[Patch, ...]:
    """The patches in a diff, a mail, or a mailbox, in the order in which they apply. Raises PatchError."""
    if len(data) > MAX_PATCH_BYTES:
        raise PatchError(f"the patch is too large ({len(data) / 1e6:.0f} MB)")
    patches = []
    for title, texts in _messages(data):
        files = tuple(file for text in texts for file in parse_diff(text))
        if files:
            patches.append(Patch(title, files))
    if not patches and data.strip():
        raise PatchError("no unified diff found in the patch")
    return _in_series_order(patches)


# ---- mails -----------------------------------------------------------------------------------------------------

_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\d\d?:\d\d(?::\d\d)?[^\n]*\n")
_HEADER = re.compile(rb"[!-9;-~]+:[ \t]")
_KNOWN_HEADER = re.compile(
    rb"^(?:From|Subject|Date|Message-ID|MIME-Version|Content-Type):", re.MULTILINE | re.IGNORECASE
)
_SERIES = re.compile(r"\[[^]]*\bPATCH\b[^]]*?\b(\d{1,4})/(\d{1,4})\s*\]", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def _messages(data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """(title, texts) of every mail; of a plain diff, one without a title."""
    data = data.lstrip(b"\r\n")
    starts = [found.start() for found in _FROM_LINE.finditer(data)]
    if starts and starts[0] == 0:
        for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
            mail = data[start:end]
            yield _mail(mail[mail.index(b"\n") + 1 :])
    elif _HEADER.match(data) and _KNOWN_HEADER.search(data[: _header_end(data)]):
        yield _mail(data)
    else:
        yield "", [data]


def _header_end(data: bytes) -> int:
    ends = [end for end in (data.find(b"\n\n"), data.find(b"\n\r\n")) if end >= 0]
    return min(ends, default=len(data))


def _mail(data: bytes) -> tuple[str, list[bytes]]:
    try:
        message = email.message_from_bytes(data)
        texts = [_decoded(part) for part in message.walk() if _may_hold_diff(part)]
        title = _title(message)
    except (RecursionError, email.errors.MessageError, LookupError, ValueError) as error:
        raise PatchError(f"a mail in the patch can't be read: {type(error).__name__}") from error
    return title, texts


def _may_hold_diff(part: email.message.Message) -> bool:
    if part.is_multipart() or part.get_content_subtype() == "html":
        return False
    name = (part.get_filename() or "").lower()
    return part.get_content_maintype() == "text" or name.endswith((".patch", ".diff", ".txt", ".mbox"))


def _decoded(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _title(message: email.message.Message) -> str:
    words = str(email.header.make_header(email.header.decode_header(str(message.get("Subject", "")))))
    return _CONTROL.sub(" ", words).strip()[:100]


def _in_series_order(patches: list[Patch]) -> tuple[Patch, ...]:
    """By the numbers of one series, [PATCH 2/5]; anything else stays as it stands."""
    places = [_SERIES.search(patch.title) for patch in patches]
    numbers = [(int(place[1]), int(place[2])) for place in places if place is not None]
    one_series = len(numbers) == len(patches) == len(set(numbers)) and len({total for _, total in numbers}) == 1
    if not one_series:
        return tuple(patches)
    return tuple(patch for _, patch in sorted(zip(numbers, patches, strict=True), key=lambda pair: pair[0]))


# ---- diffs -----------------------------------------------------------------------------------------------------

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_MARKED = (b"diff --git ", b"--- ", b"+++ ", b"@@ -")
_REGULAR = b"100"


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
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.startswith(b"diff --git "):
                yield self._git_file()
            elif line.startswith((b"diff --cc ", b"diff --combined ")):
                raise PatchError(f"line {self.at + 1}: the combined diff of a merge can't be applied")
            elif self._plain_header():
                old, new = self._names()
                yield _plain_file(old, new, self._hunks())
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

    def _names(self) -> tuple[str | None, str | None]:
        old, new = _name(self._peek()[4:]), _name(self._peek(1)[4:])
        self.at += 2
        return old, new

    def _git_file(self) -> FilePatch:
        """One file with git's extended header."""
        old, new = _git_names(self._peek()[len(b"diff --git ") :])
        self.at += 1
        bare = copy = binary = special = False
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
            elif not line.startswith((b"index ", b"similarity index ", b"dissimilarity index ")):
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
            hunks = self._hunks()
        if old is None and new is None:
            raise PatchError(f"line {self.at}: a change without a file name")
        return FilePatch(old, new, hunks, bare=bare, copy=copy, binary=binary, special=special)

    def _hunks(self) -> tuple[Hunk, ...]:
        hunks: list[Hunk] = []
        while found := _HUNK.match(self._peek()):
            self.at += 1
            old, old_count, new, new_count = (int(number) if number is not None else 1 for number in found.groups())
            lines = tuple(self._hunk_lines(old_count, new_count)) if self.texts else self._skip(old_count, new_count)
            hunks.append(Hunk(len(hunks) + 1, old, old_count, new, new_count, lines))
            if self._peek().startswith(b"+"):
                raise PatchError(f"line {self.at + 1}: the hunk is longer than its header says ({hunks[-1].header})")
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


# ---- placing hunks ---------------------------------------------------------------------------------------------

#: Lines of outer context that may differ, as patch(1).
MAX_FUZZ = 2

#: Line comparisons that one file's hunks may take; far more than any honest patch needs.
_BUDGET = 20_000_000

#: A line of a file being patched, and whether the patch added it.
Line = tuple[bytes, bool]


class Placed(msgspec.Struct, frozen=True):
    """A file after its hunks, and what to tell the user of their placing."""

    lines: list[Line]
    notes: tuple[str, ...]


def apply_hunks(lines: Sequence[Line], hunks: Sequence[Hunk]) -> Placed:
    """The lines of a file with hunks applied. Raises PatchError that names the first one that does not fit."""
    try:
        return _apply(lines, hunks)
    except PatchError:
        if not any(line.endswith(b"\r\n") for line, _ in lines[:1]):
            raise
        # Mails lose the carriage returns of files that have them.
        return _apply(lines, [_with_carriage_returns(hunk) for hunk in hunks])


def _with_carriage_returns(hunk: Hunk) -> Hunk:
    lines = ((sign, re.sub(rb"\r?\n\Z", b"\r\n", line)) for sign, line in hunk.lines)
    return msgspec.structs.replace(hunk, lines=tuple(lines))


def _apply(lines: Sequence[Line], hunks: Sequence[Hunk]) -> Placed:
    place = _Placer([line for line, _ in lines])
    result: list[Line] = []
    notes: list[str] = []
    done = drift = 0
    for hunk in hunks:
        start, fuzz_before, fuzz_after, wanted = place.find(hunk, drift, done)
        result.extend(lines[done:start])
        done = start
        for sign, added in hunk.lines[fuzz_before : len(hunk.lines) - fuzz_after]:
            if sign == b"+":
                result.append((added, True))
                continue
            if sign == b" ":
                result.append(lines[done])
            done += 1
        drift += start - wanted
        if start != wanted or fuzz_before or fuzz_after:
            fuzz = f", fuzz {max(fuzz_before, fuzz_after)}" if fuzz_before or fuzz_after else ""
            notes.append(f"hunk {hunk.number} applied with offset {start - wanted:+d}{fuzz}")
    result.extend(lines[done:])
    return Placed(result, tuple(notes))


class _Placer:
    """Finds where hunks fit in one file."""

    def __init__(self, text: list[bytes]) -> None:
        self.text = text
        self.budget = _BUDGET
        self._index: dict[bytes, list[int]] | None = None

    def find(self, hunk: Hunk, drift: int, floor: int) -> tuple[int, int, int, int]:
        """(line index, lines of fuzz before and after, index where it was expected), not before ``floor``."""
        old = [text for sign, text in hunk.lines if sign != b"+"]
        expected = hunk.old_start - (1 if hunk.old_count else 0) + drift
        before, after = _context(hunk.lines), _context(hunk.lines[::-1])
        for fuzz in range(MAX_FUZZ + 1):
            # The side with less context ends at the file's edge: it gives way last.
            cut_before = min(before, max(0, fuzz + before - max(before, after)))
            cut_after = min(after, max(0, fuzz + after - max(before, after)))
            wanted = old[cut_before : len(old) - cut_after]
            if not wanted and (fuzz or old):
                break
            start = self._nearest(wanted, expected + cut_before, floor)
            if start is not None:
                return start, cut_before, cut_after, expected + cut_before
        new = [text for sign, text in hunk.lines if sign != b"-"]
        done = bool(new) and new != old and self._nearest(new, expected, 0) is not None
        hint = "; it seems to be applied already" if done else ""
        raise PatchError(f"hunk {hunk.number} ({hunk.header}) does not apply{hint}")

    def _nearest(self, wanted: list[bytes], expected: int, floor: int) -> int | None:
        last = len(self.text) - len(wanted)
        if floor <= expected <= last and self._fits(wanted, expected):
            return expected
        if not wanted:
            return None
        index = self._positions()
        rarest = min(range(len(wanted)), key=lambda at: len(index.get(wanted[at], ())))
        candidates = (position - rarest for position in index.get(wanted[rarest], ()))
        for start in sorted((at for at in candidates if floor <= at <= last), key=lambda at: abs(at - expected)):
            if self._fits(wanted, start):
                return start
        return None

    def _fits(self, wanted: list[bytes], start: int) -> bool:
        self.budget -= len(wanted)
        if self.budget < 0:
            raise PatchError("the patch takes too long to place: too many places look alike")
        return self.text[start : start + len(wanted)] == wanted

    def _positions(self) -> dict[bytes, list[int]]:
        if self._index is None:
            self._index = {}
            for number, line in enumerate(self.text):
                self._index.setdefault(line, []).append(number)
        return self._index


def _context(lines: Sequence[tuple[bytes, bytes]]) -> int:
    """The number of context lines with which they start."""
    return next((number for number, (sign, _) in enumerate(lines) if sign != b" "), len(lines))
