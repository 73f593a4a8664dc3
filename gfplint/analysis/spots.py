"""Where a function's text assigns, and the variables and members that it names there and in arguments of calls.

Expressions that begin with a literal are found many times faster than those that begin with any word: what assigns is
looked for in the text turned around, where ``=`` stands first and what is assigned to behind it.
"""

from __future__ import annotations

import re

import msgspec

from gfplint.analysis.bases import Parts, base_of

#: ``name[i] =``, turned around, with the plain path that leads to the name, and the operator that stands before it.
_TARGET = re.compile(
    r"=(?<!==)\s*+(?:\][^\]\[]*+\[\s*+)*+(\w++)((?:\s*+(?:>-|\.)\s*+\w++)*+)(?:\s*+(>-|\.))?+", re.ASCII
)
#: What is assigned, in the order of the kinds below.
_KIND = re.compile(
    r"\s*+(?:((?:-?[0-9]\w*+|NULL|true|false)\s*+\Z)|([A-Z][A-Z0-9_]*+\s*+\Z)"
    r"|([A-Za-z_]\w*+(?:(?:->|\.)[A-Za-z_]\w*+)*+)\s*+\Z|(?:\([\w\s]++\*\s*+\)\s*+)?([A-Za-z_]\w*+)\s*+\()",
    re.ASCII,
)
NUMBER, CONSTANT, PATH, CALL = 1, 2, 3, 4
#: Values longer than this are read up to here.
_VALUE = 500
#: How the value of statements begins, which is that of the last of them.
_STATEMENTS = (" ({", "({")
#: An argument that is a path, or the address of one.
_ARGUMENT = re.compile(r"\s*+&?\s*+((?:[A-Za-z_]\w*+(?:->|\.))*+)([A-Za-z_]\w*+)\s*+\Z", re.ASCII)
_WORD = re.compile(r"([A-Za-z_]\w*+)(?:\s*+\()?", re.ASCII)
_PART = re.compile(r"\w+", re.ASCII)
INDEX = re.compile(r"\[[^\]]*+\]")
#: White space between a member and the operator before it.
_BEFORE = 40


class Spot(msgspec.Struct, frozen=True, gc=False):
    """The last component of a path: its name, whether it is a member, and what leads to it: as ``lead`` where that is
    plain (``x->y.``), else what stands before ``at`` in ``text``.
    """

    name: str
    member: bool
    lead: str
    text: str = ""
    at: int = 0

    @property
    def key(self) -> str:
        """What the function's memory knows it by."""
        return "." + self.name if self.member else self.name

    @property
    def base(self) -> Parts | None:
        """The path that leads to it (``bases.base_of``)."""
        return tuple(_PART.findall(self.lead)) if self.lead else base_of(self.text, self.at)


#: A name that is given something other than a number; where it is a member the spot of that; what it is given, and its
#: kind: 0 for any but a constant, a path or what begins with a call; the path, or the name of what is called.
Assignment = tuple[str, Spot | None, str, int, str]


def assignments(code: str) -> list[Assignment]:
    """The assignments of a text, in its order; those of numbers are left out."""
    size = len(code)
    found: list[Assignment] = []
    for match in _TARGET.finditer(code[::-1]):
        back, lead, operator = match.groups()
        if back[-1].isdigit():
            continue
        end = size - match.start()
        stop = code.find(";", end, end + _VALUE)
        if stop < 0:
            stop = min(end + _VALUE, size)
        value = _KIND.match(code, end, stop)
        kind, word = 0, ""
        if value is not None and value.lastindex is not None:
            kind = value.lastindex
            if kind == NUMBER:
                continue
            word = value.group(kind)
        elif code.startswith(_STATEMENTS, end, stop):
            stop = code.find("})", end, end + _VALUE) + 1 or stop
        name = back[::-1]
        spot = None
        if lead or operator:
            # A path that something stands before with an operator is no plain one.
            spot = Spot(name, True, "" if operator else lead[::-1], code, size - match.end(1))
        found.append((name, spot, code[end:stop], kind, word))
    found.reverse()
    return found


def last(text: str) -> Spot | None:
    """The last component of the path that an argument is; None where it is none."""
    plain = _ARGUMENT.match(text)
    if plain is not None:
        lead, name = plain.groups()
        return Spot(name, bool(lead), lead)
    bare = INDEX.sub("", text)
    words = _WORD.findall(bare)
    if not words:
        return None
    name = words[-1]
    at = bare.rstrip(" \t\n)").rfind(name)
    return Spot(name, _is_member(bare, at), "", bare, at)


def of_path(path: str) -> Spot:
    """The last component of a plain path."""
    at = max(path.rfind("."), path.rfind(">")) + 1
    return Spot(path[at:], at > 0, path[:at])


def _is_member(text: str, at: int) -> bool:
    """Whether the name at an offset is a member's."""
    before = text[at - 1 : at]
    if before.isspace():
        return text[max(at - _BEFORE, 0) : at].rstrip().endswith(("->", "."))
    return before == "." or (before == ">" and text[at - 2 : at - 1] == "-")
