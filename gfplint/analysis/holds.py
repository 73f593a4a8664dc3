"""Which contexts may be held at the calls of a body, whatever its conditions say: a flow of contexts alone.

It costs a fraction of the whole flow, and leaves nothing out that this could come to: what is never held here, is not
held there. Where it can't tell, it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from gfplint.analysis.paths import children
from gfplint.analysis.syntax import all_calls, has_default, inner_of, is_endless
from gfplint.analysis.values import Constant, constant, is_constant
from gfplint.facts import (
    Arms,
    Assign,
    Binary,
    Block,
    Body,
    Break,
    Call,
    Case,
    Cast,
    Conditional,
    Continue,
    Declare,
    Do,
    Expr,
    Goto,
    Guard,
    If,
    Label,
    Loop,
    Name,
    Number,
    Return,
    Scoped,
    StatementExpr,
    Stmt,
    Switch,
    Unary,
)
from gfplint.kernel.model import ContextOp, Kernel

#: Contexts that are held at a time, the last entered last; behind "-" those of the caller that were left.
Held = tuple[str, ...]
States = frozenset[Held]
_NONE: States = frozenset()


class Ways(NamedTuple):
    """What a call may do to the context, by what it returns: what is entered, and behind "-" what is left."""

    zero: States
    nonzero: States

    @property
    def all(self) -> States:
        """Whatever it returns."""
        return self.zero | self.nonzero


NOTHING: States = frozenset([()])
#: What a call leaves alone.
UNCHANGED = Ways(NOTHING, NOTHING)
#: Bounds beyond which the whole flow is asked: ways at one point, contexts at a time, rounds until nothing changes.
_MAX_STATES, _MAX_HELD, _MAX_ROUNDS = 64, 8, 8
#: And statements that are looked at in all: loops in loops multiply.
_MAX_STATEMENTS = 30_000
#: How often one context is told apart that is held, and that was left of the caller's, as loops may do without end.
_MAX_SAME, _MAX_LEFT = 3, 2
#: What takes a lock until its block ends (include/linux/cleanup.h).
GUARDS = frozenset(("guard", "scoped_guard", "scoped_cond_guard", "CLASS"))
#: A context that somebody said is held.
SAID = "@said"


class Seen(Protocol):
    """What a file sees of the rest of the program."""

    def shadowed(self, name: str) -> bool:
        """Whether the file's own definition hides the kernel's."""

    def may_change_context(self, name: str) -> bool:
        """Whether a call may leave another context than it found."""

    def outcomes(self, name: str) -> Ways | None:
        """What a call may do to the context (``Holds.outcomes``); None where that is not clear."""

    def may_guard(self, name: str) -> bool:
        """Whether a guard class that the tree defines itself may enter what forbids sleeping, as far as names tell."""


class Unclear(Exception):  # noqa: N818 - no error
    """Contexts alone don't tell."""


