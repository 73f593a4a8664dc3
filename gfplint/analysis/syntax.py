"""Walks over the operation tree that need no state: what is tested, assigned and called where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gfplint.analysis.paths import children, path_of, text_of
from gfplint.analysis.texts import comparison, ordered
from gfplint.facts import (
    Arms,
    Assign,
    Binary,
    Block,
    Break,
    Call,
    Case,
    Cast,
    Conditional,
    Continue,
    Declare,
    Do,
    Expr,
    Goto,
    Guard,
    If,
    Index,
    Loop,
    Member,
    Name,
    Number,
    Return,
    Scoped,
    StatementExpr,
    Stmt,
    Switch,
    Unary,
)


def find_branching(expr: Expr, found: list[Expr]) -> None:
    """Conditional operators and statement expressions, innermost first."""
    kind = type(expr)
    if kind is Name or kind is Number:
        return
    if kind is StatementExpr:
        found.append(expr)
        return
    for child in children(expr):
        find_branching(child, found)
    if kind is Conditional:
        found.append(expr)


def leaves(test: Expr) -> list[str]:
    """The texts of the atomic conditions in a condition."""
    if isinstance(test, Unary) and test.op == "!":
        return leaves(test.operand)
    if isinstance(test, Binary) and test.op in ("&&", "||"):
        return leaves(test.left) + leaves(test.right)
    if isinstance(test, Call) and len(test.args) == 1 and isinstance(test.func, Name):
        return [text_of(test), *leaves(test.args[0])]
    _, subject, other = comparison(test)
    texts = [ordered(subject) or text_of(subject)]
    if other is not None:
        texts.append(f"({text_of(subject)} == {text_of(other)})")
    return texts


def count_conditions(stmts: Sequence[Stmt], counts: dict[str, int]) -> None:
    """Count how often each atomic condition is asked."""
    for stmt in stmts:
        for test in tests_of(stmt):
            for leaf in leaves(test):
                counts[leaf] = counts.get(leaf, 0) + 1
        for inner in inner_of(stmt):
            count_conditions(inner, counts)


def tests_of(stmt: Stmt) -> tuple[Expr, ...]:
    """The conditions that a statement asks."""
    how = _TESTS.get(type(stmt))
    return how(stmt) if how is not None else ()


def _test_of(value: Expr | None) -> tuple[Expr, ...]:
    return (value.test,) if isinstance(value, Conditional) else ()


_TESTS: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    If: lambda stmt: (stmt.test,),
    Loop: lambda stmt: () if stmt.test is None else (stmt.test,),
    Return: lambda stmt: () if stmt.value is None else (stmt.value,),
    Do: lambda stmt: _test_of(stmt.expr.value) if isinstance(stmt.expr, Assign) else (),
    Declare: lambda stmt: _test_of(stmt.init),
}


def inner_of(stmt: Stmt) -> Sequence[Sequence[Stmt]]:
    """The statement lists directly inside a statement."""
    how = _INNER.get(type(stmt))
    return how(stmt) if how is not None else ()


def _inner_of_if(stmt: If) -> Sequence[Sequence[Stmt]]:
    return ((stmt.then,), (stmt.otherwise,)) if stmt.otherwise is not None else ((stmt.then,),)


_INNER: dict[type, Callable[[Any], Sequence[Sequence[Stmt]]]] = {
    Block: lambda stmt: (stmt.body,),
    If: _inner_of_if,
    Loop: lambda stmt: ((stmt.body,),),
    Switch: lambda stmt: ((stmt.body,),),
    Scoped: lambda stmt: ((stmt.body,),),
    Arms: lambda stmt: [stmts for _, stmts in stmt.arms],
}


def assigned(stmts: Sequence[Stmt], names: set[str]) -> None:
    """Names that are assigned anywhere: a condition on them says nothing of their value on entry."""
    for stmt in stmts:
        if isinstance(stmt, Do):
            assigned_in(stmt.expr, names)
        elif isinstance(stmt, If):
            assigned_in(stmt.test, names)
        elif isinstance(stmt, Loop):
            if stmt.init is not None:
                assigned((stmt.init,), names)
            for part in (stmt.test, stmt.step, *stmt.args):
                if part is not None:
                    assigned_in(part, names)
        for inner in inner_of(stmt):
            assigned(inner, names)


def set_paths(stmts: Sequence[Stmt], found: set[str]) -> None:
    """The texts of what is given a value other than zero."""
    for stmt in stmts:
        for expr in expressions_of(stmt):
            _set_in(expr, found)
        for inner in inner_of(stmt):
            set_paths(inner, found)


def _set_in(expr: Expr, found: set[str]) -> None:
    if type(expr) is Name:
        return
    if isinstance(expr, Assign) and expr.op in ("=", "|=") and text_of(expr.value) not in ("0", "NULL", "false"):
        found.add(text_of(expr.target))
    for child in children(expr):
        _set_in(child, found)


def called_members(stmts: Sequence[Stmt], found: set[str]) -> None:
    """The texts of the function pointers in members that are called."""
    for stmt in stmts:
        for expr in expressions_of(stmt):
            called_in(expr, found)
        for inner in inner_of(stmt):
            called_members(inner, found)


def expressions_of(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions of a statement, those of inner statements apart."""
    how = _EXPRESSIONS.get(type(stmt))
    return how(stmt) if how is not None else ()


