"""Source lines for reports, from a reader of bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from gfplint.report.presentation import LineReader
from gfplint.tree.errors import UnreadableError

_KEPT_FILES = 64  # a finding's trace moves between few files, and findings are sorted by file


def reader(read: Callable[[str], bytes]) -> LineReader:
    """Lines by path from bytes by path; a file that can't be read has none. Only a newline ends a line, as in C."""

    @lru_cache(maxsize=_KEPT_FILES)
    def lines(path: str) -> list[str]:
        try:
            text = read(path).decode("utf-8", "surrogateescape")
        except (UnreadableError, OSError):
            return []
        return [line.removesuffix("\r") for line in text.split("\n")]

    return lines