class Holds:
    """Reads bodies for what is held in them."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.atomic = frozenset(k for k, v in kernel.kinds.items() if v.atomic)
        self.ops = {n: op for n, op in kernel.context_ops.items() if not self.atomic.isdisjoint(op.kinds)}
        self.said = frozenset(n for n, query in kernel.queries.items() if query.true_means == "held")
        #: What may begin a context of which its name does not tell the kind.
        self.vague = self.said | GUARDS
        #: The types of locks that forbid sleeping, the contexts with interrupts off, and those that are no locks.
        self.atomic_types = frozenset(kind.type for kind in kernel.kinds.values() if kind.atomic and kind.type)
        self.irqs_off = frozenset(name for name, kind in kernel.kinds.items() if kind.irqs_off)
        self.unnamed = frozenset(name for name, kind in kernel.kinds.items() if not kind.lock)
        self.passing = frozenset(
            n for n, query in kernel.queries.items() if query.true_means in ("argument", "warning")
        )

    def outcomes(self, body: Body, seen: Seen) -> tuple[Ways | None, bool]:
        """What a body may do to the context that it found: each what it holds at an end and did not at the start, and
        what it left of its caller's; None where contexts alone don't tell. With it, whether it is sure that the whole
        flow sees no more left: where a lock of one kind is taken twice, it may be the same one.
        """
        if body.lost:
            return None, False
        walk = Walk(self, seen)
        try:
            walk.body(body)
        except Unclear:
            return None, False
        zero, nonzero = (frozenset([_net(state) for state in walk.exits[truth]]) for truth in (False, True))
        # What never returns one of them is not told from one that does.
        ways = Ways(zero or nonzero or NOTHING, nonzero or zero or NOTHING)
        return ways, not walk.doubtful


def _net(state: Held) -> Held:
    """What remains where what was left and entered again, or the other way round, is neither."""
    kept = [entry for entry in state if entry != SAID]
    for entry in state:
        if "-" + entry in kept and entry in kept:
            kept.remove("-" + entry)
            kept.remove(entry)
    return tuple(kept)


class Walk:
    """One body. ``exits``: what is held where it ends, and returns what is false or true; ``doubtful``: whether the
    order of things may matter.
    """

    def __init__(self, holds: Holds, seen: Seen) -> None:
        self.holds = holds
        self.seen = seen
        self.exits: dict[bool, States] = {False: _NONE, True: _NONE}
        self.doubtful = False
        self.walked = 0
        self.labels: dict[str, States] = {}
        self.breaks: list[set[Held]] = []
        self.continues: list[set[Held]] = []
        self.switches: list[States] = []
        self.calls: dict[int, tuple[tuple[Call, bool], ...]] = {}
        #: What is held at the start.
        self.start: States = NOTHING

    def body(self, body: Body) -> None:
        """Walk until the states at all labels are known."""
        for _ in range(_MAX_ROUNDS):
            before = dict(self.labels)
            self.leave(self.block(body.stmts, self.start))
            if self.labels == before:
                return
        raise Unclear

    def block(self, stmts: Sequence[Stmt], states: States) -> States:
        for stmt in stmts:
            states = self.statement(stmt, states)
        return states

    def statement(self, stmt: Stmt, states: States) -> States:
        self.walked += 1
        if len(states) > _MAX_STATES or self.walked > _MAX_STATEMENTS:
            raise Unclear
        how = _STATEMENTS.get(type(stmt))
        return how(self, stmt, states) if how is not None else states

    def do(self, stmt: Do, states: States) -> States:
        return self.expr(stmt.expr, states)

    def declare(self, stmt: Declare, states: States) -> States:
        return self.expr(stmt.init, states)

    def if_(self, stmt: If, states: States) -> States:
        true, false = self.branch(stmt.test, states)
        then = self.statement(stmt.then, true)
        return then | (self.statement(stmt.otherwise, false) if stmt.otherwise is not None else false)

    def return_(self, stmt: Return, states: States) -> States:
        truth = truth_of(stmt.value)
        if truth is not None:
            self.leave(states, truth)
        elif stmt.value is None:
            self.leave(states)
        else:
            true, false = self.branch(stmt.value, states)
            self.leave(true, truth=True)
            self.leave(false, truth=False)
        return _NONE

    def leave(self, states: States, truth: bool | None = None) -> None:
        """The body ends, and returns what is true, false, or nobody knows."""
        for value in (False, True) if truth is None else (truth,):
            self.exits[value] |= states

    def goto(self, stmt: Goto, states: States) -> States:
        self.labels[stmt.name] = self.labels.get(stmt.name, _NONE) | states
        return _NONE

    def label(self, stmt: Label, states: States) -> States:
        return states | self.labels.get(stmt.name, _NONE)

    def break_(self, stmt: Break, states: States) -> States:
        if self.breaks:
            self.breaks[-1] |= states
        return _NONE

    def continue_(self, stmt: Continue, states: States) -> States:
        if self.continues:
            self.continues[-1] |= states
        return _NONE

    def case(self, stmt: Case, states: States) -> States:
        return states | self.switches[-1] if self.switches else states

    def nested(self, stmt: Block, states: States) -> States:
        return self.block(stmt.body, states)

    def arms(self, stmt: Arms, states: States) -> States:
        return _NONE.union(*[self.block(stmts, states) for _, stmts in stmt.arms])

    def switch(self, stmt: Switch, states: States) -> States:
        states = self.expr(stmt.value, states)
        self.switches.append(states)
        self.breaks.append(set())
        out = self.statement(stmt.body, _NONE) | self.breaks.pop()
        self.switches.pop()
        return out if has_default(stmt.body) else out | states

    def loop(self, stmt: Loop, states: States) -> States:
        if stmt.init is not None:
            states = self.statement(stmt.init, states)
        for arg in stmt.args:
            states = self.expr(arg, states)
        out = _NONE
        for _ in range(_MAX_ROUNDS):
            self.breaks.append(set())
            self.continues.append(set())
            tested, left = (states, _NONE) if stmt.kind == "do" else self.branch(stmt.test, states)
            after = self.statement(stmt.body, tested) | self.continues.pop()
            if stmt.kind == "do":
                after, left = self.branch(stmt.test, after)
            after = self.expr(stmt.step, after)
            out |= self.breaks.pop() if is_endless(stmt) else left | self.breaks.pop()
            if after <= states:
                return out
            states |= after
        raise Unclear

    def guard(self, stmt: Guard, states: States) -> States:
        self.guarded(stmt.kind)
        return self.all(stmt.args, states)

    def scoped(self, stmt: Scoped, states: States) -> States:
        self.guarded(stmt.kind)
        states = self.all(stmt.args, states)
        self.breaks.append(set())
        self.continues.append(set())
        out = states | self.statement(stmt.body, states)
        if stmt.fail is not None:
            out |= self.statement(stmt.fail, states)
        return out | self.breaks.pop() | self.continues.pop()

    def guarded(self, kind: str) -> None:
        row = self.holds.kernel.guards.get(kind)
        if self.seen.may_guard(kind) if row is None else not self.holds.atomic.isdisjoint(row.kinds):
            raise Unclear

    # ---- conditions

    def branch(self, test: Expr | None, states: States) -> tuple[States, States]:
        """What may be held where a condition is true, and where it is false."""
        test = self.looked_through(test)
        if isinstance(test, Unary) and test.op == "!":
            true, false = self.branch(test.operand, states)
            return false, true
        if isinstance(test, Binary) and test.op in ("&&", "||"):
            return self.both(test, states)
        if isinstance(test, Binary) and test.op in ("==", "!=") and truth_of(test.right) is False:
            true, false = self.branch(test.left, states)
            return (false, true) if test.op == "==" else (true, false)
        if isinstance(test, Assign) and test.op == "=" and type(test.target) is Name:
            return self.branch(test.value, states)
        if isinstance(test, Call) and isinstance(test.func, Name):
            states = self.all(test.args, states)
            return self.called(test, states, True), self.called(test, states, False)
        states = self.expr(test, states)
        return states, states

    def looked_through(self, test: Expr | None) -> Expr | None:
        """A condition without casts, and calls that hand on what they get (``likely()``, ``WARN_ON()``)."""
        while True:
            if isinstance(test, Cast):
                test = test.value
            elif (
                isinstance(test, Call)
                and isinstance(test.func, Name)
                and test.func.name in self.holds.passing
                and test.args
                and not self.seen.shadowed(test.func.name)
            ):
                test = test.args[0]
            else:
                return test

    def both(self, test: Binary, states: States) -> tuple[States, States]:
        """Of two conditions the second is asked where the first leaves it open."""
        true, false = self.branch(test.left, states)
        if test.op == "&&":
            true, failed = self.branch(test.right, true)
            return true, false | failed
        more, false = self.branch(test.right, false)
        return true | more, false

    # ---- expressions

    def all(self, exprs: Sequence[Expr], states: States) -> States:
        for expr in exprs:
            states = self.expr(expr, states)
        return states

    def expr(self, expr: Expr | None, states: States) -> States:
        if expr is None or type(expr) is Name or not states:
            return states
        calls = self.calls.get(id(expr))
        if calls is None:
            calls = self.calls[id(expr)] = tuple(_calls(expr, certain=True))
        for call, certain in calls:
            after = self.call(call, states)
            states = after if certain else after | states
        return states

    def call(self, call: Call, states: States) -> States:
        """What a call makes of the states, whatever it returns."""
        return self.called(call, states, None)

    def called(self, call: Call, states: States, truth: bool | None) -> States:
        """What a call makes of the states where it returns what is true, false, or nobody asks."""
        func = call.func
        if not isinstance(func, Name) or not states:
            return states
        name = func.name
        if not self.seen.shadowed(name):
            op = self.holds.ops.get(name)
            if op is not None:
                if truth is not None and op.when in _WHEN and op.effect == "enter" and truth is not _WHEN[op.when]:
                    return states
                after = frozenset([self.applied(op, state) for state in states])
                surely = op.when == "always" or (truth is not None and op.when in _WHEN)
                return after if surely and not op.typed else after | states
            if name in self.holds.said:
                self.doubtful = True
                return frozenset([s if SAID in s else (*s, SAID) for s in states])
            if name in self.holds.kernel.allocators or name in self.holds.kernel.context_ops:
                return states
        if self.seen.may_change_context(name):
            return self.changed(self.outcomes(name), states, truth)
        return states

    def outcomes(self, name: str) -> Ways | None:
        """What a callee may do to the context; None where that is not clear."""
        return self.seen.outcomes(name)

    def changed(self, ways: Ways | None, states: States, truth: bool | None) -> States:
        """What a callee may make of the states; where that is several things, it may be nothing."""
        if ways is None:
            raise Unclear
        found = ways.all if truth is None else ways.nonzero if truth else ways.zero
        after = frozenset([self.with_outcome(outcome, state) for outcome in found for state in states])
        # Of what is left only sometimes, the whole flow may see nothing.
        sure = len(found) == 1 and (len(ways.all) == 1 or not any(e.startswith("-") for o in found for e in o))
        return after if sure else after | states

    def with_outcome(self, outcome: Held, state: Held) -> Held:
        found = False
        outer = self.outer_switches([entry[1:] for entry in outcome if entry.startswith("-")], state)
        for entry in outcome:
            if entry.startswith("-") and entry[1:] in outer:
                continue
            if not entry.startswith("-"):
                state = self.entered(entry, state)
                continue
            if entry[1:] in state:
                found = True
                state = _without(state, entry[1:])
            elif not (found and self.is_switch(entry[1:])):
                state = _left(entry, state)
        return state

    def entered(self, kind: str, state: Held) -> Held:
        row = self.holds.kernel.kinds.get(kind)
        self.doubtful = self.doubtful or (kind in state and row is not None and row.lock)
        if len(state) > _MAX_HELD:
            raise Unclear
        return (*state, kind) if state.count(kind) < _MAX_SAME else state

    def outer_switches(self, kinds: Sequence[str], state: Held) -> list[str]:
        """See ``analysis.contexts``."""
        held = [kind for kind in state if kind in kinds and self.is_switch(kind)]
        return [kind for kind in held if kind != held[-1]]

    def is_switch(self, kind: str) -> bool:
        row = self.holds.kernel.kinds.get(kind)
        return row is not None and row.irqs_off

    def applied(self, op: ContextOp, state: Held) -> Held:
        if op.effect == "enter":
            for kind in op.kinds:
                state = self.entered(kind, state)
            return state
        own = op.kinds[0] in state
        outer = self.outer_switches(op.kinds, state) if op.flags is not None else ()
        for at, kind in enumerate(op.kinds):
            if kind not in state:  # it is the caller's
                if not own and (at == 0 or op.lock is not None):
                    state = _left("-" + kind, state)
            elif self.is_switch(kind) and op.flags is None:
                state = tuple([k for k in state if k != kind])
            elif kind not in outer:  # the flags say what the others left
                state = _without(state, kind)
        if len(state) > _MAX_HELD:
            raise Unclear
        return state


#: Which results of a call say that it has entered a context.
_WHEN = {"nonzero": True, "nonnull": True, "zero": False}


def truth_of(expr: Expr | None) -> bool | None:
    """Whether a plain constant, or the negative of one, is true; None for anything else."""
    if isinstance(expr, Unary) and expr.op == "-":
        return True if isinstance(expr.operand, Name) and is_constant(expr.operand.name) else truth_of(expr.operand)
    value = Constant(expr.text) if isinstance(expr, Number) else constant(expr.name) if isinstance(expr, Name) else None
    return value.truth if isinstance(value, Constant) else None


def _left(entry: str, state: Held) -> Held:
    """A state in which one more context of the caller's was left."""
    return (*state, entry) if state.count(entry) < _MAX_LEFT else state


