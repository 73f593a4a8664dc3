"""Roots: functions that the kernel's core calls in a known context, found where their file hands them out.

Three ways lead to the core: a member of an operation table, a store to such a member, and an argument of a registrar.
A condition of the context table (``flag=IRQF_ONESHOT:sleepable``) that the place of registration meets changes the
context; where it may be met elsewhere, the root is left out.
"""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from gfplint.analysis.program import FunctionId, Program
from gfplint.analysis.types import HandedOut
from gfplint.facts import Entry, Function, Table
from gfplint.frontend.blank import Part, Source
from gfplint.frontend.header import signature, split_top
from gfplint.kernel.model import LEFT_OPEN, Callback, Kernel

_REFERENCE = re.compile(r"&?\s*(?:\([^()]*\)\s*)?([A-Za-z_]\w*)\Z", re.ASCII)
_MEMBER_OF = re.compile(r"&\s*(\w+)\s*->\s*(\w+)\s*", re.ASCII)
#: An argument that is one of two functions.
_CHOICE = re.compile(r"\?\s*&?\s*([A-Za-z_]\w*)\s*:\s*&?\s*([A-Za-z_]\w*)\)?\Z", re.ASCII)
_PAREN = re.compile(r"[()]")
#: A parameter that may hold a function: a pointer to one, or a type that is named like one.
_FUNCTION_TYPE = re.compile(r"\(\s*\*|_(?:t|func|fn|handler)\b", re.ASCII)

Handed = Callable[[FunctionId, frozenset[str]], Iterable[HandedOut]]
#: Tells (line, column): most of what is handed out matters to nobody, and its place is not looked for.
Place = Callable[[], tuple[int, int]]
#: Contexts by (function, argument), as in ``Kernel.registrars``.
Registrars = Mapping[tuple[str, int], Callback]


@dataclass(frozen=True, slots=True)
class Root:
    """``function`` starts in the context ``kind`` because of what stands at ``line``, ``column`` of ``path``.

    ``near``: a field which says, where the folder sets it, that another context holds.
    """

    function: FunctionId
    kind: str
    path: str
    line: int
    column: int
    where: str
    message: str
    confidence: str
    registrar: str = ""
    subject: str = ""
    near: str = ""


class _Handing(NamedTuple):
    """What of a file may hand out functions: the numbers of tables and of functions, and whether it does otherwise."""

    tables: tuple[int, ...]
    calling: tuple[int, ...]
    other: bool


class Texts(Protocol):
    """The blanked texts of files, by their numbers."""

    def get(self, file: int) -> Source:
        """A whole file."""

    def part(self, file: int, function: Function) -> Part:
        """The body of a function."""


@dataclass(frozen=True, slots=True)
class _File:
    """What a file defines: its functions and its tables by their names. Its source is read only where it is needed."""

    file: int
    texts: Texts
    own: Callable[[str], Sequence[FunctionId]]
    tables: dict[str, Table]

    @property
    def source(self) -> Source:
        """The file's blanked source."""
        return self.texts.get(self.file)

    def part(self, function: Function) -> Part:
        """The blanked body of one of its functions."""
        return self.texts.part(self.file, function)


class _Call(NamedTuple):
    """A call of a registrar: its name, the texts of its arguments, what tells its place, and the function around it."""

    name: str
    args: tuple[str, ...]
    place: Place
    where: str
    subject: str = ""


