"""What becomes of the memory that a function allocates: freed before it returns, or kept by whom.

A reading of one body in source order, apart from the flow: which names and members hold the memory, whether the main
line of the function (what is no error path) frees it again, and where it is put. Memory that the main line neither
frees nor puts anywhere was handed to a callee.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeGuard

import msgspec

from gfplint.analysis.paths import path_of, root_of
from gfplint.analysis.syntax import all_calls, calls_in, ends, inner_of, parts_of
from gfplint.facts import (
    Assign,
    Binary,
    Block,
    Body,
    Call,
    Case,
    Cast,
    Conditional,
    Declare,
    Do,
    Expr,
    If,
    Index,
    Label,
    Member,
    Name,
    Number,
    Param,
    Place,
    Return,
    Signature,
    SizeOf,
    Stmt,
    Unary,
)
from gfplint.kernel.model import Kernel, Mask

#: Callees that put an object where others find it; their names say so.
_INSERTS = re.compile(
    r"(?:_|\b)(?:list|hlist|llist|plist|rb|rbtree|xa|xas|idr|ida|radix_tree|rhashtable|rhltable|hash|mas|mtree|queue|"
    r"enqueue|insert|add|link|attach|install|assign_pointer|publish|store|register|replace|splice)(?:_|\b)",
    re.ASCII,
)
#: Callees that end an object's life; their names say so.
_RELEASES = re.compile(
    r"(?:_|\b)(?:free|kfree|vfree|put|release|destroy|dealloc|unref|kill|dispose|discard|drop|fini|cleanup|teardown|"
    r"consume|del|delete|deinit|exit)(?:_|\b)|free$|^free",
    re.ASCII,
)
PLAIN = frozenset(("", "void", "char", "u8", "u16", "u32", "u64", "int", "long", "unsigned", "page", "folio"))
#: Names of one allocation that are followed.
_MAX_NAMES = 8


class Allocated(msgspec.Struct, frozen=True, gc=False):
    """One allocation with a mask that is known, and what becomes of the memory.

    ``fate``: ``stored`` (in a member of ``holders``), ``listed`` (given to a function that links it), ``returned``,
    ``global`` (one variable of the file or kernel), ``handed`` (to some callee), ``freed``, ``local``.
    ``object``: the record that it is an instance of; ``holders``: records whose members hold it. ``given``: the
    functions that get it, with the number of the argument.
    """

    callee: str
    place: Place
    mask: Mask
    mask_text: str
    object: str
    fate: str
    holders: tuple[str, ...] = ()
    cache: str = ""
    given: tuple[tuple[str, int], ...] = ()


class Fields(Protocol):
    """Where the types of members and of variables at file scope are known."""

    def field_type(self, record: str, field: str) -> Param | None:
        """The type of a struct's member."""

    def global_type(self, name: str) -> Param | None:
        """The type of a variable at file scope."""


class Types:
    """Declared types of a function's variables, and of members."""

    def __init__(self, signature: Signature, body: Body, env: Fields) -> None:
        self.variables: dict[str, tuple[str, int]] = {p.name: (p.type, p.pointers) for p in signature.params if p.name}
        self.params = frozenset(self.variables)
        self.locals: set[str] = set()
        self.structs: set[str] = set()
        self.arrays: set[str] = set()
        self.env = env
        for declared in _declarations(body.stmts):
            self.variables[declared.name] = (declared.type, declared.pointers + declared.array)
            if not declared.static:
                self.locals.add(declared.name)
                if not declared.pointers and not declared.array:
                    self.structs.add(declared.name)
                if declared.array:
                    self.arrays.add(declared.name)

    def given_from_stack(self, body: Body, name: str) -> frozenset[str]:
        """The types of the structs on the function's stack whose address calls of ``name`` get."""
        given = (a.operand for c in all_calls(body.stmts) if c.func == Name(name) for a in c.args if _is_address(a))
        return frozenset(self.variables[root][0] for e in given if (root := root_of(path_of(e))) in self.structs)

    def of(self, path: str) -> str:
        """The record type of an access path; "" where unknown."""
        root, *fields = path.split(".")
        kind, _ = self.variables.get(root.partition("[")[0], ("", 0))
        if not kind:
            known = self.env.global_type(root.partition("[")[0])
            kind = known.type if known is not None else ""
        for field in fields:
            found = self.env.field_type(kind, field.partition("[")[0]) if kind else None
            kind = found.type if found is not None else ""
        return kind


