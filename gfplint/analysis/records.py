"""The members of a struct, read from the text of its definition."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gfplint.analysis.holders import INNER
from gfplint.facts import Param
from gfplint.frontend.header import parse_declarator, split_top

_BRACE = re.compile(r"[{}]")
#: What a member is said to be, with arguments (``__counted_by(n)``, ``__attribute__((aligned(8)))``), and no type.
_ATTRIBUTE = re.compile(
    r"\b__(?!typeof|DECLARE|struct_group)\w++\s*+\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\)", re.ASCII
)
_SIZE = re.compile(r"\[[^\[\]]*+\]")
#: What stands before the first member of a group (include/uapi/linux/stddef.h).
_GROUP = re.compile(r"\bstruct_group\s*+\(\s*+\w++\s*+,", re.ASCII)


class Members:
    """The members of one struct; those of structs inside it count as its own, and the type of an inner one is INNER.

    Few of them are ever asked for: a declaration is read when a name in it is.
    """

    def __init__(self, text: str) -> None:
        """``text``: the blanked text from brace to brace."""
        inner = text[1:-1]
        if "{" in inner:
            inner = _BRACE.sub(_flattened, inner)
        if "(" in inner:
            inner = _GROUP.sub(";", _SIZE.sub("[]", _ATTRIBUTE.sub("", inner)))
        self._declarations = inner.split(";")
        self._found: dict[str, Param | None] = {}

    def get(self, name: str) -> Param | None:
        """A member; of several declarations of one name the first counts."""
        if name in self._found:
            return self._found[name]
        found = None
        for declaration in self._declarations:
            if name in declaration:
                found = next((member for known, member in _declared(declaration) if known == name), None)
                if found is not None:
                    break
        self._found[name] = found
        return found

    def all(self) -> dict[str, Param]:
        """All members by their names."""
        found: dict[str, Param] = {}
        for declaration in self._declarations:
            for name, member in _declared(declaration):
                found.setdefault(name, member)
        return found


def _flattened(brace: re.Match[str]) -> str:
    """What stands in the place of a brace of an inner struct: its members and its own declarators stand apart."""
    return ";" if brace.group() == "{" else f";{INNER} "


def _declared(text: str) -> Iterator[tuple[str, Param]]:
    """The members that a declaration names."""
    bare = text.strip()
    if not bare or ("(" in bare and "(*" not in bare.replace(" ", "")):
        return
    if bare.startswith(INNER):
        for declarator in bare[len(INNER) :].split(","):
            name = declarator.strip(" *\t\n").split("[")[0].strip()
            if name.isidentifier() and not name.startswith("__"):
                yield name, Param(INNER, declarator.count("*"), name)
        return
    first, *rest = split_top(bare)
    param = parse_declarator(first.split(":")[0])
    if not param.name:
        return
    array = "[" in first
    yield param.name, Param(param.type, param.pointers - array, param.name)
    for more in rest:
        name = more.strip(" *\t\n").split("[")[0].split(":")[0].partition(" ")[0].strip()
        yield name, Param(param.type, more.count("*"), name)