class Roots:
    """Finds the roots that the files of a program hand out."""

    def __init__(
        self,
        program: Program,
        kernel: Kernel,
        handed: Handed,
        asked: Callable[[str], None],
        matters: Callable[[FunctionId], bool] = lambda _: True,
    ) -> None:
        """``handed``: the functions that a function's body stores into any of the given members; ``asked``: is told the
        names of functions of other files that are looked up; ``matters``: which functions anybody asks about.
        """
        self.asked = asked
        self.matters = matters
        self.program = program
        self.kernel = kernel
        self.handed = handed
        self.registrars = frozenset(name for name, _ in kernel.registrars)
        self.members = frozenset(member for _, member in kernel.callbacks)
        self._structs = frozenset(struct for struct, _ in kernel.callbacks)
        self._handing: dict[int, _Handing] = {}
        #: By folder and registrar, what is given with which object.
        self._given: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}

    def look_over(self, files: Iterable[int], callers: Mapping[str, Iterable[FunctionId]]) -> None:
        """Find out beforehand which parts of files hand out functions at all.

        Processes that are forked later need not touch the others, whose memory stays shared. ``callers``: functions by
        what they call, which are far fewer to look at than all are.
        """
        calling: dict[int, set[int]] = {}
        for name in self.registrars:
            for file, index in callers.get(name, ()):
                calling.setdefault(file, set()).add(index)
        for file in files:
            self._handing[file] = self._hands_out(file, sorted(calling.get(file, ())))

    def _hands_out(self, file: int, calling: Iterable[int]) -> _Handing:
        """``calling``: the functions of the file that call registrars."""
        facts = self.program.facts[file]
        return _Handing(
            tuple([at for at, table in enumerate(facts.tables) if table.struct in self._structs]),
            tuple(calling),
            any(s.member in self.members for s in facts.stores)
            or any(d.macro in self.registrars for d in facts.definitions),
        )

    def of_file(self, file: int, texts: Texts) -> Iterator[Root]:
        """The roots that a file hands out, in the order of their places."""
        facts = self.program.facts[file]
        handing = self._handing.get(file) or self._hands_out(
            file, [at for at, f in enumerate(facts.functions) if not self.registrars.isdisjoint(f.callees)]
        )
        if not any(handing):
            return
        own = functools.cache(functools.partial(self._own, file))
        here = _File(file, texts, own, {t.name: t for t in facts.tables if t.name})
        for number in handing.tables:
            yield from self._of_table(here, facts.tables[number])
        storing = {
            s.function
            for s in facts.stores
            if s.member in self.members and (not own(s.value) or self.matters(own(s.value)[-1]))
        }
        registrars = self._wrappers(here, handing)
        names = self.registrars.union(name for name, _ in registrars)
        if registrars:
            looked_at: Iterable[int] = range(len(facts.functions))
        else:
            looked_at = sorted({at for name in storing for _, at in own(name)}.union(handing.calling))
        for at in looked_at:
            function = facts.functions[at]
            handed: tuple[HandedOut, ...] = ()
            if function.name in storing:
                handed = tuple(self.handed((file, at), self.members))
                yield from self._of_stores(here, function, handed)
            for name in sorted(names.intersection(function.callees)):
                yield from self._of_calls(here, function, name, registrars, handed)
        for definition in facts.definitions:
            if definition.macro in self.registrars:
                place = functools.partial(here.source.position, definition.start)
                call = _Call(definition.macro, definition.args, place, definition.macro)
                yield from self._of_arguments(here, call, {}, ())

    def _of_table(self, here: _File, table: Table) -> Iterator[Root]:
        for entry in table.entries:
            callback = self.kernel.callbacks.get((table.struct, entry.member))
            if callback is None:
                continue
            context = _context(callback, table.entries, here)
            message = f"{entry.value}() is .{entry.member} of {table.struct}"
            place = functools.partial(_begin, entry.line)
            yield from self._root(here, entry.value, callback, context, place, table.name, message)

    def _of_stores(self, here: _File, function: Function, handed: Iterable[HandedOut]) -> Iterator[Root]:
        stores = self.program.facts[here.file].stores
        lines = {(s.member, s.value): s.line for s in stores if s.function == function.name}
        for store in handed:
            callback = self.kernel.callbacks.get((store.struct, store.member))
            line = lines.get((store.member, store.function))
            if callback is None or line is None:
                continue
            context = _context(callback, (), here)
            message = f"{store.function}() becomes .{store.member} of {store.struct}"
            place = functools.partial(_begin, line)
            yield from self._root(here, store.function, callback, context, place, function.name, message)

    def _of_calls(
        self, here: _File, function: Function, name: str, registrars: Registrars, handed: tuple[HandedOut, ...]
    ) -> Iterator[Root]:
        part = here.part(function)
        for at, args in calls_by_name(part, name):
            place = functools.partial(part.source.position, at)
            call = _Call(name, args, place, function.name, _subject(name, args, part, function))
            yield from self._of_arguments(here, call, registrars, handed)

    def _of_arguments(
        self, here: _File, call: _Call, registrars: Registrars, handed: tuple[HandedOut, ...]
    ) -> Iterator[Root]:
        for number, text in enumerate(call.args):
            callback = self.kernel.registrars.get((call.name, number)) or registrars.get((call.name, number))
            if callback is None:
                continue
            for name, how in self._functions_of(here, text, handed):
                context = _context_of_call(callback, call.args)
                message = f"{name}() is given to {call.name}(){how}"
                subject = (call.name, call.subject) if number else ("", "")
                yield from self._root(here, name, callback, context, call.place, call.where, message, subject)

    def _functions_of(self, here: _File, text: str, handed: tuple[HandedOut, ...]) -> Iterator[tuple[str, str]]:
        """The functions that an argument names, directly or in a struct whose context its registrar decides."""
        if (choice := _CHOICE.search(text)) is not None:
            for name in choice.groups():
                yield from self._functions_of(here, name, handed)
            return
        match = _REFERENCE.fullmatch(text)
        if match is not None and (here.own(match.group(1)) or self._is_function(match.group(1))):
            yield match.group(1), ""
            return
        table = here.tables.get(match.group(1)) if match is not None else None
        for entry in table.entries if table is not None else ():
            if self._left_open(table.struct if table is not None else "", entry.member):
                yield entry.value, f" in {text}"
        base = text.replace(" ", "").removeprefix("&").replace("->", ".")
        for store in handed:
            if store.base == base and self._left_open(store.struct, store.member):
                yield store.function, f" in {text}"

    def _own(self, file: int, name: str) -> list[FunctionId]:
        """The functions of a name in a file, in their order."""
        return [fid for fid in self.program.functions.get(name, ()) if fid[0] == file]

    def _is_function(self, name: str) -> bool:
        self.asked(name)
        return name in self.program.functions

    def _left_open(self, struct: str, member: str) -> bool:
        """Whether the context of a member depends on who is given the struct (``notifier_block.notifier_call``)."""
        row = self.kernel.callbacks.get((struct, member))
        return row is not None and row.context == LEFT_OPEN

    def _wrappers(self, here: _File, handing: _Handing) -> Registrars:
        """The functions of a file that hand on one of their parameters to a registrar: registrars themselves."""
        found: dict[tuple[str, int], Callback] = {}
        for at in handing.calling:
            function = self.program.facts[here.file].functions[at]
            names = self.registrars.intersection(function.callees) if _FUNCTION_TYPE.search(function.header) else ()
            if not names:
                continue
            params = {p.name: at for at, p in enumerate(signature(function.header).params)}
            for name in sorted(names):
                for _, args in calls_by_name(here.part(function), name):
                    for number, text in enumerate(args):
                        callback = self.kernel.registrars.get((name, number))
                        if callback is not None and text in params and not callback.unless:
                            found.setdefault((function.name, params[text]), callback)
        return found

    def _root(
        self,
        here: _File,
        name: str,
        callback: Callback,
        context: str | None,
        place: Place,
        where: str,
        message: str,
        subject: tuple[str, str] = ("", ""),
    ) -> Iterator[Root]:
        fid = self.program.resolve(name, here.file) if here.own(name) else None  # the fullest of several
        if fid is None:
            self.asked(name)
            fid = self.program.resolve(name, here.file)
        if fid is None or context is None or not self.matters(fid):
            return
        kind = self.kernel.kinds.get(context)
        said = f"{message}: it runs in {kind.title if kind is not None else context}"
        condition, _, rest = callback.unless.partition("=")
        near = rest.partition(":")[0] if condition == "near" else ""
        path = self.program.paths[here.file]
        yield Root(fid, context, path, *place(), where, said, callback.confidence, *subject, near=near)

    def contested(self, root: Root, texts: Texts) -> bool:
        """Whether the object (a timer's member) is given another function elsewhere in the folder.

        Which of them runs is then a matter of order that no text shows.
        """
        if not root.subject:
            return False
        name = self.program.function(root.function).name
        key = (posixpath.dirname(root.path), root.registrar)
        known = self._given.get(key)
        if known is None:
            known = self._given[key] = self._given_beside(root, texts)
        return any(self._is_function(other) for other in known.get(root.subject, ()) if other != name)

    def _given_beside(self, root: Root, texts: Texts) -> dict[str, tuple[str, ...]]:
        """What the calls of a root's registrar in its folder name besides the objects, by these."""
        found: dict[str, dict[str, None]] = {}
        for at in self._beside(root.path):
            for function in self.program.facts[at].functions:
                if root.registrar in function.callees:
                    part = texts.part(at, function)
                    for _, args in calls_by_name(part, root.registrar):
                        named = [m.group(1) for a in args[1:] if (m := _REFERENCE.fullmatch(a))]
                        subject = _subject(root.registrar, args, part, function) if named else ""
                        if subject:
                            found.setdefault(subject, {}).update(dict.fromkeys(named))
        return {subject: tuple(names) for subject, names in found.items()}

    def elsewhere(self, root: Root, read: Callable[[int], Source]) -> bool:
        """Whether the root's folder sets a field, other than from its like, that says that another context holds."""
        if not root.near:
            return False
        sets = re.compile(rf"\b{re.escape(root.near)}\s*=(?!=)(?![^;,]*\b{re.escape(root.near)}\b)", re.ASCII)
        return any(
            root.near in code and sets.search(code) for code in (read(at).code for at in self._beside(root.path))
        )

    def _beside(self, path: str) -> Iterator[int]:
        """The numbers of the files in a file's folder, its own among them."""
        folder = posixpath.dirname(path)
        return (at for at, other in enumerate(self.program.paths) if posixpath.dirname(other) == folder)


