"""Walks over the operation tree that need no state: what is tested, assigned and called where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gfplint.analysis.paths import children, path_of, root_of, text_of
from gfplint.analysis.texts import comparison
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
    if isinstance(expr, StatementExpr):
        found.append(expr)
        return
    for child in children(expr):
        find_branching(child, found)
    if isinstance(expr, Conditional):
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
    texts = [text_of(subject)]
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


def tests_of(stmt: Stmt) -> list[Expr]:
    """The conditions that a statement asks."""
    match stmt:
        case If(test=test):
            return [test]
        case Loop(test=test) if test is not None:
            return [test]
        case Return(value=value) if value is not None:
            return [value]
        case Do(expr=Assign(value=Conditional(test=test))):
            return [test]
        case Declare(init=Conditional(test=test)):
            return [test]
    return []


def inner_of(stmt: Stmt) -> list[Sequence[Stmt]]:
    """The statement lists directly inside a statement."""
    match stmt:
        case Block(body=body):
            return [body]
        case If(then=then, otherwise=otherwise):
            return [(then,), (otherwise,)] if otherwise is not None else [(then,)]
        case Loop(body=body) | Switch(body=body) | Scoped(body=body):
            return [(body,)]
        case Arms(arms=arms):
            return [stmts for _, stmts in arms]
    return []


def assigned(stmts: Sequence[Stmt], names: set[str]) -> None:
    """Names that are assigned anywhere: a condition on them says nothing of their value on entry."""
    for stmt in stmts:
        match stmt:
            case Do(expr=expr):
                assigned_in(expr, names)
            case If(test=test):
                assigned_in(test, names)
            case Loop(init=init, test=test, step=step, args=args):
                if init is not None:
                    assigned((init,), names)
                for part in (test, step, *args):
                    if part is not None:
                        assigned_in(part, names)
            case _:
                pass
        for inner in inner_of(stmt):
            assigned(inner, names)


def set_paths(stmts: Sequence[Stmt]) -> Iterator[str]:
    """The texts of what is given a value other than zero."""
    for stmt in stmts:
        for expr in expressions_of(stmt):
            yield from _set_in(expr)
        for inner in inner_of(stmt):
            yield from set_paths(inner)


def _set_in(expr: Expr) -> Iterator[str]:
    if isinstance(expr, Assign) and expr.op in ("=", "|=") and text_of(expr.value) not in ("0", "NULL", "false"):
        yield text_of(expr.target)
    for child in children(expr):
        yield from _set_in(child)


def called_members(stmts: Sequence[Stmt]) -> Iterator[str]:
    """The texts of the function pointers in members that are called."""
    for stmt in stmts:
        for expr in expressions_of(stmt):
            yield from called_in(expr)
        for inner in inner_of(stmt):
            yield from called_members(inner)


def expressions_of(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions of a statement, those of inner statements apart."""
    match stmt:
        case Do(expr=expr):
            return (expr,)
        case If(test=test):
            return (test,)
        case Return(value=value) if value is not None:
            return (value,)
        case Declare(init=init) if init is not None:
            return (init,)
    return ()


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


def called_in(expr: Expr) -> Iterator[str]:
    """The texts of function pointers in members that an expression calls."""
    if isinstance(expr, Call) and isinstance(expr.func, Member):
        yield text_of(expr.func)
    for child in children(expr):
        yield from called_in(child)


def assigned_in(expr: Expr, names: set[str]) -> None:
    """Names that an expression assigns."""
    if isinstance(expr, Assign):
        names |= {root_of(path_of(expr.target))} if isinstance(expr.target, Name) else set()
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
