"""A program and its relevance as a linked tree and a few changed files make them; files are read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from gfplint.analysis.operations import Coverage, Operations, coverage, may_sleep
from gfplint.analysis.program import Calling, FunctionId, Program, Relevance, Sign, ids_of
from gfplint.analysis.wrappers import PLAIN, Wrappers, families_at, families_of, given_by
from gfplint.facts import FileFacts, Global, Macro
from gfplint.index.linked import SLEEPING, UNKNOWN, Entry, Linked, Numbers, meaning, tabled_of
from gfplint.index.store import StoreError
from gfplint.kernel.model import Kernel

K = TypeVar("K")
V = TypeVar("V")


class Files:
    """The skeletons of a program, by number: changed ones at hand, the others loaded."""

    def __init__(self, linked: Linked, changed: Mapping[int, FileFacts | None]) -> None:
        """``changed``: None for a file that is gone."""
        self.changed = dict(changed)
        self.linked = linked

    def __getitem__(self, file: int) -> FileFacts:
        if file in self.changed:
            facts = self.changed[file]
            return facts if facts is not None else _GONE
        return self.linked.facts(file)

    def __iter__(self) -> Iterator[FileFacts]:
        raise WalkError


class WalkError(StoreError):
    """All files were asked for, which a linked tree has no answer to: it is for questions about names."""


_GONE = FileFacts((), (), (), (), (), (), (), (), ())


class _Table(Generic[V]):
    """One of the program's tables: what is found under a name, in the order of the files' paths."""

    def __init__(self, look: Callable[[str], list[V]], has: Callable[[str], bool] | None = None) -> None:
        """``has``: whether there is anything, where that is told sooner than what it is."""
        self._look = look
        self._has = has
        self._found: dict[str, list[V]] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """The definitions of a name, or the default."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._look(name)
        return found or default

    def __getitem__(self, name: str) -> list[V]:
        found: list[V] = self.get(name, [])
        if not found:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return self._has(str(name)) if self._has is not None else bool(self.get(str(name)))

    def __iter__(self) -> Iterator[str]:
        raise WalkError

    keys = values = items = __iter__


