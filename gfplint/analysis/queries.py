"""Functions that do nothing but ask about the context: what their answer means."""

from __future__ import annotations

from collections.abc import Mapping

from gfplint.facts import Binary, Call, Expr, Name, Unary
from gfplint.kernel.model import Query

#: Meanings of queries from which others are made.
ASKS = frozenset(("atomic", "interrupt", "sleepable"))


def asked(expr: Expr, queries: Mapping[str, Query]) -> str:
    """What an expression made of queries means where it is true; "" where it is not made of these alone.

    Atomic where any part of ``a || b`` says so; sleepable where each part of ``a && b`` does, or where nothing is
    atomic.
    """
    if isinstance(expr, Call) and isinstance(expr.func, Name):
        query = queries.get(expr.func.name)
        return query.true_means if query is not None and query.true_means in ASKS else ""
    if isinstance(expr, Unary) and expr.op == "!":
        return {"atomic": "sleepable", "interrupt": "task", "sleepable": "atomic"}.get(asked(expr.operand, queries), "")
    if isinstance(expr, Binary) and expr.op in ("||", "&&"):
        both = {asked(expr.left, queries), asked(expr.right, queries)}
        if expr.op == "||" and both <= {"atomic", "interrupt"}:
            return "atomic" if "atomic" in both else "interrupt"
        if expr.op == "&&" and "sleepable" in both and both <= {"sleepable", "task"}:
            return "sleepable"
    return ""
