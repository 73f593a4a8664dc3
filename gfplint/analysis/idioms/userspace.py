"""Pages for user space: highmem that the kernel takes the address of, movable pages that hardware is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gfplint.analysis.idioms.code import Allocation, Code
from gfplint.analysis.idioms.masks import bits_of, operands
from gfplint.analysis.paths import path_of
from gfplint.facts import Call

_FAMILIES = frozenset(("page", "folio"))


@dataclass(frozen=True, slots=True)
class Misuse:
    """A page that ``use`` takes for what it need not be. ``bit``: the flag that says so."""

    allocation: Allocation
    bit: str
    use: Call


def misuses(code: Code) -> Iterator[Misuse]:
    """Every page of a function that its own mask does not fit."""
    for found in code.allocations:
        path = path_of(found.target) if found.target is not None else ""
        if not path or found.row.family not in _FAMILIES or found.mask is None:
            continue
        bits = frozenset().union(*(bits_of(part, code) or () for part in operands(found.mask)))
        if "__GFP_HIGHMEM" in bits and not _calls(path, "highmem-test", code):
            yield from (Misuse(found, "__GFP_HIGHMEM", call) for call in _calls(path, "address", code))
        if "__GFP_MOVABLE" in bits:
            yield from (Misuse(found, "__GFP_MOVABLE", call) for call in _calls(path, "pins", code))


def _calls(path: str, role: str, code: Code) -> list[Call]:
    """The calls that take a path in a role."""
    found = []
    for expr in code.expressions:
        row = code.role(expr, role)
        if row is None or not isinstance(expr, Call):
            continue
        if any(n < len(expr.args) and path_of(expr.args[n]) == path for n in row.args):
            found.append(expr)
    return found