class StoredProgram(Program):
    """A program whose tables are read from a linked tree, with changed files in place of what they were.

    New files have numbers behind those of the linked tree. The tables answer as the dictionaries of ``Program`` do, one
    name at a time; they can't be of that type, as nobody may walk over them (hence each ``type: ignore``).
    """

    def __init__(self, linked: Linked, changed: Mapping[int, FileFacts | None], paths: Sequence[str]) -> None:
        """``paths``: those of the linked tree, then new ones; ``changed``: skeletons by number, None: it is gone."""
        self.linked = linked
        self.files = files = Files(linked, changed)
        self.paths = tuple(paths)
        self.facts = files  # type: ignore[assignment]
        self.number = _numbers(linked, files.changed, self.paths)  # type: ignore[assignment]
        self._visible = {}
        self._known = {}
        self._known_macros = {}
        self._units = None
        self.functions = _Table(self._functions_of)  # type: ignore[assignment]
        self.macros = _Table(self._macros_of, self._is_macro)  # type: ignore[assignment]
        self.records = _Table(  # type: ignore[assignment]
            lambda name: [(at, r) for at in self.defining(name) for r in self.files[at].records if r.name == name]
        )
        self.globals = _Table(  # type: ignore[assignment]
            lambda name: [(at, g) for at in self.defining(name) for g in self.files[at].globals if g.name == name]
        )
        self.definitions = _Table(  # type: ignore[assignment]
            lambda name: [(at, d) for at in self.defining(name) for d in self.files[at].definitions if d.macro == name]
        )
        self._defined_names: dict[frozenset[str], frozenset[str]] = {}
        self._functions_now: dict[str, list[FunctionId]] = {}
        self._macros_now: dict[str, list[int]] = {}
        self._defined_now: dict[str, list[int]] = {}
        for at, facts in self.files.changed.items():
            if facts is not None:
                for index, function in enumerate(facts.functions):
                    self._functions_now.setdefault(function.name, []).append((at, index))
                for name in {macro.name for macro in facts.macros}:
                    self._macros_now.setdefault(name, []).append(at)
                for name in _defined(facts):
                    self._defined_now.setdefault(name, []).append(at)

    def owned(self, names: Iterable[str]) -> Callable[[int], Set[str]]:
        wanted = frozenset(names)

        def of_file(file: int) -> frozenset[str]:
            facts = self.files[file] if not self.paths[file].endswith(".h") else _GONE
            return wanted.intersection(
                [f.name for f in facts.functions] + [m.name for m in facts.macros if m.params is not None]
            )

        return cache(of_file)

    def defined(self, names: Iterable[str]) -> frozenset[str]:
        asked = frozenset(names)
        found = self._defined_names.get(asked)
        if found is None:
            told = asked & self.linked.yielding - self._touched()
            found = super().defined(asked - told) | told.intersection(self.linked.meta.weak)
            self._defined_names[asked] = found
        return found

    def _touched(self) -> set[str]:
        """The names of functions and macros that changed files define, or defined."""
        changed = self.files.changed
        before = (self.linked.facts(at) for at in changed if at < len(self.linked.meta.paths))
        there = (*before, *(facts for facts in changed.values() if facts is not None))
        functions = {function.name for facts in there for function in facts.functions}
        return functions.union(macro.name for facts in there for macro in facts.macros)

    def defining(self, name: str) -> list[int]:
        """The files that define a record or variable of a name, or use it to define something; by path."""
        return self.merged(self.linked.row(name).defined, self._defined_now.get(name, ()))

    def fids(self, before: Iterable[int], now: Sequence[FunctionId]) -> list[FunctionId]:
        """Functions as they were, but for those of changed files, and those of these that count ``now``; by path."""
        changed, paths = self.files.changed, self.paths
        numbers = iter(before)
        found = [fid for fid in zip(numbers, numbers, strict=True) if fid[0] not in changed]
        return sorted([*found, *now], key=lambda fid: (paths[fid[0]], fid[1])) if now else found

    def _functions_of(self, name: str) -> list[FunctionId]:
        return self.fids(self.linked.row(name).functions, self._functions_now.get(name, ()))

    def _macros_of(self, name: str) -> list[tuple[int, Macro]]:
        files = self.merged(self.linked.row(name).macros, self._macros_now.get(name, ()))
        return [(at, macro) for at in files for macro in self.files[at].macros if macro.name == name]

    def _is_macro(self, name: str) -> bool:
        changed = self.files.changed
        return name in self._macros_now or any(at not in changed for at in self.linked.row(name).macros)

    def merged(self, before: Iterable[int], now: Iterable[int]) -> list[int]:
        """Files as they were, but for changed ones, and those of these that count ``now``; by path."""
        changed = self.files.changed
        found = [at for at in before if at not in changed]
        more = list(now)
        return sorted([*found, *more], key=self.paths.__getitem__) if more else found

    def units(self) -> dict[int, frozenset[int]]:
        """The files that are compiled as one, by each of them."""
        if self._units is None:
            self._units = self._find_units()
        return self._units

    def _includes(self) -> Iterator[tuple[int, str]]:
        changed = self.files.changed
        yield from ((at, name) for at, name in self.linked.meta.includes if at not in changed)
        for at, facts in changed.items():
            yield from ((at, n) for n in (facts.includes if facts is not None else ()) if n.endswith(".c"))


def _numbers(linked: Linked, changed: Mapping[int, FileFacts | None], paths: Sequence[str]) -> Numbers:
    """The numbers of the files that are there, by path."""
    new, gone = range(len(linked.meta.paths), len(paths)), [at for at, facts in changed.items() if facts is None]
    if not new and not gone:
        return linked.number
    old = {paths[at] for at in gone if at not in new}
    return Numbers(linked.meta.paths, {paths[at]: at for at in new if at not in gone}, old)


