"""Frees of known memory, and the memalloc scopes."""

from __future__ import annotations

import msgspec

from gfplint.analysis.holders import OBJECT, Holder, conditions, object_of
from gfplint.analysis.paths import path_of, root_of
from gfplint.analysis.sleeps import Sleeps
from gfplint.analysis.state import State
from gfplint.analysis.summary import FreedParam, FreeSite, ScopedCall, ScopeFault
from gfplint.analysis.syntax import indices
from gfplint.analysis.values import ZERO, Constant, Cookie, Memory, Value
from gfplint.facts import Call, Expr, Name, Place
from gfplint.findings import Step
from gfplint.kernel.model import Free, Scope


class Frees(Sleeps):
    """The layer of frees and scopes."""

    def free(self, row: Free, expr: Call, values: list[Value], state: State) -> None:
        if row.arg >= len(expr.args):
            return
        target = expr.args[row.arg]
        path = self.access(target)
        memory = values[row.arg]
        self.free_site(row, target, path, memory, expr.place, state, expr.args)
        self.sleep_of_free(row, expr, memory, path, state)
        if path in self.params and path not in self.reassigned and path not in self.local_memory:
            step = self.step(expr.place, f"{row.name}() frees it")
            content = indices(target) > 0
            cache = state.resolve(path_of(expr.args[row.cache])) if row.cache is not None else ""
            cache = "" if root_of(cache) in self.types else cache
            freed = FreedParam(self.params.index(path), row.name, self.guards(state), content, (step,), cache)
            self.freed_params[freed] = None

    def resize(self, row: Free, expr: Call, values: list[Value], state: State) -> None:
        """Memory is given to what frees it where it does not suffice."""
        if row.arg < len(expr.args):
            target = expr.args[row.arg]
            self.free_site(row, target, self.access(target), values[row.arg], expr.place, state, ())

    def free_site(  # noqa: PLR0913 - what a free is made of
        self,
        row: Free,
        target: Expr,
        path: str,
        memory: object,
        place: Place,
        state: State,
        args: tuple[Expr, ...],
        *,
        scope_exit: bool = False,
        steps: tuple[Step, ...] = (),
        cache: str = "",
    ) -> None:
        known = memory if isinstance(memory, Memory) else None
        null = memory == ZERO or state.conds.get(path) is False
        empty = null
        error = state.conds.get(f"IS_ERR {path}") is True or memory == Constant("errptr")
        holders: tuple[Holder, ...] = ()
        if row.bulk is not None:
            known = self.elements(path, state)
        elif self.frees_content(row) or error or (known is not None and state.conds.get(path) is False):
            known = None
        elif known is None:
            places = self.freed_places(target, path, state)
            known = None if null or places else self.only_memory(path)
            null = null and not places
            if known is None and not null and (kind := self.freed_object(row, target, path)) is not None:
                holders = (*places, kind)
            else:
                holders = places

        when = conditions(state.resolve(path), state.conds, state.env) if holders else ()
        key = (place, known, row.name)
        earlier = self.frees.get(key)
        if earlier is not None and (earlier.holders or not holders):
            if earlier.when and earlier.when != when:
                self.frees[key] = msgspec.structs.replace(earlier, when=tuple(w for w in earlier.when if w in when))
            return

        def at(number: int | None) -> str:
            return state.resolve(path_of(args[number])) if number is not None and number < len(args) else ""

        def measure(number: int | None) -> str:
            return self.measure(args[number], state) if number is not None and number < len(args) else ""

        cache = cache or at(row.cache)
        if holders and root_of(cache) in self.types:
            cache = ""  # only this function has a name for it
        self.frees[key] = FreeSite(
            row.name,
            place,
            path,
            known,
            cache,
            "0" if row.single else measure(row.order),
            measure(row.size),
            at(row.device),
            holders if known is None else (),
            error,
            scope_exit,
            null,
            when,
            0,
            steps,
            state.held,
            self.walk_of(path),
            self.ended,
            empty,
        )

    def walk_of(self, path: str) -> Place | None:
        """The innermost loop over a container, of those around, that gives a variable its value."""
        return next((place for names, place in reversed(self.walks) if root_of(path) in names), None)

    def freed_places(self, target: Expr, path: str, state: State) -> tuple[Holder, ...]:
        """Where a freed pointer of unknown memory may have been taken from."""
        found = self.holders(target, state)
        if not found and not indices(target) and len(origins := self.origins.get(path, {})) == 1:
            found = next(iter(origins))
        return found

    def freed_object(self, row: Free, target: Expr, path: str) -> Holder | None:
        """What a freed variable leads to, by its type: an element of an array of pointers, or what one points to, too.
        Not where pages are freed: an element may be a page of further pointers there.

        Not where it is resized, nor a member's, whose type the text of the function does not tell: what else is such an
        object would not have been looked for. It has where a cache is named (``evidence``).
        """
        if row.name in self.kernel.resizers or ("." in path and row.cache is None):
            return None
        if indices(target) and (row.single or row.order is not None):
            return None
        if isinstance(target, Call):
            return self.returned_object(row, target)
        kind, pointers = self.type_of_path(path)
        return object_of((kind, pointers - indices(target)), self.env)

    def returned_object(self, row: Free, target: Call) -> Holder | None:
        """What a function names by its result whose object goes back to a cache (``FOO_I(inode)``)."""
        if row.cache is None or not isinstance(target.func, Name):
            return None
        key = self.env.returned_record(target.func.name)
        return (key, OBJECT) if key else None

    def elements(self, path: str, state: State) -> Memory | None:
        """What the elements of an array hold that the function has filled itself."""
        prefix = path + "["
        held = [v for k, v in state.env.items() if k.startswith(prefix) and "." not in k[len(prefix) :]]
        memories = [v for v in held if isinstance(v, Memory)]
        same = len(memories) == len(held) and len({m.family for m in memories}) == 1
        return memories[0] if path and same else None

    def note_linear(self, expr: Call, name: str, values: list[Value], state: State) -> None:
        """Memory is used by its address in the linear map."""
        for number in self.env.linear[name]:
            if number >= len(expr.args) or self.asked_for_vmalloc(state):
                continue
            target, value = expr.args[number], values[number]
            path = self.access(target)
            memory = value if isinstance(value, Memory) else None
            holders = self.freed_places(target, path, state) if value is None and path else ()
            if memory is not None or holders:
                when = conditions(state.resolve(path), state.conds, state.env) if holders else ()
                site = FreeSite(name, expr.place, path, memory, holders=holders, when=when)
                self.linear_uses.setdefault((expr.place, memory, bool(holders)), site)

    def asked_for_vmalloc(self, state: State) -> bool:
        """Whether the code has asked on this way of what kind some memory is."""
        asks = [n for n, q in self.kernel.queries.items() if q.true_means == "vmalloc"]
        return any(text.startswith(f"{name}(") for text in state.conds for name in asks)

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
            self.begins_scopes = True
            state.scopes = (*state.scopes, cookie)
            return cookie
        given = values[row.cookie] if row.cookie is not None and row.cookie < len(values) else None
        if isinstance(given, Cookie):
            # Since 6.10 the cookie alone says what a restore ends (include/linux/sched/mm.h).
            if given.kind != row.kind and "memalloc_flags" not in self.kernel.probes:
                self.scope_fault("wrong", given, expr.place)
            state.scopes = tuple(c for c in state.scopes if c != given)
            return None
        same = [c for c in state.scopes if c.kind == row.kind]
        if same:
            state.scopes = tuple(c for c in state.scopes if c != same[-1])
        return None

    def note_scoped(self, expr: Call, state: State) -> None:
        """A call inside scopes, or not: what every path to it has in common counts."""
        if not isinstance(expr.func, Name):
            return
        kinds = tuple(dict.fromkeys(c.kind for c in state.scopes))
        known = self.scoped_calls.get(expr.place)
        if known is not None:
            kinds = tuple(k for k in kinds if k in known.kinds)
        self.scoped_calls[expr.place] = ScopedCall(expr.func.name, expr.place, kinds)

    def scope_fault(self, fault: str, cookie: Cookie, place: Place) -> None:
        self.scope_faults.setdefault((fault, cookie), ScopeFault(fault, cookie.kind, cookie.place, place))