def _is_address(expr: Expr) -> TypeGuard[Unary]:
    return isinstance(expr, Unary) and expr.op == "&"


def _declarations(stmts: Sequence[Stmt]) -> Iterator[Declare]:
    for stmt in stmts:
        if isinstance(stmt, Declare):
            yield stmt
        for inner in inner_of(stmt):
            yield from _declarations(inner)


class _Item(msgspec.Struct):
    """An allocation being followed."""

    call: Call
    mask: Mask
    text: str
    names: list[str]
    line: tuple[int, ...]
    object: str = ""
    holders: list[str] = msgspec.field(default_factory=list)
    marks: set[str] = msgspec.field(default_factory=set)
    freed: bool = False
    given: list[tuple[str, int]] = msgspec.field(default_factory=list)
    #: Names that stand for something else in other arms: (name, arm).
    lost: list[tuple[str, tuple[int, ...]]] = msgspec.field(default_factory=list)


class Lifetimes:
    """Reads one body."""

    def __init__(self, kernel: Kernel, types: Types) -> None:
        self.kernel = kernel
        self.types = types
        self.masks: dict[str, list[Expr]] = {}
        self.items: list[_Item] = []
        self.managed: dict[str, str] = {}
        self.wanted: frozenset[str] = frozenset()
        #: Local pointers to what is on the stack.
        self.on_stack: set[str] = set()
        #: The arms that the statement at hand stands in, and how many there were.
        self.line: tuple[int, ...] = ()
        self.arms = 0

    def read(self, body: Body, wanted: frozenset[str] = frozenset()) -> list[Allocated]:
        """The allocations of a body; ``wanted``: further callees whose result counts as fresh memory."""
        self.wanted = wanted
        self.gather_masks(body.stmts)
        self.block(body.stmts)
        return [self.result(item) for item in self.items]

    def result(self, item: _Item) -> Allocated:
        row = self.kernel.allocators.get(_name(item.call))
        cache = ""
        if row is not None and row.cache is not None and row.cache < len(item.call.args):
            cache = path_of(item.call.args[row.cache])
        return Allocated(
            _name(item.call),
            item.call.place,
            item.mask,
            item.text,
            item.object,
            self.fate(item),
            tuple(dict.fromkeys(h for h in item.holders if h)),
            cache,
            tuple(dict.fromkeys(item.given)),
        )

    def parameter(self, body: Body, number: int, params: Sequence[str]) -> Allocated:
        """What becomes of what a function gets as its parameter ``number``."""
        given = _Item(Call(Name(""), (), Place(0, 0, 0, 0)), frozenset(), "", [params[number]], ())
        self.items.append(given)
        self.block(body.stmts)
        return self.result(given)

    def fate(self, item: _Item) -> str:
        if "returned" in item.marks:  # what was freed can't be
            kept = [fate for fate in ("stored", "listed") if fate in item.marks]
            return kept[0] if kept else "returned"
        if item.freed or ("managed" in item.marks and not item.marks & {"stored", "listed", "returned", "global"}):
            return "freed"
        for fate in ("stored", "listed", "returned", "global", "local", "handed"):
            if fate in item.marks:
                return fate
        return "local"

    # ---- masks

    def gather_masks(self, stmts: Sequence[Stmt]) -> None:
        for stmt in stmts:
            if isinstance(stmt, Declare) and stmt.init is not None and stmt.type == "gfp_t":
                self.masks.setdefault(stmt.name, []).append(stmt.init)
            expr = stmt.expr if isinstance(stmt, Do) else None
            if isinstance(expr, Assign) and isinstance(expr.target, Name):
                name = expr.target.name
                if self.types.variables.get(name, ("", 0))[0] == "gfp_t":
                    self.masks.setdefault(name, []).append(expr.value)
            for inner in inner_of(stmt):
                self.gather_masks(inner)

    def mask(self, expr: Expr, depth: int = 3) -> Mask | None:
        """The bits of a mask that is the same on every path; None for what is no mask or not known."""
        if isinstance(expr, Name):
            if expr.name in self.kernel.masks:
                return self.kernel.masks[expr.name]
            values = self.masks.get(expr.name, [])
            if expr.name in self.types.params or not values or not depth:
                return None
            found = [self.mask(v, depth - 1) for v in values]
            known = [m for m in found if m is not None]
            return frozenset().union(*known) if len(known) == len(found) else None
        if isinstance(expr, Binary) and expr.op == "|":
            left, right = self.mask(expr.left, depth), self.mask(expr.right, depth)
            return None if left is None or right is None else left | right
        if isinstance(expr, Conditional) and expr.then is not None:
            then, otherwise = self.mask(expr.then, depth), self.mask(expr.otherwise, depth)
            return None if then is None or otherwise is None else then | otherwise
        return None

    def allocation(self, call: Call) -> tuple[Mask, str] | None:
        """The mask of a call that allocates, as bits and as written."""
        name = _name(call)
        if not name:
            return None
        row = self.kernel.allocators.get(name)
        if row is not None and row.mask is None:
            return (self.kernel.masks.get(row.default, frozenset()), "") if row.default and not row.hidden else None
        numbers = [row.mask] if row is not None and row.mask is not None else range(len(call.args))
        for number in numbers:
            if number >= len(call.args):
                default = row.default if row is not None else ""
                return (self.kernel.masks.get(default, frozenset()), "") if default else None
            bits = self.mask(call.args[number])
            if bits:
                return bits, path_of(call.args[number])
        return (frozenset(), "") if name in self.wanted else None

    # ---- statements

    def block(self, stmts: Sequence[Stmt]) -> None:
        """A statement list. What stands behind its end, under a label, is an arm of its own: the error paths. So is
        what is left where success has returned.
        """
        line = self.line
        for stmt in stmts:
            if isinstance(stmt, Case):
                self.line = (*line, self.arm())
            self.statement(stmt)
            if ends(stmt) or (isinstance(stmt, If) and ends(stmt.then) and _succeeded(stmt.test)):
                self.line = (*line, self.arm())
        self.line = line

    def branch(self, stmt: Stmt) -> None:
        """An arm of a branch."""
        line = self.line
        self.line = (*line, self.arm())
        self.statement(stmt)
        self.line = line

    def arm(self) -> int:
        self.arms += 1
        return self.arms

    def statement(self, stmt: Stmt) -> None:
        if isinstance(stmt, Declare):
            self.declare(stmt)
        elif isinstance(stmt, Return) and stmt.value is not None:
            self.note_calls(stmt.value)
            self.returned(stmt.value)
        elif isinstance(stmt, If):
            self.note_calls(stmt.test)
            if _asks_pointer(stmt.test, self.items) and not ends(stmt.then):
                self.statement(stmt.then)
            else:
                self.branch(stmt.then)
            if stmt.otherwise is not None:
                self.branch(stmt.otherwise)
        elif isinstance(stmt, Block):
            self.block(stmt.body)
        elif not isinstance(stmt, Label):
            for expr in parts_of(stmt):
                self.note_calls(expr)
            for inner in inner_of(stmt):
                self.block(inner)

    def declare(self, stmt: Declare) -> None:
        if stmt.cleanup:
            self.managed[stmt.name] = stmt.cleanup
        if stmt.init is None:
            return
        call = _call(stmt.init)
        if call is not None and self.begins(call, stmt.name):
            return
        self.note_calls(stmt.init)
        self.point(stmt.name, stmt.init)
        for item in self.holding(stmt.init):
            self.name(item, stmt.name)

    def begins(self, call: Call, path: str) -> bool:
        """A call whose result goes to a name or member: a new allocation, if it is one."""
        found = self.allocation(call)
        if found is None:
            return False
        for arg in call.args:
            self.note_calls(arg)
        item = _Item(call, found[0], found[1], [], self.line)
        self.items.append(item)
        if "." not in path and "[" not in path and path in self.types.variables:
            self.forget(path)
            item.names.append(path)
            kind = self.types.variables[path][0]
            item.object = kind if kind not in PLAIN else ""
            if path in self.managed:
                item.marks.add("managed")
        if not item.object:
            item.object = self.sized(call)
        return True

    def sized(self, call: Call) -> str:
        for arg in call.args:
            for size in _sizes(arg):
                kind = size.type.replace("struct ", "").strip(" *") if size.type else ""
                if not kind and size.value is not None:
                    kind = self.types.of(path_of(size.value))
                if kind and kind not in PLAIN and "*" not in size.type:
                    return kind
        return ""

    def note_calls(self, expr: Expr) -> None:
        """What the calls and assignments in an expression do to what is followed."""
        if isinstance(expr, Assign):
            self.assign(expr)
            return
        if isinstance(expr, Binary) and expr.op in ("&&", "||", "==", "!=", ",", "<", ">"):
            self.note_calls(expr.left)
            self.note_calls(expr.right)
            return
        if isinstance(expr, Unary) and expr.op == "!":
            self.note_calls(expr.operand)
            return
        for call in calls_in(expr):
            self.call(call)

    def assign(self, expr: Assign) -> None:
        if isinstance(expr.value, Assign):
            self.note_calls(expr.value)
        path = path_of(expr.target)
        call = _call(expr.value)
        new = call is not None and expr.op == "=" and self.begins(call, path)
        if not new and not isinstance(expr.value, Assign):
            self.note_calls(expr.value)
        items = [self.items[-1]] if new else self.holding(expr.value)
        if isinstance(expr.target, Name) and expr.target.name in self.types.locals | self.types.params:
            if not new:
                self.forget(expr.target.name)
                self.point(expr.target.name, expr.value)
            for item in items:
                self.name(item, expr.target.name)
            return
        for item in items:
            self.store(item, expr.target, path)

    def point(self, name: str, value: Expr) -> None:
        """A local pointer gets a value: the address of something on the stack, or another."""
        while isinstance(value, Cast):
            value = value.value
        inner = value.operand if isinstance(value, Unary) and value.op == "&" else value
        root = root_of(path_of(inner))
        taken = root in self.types.structs if inner is not value else root in self.types.arrays
        if taken or (isinstance(value, Name) and value.name in self.on_stack):
            self.on_stack.add(name)
        elif not isinstance(value, Assign):
            self.on_stack.discard(name)

    def store(self, item: _Item, target: Expr, path: str) -> None:
        root = root_of(path)
        if isinstance(target, Name):
            item.marks.add("global")
            return
        if root in self.types.structs or root in self.on_stack:
            item.names.append(path) if len(item.names) < _MAX_NAMES else None
            item.marks.add("local")
            return
        if not path:
            item.marks.add("stored")
            return
        item.names.append(path) if len(item.names) < _MAX_NAMES else None
        holder = path.rpartition(".")[0]
        item.holders += [self.types.of(holder) if holder else "", self.types.of(root)]
        if root not in self.types.locals and root not in self.types.params and "[" not in path and "(" not in path:
            item.marks.add("global")
            return
        item.marks.add("stored")

    def call(self, call: Call) -> None:
        name = _name(call)
        if self.means(name, "assign") and len(call.args) >= 2:
            value = _call(call.args[1])
            if value is not None and self.begins(value, ""):
                self.store(self.items[-1], call.args[0], path_of(call.args[0]))
                return
            for item in self.holding(call.args[1]):
                self.store(item, call.args[0], path_of(call.args[0]))
            return
        if self.means(name, "return") and call.args:
            self.returned(call.args[0])
            return
        if self.means(name, "take", "argument", "address", "page"):
            return
        row = self.kernel.frees.get(name)
        releases = row is not None or bool(_RELEASES.search(name))
        inserts = not releases and bool(_INSERTS.search(name))
        for number, arg in enumerate(call.args):
            for item in self.holding(arg):
                if item.call is call:
                    continue
                if releases and (row is None or (row.arg < len(call.args) and arg is call.args[row.arg])):
                    item.freed = item.freed or self.line == item.line[: len(self.line)]
                elif inserts:
                    item.marks.add("listed")
                    item.holders += [self.types.of(path_of(a)) for a in call.args if a is not arg]
                else:
                    item.marks.add("handed")
                    item.given.append((name, number))
        found = None if any(i.call is call for i in self.items) else self.allocation(call)
        if found is not None:
            item = _Item(call, found[0], found[1], [], self.line)
            item.object = self.sized(call)
            self.items.append(item)
            if not self.handed_out(item, call):
                item.marks.add("handed")

    def handed_out(self, item: _Item, call: Call) -> bool:
        """Memory that an allocator stores where an argument says (``zalloc_cpumask_var(&x->mask, ...)``)."""
        row = self.kernel.allocators.get(_name(call))
        if row is None or not isinstance(row.result, int) or row.result >= len(call.args):
            return False
        target = call.args[row.result]
        inner = target.operand if isinstance(target, Unary) and target.op == "&" else target
        path = path_of(inner)
        if isinstance(inner, Name):
            if inner.name in self.types.locals | self.types.params:
                self.name(item, inner.name)
                return True
        elif isinstance(inner, (Member, Index)):
            self.store(item, inner, path)
            return True
        return False

    def returned(self, value: Expr) -> None:
        call = _call(value)
        if call is not None and not self.means(_name(call), "take", "argument"):
            for item in self.items:
                if item.call is call:
                    item.marks.discard("handed")
                    item.marks.add("returned")
            return
        for item in self.holding(value):
            item.marks.add("returned")

    def holding(self, expr: Expr) -> list[_Item]:
        """The allocations that an expression stands for: their pointer, or the address of a part of them."""
        while isinstance(expr, Cast):
            expr = expr.value
        if isinstance(expr, Call) and expr.args and self.means(_name(expr), "take", "argument", "address", "page"):
            return self.holding(expr.args[0])
        if isinstance(expr, Unary) and expr.op == "&" and isinstance(expr.operand, (Member, Index)):
            path = root_of(path_of(expr.operand))
        elif isinstance(expr, Conditional):
            return [i for e in (expr.then, expr.otherwise) if e is not None for i in self.holding(e)]
        elif isinstance(expr, (Name, Member, Index)):
            path = path_of(expr)
        else:
            return []
        return [i for i in self.items if path in i.names and not self.is_lost(i, path)] if path else []

    def is_lost(self, item: _Item, path: str) -> bool:
        """Whether a name of an allocation stands for something else in the arm at hand."""
        root = root_of(path)
        return any(root == name and self.line[: len(arm)] == arm for name, arm in item.lost)

    def name(self, item: _Item, name: str) -> None:
        if name not in item.names and len(item.names) < _MAX_NAMES:
            item.names.append(name)
        if name not in self.types.variables:
            item.marks.add("global")

    def means(self, name: str, *meanings: str) -> bool:
        row = self.kernel.queries.get(name)
        return row is not None and row.true_means in meanings

    def forget(self, name: str) -> None:
        """A name gets another value. In an arm beside the one that allocated, it does so for that arm alone."""
        for item in self.items:
            if name not in item.names:
                continue
            shared = min(len(self.line), len(item.line))
            if self.line[:shared] != item.line[:shared]:
                item.lost.append((name, self.line))
            else:
                item.names = [n for n in item.names if n != name and not n.startswith(name + ".")]


