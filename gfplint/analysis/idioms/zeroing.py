"""Memory that is allocated, and then zeroed as a whole before anything else happens to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gfplint.analysis.idioms.code import (
    Allocation,
    Code,
    body_of,
    everything_in,
    leaves,
    mentions,
    tests_null,
    walk,
)
from gfplint.analysis.idioms.sizes import same_as, size_of
from gfplint.analysis.paths import names_in, path_of, root_of
from gfplint.facts import Assign, Call, Case, Declare, Do, Expr, If, Label, Loop, Number, SizeOf, Stmt, Unary


@dataclass(frozen=True, slots=True)
class Zeroing:
    """``clear`` zeroes all that ``allocation`` hands out. ``whole``: by a size that is the allocation's.

    ``alone``: the call is a statement of a block of its own.
    """

    allocation: Allocation
    clear: Call
    whole: bool
    alone: bool


def zeroings(code: Code) -> Iterator[Zeroing]:
    """Every allocation whose memory is zeroed next."""
    by_call = {id(found.call): found for found in code.allocations if found.target is not None}
    for sequence in code.sequences:
        for at, stmt in enumerate(sequence):
            for found in _allocated(stmt, by_call):
                path = path_of(found.target) if found.target is not None else ""
                if path and (cleared := _next(found, path, sequence[at:], code)) is not None:
                    yield cleared


def _allocated(stmt: Stmt, by_call: dict[int, Allocation]) -> Iterator[Allocation]:
    """The allocations that a statement makes whatever happens: those of an assignment, or of a condition."""
    match stmt:
        case Do(expr=Assign() as expr) | If(test=expr) | Declare(init=expr) if expr is not None:
            for inner in _calls(expr):
                if (found := by_call.get(id(inner))) is not None:
                    yield found


def _calls(expr: Expr) -> Iterator[Call]:
    return (e for e in walk(expr) if isinstance(e, Call))


def _next(found: Allocation, path: str, rest: Sequence[Stmt], code: Code) -> Zeroing | None:
    """The zeroing behind an allocation, which stands in the first of these statements."""
    read = {name for arg in found.call.args for name in names_in(arg)} - {root_of(path)}
    first = rest[0]
    if isinstance(first, If):
        null = tests_null(first.test, path, code.kernel)
        if null is False:
            return _in_block(found, path, body_of(first.then), read, code)
        if null is None or not leaves(first.then, code) or first.otherwise is not None:
            return None
    return _in_sequence(found, path, rest[1:], read, code)


def _in_sequence(found: Allocation, path: str, stmts: Sequence[Stmt], read: set[str], code: Code) -> Zeroing | None:
    for stmt in stmts:
        if isinstance(stmt, (Label, Case)):
            return None
        if isinstance(stmt, Do) and isinstance(stmt.expr, Call) and (zeroing := _clears(found, path, stmt.expr, code)):
            return zeroing
        if isinstance(stmt, If) and (null := tests_null(stmt.test, path, code.kernel)) is not None:
            if null is False:
                return _in_block(found, path, body_of(stmt.then), read, code)
            if not leaves(stmt.then, code) or stmt.otherwise is not None:
                return None
            continue
        if mentions(stmt, path) or isinstance(stmt, Loop) or _assigns(stmt, read):
            return None
    return None


def _in_block(found: Allocation, path: str, stmts: Sequence[Stmt], read: set[str], code: Code) -> Zeroing | None:
    zeroing = _in_sequence(found, path, stmts, read, code)
    if zeroing is None or len(stmts) > 1:
        return zeroing
    return Zeroing(zeroing.allocation, zeroing.clear, zeroing.whole, alone=False)


def _assigns(stmt: Stmt, names: set[str]) -> bool:
    return any(isinstance(e, Assign) and root_of(path_of(e.target)) in names for e in everything_in(stmt))


def _clears(found: Allocation, path: str, call: Call, code: Code) -> Zeroing | None:
    """``memset(p, 0, size)`` with the size of the allocation."""
    if code.role(call, "fill") is None or len(call.args) != 3:
        return None
    pointer, value, size = call.args
    if isinstance(pointer, Unary) or path_of(pointer) != path or not isinstance(value, Number) or value.text != "0":
        return None
    given, cleared = size_of(found, code), same_as([size], code)
    if given and given == cleared:
        return Zeroing(found, call, whole=True, alone=True)
    object_size = isinstance(size, SizeOf) and isinstance(size.value, Unary) and path_of(size.value.operand) == path
    if not given and found.row.cache is not None and object_size:
        return Zeroing(found, call, whole=False, alone=True)
    return None
