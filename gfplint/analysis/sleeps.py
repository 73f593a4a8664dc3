"""Allocations and what may sleep: reports where a context forbids it, news for the callers elsewhere."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import msgspec

from gfplint.analysis.environment import (
    MAX_ALSO,
    MAX_CHAIN,
    MAX_GUARDS,
    MAX_MASKS,
    MAX_SLEEPS,
    MAX_VARIANTS,
    Environment,
    doubt_of_length,
)
from gfplint.analysis.locks import LockClass, Taken, lock_class
from gfplint.analysis.paths import last_of, names_in, root_of
from gfplint.analysis.run import MADE, MAX_MACROS, OWN_LOCK, Run
from gfplint.analysis.state import State
from gfplint.analysis.summary import AllocSite, Hold, Lock, Recursion, Report, Sleep
from gfplint.analysis.syntax import calls_of
from gfplint.analysis.texts import argument_text, condition_root, configs, flag_test
from gfplint.analysis.values import ZERO, MaskValue, Memory, Ref, Value, blocking
from gfplint.facts import (
    Body,
    Break,
    Call,
    Continue,
    Expr,
    Goto,
    Guard,
    Name,
    Place,
    Return,
    Scoped,
    Signature,
    Unary,
)
from gfplint.findings import Step
from gfplint.kernel.masks import DIRECT_RECLAIM, FS, effective
from gfplint.kernel.model import Allocator, Free, Kernel, Mask
from gfplint.kernel.reclaim import NEEDED

#: Calls to an allocation, or to a free that only interrupts forbid, within which it is sure to be reached.
MAX_SURE = 3
#: A mask that asks for no report of the kind (include/linux/gfp_types.h).
NOLOCKDEP = "__GFP_NOLOCKDEP"
#: Calls to a sleep from which on every boot that meets it would have told.
_STEPS_SEEN = 3
#: What a question about the context may be about.
_CONTEXTS = frozenset(("atomic", "interrupt", "sleepable"))


class Sleeps(Run):
    """The layer of allocations and sleeps."""

    def __init__(self, name: str, path: str, signature: Signature, body: Body, env: Environment, depth: int) -> None:
        super().__init__(name, path, signature, body, env, depth)
        self.passed: dict[Place, AllocSite] = {}
        self.recursions: dict[tuple[Place, Hold], Recursion] = {}
        self.lock_classes: dict[str, LockClass | None] = {}

    def allocate(self, row: Allocator, expr: Call, values: list[Value], state: State) -> Value:
        mask = self.mask_at(row, expr, values, state)
        place = expr.place
        name = row.name
        text = argument_text(expr, row.mask)
        site = self.allocs.get(place)
        masks = site.masks if site is not None else ()
        if mask not in masks and len(masks) < MAX_MASKS:
            masks = (*masks, mask)
        scopes = _scopes(site, state)
        self.allocs[place] = AllocSite(
            name,
            row.family,
            place,
            masks,
            text,
            self.measured(row, expr, state),
            argument_text(expr, row.order),
            state.held,
            scopes,
        )
        self.judge_mask(mask, place, state)
        self.sleep_of(row, mask, expr, state)
        if row.hidden or row.family in ("", "none"):
            return None
        memory = Memory(
            family=row.family,
            allocator=name,
            place=place,
            path=self.path,
            function=self.name,
            cache=self.argument_path(expr, row.cache, state),
            order=self.order_of(row, expr, state),
            size=self.size_of(row, expr, state),
            device=self.argument_path(expr, row.device, state),
            nofail=bool(mask is not None and mask.has("__GFP_NOFAIL")) and row.error == "null",
            error=row.error,
            managed=bool((family := self.kernel.families.get(row.family)) and family.managed),
        )
        if isinstance(row.result, int):
            if row.result < len(expr.args):
                self.store_result(expr.args[row.result], memory, state, place)
            return None
        return memory

    def note_passed(self, name: str, expr: Call, values: list[Value], state: State) -> None:
        """A mask that keeps reclaim out of file systems or I/O, and is passed to a function that may allocate."""
        for number, value in enumerate(values):
            if isinstance(value, MaskValue) and not value.base and FS not in value.plus and blocking(value):
                site = self.passed.get(expr.place)
                if site is None and not self.env.may_sleep(name, self.env.reach):
                    return
                masks = tuple(dict.fromkeys((*(site.masks if site is not None else ()), value)))[:MAX_MASKS]
                text = argument_text(expr, number)
                self.passed[expr.place] = AllocSite(
                    name, "", expr.place, masks, text, "", held=state.held, scopes=_scopes(site, state)
                )

    def judge_mask(self, mask: MaskValue | None, place: Place, state: State) -> None:
        """Whether a mask that dips into the reserves is needed here, as far as this path tells."""
        if mask is None or mask.base or "__GFP_HIGH" not in mask.plus or blocking(mask):
            if mask is not None and mask.base:
                self.needless[place] = None
                self.unbound[place] = False
            return
        bound = self.in_context_of_its_own(state)
        self.unbound[place] = self.unbound.get(place, True) and not bound
        evidence = None if bound else state.slept or self.sleeps_later()
        if evidence is None or place not in self.needless:
            self.needless[place] = evidence

    def sleeps_later(self) -> Step | None:
        """Where the statements that follow sleep whatever happens; they may be left early where something failed."""
        for stmts, at in reversed(self.positions):
            for stmt in stmts[at + 1 :]:
                if isinstance(stmt, Guard | Scoped) and self.sleeping_guard(stmt.kind):
                    return self.step(stmt.place, f"guard({stmt.kind}) sleeps in the same context")
                for call in calls_of(stmt):
                    query = self.query_of(call)
                    if query is not None and _CONTEXTS.intersection((query.true_means, query.false_means)):
                        return None  # what follows depends on the context
                    if (name := self.sleeping_call(call)) is not None:
                        return self.step(call.place, f"{name}() sleeps in the same context")
                if isinstance(stmt, (Return, Goto, Break, Continue)):
                    return None
        return None

    def sleeping_guard(self, kind: str) -> bool:
        """Whether taking a guard of this class sleeps whatever the state."""
        row = self.kernel.guards.get(kind) or self.env.guard_class(kind)
        return row is not None and row.sleeps and row.when == "always"

    def sleeping_call(self, call: Call) -> str | None:
        """The name of what is called where that sleeps whatever the state, by the tables alone."""
        name = call.func.name if isinstance(call.func, Name) else ""
        if not name or self.env.shadowed(name):
            return None
        kernel = self.kernel
        if (op := kernel.context_ops.get(name)) is not None:
            return name if op.sleeps and op.when == "always" else None
        if (sleeper := kernel.sleepers.get(name)) is not None:
            return name if sleeper.arg is None else None
        row = kernel.allocators.get(name)
        if row is None or row.sleeps == "never":
            return None
        if row.sleeps == "always":
            return name
        mask = call.args[row.mask] if row.mask is not None and row.mask < len(call.args) else None
        bits = kernel.masks.get(mask.name if isinstance(mask, Name) else "", frozenset())
        return name if "__GFP_DIRECT_RECLAIM" in bits else None

    def in_context_of_its_own(self, state: State) -> bool:
        """Whether this function made the context what it is: took a lock, dropped one, or asked."""
        if state.dropped or any(h.kind in self.atomic for h in state.held):
            return True
        return any(text.startswith("@") for text in state.conds)

    def note_slept(self, name: str, place: Place, state: State) -> None:
        """The path sleeps: so its context lets it."""
        if state.slept is None and not self.in_context_of_its_own(state):
            state.slept = self.step(place, f"{name}() sleeps in the same context")

    def sites(self) -> tuple[AllocSite, ...]:
        """The allocator calls, with what shows that a mask is needlessly atomic."""
        if self.drops_callers:
            return tuple(self.allocs.values())
        return tuple(
            msgspec.structs.replace(site, slept=self.needless.get(place), unbound=True)
            if self.unbound.get(place)
            else site
            for place, site in self.allocs.items()
        )

    def order_of(self, row: Allocator, expr: Call, state: State) -> str:
        """The order of pages: a number where it can be told, else the text of the argument."""
        if row.order is not None and row.order < len(expr.args):
            return self.measure(expr.args[row.order], state)
        return "0" if row.order is None and row.family in ("page", "pages") else ""

    def size_of(self, row: Allocator, expr: Call, state: State) -> str:
        """A size: a number where the family's free takes it and it can be told, else the text of the argument."""
        family = self.kernel.families.get(row.family)
        if row.size is not None and row.size < len(expr.args) and family is not None and family.sized:
            return self.measure(expr.args[row.size], state)
        return argument_text(expr, row.size)

    def measured(self, row: Allocator, expr: Call, state: State) -> str:
        """The size that is asked for, as written; a number where the mask decides how large it may be."""
        if row.family == "kvmalloc" and row.size is not None and row.size < len(expr.args):
            number = self.number(expr.args[row.size], state, MAX_MACROS)
            if number is not None:
                return str(number)
        return argument_text(expr, row.size)

    def store_result(self, target: Expr, memory: Memory, state: State, place: Place) -> None:
        """Memory handed out by reference: into a pointer whose address is given, not into a struct or an array."""
        if not isinstance(target, Unary) or target.op != "&":
            return
        path = self.access(target)
        kind, pointers = self.type_of_path(path)
        if pointers or kind.endswith("_t"):
            self.store(target.operand, path, memory, state, place, None)

    def sleep_of(self, row: Allocator, mask: MaskValue | None, expr: Call, state: State) -> None:
        """Note that this call may sleep, for the context rules and for callers."""
        if row.sleeps == "never":
            return
        if row.idle and state.conds.get(f"{self.argument_path(expr, 0, state)}.{row.idle}") is True:
            return
        if row.sleeps == "mask" and (row.mask is not None or mask is None or not blocking(mask)):
            if mask is None or self.known_blocking(mask, state) is False or mask.base == "?":
                return
            kind = "mask"
        else:
            kind, mask = "always", None
        dropped: tuple[Lock, ...] = ()
        if row.drops is not None:
            lock = self.argument_path(expr, row.drops, state)
            own = f"{lock}.{row.needs.replace('->', '.')}" if row.needs else lock
            dropped = (("spin", own), ("spin", lock), ("bh", ""), ("lock_irq", ""))
        described = (
            f"{row.name}({argument_text(expr, row.mask)})"
            if kind == "mask" and row.mask is not None
            else f"{row.name}()"
        )
        if kind == "always" or (mask is not None and blocking(mask) is True):
            self.note_slept(row.name, expr.place, state)
        step = self.step(
            expr.place, f"{described} may sleep" if kind == "always" else f"{described} may reclaim directly and sleep"
        )
        sleep = Sleep(
            kind, row.name, mask, (), dropped, (step,), expr.place, uncertain=2 if row.rare else 1 if row.lazy else 0
        )
        self.note_sleep(sleep, expr.place, state)

    def sleep_of_free(self, row: Free, expr: Call, memory: Value, path: str, state: State) -> None:
        if row.sleeps == "never":
            return
        if row.field is not None and row.field < len(expr.args):
            return  # kfree_rcu(p, field) does not sleep
        if memory == ZERO or state.conds.get(path) is False:
            return
        family = memory.family if isinstance(memory, Memory) else ""
        if row.sleeps == "task-vmalloc" and family not in ("vmalloc", "kvmalloc"):
            return
        step = self.step(expr.place, f"{row.name}() may sleep")
        own = any(h.kind in self.atomic for h in state.held)
        freed = expr.args[row.arg] if row.arg < len(expr.args) else expr
        doubt = 2 if not own and self.only_some(freed, state) else 0
        self.note_sleep(
            Sleep("free", row.name, None, (), (), (step,), expr.place, sleeps=row.sleeps, uncertain=doubt),
            expr.place,
            state,
        )

    def only_some(self, freed: Expr, state: State) -> bool:
        """Whether something was asked about an object before it, or a part of it, is freed (``if (is_tx(c))
        destroy(c->wq)``): only some have to be, and who frees an object knows which.
        """
        asked = [f"({name})" for name in names_in(freed)]
        return any(
            (at := text.find(name)) > 0 and text[at - 1].isalnum()
            for text in state.conds
            if text[0] not in "@#?"
            for name in asked
        )

    def note_sleep(self, sleep: Sleep, place: Place, state: State) -> None:
        """A sleep at ``place``: a report if a context of this function forbids it, and news for the callers."""
        held = tuple(h for h in state.held if h.kind in self.atomic and not _matches(h, sleep.dropped, self.kernel))
        task_only = sleep.task_only or state.conds.get("@interrupt") is False or state.conds.get("@!interrupt") is True
        if state.conds.get("@atomic") is True or state.conds.get("@sleepable") is False:
            return
        if task_only and any(self.kernel.kinds[h.kind].interrupt for h in state.held):
            return
        sleepable = state.conds.get("@atomic") is False or state.conds.get("@sleepable") is True
        held = self.forbidding(sleep, held, state)
        unlikely = self.is_unlikely(state) or self.without_operation(state) or self.in_mode_of_object(state)
        # What a function allocates under a lock of its own, it means to allocate there.
        missing = state.conds.get("@absent") is True and not (held and len(sleep.steps) == 1)
        if unlikely or missing or self.deferred or self.boots(held, len(sleep.steps)):
            sleep = msgspec.structs.replace(sleep, uncertain=sleep.uncertain + 2)
        if sleep.sleeps == "irq" and len(sleep.steps) > MAX_SURE:
            sleep = msgspec.structs.replace(sleep, uncertain=sleep.uncertain + 2)
        if self.env.reclaim is not None:
            self.note_recursion(sleep, place, state)
        certain = sleep.mask is None or self.known_blocking(sleep.mask, state) is True
        # Of a lock that is only said to be held, a callee may know better: its callers are told of it as well.
        said_only = len(sleep.steps) > 1 and all(h.asserted for h in held)
        if held and certain and not sleepable:
            needs = tuple(sorted({t[1:] for t in state.conds if t.startswith("#CONFIG")} | configs(state.conds)))
            key = (place, tuple((h.kind, h.lock) for h in held))
            doubt = doubt_of_length(sleep.choices) + 2 * sleep.shared + 2 * said_only
            if any(kind == "cond" and self.callers_decide(text, truth) for kind, text, truth in sleep.guards):
                doubt += 2
            old = self.reports.get(key)
            new = Report(held, msgspec.structs.replace(sleep, uncertain=sleep.uncertain + doubt), place, needs)
            self.reports[key] = new if old is None else folded(old, new)
        if sleepable:
            return
        if held and certain and not said_only:
            return
        inner = tuple((h.kind, h.lock) for h in held if not h.asserted)
        self.tell_callers(sleep, place, state, inner, task_only)

    def reclaims(self, state: State) -> bool:
        """Whether reclaim may wait for something that is held."""
        return any(self.taken(hold) is not None for hold in state.held)

    def taken(self, hold: Hold) -> Taken | None:
        """How reclaim comes to wait for what is held, if it does."""
        kind = self.kernel.kinds[hold.kind]
        if kind.reclaim:
            return Taken("any", ())
        if kind.atomic or not kind.lock or not hold.lock or not self.env.reclaim:
            return None
        if hold.lock not in self.lock_classes:
            self.lock_classes[hold.lock] = lock_class(
                hold.lock, lambda path: self.type_of_path(path)[0], self.types.__contains__, self.env
            )
        known = self.lock_classes[hold.lock]
        return self.env.reclaim.get(known) if known is not None else None

    def note_recursion(self, sleep: Sleep, place: Place, state: State) -> None:
        """An allocation from which reclaim may come back to what this function holds."""
        bits = reclaim_bits(sleep, self.kernel, (c.kind for c in state.scopes))
        if not bits:
            return
        for hold in state.held:
            taken = self.taken(hold)
            if taken is None or not bits >= NEEDED[taken.needs] or _matches(hold, sleep.dropped, self.kernel):
                continue
            doubt = taken.doubt + sleep.uncertain + hold.asserted + (len(sleep.steps) > MAX_SURE)
            new = Recursion(hold, sleep, place, taken.steps, taken.needs, doubt)
            old = self.recursions.get((place, hold))
            if old is None or (doubt, len(sleep.steps)) < (old.doubt, len(old.sleep.steps)):
                self.recursions[place, hold] = new

    def is_unlikely(self, state: State) -> bool:
        """On a path that others exclude as a rule: the last reference goes, none is left, or the kernel complained."""
        conds = state.conds
        return conds.get("@last") is True or conds.get("@live") is False or conds.get("@warned") is True

    def in_mode_of_object(self, state: State) -> bool:
        """Behind a lock that is an operation of an object (``map->lock(map->lock_arg)``): what kind of lock that is was
        said when the object was made, and with it whether what follows may sleep.
        """
        return any(text.startswith(OWN_LOCK) for text in state.conds)

    def without_operation(self, state: State) -> bool:
        """On the path for a driver that lacks an operation: few do."""
        return any(state.conds.get(text) is False for text in self.operations)

    def callers_decide(self, text: str, truth: bool) -> bool:
        """Whether a condition is about the mode in which the function is called, and none of its callers is known to
        ask for it.

        What callers never pass as a constant is data; that a pointer leads somewhere is no mode either. That one leads
        nowhere is: what callers prepared (memory, for one) is there, unless one of them is seen to pass none.
        """
        name = condition_root(text)
        if "." in text or name not in self.params:
            return False
        pointer = text == name and self.types[name][1] > 0
        if pointer and truth:
            return False
        given = self.env.given(self.name, self.params.index(name))
        if given is None:
            return True
        return (pointer or bool(given)) and all(self.passed_truth(text, {name: value}) is not truth for value in given)

    @abstractmethod
    def passed_truth(self, text: str, passed: dict[str, Value]) -> bool | None:
        """What a passed constant says of a condition on a parameter."""

    def first_time(self, state: State) -> str:
        """The condition, false on this path, that this function makes true itself; "" where there is none, "?" where
        it is about something that callers have no name for.
        """
        if state.conds.get(MADE) is True:
            return "?"
        for text, truth in state.conds.items():
            if not truth:
                tested = flag_test(text)
                path = tested[0] if tested is not None else text
                if state.env.get(path) == ZERO:
                    continue  # what the path itself got, and failed to
                if self.outlives(path, state):
                    if path in self.set_here:
                        return text if self.outer(path) else "?"
                elif type(copy := state.env.get(text)) is Ref and self.sets_behind(copy.path, state):
                    return copy.path
        return ""

    def sets_behind(self, path: str, state: State) -> bool:
        """Whether the function sets what outlives it by a pointer to it (``*p = ...``)."""
        made = self.outlives(path, state) and self.outer(path)
        return bool(made) and any(t[0] == "*" and state.resolve(t[1:]) == path for t in self.set_here)

    def boots(self, held: tuple[Hold, ...], steps: int) -> bool:
        """Initialisation with interrupts off may be early boot, when no mask makes the allocator sleep.

        What else initialisation reaches, every boot does: a chain of calls that ends in a sleep would have been seen.
        """
        starts = "__init" in self.signature.annotations
        early = all(h.kind in ("irq", "lock_irq", "preempt") for h in held)
        if starts:
            return early or steps >= _STEPS_SEEN
        return early and bool(held) and self.env.starts_first(self.name)

    def tell_callers(self, sleep: Sleep, place: Place, state: State, inner: tuple[Lock, ...], task_only: bool) -> None:
        if self.depth <= 0 or len(sleep.steps) > MAX_CHAIN:
            return
        if sleep.mask is not None and not self.outer(sleep.mask.base) and sleep.mask.base:
            return  # the mask of a local variable is nothing that a caller passes
        guards = (*sleep.guards, *self.guards(state))
        told = msgspec.structs.replace(
            sleep,
            guards=tuple(dict.fromkeys(guards))[:MAX_GUARDS],
            dropped=tuple(dict.fromkeys((*state.dropped, *sleep.dropped))),
            place=place,
            inner=inner,
            task_only=task_only,
            once=(once := sleep.once or self.first_time(state)),
            shared=sleep.shared or (bool(once) and self.env.has_callers(self.name, 2)),
            scopes=tuple(dict.fromkeys((*sleep.scopes, *(c.kind for c in state.scopes)))),
        )
        self.tell(told)

    def tell(self, told: Sleep) -> None:
        """Keep a sleep for the callers; of those that end in one place, a few conditions at most are told apart."""
        key = (told.kind, told.mask, told.guards, told.dropped, told.inner)
        old = self.sleeps.get(key)
        if old is not None:
            self.sleeps[key] = _merged(old, told)
            return
        last = told.steps[-1]
        same = [
            k for k, other in self.sleeps.items() if other.steps[-1] == last and k[:2] == key[:2] and k[3:] == key[3:]
        ]
        if len(same) >= MAX_VARIANTS or (same and len(self.sleeps) >= MAX_SLEEPS):
            other = self.sleeps.pop(same[0])
            common = tuple(g for g in other.guards if g in told.guards)
            merged = msgspec.structs.replace(_merged(other, told), guards=common)
            self.sleeps[(merged.kind, merged.mask, common, merged.dropped, merged.inner)] = merged
            return
        if len(self.sleeps) >= MAX_SLEEPS:
            worst = max(self.sleeps, key=lambda k: _doubt(self.sleeps[k]))
            if not _better(told, self.sleeps[worst]):
                return
            del self.sleeps[worst]
        self.sleeps[key] = told

    def told(self) -> tuple[Sleep, ...]:
        """What callers are told; less surely, what sleeps with a lock of theirs that another path to it drops.

        Whoever drops the lock for a sleep means it to be dropped: what decides is the state of an object, unless a
        parameter is asked that is true on one of the paths alone.
        """
        sleeps = tuple(self.sleeps.values())
        found = []
        for sleep in sleeps:
            kept = set(sleep.dropped)
            chosen = {(k, t, not w) for k, t, w in sleep.guards if k == "cond" and root_of(t) == t in self.params}
            doubt = 0
            for other in sleeps:
                drops = other.steps[-1] == sleep.steps[-1] and kept < set(other.dropped)
                if drops and chosen.isdisjoint(other.guards):
                    doubt = 2
            found.append(msgspec.structs.replace(sleep, uncertain=sleep.uncertain + doubt) if doubt else sleep)
        return tuple(found)

    def forbidding(self, sleep: Sleep, held: tuple[Hold, ...], state: State) -> tuple[Hold, ...]:
        """Those holds that make this sleep a defect."""
        if sleep.kind != "free" or sleep.sleeps == "always":
            return held
        kinds = self.kernel.kinds
        if sleep.sleeps == "irq":
            return tuple(h for h in held if kinds[h.kind].irqs_off)
        in_interrupt = state.conds.get("@interrupt") is True or state.conds.get("@!interrupt") is False
        if in_interrupt or any(kinds[h.kind].interrupt for h in state.held if h.kind in kinds):
            return ()  # vfree and kvfree defer there
        return held


