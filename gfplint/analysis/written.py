"""Calls as they are written in a function's text."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PAREN = re.compile(r"[(),]")
#: Arguments longer than this are read up to here.
_MAX_LENGTH = 2000


def arguments(code: str, name: str) -> Iterator[list[str]]:
    """The argument texts of every call of a name."""
    at = code.find(name)
    while at >= 0:
        end = at + len(name)
        before = code[at - 1] if at else " "
        if not (before.isalnum() or before == "_"):
            opening = end
            while opening < len(code) and code[opening] in " \t\n":
                opening += 1
            if opening < len(code) and code[opening] == "(":
                yield _split(code, opening)
        at = code.find(name, end)


def _split(code: str, opening: int) -> list[str]:
    closing = code.find(")", opening, opening + _MAX_LENGTH)
    if closing >= 0 and code.find("(", opening + 1, closing) < 0:
        return code[opening + 1 : closing].split(",")
    args: list[str] = []
    depth, last = 0, opening + 1
    for match in _PAREN.finditer(code, opening, opening + _MAX_LENGTH):
        char = match.group()
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                args.append(code[last : match.start()])
                break
        elif depth == 1:
            args.append(code[last : match.start()])
            last = match.end()
    return args
