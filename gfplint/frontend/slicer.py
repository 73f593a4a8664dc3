"""Cutting a file into top-level items without a parse.

Kernel style puts a function's braces in column 0, which makes a file cheap to cut and confines damage: an item whose
braces do not balance (``#if`` arms, typos) ends at that brace and costs nothing else.
"""

from __future__ import annotations

import re

import msgspec

_BRACE = re.compile(r"[{}]")
_PAREN = re.compile(r"[()]")
#: Longest line that is searched for an item's end, and longest text searched for a header's closing parenthesis.
_LINE_LIMIT = 5_000
_HEADER_LIMIT = 80_000


class Item(msgspec.Struct, frozen=True, gc=False):
    """A top-level item: its header is ``[start, brace)``, its braces ``[brace, end)``; ``brace`` is -1 without any."""

    start: int
    brace: int
    end: int


class Slicer:
    """Cuts blanked code into items, one after the other. Time grows with the code's length, whatever it holds."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.next_margin = self.next_semicolon = self.next_brace = -1
        #: Characters that may still be spent in looking for parentheses that never close.
        self.patience = 4 * len(code) + _HEADER_LIMIT

    def item(self, position: int) -> Item | None:
        """The item that begins at an offset; None where nothing follows."""
        code = self.code
        at = self.stop(position)
        if at < 0:
            return Item(position, -1, len(code)) if code[position:].strip() else None
        if code[at] == ";":
            return Item(position, -1, at + 1)
        return Item(position, at, self.closing(at))

    def plain(self, brace: int) -> int:
        """The end of braces that open and close in column 0, as ``closing`` finds it; 0 where it has to look closer.

        ``brace`` stands alone on its line.
        """
        code = self.code
        close = code.find("}", brace)
        margin = self.next_margin
        if margin <= brace:  # nearly always
            found = code.find("\n}", brace)
            margin = self.next_margin = found + 2 if found >= 0 else len(code)
        if close < 0 or (close != margin - 1 and code.find("{", brace + 1, close) < 0):
            return 0
        return margin if code.find("\n{", brace, margin) < 0 else 0

    def margin(self, position: int) -> int:
        """The end of the next ``}`` in column 0; the end of the code where there is none."""
        if self.next_margin <= position:
            found = self.code.find("\n}", position)
            self.next_margin = found + 2 if found >= 0 else len(self.code)
        return self.next_margin

    def stop(self, start: int) -> int:
        """The next ``;`` or ``{`` outside parentheses; -1 without any."""
        code, position = self.code, start
        while (at := self._next(position)) < len(code):
            opened = code.count("(", position, at)
            if not opened or opened <= code.count(")", position, at):
                return at
            close = self._close_paren(position, at)
            if close < 0:
                return at
            position = close
        return -1

    def _next(self, position: int) -> int:
        """The next ``;`` or ``{``; the end of the code where there is none."""
        if self.next_semicolon < position:
            found = self.code.find(";", position)
            self.next_semicolon = found if found >= 0 else len(self.code)
        if self.next_brace < position:
            found = self.code.find("{", position)
            self.next_brace = found if found >= 0 else len(self.code)
        return min(self.next_semicolon, self.next_brace)

    def _close_paren(self, start: int, at: int) -> int:
        """The end of the parenthesis that is open at ``at``; -1 where the margin shows that it never closes."""
        code = self.code
        depth = code.count("(", start, at) - code.count(")", start, at)
        limit = min(self.margin(at), at + _HEADER_LIMIT)
        if self.patience < 0:
            return -1
        for match in _PAREN.finditer(code, at, limit):
            depth += 1 if match.group() == "(" else -1
            if depth == 0:
                return match.end()
        self.patience -= limit - at
        return -1

    def closing(self, brace: int) -> int:
        """The end of the braces that open at ``brace``."""
        code = self.code
        close = code.find("}", brace)
        if close < 0:
            return len(code)
        if code.find("{", brace + 1, close) < 0:
            return close + 1
        line_end = code.find("\n", brace, brace + _LINE_LIMIT)
        if line_end < 0:
            line_end = min(brace + _LINE_LIMIT, len(code))
        if close < line_end and (end := self._balanced(brace, line_end)):
            return end
        margin = self.margin(brace)
        if code.startswith("\n", brace - 1) and code.find("\n{", brace, margin) < 0:
            return margin
        if self._is_initialiser(brace, margin):
            return margin
        return self._balanced(brace, margin) or margin

    def _is_initialiser(self, brace: int, margin: int) -> bool:
        """Whether what opens at ``brace`` is one initialiser that ends at ``margin``, as far as counting tells."""
        code = self.code
        return (
            "=" in code[max(brace - 2, 0) : brace]
            and code.startswith("}", margin - 1)
            and code.find(";", brace, margin) < 0
            and code.count("{", brace, margin) == code.count("}", brace, margin)
        )

    def _balanced(self, brace: int, limit: int) -> int:
        """The end of the braces where they balance before ``limit``; 0 where they do not."""
        depth = 0
        for match in _BRACE.finditer(self.code, brace, limit):
            depth += 1 if match.group() == "{" else -1
            if depth == 0:
                return match.end()
        return 0
