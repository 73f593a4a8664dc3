"""Blanking: comments, string contents and directives give way to spaces, so that offsets and lines stay.

``Source`` is what every later step reads: ``code`` has the length of the file, is pure ASCII and holds no comment, no
string content and no directive; the directives themselves are listed apart.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import msgspec

from gfplint.facts import Suppression

#: Comments and literals. Possessive throughout: one pass whatever the input; what is not closed ends at its line's end.
_LEXICAL = re.compile(
    rb"""(/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)"""
    rb"""|//[^\n\\]*+(?:\\(?s:.)[^\n\\]*+)*+"""
    rb"""|"[^"\\\n]*+(?:\\(?s:.)[^"\\\n]*+)*+"?"""
    rb"""|'(?:[^'\\\n]|\\(?s:.)){1,12}+')"""
)
#: The same by turns, for nearly all texts: an expression that begins with one literal is looked for many times faster
#: than one that begins with any of three.
_COMMENT = re.compile(rb"(/(?:\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)|/[^\n\\]*+(?:\\(?s:.)[^\n\\]*+)*+))")
_STRING = re.compile(rb"""("[^"\\\n]*+(?:\\(?s:.)[^"\\\n]*+)*+"?)""")
_CHARACTER = re.compile(rb"('(?:[^'\\\n]|\\(?s:.)){1,12}+')")
#: A double quote that may be a character, as ``'"'`` is.
_ODD_QUOTE = re.compile(rb"""'[^'\n"]{0,24}+"[^'\n]{0,24}+'""")
#: Stands for what was a comment until strings are known: none goes into one.
_MARK = b"\1"
#: ``#define NAME 0x1``, ``#define NAME (A + 2)``, ``#define NAME BIT(3)``: what holds no mask and is no other name for
#: something. Register headers hold millions, so a run of them is one match.
_PLAIN_DEFINE = (
    rb"[ \t]*+define[ \t]++\w++"
    rb"(?:[ \t]++(?:\(*+(?:[0-9\"~!-]|(?!\w*GFP)[A-Za-z_]\w*+[ \t]*+[^\w \t\n\\)]))"
    rb"[^\n\\G]*+(?:G(?!FP)[^\n\\G]*+)*+)?+[ \t]*+(?=\n)"
)
_PLAIN_DEFINES = _PLAIN_DEFINE + rb"(?:(?:\n[ \t]*+)++\#" + _PLAIN_DEFINE + rb")*+"
_DIRECTIVE = re.compile(rb"\#(?:" + _PLAIN_DEFINES + rb"|[ \t]*+(\w*+)([^\n\\]*+(?:\\(?s:.)[^\n\\]*+)*+))")
#: The same in column 0, cut in directives, and their names and texts where they may be of interest. ``#include`` of
#: lines that follow each other is one.
_DIRECTIVES = re.compile(
    rb"(\#(?<![^\n]\#)(?:" + _PLAIN_DEFINES + rb"|[ \t]*+(\w*+)"
    rb"((?<=\#include)[^\n\\]*+(?=\n)(?:\n\#include\b[^\n\\]*+(?=\n))*+|[^\n\\]*+(?:\\(?s:.)[^\n\\]*+)*+)))"
)
_CUTS = 4
#: A file that defines numbers, and no more. The commonest line of all comes first, with spaces alone between its words:
#: a single character is repeated twice as fast as one of several.
_REGISTERS = re.compile(
    (
        rb"(?:\#define \w++ ++[0-9]\w*+\n"
        rb"|[ \t\n]++|/(?:\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/|/[^\n\\]*+(?=\n))"
        rb"|\#[ \t]*+(?:define[ \t]++\w++(?:[ \t]++[0-9]\w*+)?+[ \t]*+(?=[\n/])|(?:ifndef|endif)[^\n\\/]*+))*+\Z"
    ).replace(rb"\w", rb"[A-Za-z0-9_]")
)
#: Macros worth keeping: function-like ones that hold a call, and other names for something; masks are looked for apart.
_CODE_MACRO = re.compile(rb"[ \t]*+\w++(?:\([^)]*+\)[^(]*+\(|[ \t]++[ \t\\\n]*+\(?&?[A-Za-z_]\w*+\)?[ \t]*+\Z)")
#: It begins with a literal, which is found fast; whether it begins its line is looked at then.
_DEFINE = re.compile(rb"#[ \t]*+define[ \t]++([A-Za-z_]\w*+)(?:[ \t]++\(?([0-9]\w*+)\)?[ \t]*+(?:/[*/]|$))?", re.M)
#: What silences rules names them; what only looks like it is told of (GFP901).
_IGNORE = re.compile(rb"gfplint:\s*+ignore\b(?:\s*+\[([^\]\n]*+)\])?+[ \t]*+([^\n*]*+)")
_ARMS = frozenset(("if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"))
#: Bytes that may begin or end a comment, a literal or a directive.
_DOUBTFUL = frozenset(b"/\"'#\\")
_SLASH, _QUOTE, _DOUBLE_QUOTE, _NEWLINE = b"/'\"\n"
#: Every byte but a newline becomes a space.
_SPACES = bytes(10 if byte == 10 else 32 for byte in range(256))
#: Every byte but a newline becomes a mark.
_MARKS = bytes(10 if byte == 10 else ord(_MARK) for byte in range(256))
#: What no later step should meet: other bytes than ASCII, and control characters that count as white space or nothing.
_WILD = b"\0\1\r\f\v\x1c\x1d\x1e\x1f"
_TAME = bytes(95 if byte > 127 else 32 if byte in _WILD else byte for byte in range(256))


