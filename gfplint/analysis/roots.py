"""Roots: functions that the kernel's core calls in a known context, found where their file hands them out.

Three ways lead to the core: a member of an operation table, a store to such a member, and an argument of a registrar.
A condition of the context table (``flag=IRQF_ONESHOT:sleepable``) that the place of registration meets changes the
context; where it may be met elsewhere, the root is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gfplint.analysis.program import FunctionId, Program
from gfplint.facts import Entry, Function, Table
from gfplint.frontend.blank import Source
from gfplint.frontend.header import split_top
from gfplint.kernel.model import Callback, Kernel

_REFERENCE = re.compile(r"&?\s*(?:\([^()]*\)\s*)?([A-Za-z_]\w*)\Z")
_PAREN = re.compile(r"[()]")


@dataclass(frozen=True, slots=True)
class Root:
    """``function`` starts in the context ``kind`` because of what stands at ``line``, ``column`` of ``path``."""

    function: FunctionId
    kind: str
    path: str
    line: int
    column: int
    where: str
    message: str
    confidence: str


def roots(program: Program, kernel: Kernel, file: int, source: Source) -> Iterator[Root]:
    """The roots that a file hands out, in the order of their places."""
    facts = program.facts[file]
    own = {f.name: (file, at) for at, f in enumerate(facts.functions)}
    for table in facts.tables:
        yield from _of_table(program, kernel, file, source, table, own)
    registrars = {name for name, _ in kernel.registrars}
    for function in facts.functions:
        names = registrars.intersection(function.callees)
        for name in sorted(names):
            yield from _of_calls(program, kernel, file, source, function, name, own)
    for definition in facts.definitions:
        if definition.macro in registrars:
            line, column = source.position(definition.start)
            yield from _of_arguments(
                program, kernel, file, definition.macro, definition.args, own, (line, column), definition.macro
            )


def _of_table(
    program: Program, kernel: Kernel, file: int, source: Source, table: Table, own: dict[str, FunctionId]
) -> Iterator[Root]:
    for entry in table.entries:
        callback = kernel.callbacks.get((table.struct, entry.member))
        if callback is None:
            continue
        fid = own.get(entry.value) or program.resolve(entry.value, file)
        context = _context(callback, table.entries, source)
        if fid is None or context is None:
            continue
        message = f"{entry.value}() is .{entry.member} of {table.struct}: {_note(callback, kernel, context)}"
        yield Root(fid, context, program.paths[file], entry.line, 1, table.name, message, callback.confidence)


def _of_calls(
    program: Program,
    kernel: Kernel,
    file: int,
    source: Source,
    function: Function,
    name: str,
    own: dict[str, FunctionId],
) -> Iterator[Root]:
    for match in re.compile(rf"\b{re.escape(name)}\s*\(").finditer(source.code, function.body, function.end):
        close = _close(source.code, match.end() - 1, function.end)
        if close < 0:
            continue
        args = tuple(a.strip() for a in split_top(source.code[match.end() : close]))
        place = source.position(match.start())
        yield from _of_arguments(program, kernel, file, name, args, own, place, function.name)


def _of_arguments(
    program: Program,
    kernel: Kernel,
    file: int,
    name: str,
    args: tuple[str, ...],
    own: dict[str, FunctionId],
    place: tuple[int, int],
    where: str,
) -> Iterator[Root]:
    for number, text in enumerate(args):
        callback = kernel.registrars.get((name, number))
        match = _REFERENCE.fullmatch(text) if callback is not None else None
        if callback is None or match is None:
            continue
        fid = own.get(match.group(1)) or program.resolve(match.group(1), file)
        context = _context_of_call(callback, args)
        if fid is None or context is None:
            continue
        message = f"{match.group(1)}() is given to {name}(): {_note(callback, kernel, context)}"
        yield Root(fid, context, program.paths[file], place[0], place[1], where, message, callback.confidence)


def _note(callback: Callback, kernel: Kernel, context: str) -> str:
    kind = kernel.kinds.get(context)
    return f"it runs in {kind.title if kind is not None else context}"


def _context(callback: Callback, entries: tuple[Entry, ...], source: Source) -> str | None:
    """The context of a table's member; None where a condition may hold that the table does not show."""
    if not callback.unless:
        return callback.context
    kind, _, rest = callback.unless.partition("=")
    name, _, other = rest.partition(":")
    if any(name in e.value or name == e.member for e in entries):
        return other or None
    return None if kind == "field" or name in source.code else callback.context


def _context_of_call(callback: Callback, args: tuple[str, ...]) -> str | None:
    if not callback.unless:
        return callback.context
    kind, _, rest = callback.unless.partition("=")
    name, _, other = rest.partition(":")
    if any(re.search(rf"\b{re.escape(name)}\b", a) for a in args):
        return other or None
    return None if kind == "field" else callback.context


def _close(code: str, opening: int, limit: int) -> int:
    depth = 0
    for match in _PAREN.finditer(code, opening, limit):
        depth += 1 if match.group() == "(" else -1
        if depth == 0:
            return match.start()
    return -1
