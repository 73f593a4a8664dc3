"""Locks and other contexts: entered, left, and what remains of them for the caller."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gfplint.analysis.frees import Frees
from gfplint.analysis.paths import last_of, path_of, root_of, substitute, text_of
from gfplint.analysis.state import State
from gfplint.analysis.summary import Effect, Hold, Lock, Summary
from gfplint.analysis.texts import result_class
from gfplint.analysis.values import Memory, Pending, Value
from gfplint.facts import Call, Expr, Name, Place
from gfplint.kernel.model import ContextOp

#: How often a function may end what has no identity and nests (``spin_unlock_bh`` of two locks).
_NESTED = 2
#: What a state knows of a member, before its path: it held no pointer when a lock was dropped.
_LEFT = "@left "
_MEMBER = re.compile(r"\w+(?:\.\w+)+", re.ASCII)


class Contexts(Frees):
    """The layer of locks and contexts."""

    def context_op(self, op: ContextOp, expr: Call, state: State) -> Value:
        name = expr.func.name if isinstance(expr.func, Name) else ""
        lock = ""
        if op.lock is not None and op.lock < len(expr.args):
            lock = state.resolve(path_of(expr.args[op.lock]))
        if op.field:
            lock = f"{lock}.{op.field}" if lock else ""
        if op.bit is not None and op.bit < len(expr.args):
            lock = f"{lock}[{text_of(expr.args[op.bit])}]" if lock else ""
        if op.typed and op.lock is not None and self.type_of_path(path_of(expr.args[op.lock]))[0] != op.typed:
            return None
        if op.effect == "enter":
            if op.sleeps and op.when == "always":
                self.waits = True
                self.note_slept(name, expr.place, state)
            if op.when != "always":
                return Pending(op, lock, expr.place, name)
            for kind in op.kinds:
                state.enter(Hold(kind, lock, expr.place, name))
            if lock:
                self.ask_again(state)
            return None
        if lock:
            self.note_empty(state)
        self.leave_kinds(op.kinds, lock, op.flags is not None, op.lock is not None, state)
        return None

    def note_empty(self, state: State) -> None:
        """Note which members hold no pointer where a lock is dropped: others may fill them before it is taken again."""
        empty = [text for text, truth in state.conds.items() if truth is False and _MEMBER.fullmatch(text)]
        for path in empty:
            if self.type_of_path(path)[1] and not isinstance(state.env.get(root_of(path)), Memory):
                state.conds[_LEFT + path] = True

    def ask_again(self, state: State) -> None:
        """Forget of the members that were empty when a lock was dropped that they are."""
        for text in [text for text in state.conds if text.startswith(_LEFT)]:
            del state.conds[text]
            state.conds.pop(text[len(_LEFT) :], None)

    def assert_held(self, lock: Expr, place: Place, how: str, state: State) -> None:
        """The function says that its caller holds a lock; what kind of lock that is tells its type."""
        path = path_of(lock)
        kind = self.kinds_by_type.get(self.type_of_path(path)[0] if path else "")
        path = state.resolve(path)
        if kind is not None and not any(h.kind == kind and last_of(h.lock) == last_of(path) for h in state.held):
            state.enter(Hold(kind, path, place, how, asserted=True))

    def leave_kinds(self, kinds: Sequence[str], lock: str, restores: bool, has_lock: bool, state: State) -> None:
        """End a context: ``kinds`` are those that may end here, the lock's own first.

        What this function does not hold is its caller's. A switch without saved flags ends every hold of its kind, one
        with saved flags the innermost: they say what the others left.
        """
        first, *others = kinds
        own = self.leave_kind(first, lock, restores, state)
        if not own:
            self.drop(first, lock, state)
        held = {h.kind for h in state.held}
        outer = self.outer_switches(others, state) if restores else ()
        for kind in others:
            if kind in held:
                if kind not in outer:
                    self.leave_kind(kind, lock, restores, state)
            elif not own and has_lock:
                self.drop(kind, "", state)

    def leave_together(self, leaves: list[Lock], state: State) -> None:
        """End what a callee ends. Switches that stand beside a lock found here are alternatives: of those held the
        innermost ends.
        """
        found = False
        outer = self.outer_switches([kind for kind, _ in leaves], state)
        for kind, lock in leaves:
            if kind in outer:
                continue
            if self.leave_kind(kind, lock, True, state):
                found = True
            elif not (self.is_switch(kind) and found):
                self.drop(kind, lock, state)

    def outer_switches(self, kinds: Sequence[str], state: State) -> list[str]:
        """Of the ways in which interrupts may be off, those held outside the innermost."""
        held = [h.kind for h in state.held if h.kind in kinds and self.is_switch(h.kind)]
        return [kind for kind in held if kind != held[-1]]

    def is_switch(self, kind: str) -> bool:
        """Whether a context is one of the CPU's interrupts being off."""
        row = self.kernel.kinds.get(kind)
        return row is not None and row.irqs_off

    def leave_kind(self, kind: str, lock: str, restores: bool, state: State) -> bool:
        row = self.kernel.kinds.get(kind)
        if not restores and self.is_switch(kind):
            if not any(h.kind == kind for h in state.held):
                return False
            state.leave_all(frozenset((kind,)))
            return True
        return state.leave(kind, lock if row is None or row.lock else "")

    def drop(self, kind: str, lock: str, state: State) -> None:
        self.drops_callers = True
        entry = (kind, lock)
        row = self.kernel.kinds.get(kind)
        most = 1 if row is None or row.lock else _NESTED
        if state.dropped.count(entry) < most and len(state.dropped) < 8:
            state.dropped = (*state.dropped, entry)

    def apply_effects(self, summary: Summary, expr: Call, names: dict[str, str], state: State) -> Value:
        result: Value = None
        for effect in summary.effects:
            enters = [(kind, substitute(lock, names)) for kind, lock in effect.enters]
            if effect.when == "always":
                self.leave_together([(kind, substitute(lock, names)) for kind, lock in effect.leaves], state)
                for kind, lock in enters:
                    state.enter(Hold(kind, lock, expr.place, summary.name))
            elif enters and not effect.leaves:
                op = ContextOp(name=summary.name, effect="enter", kinds=tuple(k for k, _ in enters), when=effect.when)
                result = Pending(op, enters[0][1], expr.place, summary.name)
        return result

    def effects(self) -> tuple[Effect, ...]:
        """What the function does to its caller's context, over all its exits."""
        changes: dict[tuple[tuple[Lock, ...], tuple[Lock, ...]], set[str]] = {}
        for state, value, _ in self.exits:
            enters, leaves = self.net_change(state)
            changes.setdefault((enters, leaves), set()).add(result_class(value))
        if not changes or list(changes) == [((), ())]:
            return ()
        if len(changes) == 1:
            enters, leaves = next(iter(changes))
            return (Effect("always", enters, leaves),)
        return self.conditional_effects(changes)

    def net_change(self, state: State) -> tuple[tuple[Lock, ...], tuple[Lock, ...]]:
        """(taken, dropped) on one path; what was dropped and taken again is neither."""
        taken = [(h.kind, self.outer(h.lock)) for h in state.held if not h.asserted]
        dropped = [(kind, self.outer(lock)) for kind, lock in state.dropped]
        for entry in tuple(taken):
            again = next((d for d in dropped if d[0] == entry[0]), None)
            if again is not None:
                dropped.remove(again)
                taken.remove(entry)
        return tuple(taken), tuple(dropped)

    def conditional_effects(
        self, changes: dict[tuple[tuple[Lock, ...], tuple[Lock, ...]], set[str]]
    ) -> tuple[Effect, ...]:
        """Effects that the return value tells apart; none where it does not (the lower context counts)."""
        taking = {c: r for c, r in changes.items() if c[0] and not c[1]}
        neutral = set().union(*(r for c, r in changes.items() if c == ((), ())))
        if len(taking) == 1 and len(taking) + (1 if ((), ()) in changes else 0) == len(changes):
            (enters, _), results = next(iter(taking.items()))
            if not results & neutral and "unknown" not in results | neutral:
                for when in ("nonzero", "zero"):
                    if results == {when} and when not in neutral:
                        return (Effect(when, enters, ()),)
            if results <= {"nonzero", "unknown"} and neutral == {"zero"}:
                return (Effect("nonzero", enters, ()),)
        leaving = [c[1] for c in changes if c[1] and not c[0]]
        if leaving and not taking:
            return (Effect("always", (), max(leaving, key=len)),)
        return ()
