"""All files linked: which definition a name means in which file, and what a function needs of the others.

Names resolve as ARCHITECTURE says: the file's own definition, then what it can see: definitions with external
linkage and
header inlines; the same directory before others, generic before arch, a real body before a trivial stub. What stays
ambiguous is not resolved.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from gfplint.analysis.wrappers import Wrappers
from gfplint.facts import Definition, FileFacts, Function, Global, Macro, Record, Table
from gfplint.kernel.model import Kernel

#: (file number, function number)
FunctionId = tuple[int, int]


class Program:
    """The linked skeletons of a tree. Read-only once built."""

    def __init__(self, paths: Sequence[str], facts: Sequence[FileFacts]) -> None:
        self.paths = tuple(paths)
        self.facts = tuple(facts)
        self.number = {path: at for at, path in enumerate(self.paths)}
        self.functions: dict[str, list[FunctionId]] = {}
        self.macros: dict[str, list[tuple[int, Macro]]] = {}
        self.records: dict[str, list[tuple[int, Record]]] = {}
        self.globals: dict[str, list[tuple[int, Global]]] = {}
        self.definitions: dict[str, list[tuple[int, Definition]]] = {}
        self.own_names: list[frozenset[str]] = []
        self._visible: dict[tuple[int, int], bool] = {}
        self._units: dict[int, frozenset[int]] | None = None
        for at, file in enumerate(self.facts):
            self._add(at, file)

    def _add(self, at: int, file: FileFacts) -> None:
        for index, function in enumerate(file.functions):
            self.functions.setdefault(function.name, []).append((at, index))
        for macro in file.macros:
            self.macros.setdefault(macro.name, []).append((at, macro))
        for record in file.records:
            self.records.setdefault(record.name, []).append((at, record))
        for variable in file.globals:
            self.globals.setdefault(variable.name, []).append((at, variable))
        for definition in file.definitions:
            self.definitions.setdefault(definition.macro, []).append((at, definition))
        self.own_names.append(_own_names(self.paths[at], file))

    def function(self, fid: FunctionId) -> Function:
        """The skeleton of a function."""
        return self.facts[fid[0]].functions[fid[1]]

    def resolve(self, name: str, file: int) -> FunctionId | None:
        """The one function that ``name`` means in a file; None where there is none, or more than one."""
        candidates = self.functions.get(name)
        if not candidates:
            return None
        own = [c for c in candidates if c[0] == file]
        if own:
            return self._fullest(own)
        seen = [c for c in candidates if self._reaches(c, file)]
        if len(seen) > 1:
            seen = self._closest(seen, file)
        if len(seen) == 1:
            return seen[0]
        if seen and len({c[0] for c in seen}) == 1:
            return self._fullest(seen)
        return None

    def macro(self, name: str, file: int) -> tuple[int, Macro] | None:
        """The macro that ``name`` means in a file; None where there is none or several differ."""
        candidates = self.macros.get(name)
        if not candidates:
            return None
        own = [c for c in candidates if c[0] == file]
        seen = own or [c for c in candidates if self.sees(file, c[0])]
        if len(seen) > 1:
            texts = {(c[1].params, c[1].text) for c in seen}
            if len(texts) > 1:
                seen = [c for c in seen if not self.paths[c[0]].startswith("arch/")] or seen
            if len({(c[1].params, c[1].text) for c in seen}) > 1:
                return max(seen, key=lambda c: (len(c[1].callees), -c[0])) if own else None
        return seen[0] if seen else None

    def record(self, name: str, file: int) -> tuple[int, Record] | None:
        """The definition of a struct as a file sees it."""
        candidates = self.records.get(name)
        if not candidates:
            return None
        own = [c for c in candidates if c[0] == file]
        if own:
            return own[0]
        near = [c for c in candidates if self.sees(file, c[0])]
        if near:
            return near[0]
        return candidates[0] if len(candidates) == 1 and self.paths[candidates[0][0]].endswith(".h") else None

    def global_variable(self, name: str, file: int) -> Global | None:
        """A variable at file scope as a file sees it."""
        candidates = self.globals.get(name)
        if not candidates:
            return None
        own = [v for at, v in candidates if at == file]
        if own:
            return own[0]
        outside = [v for _, v in candidates if not v.static]
        return outside[0] if len(outside) == 1 else None

    def tables(self) -> Iterable[tuple[int, Table]]:
        """Every designated initialiser of the tree."""
        for at, file in enumerate(self.facts):
            for table in file.tables:
                yield at, table

    def sees(self, file: int, header: int) -> bool:
        """Whether a file may include a header: by an approximate include graph."""
        key = (file, header)
        known = self._visible.get(key)
        if known is None:
            known = self._visible[key] = self._sees(file, header)
        return known

    def unit(self, file: int) -> frozenset[int]:
        """The .c files that are compiled as one with a file, because one includes the others (``#include "x.c"``)."""
        if self._units is None:
            self._units = self._find_units()
        return self._units.get(file, frozenset())

    def _find_units(self) -> dict[int, frozenset[int]]:
        units: dict[int, set[int]] = {}
        for at, facts in enumerate(self.facts):
            folder = posixpath.dirname(self.paths[at])
            for include in facts.includes:
                other = (
                    self.number.get(posixpath.normpath(posixpath.join(folder, include)))
                    if include.endswith(".c")
                    else None
                )
                if other is None:
                    continue
                merged = units.get(at, {at}) | units.get(other, {other})
                for member in merged:
                    units[member] = merged
        return {at: frozenset(members) for at, members in units.items()}

    def _sees(self, file: int, header: int) -> bool:
        if file == header:
            return True
        path = self.paths[header]
        if not path.endswith(".h"):
            return header in self.unit(file)
        if path.startswith("include/"):
            return True
        if path.startswith("arch/") and "/include/" in path:
            own = self.paths[file]
            return not own.startswith("arch/") or own.split("/")[1] == path.split("/")[1]
        base = posixpath.basename(path)
        if any(i == base or i.endswith("/" + base) for i in self.facts[file].includes):
            return True
        folder = posixpath.dirname(path)
        if self.paths[file].startswith(folder + "/"):
            return True
        # An include folder serves its siblings.
        own = posixpath.dirname(folder)
        return posixpath.basename(folder).startswith("inc") and bool(own) and self.paths[file].startswith(own + "/")

    def _reaches(self, candidate: FunctionId, file: int) -> bool:
        function = self.function(candidate)
        if self.paths[candidate[0]].endswith(".h"):
            return self.sees(file, candidate[0])
        return not function.static or self.sees(file, candidate[0])

    def _closest(self, candidates: list[FunctionId], file: int) -> list[FunctionId]:
        real = [c for c in candidates if not self._trivial(c)] or candidates
        folder = posixpath.dirname(self.paths[file])
        same = [c for c in real if posixpath.dirname(self.paths[c[0]]) == folder]
        if same:
            return same
        kernel = [c for c in real if not self.paths[c[0]].startswith(("tools/", "scripts/", "samples/"))] or real
        arch = "/".join(self.paths[file].split("/")[:2]) + "/" if self.paths[file].startswith("arch/") else ""
        own = [c for c in kernel if arch and self.paths[c[0]].startswith(arch)]
        if own:
            return own
        return [c for c in kernel if not self.paths[c[0]].startswith("arch/")] or kernel

    def _trivial(self, candidate: FunctionId) -> bool:
        """A stub: no call, and a body of a line or two."""
        function = self.function(candidate)
        return not function.callees and function.end - function.body < 60

    def _fullest(self, candidates: list[FunctionId]) -> FunctionId:
        return max(candidates, key=lambda c: (len(set(self.function(c).callees)), -c[1]))


def _own_names(path: str, file: FileFacts) -> frozenset[str]:
    """Names that a .c file defines: in it their bodies count, not what the tables say of them."""
    if path.endswith(".h"):
        return frozenset()
    return frozenset([f.name for f in file.functions] + [m.name for m in file.macros if m.params is not None])


def weak_names(program: Program, kernel: Kernel) -> frozenset[str]:
    """Allocators whose row yields to their body, and whose body the program holds."""
    return frozenset(
        n for n, row in kernel.allocators.items() if row.weak and (n in program.functions or n in program.macros)
    )


#: A level deeper than any that is looked at.
NEVER = 1 << 30


class Relevance:
    """Which functions are worth a body: found on names alone, before anything is parsed.

    ``reach``: least number of calls from a function to an allocation or free that may sleep. ``effects``: names of
    functions that
    may change their caller's context, ``leaving``: those of them that only leave one. ``wrappers``: those that may
    hand out or free memory for their caller. ``locking``: those that take a mask and may use it under a lock of their
    own.
    """

    def __init__(self, program: Program, kernel: Kernel, depth: int, files: frozenset[int] | None = None) -> None:
        """``files``: those whose functions count as callees (None: all); ``depth``: calls that are looked through."""
        self.program = program
        self.kernel = kernel
        self.callers = _callers(program, files)
        self.macro_callers = _macro_callers(program, files)
        self.depth = depth
        self.reaching_macros: dict[str, int] = {}
        known = kernel.allocators.keys() | kernel.frees.keys() | kernel.context_ops.keys()
        self.tabled = frozenset(known - weak_names(program, kernel))
        self.reach = self._reach(depth + 1)
        self.reaching_names = frozenset(program.function(fid).name for fid in self.reach).union(self.reaching_macros)
        self.leaving: frozenset[str] = frozenset()
        self.effects = self._effects()
        self.wrappers = Wrappers(program, kernel, self.callers, self.macro_callers)
        self.locking = self._locking()

    def may_sleep(self, name: str, file: int) -> bool:
        """Whether a call to ``name`` in a file can lead to an allocation or free that sleeps."""
        return name in self.reaching_names and self.level(name, file) <= self.depth

    def level(self, name: str, file: int) -> int:
        """The least number of calls, that to ``name`` included, that lead to a sleep; more than any depth for none."""
        if name not in self.reaching_names:
            return NEVER
        level = self.reaching_macros.get(name)
        if level is not None:
            return level
        fid = self.program.resolve(name, file)
        return self.reach.get(fid, NEVER) if fid is not None else NEVER

    def _reach(self, depth: int) -> dict[FunctionId, int]:
        program = self.program
        tabled = self.tabled
        reach: dict[FunctionId, int] = {}
        macros: dict[str, int] = {}
        frontier, fresh = self._direct()
        for level in range(1, depth + 1):
            frontier = {f for f in frontier if f not in reach and program.function(f).name not in tabled}
            fresh = {m for m in fresh if m not in macros and m not in tabled}
            if not frontier and not fresh:
                break
            for fid in frontier:
                reach[fid] = level
            macros.update(dict.fromkeys(fresh, level))
            frontier, fresh = self._callers_of(frontier, fresh)
        self.reaching_macros = macros
        return reach

    def _direct(self) -> tuple[set[FunctionId], set[str]]:
        """Functions and macros that call an allocator or free which may sleep, as far as the mask names in them
        tell.
        """
        kernel = self.kernel
        weak = weak_names(self.program, kernel)
        sleepy = {n for n, a in kernel.allocators.items() if a.sleeps != "never" and n not in weak}
        always = {n for n, a in kernel.allocators.items() if a.sleeps == "always"}
        frees = {n for n, f in kernel.frees.items() if f.sleeps != "never"}
        nonblocking = {n for n, m in kernel.masks.items() if "__GFP_DIRECT_RECLAIM" not in m and n.startswith("GFP_")}
        modifiers = {n for n, m in kernel.masks.items() if n.startswith("__") and "__GFP_DIRECT_RECLAIM" not in m}
        functions: set[FunctionId] = set()
        macros: set[str] = set()
        for name in sleepy | frees:
            for fid in self.callers.get(name, ()):
                function = self.program.function(fid)
                words = set(function.words) - modifiers
                only_atomic = words and nonblocking.issuperset(words) and "gfp_t" not in function.header
                if not only_atomic or name in always or name in frees:
                    functions.add(fid)
            macros.update(self.macro_callers.get(name, ()))
        return functions, macros

    def _callers_of(self, functions: set[FunctionId], macros: set[str]) -> tuple[set[FunctionId], set[str]]:
        found: set[FunctionId] = set()
        using: set[str] = set()
        program = self.program
        for at, index in functions:
            function = program.facts[at].functions[index]
            callers = self.callers.get(function.name, ())
            if function.static and not program.paths[at].endswith(".h"):
                unit = program.unit(at) or (at,)
                found.update(c for c in callers if c[0] == at or c[0] in unit)
            else:
                found.update(callers)
            using.update(self.macro_callers.get(function.name, ()))
        for name in macros:
            found.update(self.callers.get(name, ()))
            using.update(self.macro_callers.get(name, ()))
        return found, using

    def _locking(self) -> frozenset[str]:
        """Names of functions that take a mask and may use it under a lock of their own."""
        atomic = {n for n, op in self.kernel.context_ops.items() if any(self.kernel.kinds[k].atomic for k in op.kinds)}
        found = set()
        for file in self.program.facts:
            for function in file.functions:
                if "gfp_t" in function.header and not atomic.isdisjoint(function.callees):
                    found.add(function.name)
        return frozenset(found)

    def _effects(self) -> frozenset[str]:
        """Names whose bodies enter and leave contexts unevenly, by the names of the calls alone, three levels up."""
        ops = self.kernel.context_ops
        signs: dict[str, frozenset[tuple[str, str]]] = {
            name: frozenset((op.effect, kind) for kind in op.kinds if self.kernel.kinds[kind].atomic)
            for name, op in ops.items()
        }
        signs = {n: s for n, s in signs.items() if s}
        found: set[str] = set()
        fresh = dict(signs)
        for _ in range(3):
            users: dict[tuple[int, int] | str, set[tuple[str, str]]] = {}
            for name in fresh:
                for fid in self.callers.get(name, ()):
                    users.setdefault(fid, set())
                for macro in self.macro_callers.get(name, ()):
                    users.setdefault(macro, set())
            fresh = {}
            for user in users:
                if isinstance(user, str):
                    own, callees = user, {c for _, m in self.program.macros[user] for c in m.callees}
                else:
                    function = self.program.facts[user[0]].functions[user[1]]
                    own, callees = function.name, set(function.callees)
                if own in signs:
                    continue
                total: set[tuple[str, str]] = set()
                for callee in callees:
                    total |= signs.get(callee, frozenset())
                entered = {k for e, k in total if e == "enter"}
                left = {k for e, k in total if e == "leave"}
                if entered != left and (entered - left or left - entered) and (entered ^ left) - {"lock_irq", "irq"}:
                    fresh[own] = frozenset(
                        {("enter", k) for k in entered - left} | {("leave", k) for k in left - entered}
                    )
                elif total and _names_a_lock(own):
                    fresh[own] = frozenset()
            found.update(fresh)
            signs.update(fresh)
            fresh = {n: s for n, s in fresh.items() if s}
        self.leaving = frozenset(n for n in found if signs[n] and all(effect == "leave" for effect, _ in signs[n]))
        return frozenset(found)


def _names_a_lock(name: str) -> bool:
    return any(part in name for part in ("lock", "acquire", "begin", "start", "enter", "get", "find"))


def _callers(program: Program, files: frozenset[int] | None) -> dict[str, list[FunctionId]]:
    """Functions by the names that they call."""
    callers: dict[str, list[FunctionId]] = {}
    for at, file in enumerate(program.facts):
        if files is not None and at not in files:
            continue
        for index, function in enumerate(file.functions):
            fid = (at, index)
            for callee in function.callees:
                known = callers.get(callee)
                if known is None:
                    callers[callee] = [fid]
                elif known[-1] is not fid:
                    known.append(fid)
    return callers


def _macro_callers(program: Program, files: frozenset[int] | None) -> dict[str, list[str]]:
    """Function-like macros by the names that they call."""
    found: dict[str, list[str]] = {}
    for name, places in program.macros.items():
        for at, macro in places:
            if files is None or at in files:
                for callee in macro.callees:
                    found.setdefault(callee, []).append(name)
    return found
