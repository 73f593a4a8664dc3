"""What happens first to the result of an allocation: a test, a use, or the wrong test.

Statements are read in the order in which they run. Reading ends at the first thing that happens to the pointer; what is
not plainly a use says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gfplint.analysis.idioms.code import (
    Allocation,
    Code,
    body_of,
    everything_in,
    is_null,
    is_prefix,
    leaves,
    mentions,
)
from gfplint.analysis.idioms.masks import bits_of, operands
from gfplint.analysis.paths import children, path_of
from gfplint.facts import (
    Assign,
    Binary,
    Call,
    Case,
    Declare,
    Do,
    Expr,
    If,
    Index,
    Label,
    Loop,
    Member,
    Name,
    Return,
    Scoped,
    SizeOf,
    Stmt,
    Unary,
)

#: Families whose allocators may fail, and say so by NULL or an error pointer.
_FAMILIES = frozenset(
    ("kmalloc", "kvmalloc", "vmalloc", "kmem_cache", "pages", "page", "folio", "exact", "percpu", "devm", "skb", "urb")
)
#: Forms of allocators that take an object or a type.
_TYPED = frozenset(("object", "objects", "flex"))
_NOFAIL = "__GFP_NOFAIL"


@dataclass(frozen=True, slots=True)
class FirstUse:
    """What first happens to an allocation's result: ``used`` untested, or ``mistested`` for the wrong kind of failure.

    ``line``: where; ``certain``: the mask is known.
    """

    allocation: Allocation
    kind: str
    line: int
    certain: bool


def first_uses(code: Code) -> Iterator[FirstUse]:
    """Every allocation whose result is used untested, or tested for what it never is."""
    by_call = {id(found.call): found for found in code.allocations if _may_fail(found)}
    if not by_call:
        return
    for sequence in code.sequences:
        for at, stmt in enumerate(sequence):
            found = _assigned(stmt, by_call)
            path = path_of(found.target) if found is not None and found.target is not None else ""
            if found is None or not path:
                continue
            certain = _mask_is_known(found, code)
            if certain is None:
                continue
            event = _first(found, path, sequence[at + 1 :], code)
            if event is not None and code.runs(found.call):
                yield FirstUse(found, *event, certain)


def _may_fail(found: Allocation) -> bool:
    row = found.row
    return (
        isinstance(found.target, (Name, Member))  # `*p` and `p` are one path: their uses can't be told apart
        and row.family in _FAMILIES
        and row.error in ("null", "errptr")
        and row.result == "return"
        and not row.hidden
        and not row.weak
    )


def _mask_is_known(found: Allocation, code: Code) -> bool | None:
    """Whether the mask is constant; None where it says that the allocation can't fail."""
    if found.mask is None:
        return True
    bits = [bits_of(part, code) for part in operands(found.mask)]
    if any(known and _NOFAIL in known for known in bits):
        return None
    return None not in bits


def _assigned(stmt: Stmt, by_call: dict[int, Allocation]) -> Allocation | None:
    """The allocation that a statement assigns, and does nothing else with."""
    match stmt:
        case Do(expr=Assign(op="=", value=value)) | Declare(init=value):
            while value is not None and not isinstance(value, Call):
                inner = children(value)
                if len(inner) != 1:
                    return None
                value = inner[0]
            return by_call.get(id(value)) if value is not None else None
    return None


#: What happens, and the line.
Event = tuple[str, int]
#: Reading ends, and nothing is known.
_END: Event = ("other", 0)


def _first(found: Allocation, path: str, stmts: Sequence[Stmt], code: Code) -> Event | None:
    """The first thing that happens to a pointer in these statements, if it is to be reported."""
    for stmt in stmts:
        event = _of_statement(found, path, stmt, code)
        if event is not None:
            return event if event[0] in ("used", "mistested") else None
    return None