def _name(call: Call) -> str:
    return call.func.name if isinstance(call.func, Name) else ""


def _call(expr: Expr | None) -> Call | None:
    while isinstance(expr, Cast):
        expr = expr.value
    return expr if isinstance(expr, Call) else None


def _sizes(expr: Expr) -> Iterator[SizeOf]:
    if isinstance(expr, SizeOf):
        yield expr
    elif isinstance(expr, Binary):
        yield from _sizes(expr.left)
        yield from _sizes(expr.right)
    elif isinstance(expr, Unary) and expr.op == "*":
        yield SizeOf("", expr)
    elif isinstance(expr, Call):
        name = _name(expr)
        if name.startswith("struct_size") and expr.args:
            yield SizeOf("", expr.args[0])
        else:
            for arg in expr.args:
                yield from _sizes(arg)


def _succeeded(test: Expr) -> bool:
    """``if (!err)``, ``if (err == 0)``: no error happened."""
    if isinstance(test, Binary) and test.op == "==" and isinstance(test.right, Number) and test.right.text == "0":
        tested = test.left
    elif isinstance(test, Unary) and test.op == "!":
        tested = test.operand
    else:
        return False
    return isinstance(tested, Name) and tested.name in ("err", "error", "rc", "ret", "rv")


def _asks_pointer(test: Expr, items: Sequence[_Item]) -> bool:
    """``if (p)``: the pointer itself decides."""
    path = path_of(test)
    return bool(path) and any(path in i.names for i in items)
