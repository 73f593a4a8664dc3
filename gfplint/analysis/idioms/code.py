"""One function as the readers of idioms see it: its operations, the types of its variables, its text.

A reader asks for allocations and looks at the statements around them. Nothing here follows paths: what an idiom needs
of the flow ("the next thing that happens to this pointer") it reads from the order of statements; only whether a call
is reached at all may be asked of the flow itself, of what is about to be reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from gfplint.analysis.paths import children, path_of
from gfplint.analysis.syntax import inner_of
from gfplint.facts import (
    Assign,
    Binary,
    Block,
    Body,
    Break,
    Call,
    Case,
    Cast,
    Continue,
    Declare,
    Do,
    Expr,
    Function,
    Goto,
    Guard,
    If,
    Index,
    Label,
    Loop,
    Member,
    Name,
    Number,
    Param,
    Place,
    Return,
    Scoped,
    Signature,
    StatementExpr,
    Stmt,
    Switch,
    Unary,
)
from gfplint.findings import Edit
from gfplint.frontend.blank import Source
from gfplint.frontend.spans import CallText, Span, call_text, has_directive
from gfplint.kernel.model import Allocator, Kernel, Role


class Surroundings(Protocol):
    """What a reader may ask about the rest of the program."""

    def shadowed(self, name: str) -> bool:
        """Whether the file defines the name itself."""

    def never_returns(self, name: str) -> bool:
        """Whether a call to ``name`` does not come back."""

    def mask_macro(self, name: str) -> Expr | None:
        """The replacement of an object-like macro."""

    def number_macro(self, name: str) -> Expr | None:
        """The replacement of an object-like macro of the file or of a header that it includes."""

    def field_type(self, record: str, field: str) -> Param | None:
        """The type of a struct's member."""

    def global_type(self, name: str) -> Param | None:
        """The type of a variable at file scope."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """A call of a known allocator. ``target``: what its result is assigned to; None where it is used otherwise."""

    call: Call
    row: Allocator
    target: Expr | None

    def arg(self, number: int | None) -> Expr | None:
        """An argument by its number; None where there is none."""
        return self.call.args[number] if number is not None and number < len(self.call.args) else None

    @property
    def mask(self) -> Expr | None:
        """The mask as written."""
        return self.arg(self.row.mask)


@dataclass(frozen=True)
class Code:
    """One function."""

    path: str
    name: str
    function: Function
    signature: Signature
    lower: Callable[[], Body]
    kernel: Kernel
    around: Surroundings
    source: Source
    flow: Callable[[], frozenset[Place] | None]

    @cached_property
    def body(self) -> Body:
        """Its operations: parsed only where a reader looks at them."""
        return self.lower()

    @property
    def text_of_body(self) -> str:
        """Its text without comments, strings and directives."""
        return self.source.code[self.function.body : self.function.end]

    # ---- statements

    @cached_property
    def statements(self) -> tuple[Stmt, ...]:
        """Every statement, in source order, those inside statement expressions included."""
        return tuple(_nested(self.body.stmts))

    @cached_property
    def sequences(self) -> tuple[Sequence[Stmt], ...]:
        """Every list of statements that run one after the other."""
        found: list[Sequence[Stmt]] = [self.body.stmts]
        found += [s.body for s in self.statements if isinstance(s, Block)]
        found += [inner for s in self.statements if not isinstance(s, Block) for inner in inner_of(s) if len(inner) > 1]
        found += [e.body for e in self.expressions if isinstance(e, StatementExpr)]
        return tuple(found)

    @cached_property
    def expressions(self) -> tuple[Expr, ...]:
        """Every expression with its operands, outer ones first."""
        return tuple(e for s in self.statements for part in parts_of(s) for e in walk(part))

    # ---- allocations

    @cached_property
    def allocations(self) -> tuple[Allocation, ...]:
        """Every call of a known allocator."""
        targets: dict[int, Expr] = {}
        for stmt in self.statements:
            if isinstance(stmt, Declare) and (call := called(stmt.init)) is not None:
                targets[id(call)] = Name(stmt.name)
        for expr in self.expressions:
            if isinstance(expr, Assign) and expr.op == "=" and (call := called(expr.value)) is not None:
                targets[id(call)] = expr.target
        found = []
        for expr in self.expressions:
            if isinstance(expr, Call) and (row := self.row(expr)) is not None:
                found.append(Allocation(expr, row, targets.get(id(expr))))
        return tuple(found)

    def row(self, call: Call) -> Allocator | None:
        """The row of the allocator that a call reaches; None where it is none."""
        if not isinstance(call.func, Name):
            return None
        row = self.kernel.allocators.get(call.func.name)
        return row if row is not None and not self.around.shadowed(row.name) else None

    @cached_property
    def reached(self) -> frozenset[Place] | None:
        """The allocator calls that some path reaches; None where the flow can't say. Asked by the few rules whose
        defect is one on some path only, of what they would report.
        """
        return self.flow()

    def runs(self, call: Call) -> bool:
        """Whether a call may be reached: conditions that contradict each other make code dead."""
        return self.reached is None or call.place in self.reached

    def role(self, call: Expr, role: str) -> Role | None:
        """The row that gives a call a role; None where it does not play it."""
        if not isinstance(call, Call) or not isinstance(call.func, Name):
            return None
        return self.kernel.roles.get((role, call.func.name))

    def form(self, name: str, kind: str) -> str:
        """Another form of an allocator; "" where the kernel has none."""
        found = self.kernel.forms.get((name, kind))
        return found.to if found is not None else ""

    # ---- types

    @cached_property
    def arrays(self) -> frozenset[str]:
        """The local arrays."""
        return frozenset(s.name for s in self.statements if isinstance(s, Declare) and s.array)

    def is_array(self, name: str) -> bool:
        """Whether a name is that of a local array: its size is not that of a pointer."""
        return name in self.arrays

    @cached_property
    def locals(self) -> dict[str, Param]:
        """The variables of the function, parameters included; an array counts as a pointer."""
        found = {p.name: p for p in self.signature.params if p.name}
        for stmt in self.statements:
            if isinstance(stmt, Declare):
                found[stmt.name] = Param(stmt.type, stmt.pointers + stmt.array, stmt.name)
        return found

    def type_of(self, expr: Expr) -> Param | None:
        """The type of an expression; None where it is not known."""
        match expr:
            case Name(name=name):
                return self.locals.get(name) or self.around.global_type(name)
            case Member(base=base, field=name):
                owner = self.type_of(base)
                return self.around.field_type(owner.type, name) if owner is not None else None
            case Unary(op="*", operand=operand) | Index(base=operand):
                of = self.type_of(operand)
                return Param(of.type, of.pointers - 1, of.name) if of is not None and of.pointers else None
            case Unary(op="&", operand=operand):
                of = self.type_of(operand)
                return Param(of.type, of.pointers + 1, of.name) if of is not None else None
            case Cast(type=text):
                return Param(text.replace("*", "").strip(), text.count("*"), "")
        return None

    # ---- text

    def call_text(self, call: Call) -> CallText | None:
        """Where a call and its arguments stand in the file; None where that is not certain."""
        found = call_text(self.source, call.place)
        if found is None or len(found.args) != len(call.args) or has_directive(self.source, found.whole):
            return None
        name = call.func.name if isinstance(call.func, Name) else ""
        return found if self.source.code[slice(*found.name)] == name else None

    def text(self, span: Span) -> str:
        """The text of a span as it stands in the file."""
        return self.source.data[span.start : span.end].decode("utf-8", "surrogateescape")

    def edit(self, span: Span, text: str) -> Edit:
        """An edit that puts ``text`` in the place of a span."""
        return Edit(self.path, self.source.position(span.start), self.source.position(span.end), text)


# ---- walks ---------------------------------------------------------------------------------------------------


def parts_of(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions of a statement, those of the statements inside it apart."""
    found: tuple[Expr | None, ...] = ()
    match stmt:
        case Do(expr=expr):
            found = (expr,)
        case If(test=test):
            found = (test,)
        case Declare(init=init):
            found = (init,)
        case Loop(test=test, step=step, args=args):
            found = (test, step, *args)
        case Switch(value=value) | Return(value=value) | Case(value=value):
            found = (value,)
        case Guard(args=args) | Scoped(args=args):
            found = args
    return tuple(e for e in found if e is not None)