class ModuleProgram(StoredProgram):
    """A program whose changed files are a module outside of the kernel, which may hold a copy of it.

    The kernel sees nothing of the module; the module sees its own definitions first, and of the kernel what all may
    include and what is not static.
    """

    def global_variable(self, name: str, file: int) -> Global | None:
        inside = self._inside(file)
        seen = [(at, v) for at, v in self.globals.get(name, ()) if at == file or not v.static]
        mine = [(at, v) for at, v in seen if self._inside(at) == inside]
        beside = mine if mine or not inside else seen
        exact = [v for at, v in beside if at == file]
        return exact[0] if exact else beside[0][1] if len(beside) == 1 else None

    def _inside(self, file: int) -> bool:
        return file in self.files.changed

    def _sees(self, file: int, header: int) -> bool:
        if self._inside(file) != self._inside(header) and (self._inside(header) or not for_all(self.paths[header])):
            return False
        return super()._sees(file, header)

    def _reaches(self, candidate: FunctionId, file: int) -> bool:
        return (self._inside(file) or not self._inside(candidate[0])) and super()._reaches(candidate, file)

    def _closest(self, candidates: list[FunctionId], file: int) -> list[FunctionId]:
        mine = [c for c in candidates if self._inside(c[0])]
        return super()._closest(mine or candidates, file)


def for_all(path: str) -> bool:
    """Whether modules outside of the tree may include a header."""
    return path.endswith(".h") and (path.startswith("include/") or (path.startswith("arch/") and "/include/" in path))


def _defined(facts: FileFacts) -> set[str]:
    names = {record.name for record in facts.records} | {variable.name for variable in facts.globals}
    return names.union(definition.macro for definition in facts.definitions)


class Reached:
    """The functions that lead to an allocation: those of the linked tree, as far as they were not decided anew."""

    def __init__(self, linked: Linked, changed: Container[int], anew: Mapping[FunctionId, int | None]) -> None:
        self._linked = linked
        self._changed = changed
        self._anew = anew

    def get(self, fid: FunctionId, default: Any = None) -> Any:
        """The level of a function, or the default."""
        level = self._anew[fid] if fid in self._anew else self.before(fid)
        return level if level is not None else default

    def before(self, fid: FunctionId) -> int | None:
        """The level that a function of a file that did not change had."""
        return None if fid[0] in self._changed else self._linked.levels(fid[0]).get(fid[1])

    def __contains__(self, fid: object) -> bool:
        return isinstance(fid, tuple) and self.get(fid) is not None


class Calls:
    """Who calls a name, in linted files: functions and macros."""

    def __init__(self, program: StoredProgram, kernel: Kernel, linted: Callable[[int], bool]) -> None:
        """``linted``: whether a file is part of the kernel."""
        self.program = program
        self.kernel = kernel
        self.linted = linted
        self._functions: dict[str, list[FunctionId]] = {}
        self._macros: dict[str, list[int]] = {}
        self._known: dict[str, list[FunctionId]] = {}
        for at, facts in program.files.changed.items():
            if facts is None or not linted(at):
                continue
            for index, function in enumerate(facts.functions):
                for callee in dict.fromkeys(function.callees):
                    self._functions.setdefault(callee, []).append((at, index))
            for callee in {callee for macro in facts.macros for callee in macro.callees}:
                self._macros.setdefault(callee, []).append(at)

    def functions(self, name: str) -> list[FunctionId]:
        """The functions that call a name, by path."""
        found = self._known.get(name)
        if found is None:
            now = self._functions.get(name, ())
            if isinstance(self.program, ModuleProgram) and self._is_the_modules(name):
                found = list(now)  # nobody in the kernel can mean it
            else:
                found = self.program.fids(self.program.linked.row(name).callers, now)
            self._known[name] = found
        return found

    def _is_the_modules(self, name: str) -> bool:
        return any(fid[0] in self.program.files.changed for fid in self.program.functions.get(name, ()))

    def macros(self, name: str) -> list[str]:
        """The names of macros that call a name."""
        return [macro for _, macro in self.macros_at(name)]

    def macros_at(self, name: str) -> Iterator[tuple[int, str]]:
        """The macros that call a name, with their files."""
        for at in self.program.merged(self.program.linked.row(name).using, self._macros.get(name, ())):
            for macro in self.program.facts[at].macros:
                if name in macro.callees:
                    yield at, macro.name


class _Lookup(Generic[K, V]):
    """A table that answers for one name at a time."""

    def __init__(self, look: Callable[[K], V]) -> None:
        self._look = look

    def get(self, name: K, default: Any = None) -> Any:
        """What is found under a name, or the default."""
        return self._look(name) or default

    def __iter__(self) -> Iterator[K]:
        raise WalkError


