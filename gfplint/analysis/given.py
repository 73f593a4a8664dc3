"""What the callers of a function pass for one of its parameters, as far as their texts tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.analysis.program import FunctionId
from gfplint.analysis.values import Constant, constant, number_of
from gfplint.analysis.written import arguments
from gfplint.frontend.header import signature

if TYPE_CHECKING:
    from gfplint.analysis.interprocedural import Linker

#: Callers of one function that are read.
MAX_CALLERS = 24
#: Callers of callers that hand on a parameter of their own.
MAX_LEVELS = 3


class Given:
    """Answers for the functions of one linked program."""

    def __init__(self, linker: Linker) -> None:
        self.linker = linker
        self._known: dict[tuple[FunctionId, int, int], frozenset[Constant] | None] = {}

    def constants(self, fid: FunctionId, number: int) -> frozenset[Constant] | None:
        """The constants that callers pass for a parameter; None where no call is known, or some can't be read."""
        return self._constants(fid, number, MAX_LEVELS)

    def _constants(self, fid: FunctionId, number: int, levels: int) -> frozenset[Constant] | None:
        key = (fid, number, levels)
        with self.linker.looking(fid[0], f"{self.linker.named(fid)}:{number}"):
            if key not in self._known:
                self._known[key] = self._read(fid, number, levels)
            return self._known[key]

    def _read(self, fid: FunctionId, number: int, levels: int) -> frozenset[Constant] | None:
        program = self.linker.program
        name = program.function(fid).name
        looks = self.linker.looks
        if looks is not None:
            looks.callers(name)
            looks.meaning(name)
        callers = [
            c for c in self.linker.relevance.callers.get(name, ()) if c != fid and program.resolve(name, c[0]) == fid
        ]
        if not callers or len(callers) > MAX_CALLERS:
            return None
        found: set[Constant] = set()
        for caller in callers:
            if looks is not None:
                looks.at(caller[0], program.function(caller).name)
            for args in arguments(self.linker.code(caller), name):
                if number >= len(args):
                    return None
                text = args[number].strip()
                known = _constant(text)
                if known is not None:
                    found.add(known)
                elif levels and text.isidentifier():
                    found |= self._handed_on(caller, text, levels - 1)
        return frozenset(found)

    def _handed_on(self, caller: FunctionId, name: str, levels: int) -> frozenset[Constant]:
        """What a caller was given for what it hands on, if that is a parameter of its own."""
        params = [p.name for p in signature(self.linker.program.function(caller).header).params]
        if name not in params:
            return frozenset()
        return self._constants(caller, params.index(name), levels) or frozenset()


def _constant(text: str) -> Constant | None:
    if number_of(text) is not None:
        return Constant(text)
    return constant(text) if text.isidentifier() else None
