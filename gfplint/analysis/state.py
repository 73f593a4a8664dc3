"""The abstract state of one path through a function, and the joins that keep paths few."""

from __future__ import annotations

from gfplint.analysis.paths import last_of, root_of
from gfplint.analysis.summary import Hold, Lock
from gfplint.analysis.values import Cookie, MaskValue, Memory, Outer, Pending, Ref, Symbol, Value
from gfplint.findings import Step

#: States kept at one point before those that hold the same locks are joined.
MAX_STATES = 16
Key = tuple[object, ...]
#: Values that name something by its path.
_NAMING = frozenset((Ref, Outer, Symbol))


class State:
    """One path: what is held, what was dropped of the caller's, values of paths, and truths of conditions.

    ``slept``: where the path slept in the caller's own context, if it did; states that differ in it alone are one.
    ``changed``: which of the arguments ``watched`` are no more what the caller passed; the same holds for it.
    """

    __slots__ = ("changed", "conds", "dropped", "env", "held", "scopes", "slept", "watched")

    def __init__(self) -> None:
        self.held: tuple[Hold, ...] = ()
        self.dropped: tuple[Lock, ...] = ()
        self.env: dict[str, Value] = {}
        self.conds: dict[str, bool] = {}
        self.scopes: tuple[Cookie, ...] = ()
        self.slept: Step | None = None
        self.watched: frozenset[str] = frozenset()
        self.changed: frozenset[str] = frozenset()

    def copy(self) -> State:
        """An independent copy."""
        new = State.__new__(State)
        new.held = self.held
        new.dropped = self.dropped
        new.env = self.env.copy()
        new.conds = self.conds.copy()
        new.scopes = self.scopes
        new.slept = self.slept
        new.watched = self.watched
        new.changed = self.changed
        return new

    def absorb(self, other: State) -> None:
        """Stand for another state too, which says the same."""
        if other.slept is None:
            self.slept = None
        if other.changed is not self.changed:
            self.changed |= other.changed

    def context(self) -> Key:
        """What two states must share to be joined without loss for the context rules."""
        return (tuple([(h.kind, h.lock) for h in self.held]), self.dropped, self.scopes)

    def key(self) -> Key:
        """Equal for states that need not be kept apart."""
        return (self.context(), frozenset(self.env.items()), frozenset(self.conds.items()))

    def same(self, other: State) -> bool:
        """Whether two states need not be kept apart: as their keys tell, without making them."""
        return (
            self.conds == other.conds
            and self.env == other.env
            and self.scopes == other.scopes
            and self.dropped == other.dropped
            and (self.held is other.held or self.context() == other.context())
        )

    # ---- locks

    def enter(self, hold: Hold) -> None:
        """Take a lock or another context; a lock that is held already must have been dropped out of sight."""
        if hold.lock and any(h.kind == hold.kind and h.lock == hold.lock for h in self.held):
            self.held = tuple(h for h in self.held if h.kind != hold.kind or h.lock != hold.lock)
        if len(self.held) < 24:
            self.held = (*self.held, hold)

    def leave(self, kind: str, lock: str) -> bool:
        """Drop a lock; False where this function did not take it (then it is the caller's)."""
        held = self.held
        best = -1
        for at in range(len(held) - 1, -1, -1):
            hold = held[at]
            if hold.kind != kind:
                continue
            if hold.lock == lock:
                best = at
                break
            if best < 0 or (last_of(hold.lock) == last_of(lock) and last_of(held[best].lock) != last_of(lock)):
                best = at
        if best < 0:
            return False
        self.held = held[:best] + held[best + 1 :]
        return not held[best].asserted

    def leave_all(self, kinds: frozenset[str]) -> None:
        """Drop every hold of these kinds (``local_irq_enable``)."""
        self.held = tuple(h for h in self.held if h.kind not in kinds)

    # ---- values

    def assign(self, path: str, value: Value) -> None:
        """Give a path a new value; what was known of it and of what it leads to is forgotten."""
        self.forget(path)
        if value is not None and path:
            self.env[path] = value

    def forget(self, path: str) -> None:
        """Forget a path, what it leads to, and conditions that mention it."""
        if not path:
            return
        if path in self.watched:
            self.changed |= {path}
        env = self.env
        if env:
            size = len(path)
            inside = path + "."
            gone = [  # a path is hardly ever in another: that is asked fastest
                k
                for k, v in env.items()
                if (path in k and k.startswith(path) and (len(k) == size or k[size] in ".["))
                or (type(v) in _NAMING and (v.path == path or v.path.startswith(inside)))  # type: ignore[union-attr]
            ]
            for known in gone:
                del env[known]
        if self.conds:
            for text in [t for t in self.conds if path in t and mentions(t, path)]:
                del self.conds[text]

    def resolve(self, path: str) -> str:
        """The path with a local alias at its root replaced by what it names."""
        root = root_of(path)
        value = self.env.get(root)
        if type(value) is Ref:
            return value.path + path[len(root) :]
        if type(value) is Outer:
            inner = f"{root}.{value.member}"
            if path == inner or path.startswith(inner + "."):
                return value.path + path[len(inner) :]
        return path


