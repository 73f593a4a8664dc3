"""The text of a call: where its name and its arguments stand in the file, found on demand.

Facts hold the place of a call, not of its arguments. A fix needs these exactly: they are read from the blanked source
between the call's parentheses. What can't be found for certain is None.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from gfplint.facts import Place
from gfplint.frontend.blank import Source

_CALL = re.compile(r"([A-Za-z_]\w*+)\s*+\(", re.ASCII)
_NESTING = re.compile(r"[()\[\]{},]")


class Span(NamedTuple):
    """Byte offsets of the file, end exclusive."""

    start: int
    end: int


class CallText(NamedTuple):
    """A call as written: its name, the whole, and its arguments without the white space around them."""

    name: Span
    whole: Span
    args: tuple[Span, ...]


def offset_of(source: Source, line: int, column: int) -> int | None:
    """The offset of a line and column (in characters, from 1); None where the file has no such place."""
    starts = source.line_starts
    if not 1 <= line <= len(starts):
        return None
    start = starts[line - 1]
    end = starts[line] if line < len(starts) else len(source.data) + 1
    if source.ascii:
        at = start + column - 1
    else:
        text = source.data[start:end].decode("utf-8", "surrogateescape")
        at = start + len(text[: column - 1].encode("utf-8", "surrogateescape"))
    return at if start <= at < end else None


def call_text(source: Source, place: Place) -> CallText | None:
    """The call that stands at ``place``; None where what stands there is no plain call ``name(args)``."""
    start = offset_of(source, place.line, place.column)
    end = offset_of(source, place.end_line, place.end_column)
    if start is None or end is None:
        return None
    code = source.code
    match = _CALL.match(code, start, end)
    if match is None or code[end - 1] != ")":
        return None
    cuts = [match.end() - 1]
    depth = 0
    for found in _NESTING.finditer(code, match.end(), end - 1):
        char = found.group()
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                return None
        elif depth == 0:
            cuts.append(found.start())
    if depth:
        return None
    cuts.append(end - 1)
    spans = tuple(trimmed(code, Span(a + 1, b)) for a, b in pairwise(cuts))
    if len(spans) == 1 and spans[0].start == spans[0].end:
        spans = ()
    return CallText(Span(*match.span(1)), Span(start, end), spans)


def trimmed(code: str, span: Span) -> Span:
    """A span without the white space at its ends."""
    start, end = span
    while start < end and code[start].isspace():
        start += 1
    while end > start and code[end - 1].isspace():
        end -= 1
    return Span(start, end)


def is_plain(source: Source, span: Span) -> bool:
    """Whether a span holds code alone: no comment, no string, no directive."""
    piece = source.data[span.start : span.end]
    return piece.isascii() and piece.decode("ascii") == source.code[span.start : span.end]


def has_directive(source: Source, span: Span) -> bool:
    """Whether a directive such as ``#if`` stands in a span."""
    return any(d.start < span.end and d.end > span.start for d in source.directives)


def statement_lines(source: Source, call: Span) -> Span | None:
    """The lines of a statement that is this call alone, the last newline included; None where they hold more."""
    data = source.data
    end = call.end
    while end < len(data) and data[end : end + 1].isspace():
        end += 1
    if data[end : end + 1] != b";":
        return None
    end += 1
    newline = data.find(b"\n", end)
    first = data.rfind(b"\n", 0, call.start) + 1
    if newline < 0 or data[end:newline].strip() or data[first : call.start].strip():
        return None
    return Span(first, newline + 1)
