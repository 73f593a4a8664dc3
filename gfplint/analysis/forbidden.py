"""Whether a body may call what sleeps where a context that forbids it is held: told by a flow of contexts alone.

Only a sleep that the whole flow would report counts, and where findings of low confidence are not asked for, only one
that may be surer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from functools import cached_property
from typing import Protocol

from gfplint.analysis.environment import HELD_ON_ENTRY, LONG_CHAIN
from gfplint.analysis.holders import Declared, Type, parts_of, type_of_parts
from gfplint.analysis.holds import NOTHING, SAID, Holds, States, Unclear, Walk, Ways, truth_of
from gfplint.analysis.holds import Seen as SeenByWalk
from gfplint.analysis.paths import path_of
from gfplint.analysis.summary import Sleep, Summary
from gfplint.analysis.syntax import all_statements
from gfplint.analysis.values import MaskValue, blocking
from gfplint.facts import Body, Call, Declare, Expr, Member, Name, Signature
from gfplint.frontend.lower import lower_expression
from gfplint.kernel.masks import DIRECT_RECLAIM
from gfplint.kernel.model import Allocator, Free, Mask

#: What names masks and asks what they are has in it.
_GFP = re.compile("gfp", re.IGNORECASE | re.ASCII)
#: A context that a callee may have entered of which nothing else is known.
_ANY = "@any"
_NOT_KNOWN = frozenset((SAID, _ANY))
_ANYTHING = Ways(NOTHING | {(_ANY,)}, NOTHING | {(_ANY,)})
#: What an allocator ends that drops a lock, whichever the lock is.
_SWITCHES = frozenset(("bh", "lock_irq"))


class Seen(SeenByWalk, Declared, Protocol):
    """What a file sees of the rest of the program."""

    #: Calls between a context and an allocation that are looked through.
    reach: int

    def summary(self, name: str, depth: int) -> Summary | None:
        """The summary of what a name calls (``flow.analyse``)."""

    def indirect(self, owner: tuple[str, str]) -> Summary | None:
        """What a call of an operation, (struct, member), may do whichever of its implementations it reaches."""

    def all_may_sleep(self, owner: tuple[str, str]) -> bool:
        """Whether each implementation of an operation may sleep."""


def meets(holds: Holds, signature: Signature, body: Body, seen: Seen, names: Set[str], text: Callable[[], str]) -> bool:
    """Whether one of ``names`` may be called, and sleep, where a context that forbids sleeping is held; or whether
    there is something in the body that is not understood, which the whole flow says.

    ``text``: the blanked code of the body.
    """
    if body.errors:
        return True
    for exact in (False, True):
        walk = _Meeting(holds, signature, body, seen, names, text, exact=exact)
        try:
            walk.body(body)
        except Unclear:
            if not walk.loose:
                return True
        else:
            return False
    return True


def may_enter(holds: Holds, seen: Seen, name: str) -> bool:
    """Whether a call that may change the context may enter one, and hold it as it returns: what it leaves of its
    caller's alone brings no sleep into a context.
    """
    found = seen.outcomes(name)
    if found is not None and not _enters(found):
        return False
    exactly = _exactly(holds, seen, name, found)
    return exactly is None or _enters(exactly)


class _Meeting(Walk):
    """A walk that ends where one of some names may sleep with a context held.

    What the callees do is asked for as the whole flow of this body would: their summaries serve both. Those of callees
    that may do several things to the context are asked for in a second walk (``exact``), if it comes to that.
    """

    def __init__(
        self,
        holds: Holds,
        signature: Signature,
        body: Body,
        seen: Seen,
        names: Set[str],
        text: Callable[[], str],
        *,
        exact: bool,
    ) -> None:
        super().__init__(holds, seen)
        self.exact = exact
        #: Whether a callee was met of which only its summary tells what it does.
        self.loose = False
        self.seen: Seen = seen
        self.names = names
        self.text = text
        self.types = _Types(signature, body, seen)
        #: Whether findings of low confidence are asked for.
        self.low = seen.reach >= LONG_CHAIN
        self.start = frozenset([(SAID,)]) if any(map(self.may_be_atomic, _said_locks(signature))) else NOTHING

    def called(self, call: Call, states: States, truth: bool | None) -> States:
        func = call.func
        name = func.name if isinstance(func, Name) else func.field if isinstance(func, Member) else ""
        if name in self.names:
            kinds = self.forbidding(states)
            if kinds and (self.loose or self.may_sleep(name, call, kinds)):
                raise Unclear
        if name in self.holds.said and call.args and not self.may_be_atomic(call.args[0]):
            return states
        after = super().called(call, states, truth)
        if after == states:
            return after
        # What is left may be the lock that is said to be held: what was entered here stays then.
        return after | frozenset([tuple([k for k in s if k != SAID]) for s in states if SAID in s and len(s) > 1])

    @cached_property
    def names_masks(self) -> bool:
        """Whether the body names a mask, or asks for one."""
        return _GFP.search(self.text()) is not None

    def forbidding(self, states: States) -> frozenset[str]:
        """The contexts that are held in some state and forbid sleeping; SAID and what is not known among them."""
        found = frozenset[str]().union(*states)
        return (found & self.holds.atomic) | (found & _NOT_KNOWN)

    def may_be_atomic(self, lock: Expr) -> bool:
        """Whether a lock that is said to be held may be of a type that forbids sleeping (``Contexts.assert_held``)."""
        path = path_of(lock)
        kind = self.types.of(path) if path else ("", 0)
        return kind is None or kind[0] in self.holds.atomic_types

    def may_sleep(self, name: str, call: Call, kinds: frozenset[str]) -> bool:
        """Whether a call sleeps in some state where one of some contexts forbids it, as far as its callee and the masks
        and constants that it gets tell.
        """
        if not isinstance(call.func, Name):
            return self.operation_sleeps(call, kinds)
        kernel = self.holds.kernel
        if not self.seen.shadowed(name):
            row = kernel.allocators.get(name)
            if row is not None:
                return self.allocator_sleeps(row, call, kinds)
            if name in kernel.context_ops:
                return False
            free = kernel.frees.get(name)
            if free is not None:
                return self.free_sleeps(free, call, kinds)
        if kinds == {SAID} and not self.low and not self.names_masks:
            return False  # of what a callee does, the flow is not sure; nor does it get a mask for what it locks itself
        summary = self.seen.summary(name, self.seen.reach)
        return summary is None or self.some_sleep(summary, call, kinds)

    def operation_sleeps(self, call: Call, kinds: frozenset[str]) -> bool:
        """Whether what a member of a struct holds sleeps, as far as the type of the struct tells."""
        if kinds == {SAID} and not self.low:
            return False
        base, _, member = path_of(call.func).rpartition(".")
        kind = self.types.of(base) if base else ("", 0)
        if kind is None:
            return True
        if kind[0] and not self.low and not self.seen.all_may_sleep((kind[0], member)):
            return False
        summary = self.seen.indirect((kind[0], member)) if kind[0] else None
        return summary is not None and self.some_sleep(summary, call, kinds)

    def allocator_sleeps(self, row: Allocator, call: Call, kinds: frozenset[str]) -> bool:
        takes = row.mask if row.sleeps == "mask" else None
        mask = self.mask(call.args[takes]) if takes is not None and takes < len(call.args) else None
        if (mask is not None and DIRECT_RECLAIM not in mask) or (row.rare and not self.low):
            return False
        return row.drops is None or not kinds <= _SWITCHES

    def free_sleeps(self, row: Free, call: Call, kinds: frozenset[str]) -> bool:
        if row.field is not None and row.field < len(call.args):
            return False
        return row.sleeps != "irq" or not kinds.isdisjoint(self.holds.irqs_off)

    def some_sleep(self, summary: Summary, call: Call, kinds: frozenset[str]) -> bool:
        """Whether a sleep of a callee is one that some contexts forbid."""
        passed = dict(zip(summary.params, call.args, strict=False))
        return any(
            (self.low or sleep.uncertain < 2)
            and (sleep.inner or self.forbids(kinds, sleep))
            and self.may_reach(sleep, passed)
            for sleep in summary.sleeps
        )

    def forbids(self, kinds: frozenset[str], sleep: Sleep) -> bool:
        """Whether some contexts forbid a sleep of a callee, and are still held when it comes."""
        if not self.low:
            kinds -= {SAID}
        if sleep.kind == "free" and sleep.sleeps == "irq":
            kinds &= self.holds.irqs_off
        dropped = [kind for kind, lock in sleep.dropped if not lock or kind in self.holds.unnamed]
        return not kinds.issubset(dropped)

    def may_reach(self, sleep: Sleep, passed: Mapping[str, Expr]) -> bool:
        """Whether a callee comes to a sleep with what it is passed."""
        base = sleep.mask.base if sleep.mask is not None else ""
        if sleep.mask is not None and base and base in passed and (mask := self.mask(passed[base])) is not None:
            bits = sleep.mask.rebased(MaskValue("", mask))
            if bits is not None and blocking(bits) is False:
                return False
        for kind, text, truth in sleep.guards:
            arg = passed.get(text)
            if kind == "blocking":
                mask = self.mask(arg)
                if mask is not None and (DIRECT_RECLAIM in mask) is not truth:
                    return False
            elif (known := truth_of(arg)) is not None and known is not truth:
                return False
        return True

    def mask(self, expr: Expr | None) -> Mask | None:
        """The bits of a mask that is given by its name."""
        return self.holds.kernel.masks.get(expr.name) if isinstance(expr, Name) else None

    def outcomes(self, name: str) -> Ways | None:
        found = super().outcomes(name)
        if found is not None and not _several(found):
            return found
        if not self.exact:
            self.loose = True
            return found if found is not None else _ANYTHING
        return _exactly(self.holds, self.seen, name, found)


def _exactly(holds: Holds, seen: Seen, name: str, found: Ways | None) -> Ways | None:
    """What a call may do to the context: its summary tells, where contexts alone (``found``) leave it open."""
    if found is not None and not _several(found):
        return found
    summary = seen.summary(name, 0)
    return _effects(summary, holds.atomic) if summary is not None else found


def _effects(summary: Summary, atomic: Set[str]) -> Ways:
    """What a summary says that a function does to the context."""
    found: dict[str, States] = {}
    for effect in summary.effects:
        left = ["-" + kind for kind, _ in effect.leaves if kind in atomic]
        way = (*left, *(kind for kind, _ in effect.enters if kind in atomic))
        found[effect.when] = found.get(effect.when, frozenset()) | {way}
    always = found.get("always", NOTHING)
    return Ways(found.get("zero", always), found.get("nonzero", always))


def _several(ways: Ways) -> bool:
    """Whether a call may do several things to the context that its result does not tell apart, and enter some."""
    return any(
        len(found) > 1 and any(not entry.startswith("-") for outcome in found for entry in outcome) for found in ways
    )


def _enters(ways: Ways) -> bool:
    return any(not entry.startswith("-") for outcome in ways.all for entry in outcome)


class _Types:
    """The types of what access paths name in a body, wherever in it they stand."""

    def __init__(self, signature: Signature, body: Body, seen: Declared) -> None:
        self._params = {p.name: (p.type, p.pointers) for p in signature.params if p.name}
        self._body, self._seen = body, seen
        self._declared: dict[str, set[Type]] | None = None

    def of(self, path: str) -> Type | None:
        """As ``Run.type_of_path`` has it; None where a name stands for several things."""
        parts = parts_of(path)
        if self._declared is None:
            self._declared = self._declarations()
        kinds = self._declared.get(parts[0], set())
        if len(kinds) > 1 or (kinds and parts[0] not in self._params and self._seen.global_type(parts[0]) is not None):
            return None
        found = type_of_parts(parts, {parts[0]: next(iter(kinds))} if kinds else {}, self._seen)
        return found[-1] if len(found) == len(parts) else ("", 0)

    def _declarations(self) -> dict[str, set[Type]]:
        found = {name: {kind} for name, kind in self._params.items()}
        for stmt in all_statements(self._body.stmts):
            if isinstance(stmt, Declare):
                found.setdefault(stmt.name, set()).add((stmt.type, stmt.pointers + stmt.array))
        return found


def _said_locks(signature: Signature) -> Iterator[Expr]:
    """The locks of which a header says that they are held (``Flow.enter_annotated``)."""
    for annotation in signature.annotations:
        name, _, rest = annotation.partition("(")
        lock = lower_expression(rest.rpartition(")")[0]) if name in HELD_ON_ENTRY else None
        if lock is not None:
            yield lock
