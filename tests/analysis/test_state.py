"""The state of one path: locks, values, conditions; and the joins that keep paths few."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint.analysis.state import MAX_STATES, State, dedupe, join
from gfplint.analysis.summary import Hold
from gfplint.analysis.values import Constant, MaskValue, Memory, Ref, Symbol, Value
from gfplint.facts import Place

_HERE = Place(1, 1, 1, 2)


def _hold(kind: str, lock: str) -> Hold:
    return Hold(kind, lock, _HERE, "lock")


def _state(env: dict[str, Value] | None = None, conds: dict[str, bool] | None = None, *locks: str) -> State:
    state = State()
    state.env |= env or {}
    state.conds |= conds or {}
    for lock in locks:
        state.enter(_hold("spin", lock))
    return state


def _memory(family: str) -> Memory:
    return Memory(family, "alloc", _HERE, "x.c", "f")


# ---- locks


def test_a_lock_that_is_not_held_is_the_callers() -> None:
    state = State()
    assert not state.leave("spin", "x.lock")
    state.enter(_hold("spin", "x.lock"))
    assert not state.leave("raw_spin", "x.lock")
    assert state.leave("spin", "x.lock")
    assert state.held == ()


def test_the_named_lock_is_dropped_first() -> None:
    state = _state(None, None, "a.lock", "b.lock")
    assert state.leave("spin", "a.lock")
    assert [h.lock for h in state.held] == ["b.lock"]


def test_another_name_drops_the_lock_of_the_same_member() -> None:
    state = _state(None, None, "a.lock", "a.table")
    assert state.leave("spin", "alias.lock")
    assert [h.lock for h in state.held] == ["a.table"]


def test_an_unknown_name_drops_the_last_one() -> None:
    state = _state(None, None, "a.lock", "a.table")
    assert state.leave("spin", "elsewhere")
    assert [h.lock for h in state.held] == ["a.lock"]


def test_interrupts_are_a_switch() -> None:
    state = _state(None, None, "a.lock")
    state.enter(_hold("irq", ""))
    state.enter(_hold("irq", ""))
    state.leave_all(frozenset({"irq"}))
    assert [h.kind for h in state.held] == ["spin"]


_LOCKS = st.sampled_from(("a.lock", "b.lock", "c"))
_KINDS = st.sampled_from(("spin", "bh"))


def test_a_lock_is_not_held_twice_but_a_switch_is() -> None:
    state = _state(None, None, "a.lock", "b.lock", "a.lock")
    assert [h.lock for h in state.held] == ["b.lock", "a.lock"]
    state.enter(_hold("preempt", ""))
    state.enter(_hold("preempt", ""))
    assert [h.kind for h in state.held] == ["spin", "spin", "preempt", "preempt"]


@given(st.lists(st.tuples(_KINDS, _LOCKS), max_size=12, unique=True))
def test_entering_and_leaving_balance(entries: list[tuple[str, str]]) -> None:
    state = State()
    for kind, lock in entries:
        state.enter(_hold(kind, lock))
    for kind, lock in entries:
        assert state.leave(kind, lock)
    assert state.held == ()


@given(st.lists(st.tuples(st.booleans(), _KINDS, _LOCKS), max_size=30))
def test_every_kind_is_counted(operations: list[tuple[bool, str, str]]) -> None:
    state = State()
    depth = {"spin": 0, "bh": 0}
    for enter, kind, lock in operations:
        if enter:
            depth[kind] += not any((h.kind, h.lock) == (kind, lock) for h in state.held)
            state.enter(_hold(kind, lock))
        else:
            assert state.leave(kind, lock) == (depth[kind] > 0)
            depth[kind] = max(0, depth[kind] - 1)
        assert {k: sum(h.kind == k for h in state.held) for k in depth} == depth


# ---- values


def test_assignment_forgets_what_the_path_led_to() -> None:
    state = _state(
        {"p": _memory("kmalloc"), "p.next": _memory("vmalloc"), "px": Constant("1"), "q": Ref("p.lock")},
        {"p": True, "(p.state == 2)": False, "px": True},
    )
    state.assign("p", None)
    assert state.env == {"px": Constant("1")}
    assert state.conds == {"px": True}


def test_assignment_of_a_member_keeps_its_siblings() -> None:
    state = _state({"p.a": Constant("1"), "p.b": Constant("2")}, {"p.a": True, "p.b": True})
    state.assign("p.a", Constant("3"))
    assert state.env == {"p.a": Constant("3"), "p.b": Constant("2")}
    assert state.conds == {"p.b": True}


def test_values_that_name_a_path_go_with_it() -> None:
    state = _state({"mode": Symbol("arg"), "lock": Ref("arg.lock"), "other": Ref("args")})
    state.forget("arg")
    assert state.env == {"other": Ref("args")}


def test_an_alias_is_resolved_at_the_root() -> None:
    state = _state({"lock": Ref("dev.lock"), "ring": Ref("dev.ring")})
    assert state.resolve("lock") == "dev.lock"
    assert state.resolve("ring.lock") == "dev.ring.lock"
    assert state.resolve("x.ring") == "x.ring"


def test_a_copy_is_independent() -> None:
    one = _state({"a": Constant("1")}, {"c": True}, "l")
    two = one.copy()
    assert two.key() == one.key()
    two.assign("a", Constant("2"))
    two.conds["c"] = False
    two.enter(_hold("bh", ""))
    assert (one.env, one.conds, len(one.held)) == ({"a": Constant("1")}, {"c": True}, 1)


# ---- joins


_VALUES: st.SearchStrategy[Value] = st.sampled_from(
    (Constant("0"), Constant("1"), _memory("kmalloc"), _memory("vmalloc"), MaskValue("gfp"), MaskValue(), Ref("x"))
)


@st.composite
def states(draw: st.DrawFn) -> State:
    names = st.sampled_from(("a", "b", "c"))
    return _state(
        draw(st.dictionaries(names, _VALUES, max_size=3)),
        draw(st.dictionaries(names, st.booleans(), max_size=3)),
        *draw(st.lists(st.sampled_from(("l", "m")), max_size=2)),
    )


@given(states(), states())
def test_a_join_says_what_both_say(one: State, two: State) -> None:
    joined = join(one, two)
    assert joined.env == {k: v for k, v in one.env.items() if two.env.get(k) == v}
    assert joined.conds == {k: v for k, v in one.conds.items() if two.conds.get(k) is v}


@given(states())
def test_a_join_with_itself_changes_nothing(state: State) -> None:
    assert join(state, state.copy()).key() == state.key()


@settings(max_examples=50, deadline=None)
@given(st.lists(states(), max_size=2 * MAX_STATES))
def test_dedupe_keeps_few_and_loses_no_context(many: list[State]) -> None:
    contexts = {s.context() for s in many}
    kept = dedupe(many)
    assert len(kept) <= max(MAX_STATES, 1)
    assert {s.context() for s in kept} == contexts  # there are fewer contexts than MAX_STATES here
    assert len({s.key() for s in kept}) == len(kept)


@settings(max_examples=50, deadline=None)
@given(st.lists(states(), max_size=MAX_STATES))
def test_dedupe_of_few_only_drops_doubles(few: list[State]) -> None:
    assert [s.key() for s in dedupe(few)] == list(dict.fromkeys(s.key() for s in few))


@settings(max_examples=30, deadline=None)
@given(st.lists(states(), min_size=MAX_STATES + 1, max_size=2 * MAX_STATES))
def test_what_widening_keeps_holds_for_a_state_that_was_there(many: list[State]) -> None:
    for kept in dedupe(many):
        same = [s for s in many if s.context() == kept.context()]
        assert any(
            kept.env.items() <= s.env.items() and all(s.conds.get(c) is t for c, t in kept.conds.items()) for s in same
        )
