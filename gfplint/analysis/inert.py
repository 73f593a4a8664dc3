"""Calls that nothing follows: all that one changes in a state is what it is told apart by here."""

from __future__ import annotations

from collections.abc import Callable

from gfplint.analysis.paths import children
from gfplint.facts import Assign, Call, Expr, Member, Name, StatementExpr, Unary

#: Operators that give their operand another value.
_STEPS = frozenset(("++", "--", "p++", "p--"))


def lent_by(expr: Call, inert: Callable[[str], bool]) -> tuple[str, ...] | None:
    """The variables that a call, and those among its arguments, get as they are; None where it may do more.

    ``inert``: whether nothing is known of what a name calls.
    """
    lent: list[str] = []
    return tuple(lent) if _is_inert(expr, inert, lent) else None


def _is_inert(call: Call, inert: Callable[[str], bool], lent: list[str]) -> bool:
    if type(call.func) is not Name or not inert(call.func.name):
        return False
    for arg in call.args:
        if type(arg) is Name:
            lent.append(arg.name)
        elif type(arg) is Unary and arg.op == "&" and type(arg.operand) in (Name, Member):
            return False  # what it leads to may be changed
        elif not _only_reads(arg, inert, lent):
            return False
    return True


def _only_reads(expr: Expr, inert: Callable[[str], bool], lent: list[str]) -> bool:
    kind = type(expr)
    if kind is Call:
        return _is_inert(expr, inert, lent)  # type: ignore[arg-type]
    if kind is Assign or (kind is Unary and expr.op in _STEPS):  # type: ignore[union-attr]
        return False
    if kind is StatementExpr:  # it ran before
        return True
    return all(_only_reads(child, inert, lent) for child in children(expr))
