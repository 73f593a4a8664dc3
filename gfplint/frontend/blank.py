"""Blanking: comments, string contents and directives give way to spaces, so that offsets and lines stay.

``Source`` is what every later step reads: ``code`` has the length of the file, is pure ASCII and holds no comment, no
string content and no directive; the directives themselves are listed apart.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from gfplint.facts import Suppression

_LEXICAL = re.compile(
    rb'/\*(?s:.*?)(?:\*/|\Z)|//(?:[^\n\\]|\\(?s:.))*|"(?:[^"\\\n]|\\(?s:.))*"|\'(?:[^\'\\\n]|\\(?s:.))*\''
)
_DIRECTIVE = re.compile(rb"^[ \t]*+#[ \t]*+(\w*+)([^\n\\]*+(?:\\(?s:.)[^\n\\]*+)*+)", re.M)
#: Macros worth keeping: function-like ones that hold a call or a mask, masks, and other names for something.
_CODE_MACRO = re.compile(
    rb"[ \t]*+\w++(?:\([^)]*+\)[^(]*+(?:\(|GFP_)|[ \t]++(?=[^\n]*GFP|[ \t\\\n]*+\(?&?[A-Za-z_]\w*+\)?[ \t]*+$))"
)
_IGNORE = re.compile(rb"gfplint:\s*ignore\s*(?:\[([^\]\n]*)\])?[ \t]*([^\n*]*)")
_NOT_ASCII = bytes(range(128)) + b"_" * 128


class Directive(NamedTuple):
    """``#name text``; ``start``/``end`` span the whole directive, ``text_start`` is where the text begins."""

    name: str
    text: str
    start: int
    text_start: int
    end: int


@dataclass(frozen=True)
class Source:
    """One file's text, ready to slice. ``code`` keeps every offset of ``data``."""

    data: bytes
    code: str
    directives: tuple[Directive, ...]
    suppressions: tuple[Suppression, ...] = field(default=())

    @cached_property
    def line_starts(self) -> list[int]:
        """Offsets at which lines start."""
        return [0, *(m.end() for m in re.finditer(b"\n", self.data))]

    @cached_property
    def ascii(self) -> bool:
        """Whether a byte is a character everywhere."""
        return self.data.isascii()

    def line(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return bisect_right(self.line_starts, offset)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, from 1; the column counts characters."""
        line = bisect_right(self.line_starts, offset)
        start = self.line_starts[line - 1]
        if self.ascii:
            return line, offset - start + 1
        return line, len(self.data[start:offset].decode("utf-8", "replace")) + 1


def blank(data: bytes) -> Source:
    """Blank comments, string contents and directives of a file's bytes."""
    comments: list[tuple[int, bytes]] = []
    watch = b"gfplint" in data

    def replace(match: re.Match[bytes]) -> bytes:
        text = match.group()
        first = text[0]
        if first == 0x2F:  # a comment
            if watch and b"gfplint" in text:
                comments.append((match.start(), text))
            if b"\n" not in text:
                return b" " * len(text)
            return b"\n".join([b" " * len(part) for part in text.split(b"\n")])
        quote = text[:1]
        inner = b" " if first == 0x22 else b"0"
        if b"\n" in text:  # a continued string
            return quote + b"\n".join([b" " * len(p) for p in text[1:-1].split(b"\n")]) + quote
        return quote + inner * (len(text) - 2) + quote

    text = _LEXICAL.sub(replace, data)
    if not text.isascii():
        text = text.translate(_NOT_ASCII)
    code, directives = _take_directives(text.replace(b"\r", b" ").replace(b"\0", b" ").replace(b"\f", b" "))
    source = Source(data, code, directives)
    if not comments:
        return source
    return Source(data, code, directives, tuple(s for at, c in comments if (s := _suppression(source, at, c))))


def _take_directives(text: bytes) -> tuple[str, tuple[Directive, ...]]:
    if b"#" not in text:
        return text.decode("ascii"), ()
    directives = []
    pieces = []
    last = 0
    for match in _DIRECTIVE.finditer(text):
        start, end = match.span()
        name, body = match.groups()
        if name != b"define" or _CODE_MACRO.match(body):
            directives.append(Directive(name.decode("ascii"), body.decode("ascii"), start, match.start(2), end))
        pieces.append(text[last:start])
        if b"\n" in body:
            pieces.append(b"\n".join([b" " * len(p) for p in match.group().split(b"\n")]))
        else:
            pieces.append(b" " * (end - start))
        last = end
    pieces.append(text[last:])
    return b"".join(pieces).decode("ascii"), tuple(directives)


def _suppression(source: Source, start: int, comment: bytes) -> Suppression | None:
    match = _IGNORE.search(comment)
    if not match:
        return None
    codes = tuple(c.strip().decode("utf-8", "replace") for c in (match.group(1) or b"").split(b",") if c.strip())
    reason = match.group(2).decode("utf-8", "replace").strip()
    column = source.position(start + match.start())[1]
    return Suppression(codes, reason, source.line(start + len(comment) - 1), column)