def _begin(line: int) -> tuple[int, int]:
    """Where a line begins."""
    return line, 1


def _context(callback: Callback, entries: tuple[Entry, ...], here: _File) -> str | None:
    """The context of a table's member; None where a condition may hold that the table does not show."""
    if not callback.unless:
        return callback.context
    kind, _, rest = callback.unless.partition("=")
    name, _, other = rest.partition(":")
    if any(name in e.value or name == e.member for e in entries):
        return other or None
    return None if kind == "field" or (kind == "flag" and name in here.source.code) else callback.context


def _context_of_call(callback: Callback, args: tuple[str, ...]) -> str | None:
    if not callback.unless:
        return callback.context
    kind, _, rest = callback.unless.partition("=")
    name, _, other = rest.partition(":")
    if any(re.search(rf"\b{re.escape(name)}\b", a) for a in args):
        return other or None
    return None if kind == "field" else callback.context


def _subject(name: str, args: tuple[str, ...], part: Part, function: Function) -> str:
    """(struct, member) of what a call like ``timer_setup(&slot->task_event, ...)`` sets up, as a text; "" where
    unknown.
    """
    match = _MEMBER_OF.fullmatch(args[0]) if name.endswith(("_setup", "_init")) and args else None
    if match is None:
        return ""
    text = function.header + part.source.code[part.start : part.end]
    kind = re.search(rf"\bstruct\s+(\w+)\s*\*+\s*{match.group(1)}\b", text)
    return f"{kind.group(1)}.{match.group(2)}" if kind is not None else ""


