"""Names that look like calls and are none: what they do with their arguments, C's order of evaluation does not say.

Loops over lists, guards and cleanups, container_of(), the accessors of shared variables. Each takes the interpreter and
the arguments as they are written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pycparser import c_ast

from gfplint.simulator.static_types import static_type
from gfplint.simulator.values import Obj, Ptr, Sym, Value, identity

if TYPE_CHECKING:
    from gfplint.simulator.interp import Interpreter


def for_each(it: Interpreter, exprs: list[Any]) -> Value:
    """One more round or not; the loop's variables become unknown."""
    it.calls += 1
    if it.path.choose(2, f"{exprs[0].value.strip(chr(34))} ends") == 0:
        return 0
    for expr in exprs[1:]:
        if isinstance(expr, c_ast.ID) and expr.name in it.frames[-1].locals.fields:
            current = it.frames[-1].locals.fields[expr.name]
            if not isinstance(current, Obj):
                it.frames[-1].locals.fields[expr.name] = Sym(("each", expr.name, it.calls))
    return 1


def guard(it: Interpreter, exprs: list[Any]) -> Value:
    name = exprs[0].value.strip('"')
    args = [it.evaluate(e) for e in exprs[1:]]
    it.named = exprs[1:]
    it.machine.guard_enter(name, args)
    _owe(it, "__guard", name, args)
    return 0


def cond_guard(it: Interpreter, exprs: list[Any]) -> Value:
    name = exprs[0].value.strip('"')
    args = [it.evaluate(e) for e in exprs[1:]]
    if it.path.choose(2, f"{name} taken") == 1:
        return 0
    it.machine.guard_enter(name, args)
    _owe(it, "__guard", name, args)
    return 1


def register_cleanup(it: Interpreter, exprs: list[Any]) -> Value:
    kind = exprs[0].value.strip('"')
    if isinstance(exprs[1], c_ast.ID):
        _owe(it, kind, exprs[1].name, [])
    return 0


def class_(it: Interpreter, exprs: list[Any]) -> Value:
    name = exprs[0].value.strip('"')
    args = [it.evaluate(e) for e in exprs[1:]]
    if it.machine.is_guard(name):
        it.machine.guard_enter(name, args)
        _owe(it, "__guard", name, args)
        return 1
    return it.call_name(f"class_{name}_constructor", args)


def container_of(it: Interpreter, exprs: list[Any]) -> Value:
    value = it.resolve(it.evaluate(exprs[0]))
    if isinstance(value, Ptr):
        obj = value.obj
        if value.key is not None and not isinstance(value.key, int):
            return Ptr(obj)
        return Ptr(obj.parent) if obj.parent is not None else value
    return Sym(("container", identity(value)))


def offset_of(it: Interpreter, exprs: list[Any]) -> Value:
    return 0


def keep(it: Interpreter, exprs: list[Any]) -> Value:
    """no_free_ptr(p), return_ptr(p): the value, and the variable becomes NULL."""
    value = it.evaluate(exprs[0])
    it.store(it.lvalue(exprs[0]), 0)
    return value


def itself(it: Interpreter, exprs: list[Any]) -> Value:
    return it.evaluate(exprs[0])


def constant_p(it: Interpreter, exprs: list[Any]) -> Value:
    return int(isinstance(exprs[0], c_ast.Constant))


def configured(it: Interpreter, exprs: list[Any]) -> Value:
    """IS_ENABLED(CONFIG_X): unknown, and the same all along a path."""
    name = exprs[0].name if isinstance(exprs[0], c_ast.ID) else "?"
    return Sym(("name", name))


def array_size(it: Interpreter, exprs: list[Any]) -> Value:
    value = it.evaluate(exprs[0])
    if isinstance(value, Ptr) and value.obj.array:
        known = static_type(it, exprs[0])
        if known is not None and known.count:
            return known.count
        return max((k for k in value.obj.fields if isinstance(k, int)), default=-1) + 1
    return Sym(("size", identity(value)))


def swap_in(it: Interpreter, exprs: list[Any]) -> Value:
    """xchg(p, v)"""
    place = it.target(it.evaluate(exprs[0]))
    old = it.load(place) if place is not None else Sym(("xchg", it.calls))
    it.store(place, it.evaluate(exprs[1]))
    return old


def write_once(it: Interpreter, exprs: list[Any]) -> Value:
    value = it.evaluate(exprs[1])
    it.store(it.lvalue(exprs[0]), value)
    return value


def _owe(it: Interpreter, kind: str, target: str, args: list[Value]) -> None:
    """Run a cleanup when the block ends."""
    frame = it.frames[-1]
    frame.cleanups.append((kind, target, args, frame.line))


SPECIAL: dict[str, Callable[[Interpreter, list[Any]], Value]] = {
    "__for_each": for_each,
    "__guard": guard,
    "__cond_guard": cond_guard,
    "__cleanup": register_cleanup,
    "__class": class_,
    "container_of": container_of,
    "container_of_const": container_of,
    "list_entry": container_of,
    "rb_entry": container_of,
    "hlist_entry": container_of,
    "from_timer": container_of,
    "from_tasklet": container_of,
    "no_free_ptr": keep,
    "return_ptr": keep,
    "offsetof": offset_of,
    "IS_ENABLED": configured,
    "IS_BUILTIN": configured,
    "IS_REACHABLE": configured,
    "likely": itself,
    "unlikely": itself,
    "READ_ONCE": itself,
    "__builtin_expect": itself,
    "__builtin_constant_p": constant_p,
    "ARRAY_SIZE": array_size,
    "xchg": swap_in,
    "WRITE_ONCE": write_once,
    "rcu_assign_pointer": write_once,
    "RCU_INIT_POINTER": write_once,
    "smp_store_release": write_once,
    "rcu_dereference": itself,
    "rcu_dereference_protected": itself,
    "rcu_access_pointer": itself,
}
