"""Pointers that a resize overwrites: when it fails, the old memory is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gfplint.analysis.idioms.code import Allocation, Code, called
from gfplint.analysis.idioms.masks import bits_of, operands
from gfplint.analysis.paths import path_of, root_of
from gfplint.facts import Assign, Binary, Declare, Expr, Initializer, Name, Number, Unary


@dataclass(frozen=True, slots=True)
class LostPointer:
    """``path = krealloc(path, ...)`` where nothing else in the function holds the old pointer."""

    allocation: Allocation
    path: str


def lost_pointers(code: Code) -> Iterator[LostPointer]:
    """Every resize whose result overwrites the only pointer to the old memory."""
    for found in code.allocations:
        old = found.arg(found.row.resizes)
        if old is None or found.target is None:
            continue
        path = path_of(old)
        if not path or path_of(found.target) != path or _never_fails(found, code):
            continue
        if not _is_kept(path, found, code) and code.runs(found.call):
            yield LostPointer(found, path)


def _never_fails(found: Allocation, code: Code) -> bool:
    """A mask with __GFP_NOFAIL, memory that its device frees anyway, or a size of zero, which frees."""
    family = code.kernel.families.get(found.row.family)
    if family is not None and family.managed:
        return True
    bits = [bits_of(part, code) for part in operands(found.mask)] if found.mask is not None else []
    size = found.arg(found.row.size)
    zero = isinstance(size, Number) and size.text == "0"
    return zero or any(known and "__GFP_NOFAIL" in known for known in bits)


def _is_kept(path: str, found: Allocation, code: Code) -> bool:
    """Whether something else may hold the pointer: a copy, the caller's variable, or where it was read from."""
    if isinstance(found.target, Name):
        name = found.target.name
        if name in {p.name for p in code.signature.params}:
            return True
        return not _is_own(name, code) or _is_copied(path, found, code)
    return _is_copied(path, found, code)


def _is_own(name: str, code: Code) -> bool:
    """Whether all that a local is ever given is fresh memory or NULL."""
    if name not in code.locals:
        return True  # a variable of the file
    for stmt in code.statements:
        if isinstance(stmt, Declare) and stmt.name == name and not _is_fresh(stmt.init, code):
            return False
    return all(
        _is_fresh(expr.value, code)
        for expr in code.expressions
        if isinstance(expr, Assign) and isinstance(expr.target, Name) and expr.target.name == name
    )


def _is_fresh(value: Expr | None, code: Code) -> bool:
    if value is None or (isinstance(value, Name) and value.name == "NULL"):
        return True
    call = called(value)
    return call is not None and code.row(call) is not None


def _is_copied(path: str, found: Allocation, code: Code) -> bool:
    """Whether before the resize the pointer is copied to or from something else, or has its address taken."""
    others = (s.init for s in code.statements if isinstance(s, Declare) and s.name != root_of(path))
    if any(init is not None and _carries(init, path) for init in others):
        return True
    for expr in code.expressions:
        if expr is found.call:
            return False
        match expr:
            case Assign(op="=", target=target, value=value):
                own = path_of(target) == path
                if _carries(value, path) if not own else not _is_fresh(value, code):
                    return True
            case Unary(op="&", operand=operand) if path_of(operand) == path:
                return True
            case Initializer(items=items) if any(_carries(value, path) for _, value in items):
                return True
    return False


def _carries(value: Expr, path: str) -> bool:
    """Whether a value is the pointer, or an address inside what it points to."""
    if isinstance(value, Binary) and value.op in ("+", "-"):
        return _carries(value.left, path) or _carries(value.right, path)
    return path_of(value) == path and not (isinstance(value, Unary) and value.op == "*")