def mentions(text: str, path: str) -> bool:
    """Whether a condition's text mentions a path as a whole word."""
    at = text.find(path)
    size = len(path)
    while at >= 0:
        before = text[at - 1] if at else " "
        after = text[at + size] if at + size < len(text) else " "
        if not (before.isalnum() or before in "_.") and not (after.isalnum() or after == "_"):
            return True
        at = text.find(path, at + 1)
    return False


def dedupe(states: list[State]) -> list[State]:
    """Drop states that say the same; past MAX_STATES, join those that hold the same."""
    if len(states) < 2:
        return states
    kept = _apart(states) if len(states) <= MAX_STATES else _apart_by_key(states)
    return kept if len(kept) <= MAX_STATES else widen(kept)


def _apart(states: list[State]) -> list[State]:
    """The first of each that say the same: few are compared faster than keys are made."""
    kept: list[State] = []
    for state in states:
        for other in kept:
            if other.same(state):
                other.absorb(state)
                break
        else:
            kept.append(state)
    return kept


def _apart_by_key(states: list[State]) -> list[State]:
    unique: dict[Key, State] = {}
    for state in states:
        unique.setdefault(state.key(), state).absorb(state)
    return list(unique.values())


def widen(states: list[State]) -> list[State]:
    """Join states that hold the same; first those that also agree on memory and masks."""
    for key in (close, _masks, State.context):
        groups: dict[Key, State] = {}
        for state in states:
            k = key(state)
            other = groups.get(k)
            groups[k] = state if other is None else join(other, state)
        states = list(groups.values())
        if len(states) <= MAX_STATES:
            return states
    return states[:MAX_STATES]


_CLOSE = frozenset((Memory, MaskValue, Pending))


def close(state: State) -> Key:
    """What two states share that hold the same and agree on memory, masks and locks not yet decided."""
    return (state.context(), frozenset([(k, v) for k, v in state.env.items() if type(v) in _CLOSE]))


def _masks(state: State) -> Key:
    """The same, but of memory only its family."""
    masks = frozenset([(k, v) for k, v in state.env.items() if type(v) is MaskValue or type(v) is Pending])
    families = frozenset([(k, v.family) for k, v in state.env.items() if type(v) is Memory])
    return (state.context(), masks, families)


def join(one: State, two: State) -> State:
    """What both states agree on."""
    new = one.copy()
    new.absorb(two)
    for key, value in one.env.items():
        if two.env.get(key) != value:
            del new.env[key]
    for text, truth in one.conds.items():
        if two.conds.get(text) is not truth:
            del new.conds[text]
    return new
