"""Types of access paths, and the function pointers that a body hands out through members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from gfplint.analysis.paths import children, path_of, root_of
from gfplint.analysis.syntax import expressions_of, inner_of
from gfplint.facts import Assign, Cast, Declare, Expr, Member, Name, Param, Signature, Stmt, Unary

#: (type as written without pointers, number of pointers); ("", 0) where it is not known.
Type = tuple[str, int]


class Declarations(Protocol):
    """What types may ask about the rest of the program."""

    def field_type(self, record: str, field: str) -> Param | None:
        """The type of a struct's member."""

    def global_type(self, name: str) -> Param | None:
        """The type of a variable at file scope."""


class HandedOut(NamedTuple):
    """``base.member = function``: the struct that ``base`` is, and its path."""

    struct: str
    member: str
    function: str
    base: str


def type_of_path(path: str, types: Mapping[str, Type], known: Declarations) -> Type:
    """The type of an access path whose root is one of ``types`` or a variable at file scope."""
    parts = path.split(".")
    root = parts[0].partition("[")[0]
    if root in types:
        kind = types[root]
    else:
        found = known.global_type(root)
        kind = (found.type, found.pointers) if found is not None else ("", 0)
    for part in parts[1:]:
        if not kind[0]:
            return ("", 0)
        found = known.field_type(kind[0], part.partition("[")[0])
        if found is None:
            return ("", 0)
        kind = (found.type, found.pointers)
    return kind


def handed_out(
    stmts: Sequence[Stmt], signature: Signature, members: frozenset[str], known: Declarations
) -> Iterator[HandedOut]:
    """The functions that a body stores into one of ``members`` of a struct whose type is known."""
    types = {p.name: (p.type, p.pointers) for p in signature.params if p.name}
    for stmt in _all(stmts):
        if isinstance(stmt, Declare):
            types.setdefault(stmt.name, (stmt.type, stmt.pointers + stmt.array))
        for expr in expressions_of(stmt):
            for target, value in _stores(expr):
                function = path_of(value.operand if isinstance(value, Unary) and value.op == "&" else value)
                base = path_of(target.base)
                if target.field not in members or not base or not function.isidentifier():
                    continue
                struct, _ = type_of_path(base, types, known)
                if struct and root_of(base):
                    yield HandedOut(struct, target.field, function, base)


def _all(stmts: Sequence[Stmt]) -> Iterator[Stmt]:
    for stmt in stmts:
        yield stmt
        for inner in inner_of(stmt):
            yield from _all(inner)


def _stores(expr: Expr) -> Iterator[tuple[Member, Expr]]:
    """The assignments of a name to a member in an expression."""
    if isinstance(expr, Assign) and expr.op == "=" and isinstance(expr.target, Member):
        value = expr.value
        while isinstance(value, (Cast, Assign)):
            value = value.value
        if isinstance(value, (Name, Unary)):
            yield expr.target, value
    for child in children(expr):
        yield from _stores(child)
