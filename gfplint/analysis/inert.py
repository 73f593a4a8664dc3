"""Calls that nothing follows: all that one changes in a state is what is known of what it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gfplint.analysis.paths import children
from gfplint.facts import Assign, Call, Expr, Member, Name, StatementExpr, Unary

#: Operators that give their operand another value.
_STEPS = frozenset(("++", "--", "p++", "p--"))


class Inert(NamedTuple):
    """What a call, and those among its arguments, get: variables as they are, and what they get the address of."""

    names: tuple[str, ...]
    lent: tuple[Unary, ...]


def inert(call: Call, is_inert: Callable[[str], bool]) -> Inert | None:
    """What a call gets that does nothing else; None where it may do more.

    ``is_inert``: whether nothing is known of what a name calls.
    """
    names: list[str] = []
    lent: list[Unary] = []
    return Inert(tuple(names), tuple(lent)) if _is_inert(call, is_inert, names, lent) else None


def _is_inert(call: Call, is_inert: Callable[[str], bool], names: list[str], lent: list[Unary]) -> bool:
    if type(call.func) is not Name or not is_inert(call.func.name):
        return False
    own: list[Unary] = []
    for arg in call.args:
        if type(arg) is Name:
            names.append(arg.name)
        elif type(arg) is Unary and arg.op == "&" and type(arg.operand) in (Name, Member):
            own.append(arg)
            if not _only_reads(arg.operand, is_inert, names, lent):
                return False
        elif not _only_reads(arg, is_inert, names, lent):
            return False
    lent += own
    return True


def _only_reads(expr: Expr, is_inert: Callable[[str], bool], names: list[str], lent: list[Unary]) -> bool:
    kind = type(expr)
    if kind is Call:
        return _is_inert(expr, is_inert, names, lent)  # type: ignore[arg-type]
    if kind is Assign or (kind is Unary and expr.op in _STEPS):  # type: ignore[union-attr]
        return False
    if kind is StatementExpr:  # it ran before
        return True
    return all(_only_reads(child, is_inert, names, lent) for child in children(expr))