def walk(expr: Expr) -> Iterator[Expr]:
    """An expression and everything in it."""
    yield expr
    for child in children(expr):
        yield from walk(child)
    if isinstance(expr, StatementExpr):
        for stmt in _nested(expr.body):
            for part in parts_of(stmt):
                yield from walk(part)


def everything_in(stmt: Stmt) -> Iterator[Expr]:
    """Every expression in a statement and in the statements inside it."""
    for inner in _nested((stmt,)):
        for part in parts_of(inner):
            yield from walk(part)


def _nested(stmts: Sequence[Stmt]) -> Iterator[Stmt]:
    for stmt in stmts:
        yield stmt
        if isinstance(stmt, Loop) and stmt.init is not None:
            yield from _nested((stmt.init,))
        if isinstance(stmt, Scoped) and stmt.fail is not None:
            yield from _nested((stmt.fail,))
        for inner in inner_of(stmt):
            yield from _nested(inner)


def called(expr: Expr | None) -> Call | None:
    """The call whose value an expression is."""
    while isinstance(expr, Cast):
        expr = expr.value
    return expr if isinstance(expr, Call) else None


def body_of(stmt: Stmt) -> Sequence[Stmt]:
    """The statements of a block, or the one statement."""
    return stmt.body if isinstance(stmt, Block) else (stmt,)