_EXPRESSIONS: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    Do: lambda stmt: (stmt.expr,),
    If: lambda stmt: (stmt.test,),
    Return: lambda stmt: () if stmt.value is None else (stmt.value,),
    Declare: lambda stmt: () if stmt.init is None else (stmt.init,),
}


def calls_of(stmt: Stmt) -> Iterator[Call]:
    """The calls that a statement makes whatever happens in it: not those of what it leads to, or of `a && b()`."""
    for expr in expressions_of(stmt):
        yield from _certain_calls(expr)


def _certain_calls(expr: Expr) -> Iterator[Call]:
    if isinstance(expr, Call):
        yield expr
    if isinstance(expr, Binary) and expr.op in ("&&", "||"):
        yield from _certain_calls(expr.left)
    elif isinstance(expr, Conditional):
        yield from _certain_calls(expr.test)
    else:
        for child in children(expr):
            yield from _certain_calls(child)


def called_in(expr: Expr, found: set[str]) -> None:
    """The texts of function pointers in members that an expression calls."""
    if type(expr) is Name:
        return
    if isinstance(expr, Call) and isinstance(expr.func, Member):
        found.add(text_of(expr.func))
    for child in children(expr):
        called_in(child, found)


def assigned_in(expr: Expr, names: set[str]) -> None:
    """Names that an expression assigns."""
    kind = type(expr)
    if kind is Name or kind is Number:
        return
    if isinstance(expr, Assign):
        if isinstance(expr.target, Name):
            names.add(expr.target.name)
    elif isinstance(expr, Unary) and expr.op in ("++", "--", "p++", "p--") and isinstance(expr.operand, Name):
        names.add(expr.operand.name)
    for child in children(expr):
        assigned_in(child, names)


def indices(expr: Expr) -> int:
    """How many times the last member of an access path is indexed."""
    count = 0
    while not isinstance(expr, Member):
        if isinstance(expr, Index):
            count, expr = count + 1, expr.base
        elif isinstance(expr, Cast):
            expr = expr.value
        elif isinstance(expr, Unary):
            count, expr = count + (expr.op == "*"), expr.operand
        else:
            break
    return count


def is_endless(stmt: Loop) -> bool:
    """Whether only a jump leaves the loop."""
    if stmt.test is None:
        return stmt.kind == "for"
    return isinstance(stmt.test, (Number, Name)) and text_of(stmt.test) in ("1", "true")


def has_default(stmt: Stmt) -> bool:
    """Whether a switch has a ``default`` label."""
    return isinstance(stmt, Block) and any(isinstance(s, Case) and s.value is None for s in stmt.body)


def parts_of(stmt: Stmt) -> tuple[Expr, ...]:
    """All expressions of a statement, those of inner statements apart."""
    match stmt:
        case Loop(test=test, step=step, args=args):
            return tuple(e for e in (test, step, *args) if e is not None)
        case Switch(value=value):
            return (value,)
        case Guard(args=args) | Scoped(args=args):
            return args
    return expressions_of(stmt)