def _without(state: Held, kind: str) -> Held:
    at = state.index(kind)
    return state[:at] + state[at + 1 :]


def _calls(expr: Expr, *, certain: bool) -> Iterator[tuple[Call, bool]]:
    """The calls in an expression in their order, each with whether it is made whenever the expression is evaluated."""
    kind = type(expr)
    if kind is Name or kind is Number:
        return
    if isinstance(expr, StatementExpr):
        if _jumps(expr.body):
            raise Unclear
        for call in all_calls(expr.body):
            yield call, False
    elif isinstance(expr, Binary) and expr.op in ("&&", "||"):
        yield from _calls(expr.left, certain=certain)
        yield from _calls(expr.right, certain=False)
    elif isinstance(expr, Conditional):
        yield from _calls(expr.test, certain=certain)
        for arm in children(expr)[1:]:
            yield from _calls(arm, certain=False)
    else:
        for child in children(expr):
            yield from _calls(child, certain=certain)
        if isinstance(expr, Call):
            yield expr, certain


def _jumps(stmts: Sequence[Stmt]) -> bool:
    """Whether statements inside an expression may lead elsewhere than to its end."""
    return any(
        isinstance(stmt, (Goto, Label, Return, Break, Continue)) or any(map(_jumps, inner_of(stmt))) for stmt in stmts
    )


_STATEMENTS: dict[type, Callable[[Walk, Any, States], States]] = {
    Do: Walk.do,
    Declare: Walk.declare,
    If: Walk.if_,
    Return: Walk.return_,
    Goto: Walk.goto,
    Label: Walk.label,
    Loop: Walk.loop,
    Switch: Walk.switch,
    Case: Walk.case,
    Break: Walk.break_,
    Continue: Walk.continue_,
    Block: Walk.nested,
    Guard: Walk.guard,
    Scoped: Walk.scoped,
    Arms: Walk.arms,
}
