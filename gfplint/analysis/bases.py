"""Of which struct a member in a text is: told from the declarations of the variables, before anything is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gfplint.analysis.holders import Declared, type_of_parts
from gfplint.facts import Param
from gfplint.frontend.header import signature

#: A declaration: its type, and its declarators up to the first bracket. Behind a bracket only that of a loop is one.
_DECLARED = re.compile(
    r"[;{}:(](?:(?<!\()|(?<=for\()|(?<=for \())\s*+"
    r"(?:(?:static|const|volatile|register|unsigned|signed)\s++)*+(?:(?:struct|union)\s++)?"
    r"([A-Za-z_]\w*+)((?:\s*+\*|\s++[A-Za-z_])[^;(){}]*+)",
    re.ASCII,
)
_INNER = re.compile(r"\([^()]*+\)|\{[^{}]*+\}")
#: A variable that is declared or assigned to, and not only named.
_SET = re.compile(
    r"(?:\A|(?<=[\s*,;{}()]))([A-Za-z_]\w*+)(?=\s*+(?:\[[^\];]{0,200}+\]\s*+)*+(?:=(?!=)|[;,]|__|\+\+|--|[-+]=))",
    re.ASCII,
)
_DECLARATOR = re.compile(r"[\s*]*+(?:(?:const|__\w++)\s++(?=[\w*]))*+[\s*]*+([A-Za-z_]\w*+)", re.ASCII)
_NO_TYPES = frozenset(
    ("return", "goto", "else", "case", "sizeof", "break", "continue", "do", "typedef", "typeof", "struct", "union")
)
#: What stands in brackets before a member: a cast, an address or a dereference of a path.
_BRACKETED = re.compile(
    r"\s*+(?:\([\w\s]++[*\s]*+\)\s*+)?[&*]?\s*+([A-Za-z_]\w*+(?:\s*+(?:->|\.)\s*+\w++)*+)\s*+", re.ASCII
)
_PART = re.compile(r"\w+", re.ASCII)
_INDEX = re.compile(r"\[[^\]]*+\]")
#: Characters that are read back from a member.
_LONGEST = 300

Parts = tuple[str, ...]
#: A record, as holders name it; "": one that is not known.
Base = str
UNKNOWN: tuple[Base, ...] = ("",)


def base_of(text: str, end: int) -> Parts | None:
    """The path that ``text[:end]``, which ends in ``->`` or ``.``, leads to a member by.

    () where it is a call, or where a member is initialised: nothing that has a place; None where it is another thing.
    """
    text = text[max(end - _LONGEST, 0) : end]
    parts: list[str] = []
    at = len(text)
    while True:
        at = _strip(text, at)
        if text.endswith("->", 0, at):
            at -= 2
        elif text.endswith(".", 0, at):
            at -= 1
        else:
            return tuple(reversed(parts))
        at = _strip(text, at)
        while at and text[at - 1] == "]":
            at = _strip(text, _opening(text, at, "[", "]"))
        if at and text[at - 1] == ")":
            opening = _opening(text, at, "(", ")")
            left = _strip(text, opening)
            before = text[left - 1 : left] if left else " "
            if before.isalnum() or before in "_)]":
                return ()
            inner = _BRACKETED.fullmatch(_INDEX.sub("", text[opening + 1 : at - 1]))
            return (*_PART.findall(inner.group(1)), *reversed(parts)) if inner else None
        start = at
        while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
            start -= 1
        if start == at:
            return ()
        parts.append(text[start:at])
        at = start


def _strip(text: str, end: int) -> int:
    while end and text[end - 1].isspace():
        end -= 1
    return end


def _opening(text: str, end: int, opens: str, closes: str) -> int:
    """The offset of the bracket that the one before ``end`` closes; 0 where there is none."""
    depth = 0
    for at in range(end - 1, -1, -1):
        char = text[at]
        depth += (char == closes) - (char == opens)
        if not depth:
            return at
    return 0


class Bases:
    """The records that the members in one function's body are of."""

    def __init__(self, header: str, code: str, known: Declared) -> None:
        self.header = header
        self.code = code
        self.known = known
        self._types: dict[str, set[str]] = {}
        self._params: tuple[Param, ...] | None = None
        self._declarations: list[tuple[str, str]] | None = None
        self._assigned: frozenset[str] | None = None
        self._found: dict[Parts, tuple[Base, ...]] = {}
        self._led: dict[str, tuple[Base, ...]] = {}

    def led(self, lead: str) -> tuple[Base, ...]:
        """The records that a plain path leads to, with the operator behind it (``x->y.``)."""
        found = self._led.get(lead)
        if found is None:
            found = self._led[lead] = self.records(tuple(_PART.findall(lead)))
        return found

    def records(self, parts: Parts | None) -> tuple[Base, ...]:
        """The records that a path may lead to; () where the path has no place that others know."""
        if parts is None:
            return UNKNOWN
        if not parts:
            return ()
        found = self._found.get(parts)
        if found is None:
            found = self._found[parts] = self._records(parts)
        return found

    def _records(self, parts: Parts) -> tuple[Base, ...]:
        name = parts[0]
        types = self.types(name)
        if not types:
            variable = self.known.global_type(name)
            if variable is None:
                return UNKNOWN if self._set(name) else ()
            types = {variable.type}
        found = []
        for kind in sorted(types):
            path = type_of_parts(list(parts), {name: (kind, 0)}, self.known) if len(parts) > 1 else [(kind, 0)]
            if len(path) < len(parts) or not path[-1][0]:
                return () if len(types) == 1 and name in self.header and not self._set(name) else UNKNOWN
            found.append(self.known.record_key(path[-1][0]))
        return tuple(dict.fromkeys(found))

    def _set(self, name: str) -> bool:
        """Whether a text may declare a variable, or assign to it: where it does not, no path to it is another's, and
        nobody knows a member behind it whose struct the types on the way don't tell (``holders_of``).
        """
        if self._assigned is None:
            self._assigned = frozenset(_SET.findall(self.code))
        return name in self._assigned

    def types(self, name: str) -> set[str]:
        """The types of the parameters and local variables of a name, as far as they may have members."""
        found = self._types.get(name)
        if found is None:
            found = self._types[name] = self._types_of(name)
        return found

    def _types_of(self, name: str) -> set[str]:
        found: set[str] = set()
        if name in self.header:
            if self._params is None:
                self._params = signature(self.header).params
            found.update(param.type for param in self._params if param.name == name)
        if self._declarations is None:
            self._declarations = list(_declarations(self.code))
        for kind, declarators in self._declarations:
            if name in declarators and kind not in found:
                for text in declarators.split(","):
                    if name in text and (declared := _DECLARATOR.match(text)) and declared.group(1) == name:
                        found.add(kind)
        return found


def _declarations(code: str) -> Iterator[tuple[str, str]]:
    """The declarations of a text: a type, and declarators without what stands in brackets."""
    code = ";" + code  # the end of what stands before the text begins a declaration, too
    for match in _DECLARED.finditer(code):
        kind, declarators = match.groups()
        if kind in _NO_TYPES:
            continue
        end = match.end()
        if code.startswith(("(", "{"), end):
            # A variable may follow behind the brackets.
            stop = code.find(";", end)
            last = max(code.rfind(")", end, stop), code.rfind("}", end, stop))
            if code.find(",", last, stop) >= 0:
                declarators = _bare(code[match.start(2) : stop])
        yield kind, declarators


def _bare(text: str) -> str:
    """A text without what stands in brackets."""
    found = 1
    while found:
        text, found = _INNER.subn("", text)
    return text