def _close(code: str, opening: int, limit: int) -> int:
    depth = 0
    for match in _PAREN.finditer(code, opening, limit):
        depth += 1 if match.group() == "(" else -1
        if depth == 0:
            return match.start()
    return -1


def calls_by_name(part: Part, name: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The calls of ``name`` in a function's body: offset in the source and the texts of the arguments."""
    source, start, end = part
    for match in re.compile(rf"\b{re.escape(name)}\s*\(", re.ASCII).finditer(source.code, start, end):
        close = _close(source.code, match.end() - 1, end)
        if close >= 0:
            args = tuple(a.strip() for a in split_top(source.code[match.end() : close]))
            yield match.start(), args


def forbidding(kernel: Kernel) -> Kernel:
    """What is known of the kernel, of all that calls functions only what may do it where sleeping is surely forbidden:
    its registrars, and its members with those of which the registrar decides.
    """

    def may_forbid(callback: Callback) -> bool:
        contexts = (callback.context, callback.unless.rpartition(":")[2])
        kinds = [kernel.kinds[context] for context in contexts if context in kernel.kinds]
        return callback.confidence == "high" and any(kind.atomic for kind in kinds)

    return msgspec.structs.replace(
        kernel,
        registrars={key: row for key, row in kernel.registrars.items() if may_forbid(row)},
        callbacks={k: row for k, row in kernel.callbacks.items() if may_forbid(row) or row.context == LEFT_OPEN},
    )
