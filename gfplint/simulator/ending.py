"""What can be said only when a function has returned, or when a module is gone.

Task flags, leaks, memory that nobody was charged for, caches that nobody destroyed.
"""

from __future__ import annotations

from typing import Any

from gfplint.simulator.interp import Interpreter
from gfplint.simulator.memory import Cache, Memory
from gfplint.simulator.operators import operate
from gfplint.simulator.program import Program
from gfplint.simulator.values import Obj, Ptr, Value

#: Families whose memory a memory cgroup can be charged for.
CHARGEABLE = frozenset({"kmalloc", "kvmalloc", "vmalloc", "kmem_cache", "pages", "page", "percpu", "exact", "folio"})

#: Who user space reaches a function through: nobody, though the program has functions that it does reach.
NOBODY = "nobody"
#: Those who need no charge: root of the machine.
PRIVILEGED = frozenset({NOBODY, "root"})

#: Macros that name what runs when the code is loaded, and when it is unloaded (include/linux/module.h).
LOADED, UNLOADED = "module_init", "module_exit"


def at_return(program: Program, name: str, interpreter: Interpreter, value: Value, flags: dict[str, int]) -> None:
    """The function ``name`` returned ``value``; ``flags``: the task's when it began."""
    machine = interpreter.machine
    line = interpreter.last_return or program.functions[name].coord.line
    decisions = len(interpreter.path.answers)
    changed = sorted(
        kind for kind in set(flags) | set(machine.task.flags) if flags.get(kind, 0) != machine.task.flags.get(kind, 0)
    )
    for kind in changed:
        # The scope's beginning is what has to be mended, so that is where it stands.
        where = machine.scope_begun.get(kind, ((name, line),))
        machine.record("task-flags-differ", f"the {kind} scope differs at return", where, decisions)
    kept = reachable(interpreter, value)
    for obj, memory in machine.allocator.memories:
        if not memory.alive or not memory.stack:
            continue
        held = id(obj) in kept or memory.escaped
        if not held and not memory.managed and not memory.attempted:
            what = f"{memory.family} memory is neither freed nor kept"
            machine.record("leak", what, memory.lost or memory.stack, decisions)
        elif held and _uncharged(interpreter, memory):
            what = "memory outlives the call and is charged to nobody"
            machine.record("uncharged", what, memory.stack, decisions)
            if memory.cache is not None and memory.cache.variable:
                machine.uncharged_caches[memory.stack] = memory.cache.variable
    for variable, cache, stack in _caches(interpreter):
        machine.caches_kept.add((variable, cache.account, stack))


def _uncharged(interpreter: Interpreter, memory: Memory) -> bool:
    """Whether somebody who is not trusted got memory that no memory cgroup is charged for."""
    machine = interpreter.machine
    if memory.family not in CHARGEABLE or memory.accounted or not machine.task.charged:
        return False
    return machine.setup.entry not in PRIVILEGED and not machine.privileged


def _caches(interpreter: Interpreter) -> list[tuple[str, Cache, tuple[tuple[str, int], ...]]]:
    """The slab caches that the path made and that a global variable holds: its name, the cache, where it was made."""
    found = []
    for name, value in interpreter.globals.fields.items():
        if isinstance(value, Ptr) and value.obj.memory is not None:
            cache, memory = value.obj.fields.get("#cache"), value.obj.memory
            if isinstance(cache, Cache) and memory.alive and memory.stack:
                found.append((str(name), cache, memory.stack))
    return found


def at_exit(program: Program, name: str, interpreter: Interpreter, value: Value) -> None:
    """What a module leaves behind when it was loaded and unloaded, or when loading it failed.

    Only where the code can be unloaded: what is built in stays.
    """
    if program.macros.get(LOADED) != name:
        return
    machine = interpreter.machine
    leave = program.macros.get(UNLOADED)
    if interpreter.truth(operate(interpreter, "<", value, 0)):
        _left(interpreter, "loading the module fails, and the cache stays")
    elif leave in program.functions:
        interpreter.frames.clear()
        interpreter.run(leave, [])
        machine.run_deferred()
        _left(interpreter, "the cache is not destroyed when the module goes")


def _left(interpreter: Interpreter, message: str) -> None:
    machine = interpreter.machine
    decisions = len(interpreter.path.answers)
    for obj, memory in machine.allocator.memories:
        if memory.family == "cache" and memory.alive and memory.stack and isinstance(obj.fields.get("#cache"), Cache):
            machine.record("cache-leak", message, memory.stack, decisions)


def reachable(interpreter: Interpreter, value: Value) -> set[int]:
    """The objects that are still held by the result, by globals, or by what the function did not make."""
    seen: set[int] = set()
    stack: list[Any] = [value, interpreter.globals, *interpreter.objects.values()]
    while stack:
        item = stack.pop()
        obj = item.obj if isinstance(item, Ptr) else item
        if not isinstance(obj, Obj) or id(obj) in seen:
            continue
        seen.add(id(obj))
        stack.extend(v for v in obj.fields.values() if isinstance(v, Ptr | Obj))
        if obj.parent is not None:
            stack.append(obj.parent)
    return seen
