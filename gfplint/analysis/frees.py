"""Frees of known memory, and the memalloc scopes."""

from __future__ import annotations

from gfplint.analysis.paths import path_of, text_of
from gfplint.analysis.sleeps import Sleeps
from gfplint.analysis.state import State
from gfplint.analysis.summary import FreedParam, FreeSite, ScopeFault
from gfplint.analysis.values import ZERO, Constant, Cookie, Memory, Value
from gfplint.facts import Call, Expr, Place
from gfplint.kernel.model import Free, Scope


class Frees(Sleeps):
    """The layer of frees and scopes."""

    def free(self, row: Free, expr: Call, values: list[Value], state: State) -> None:
        if row.arg >= len(expr.args):
            return
        target = expr.args[row.arg]
        path = self.access(target)
        memory = values[row.arg]
        site_args = expr.args
        self.free_site(row, row.name, path, memory, expr.place, state, site_args, owner=self.owner_of(target))
        self.sleep_of_free(row, expr, memory, path, state)
        if path in self.params and path not in self.reassigned:
            self.freed_params[FreedParam(self.params.index(path), row.name, self.guards(state))] = None

    def free_site(  # noqa: PLR0913 - what a free is made of
        self,
        row: Free,
        name: str,
        path: str,
        memory: object,
        place: Place,
        state: State,
        args: tuple[Expr, ...],
        *,
        owner: tuple[str, str] = ("", ""),
        scope_exit: bool = False,
    ) -> None:
        known = memory if isinstance(memory, Memory) and row.bulk is None and not self.frees_content(row) else None
        if known is not None and state.conds.get(path) is False:
            known = None
        owner = ("", "") if row.bulk is not None or self.frees_content(row) else owner
        null = memory == ZERO or state.conds.get(path) is False
        if known is None and not owner[0] and not null and row.bulk is None and not self.frees_content(row):
            known = self.only_memory(path)
        error = state.conds.get(f"IS_ERR {path}") is True or memory == Constant("errptr")
        known = None if error else known

        def at(number: int | None) -> str:
            return state.resolve(path_of(args[number])) if number is not None and number < len(args) else ""

        site = FreeSite(
            name,
            place,
            path,
            known,
            at(row.cache),
            text_of(args[row.order]) if row.order is not None and row.order < len(args) else "",
            text_of(args[row.size]) if row.size is not None and row.size < len(args) else "",
            at(row.device),
            owner,
            error,
            scope_exit,
            null,
            _chosen(path, state),
            state.held,
        )
        self.frees.setdefault((place, known, name), site)

    def frees_content(self, row: Free) -> bool:
        """Whether a free is of what a struct holds (``sg_free_table``), not of the memory that its argument points
        to.
        """
        return self.env.content_families.issuperset(row.families)

    def only_memory(self, path: str) -> Memory | None:
        """What a local variable holds wherever it holds anything: the free of a NULL is wrong all the same."""
        held = list(self.local_memory.get(path, ()))
        if (
            held
            and path not in self.params
            and all(m is not None for m in held)
            and len({m.family for m in held if m}) == 1
        ):
            return held[0]
        return None

    def scope(self, row: Scope, expr: Call, values: list[Value], state: State) -> Value:
        """A scope is saved or restored; the cookie says which one a restore ends."""
        if row.effect == "save":
            cookie = Cookie(row.kind, expr.place)
            state.scopes = (*state.scopes, cookie)
            return cookie
        given = values[row.cookie] if row.cookie is not None and row.cookie < len(values) else None
        if isinstance(given, Cookie):
            if given.kind != row.kind:
                self.scope_fault("wrong", given, expr.place)
            state.scopes = tuple(c for c in state.scopes if c != given)
            return None
        same = [c for c in state.scopes if c.kind == row.kind]
        if same:
            state.scopes = tuple(c for c in state.scopes if c != same[-1])
        return None

    def scope_fault(self, fault: str, cookie: Cookie, place: Place) -> None:
        self.scope_faults.setdefault((fault, cookie), ScopeFault(fault, cookie.kind, cookie.place, place))


def _chosen(path: str, state: State) -> bool:
    """Whether the way to a free depends on what another member of the object says."""
    base = path.rpartition(".")[0] + "."
    if base == ".":
        return False
    for text, truth in state.conds.items():
        if path in text:
            continue
        if (text.startswith("(" + base) and " == " in text) or (text.startswith(base) and not truth):
            return True
    return False
