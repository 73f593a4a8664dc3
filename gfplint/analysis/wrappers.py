"""Functions and macros that hand out or free memory for their callers, found on names and headers alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gfplint.facts import Function
from gfplint.kernel.model import Allocator, Kernel

if TYPE_CHECKING:
    from gfplint.analysis.program import FunctionId, Program

Names = frozenset[str]
_NOTHING: Names = frozenset()
#: What kfree() is for.
PLAIN: Names = frozenset(("kmalloc",))
#: Calls through which returned memory is followed.
RETURN_LEVELS = 3


class Wrappers:
    """What calls of a name may hand out, and which frees they may give their arguments to.

    ``places``: the families by name and defining file; ``levels``: calls between a name and a family's allocator;
    ``handing``: the names of which ``hand_out`` holds, None where it has to be asked.
    """

    handing: Names | None

    def __init__(
        self,
        program: Program,
        kernel: Kernel,
        callers: Mapping[str, Sequence[FunctionId]],
        macro_callers: Mapping[str, Sequence[str]],
    ) -> None:
        self.program = program
        self.callers = callers
        self.macro_callers = macro_callers
        self.places: dict[str, dict[int, Names]] = {}
        self.levels: dict[str, dict[str, int]] = {}
        self._freeing: dict[str, dict[int, Names]] = {}
        self._given: dict[str, dict[int, Names]] = {}
        self.families = families_of(kernel)
        fresh: dict[str, Names] = {n: frozenset((a.family,)) for n, a in handing_out(kernel).items()}
        for level in range(1, RETURN_LEVELS + 1):
            fresh = self._note_returns(fresh, level)
        for free in kernel.frees:
            self._note_frees(free)
        for allocator, family in self.families.items():
            self._note_gifts(allocator, frozenset((family,)))
        self.handing = frozenset(
            name
            for name in self.places.keys() | self._given.keys()
            if not (self.returned_anywhere(name) | self.given_anywhere(name)) <= PLAIN
        )
        self._noted = frozenset(self.places.keys() | self._freeing.keys() | self._given.keys())

    def returned(self, name: str, file: int) -> Names:
        """The families of memory that a call in a file may return."""
        return families_at(self.places.get(name), file)

    def freeing(self, name: str, file: int) -> Names:
        """The frees to which a function that is called in a file may give its parameters."""
        return families_at(self._freeing.get(name), file)

    def giving(self, name: str, file: int) -> Names:
        """The families of memory that a call in a file may put where its arguments point to."""
        return families_at(self._given_places(name), file)

    def noted(self, names: frozenset[str]) -> frozenset[str]:
        """Those of some names of which one of the three above may say anything, in any file."""
        return names & self._noted

    def returned_anywhere(self, name: str) -> Names:
        """The families of memory that a call of a name may return in some file."""
        return _NOTHING.union(*self.places.get(name, {}).values())

    def given_anywhere(self, name: str) -> Names:
        """The families of memory that a call of a name may put, in some file, where its arguments point to."""
        return _NOTHING.union(*self._given_places(name).values())

    def hand_out(self, names: Iterable[str]) -> bool:
        """Whether one of those may hand out memory that ``kfree()`` is not for."""
        return self.handing is not None and not self.handing.isdisjoint(names)

    def _given_places(self, name: str) -> Mapping[int, Names]:
        return self._given.get(name, {})

    def _note_returns(self, fresh: dict[str, Names], level: int) -> dict[str, Names]:
        following: dict[str, Names] = {}
        facts = self.program.facts
        for name, families in fresh.items():
            for file, index in self.callers.get(name, ()):
                function = facts[file].functions[index]
                if returns_memory(function) and _add(self.places, function.name, file, families):
                    following[function.name] = following.get(function.name, _NOTHING) | families
            for macro in self.macro_callers.get(name, ()):
                for file, _row in self.program.macros[macro]:
                    if _add(self.places, macro, file, families):
                        following[macro] = following.get(macro, _NOTHING) | families
        for name, families in following.items():
            known = self.levels.setdefault(name, {})
            for family in families:
                known.setdefault(family, level)
        return following

    def _note_frees(self, free: str) -> None:
        own = frozenset((free,))
        for file, index in self.callers.get(free, ()):
            _add(self._freeing, self.program.facts[file].functions[index].name, file, own)
        for macro in self.macro_callers.get(free, ()):
            for file, _row in self.program.macros[macro]:
                _add(self._freeing, macro, file, own)

    def _note_gifts(self, allocator: str, own: Names) -> None:
        for file, index in self.callers.get(allocator, ()):
            function = self.program.facts[file].functions[index]
            if gives_memory(function):
                _add(self._given, function.name, file, own)


def handing_out(kernel: Kernel) -> dict[str, Allocator]:
    """The allocators whose memory has a family, by name."""
    return {n: a for n, a in kernel.allocators.items() if a.family in kernel.families and not a.hidden}


def gives_memory(function: Function) -> bool:
    """Whether a header says that a parameter may be the address of a pointer."""
    return "**" in function.header


def given_by(function: Function, families: Mapping[str, str]) -> Names:
    """The families of memory that a function may put where a parameter points to: those of what it calls itself."""
    if not gives_memory(function):
        return _NOTHING
    return frozenset(families[name] for name in families.keys() & set(function.callees))


def families_of(kernel: Kernel) -> dict[str, str]:
    """The family that each allocator hands out."""
    return {name: row.family for name, row in handing_out(kernel).items()}


def families_at(places: Mapping[int, Names] | None, file: int) -> Names:
    """What is known of a name as a file sees it: of its own definition, else of all that there are."""
    if places is None:
        return _NOTHING
    own = places.get(file)
    if own is not None:
        return own
    every = tuple(places.values())
    return every[0] if len(every) == 1 else _NOTHING.union(*every)


def _add(table: dict[str, dict[int, Names]], name: str, file: int, more: Names) -> bool:
    """Whether that was news."""
    places = table.setdefault(name, {})
    known = places.get(file, _NOTHING)
    if more <= known:
        return False
    places[file] = known | more
    return True


def returns_memory(function: Function) -> bool:
    """Whether what a header says before the name may be a pointer, or an address as a number."""
    lead = function.header.partition(function.name)[0]
    return "*" in lead or "long" in lead or "_t" in lead