class _Names:
    """A set of names that is asked for one name at a time."""

    def __init__(self, has: Callable[[str], bool]) -> None:
        self._has = has

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._has(name)

    def __rand__(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(name for name in names if self._has(name))


class StoredWrappers(Wrappers):
    """Wrappers as the linked tree knows them, brought up to date; what frees is looked up."""

    handing = None

    def __init__(
        self,
        program: StoredProgram,
        kernel: Kernel,
        linted: Callable[[int], bool],
        anew: Mapping[str, Mapping[int, frozenset[str]]],
    ) -> None:
        self.program = program
        self._linked = program.linked
        self._linted = linted
        self._anew = anew
        self._frees = frozenset(kernel.frees)
        self._found: dict[str, dict[int, frozenset[str]]] = {}
        self._given = {}
        self.families = families_of(kernel)

    def returned(self, name: str, file: int) -> frozenset[str]:
        return families_at(self._returned_places(name), file)

    def noted(self, names: frozenset[str]) -> frozenset[str]:
        return names

    def returned_anywhere(self, name: str) -> frozenset[str]:
        return frozenset[str]().union(*(self._returned_places(name) or {}).values())

    def hand_out(self, names: Iterable[str]) -> bool:
        return any(not self.returned_anywhere(n) | self.given_anywhere(n) <= PLAIN for n in names)

    def _given_places(self, name: str) -> Mapping[int, frozenset[str]]:
        places = self._given.get(name)
        if places is None:
            places = self._given[name] = {}
            for at, index in self.program.functions.get(name, ()):
                if self._linted(at):
                    _join(places, at, given_by(self.program.facts[at].functions[index], self.families))
        return places

    def _returned_places(self, name: str) -> Mapping[int, frozenset[str]] | None:
        places = self._anew.get(name)
        if places is None:
            known = self._linked.row(name).returned
            places = {at: frozenset(families) for at, families in known.items()} if known else None
        return places

    def freeing(self, name: str, file: int) -> frozenset[str]:
        places = self._found.get(name)
        if places is None:
            places = self._found[name] = self._freeing_places(name)
        return families_at(places, file)

    def _freeing_places(self, name: str) -> dict[int, frozenset[str]]:
        places: dict[int, frozenset[str]] = {}
        for at, index in self.program.functions.get(name, ()):
            if self._linted(at):
                _join(places, at, self._frees.intersection(self.program.facts[at].functions[index].callees))
        macros = self.program.macros.get(name, ())
        called = {callee for at, macro in macros if self._linted(at) for callee in macro.callees}
        for at, _ in macros:
            _join(places, at, self._frees & called)
        return places


def _join(places: dict[int, frozenset[str]], at: int, more: frozenset[str]) -> None:
    if more:
        places[at] = places.get(at, frozenset()) | more


@dataclass(frozen=True, slots=True)
class Levels:
    """All that ``Relevance`` knows; see there. ``direct``: macros by the tabled names that they call."""

    depth: int
    reach: Reached
    macros: Callable[[str], int | None]
    reaching: Callable[[str], bool]
    signs: Mapping[str, tuple[int, Sign]]
    leaving: frozenset[str]
    wrappers: Wrappers
    locking: frozenset[str]
    direct: Mapping[str, list[str]]
    tabled: frozenset[str]


class StoredRelevance(Relevance):
    """Relevance as the linked tree knows it, brought up to date. What is ignored of types: see ``StoredProgram``."""

    def __init__(self, program: StoredProgram, kernel: Kernel, levels: Levels, calls: Calls) -> None:
        self.program = program
        self.kernel = kernel
        self.depth = levels.depth
        self.reach = levels.reach  # type: ignore[assignment]
        self.reaching_macros = _Lookup(levels.macros)  # type: ignore[assignment]
        self.reaching_names = _Names(levels.reaching)  # type: ignore[assignment]
        self.signs = dict(levels.signs)
        self.effects = frozenset(levels.signs)
        self.leaving = levels.leaving
        self.wrappers = levels.wrappers
        self.locking = levels.locking
        self.macro_callers = _MacroCallers(levels.direct, calls)
        self.callers = _Lookup(calls.functions)  # type: ignore[assignment]
        self.tabled = levels.tabled

    def calling_in(self, files: Iterable[int]) -> Calling:
        calling = Calling()
        for at in files:
            file = self.program.facts[at]
            calling.add(at, ids_of(at, file), file, counts=True)
        return calling


class _MacroCallers(dict[str, list[str]]):
    """Macros by the names that they call: those of the tables are at hand."""

    def __init__(self, direct: Mapping[str, list[str]], calls: Calls) -> None:
        super().__init__(direct)
        self._tabled = tabled_of(calls.kernel)
        self._calls = calls

    def get(self, name: str, default: Any = None) -> Any:
        if name in self._tabled:
            return super().get(name, default)
        return self._calls.macros(name) or default


class StoredOperations(Operations):
    """The operation tables of the linked tree, with changed files in place of what they were."""

    def __init__(self, program: StoredProgram, kernel: Kernel) -> None:
        self.program = program
        self._kernel = kernel
        self.sleeping = frozenset(program.linked.meta.sleeping)
        self._stored = program
        self._named = _Lookup(self._entries)  # type: ignore[assignment]
        self._now: dict[tuple[str, str], dict[int, list[Entry]]] = {}
        self._files_now: dict[str, list[int]] = {}
        self._structs_now: dict[str, list[str]] = {}
        for at, facts in program.files.changed.items():
            for table in facts.tables if facts is not None else ():
                for entry in table.entries:
                    if entry.value.isidentifier():
                        row = (at, entry.value, entry.line, table.name, UNKNOWN)
                        self._add(at, row, table.struct, entry.member)

    def _add(self, at: int, entry: Entry, struct: str, member: str) -> None:
        self._now.setdefault((struct, member), {}).setdefault(at, []).append(entry)
        files = self._files_now.setdefault(entry[1], [])
        if at not in files:
            files.append(at)
        structs = self._structs_now.setdefault(member, [])
        if struct not in structs:
            structs.append(struct)

    def coverage_in(self, file: int) -> Coverage:
        return coverage(self.program, self._kernel, self.program.facts[file].tables)

    def files_naming(self, function: str) -> tuple[int, ...]:
        row = self._stored.linked.row(function)
        return tuple(self._stored.merged(row.tables, self._files_now.get(function, ())))

    def sleeping_members(self, sleeping: Callable[[FunctionId], bool], doubtful: bool) -> frozenset[str]:
        return self.sleeping

    def may_sleep(self, member: str, reach: Reached, other: Container[str], doubtful: bool) -> bool:
        """Whether a member of that name in any struct may sleep, as ``sleeping_members`` has it.

        ``other``: the names of functions that may not mean what they did, or not lead to what they did.
        """
        before = self._stored.linked.member(member)
        for struct in dict.fromkeys([*before, *self._structs_now.get(member, ())]):
            means = list(self._meanings(before.get(struct, ()), self._now.get((struct, member), {}), reach, other))
            if may_sleep(means.count(SLEEPING), len(means) - means.count(UNKNOWN), doubtful):
                return True
        return False

    def _meanings(
        self, before: Iterable[Entry], now: Mapping[int, list[Entry]], reach: Reached, other: Container[str]
    ) -> Iterator[int]:
        """What the entries of a member mean, each once for a function and file."""
        changed, program = self._stored.files.changed, self._stored
        for at, value, _, _, means in before:
            if at not in changed:
                yield meaning(program, reach, value, at) if value in other else means
        for at, entries in now.items():
            for value in {entry[1] for entry in entries}:
                yield meaning(program, reach, value, at)

    def _entries(self, key: tuple[str, str]) -> dict[tuple[int, str], tuple[int, str]]:
        by_file: dict[int, list[Entry]] = {}
        for entry in self._stored.linked.member(key[1]).get(key[0], ()):
            by_file.setdefault(entry[0], []).append(entry)
        now = self._now.get(key, {})
        found: dict[tuple[int, str], tuple[int, str]] = {}
        for at in self._stored.merged(by_file, now):
            for _, value, line, table, _ in now[at] if at in now else by_file[at]:
                found.setdefault((at, value), (line, table))
        return found
