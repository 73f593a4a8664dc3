"""Memalloc scopes of callers: which are active whenever a function is called.

Only functions of one file that nobody but known callers can call are answered for: static ones whose address is not
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gfplint.analysis.program import FunctionId, Program
from gfplint.analysis.summary import Summary
from gfplint.analysis.syntax import all_calls
from gfplint.analysis.written import uncalled
from gfplint.facts import Body, Name
from gfplint.frontend.blank import Source
from gfplint.kernel.masks import SCOPE_CLEARS

#: Callers of callers that are asked.
MAX_CALLERS = 4
_NONE: frozenset[str] = frozenset()


class CallerScopes:
    """Answers for the functions of one program, and keeps the answers."""

    def __init__(
        self,
        program: Program,
        callers: Mapping[str, Sequence[FunctionId]],
        saves: frozenset[str],
        summary: Callable[[FunctionId], Summary | None],
        body: Callable[[FunctionId], Body],
        source: Callable[[int], Source],
    ) -> None:
        """``callers``: functions by the names that they call; ``saves``: the functions that begin a scope."""
        self.program, self.callers, self.saves = program, callers, saves
        self._summary, self._body, self._source = summary, body, source
        #: By function, and how many callers of callers were asked for that.
        self._known: dict[tuple[FunctionId, int], frozenset[str]] = {}
        self._mentioned: dict[FunctionId, bool] = {}

    def around(self, fid: FunctionId, depth: int = MAX_CALLERS) -> frozenset[str]:
        """The kinds of scopes that are active whenever a function is called."""
        known = self._known.get((fid, depth))
        if known is None:
            known = self._known[fid, depth] = self._around(fid, depth)
        return known

    def _around(self, fid: FunctionId, depth: int) -> frozenset[str]:
        function = self.program.function(fid)
        if not depth or not function.static or self.program.paths[fid[0]].endswith(".h"):
            return _NONE
        callers = [c for c in self.callers.get(function.name, ()) if c[0] == fid[0]]
        found: frozenset[str] | None = None
        for caller in callers:
            kinds = _with_weaker(self._inside(caller, function.name, depth))
            found = kinds if found is None else found & kinds
            if not found:
                return _NONE
        return found if found and not self._handed_out(fid) else _NONE

    def _inside(self, caller: FunctionId, name: str, depth: int) -> frozenset[str]:
        """The scopes that are active at every call of ``name`` in a function: its own, and those around it."""
        outer = self.around(caller, depth - 1)
        if self.saves.isdisjoint(self.program.function(caller).callees):
            return outer
        summary = self._summary(caller)
        inside = {c.place: frozenset(c.kinds) for c in summary.scoped_calls if c.name == name} if summary else {}
        places = [c.place for c in all_calls(self._body(caller).stmts) if c.func == Name(name)]
        own = [inside.get(p, _NONE) for p in places]
        return outer | (frozenset.intersection(*own) if own else _NONE)

    def _handed_out(self, fid: FunctionId) -> bool:
        """Whether something but a call mentions a function in its file."""
        known = self._mentioned.get(fid)
        if known is None:
            known = self._mentioned[fid] = self._is_mentioned(fid)
        return known

    def _is_mentioned(self, fid: FunctionId) -> bool:
        function = self.program.function(fid)
        code = self._source(fid[0]).code
        return any(not function.start <= at < function.body for at in uncalled(code, function.name))


def _with_weaker(kinds: frozenset[str]) -> frozenset[str]:
    """Scopes with those that take less from a mask: what is inside a NOIO scope is inside a NOFS one."""
    cleared = [SCOPE_CLEARS[k] for k in kinds if k in SCOPE_CLEARS]
    return kinds | {k for k, bits in SCOPE_CLEARS.items() if any(bits <= other for other in cleared)}
