"""Calls, and other uses of a name, as they are written in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PAREN = re.compile(r"[(),]")
_OPENS = re.compile(r"\s*+\(")
#: Arguments longer than this are read up to here.
_MAX_LENGTH = 2000


def arguments(code: str, name: str) -> Iterator[list[str]]:
    """The argument texts of every call of a name."""
    for end in _ends(code, name):
        opening = _OPENS.match(code, end)
        if opening is not None:
            yield _split(code, opening.end() - 1)


def uncalled(code: str, name: str) -> Iterator[int]:
    """The offsets where a name stands and no bracket of a call behind it."""
    for end in _ends(code, name):
        if not _in_word(code[end : end + 1]) and not _OPENS.match(code, end):
            yield end - len(name)


def places(code: str, name: str) -> Iterator[int]:
    """The offsets where a name stands as a word."""
    return (end - len(name) for end in _ends(code, name) if not _in_word(code[end : end + 1]))


def is_word(code: str, at: int, length: int) -> bool:
    """Whether what stands at an offset is no part of a longer word."""
    return not _in_word(code[at - 1 : at]) and not _in_word(code[at + length : at + length + 1])


def _ends(code: str, name: str) -> Iterator[int]:
    """The ends of a name where no longer word ends with it."""
    at = code.find(name)
    while at >= 0:
        end = at + len(name)
        if not _in_word(code[at - 1 : at]):
            yield end
        at = code.find(name, end)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"


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