def all_calls(stmts: Sequence[Stmt]) -> Iterator[Call]:
    """Every call in a statement list, inner statements and statement expressions included, in source order."""
    for stmt in stmts:
        if isinstance(stmt, Loop) and stmt.init is not None:
            yield from all_calls((stmt.init,))
        for expr in parts_of(stmt):
            yield from calls_in(expr)
        for inner in inner_of(stmt):
            yield from all_calls(inner)


def called_names(stmts: Sequence[Stmt], found: set[str]) -> None:
    """The names of all that ``all_calls`` gives, without its generators: every body that frees anything is asked."""
    for stmt in stmts:
        if isinstance(stmt, Loop) and stmt.init is not None:
            called_names((stmt.init,), found)
        for expr in parts_of(stmt):
            _names_called(expr, found)
        for inner in inner_of(stmt):
            called_names(inner, found)


def _names_called(expr: Expr, found: set[str]) -> None:
    kind = type(expr)
    if kind is Name or kind is Number:
        return
    if isinstance(expr, StatementExpr):
        called_names(expr.body, found)
    elif isinstance(expr, Call) and isinstance(expr.func, Name):
        found.add(expr.func.name)
    for child in children(expr):
        _names_called(child, found)


def all_statements(stmts: Sequence[Stmt]) -> Iterator[Stmt]:
    """Every statement, those inside of others and of statement expressions included."""
    for stmt in stmts:
        yield stmt
        if isinstance(stmt, Loop) and stmt.init is not None:
            yield from all_statements((stmt.init,))
        for expr in parts_of(stmt):
            yield from _statements_in(expr)
        for inner in inner_of(stmt):
            yield from all_statements(inner)


def _statements_in(expr: Expr) -> Iterator[Stmt]:
    if isinstance(expr, StatementExpr):
        yield from all_statements(expr.body)
    for child in children(expr):
        yield from _statements_in(child)


def assigned_calls(stmts: Sequence[Stmt]) -> Iterator[tuple[str, Call]]:
    """The calls whose result is assigned, with the access path that gets it."""
    for stmt in stmts:
        if isinstance(stmt, Declare) and isinstance(stmt.init, Call):
            yield stmt.name, stmt.init
        for expr in parts_of(stmt):
            for part in _assignments(expr):
                value = part.value.value if isinstance(part.value, Cast) else part.value
                if isinstance(value, Call):
                    yield path_of(part.target), value
        for inner in inner_of(stmt):
            yield from assigned_calls(inner)


def _assignments(expr: Expr) -> Iterator[Assign]:
    if isinstance(expr, Assign):
        yield expr
    for child in children(expr):
        yield from _assignments(child)


def calls_in(expr: Expr) -> Iterator[Call]:
    """Every call in an expression, the innermost first."""
    if isinstance(expr, StatementExpr):
        yield from all_calls(expr.body)
    for child in children(expr):
        yield from calls_in(child)
    if isinstance(expr, Call):
        yield expr


def ends(stmt: Stmt) -> bool:
    """Whether control does not run on behind a statement."""
    if isinstance(stmt, Block):
        return bool(stmt.body) and ends(stmt.body[-1])
    if isinstance(stmt, If):
        return stmt.otherwise is not None and ends(stmt.then) and ends(stmt.otherwise)
    return isinstance(stmt, (Return, Goto, Break, Continue))


def uses(stmts: Sequence[Stmt], name: str) -> Iterator[Expr]:
    """Every expression that reads a variable directly: its own name where nothing is made of it."""
    for stmt in stmts:
        if isinstance(stmt, Loop) and stmt.init is not None:
            yield from uses((stmt.init,), name)
        for expr in parts_of(stmt):
            yield from _uses_in(expr, name)
        for inner in inner_of(stmt):
            yield from uses(inner, name)


def _uses_in(expr: Expr, name: str) -> Iterator[Expr]:
    if isinstance(expr, Name) and expr.name == name:
        yield expr
    if isinstance(expr, StatementExpr):
        yield from uses(expr.body, name)
    for child in children(expr):
        if isinstance(child, Name) and child.name == name:
            yield expr
        else:
            yield from _uses_in(child, name)
