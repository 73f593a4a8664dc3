"""What holds a piece of memory, as names that every function of the tree shares.

A pointer's holders go from the most specific to the most general: the variable at file scope, or the member of one;
that of the outermost struct that holds it by value (``ctx.stream.buf``); that of the innermost (``stream.buf``). Behind
them may stand its type: all objects of ``struct T`` that are reached by a pointer are one holder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from gfplint.analysis.environment import Environment
from gfplint.analysis.summary import When
from gfplint.analysis.values import Ref, Value
from gfplint.facts import Param


class Declared(Protocol):
    """What a file declares outside the function."""

    def field_type(self, record: str, field: str) -> Param | None:
        """The type of a struct's member."""

    def global_type(self, name: str) -> Param | None:
        """The type of a variable at file scope."""

    def record_key(self, record: str) -> str:
        """A name for a struct that no other struct of the tree has."""


#: (struct with its file, path of members in it), or (file of a variable, its name and path of members).
Holder = tuple[str, str]
_WORD = re.compile(r"\w+", re.ASCII)
#: (type, pointers)
Type = tuple[str, int]
#: The type of a member that is a struct without a name of its own: its members are known as the outer struct's.
INNER = "@inner"
#: The member of a holder that stands for all objects of a type.
OBJECT = "*"
#: The key of variables at file scope that the whole tree may know.
GLOBAL = "(global)"
#: Members that are embedded in one another, at most.
MAX_EMBEDDED = 6


def parts_of(path: str) -> list[str]:
    """The components of an access path, each without the index that stands behind it."""
    if "[" not in path:
        return path.split(".")
    kept = []
    depth = 0
    for char in path:
        depth += char == "["
        if not depth:
            kept.append(char)
        depth -= char == "]"
    return "".join(kept).split(".")


def type_of_parts(parts: list[str], types: dict[str, Type], env: Declared) -> list[Type]:
    """The type of each prefix of a path, as far as it is known."""
    root = types.get(parts[0])
    if root is None:
        known = env.global_type(parts[0])
        if known is None:
            return []
        root = (known.type, known.pointers)
    found = [root]
    for part in parts[1:]:
        field = env.field_type(found[-1][0], part) if found[-1][0] else None
        if field is None:
            break
        found.append((found[-1][0] if field.type == INNER else field.type, field.pointers))
    return found


def holders_of(path: str, elements: int, types: dict[str, Type], env: Environment) -> tuple[Holder, ...]:
    """The holders of the pointer at a path, most specific first; ``elements``: how often the last member is indexed."""
    if not path or "(" in path:
        return ()
    parts = parts_of(path)
    known = type_of_parts(parts[:-1], types, env) if len(parts) > 1 else []
    suffix = "[]" * elements
    found: list[Holder] = []
    if len(parts) > 1 and len(known) == len(parts) - 1:
        last = len(parts) - 1
        for at in range(last, max(0, last - MAX_EMBEDDED), -1):
            if known[at - 1][0]:
                found.append((env.record_key(known[at - 1][0]), ".".join(parts[at:]) + suffix))
            if known[at - 1][1]:
                break
    if parts[0] not in types and (not known or not known[0][1]) and (len(parts) == 1 or known):
        key = env.global_key(parts[0])
        if key and len(parts) <= MAX_EMBEDDED and all(not pointers for _, pointers in known):
            found.append((key, ".".join(parts) + suffix))
    return tuple(reversed(found))


def object_of(kind: Type, env: Environment) -> Holder | None:
    """The holder of all objects of the struct that a pointer of this type leads to; None for other pointers."""
    if kind[1] != 1 or not kind[0]:
        return None
    key = env.record_key(kind[0])
    return (key, OBJECT) if ":" in key else None


def of_file(key: str) -> bool:
    """Whether the key of a holder is that of variables at file scope."""
    return key == GLOBAL or ("." in key and ":" not in key)


def conditions(path: str, conds: dict[str, bool], env: dict[str, Value]) -> tuple[When, ...]:
    """What must hold of the other members of the object on this way, relative to it: ``("is_virt", True)``."""
    base = path.rpartition(".")[0]
    if not base or not conds:
        return ()
    found: dict[str, bool] = {}
    inside = _relative(base + ".")
    for text, truth in conds.items():
        if path not in text and (relative := inside(text)):
            found[relative] = truth
    prefix = base + "."
    for name, value in env.items():
        if type(value) is Ref and name.startswith(prefix) and name != path and value.path in conds:
            found.setdefault(name[len(prefix) :], conds[value.path])
    return tuple(sorted(found.items()))


def lasting(found: tuple[When, ...], written: set[str]) -> tuple[When, ...]:
    """Conditions on members that a function does not write itself: they hold for as long as what it stores."""
    return tuple(w for w in found if written.isdisjoint(_WORD.findall(w[0])))


def _relative(prefix: str) -> Callable[[str], str]:
    def of(text: str) -> str:
        if text.startswith(prefix):
            return text[len(prefix) :]
        if text.startswith("(" + prefix) and text.count(prefix) == 1:
            return "(" + text[len(prefix) + 1 :]
        return ""

    return of


def contradict(one: tuple[When, ...], two: tuple[When, ...]) -> bool:
    """Whether two sets of conditions can't hold of one object."""
    known = dict(one)
    for text, truth in two:
        if known.get(text, truth) is not truth:
            return True
    values = _equalities(one)
    return any(values.get(subject, value) != value for subject, value in _equalities(two).items())


def _equalities(known: tuple[When, ...]) -> dict[str, str]:
    """``(kind == A)`` that holds, as {"kind": "A"}."""
    found = {}
    for text, truth in known:
        subject, equal, value = text[1:-1].partition(" == ")
        if truth and equal and text.startswith("("):
            found[subject] = value
    return found


def elements_of(path: str) -> int:
    """How often the last member of a path is indexed."""
    count = 0
    depth = 0
    for char in reversed(path):
        if not depth and char != "]":
            break
        depth += (char == "]") - (char == "[")
        count += not depth
    return count
