"""Initialisers: the ``.member = value`` pairs of a variable's braces, found with regular expressions alone."""

from __future__ import annotations

import re
from typing import NamedTuple

from gfplint.facts import Entry

#: A member and its value, of one word or another text, where no braces stand inside others.
_PAIR = re.compile(
    r"\.([A-Za-z_]\w*+)\s*+=\s*+(?:(?:&\s*+)?+(\w{1,50}+)\s{0,9}+(?=[,}])"
    r"|(?=(?:&\s*+)?+(?:\([^()]*+\)\s*+)?([^,{}]{1,60})))?+",
    re.ASCII,
)
#: A value of one word comes along. Braces without members in them are one token.
_TOKEN = re.compile(
    r"\.([A-Za-z_]\w*+)\s*+=\s*+(?:(?:&\s*+)?+(\w{1,50}+)\s{0,9}+(?=[,}]))?+|(\{)(?:[^{}.]*+(\}))?+|(\})", re.ASCII
)
_VALUE = re.compile(r"(?:&\s*+)?+(?:\([^()]*+\)\s*+)?([^,{}]{1,60})", re.ASCII)
_LITERAL = re.compile(
    r"&?\s*+\(\s*+(?:const\s++)?+(?:struct\s++|union\s++)?+(\w++)\s*+(?:\[[^\]]{0,40}\]\s*+)?+\)\s*+\{", re.ASCII
)
#: Nested braces whose members' names an entry carries.
_MAX_PATH = 16
#: What a token is, by its last group.
_MEMBER, _WORD, _OPENING, _EMPTY = 1, 2, 3, 4
Group = tuple[str, tuple[Entry, ...]]


class _Level(NamedTuple):
    """Open braces of an initialiser: the members that lead here, the entries to add to, whose they are."""

    path: tuple[str, ...]
    entries: list[Entry]
    owner: bool
    literal: str


def table_entries(line: int, body: str, depth: int) -> list[Group]:
    """The ``.member = value`` pairs of an initialiser, a group for each element of an array (``depth`` 2).

    ``line``: that on which the ``body`` starts, with its brace. A group comes with ``""``, or with the type's name
    where it is a literal that a member points to.
    """
    if body.find("{", 1) < 0:
        return _flat(line, body)
    groups: list[Group] = []
    levels: list[_Level] = []
    pending = literal = ""
    last = 0
    for match in _TOKEN.finditer(body):
        kind = match.lastindex
        if kind == _WORD:
            if levels:
                member, value = match.group(1, 2)
                path = levels[-1].path
                at = match.start()
                line += body.count("\n", last, at)
                last = at
                levels[-1].entries.append(Entry(".".join([*path, member]) if path else member, value, line))
        elif kind == _MEMBER:
            member = match[1]
            at = match.end()
            opening = _LITERAL.match(body, at, at + 120)
            if opening or body.startswith("{", at):
                pending = member
                literal = opening.group(1) if opening and body[at] == "&" else ""
            elif levels and (text := _VALUE.match(body, at)):
                at = match.start()
                line += body.count("\n", last, at)
                last = at
                member = ".".join([*levels[-1].path, member])
                levels[-1].entries.append(Entry(member, text.group(1).strip(), line))
        elif kind == _OPENING:
            if literal or len(levels) < depth:
                levels.append(_Level((), [], True, literal))
            else:
                above = levels[-1]
                path_here = (*above.path, pending) if pending and len(above.path) < _MAX_PATH else above.path
                levels.append(_Level(path_here, above.entries, False, ""))
            pending = literal = ""
        elif kind == _EMPTY:
            pending = literal = ""
        elif levels:
            level = levels.pop()
            if level.owner and level.entries:
                groups.append((level.literal, tuple(level.entries)))
    groups += [(level.literal, tuple(level.entries)) for level in levels if level.owner and level.entries]
    return groups


def _flat(line: int, body: str) -> list[Group]:
    """The same of an initialiser without braces inside."""
    entries = []
    last = 0
    for match in _PAIR.finditer(body):
        member, word, text = match.groups()
        if word or text:
            at = match.start()
            line += body.count("\n", last, at)
            last = at
            entries.append(Entry(member, word or text.strip(), line))
    return [("", tuple(entries))] if entries else []
