"""Cutting a file into top-level items without a parse.

Kernel style puts a function's closing brace in column 0, which makes a file cheap to cut and confines damage: an
item whose braces do not balance (``#if`` arms, typos) ends at that brace and costs nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STOP = re.compile(r"[;{]")
_BRACE = re.compile(r"[{}]")
_PAREN = re.compile(r"[()]")
_CLOSE_AT_MARGIN = re.compile(r"^\}", re.M)
#: Longest header that is searched for a closing parenthesis (a hostile file could make this quadratic).
_HEADER_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Item:
    """A top-level item: its header is ``[start, brace)``, its braces ``[brace, end)``; ``brace`` is -1 without any."""

    start: int
    brace: int
    end: int


def items(code: str) -> Iterator[Item]:
    """Yield the top-level items of blanked code in order."""
    position, size = 0, len(code)
    while position < size:
        stop = _next_stop(code, position)
        if stop is None:
            if code[position:].strip():
                yield Item(position, -1, size)
            return
        at, char = stop
        if char == ";":
            yield Item(position, -1, at + 1)
            position = at + 1
            continue
        end = _closing(code, at)
        yield Item(position, at, end)
        position = end


def _next_stop(code: str, position: int) -> tuple[int, str] | None:
    """The next ``;`` or ``{`` outside parentheses."""
    start = position
    while True:
        match = _STOP.search(code, position)
        if not match:
            return None
        at = match.start()
        opened = code.count("(", start, at)
        if opened and opened > code.count(")", start, at) and at - start < _HEADER_LIMIT:
            close = _close_paren(code, start, at)
            if close is not None:
                position = close
                continue
        return at, match.group()


def _close_paren(code: str, start: int, at: int) -> int | None:
    """The end of the parenthesis that is open at ``at``; None where the margin shows that it never closes."""
    depth = code.count("(", start, at) - code.count(")", start, at)
    margin = _CLOSE_AT_MARGIN.search(code, at)
    limit = min(margin.start() if margin else len(code), at + 4 * _HEADER_LIMIT)
    for match in _PAREN.finditer(code, at, limit):
        depth += 1 if match.group() == "(" else -1
        if depth == 0:
            return match.end()
    return None


def _closing(code: str, brace: int) -> int:
    """The end of the braces that open at ``brace``."""
    line_end = code.find("\n", brace)
    if line_end < 0:
        line_end = len(code)
    if code.count("{", brace, line_end) == code.count("}", brace, line_end):
        return _balanced(code, brace, line_end) or code.rfind("}", brace, line_end) + 1
    match = _CLOSE_AT_MARGIN.search(code, brace + 1)
    if match:
        end = match.end()
        if code.count("{", brace, end) == code.count("}", brace, end):
            return end
        inner = _balanced(code, brace, end)
        return inner or end
    return _balanced(code, brace, len(code)) or len(code)


def _balanced(code: str, brace: int, limit: int) -> int | None:
    depth = 0
    for match in _BRACE.finditer(code, brace, limit):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.end()
    return None
