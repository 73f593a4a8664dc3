"""Slab caches that a module leaves behind: where loading it fails, and where it goes.

The function that ``module_init()`` names is walked once, in the order of its text, with the caches that are made and
whether the way is one of failure. What is handed to others may be destroyed by them, and a call of a function of the
file that destroys caches destroys them all: what is then still left is left behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.paths import children
from gfplint.analysis.syntax import inner_of
from gfplint.analysis.values import CACHES
from gfplint.facts import (
    Assign,
    Binary,
    Block,
    Call,
    Cast,
    Do,
    Expr,
    Goto,
    If,
    Label,
    Name,
    Number,
    Place,
    Return,
    Stmt,
    Unary,
)
from gfplint.kernel.model import Kernel

#: Ways through a function that are told apart.
_MAX_WAYS = 64


class Leak(NamedTuple):
    """A cache that stays. ``call``: what made it; ``left``: where the function returns, None where the module goes.
    ``sure``: whether that return surely is one of failure.
    """

    variable: str
    call: Call
    left: Place | None
    sure: bool = True


class _Way(NamedTuple):
    """What is made on a way, and whether something has failed on it."""

    made: frozenset[str] = frozenset()
    failed: bool = False


def creators(kernel: Kernel) -> frozenset[str]:
    """What makes slab caches."""
    return frozenset(name for name, row in kernel.allocators.items() if row.family == CACHES)


def serving(kernel: Kernel) -> frozenset[str]:
    """What gives out the objects of a cache and takes them back."""
    taking = frozenset(name for name, row in kernel.frees.items() if row.cache is not None)
    return taking.union(name for name, row in kernel.allocators.items() if row.cache is not None)


def leaks(code: Code) -> Iterator[Leak]:
    """The caches that the function makes and the module leaves behind."""
    text = code.source.code
    if not _declares(code, "loads", code.name):
        return
    walk = _Walk(code)
    walk.block(code.body.stmts, {_Way()})
    yield from walk.found
    if _declares(code, "unloads", r"\w+"):
        for name, call in walk.calls.items():
            if _only_served(name, text, code.kernel):
                yield Leak(name, call, None)


def _declares(code: Code, role: str, name: str) -> bool:
    """Whether the file declares a function by a macro of a role: what loads the module, or unloads it."""
    macros = [m for r, m in code.kernel.roles if r == role]
    return any(re.search(rf"\b{m}\s*\(\s*{name}\s*\)", code.source.code) for m in macros)


def _only_served(name: str, text: str, kernel: Kernel) -> bool:
    """Whether a variable of the file is only ever made, asked and given to allocators and frees of objects."""
    if not re.search(rf"\bstatic\b[^;{{}}()]*\b{name}\b", text):
        return False
    known = rf"(?:\b(?:{'|'.join(map(re.escape, sorted(serving(kernel))))})\s*\(\s*|!\s*)$"
    for match in re.finditer(rf"\b{name}\b", text):
        before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() : match.end() + 40]
        made = re.match(r"\s*=\s*\w+\s*\(", after) and after.lstrip("= \t\n").partition("(")[0].strip() in creators(
            kernel
        )
        declared = re.search(r"\bstruct\s+\w+\s*\*\s*(?:\w+\s*,\s*\*\s*)*(?:__\w+\s*)*$", before)
        if not (made or declared or re.search(known, before)):
            return False
    return True


class _Walk:
    """One walk over a function."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.creators = creators(code.kernel)
        self.destroyers = frozenset(n for n, row in code.kernel.frees.items() if row.families == (CACHES,))
        self.serving = serving(code.kernel)
        self.calls: dict[str, Call] = {}
        self.waiting: dict[str, set[_Way]] = {}
        self.found: dict[Leak, None] = {}

    def block(self, stmts: Sequence[Stmt], ways: set[_Way]) -> set[_Way]:
        for stmt in stmts:
            ways = self.statement(stmt, ways)
            if len(ways) > _MAX_WAYS:
                ways = set()  # too many to tell apart: nothing is said
        return ways

    def statement(self, stmt: Stmt, ways: set[_Way]) -> set[_Way]:
        if isinstance(stmt, Label):
            return ways | self.waiting.pop(stmt.name, set())
        if isinstance(stmt, Do):
            return {self.expression(stmt.expr, way) for way in ways}
        if isinstance(stmt, Block):
            return self.block(stmt.body, ways)
        if isinstance(stmt, If):
            return self.branch(stmt, ways)
        if isinstance(stmt, Goto):
            self.waiting.setdefault(stmt.name, set()).update(ways)
            return set()
        if isinstance(stmt, Return):
            self.leave(stmt, ways)
            return set()
        out = set(ways)
        for inner in inner_of(stmt):
            out |= self.block(inner, ways)
        return out

    def branch(self, stmt: If, ways: set[_Way]) -> set[_Way]:
        ways = {self.expression(stmt.test, way) for way in ways}
        missing, fails = self.asked(stmt.test)
        then: set[_Way] = set()
        for way in ways:
            absent = [way.made - {name} for name in missing] or [way.made]
            then |= {_Way(made, way.failed or fails) for made in absent}
        after = self.statement(stmt.then, then)
        out = {_Way(w.made, False) for w in after} if fails else after
        if isinstance(stmt.test, Name) and after:
            # A flag says whether there is something to destroy; where something has failed, a status is not zero.
            gone = _made_in(then) - _made_in(after)
            ways = {w._replace(made=w.made - gone) for w in ways if not w.failed}
        return out | (self.statement(stmt.otherwise, ways) if stmt.otherwise is not None else ways)

    def asked(self, test: Expr) -> tuple[list[str], bool]:
        """The caches of which one is not there where a condition holds; and whether it says that something failed."""
        if isinstance(test, Call) and test.args and self.passes(test):
            return self.asked(test.args[0])
        if isinstance(test, Binary) and test.op == "||":
            left, right = self.asked(test.left), self.asked(test.right)
            return left[0] + right[0], left[1] and right[1]
        if isinstance(test, Binary) and test.op == "==" and isinstance(test.right, Name) and test.right.name == "NULL":
            test = Unary("!", test.left)
        if isinstance(test, Unary) and test.op == "!":
            bare = test.operand
            bare = bare.target if isinstance(bare, Assign) else bare
            return ([bare.name] if isinstance(bare, Name) and bare.name in self.calls else []), True
        if isinstance(test, Binary) and test.op in ("<", "!="):
            return [], isinstance(test.right, Number)
        return [], isinstance(test, (Name, Call, Assign))

    def passes(self, test: Call) -> bool:
        query = self.code.kernel.queries.get(test.func.name) if isinstance(test.func, Name) else None
        return query is not None and query.true_means == "argument"

    def expression(self, expr: Expr, way: _Way) -> _Way:
        for child in children(expr):
            way = self.expression(child, way)
        if isinstance(expr, Assign) and isinstance(expr.target, Name):
            value = expr.value
            while isinstance(value, Cast):
                value = value.value
            name = expr.target.name
            made = isinstance(value, Call) and isinstance(value.func, Name) and value.func.name in self.creators
            if made and isinstance(value, Call) and self.code.around.global_type(name) is not None:
                self.calls.setdefault(name, value)
                return way._replace(made=way.made | {name})
            return way._replace(made=way.made - {name})
        if isinstance(expr, Call) and isinstance(expr.func, Name) and expr.func.name not in self.serving:
            return self.called(expr, expr.func.name, way)
        return way

    def called(self, call: Call, name: str, way: _Way) -> _Way:
        given = {a.name for arg in call.args for a in _names(arg)}
        if name not in self.destroyers and name not in self.creators and self.destroys(name):
            return way._replace(made=frozenset())
        return way._replace(made=way.made - given)

    def destroys(self, name: str, depth: int = 2) -> bool:
        """Whether a function of the file may destroy caches, by what it calls; one that is not there may."""
        text = re.search(rf"\b{name}\s*\([^;{{}}]*\)\s*\{{(.*?)\n\}}", self.code.source.code, re.DOTALL)
        if text is None:
            return False
        called = set(re.findall(r"\b(\w+)\s*\(", text.group(1)))
        if not called.isdisjoint(self.destroyers):
            return True
        return depth > 0 and any(self.destroys(other, depth - 1) for other in sorted(called - {name}))

    def leave(self, stmt: Return, ways: set[_Way]) -> None:
        value = stmt.value
        negative = isinstance(value, Unary) and value.op == "-"
        unknown = isinstance(value, Call) and not self.destroys(value.func.name if isinstance(value.func, Name) else "")
        for way in ways:
            if value is not None:
                way = self.expression(value, way)  # noqa: PLW2901 - what the call in it takes along
            if negative or (way.failed and isinstance(value, Name)) or unknown:
                for name in sorted(way.made):
                    self.found.setdefault(Leak(name, self.calls[name], stmt.place, not unknown))


def _made_in(ways: set[_Way]) -> frozenset[str]:
    """The caches that are there on some way."""
    return frozenset[str]().union(*(way.made for way in ways))


def _names(expr: Expr) -> Iterator[Name]:
    if isinstance(expr, Name):
        yield expr
    for child in children(expr):
        yield from _names(child)
