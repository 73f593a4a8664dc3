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
#: Characters of these together, at most: a hostile file may repeat long names before each of very many entries.
_MAX_LENGTH = 1_000
#: What a token is, by its last group.
_MEMBER, _WORD, _OPENING, _EMPTY = 1, 2, 3, 4
Group = tuple[str, tuple[Entry, ...]]


class _Level(NamedTuple):
    """Open braces of an initialiser: the members that lead here, with a dot behind each, and how many they are; the
    entries to add to, and whose they are.
    """

    path: str
    length: int
    entries: list[Entry]
    owner: bool
    literal: str


#: Stands for braces around all of it.
_OUTSIDE = _Level("", 0, [], False, "")


def table_entries(line: int, body: str, depth: int) -> list[Group]:
    """The ``.member = value`` pairs of an initialiser, a group for each element of an array (``depth`` 2).

    ``line``: that on which the ``body`` starts, with its brace. A group comes with ``""``, or with the type's name
    where it is a literal that a member points to.
    """
    if body.find("{", 1) < 0:
        return _flat(line, body)
    groups: list[Group] = []
    above: list[_Level] = []
    level = _OUTSIDE
    path, entries = "", level.entries
    pending = literal = ""
    last = 0
    count = body.count
    for match in _TOKEN.finditer(body):
        kind = match.lastindex
        if kind == _WORD:
            if above:
                member, value = match.group(1, 2)
                at = match.start()
                line += count("\n", last, at)
                last = at
                entries.append(Entry(path + member, value, line))
        elif kind == _MEMBER:
            member = match[1]
            at = match.end()
            opening = _LITERAL.match(body, at, at + 120)
            if opening or body.startswith("{", at):
                pending = member
                literal = opening.group(1) if opening and body[at] == "&" else ""
            elif above and (text := _VALUE.match(body, at)):
                at = match.start()
                line += count("\n", last, at)
                last = at
                entries.append(Entry(path + member, text.group(1).strip(), line))
        elif kind == _OPENING:
            opened = len(above)
            above.append(level)
            if literal or opened < depth:
                level = _Level("", 0, [], True, literal)
            elif pending and level.length < _MAX_PATH and len(path) + len(pending) < _MAX_LENGTH:
                level = _Level(f"{path}{pending}.", level.length + 1, entries, False, "")
            else:
                level = _Level(path, level.length, entries, False, "")
            path, entries = level.path, level.entries
            pending = literal = ""
        elif kind == _EMPTY:
            pending = literal = ""
        elif above:
            if level.owner and entries:
                groups.append((level.literal, tuple(entries)))
            level = above.pop()
            path, entries = level.path, level.entries
    # What is never closed.
    groups += [(one.literal, tuple(one.entries)) for one in (*above, level) if one.owner and one.entries]
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
