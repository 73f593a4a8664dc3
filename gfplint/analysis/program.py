"""All files linked: which definition a name means in which file, and what a function needs of the others.

Names resolve as ARCHITECTURE says: the file's own definition, then what it can see: definitions with external linkage
and header inlines; the same directory before others, generic before arch, a real body before a trivial stub. What stays
ambiguous is not resolved.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import repeat

from gfplint.analysis.environment import HELD_ON_ENTRY, annotated
from gfplint.analysis.wrappers import Wrappers
from gfplint.facts import Definition, FileFacts, Function, Global, Macro, Record, Table
from gfplint.kernel.model import Kernel

#: (file number, function number)
FunctionId = tuple[int, int]
#: Functions by the names that they call, in the order of their files: a tuple of one, or a list. Most names have one.
Callers = dict[str, Sequence[FunctionId]]
#: What a function enters and leaves: (``enter`` or ``leave``, kind of context).
Sign = frozenset[tuple[str, str]]
#: Calls up to which names tell of contexts that are entered or left.
EFFECT_LEVELS = 3
#: Functions of a name that are looked at again each time that somebody asks what the name means.
_FEW = 16
_NOTHING: frozenset[str] = frozenset()
#: A body without calls that is shorter than this stands in for another one.
STUB_BYTES = 60


class Names:
    """What the names in files stand for. The files come one by one, in the order of their numbers."""

    def __init__(self) -> None:
        #: The functions of a name; most names have one.
        self.functions: dict[str, tuple[FunctionId, ...]] = {}
        self.macros: dict[str, list[tuple[int, Macro]]] = {}
        self.records: dict[str, list[tuple[int, Record]]] = {}
        self.globals: dict[str, list[tuple[int, Global]]] = {}
        self.definitions: dict[str, list[tuple[int, Definition]]] = {}
        #: By file, the ids of its functions: all that refer to a function share one.
        self.ids: list[tuple[FunctionId, ...]] = []
        #: The functions of names that more than one has.
        self._several: dict[str, list[FunctionId]] = {}

    def add(self, file: FileFacts) -> None:
        """The next file."""
        at = len(self.ids)
        ids = ids_of(at, file)
        self.ids.append(ids)
        known = self.functions.setdefault
        for function, one in zip(file.functions, zip(ids, strict=False), strict=True):
            first = known(function.name, one)
            if first is not one:
                self._several.setdefault(function.name, [*first]).append(one[0])
        for macro in file.macros:
            self.macros.setdefault(macro.name, []).append((at, macro))
        for record in file.records:
            self.records.setdefault(record.name, []).append((at, record))
        for variable in file.globals:
            self.globals.setdefault(variable.name, []).append((at, variable))
        for definition in file.definitions:
            self.definitions.setdefault(definition.macro, []).append((at, definition))

    def close(self) -> None:
        """No file follows."""
        self.functions.update((name, tuple(ids)) for name, ids in self._several.items())
        self._several.clear()


def ids_of(at: int, file: FileFacts) -> tuple[FunctionId, ...]:
    """The ids of the functions of a file."""
    return tuple(zip(repeat(at), range(len(file.functions)), strict=False))


class Calling:
    """What functions call, and which of them are of note whatever they call. The files come in order.

    ``callers``: by what they call; ``telling``: by file, the numbers of those functions of which masks or the header
    tell more: a parameter that is a mask, a lock that is held.
    """

    def __init__(self) -> None:
        self.callers: Callers = {}
        self.telling: dict[int, list[int]] = {}

    def add(self, at: int, ids: Sequence[FunctionId], file: FileFacts, *, counts: bool) -> None:
        """The next file, its number, and whether its functions count as callers."""
        functions = file.functions
        if telling := _telling(functions):
            self.telling[at] = telling
        if not counts:
            return
        callers, put = self.callers, self.callers.setdefault
        for fid, one, function in zip(ids, zip(ids, strict=False), functions, strict=True):
            for callee in function.callees:
                known = put(callee, one)
                if known is one or known[-1] is fid:
                    continue
                if type(known) is list:
                    known.append(fid)
                else:
                    callers[callee] = [*known, fid]


def _telling(functions: Sequence[Function]) -> list[int]:
    headers = "\n".join([function.header for function in functions])
    if not any(said in headers for said in ("gfp_t", *HELD_ON_ENTRY)):  # as in nearly all files
        return [index for index, function in enumerate(functions) if function.words]
    return [i for i, f in enumerate(functions) if f.words or "gfp_t" in f.header or annotated(f)]


class Growing:
    """What a program's names stand for, and its functions by what they call, found out as the skeletons of its files
    come, while others are made: each is looked at while it is at hand.
    """

    def __init__(self, counts: Callable[[str], bool]) -> None:
        """``counts``: whether the functions of a file count as callers."""
        self.counts = counts
        self.paths: list[str] = []
        self.names = Names()
        self.calling = Calling()

    def add(self, path: str, file: FileFacts) -> None:
        """The next file."""
        at = len(self.paths)
        self.paths.append(path)
        self.names.add(file)
        self.calling.add(at, self.names.ids[at], file, counts=self.counts(path))


class Program:
    """The linked skeletons of a tree. Read-only once built."""

    def __init__(self, paths: Sequence[str], facts: Sequence[FileFacts], names: Names | None = None) -> None:
        """``names``: what is known of the names in these files already."""
        self.paths = tuple(paths)
        self.facts = tuple(facts)
        self.number = {path: at for at, path in enumerate(self.paths)}
        if names is None:
            names = Names()
            for file in self.facts:
                names.add(file)
        names.close()
        self.functions, self.macros, self.records = names.functions, names.macros, names.records
        self.globals, self.definitions, self.ids = names.globals, names.definitions, names.ids
        self._visible: dict[tuple[int, int], bool] = {}
        #: What names mean in files that more than a few functions or macros have: all are looked at once for each.
        self._known: dict[tuple[str, int], FunctionId | None] = {}
        self._known_macros: dict[tuple[str, int], tuple[int, Macro] | None] = {}
        self._units: dict[int, frozenset[int]] | None = None

    def function(self, fid: FunctionId) -> Function:
        """The skeleton of a function."""
        return self.facts[fid[0]].functions[fid[1]]

    def resolve(self, name: str, file: int) -> FunctionId | None:
        """The one function that ``name`` means in a file; None where there is none, or more than one."""
        candidates = self.functions.get(name)
        if not candidates:
            return None
        if len(candidates) <= _FEW:
            return self._resolved(candidates, file)
        key = (name, file)
        if key not in self._known:
            self._known[key] = self._resolved(candidates, file)
        return self._known[key]

    def _resolved(self, candidates: Sequence[FunctionId], file: int) -> FunctionId | None:
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
        if len(candidates) <= _FEW:
            return self._replaced(candidates, file)
        key = (name, file)
        if key not in self._known_macros:
            self._known_macros[key] = self._replaced(candidates, file)
        return self._known_macros[key]

    def _replaced(self, candidates: Sequence[tuple[int, Macro]], file: int) -> tuple[int, Macro] | None:
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

    def defined(self, names: Iterable[str]) -> frozenset[str]:
        """Those of some names that a function or macro has."""
        return frozenset(name for name in names if name in self.functions or name in self.macros)

    def owned(self, names: Iterable[str]) -> Callable[[int], Set[str]]:
        """Tells which of some names a .c file defines: in it their bodies count, not what the tables say of them."""
        found: dict[int, set[str]] = {}
        for name in names:
            files = [at for at, _ in self.functions.get(name, ())]
            files += [at for at, macro in self.macros.get(name, ()) if macro.params is not None]
            for at in files:
                if not self.paths[at].endswith(".h"):
                    found.setdefault(at, set()).add(name)
        return lambda file: found.get(file, _NOTHING)

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
        for at, include in self._includes():
            other = self.number.get(posixpath.normpath(posixpath.join(posixpath.dirname(self.paths[at]), include)))
            if other is not None:
                merged = units.get(at, {at}) | units.get(other, {other})
                for member in merged:
                    units[member] = merged
        return {at: frozenset(members) for at, members in units.items()}

    def _includes(self) -> Iterator[tuple[int, str]]:
        """The files that include .c files, and these as written there."""
        for at, facts in enumerate(self.facts):
            for include in facts.includes:
                if include.endswith(".c"):
                    yield at, include

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
        if function.static:
            return self.sees(file, candidate[0])
        return not self._strange(file, candidate[0])

    def _strange(self, one: int, two: int) -> bool:
        """Whether two files are of two architectures: they are never linked together."""
        first, second = self.paths[one], self.paths[two]
        both = first.startswith("arch/") and second.startswith("arch/")
        return both and first.split("/")[1] != second.split("/")[1]

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
        return not function.callees and function.end - function.body < STUB_BYTES

    def _fullest(self, candidates: list[FunctionId]) -> FunctionId:
        return max(candidates, key=lambda c: (len(set(self.function(c).callees)), -c[1]))


def weak_names(program: Program, kernel: Kernel) -> frozenset[str]:
    """Allocators whose row yields to their body, and whose body the program holds."""
    return program.defined(yielding_names(kernel))


def yielding_names(kernel: Kernel) -> frozenset[str]:
    """Allocators whose row yields to their body, where a program holds one."""
    return frozenset(n for n, row in kernel.allocators.items() if row.weak)


#: A level deeper than any that is looked at.
NEVER = 1 << 30


def tabled_names(program: Program, kernel: Kernel) -> frozenset[str]:
    """Names of which the kernel's tables say all: their bodies don't count."""
    known = kernel.allocators.keys() | kernel.frees.keys() | kernel.context_ops.keys()
    return frozenset(known - weak_names(program, kernel))


def atomic_names(kernel: Kernel) -> frozenset[str]:
    """Functions that enter or leave a context which forbids sleeping."""
    return frozenset(n for n, op in kernel.context_ops.items() if any(kernel.kinds[k].atomic for k in op.kinds))


def locks_with_mask(function: Function, atomic: Set[str]) -> bool:
    """Whether a function takes a mask and may use it under a lock of its own."""
    return "gfp_t" in function.header and not atomic.isdisjoint(function.callees)


class Direct:
    """Calls of allocators and frees that may sleep; ``names`` are theirs, ``always`` those that need no mask."""

    def __init__(self, program: Program, kernel: Kernel) -> None:
        weak = weak_names(program, kernel)
        frees = {n for n, f in kernel.frees.items() if f.sleeps != "never"}
        self.names = frozenset(
            {n for n, a in kernel.allocators.items() if a.sleeps != "never" and n not in weak} | frees
        )
        self.always = frozenset({n for n, a in kernel.allocators.items() if a.sleeps == "always"} | frees)
        self._nonblocking = {
            n for n, m in kernel.masks.items() if "__GFP_DIRECT_RECLAIM" not in m and n.startswith("GFP_")
        }
        self._modifiers = {n for n, m in kernel.masks.items() if n.startswith("__") and "__GFP_DIRECT_RECLAIM" not in m}

    def sleeps(self, name: str, function: Function) -> bool:
        """Whether a function's call of one of the names may sleep, as far as the mask names in it tell."""
        if name in self.always:
            return True
        words = set(function.words) - self._modifiers
        return not words or not self._nonblocking.issuperset(words) or "gfp_t" in function.header

    def calls(self, function: Function) -> bool:
        """Whether a function calls any of the names so that it may sleep."""
        return any(name in self.names and self.sleeps(name, function) for name in function.callees)