def _of_statement(found: Allocation, path: str, stmt: Stmt, code: Code) -> Event | None:
    """The first thing that happens in a statement; None where that is nothing."""
    match stmt:
        case Label() | Case() | Return():
            return _END
        case If(test=test, line=line):
            return _at(_in(test, path, found, code), line) or _in_branches(path, stmt, code)
        case Do(expr=expr, line=line):
            return _at(_in(expr, path, found, code), line) or (_END if _overwrites(stmt, path) else None)
        case Declare(init=value, place=place):
            return _at(_in(value, path, found, code), place.line) if value is not None else None
    if not mentions(stmt, path):
        return None
    match stmt:
        case Loop():
            return _of_loop(found, path, stmt, code)
        case Scoped(body=body):
            return _first(found, path, body_of(body), code) or _END
    return _END


def _of_loop(found: Allocation, path: str, loop: Loop, code: Code) -> Event:
    if loop.init is not None and mentions(loop.init, path):
        return _END
    for part in (loop.test, *loop.args):
        event = _in(part, path, found, code) if part is not None else None
        if event is not None:
            return event, loop.place.line
    return _first(found, path, body_of(loop.body), code) or _END


def _at(event: str | None, line: int) -> Event | None:
    return (event, line) if event is not None else None


def _in_branches(path: str, stmt: If, code: Code) -> Event | None:
    """A branch that touches the pointer and goes on ends the reading; one that leaves does not."""
    for branch in (stmt.then, stmt.otherwise):
        if branch is not None and mentions(branch, path) and not leaves(branch, code):
            return _END
    return None


def _overwrites(stmt: Stmt, path: str) -> bool:
    return any(isinstance(e, Assign) and is_prefix(path_of(e.target), path) for e in everything_in(stmt))


def _in(expr: Expr, path: str, found: Allocation, code: Code) -> str | None:
    """What first happens to a pointer in an expression: ``used``, ``mistested``, ``other``; None: nothing."""
    if isinstance(expr, SizeOf):
        return None
    tested = _tested(expr, path, found, code)
    if tested is not None:
        return tested
    match expr:
        case Assign(target=target, value=value):
            return _in(value, path, found, code) or _in(target, path, found, code)
        case Member(base=base, arrow=True) | Index(base=base) | Unary(op="*", operand=base) if path_of(base) == path:
            return "used"
        case Unary(op="&", operand=operand):
            return "other" if any(is_prefix(path, path_of(e)) for e in _spine(operand)) else None
        case Call(args=args):
            reads = code.role(expr, "reads")
            if reads is not None and any(n < len(args) and _is(args[n], path) for n in reads.args):
                return "used"
            if _by_type(expr, code):
                return _in_any(args[1:], path, found, code)
        case Name() | Member() | Index():
            if is_prefix(path_of(expr), path):
                return "other"
    return _in_any(children(expr), path, found, code)


def _in_any(parts: Sequence[Expr], path: str, found: Allocation, code: Code) -> str | None:
    return next((event for part in parts if (event := _in(part, path, found, code)) is not None), None)


def _is(arg: Expr, path: str) -> bool:
    """Whether an argument is the pointer itself, not its address."""
    return path_of(arg) == path and not isinstance(arg, Unary)


def _by_type(call: Call, code: Code) -> bool:
    """Whether a call is of an allocator whose first argument is only there for its type."""
    name = call.func.name if isinstance(call.func, Name) else ""
    return any(form.to == name for (_, kind), form in code.kernel.forms.items() if kind in _TYPED)


def _spine(expr: Expr) -> Iterator[Expr]:
    """A path and the objects that it leads through."""
    yield expr
    for child in children(expr)[:1]:
        yield from _spine(child)


def _tested(expr: Expr, path: str, found: Allocation, code: Code) -> str | None:
    """``mistested`` for a test that never holds on failure, ``other`` for one that may; None: no test."""
    null = found.row.error == "null"
    match expr:
        case Unary(op="!", operand=operand) if path_of(operand) == path and not isinstance(operand, Unary):
            return "other" if null else "mistested"
        case Binary(op="==" | "!=", left=left, right=right) if path_of(left) == path and is_null(right):
            return "other" if null else "mistested"
        case Call(func=Name(name=name), args=(only,)) if path_of(only) == path:
            query = code.kernel.queries.get(name)
            if query is not None and query.true_means == "errptr":
                return "mistested" if null else "other"
    return None
