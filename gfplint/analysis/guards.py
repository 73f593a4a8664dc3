"""Guard classes that the tree defines itself: what their constructors do to the context.

``DEFINE_GUARD(name, type, lock, unlock)`` and its like (include/linux/cleanup.h) give the constructor as an expression
over ``_T``, which is the guard's argument (``_T->lock`` in DEFINE_LOCK_GUARD_1); DEFINE_CLASS names its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from gfplint.analysis.paths import children, path_of, substitute
from gfplint.analysis.summary import Lock, Summary
from gfplint.analysis.syntax import expressions_of, inner_of
from gfplint.facts import Call, Definition, Expr, Name, StatementExpr, Stmt
from gfplint.frontend.header import parse_declarator
from gfplint.frontend.lower import lower_expression
from gfplint.kernel.model import GuardClass, Kernel

#: What a call to a function that the tables don't know does to its caller's context; None where it does nothing.
Summarise = Callable[[str], Summary | None]


class _Form(NamedTuple):
    """Where a defining macro has its constructor, its second name part (``_try``) and what its argument is called."""

    constructor: int
    extension: int | None = None
    argument: str = ""


_FORMS = {
    "DEFINE_GUARD": _Form(2, None, "_T"),
    "DEFINE_GUARD_COND": _Form(2, 1, "_T"),
    "DEFINE_LOCK_GUARD_0": _Form(1),
    "DEFINE_LOCK_GUARD_1": _Form(2, None, "_T.lock"),
    "DEFINE_LOCK_GUARD_1_COND": _Form(2, 1, "_T.lock"),
    "DEFINE_CLASS": _Form(3),
}
MACROS = tuple(_FORMS)


def class_name(definition: Definition) -> str:
    """The name by which ``guard()`` calls the class that a macro defines."""
    form = _FORMS[definition.macro]
    parts = [definition.args[0]] if definition.args else [""]
    if form.extension is not None and form.extension < len(definition.args):
        parts.append(definition.args[form.extension])
    return "".join(parts)


def guard_class(definition: Definition, kernel: Kernel, summarise: Summarise) -> GuardClass | None:
    """The kinds that a class holds; None where its constructor changes no context."""
    form, constructor = _FORMS[definition.macro], _constructor(definition)
    if constructor is None:
        return None
    arguments = [form.argument] if form.argument else []
    if definition.macro == "DEFINE_CLASS":
        arguments = [parse_declarator(text).name for text in definition.args[form.constructor + 1 :]]
    held = [lock for call in _calls(constructor) for lock in _entered(call, kernel, summarise)]
    if not held:
        return None
    kinds = tuple(dict.fromkeys(kind for kind, _ in held))
    number, field = _identity([lock for _, lock in held], arguments)
    when = "nonzero" if form.extension is not None else "always"
    return GuardClass(name=class_name(definition), kinds=kinds, lock=number, field=field, when=when)


def called(definition: Definition) -> frozenset[str]:
    """What the constructor of a class calls by name."""
    constructor = _constructor(definition)
    calls = _calls(constructor) if constructor is not None else ()
    return frozenset([call.func.name for call in calls if isinstance(call.func, Name)])


def _constructor(definition: Definition) -> Expr | None:
    at = _FORMS[definition.macro].constructor
    return lower_expression(definition.args[at]) if at < len(definition.args) else None


def _entered(call: Call, kernel: Kernel, summarise: Summarise) -> Iterator[Lock]:
    """The contexts that one call of a constructor enters."""
    if not isinstance(call.func, Name):
        return
    op = kernel.context_ops.get(call.func.name)
    if op is not None:
        lock = path_of(call.args[op.lock]) if op.lock is not None and op.lock < len(call.args) else ""
        if op.effect == "enter":
            yield from ((kind, f"{lock}.{op.field}" if op.field and lock else lock) for kind in op.kinds)
        return
    summary = summarise(call.func.name)
    if summary is None:
        return
    names = {p: path_of(call.args[at]) for at, p in enumerate(summary.params) if p and at < len(call.args)}
    for effect in summary.effects:
        yield from ((kind, substitute(lock, names)) for kind, lock in effect.enters)


def _identity(locks: list[str], arguments: list[str]) -> tuple[int | None, str]:
    """Which argument of the guard names the lock, and the lock's path from there."""
    for number, argument in enumerate(arguments):
        for lock in locks:
            if lock == argument:
                return number, ""
            if argument and lock.startswith(argument + "."):
                return number, lock[len(argument) + 1 :]
    return None, ""


def _calls(expr: Expr) -> Iterator[Call]:
    """The calls in an expression, those of its statement expressions included."""
    if isinstance(expr, Call):
        yield expr
    if isinstance(expr, StatementExpr):
        yield from _calls_of(expr.body)
    for child in children(expr):
        yield from _calls(child)


def _calls_of(stmts: tuple[Stmt, ...]) -> Iterator[Call]:
    for stmt in stmts:
        for expr in expressions_of(stmt):
            yield from _calls(expr)
        for inner in inner_of(stmt):
            yield from _calls_of(tuple(inner))
