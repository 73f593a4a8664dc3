"""Functions that a program hands to the core, with the context in which the core calls them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pycparser import c_ast

from gfplint.kernel.model import LEFT_OPEN, Kernel
from gfplint.kernel.reclaim import reclaim_entries
from gfplint.simulator.program import Program

#: Names of the callback tables' contexts (kernel/tables/contexts.toml) as contexts of the machine.
CONTEXTS = {
    "sleepable": "sleepable",
    "either_unknown": "plain",
    "atomic_mixed": "atomic",
    "hardirq": "hardirq",
    "softirq": "softirq",
    "irqsoff": "irqs-off",
    "spinlock": "atomic",
    "spinlock_bh": "softirq",
    "preemptoff": "atomic",
    "nmi": "hardirq",
    "rcu": "rcu",
}


class _Store(NamedTuple):
    """``base.member = function``: the struct's tag, and what names it."""

    tag: str
    member: str
    function: str
    base: str


def callback_contexts(program: Program, kernel: Kernel) -> dict[str, str]:
    """Functions that the program registers, stores or puts into operation tables, by name."""
    found: dict[str, str] = {}
    stores = _handed(program)
    given: dict[str, list[str]] = {}
    for store in stores:
        row = kernel.callbacks.get((store.tag, store.member))
        if row is not None:
            found[store.function] = CONTEXTS.get(row.context, "plain")
            if row.context == LEFT_OPEN:
                given.setdefault(store.base, []).append(store.function)
    registrars = {key: row.context for key, row in kernel.registrars.items()}
    registrars |= _wrappers(program, registrars)
    for call in program.calls:
        for number, argument in enumerate(call.args.exprs if call.args is not None else []):
            context = CONTEXTS.get(registrars.get((call.name.name, number), ""))
            if context is None:
                continue
            either = (argument.iftrue, argument.iffalse) if isinstance(argument, c_ast.TernaryOp) else (argument,)
            for name in map(_name, either):
                if name in program.functions:
                    found.setdefault(name, context)
            for function in given.get(_path(argument), ()):
                found[function] = context
    return found


def entry_points(program: Program, kernel: Kernel) -> dict[str, str]:
    """Functions through which user space comes in, with who may do so (kernel/tables/entrypoints.toml)."""
    found: dict[str, str] = {}
    for store in _handed(program):
        row = kernel.entries.get((store.tag, store.member))
        if row is not None:
            found[store.function] = row.privilege
    for call in program.calls:
        for number, argument in enumerate(call.args.exprs if call.args is not None else []):
            row = kernel.entry_registrars.get((call.name.name, number))
            if row is not None and (name := _name(argument)) in program.functions:
                found.setdefault(name, row.privilege)
    return found


def reclaim_paths(program: Program, kernel: Kernel) -> dict[str, str]:
    """Functions that reclaim calls, with what the mask must allow for that: ``any``, ``fs`` or ``io``."""
    table = reclaim_entries(kernel)
    found = {}
    for store in _handed(program):
        entry = table.get((store.tag, store.member))
        if entry is not None and not entry.inside:
            found[store.function] = entry.needs
    return found


def _handed(program: Program) -> list[_Store]:
    """Where the program stores functions of its own."""
    found: list[_Store] | None = program.handed
    if found is None:
        found = [s for s in (*_tables(program), *_stores(program)) if s.function in program.functions]
        program.handed = found
    return found


def _tables(program: Program) -> Iterator[_Store]:
    """The functions in operation tables at file scope."""
    for name, node in program.variables.items():
        tag = _struct_tag(node.type)
        if tag and isinstance(node.init, c_ast.InitList):
            for item in node.init.exprs or []:
                if isinstance(item, c_ast.NamedInitializer) and isinstance(item.name[-1], c_ast.ID):
                    yield _Store(tag, item.name[-1].name, _name(item.expr), name)


def _stores(program: Program) -> Iterator[_Store]:
    """The functions that the program's functions store into members of structs whose type is known."""
    for function in program.functions.values():
        nodes = list(_all(function))
        stores = [n for n in nodes if isinstance(n, c_ast.Assignment) and isinstance(n.lvalue, c_ast.StructRef)]
        stores = [n for n in stores if _name(n.rvalue) in program.functions]
        if not stores:
            continue
        types = {name: node.type for name, node in program.variables.items()}
        types |= {node.name: node.type for node in nodes if isinstance(node, c_ast.Decl) and node.name}
        for node in stores:
            base = node.lvalue.name
            tag = _struct_tag(_type_of(base, types, program))
            yield _Store(tag, node.lvalue.field.name, _name(node.rvalue), _path(base))


def _wrappers(program: Program, registrars: dict[tuple[str, int], str]) -> dict[tuple[str, int], str]:
    """Functions that hand one of their parameters on to a registrar."""
    found: dict[tuple[str, int], str] = {}
    for name, function in program.functions.items():
        params = function.decl.type.args.params if function.decl.type.args is not None else []
        numbers = {getattr(p, "name", None): at for at, p in enumerate(params)}
        for call in _all(function.body) if numbers else ():
            if not isinstance(call, c_ast.FuncCall) or not isinstance(call.name, c_ast.ID) or call.args is None:
                continue
            for number, argument in enumerate(call.args.exprs):
                context = registrars.get((call.name.name, number))
                if context is not None and (at := numbers.get(_name(argument))) is not None:
                    found[name, at] = context
    return found


def _type_of(node: Any, types: dict[str, Any], program: Program) -> Any:
    """The type node of an expression that names an object; None where it is not known."""
    if isinstance(node, c_ast.ID):
        return types.get(node.name)
    if isinstance(node, c_ast.ArrayRef | c_ast.UnaryOp):
        inner = _type_of(node.name if isinstance(node, c_ast.ArrayRef) else node.expr, types, program)
        return getattr(inner, "type", None) if isinstance(inner, c_ast.ArrayDecl | c_ast.PtrDecl) else inner
    if isinstance(node, c_ast.StructRef):
        record = program.structs.get(_struct_tag(_type_of(node.name, types, program)))
        decls = record.decls if record is not None else []
        return next((d.type for d in decls if getattr(d, "name", None) == node.field.name), None)
    return None


def _path(node: Any) -> str:
    """What names an object: ``x.nb`` for ``&x->nb``; "" where that is not plain."""
    if isinstance(node, c_ast.UnaryOp) and node.op in "&*":
        return _path(node.expr)
    if isinstance(node, c_ast.StructRef):
        base = _path(node.name)
        return f"{base}.{node.field.name}" if base else ""
    return node.name if isinstance(node, c_ast.ID) else ""


def _name(node: Any) -> str:
    """The name of the function that an expression may be: ``f``, ``&f`` or ``(type)f``."""
    while isinstance(node, c_ast.Cast) or (isinstance(node, c_ast.UnaryOp) and node.op == "&"):
        node = node.expr
    return node.name if isinstance(node, c_ast.ID) else ""


def _all(root: Any) -> Iterator[Any]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(child for _, child in reversed(node.children()))


def _struct_tag(node: Any) -> str:
    while isinstance(node, c_ast.ArrayDecl | c_ast.TypeDecl | c_ast.PtrDecl):
        node = node.type
    return node.name or "" if isinstance(node, c_ast.Struct) else ""