def reclaim_bits(sleep: Sleep, kernel: Kernel, scopes: Iterable[str] = ()) -> Mask:
    """What of its mask an allocation has left inside the scopes; none where it does not reclaim or is not known."""
    inside = {*sleep.scopes, *scopes}
    if "noreclaim" in inside:
        return frozenset()
    if sleep.kind == "mask":
        bits = sleep.mask.plus if sleep.mask is not None and not sleep.mask.base else frozenset()
    else:
        row = kernel.allocators.get(sleep.how)
        bits = kernel.masks.get(row.default, frozenset()) if row is not None and row.default else frozenset()
    bits = effective(bits, inside)
    return bits if DIRECT_RECLAIM in bits and NOLOCKDEP not in bits else frozenset()


def _scopes(site: AllocSite | None, state: State) -> tuple[str, ...]:
    """The scopes that are active in a state, and on every path to a site before."""
    return tuple(c.kind for c in state.scopes if site is None or c.kind in site.scopes)


def _matches(hold: Hold, dropped: tuple[Lock, ...], kernel: Kernel) -> bool:
    """Whether a callee drops this hold before it sleeps; a lock whose path is not known counts as the same."""
    for kind, lock in dropped:
        if kind != hold.kind:
            continue
        row = kernel.kinds.get(kind)
        if not lock or not hold.lock or lock == hold.lock or (row is not None and not row.lock):
            return True
        if root_of(lock) != root_of(hold.lock) and last_of(lock) == last_of(hold.lock):
            return True
    return False


def _better(new: Sleep, old: Sleep) -> bool:
    return _doubt(new) < _doubt(old)


def _doubt(sleep: Sleep) -> tuple[int, int, int]:
    doubt = sleep.uncertain + 2 * sleep.shared + doubt_of_length(sleep.choices)
    return (doubt, len(sleep.guards), len(sleep.steps))


def _merged(one: Sleep, two: Sleep) -> Sleep:
    """The better of two sleeps, with the place of the other."""
    best, rest = (two, one) if _better(two, one) else (one, two)
    also = dict.fromkeys((*best.also, *rest.also, rest.steps[-1]))
    also.pop(best.steps[-1], None)
    return msgspec.structs.replace(best, also=tuple(also)[:MAX_ALSO])


def folded(one: Report, two: Report) -> Report:
    """One report for one region and call: that of the better sleep."""
    sleep = _merged(one.sleep, two.sleep)
    keep = two if sleep.steps == two.sleep.steps else one
    return msgspec.structs.replace(keep, sleep=sleep)
