"""Functions and macros that hand out or free memory for their callers, found on names alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gfplint.facts import Function
from gfplint.kernel.model import Allocator, Kernel

if TYPE_CHECKING:
    from gfplint.analysis.program import FunctionId, Program

Names = frozenset[str]
_NOTHING: Names = frozenset()
#: Calls through which returned memory is followed.
_RETURNS = 3


class Wrappers:
    """What calls of a name may hand out, and which frees they may give their arguments to."""

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
        self._returned: dict[str, dict[int, Names]] = {}
        self._freeing: dict[str, dict[int, Names]] = {}
        fresh: dict[str, Names] = {n: frozenset((a.family,)) for n, a in handing_out(kernel).items()}
        for _ in range(_RETURNS):
            fresh = self._note_returns(fresh)
        for free in kernel.frees:
            self._note_frees(free)

    def returned(self, name: str, file: int) -> Names:
        """The families of memory that a call in a file may return."""
        return _of(self._returned, name, file)

    def freeing(self, name: str, file: int) -> Names:
        """The frees to which a function that is called in a file may give its parameters."""
        return _of(self._freeing, name, file)

    def _note_returns(self, fresh: dict[str, Names]) -> dict[str, Names]:
        following: dict[str, Names] = {}
        for name, families in fresh.items():
            for file, index in self.callers.get(name, ()):
                function = self.program.facts[file].functions[index]
                if _returns_memory(function) and _add(self._returned, function.name, file, families):
                    following[function.name] = following.get(function.name, _NOTHING) | families
            for macro in self.macro_callers.get(name, ()):
                for file, _row in self.program.macros[macro]:
                    if _add(self._returned, macro, file, families):
                        following[macro] = following.get(macro, _NOTHING) | families
        return following

    def _note_frees(self, free: str) -> None:
        own = frozenset((free,))
        for file, index in self.callers.get(free, ()):
            _add(self._freeing, self.program.facts[file].functions[index].name, file, own)
        for macro in self.macro_callers.get(free, ()):
            for file, _row in self.program.macros[macro]:
                _add(self._freeing, macro, file, own)


def handing_out(kernel: Kernel) -> dict[str, Allocator]:
    """The allocators whose memory has a family, by name."""
    return {n: a for n, a in kernel.allocators.items() if a.family in kernel.families and not a.hidden}


def _of(table: dict[str, dict[int, Names]], name: str, file: int) -> Names:
    """What a table says of a name as a file sees it: of its own definition, else of all that there are."""
    places = table.get(name)
    if places is None:
        return _NOTHING
    own = places.get(file)
    return own if own is not None else _NOTHING.union(*places.values())


def _add(table: dict[str, dict[int, Names]], name: str, file: int, more: Names) -> bool:
    """Whether that was news."""
    places = table.setdefault(name, {})
    known = places.get(file, _NOTHING)
    if more <= known:
        return False
    places[file] = known | more
    return True


def _returns_memory(function: Function) -> bool:
    """Whether what a header says before the name may be a pointer, or an address as a number."""
    lead = function.header.partition(function.name)[0]
    return "*" in lead or "long" in lead or "_t" in lead
