"""Functions and macros that name the object around what they are given: ``container_of()`` by other names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.analysis.paths import path_of
from gfplint.facts import Body, Call, Name, Return
from gfplint.frontend.header import signature

if TYPE_CHECKING:
    from gfplint.analysis.interprocedural import Linker


class Containers:
    """Answers for the names of one linked program."""

    def __init__(self, linker: Linker) -> None:
        self.linker = linker
        self.plain = frozenset(n for n, q in linker.kernel.queries.items() if q.true_means == "container")
        self._known: dict[tuple[str, int], str] = {}

    def member(self, name: str, file: int) -> str:
        """The member that the only argument of ``name`` is of what a call in a file returns; "" for any other name."""
        key = (name, file)
        with self.linker.looking(file, f"container({name})"):
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._member(name, file)
            return known

    def _member(self, name: str, file: int) -> str:
        linker = self.linker
        found = linker.program.macro(name, file)
        if found is not None:
            at, macro = found
            if macro.params is None or len(macro.params) != 1 or self.plain.isdisjoint(macro.callees):
                return ""
            if linker.looks is not None:
                linker.looks.at(at, name)
            return self._contained(linker.macro_body(at, macro.start, macro.end), macro.params[0])
        fid = linker.program.resolve(name, file)
        function = linker.program.function(fid) if fid is not None else None
        if fid is None or function is None or self.plain.isdisjoint(function.callees):
            return ""
        if linker.looks is not None:
            linker.looks.at(fid[0], name)
        params = signature(function.header).params
        return self._contained(linker.body(fid), params[0].name) if len(params) == 1 else ""

    def _contained(self, body: Body, param: str) -> str:
        """The member, where a body does nothing but return what contains its parameter."""
        only = body.stmts[0] if len(body.stmts) == 1 else None
        value = only.value if isinstance(only, Return) else None
        if not isinstance(value, Call) or not isinstance(value.func, Name) or value.func.name not in self.plain:
            return ""
        return path_of(value.args[-1]) if path_of(value.args[0]) == param else ""