class Relevance:
    """Which functions are worth a body: found on names alone, before anything is parsed.

    ``reach``: least number of calls from a function to an allocation or free that may sleep. ``effects``: names of
    functions that
    may change their caller's context, ``leaving``: those of them that only leave one. ``wrappers``: those that may
    hand out or free memory for their caller. ``locking``: those that take a mask and may use it under a lock of their
    own.
    """

    def __init__(
        self,
        program: Program,
        kernel: Kernel,
        depth: int,
        files: frozenset[int] | None = None,
        calling: Calling | None = None,
    ) -> None:
        """``files``: those whose functions count as callees (None: all); ``depth``: calls that are looked through;
        ``calling``: of all files, where they are known already.
        """
        self.program = program
        self.kernel = kernel
        self.files = files
        if calling is None:
            calling = Calling()
            for at, file in enumerate(program.facts):
                calling.add(at, program.ids[at], file, counts=files is None or at in files)
        self._calling = calling
        self.callers = calling.callers
        self.macro_callers = _macro_callers(program, files)
        self.depth = depth
        self.reaching_macros: dict[str, int] = {}
        self.tabled = tabled_names(program, kernel)
        self.reach = self._reach(depth + 1)
        facts = program.facts
        names = [facts[at].functions[index].name for at, index in self.reach]
        self.reaching_names = frozenset(names).union(self.reaching_macros)
        self.signs = self._signs()
        self.effects = frozenset(self.signs)
        self.leaving = leaving(self.signs)
        self.wrappers = Wrappers(program, kernel, self.callers, self.macro_callers)
        self.locking = self._locking()

    def calling_in(self, _files: Iterable[int]) -> Calling:
        """What the functions of some files call, at least."""
        return self._calling

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
        told = {fid for name in tabled for fid in program.functions.get(name, ())}
        for level in range(1, depth + 1):
            frontier = frontier.difference(reach, told)
            fresh = {m for m in fresh if m not in macros and m not in tabled}
            if not frontier and not fresh:
                break
            reach.update(dict.fromkeys(frontier, level))
            macros.update(dict.fromkeys(fresh, level))
            if level < depth:
                frontier, fresh = self._callers_of(frontier, fresh)
        self.reaching_macros = macros
        return reach

    def _direct(self) -> tuple[set[FunctionId], set[str]]:
        """Functions and macros that call an allocator or free which may sleep, as far as the mask names in them
        tell.
        """
        direct = Direct(self.program, self.kernel)
        functions: set[FunctionId] = set()
        macros: set[str] = set()
        for name in direct.names:
            users = self.callers.get(name, ())
            sure = name in direct.always
            functions.update(users if sure else [u for u in users if direct.sleeps(name, self.program.function(u))])
            macros.update(self.macro_callers.get(name, ()))
        return functions, macros

    def _callers_of(self, functions: set[FunctionId], macros: set[str]) -> tuple[set[FunctionId], set[str]]:
        found: set[FunctionId] = set()
        using: set[str] = set()
        program, known = self.program, self.callers
        for at, index in functions:
            function = program.facts[at].functions[index]
            callers = known.get(function.name)
            if callers is not None:
                if not function.static or program.paths[at].endswith(".h"):
                    found.update(callers)
                elif len(callers) == 1 and callers[0][0] == at:
                    found.add(callers[0])
                else:
                    unit = program.unit(at) or (at,)
                    found.update([c for c in callers if c[0] in unit])
            if function.name in self.macro_callers:
                using.update(self.macro_callers[function.name])
        for name in macros:
            found.update(self.callers.get(name, ()))
            using.update(self.macro_callers.get(name, ()))
        return found, using

    def _locking(self) -> frozenset[str]:
        """Names of functions that take a mask and may use it under a lock of their own."""
        atomic = atomic_names(self.kernel)
        facts = self.program.facts
        functions = [facts[at].functions[index] for at, indices in self._calling.telling.items() for index in indices]
        return frozenset(f.name for f in functions if locks_with_mask(f, atomic))

    def _signs(self) -> dict[str, tuple[int, Sign]]:
        """Names whose bodies enter and leave contexts unevenly, by the names of the calls alone, three levels up.

        For each the level, and what it enters and leaves. Of several functions of a name, the last one counts.
        """
        signs = context_signs(self.kernel)
        levels: dict[str, tuple[int, Sign]] = {}
        fresh = {name for name, sign in signs.items() if sign}
        for level in range(1, EFFECT_LEVELS + 1):
            users: set[FunctionId] = set()
            macros: set[str] = set()
            for name in fresh:
                users.update(self.callers.get(name, ()))
                macros.update(self.macro_callers.get(name, ()))
            found: dict[str, Sign] = {}
            for at, index in sorted(users):
                function = self.program.facts[at].functions[index]
                if function.name not in signs:
                    sign = sign_of(function.name, function.callees, signs, said=says_change(function))
                    if sign is not None:
                        found[function.name] = sign
            for macro in sorted(macros):
                if macro not in signs:
                    sign = sign_of(macro, {c for _, m in self.program.macros[macro] for c in m.callees}, signs)
                    if sign is not None:
                        found[macro] = sign
            levels.update({name: (level, sign) for name, sign in found.items()})
            signs.update(found)
            fresh = {name for name, sign in found.items() if sign}
        return levels


