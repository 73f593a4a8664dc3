"""Statements: blocks, branches, loops, switches, jumps and the cleanups that a block owes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pycparser import c_ast

from gfplint.simulator.operators import operate
from gfplint.simulator.paths import LOOP_ROUNDS, MAX_ROUNDS, BudgetError
from gfplint.simulator.values import MAX_ERRNO, WRAP, Ptr, Value

if TYPE_CHECKING:
    from gfplint.simulator.interp import Frame, Interpreter

BREAK, CONTINUE, RETURN = "break", "continue", "return"
#: What a statement ends with: None, one of the above, or ("goto", label).
Signal = str | tuple[str, str] | None


def execute(it: Interpreter, node: Any, seek: str | None = None) -> Signal:
    """Run one statement; ``seek``: the label at which to start inside it."""
    it.path.step()
    coord = node.coord
    if coord is not None:
        it.frames[-1].line = coord.line
    handler = _STATEMENTS.get(type(node))
    if handler is not None:
        return handler(it, node, seek)
    it.evaluate(node)
    return None


def compound(it: Interpreter, node: Any, seek: str | None) -> Signal:
    frame = it.frames[-1]
    owed = len(frame.cleanups)
    signal = run_items(it, node.block_items or [], seek)
    while isinstance(signal, tuple) and signal[1] in frame.program.labels_in(node):
        signal = run_items(it, node.block_items or [], signal[1])
    settle(it, frame, owed)
    return signal


def run_items(it: Interpreter, items: list[Any], seek: str | None) -> Signal:
    labels = it.frames[-1].program.labels_in
    for item in items:
        if seek is not None:
            if seek not in labels(item):
                continue
            signal = execute(it, item, seek)
            seek = None
        else:
            signal = execute(it, item)
        if signal is not None:
            return signal
    return None


def settle(it: Interpreter, frame: Frame, owed: int) -> None:
    """Run the cleanups of a block that ends, last first."""
    while len(frame.cleanups) > owed:
        kind, target, args, line = frame.cleanups.pop()
        if kind == "__guard":
            it.machine.guard_leave(target, args)
        else:
            # What a cleanup does is told of the declaration that asked for it.
            here, frame.line = frame.line, line
            cleanup(it, kind, target)
            frame.line = here


def cleanup(it: Interpreter, kind: str, variable: str) -> None:
    frame = it.frames[-1]
    value = frame.locals.fields.get(variable, 0)
    if kind.startswith("cleanup "):
        it.call_name(kind[8:], [Ptr(frame.locals, variable)])
        return
    for program in it.programs:
        if f"__free_{kind}" in program.functions:
            it.enter(program, f"__free_{kind}", [value])
            return
    value = it.resolve(value)
    if isinstance(value, int) and (value == 0 or value % WRAP >= WRAP - MAX_ERRNO):
        return
    it.call_name(kind, [value])


def branch(it: Interpreter, node: Any, seek: str | None) -> Signal:
    if seek is not None:
        branch = node.iftrue if seek in it.frames[-1].program.labels_in(node.iftrue) else node.iffalse
        return execute(it, branch, seek)
    if it.condition(node.cond):
        return execute(it, node.iftrue)
    return execute(it, node.iffalse) if node.iffalse is not None else None


def rounds(it: Interpreter, test: Any, body: Any, step: Any, seek: str | None, first: bool) -> Signal:
    """A loop; one that asks for choices runs LOOP_ROUNDS rounds at most."""
    path, rounds, chosen = it.path, 0, 0
    while True:
        asked = len(path.answers)
        if seek is None and not first and test is not None and not it.condition(test):
            return None
        first = False
        signal = execute(it, body, seek)
        seek = None
        if signal == BREAK:
            return None
        if signal is not None and signal != CONTINUE:
            return signal
        if step is not None:
            it.evaluate(step)
        rounds += 1
        chosen += len(path.answers) > asked
        if chosen >= LOOP_ROUNDS and len(path.answers) > asked:
            if test is None or constant_true(test):
                raise BudgetError("an endless loop reached its bound")
            return None
        if rounds > MAX_ROUNDS:
            raise BudgetError(f"a loop ran more than {MAX_ROUNDS} rounds")


def constant_true(test: Any) -> bool:
    return isinstance(test, c_ast.Constant) or (isinstance(test, c_ast.ID) and test.name == "true")


def while_loop(it: Interpreter, node: Any, seek: str | None) -> Signal:
    return rounds(it, node.cond, node.stmt, None, seek, False)


def do_loop(it: Interpreter, node: Any, seek: str | None) -> Signal:
    if isinstance(node.cond, c_ast.Constant) and node.cond.value == "0":
        signal = execute(it, node.stmt, seek)
        return None if signal in (BREAK, CONTINUE) else signal
    return rounds(it, node.cond, node.stmt, None, seek, True)


def for_loop(it: Interpreter, node: Any, seek: str | None) -> Signal:
    if node.init is not None and seek is None:
        execute(it, node.init)
    return rounds(it, node.cond, node.stmt, node.next, seek, False)


def switch(it: Interpreter, node: Any, seek: str | None) -> Signal:
    items = node.stmt.block_items or [] if isinstance(node.stmt, c_ast.Compound) else [node.stmt]
    if seek is None:
        value = it.evaluate(node.cond)
        start = matching_case(it, items, value)
        if start is None:
            return None
        items = items[start:]
    frame = it.frames[-1]
    owed = len(frame.cleanups)
    signal = run_items(it, items, seek)
    while isinstance(signal, tuple) and signal[1] in frame.program.labels_in(node.stmt):
        signal = run_items(it, node.stmt.block_items, signal[1])
    settle(it, frame, owed)
    return None if signal == BREAK else signal


def matching_case(it: Interpreter, items: list[Any], value: Value) -> int | None:
    default = None
    for n, item in enumerate(items):
        node = item
        while isinstance(node, (c_ast.Case, c_ast.Default)):
            if isinstance(node, c_ast.Default):
                default = n
            elif it.truth(operate(it, "==", value, it.evaluate(node.expr))):
                return n
            node = node.stmts[0] if node.stmts else None
    return default


def case(it: Interpreter, node: Any, seek: str | None) -> Signal:
    return run_items(it, node.stmts or [], seek)


def label(it: Interpreter, node: Any, seek: str | None) -> Signal:
    return execute(it, node.stmt, None if seek == node.name else seek)


def return_(it: Interpreter, node: Any, seek: str | None) -> Signal:
    frame = it.frames[-1]
    frame.value = it.evaluate(node.expr) if node.expr is not None else 0
    if len(it.frames) == 1 and node.coord is not None:
        it.last_return = node.coord.line
    return RETURN


def decl_list(it: Interpreter, node: Any, seek: str | None) -> Signal:
    for decl in node.decls:
        it.declare(decl)
    return None


def declare(it: Interpreter, node: Any, seek: str | None) -> Signal:
    it.declare(node)
    return None


def nothing(it: Interpreter, node: Any, seek: str | None) -> Signal:
    return None


_STATEMENTS: dict[type, Callable[[Interpreter, Any, str | None], Signal]] = {
    c_ast.Compound: compound,
    c_ast.If: branch,
    c_ast.While: while_loop,
    c_ast.DoWhile: do_loop,
    c_ast.For: for_loop,
    c_ast.Switch: switch,
    c_ast.Label: label,
    c_ast.Return: return_,
    c_ast.Decl: declare,
    c_ast.DeclList: decl_list,
    c_ast.Case: case,
    c_ast.Default: case,
    c_ast.Goto: lambda it, node, seek: ("goto", node.name),
    c_ast.Break: lambda it, node, seek: BREAK,
    c_ast.Continue: lambda it, node, seek: CONTINUE,
    c_ast.EmptyStatement: nothing,
    c_ast.Typedef: nothing,
    c_ast.StaticAssert: nothing,
    c_ast.Pragma: nothing,
}
