"""Relevance brought up to date: what ``analysis.program.Relevance`` would say of a tree, from what it said before.

The same definitions, evaluated only for what a change can have altered. Levels go upwards from callee to caller, so
they are settled level by level: a function is looked at again where it is new, or where something that it calls
gained or lost a level just below. What comes out is what a computation from nothing comes to, to the last name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from gfplint.analysis.environment import LONG_CHAIN
from gfplint.analysis.program import (
    EFFECT_LEVELS,
    STUB_BYTES,
    Direct,
    FunctionId,
    Sign,
    atomic_names,
    context_signs,
    leaving,
    locks_with_mask,
    says_change,
    sign_of,
    tabled_names,
)
from gfplint.analysis.wrappers import RETURN_LEVELS, families_of, given_by, handing_out, returns_memory
from gfplint.facts import FileFacts, Function
from gfplint.index.linked import tabled_of
from gfplint.index.stored import (
    Calls,
    Levels,
    Reached,
    StoredOperations,
    StoredProgram,
    StoredRelevance,
    StoredWrappers,
)
from gfplint.kernel.model import Kernel

#: Functions and names that are looked at again, beyond which a computation from nothing is cheaper.
MAX_LOOKS = 60_000

T = TypeVar("T")


class TooMuchError(Exception):
    """The change reaches so far that everything is better computed anew."""


class Update:
    """One update. ``names`` and ``files``: what of the outcome differs, by name and (for functions that no other
    file sees) by file.
    """

    def __init__(
        self,
        program: StoredProgram,
        kernel: Kernel,
        before: Mapping[int, FileFacts],
        depth: int,
        linted: Callable[[int], bool],
    ) -> None:
        """``before``: the skeletons that changed files had; ``linted``: whether a file's functions count as callers."""
        self.program = program
        self.kernel = kernel
        self.linked = program.linked
        # Files that only moved what they define change nothing here.
        moved = {
            at for at, after in program.files.changed.items() if after is not None and _alike(before.get(at), after)
        }
        self.before = {at: facts for at, facts in before.items() if at not in moved}
        self.calls = Calls(program, kernel, linted)
        self.operations = StoredOperations(program, kernel)
        self.within = depth
        self.depth = depth + 1  # as Relevance itself has it: roots look one call further
        self.linted = linted
        self.names: set[str] = set()
        self.files: set[int] = set()
        self.looks = 0
        self.changed = {at: facts for at, facts in program.files.changed.items() if at not in moved}
        self.tabled = tabled_names(program, kernel)
        self.direct = Direct(program, kernel)
        self.anew: dict[FunctionId, int | None] = {}
        self.macros_anew: dict[str, int | None] = {}
        self.touched = self._touched()
        self._reaching_anew: dict[str, bool] = {}
        self._told: set[str] = set()

    def run(self) -> StoredRelevance:
        """Everything up to date. Raises TooMuchError and StoreError."""
        reach = Reached(self.linked, self.changed.keys(), self.anew)
        self._levels(reach)
        self._reaching(reach)
        signs = self._signs()
        before = self.linked.signs
        other = {name: sign for name, sign in signs.items() if before.get(name) is not sign}
        leaves = leaving(other) | (self.linked.leaving - other.keys() - (before.keys() - signs.keys()))
        self.names |= leaves ^ self.linked.leaving
        wrappers = self._wrappers()
        levels = Levels(
            depth=self.within,
            reach=reach,
            macros=self._macro_level,
            reaching=self._is_reaching,
            signs=signs,
            leaving=leaves,
            wrappers=wrappers,
            locking=self._locking(),
            direct=self._direct_macros(),
            tabled=self.tabled,
        )
        self._sleeping_members(reach)
        return StoredRelevance(self.program, self.kernel, levels, self.calls)

    # ---- the call graph, by names

    def _touched(self) -> set[str]:
        """Names of functions and macros that changed files define or defined."""
        found: set[str] = set()
        for at, after in self.changed.items():
            for facts in (self.before.get(at), after):
                if facts is not None:
                    found.update(f.name for f in facts.functions)
                    found.update(m.name for m in facts.macros)
        return found

    def _function(self, fid: FunctionId) -> Function:
        return self.program.facts[fid[0]].functions[fid[1]]

    def _look(self, count: int = 1) -> None:
        self.looks += count
        if self.looks > MAX_LOOKS:
            raise TooMuchError

    def _callers(self, name: str) -> list[FunctionId]:
        """Functions of linted files that call a name."""
        found = self.calls.functions(name)
        self._look(1 + len(found))
        return found

    def _using(self, name: str) -> list[str]:
        """Macros of linted files that call a name."""
        found = self.calls.macros(name)
        self._look(1 + len(found))
        return found

    def _named(self, name: str) -> Iterator[FunctionId]:
        """The functions of a name in linted files."""
        return (fid for fid in self.program.functions.get(name, ()) if self.linted(fid[0]))

    def _macro_callees(self, name: str, every: bool = False) -> set[str]:
        """What a macro's definitions call: in linted files, or in ``every`` one."""
        places = self.program.macros.get(name, ())
        return {callee for at, macro in places if every or self.linted(at) for callee in macro.callees}

    # ---- levels of functions and macros

    def _levels(self, reach: Reached) -> None:
        waiting: list[set[FunctionId]] = [set() for _ in range(self.depth + 2)]
        macros: list[set[str]] = [set() for _ in range(self.depth + 2)]
        for at, facts in self.changed.items():
            if facts is not None and self.linted(at):
                waiting[1].update((at, index) for index in range(len(facts.functions)))
        macros[1] |= self.touched

        def tell(name: str, level: int, only: frozenset[int] | None) -> None:
            """Something of this name gained or lost a level: its callers are looked at for the next one."""
            self._told.add(name)
            if level < self.depth:
                waiting[level + 1].update(c for c in self._callers(name) if only is None or c[0] in only)
                macros[level + 1].update(self._using(name))

        for at, facts in self.before.items():
            for index, level in self.linked.levels(at).items():
                tell(facts.functions[index].name, level, self._seen_by(at, facts.functions[index]))
        for level in range(1, self.depth + 1):
            for fid in waiting[level]:
                self._look()
                old = reach.before(fid)
                if _is_open(self.anew, fid, old, level) and _decide(
                    self.anew, fid, old, level, self._reaches(fid, level, reach)
                ):
                    function = self._function(fid)
                    tell(function.name, level, self._seen_by(fid[0], function))
                if _is_open(self.anew, fid, old, level + 1) and (fid in self.anew or fid[0] in self.changed):
                    waiting[level + 1].add(fid)
            for name in macros[level]:
                self._look()
                old = self._old_macro_level(name)
                if _is_open(self.macros_anew, name, old, level) and _decide(
                    self.macros_anew, name, old, level, self._macro_reaches(name, level, reach)
                ):
                    tell(name, level, None)
                if _is_open(self.macros_anew, name, old, level + 1) and (
                    name in self.macros_anew or name in self.touched
                ):
                    macros[level + 1].add(name)

    def _seen_by(self, at: int, function: Function) -> frozenset[int] | None:
        """The files that can call a function; None: all."""
        if not function.static or self.program.paths[at].endswith(".h"):
            return None
        return self.program.unit(at) or frozenset((at,))

    def _reaches(self, fid: FunctionId, level: int, reach: Reached) -> bool:
        """Whether a function calls something of the level below."""
        function = self._function(fid)
        if function.name in self.tabled:
            return False
        if level == 1:
            return self.direct.calls(function)
        for callee in function.callees:
            if self._macro_level(callee) == level - 1:
                return True
            if callee in self.touched or callee in self._told or self.linked.row(callee).reaching:
                for other in self.program.functions.get(callee, ()):
                    if reach.get(other) == level - 1:
                        only = self._seen_by(other[0], self._function(other))
                        if only is None or fid[0] in only:
                            return True
        return False

    def _macro_reaches(self, name: str, level: int, reach: Reached) -> bool:
        callees = self._macro_callees(name)
        if name in self.tabled:
            return False
        if level == 1:
            return not self.direct.names.isdisjoint(callees)
        return any(
            self._macro_level(callee) == level - 1
            or any(reach.get(other) == level - 1 for other in self.program.functions.get(callee, ()))
            for callee in callees
        )

    def _macro_level(self, name: str) -> int | None:
        return self.macros_anew[name] if name in self.macros_anew else self._old_macro_level(name)

    def _old_macro_level(self, name: str) -> int | None:
        return self.linked.row(name).level or None

    def _is_reaching(self, name: str) -> bool:
        known = self._reaching_anew.get(name)
        return known if known is not None else self.linked.row(name).reaching

    def _reaching(self, reach: Reached) -> None:
        """Settle which names have a level; notes what differs."""
        names = self.touched | self.macros_anew.keys() | {self._function(fid).name for fid in self.anew}
        for fid, level in self.anew.items():
            if fid[0] not in self.changed and level != reach.before(fid):
                self._differs(fid[0], self._function(fid))
        for at, after in self.changed.items():
            before = self.before.get(at)
            was = _by_name(before, self.linked.levels(at).get) if before is not None else {}
            now = _by_name(after, partial(_level, reach, at))
            for name in was.keys() | now.keys():
                if was.get(name) != now.get(name):
                    for function in (*(before or _NOTHING).functions, *(after or _NOTHING).functions):
                        if function.name == name:
                            self._differs(at, function)
        for name in names:
            level = self._macro_level(name)
            there = level is not None or any(fid in reach for fid in self.program.functions.get(name, ()))
            if there != self.linked.row(name).reaching or level != self._old_macro_level(name):
                self.names.add(name)
            self._reaching_anew[name] = there

    def _differs(self, at: int, function: Function) -> None:
        only = self._seen_by(at, function)
        self.files.update(only if only is not None else (at,))
        if only is None:
            self.names.add(function.name)

    # ---- names alone

    def _signs(self) -> dict[str, tuple[int, Sign]]:
        tables = context_signs(self.kernel)
        known = self.linked.signs
        anew: dict[str, tuple[int, Sign] | None] = {}
        waiting: list[set[str]] = [set() for _ in range(EFFECT_LEVELS + 2)]
        waiting[1] |= self.touched

        def current(name: str) -> tuple[int, Sign] | None:
            return anew[name] if name in anew else known.get(name)

        for level in range(1, EFFECT_LEVELS + 1):

            def below(name: str, level: int = level) -> Sign | None:
                """What a name stood for before this level."""
                if name in tables:
                    return tables[name]
                found = current(name)
                return found[1] if found is not None and found[0] < level else None

            for name in waiting[level]:
                self._look()
                old = known.get(name)
                settled = current(name)
                if name in tables or (settled is not None and settled[0] < level):
                    continue
                sign = self._sign(name, level, below, current, tables)
                if sign is not None:
                    anew[name] = (level, sign)
                elif old is not None and old[0] == level:
                    anew[name] = None
                if (sign is not None and old != (level, sign)) or (
                    sign is None and old is not None and old[0] == level
                ):
                    users = {self._function(fid).name for fid in self._callers(name)} | set(self._using(name))
                    for later in range(level + 1, EFFECT_LEVELS + 1):
                        waiting[later] |= users
                settled = current(name)
                if settled is None or settled[0] > level:
                    waiting[level + 1].add(name)
        return self._applied(known, anew)

    def _sign(
        self,
        name: str,
        level: int,
        below: Callable[[str], Sign | None],
        current: Callable[[str], tuple[int, Sign] | None],
        tables: Mapping[str, Sign],
    ) -> Sign | None:
        """What a name enters and leaves, if one of its bodies calls something that is known since the level below."""

        def fresh(callee: str) -> bool:
            if callee in tables:
                return level == 1
            found = current(callee)
            return found is not None and found[0] == level - 1 and bool(found[1])

        signs = _Below(below)
        best: Sign | None = None
        for fid in self._named(name):
            function = self._function(fid)
            if any(fresh(c) for c in function.callees):
                sign = sign_of(name, function.callees, signs, said=says_change(function))
                best = sign if sign is not None else best
        if any(fresh(c) for c in self._macro_callees(name)):
            sign = sign_of(name, self._macro_callees(name, every=True), signs)
            best = sign if sign is not None else best
        return best

    def _wrappers(self) -> StoredWrappers:
        """What calls hand out: families by the calls that they are away, settled level by level."""
        sources = {name: {row.family: 0} for name, row in handing_out(self.kernel).items()}
        anew: dict[str, dict[str, int]] = {}
        looked: set[str] = set(self.touched)
        waiting: list[set[str]] = [set() for _ in range(RETURN_LEVELS + 2)]
        waiting[1] |= self.touched

        def current(name: str) -> dict[str, int]:
            return anew[name] if name in anew else self.linked.row(name).calls or {}

        def given(name: str, level: int) -> set[str]:
            """The families that a call of a name brings from a level."""
            found = {family for family, at in current(name).items() if at == level}
            return found | sources.get(name, {}).keys() if level == 0 else found

        for level in range(1, RETURN_LEVELS + 1):
            for name in waiting[level]:
                self._look()
                now = current(name)
                lower = {family: at for family, at in now.items() if at < level}
                bodies = self._returning(name)
                families = {f for callee in bodies for f in given(callee, level - 1)} - lower.keys()
                if families != {family for family, at in now.items() if at == level}:
                    rest = {f: at for f, at in now.items() if at > level and f not in families}
                    anew[name] = lower | dict.fromkeys(families, level) | rest
                    users = {self._function(fid).name for fid in self._callers(name)} | set(self._using(name))
                    looked |= users
                    waiting[level + 1] |= {*users, name}
                elif name in self.touched:
                    waiting[level + 1].add(name)
        places = {name: self._returned_places(name, sources, current) for name in looked}
        for name, families_by_file in places.items():
            old = {at: frozenset(families) for at, families in (self.linked.row(name).returned or {}).items()}
            if old != families_by_file:
                self.names.add(name)
        self._note_freeing()
        return StoredWrappers(self.program, self.kernel, self.linted, places)

    def _returning(self, name: str) -> set[str]:
        """What the bodies of a name call, of which a value may be handed on."""
        functions = (self._function(fid) for fid in self._named(name))
        return {c for f in functions if returns_memory(f) for c in f.callees} | self._macro_callees(name)

    def _returned_places(
        self, name: str, sources: Mapping[str, Mapping[str, int]], current: Callable[[str], Mapping[str, int]]
    ) -> dict[int, frozenset[str]]:
        def handed(callees: Iterable[str]) -> frozenset[str]:
            levels = [*(sources.get(c, {}) for c in callees), *(current(c) for c in callees)]
            return frozenset(f for known in levels for f, at in known.items() if at < RETURN_LEVELS)

        found: dict[int, frozenset[str]] = {}
        for fid in self._named(name):
            function = self._function(fid)
            families = handed(function.callees) if returns_memory(function) else frozenset()
            if families:
                found[fid[0]] = found.get(fid[0], frozenset()) | families
        shared = handed(self._macro_callees(name))
        for at, _ in self.program.macros.get(name, ()) if shared else ():
            found[at] = found.get(at, frozenset()) | shared
        return found

    def _note_freeing(self) -> None:
        """Note the names that give their parameters to other frees than before, or put other memory into them."""
        frees, families = frozenset(self.kernel.frees), families_of(self.kernel)
        for at, after in self.changed.items():
            for before, now in (
                (_freeing(self.before.get(at), frees), _freeing(after, frees)),
                (_giving(self.before.get(at), families), _giving(after, families)),
            ):
                self.names.update(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))

    def _locking(self) -> frozenset[str]:
        found = set(self.linked.meta.locking)
        atomic = atomic_names(self.kernel)
        for name in self.touched:
            now = any(locks_with_mask(self._function(fid), atomic) for fid in self.program.functions.get(name, ()))
            if now != (name in found):
                self.names.add(name)
                (found.add if now else found.discard)(name)
        return frozenset(found)

    def _direct_macros(self) -> dict[str, list[str]]:
        """Macros by the tabled names that they call."""
        before = self.linked.meta.direct
        found = {name: [m for m in macros if m not in self.touched] for name, macros in before.items()}
        known = {macro for macros in before.values() for macro in macros}
        tabled = tabled_of(self.kernel)
        for macro in sorted(self.touched):
            callees = tabled & self._macro_callees(macro)
            if bool(callees) != (macro in known):
                self.names.add(macro)
            for callee in sorted(callees):
                found.setdefault(callee, []).append(macro)
        return found

    def _sleeping_members(self, reach: Reached) -> None:
        """Settle which members of operation tables may sleep; notes what differs."""
        members = self._members_touched()
        moved = {self._function(fid).name for fid, level in self.anew.items() if level != reach.before(fid)}
        other = self._means_another(reach) | moved
        for name in other:
            for at in self.operations.files_naming(name):
                self._look()
                tables = self.program.facts[at].tables
                members.update(entry.member for table in tables for entry in table.entries if entry.value == name)
        found = set(self.operations.sleeping)
        for member in members:
            self._look()
            now = self.operations.may_sleep(member, reach, other, doubtful=self.within >= LONG_CHAIN)
            if now != (member in found):
                self.names.add(member)
                (found.add if now else found.discard)(member)
        self.operations.sleeping = frozenset(found)

    def _members_touched(self) -> set[str]:
        """The members of which the tables of changed files say something else than before, or see others."""
        found: set[str] = set()
        for at, after in self.changed.items():
            before = self.before.get(at) or _NOTHING
            was, now = _entries(before), _entries(after or _NOTHING)
            same = before.includes == (after or _NOTHING).includes
            found.update(member for _, member, _ in (was ^ now if same else was | now))
        return found

    def _means_another(self, reach: Reached) -> set[str]:
        """The names of changed files' functions that are not, to who names them, what they were."""
        found: set[str] = set()
        for at, after in self.changed.items():
            before = self.before.get(at)
            was = _shapes(before, self.linked.levels(at).get) if before is not None else {}
            now = _shapes(after, partial(_level, reach, at))
            found.update(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
        return found

    def _applied(self, known: Mapping[str, T], anew: Mapping[str, T | None]) -> dict[str, T]:
        """The values of all names; notes the names that gained or lost theirs."""
        found = dict(known)
        for name, value in anew.items():
            if (value is None) != (name not in known):
                self.names.add(name)
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value
        return found


_NOTHING = FileFacts((), (), (), (), (), (), (), (), ())


def _alike(before: FileFacts | None, after: FileFacts) -> bool:
    """Whether two skeletons say the same of all that has a name, in the same order, wherever it stands."""
    return before is not None and _said(before) == _said(after)


def _said(facts: FileFacts) -> tuple[object, ...]:
    return (
        [(f.name, f.static, f.header, f.callees, f.words, f.end - f.body < STUB_BYTES) for f in facts.functions],
        [(m.name, m.params, m.callees, m.text) for m in facts.macros],
        [record.name for record in facts.records],
        [(t.struct, t.name, [(e.member, e.value) for e in t.entries]) for t in facts.tables],
        [(v.type, v.pointers, v.name, v.static) for v in facts.globals],
        [(d.macro, d.args) for d in facts.definitions],
        [(s.function, s.member, s.value) for s in facts.stores],
        facts.includes,
    )


def _freeing(facts: FileFacts | None, frees: frozenset[str]) -> dict[str, set[str]]:
    """The frees that functions and macros of a file call, by name."""
    found: dict[str, set[str]] = {}
    bodies = [(f.name, f.callees) for f in (facts or _NOTHING).functions]
    for name, callees in [*bodies, *((m.name, m.callees) for m in (facts or _NOTHING).macros)]:
        called = frees.intersection(callees)
        if called:
            found.setdefault(name, set()).update(called)
    return found


def _giving(facts: FileFacts | None, families: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The families that functions of a file put where their parameters point to, by name."""
    found: dict[str, frozenset[str]] = {}
    for function in (facts or _NOTHING).functions:
        if given := given_by(function, families):
            found[function.name] = found.get(function.name, frozenset()) | given
    return found


def _level(reach: Reached, at: int, index: int) -> int | None:
    level: int | None = reach.get((at, index))
    return level


def _by_name(facts: FileFacts | None, level: Callable[[int], int | None]) -> dict[str, list[int | None]]:
    """The level of each function of a name."""
    found: dict[str, list[int | None]] = {}
    for index, function in enumerate((facts or _NOTHING).functions):
        found.setdefault(function.name, []).append(level(index))
    return found


def _entries(facts: FileFacts) -> set[tuple[str, str, str]]:
    return {(table.struct, entry.member, entry.value) for table in facts.tables for entry in table.entries}


def _shapes(facts: FileFacts | None, level: Callable[[int], int | None]) -> dict[str, list[tuple[object, ...]]]:
    """By name, all of a file's functions that decides which one a name means, and whether that may sleep."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for index, function in enumerate((facts or _NOTHING).functions):
        stub = not function.callees and function.end - function.body < STUB_BYTES
        shape = (function.static, stub, len(set(function.callees)), level(index) is not None)
        found.setdefault(function.name, []).append(shape)
    return found


class _Below(dict[str, Sign]):
    """Signs as ``sign_of`` reads them, looked up one by one."""

    def __init__(self, of: Callable[[str], Sign | None]) -> None:
        super().__init__()
        self._of = of

    def get(self, name: str, default: Any = None) -> Any:
        found = self._of(name)
        return found if found is not None else default


def _is_open(anew: Mapping[T, int | None], what: T, old: int | None, level: int) -> bool:
    """Whether it has no level below this one."""
    now = anew.get(what, old)
    return now is None or now >= level


def _decide(anew: dict[T, int | None], what: T, old: int | None, level: int, holds: bool) -> bool:
    """Settle whether something has this level; True where that differs from before."""
    if holds:
        anew[what] = level
        return old != level
    if old == level:
        anew[what] = None
        return True
    return False