class Directive(msgspec.Struct, frozen=True, gc=False):
    """``#name text``; ``start``/``end`` span the whole directive, ``text_start`` is where the text begins."""

    name: str
    text: str
    start: int
    text_start: int
    end: int


class Source(msgspec.Struct, frozen=True, dict=True):
    """One file's text, ready to slice. ``code`` keeps every offset of ``data``."""

    data: bytes
    code: str
    directives: tuple[Directive, ...]
    suppressions: tuple[Suppression, ...] = ()
    #: The line of the file on which ``data`` starts.
    first_line: int = 1
    #: The whole file, where ``data`` is a part of it.
    whole: Source | None = None

    @cached_property
    def line_starts(self) -> list[int]:
        """Offsets at which lines start."""
        ends = accumulate(map(len, self.data.split(b"\n")[:-1]))
        return [0, *(end + line for line, end in enumerate(ends, 1))]

    @cached_property
    def ascii(self) -> bool:
        """Whether a byte is a character everywhere."""
        return self.data.isascii()

    @cached_property
    def _arms(self) -> tuple[list[int], list[Directive]]:
        arms = [d for d in self.directives if d.name in _ARMS]
        return [d.start for d in arms], arms

    def conditionals(self, start: int, end: int) -> list[Directive]:
        """The ``#if``, ``#else``, ... that start between two offsets."""
        starts, arms = self._arms
        return arms[bisect_right(starts, start) : bisect_left(starts, end)]

    @cached_property
    def numbers(self) -> dict[str, str]:
        """The macros that the file defines once, as a plain number (``#define DUMP 0``)."""
        if self.whole is not None:
            return self.whole.numbers
        found: dict[str, str] = {}
        again: set[str] = set()
        for match in _DEFINE.finditer(self.data):
            start = match.start()
            if start and self.data[start - 1] != _NEWLINE and not _begins_line(self.data, start):
                continue
            name, value = match.group(1).decode(), (match.group(2) or b"").decode()
            (again.add(name) if name in found else found.__setitem__(name, value))
        return {name: value for name, value in found.items() if value and name not in again}

    def line(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return bisect_right(self.line_starts, offset) + self.first_line - 1

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, from 1; the column counts characters."""
        line = bisect_right(self.line_starts, offset)
        start = self.line_starts[line - 1]
        line += self.first_line - 1
        if self.ascii:
            return line, offset - start + 1
        return line, len(self.data[start:offset].decode("utf-8", "replace")) + 1


def _begins_line(data: bytes, at: int) -> bool:
    """Whether nothing but blanks stands before an offset in its line."""
    return not data[data.rfind(b"\n", 0, at) + 1 : at].strip(b" \t")


def holds_code(data: bytes) -> bool:
    """Whether a file holds anything but macros that stand for numbers: a third of a tree's bytes do not."""
    return _REGISTERS.match(data) is None or b"gfplint" in data


def blank(data: bytes) -> Source:
    """Blank comments, string contents and directives of a file's bytes."""
    quick = _by_turns(data)
    if quick is not None:
        return Source(data, *_take_directives(_tamed(quick)))
    parts = _LEXICAL.split(data)
    lexemes = parts[1::2]
    parts[1::2] = [text.translate(_SPACES) if text[0] == _SLASH else _literal(text) for text in lexemes]
    source = Source(data, *_take_directives(_tamed(b"".join(parts))))
    if b"gfplint" not in data:
        return source
    return Source(data, source.code, source.directives, tuple(_suppressions(source, parts, lexemes)))


def _by_turns(data: bytes) -> bytes | None:
    """A text without comments, strings and characters, found one after the other; None where one may hold another, or
    where a comment silences rules.
    """
    if _MARK in data:
        return None
    parts = _COMMENT.split(data)
    if b"gfplint" in b"".join(parts[1::2]):
        return None
    parts[1::2] = [text.translate(_MARKS) for text in parts[1::2]]
    text = b"".join(parts)
    characters = b"'" in text
    if characters and _ODD_QUOTE.search(text):
        return None
    parts = _STRING.split(text)
    if _MARK in b"".join(parts[1::2]):
        return None
    parts[1::2] = [_literal(text) for text in parts[1::2]]
    if characters:
        parts = _CHARACTER.split(b"".join(parts))
        if _MARK in b"".join(parts[1::2]) or b"'" in b"".join(parts[::2]):
            return None
        parts[1::2] = [_literal(text) for text in parts[1::2]]
    return b"".join(parts)


def _tamed(text: bytes) -> bytes:
    if text.isascii() and not any(byte in text for byte in _WILD):
        return text
    if b"\r" in text:
        text = text.replace(b"\\\r\n", b" \\\n")
    return text.translate(_TAME)


def _literal(text: bytes) -> bytes:
    """A string or a character without its content; all of it goes where it is never closed."""
    if text[0] == _QUOTE and _NEWLINE not in text:
        return b"'" + b"0" * (len(text) - 2) + b"'"
    if len(text) > 1 and text[-1] == _DOUBLE_QUOTE:
        return b'"' + text[1:-1].translate(_SPACES) + b'"'
    return text.translate(_SPACES)


class Part(NamedTuple):
    """A span of a file, blanked alone: ``start`` and ``end`` are its offsets in ``source``."""

    source: Source
    start: int
    end: int


def blank_part(whole: Source, start: int, end: int, line: int, at: int) -> Part:
    """Blank the span ``[start, end)`` of a file alone, from the start of its line. ``line``: that of the offset ``at``,
    which stands before ``start``.

    ``whole``: the file, blanked or not. The span begins outside comments and literals. Where its line's start may not,
    the whole file is blanked.
    """
    data = whole.data
    begin = data.rfind(b"\n", 0, start) + 1
    if any(byte in _DOUBTFUL for byte in data[begin:start]):
        return Part(blank(data), start, end)
    source = blank(data[begin:end])
    first = line + data.count(b"\n", at, begin) if begin > at else line - data.count(b"\n", begin, at)
    return Part(Source(source.data, source.code, source.directives, (), first, whole), start - begin, end - begin)


def _take_directives(text: bytes) -> tuple[str, tuple[Directive, ...]]:
    """The code without its directives, and these."""
    if b"#" not in text:
        return text.decode("ascii"), ()
    parts = _DIRECTIVES.split(text)
    code = parts[::_CUTS]
    if b"#" in b"".join(code):
        return _take_indented(text)
    taken = parts[1::_CUTS]
    directives = []
    at = 0
    for before, whole, name, body in zip(code, taken, parts[2::_CUTS], parts[3::_CUTS], strict=False):
        at += len(before)
        end = at + len(whole)
        if name is not None and (name != b"define" or b"GFP" in body or _CODE_MACRO.match(body)):
            directives.append(Directive(name.decode("ascii"), body.decode("ascii"), at, end - len(body), end))
        at = end
    parts[1::_CUTS] = [whole.translate(_SPACES) for whole in taken]
    parts[2::_CUTS] = parts[3::_CUTS] = [b""] * len(taken)
    return b"".join(parts).decode("ascii"), tuple(directives)


def _take_indented(text: bytes) -> tuple[str, tuple[Directive, ...]]:
    """The same where directives begin in other columns than the first, or ``#`` stands elsewhere."""
    at = text.find(b"#")
    directives: list[Directive] = []
    pieces = []
    last = floor = 0
    while at >= 0:
        start = text.rfind(b"\n", floor, at) + 1
        if start < floor or text[start:at].strip(b" \t"):
            floor = at + 1  # it does not begin a line, nor does another one behind it in this line
            at = text.find(b"#", floor)
            continue
        match = _DIRECTIVE.match(text, at)
        if match is None:
            break
        end = match.end()
        name, body = match.groups()
        if name is not None and (name != b"define" or b"GFP" in body or _CODE_MACRO.match(body)):
            directives.append(Directive(name.decode("ascii"), body.decode("ascii"), start, match.start(2), end))
        pieces.append(text[last:start])
        pieces.append(text[start:end].translate(_SPACES))
        last = floor = end
        at = text.find(b"#", end)
    pieces.append(text[last:])
    return b"".join(pieces).decode("ascii"), tuple(directives)


def _suppressions(source: Source, parts: list[bytes], lexemes: list[bytes]) -> Iterator[Suppression]:
    """What the comments silence. ``parts``: the file cut in code and ``lexemes`` by turns."""
    starts = list(accumulate(map(len, parts), initial=0))
    for at, text in zip(starts[1::2], lexemes, strict=False):
        if text[0] == _SLASH and b"gfplint" in text and (found := _suppression(source, at, text)):
            yield found


def _suppression(source: Source, start: int, comment: bytes) -> Suppression | None:
    match = _IGNORE.search(comment)
    if not match:
        return None
    codes = tuple(c.strip().decode("utf-8", "replace") for c in (match.group(1) or b"").split(b",") if c.strip())
    reason = match.group(2).decode("utf-8", "replace").strip()
    column = source.position(start + match.start())[1]
    return Suppression(codes, reason, source.line(start + len(comment) - 1), column)