# ---- questions -----------------------------------------------------------------------------------------------


def mentions(stmt: Stmt, path: str) -> bool:
    """Whether a statement may touch what an access path names: the path itself, or an object that holds it."""
    if isinstance(stmt, Declare) and stmt.name == path:
        return True
    return any(touches(expr, path) for expr in everything_in(stmt))


def touches(expr: Expr, path: str) -> bool:
    """Whether an expression names a path, or hands an object that holds it to a call."""
    if isinstance(expr, (Name, Member, Index)):
        own = path_of(expr)
        return own == path
    if isinstance(expr, Call):
        return any(is_prefix(path_of(arg), path) for arg in expr.args)
    if isinstance(expr, Assign):
        return is_prefix(path_of(expr.target), path)
    return False


def is_prefix(own: str, path: str) -> bool:
    """Whether ``own`` is the path or an object around it."""
    return bool(own) and (path == own or path.startswith((own + ".", own + "[")))


def tests_null(test: Expr, path: str, kernel: Kernel) -> bool | None:
    """What a condition says of a pointer: True: it is NULL where the condition holds; False: it is not; None: nothing.

    ``!p || other`` counts as NULL, ``p && other`` as not NULL: where the condition does not hold, the contrary is known
    of the first, and of the second where it holds.
    """
    match test:
        case Unary(op="!", operand=operand):
            inner = tests_null(operand, path, kernel)
            return None if inner is None else not inner
        case Binary(op="==" | "!=" as op, left=left, right=right):
            if is_null(right) and path_of(_assigned(left)) == path:
                return op == "=="
            return (op == "==") if is_null(left) and path_of(_assigned(right)) == path else None
        case Binary(op="||", left=left, right=right):
            return True if True in (tests_null(left, path, kernel), tests_null(right, path, kernel)) else None
        case Binary(op="&&", left=left, right=right):
            return False if False in (tests_null(left, path, kernel), tests_null(right, path, kernel)) else None
        case Call(func=Name(name=name), args=(first, *_)):
            query = kernel.queries.get(name)
            asks = query is not None and query.true_means == "argument"
            return tests_null(first, path, kernel) if asks else None
        case Name() | Member() | Index() | Assign():
            return False if path_of(_assigned(test)) == path else None
    return None


def _assigned(expr: Expr) -> Expr:
    """``p`` of ``(p = f())``; the expression itself else."""
    return expr.target if isinstance(expr, Assign) and expr.op == "=" else expr


def is_null(expr: Expr) -> bool:
    """Whether an expression is a null pointer as written."""
    while isinstance(expr, Cast):
        expr = expr.value
    return (isinstance(expr, Name) and expr.name in ("NULL", "false")) or (
        isinstance(expr, Number) and expr.text == "0"
    )


def leaves(stmt: Stmt | None, code: Code) -> bool:
    """Whether control never comes out behind a statement."""
    if stmt is None:
        return False
    match stmt:
        case Return() | Goto() | Break() | Continue():
            return True
        case Block(body=body):
            return any(leaves(inner, code) for inner in body) and not any(isinstance(s, Label) for s in body)
        case If(then=then, otherwise=otherwise):
            return leaves(then, code) and leaves(otherwise, code)
        case Do(expr=Call(func=Name(name=name))):
            query = code.kernel.queries.get(name)
            return (query is not None and query.true_means == "never") or code.around.never_returns(name)
    return False