def context_signs(kernel: Kernel) -> dict[str, Sign]:
    """What the functions of the kernel's tables enter and leave, as far as it forbids sleeping."""
    signs: dict[str, Sign] = {
        name: frozenset((op.effect, kind) for kind in op.kinds if kernel.kinds[kind].atomic)
        for name, op in kernel.context_ops.items()
    }
    return {name: sign for name, sign in signs.items() if sign}


def leaving(signs: Mapping[str, tuple[int, Sign]]) -> frozenset[str]:
    """Names that leave contexts and enter none."""
    return frozenset(n for n, (_, sign) in signs.items() if sign and all(effect == "leave" for effect, _ in sign))


def says_change(function: Function) -> bool:
    """Whether a header says that more locks are taken than dropped, or fewer (include/linux/compiler_types.h)."""
    header = function.header
    return "__" in header and header.count("__releases(") != header.count("__acquires(")


def sign_of(name: str, callees: Iterable[str], signs: Mapping[str, Sign], *, said: bool = False) -> Sign | None:
    """What a body enters and leaves in the end, by what its callees do; None where that is even.

    Names of lock functions, and headers that say so (``said``), tell that it is not even on every path.
    """
    total: set[tuple[str, str]] = set()
    for sign in map(signs.get, callees):
        if sign:
            total |= sign
    if not total:
        return None
    entered = {kind for effect, kind in total if effect == "enter"}
    left = {kind for effect, kind in total if effect == "leave"}
    if (entered ^ left) - {"lock_irq", "irq"}:
        return frozenset({("enter", kind) for kind in entered - left} | {("leave", kind) for kind in left - entered})
    return frozenset() if said or _names_a_lock(name) else None


def _names_a_lock(name: str) -> bool:
    return any(part in name for part in ("lock", "acquire", "begin", "start", "enter", "get", "find"))


def _macro_callers(program: Program, files: frozenset[int] | None) -> dict[str, list[str]]:
    """Function-like macros by the names that they call."""
    found: dict[str, list[str]] = {}
    for name, places in program.macros.items():
        for at, macro in places:
            if files is None or at in files:
                for callee in macro.callees:
                    found.setdefault(callee, []).append(name)
    return found
