"""Flow inside one function: an abstract interpreter over its operation tree.

Paths are followed apart while few (``state.MAX_STATES``), so that correlated branches, conditional masks and trylocks
are told apart. Loops run once, and twice where the first round changes what is held. What a call does comes from the
kernel tables or from the callee's summary; a call that is not known changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from gfplint.analysis.paths import children, last_of, path_of, root_of, substitute, text_of
from gfplint.analysis.state import State, close, dedupe
from gfplint.analysis.summary import (
    AllocSite,
    Effect,
    FreedParam,
    FreeSite,
    Hold,
    Lock,
    MemberStore,
    Report,
    ScopeFault,
    Sleep,
    Summary,
)
from gfplint.analysis.values import (
    ONE,
    ZERO,
    Constant,
    Cookie,
    MaskValue,
    Memory,
    Pending,
    Ref,
    Symbol,
    Value,
    blocking,
    constant,
    is_constant,
    mask_of,
    number_of,
)
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
    Index,
    Initializer,
    Label,
    Loop,
    Member,
    Name,
    Number,
    Opaque,
    Param,
    Place,
    Return,
    Scoped,
    Signature,
    SizeOf,
    StatementExpr,
    Stmt,
    String,
    Switch,
    Unary,
)
from gfplint.findings import Step
from gfplint.kernel.model import Allocator, ContextOp, Free, GuardClass, Kernel, Query, Scope

#: Statements of one function, counted with repetition, after which its analysis is given up.
MAX_STEPS = 6_000
#: Things that a summary tells its callers, at most.
MAX_SLEEPS = 16
#: Conditions under which one allocation is told to callers, at most; more are joined.
MAX_VARIANTS = 3
#: Conditions of a path that are told to callers.
MAX_GUARDS = 10
#: Further allocations behind one call that a report names.
MAX_ALSO = 8
#: Rounds of a loop that are followed, while they bring something new.
MAX_ROUNDS = 3
#: Values that one mask may have at one call.
MAX_MASKS = 8
#: Calls from a context to an allocation that a finding may lead through.
MAX_CHAIN = 7
#: Steps beyond which a report is less sure: each call may depend on conditions that the analysis can't see.
LONG_CHAIN = 4
NOWHERE = Place(0, 0, 0, 0)
_PLAIN_TYPES = frozenset(
    ("int", "unsigned", "unsigned int", "long", "unsigned long", "bool", "char", "u8", "u16", "u32", "u64")
)
#: Behind a variable's name: the members of it that were not given a value (they are zero).
_REST = ".*"
#: The value of a member that was given one which is not understood.
UNKNOWN = Constant("?")


class Environment(Protocol):
    """What a function's flow may ask about the rest of the program."""

    kernel: Kernel
    #: Families of what a struct holds: their allocators fill the struct that they are given.
    content_families: frozenset[str]

    def shadowed(self, name: str) -> bool:
        """Whether the file defines the name itself, so that the kernel tables don't speak of it."""

    def never_returns(self, name: str) -> bool:
        """Whether a call to ``name`` does not come back."""

    def may_sleep(self, name: str) -> bool:
        """Whether a call to ``name`` can lead to an allocation or free that sleeps, as far as names tell."""

    def locks_and_allocates(self, name: str) -> bool:
        """Whether ``name`` takes a mask and may use it under a lock of its own, as far as names tell."""

    def may_change_context(self, name: str) -> bool:
        """Whether ``name`` may take or drop a lock of its caller, as far as names tell."""

    def may_own(self, name: str) -> bool:
        """Whether ``name`` may hand out or free memory for its caller, as far as names tell."""

    def summary(self, name: str, full: bool) -> Summary | None:
        """The summary of the function or macro that a call to ``name`` reaches; None where unknown.

        ``full``: with the sleeps that it tells its callers.
        """

    def indirect(self, owner: tuple[str, str]) -> Summary | None:
        """The summary that every known implementation of an operation shares; None where they differ."""

    def mask_macro(self, name: str) -> Expr | None:
        """The replacement of an object-like macro that holds a mask."""

    def field_type(self, record: str, field: str) -> Param | None:
        """The type of a struct's member."""

    def record_key(self, record: str) -> str:
        """A name for a struct that no other struct of the tree has."""

    def global_type(self, name: str) -> Param | None:
        """The type of a variable at file scope."""

    def guard_class(self, name: str) -> GuardClass | None:
        """A guard class that the tree defines itself."""

    def cleanup(self, name: str) -> str:
        """The function that ``__free(name)`` calls."""


def doubt_of_length(steps: int) -> int:
    """How much less sure a report is for the length of its chain: of the long ones, one in four was right."""
    return 2 if steps > LONG_CHAIN else 0


class _GiveUpError(Exception):
    """The step budget is used up."""


def analyse(name: str, path: str, signature: Signature, body: Body, env: Environment, *, full: bool) -> Summary:
    """The summary of one function: its body's operations run over the abstract state.

    ``full``: with ``sleeps``, what it tells its callers; without, callees are followed only where this function's own
    context forbids sleeping.
    """
    return _Flow(name, path, signature, body, env, full).run()


class _Flow:
    """One run over one function."""

    def __init__(self, name: str, path: str, signature: Signature, body: Body, env: Environment, full: bool) -> None:
        self.full = full
        self.wanted = 0
        self.name, self.path, self.signature, self.body, self.env = name, path, signature, body, env
        self.kernel = env.kernel
        self.params = tuple(p.name for p in signature.params)
        self.types: dict[str, tuple[str, int]] = {p.name: (p.type, p.pointers) for p in signature.params if p.name}
        self.reassigned: set[str] = set()
        self.seen_conditions: dict[str, int] = {}
        self.pending: dict[str, list[State]] = {}
        self.breaks: list[list[State]] = []
        self.continues: list[list[State]] = []
        self.switches: list[tuple[list[State], Expr]] = []
        self.cleanups: list[list[tuple[str, object]]] = []
        self.open_labels: list[frozenset[str]] = []
        self.break_depths: list[int] = []
        self.continue_depths: list[int] = []
        self.exits: list[tuple[State, Value, Place]] = []
        self.sleeps: dict[tuple[object, ...], Sleep] = {}
        self.reports: dict[tuple[object, ...], Report] = {}
        self.allocs: dict[Place, AllocSite] = {}
        self.frees: dict[tuple[object, ...], FreeSite] = {}
        self.stores: dict[tuple[object, ...], MemberStore] = {}
        self.scope_faults: dict[tuple[str, Cookie], ScopeFault] = {}
        self.returned: dict[Memory, None] = {}
        self.freed_params: dict[FreedParam, None] = {}
        self.hoisted: dict[int, Value] = {}
        self.paths: dict[int, str] = {}
        self.branching: dict[int, tuple[Expr, ...]] = {}
        self.loop_names: dict[int, set[str]] = {}
        self.local_memory: dict[str, dict[Memory | None, None]] = {}
        self.returns_unknown = False
        self.degraded: list[str] = list(body.errors)
        self.steps = 0
        self.calls = 0
        self.operations: frozenset[str] = frozenset()
        self.atomic = frozenset(k for k, v in self.kernel.kinds.items() if v.atomic)

    def run(self) -> Summary:
        _count_conditions(self.body.stmts, self.seen_conditions)
        _assigned(self.body.stmts, self.reassigned)
        self.operations = frozenset(_called_members(self.body.stmts))
        start = State()
        for param in self.signature.params:
            if param.name and param.pointers == 0:
                start.env[param.name] = MaskValue(param.name) if param.type == "gfp_t" else Symbol(param.name)
        try:
            out = self.block(self.body.stmts, [start])
            self.leave(out, None, NOWHERE)
        except _GiveUpError:
            self.degraded.append(f"more than {MAX_STEPS} steps")
        return Summary(
            name=self.name,
            path=self.path,
            params=self.params,
            sleeps=tuple(self.sleeps.values())[:MAX_SLEEPS],
            effects=self.effects(),
            reports=tuple(self.reports.values()),
            allocs=tuple(self.allocs.values()),
            frees=tuple(self.frees.values()),
            stores=tuple(self.stores.values()),
            scope_faults=tuple(self.scope_faults.values()),
            returns=() if self.returns_unknown else tuple(self.returned),
            frees_params=tuple(self.freed_params),
            degraded=tuple(self.degraded),
            calls=self.calls,
        )

    # ---- statements

    def block(self, stmts: Sequence[Stmt], states: list[State]) -> list[State]:
        """Run a sequence; a label in it that a later goto names is run again, once."""
        labels = {s.name: at for at, s in enumerate(stmts) if isinstance(s, Label)}
        self.open_block(frozenset(labels))
        out = self.sequence(stmts, 0, states)
        for _ in range(2):
            again = [name for name in labels if self.pending.get(name)]
            if not again:
                break
            name = min(again, key=lambda n: labels[n])
            out = dedupe(out + self.sequence(stmts, labels[name], []))
        for name in labels:
            self.pending.pop(name, None)
        return self.leave_block(out, self.close_block())

    def open_breaks(self) -> None:
        self.breaks.append([])
        self.break_depths.append(len(self.cleanups))

    def close_breaks(self) -> list[State]:
        self.break_depths.pop()
        return self.breaks.pop()

    def open_continues(self) -> None:
        self.continues.append([])
        self.continue_depths.append(len(self.cleanups))

    def close_continues(self) -> list[State]:
        self.continue_depths.pop()
        return self.continues.pop()

    def open_block(self, labels: frozenset[str]) -> None:
        self.cleanups.append([])
        self.open_labels.append(labels)

    def close_block(self) -> list[tuple[str, object]]:
        self.open_labels.pop()
        return self.cleanups.pop()

    def sequence(self, stmts: Sequence[Stmt], start: int, states: list[State]) -> list[State]:
        for at in range(start, len(stmts)):
            states = self.statement(stmts[at], states)
        return states

    def unwind(self, states: list[State], depth: int) -> None:
        """End the guards and cleanups of the blocks that a jump leaves."""
        for cleanups in reversed(self.cleanups[depth:]):
            for state in states:
                for kind, what in reversed(cleanups):
                    self.run_cleanup(kind, what, state)

    def depth_of(self, label: str) -> int:
        """How many blocks still stand open at a label: those of its own block, as far as the jump is inside them."""
        for depth, labels in reversed(list(enumerate(self.open_labels))):
            if label in labels:
                return min(depth + 1, len(self.cleanups))
        return len(self.cleanups)

    def leave_block(self, states: list[State], cleanups: list[tuple[str, object]]) -> list[State]:
        """End the guards and run the ``__free()``s of a block, last first."""
        for kind, what in reversed(cleanups):
            for state in states:
                self.run_cleanup(kind, what, state)
        return states

    def run_cleanup(self, kind: str, what: object, state: State) -> None:
        if kind == "hold" and isinstance(what, tuple):
            for hold in what:
                if hold in state.held:
                    at = state.held.index(hold)
                    state.held = state.held[:at] + state.held[at + 1 :]
        elif kind == "free" and isinstance(what, tuple):
            name, free, place = what
            row = self.kernel.frees.get(free)
            memory = state.env.get(name)
            if row is not None and state.conds.get(name) is not False and memory is not ZERO:
                self.free_site(row, free, name, memory, place, state, (), scope_exit=True)

    def statement(self, stmt: Stmt, states: list[State]) -> list[State]:  # noqa: PLR0911, PLR0912, C901 - one arm a kind
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _GiveUpError
        kind = type(stmt)
        if kind is Label:
            waiting = self.pending.pop(stmt.name, None)  # type: ignore[union-attr]
            return dedupe(states + waiting) if waiting else states
        if kind is Block:
            return self.block(stmt.body, states)  # type: ignore[union-attr,arg-type]
        if kind is Case:
            return self.case(stmt, states)  # type: ignore[arg-type]
        if not states and not self.may_enter(stmt):
            return states
        match stmt:
            case Do():
                return self.do(stmt.expr, states)
            case Declare():
                return self.declare(stmt, states)
            case If():
                return self.if_(stmt, states)
            case Return():
                return self.return_(stmt, states)
            case Goto():
                if states:
                    self.unwind(states, self.depth_of(stmt.name))
                    waiting = self.pending.setdefault(stmt.name, [])
                    self.pending[stmt.name] = dedupe(waiting + states)
                return []
            case Loop():
                return self.loop(stmt, states)
            case Switch():
                return self.switch(stmt, states)
            case Break():
                if self.breaks:
                    self.unwind(states, self.break_depths[-1])
                    self.breaks[-1] += states
                return []
            case Continue():
                if self.continues:
                    self.unwind(states, self.continue_depths[-1])
                    self.continues[-1] += states
                return []
            case Guard():
                return self.guard(stmt, states)
            case Scoped():
                return self.scoped(stmt, states)
            case Arms():
                return self.arms(stmt, states)
        return states

    def may_enter(self, stmt: Stmt) -> bool:
        """Dead code is entered only for the labels in it."""
        return isinstance(stmt, (If, Loop, Switch, Scoped, Arms)) and bool(self.pending)

    def do(self, expr: Expr, states: list[State]) -> list[State]:
        if isinstance(expr, Binary) and expr.op in ("&&", "||"):
            true, false = self.branch(expr, states)
            return dedupe(true + false)
        if (
            isinstance(expr, Call)
            and isinstance(expr.func, Name)
            and expr.args
            and self.means(expr.func.name, "return")
        ):
            return self.return_(Return(expr.args[0], expr.place), states)
        states = self.split(expr, states)
        live = []
        for state in states:
            self.eval(expr, state)
            if not self.ends_here(expr):
                live.append(state)
        return live

    def ends_here(self, expr: Expr) -> bool:
        """Whether the call never returns."""
        if not isinstance(expr, Call) or not isinstance(expr.func, Name):
            return False
        return self.means(expr.func.name, "never") or self.env.never_returns(expr.func.name)

    def declare(self, stmt: Declare, states: list[State]) -> list[State]:
        self.types[stmt.name] = (stmt.type, stmt.pointers + stmt.array)
        if stmt.init is not None:
            states = self.split(stmt.init, states)
        for state in states:
            self.wanted = id(_called(stmt.init)) if stmt.init is not None else 0
            value = self.eval(stmt.init, state) if stmt.init is not None else None
            self.store(Name(stmt.name), stmt.name, value, state, stmt.place, stmt.init)
            if isinstance(stmt.init, Initializer) and not stmt.array and not stmt.pointers:
                self.initialize(stmt.name, stmt.init, state)
        if stmt.cleanup:
            free = self.env.cleanup(stmt.cleanup)
            if free:
                self.cleanups[-1].append(("free", (stmt.name, free, stmt.place)))
        return dedupe(states)

    def initialize(self, name: str, init: Initializer, state: State) -> None:
        """``struct x v = { .a = 1 }``: what is not named is zero."""
        state.env[name + _REST] = ZERO
        for member, item in init.items:
            value = self.eval(item, state)
            if not member:
                state.env.pop(name + _REST, None) if value != ZERO else None
            else:
                state.env[f"{name}.{member}"] = value if value is not None else UNKNOWN

    def if_(self, stmt: If, states: list[State]) -> list[State]:
        true, false = self.branch(stmt.test, states)
        then = self.statement(stmt.then, dedupe(true))
        otherwise = self.statement(stmt.otherwise, dedupe(false)) if stmt.otherwise is not None else false
        return dedupe(self.forget_decision(stmt.test, then + otherwise) if then and otherwise else then + otherwise)

    def forget_decision(self, test: Expr, states: list[State]) -> list[State]:
        """Behind an ``if``, states that differ in nothing but its condition are one, unless it is asked again."""
        leaves = [leaf for leaf in _leaves(test) if self.seen_conditions.get(leaf, 0) < 2]
        if not leaves:
            return states
        groups: dict[object, list[State]] = {}
        for state in states:
            rest = frozenset((k, v) for k, v in state.conds.items() if k not in leaves)
            groups.setdefault((state.context(), frozenset(state.env.items()), rest), []).append(state)
        for group in groups.values():
            if len(group) > 1:
                for leaf in leaves:
                    group[0].conds.pop(leaf, None)
        return [group[0] for group in groups.values()]

    def return_(self, stmt: Return, states: list[State]) -> list[State]:
        if stmt.value is None:
            self.leave(states, None, stmt.place)
            return []
        if isinstance(stmt.value, (Binary, Unary)) and _is_test(stmt.value):
            true, false = self.branch(stmt.value, states)
            self.leave(true, ONE, stmt.place)
            self.leave(false, ZERO, stmt.place)
            return []
        for state in self.split(stmt.value, states):
            self.wanted = id(_called(stmt.value))
            value = self.eval(stmt.value, state)
            path = self.access(stmt.value)
            if isinstance(value, Pending):
                self.leave_pending(state, value, stmt.place)
                continue
            if value is None and path and path in state.conds:
                value = Constant("nonzero") if state.conds[path] else ZERO
            if isinstance(value, Memory):
                self.returned[value] = None
            elif not isinstance(value, Constant):
                self.returns_unknown = True
            self.leave([state], value, stmt.place, path)
        return []

    def leave_pending(self, state: State, value: Pending, place: Place) -> None:
        taken, failed = self.decide(value, state)
        for branch, result in ((taken, ONE), (failed, ZERO)):
            if branch is not None:
                self.leave([branch], result, place)

    def leave(self, states: Iterable[State], value: Value, place: Place, returned: str = "") -> None:
        for state in states:
            for cleanups in reversed(self.cleanups):
                for kind, what in reversed(cleanups):
                    if kind == "free" and isinstance(what, tuple) and what[0] == returned:
                        continue
                    self.run_cleanup(kind, what, state)
            self.hand_over(value, state)
            for cookie in state.scopes:
                self.scope_fault("open", cookie, place)
            self.exits.append((state, value, place))

    def loop(self, stmt: Loop, states: list[State]) -> list[State]:
        if stmt.init is not None:
            states = self.statement(stmt.init, states)
        for arg in stmt.args:
            for state in states:
                self.eval(arg, state)
        if stmt.args:
            for state in states:
                state.forget(path_of(stmt.args[0]))
                self.forget_loop_variables(stmt, state)
        for state in states:
            self.forget_assigned(stmt, state)
        out: list[State] = []
        known: set[object] = set()
        for _ in range(MAX_ROUNDS):
            known |= {close(s) for s in states}
            after, done = self.loop_round(stmt, states)
            out += done
            states = [s for s in after if close(s) not in known]
            if not states:
                break
        return dedupe(out)

    def loop_round(self, stmt: Loop, states: list[State]) -> tuple[list[State], list[State]]:
        """One round of a loop: the states that go on with the next, and those that leave."""
        endless = _is_endless(stmt)
        self.open_breaks()
        self.open_continues()
        true = [s.copy() for s in states]
        done: list[State] = []
        if stmt.test is not None and stmt.kind != "do":
            true, done = self.branch(stmt.test, true)
        elif not endless and stmt.kind != "do":
            done = [s.copy() for s in states]
        end = self.statement(stmt.body, true)
        end = dedupe(end + self.close_continues())
        if stmt.step is not None:
            for state in end:
                self.eval(stmt.step, state)
        done = done + self.close_breaks()
        if stmt.kind == "do" and stmt.test is not None:
            end, over = self.branch(stmt.test, end)
            return end, done + over
        if stmt.test is not None and not endless:
            _, over = self.branch(stmt.test, [s.copy() for s in end])
            return end, done + over
        return end, done + ([] if endless else [s.copy() for s in end])

    def forget_assigned(self, stmt: Loop, state: State) -> None:
        """Numbers that a loop changes are unknown inside it: it runs more often than the analysis follows it."""
        names = self.loop_names.get(id(stmt))
        if names is None:
            names = set()
            _assigned((stmt,), names)
            self.loop_names[id(stmt)] = names
        for name in names:
            if isinstance(state.env.get(name), Constant) and not self.types.get(name, ("", 0))[1]:
                state.forget(name)

    def forget_loop_variables(self, stmt: Loop, state: State) -> None:
        for arg in stmt.args[1:]:
            if (
                isinstance(arg, Name)
                and arg.name in self.types
                and isinstance(state.env.get(arg.name), (Memory, Ref, Constant))
            ):
                state.forget(arg.name)

    def switch(self, stmt: Switch, states: list[State]) -> list[State]:
        states = self.split(stmt.value, states)
        for state in states:
            self.eval(stmt.value, state)
        self.open_breaks()
        self.switches.append((states, stmt.value))
        out = self.statement(stmt.body, [])
        self.switches.pop()
        out = out + self.close_breaks()
        if not _has_default(stmt.body):
            out = out + states
        return dedupe(out)

    def case(self, stmt: Case, states: list[State]) -> list[State]:
        if not self.switches:
            return states
        entering, subject = self.switches[-1]
        path = self.access(subject)
        chosen = []
        for state in entering:
            new = state.copy()
            known = self.eval(subject, new)
            label = self.eval(stmt.value, new) if stmt.value is not None else None
            if isinstance(known, Constant) and isinstance(label, Constant):
                if _same(known, label) is False:
                    continue
            elif isinstance(label, Constant):
                self.learn_case(path, known, label, new)
            chosen.append(new)
        return dedupe(states + chosen)

    def learn_case(self, path: str, known: Value, label: Constant, state: State) -> None:
        """Inside a case the switched value is the label's."""
        if isinstance(known, Symbol):
            state.conds[f"({known.path} == {label.text})"] = True
        if path:
            state.env[path] = label

    def guard(self, stmt: Guard, states: list[State]) -> list[State]:
        row = self.guard_class(stmt.kind)
        if row is None:
            return states
        for state in states:
            holds = self.holds_of(row, stmt.args, stmt.place, state, f"guard({stmt.kind})")
            for hold in holds:
                state.enter(hold)
            self.cleanups[-1].append(("hold", tuple(holds)))
        return states

    def scoped(self, stmt: Scoped, states: list[State]) -> list[State]:
        row = self.guard_class(stmt.kind)
        failed: list[State] = []
        if stmt.fail is not None:
            failed = self.statement(stmt.fail, [s.copy() for s in states])
        elif row is not None and row.when != "always":
            failed = [s.copy() for s in states]
        self.open_breaks()
        self.open_continues()
        self.open_block(frozenset())
        if row is not None:
            for state in states:
                holds = self.holds_of(row, stmt.args, stmt.place, state, f"scoped_guard({stmt.kind})")
                for hold in holds:
                    state.enter(hold)
                self.cleanups[-1].append(("hold", tuple(holds)))
        out = self.statement(stmt.body, states)
        out = out + self.close_breaks() + self.close_continues()
        out = self.leave_block(out, self.close_block())
        return dedupe(out + failed)

    def guard_class(self, kind: str) -> GuardClass | None:
        return self.kernel.guards.get(kind) or self.env.guard_class(kind)

    def holds_of(self, row: GuardClass, args: tuple[Expr, ...], place: Place, state: State, how: str) -> list[Hold]:
        lock = ""
        if row.lock is not None and row.lock < len(args):
            self.eval(args[row.lock], state)
            lock = state.resolve(path_of(args[row.lock]))
        return [Hold(kind, lock, place, how) for kind in row.kinds]

    def arms(self, stmt: Arms, states: list[State]) -> list[State]:
        out: list[State] = []
        for condition, stmts in stmt.arms:
            copies = [s.copy() for s in states]
            for state in copies:
                for literal in condition.split(","):
                    if literal:
                        state.conds["#" + literal.removeprefix("!")] = not literal.startswith("!")
            out += self.block(stmts, copies)
        return dedupe(out)

    # ---- conditions

    def split(self, expr: Expr, states: list[State]) -> list[State]:
        """Decide the conditional operators in an expression, and run its statement expressions, before it."""
        branching = self.branching.get(id(expr))
        if branching is None:
            found: list[Expr] = []
            _find_branching(expr, found)
            branching = self.branching[id(expr)] = tuple(found)
        for node in branching:
            if isinstance(node, StatementExpr):
                states = self.hoist(node, states)
            elif isinstance(node, Conditional):
                true, false = self.branch(node.test, list(states))
                for state, truth in [(s, True) for s in true] + [(s, False) for s in false]:
                    state.conds[_decision(node)] = truth
                states = dedupe(true + false)
        return states

    def hoist(self, node: StatementExpr, states: list[State]) -> list[State]:
        """Run a statement expression; its value is its last statement's where all paths agree."""
        *body, last = node.body or (Do(Opaque(()), 0),)
        self.open_block(frozenset())
        states = self.sequence(body, 0, states)
        values: list[Value] = []
        if isinstance(last, Do):
            states = self.split(last.expr, states)
            values = [self.eval(last.expr, s) for s in states]
        else:
            states = self.statement(last, states)
        states = self.leave_block(states, self.close_block())
        same = bool(values) and all(v == values[0] for v in values)
        self.hoisted[id(node)] = values[0] if same else None
        return states

    def branch(self, test: Expr, states: list[State]) -> tuple[list[State], list[State]]:
        """The states in which a condition holds, and those in which it does not."""
        if isinstance(test, Unary) and test.op == "!":
            true, false = self.branch(test.operand, states)
            return false, true
        if isinstance(test, Binary) and test.op == "&&":
            left, failed = self.branch(test.left, states)
            true, false = self.branch(test.right, dedupe(left))
            return true, failed + false
        if isinstance(test, Binary) and test.op == "||":
            left, failed = self.branch(test.left, states)
            true, false = self.branch(test.right, dedupe(failed))
            return left + true, false
        if isinstance(test, Binary) and test.op == ",":
            return self.branch(test.right, self.do(test.left, states))
        if (
            isinstance(test, Call)
            and isinstance(test.func, Name)
            and test.args
            and self.means(test.func.name, "argument")
        ):
            return self.branch(test.args[0], states)
        states = self.split(test, states)
        true_states: list[State] = []
        false_states: list[State] = []
        for state in states:
            for truth, new in self.leaf(test, state):
                (true_states if truth else false_states).append(new)
        return true_states, false_states

    def means(self, name: str, meaning: str) -> bool:
        row = self.kernel.queries.get(name)
        return row is not None and row.true_means == meaning and not self.env.shadowed(name)

    def leaf(self, test: Expr, state: State) -> list[tuple[bool, State]]:
        """Decide one atomic condition in one state: what it is known to be, or both with what each tells."""
        equal, subject, other = _comparison(test)
        value = self.eval(subject, state)
        right = self.eval(other, state) if other is not None else None
        text = text_of(subject) if other is None else f"({text_of(subject)} == {text_of(other)})"
        if other is not None and _is_zero(other, right):
            other, text, equal = None, text_of(subject), not equal
        known = self.known(subject, value, other, right, text, state)
        if known is not None:
            return [(known == equal, state)]
        if isinstance(value, Pending) and other is None:
            taken, failed = self.decide(value, state)
            out = []
            for branch, truth in ((taken, True), (failed, False)):
                if branch is not None:
                    path = self.access(subject)
                    if path:
                        branch.env[path] = ONE if truth else ZERO
                    out.append((truth == equal, branch))
            return out
        one, two = state.copy(), state
        self.learn(subject, value, other, right, text, one, truth=True)
        self.learn(subject, value, other, right, text, two, truth=False)
        return [(equal, one), (not equal, two)]

    def known(
        self, subject: Expr, value: Value, other: Expr | None, right: Value, text: str, state: State
    ) -> bool | None:
        """Whether ``subject`` is true (or equals ``other``) in this state; None where unknown."""
        recorded = state.conds.get(text) if text else None
        if recorded is not None:
            return recorded
        if other is None:
            if isinstance(value, Constant):
                return value.truth
            if isinstance(value, Memory) and value.nofail:
                return True
            query = self.query_of(subject)
            if query is not None:
                return self.query_known(query, subject, state)
            if isinstance(subject, Binary) and subject.op == "&":
                return self.mask_test(subject, state)
            return None
        if isinstance(value, MaskValue) and isinstance(right, MaskValue) and not value.base and not right.base:
            return value.plus == right.plus
        if isinstance(value, Constant) and isinstance(right, Constant):
            return _same(value, right)
        if isinstance(value, MaskValue) and value.base:
            return state.conds.get(f"{value.base} == mask")
        return None

    def mask_test(self, subject: Binary, state: State) -> bool | None:
        """``gfp & __GFP_X``."""
        left, right = self.eval(subject.left, state), self.eval(subject.right, state)
        if isinstance(right, MaskValue):
            left = self.as_mask(subject.left, left, state)
        if isinstance(left, MaskValue) and isinstance(right, MaskValue) and not right.base:
            answers = [left.has(bit) for bit in right.plus]
            if any(a is True for a in answers):
                return True
            if all(a is False for a in answers):
                return False
            if left.base and "__GFP_DIRECT_RECLAIM" in right.plus:
                return state.conds.get("blocking:" + left.base)
        return None

    def query_of(self, expr: Expr) -> Query | None:
        if isinstance(expr, Call) and isinstance(expr.func, Name) and not self.env.shadowed(expr.func.name):
            return self.kernel.queries.get(expr.func.name)
        return None

    def query_known(self, query: Query, expr: Expr, state: State) -> bool | None:
        """What a question about the context or a mask must answer here."""
        if query.true_means in ("blocking", "nonblocking") or query.false_means in ("blocking", "nonblocking"):
            mask = self.mask_argument(query, expr, state)
            if mask is None:
                return None
            blocks = blocking(mask)
            if blocks is None:
                blocks = state.conds.get("blocking:" + mask.base)
            if blocks is None:
                return None
            return blocks == (query.true_means == "blocking" or query.false_means == "nonblocking")
        if query.true_means in ("vmalloc", "errptr", "errptr_or_null") and isinstance(expr, Call) and expr.args:
            return self.pointer_known(query.true_means, expr.args[0], state)
        return state.conds.get("@" + (query.true_means or "!" + query.false_means))

    def pointer_known(self, meaning: str, arg: Expr, state: State) -> bool | None:
        memory = self.eval(arg, state)
        path = self.access(arg)
        if meaning == "vmalloc":
            if isinstance(memory, Memory):
                family = self.kernel.families.get(memory.family)
                if family is not None and family.may_be:
                    return None
                return memory.family == "vmalloc"
            return None
        if isinstance(memory, Memory) and (memory.nofail or (state.conds.get(path) is True and memory.error == "null")):
            return False
        if meaning == "errptr_or_null" and (memory == ZERO or state.conds.get(path) is False):
            return True
        return state.conds.get(f"IS_ERR {path}") if path else None

    def mask_argument(self, query: Query, expr: Expr, state: State) -> MaskValue | None:
        if isinstance(expr, Call) and query.mask is not None and query.mask < len(expr.args):
            value = self.eval(expr.args[query.mask], state)
            return value if isinstance(value, MaskValue) else None
        return None

    def learn(
        self, subject: Expr, value: Value, other: Expr | None, right: Value, text: str, state: State, *, truth: bool
    ) -> None:
        """Record what a decided condition tells."""
        path = self.access(subject)
        if other is not None:
            if text:
                state.conds[text] = truth
            if truth and path and isinstance(right, (Constant, MaskValue)) and value is None:
                state.env[path] = right
            elif truth and isinstance(value, Symbol) and isinstance(right, Constant):
                state.env[path] = right
                state.conds[f"({value.path} == {right.text})"] = True
            elif (
                truth
                and isinstance(value, MaskValue)
                and value.base
                and isinstance(right, MaskValue)
                and not right.base
            ):
                state.env[path] = right
                state.conds["blocking:" + value.base] = bool(blocking(right))
            return
        query = self.query_of(subject)
        if query is not None:
            self.learn_query(query, subject, state, truth)
            return
        if isinstance(subject, Binary) and subject.op == "&":
            left = self.eval(subject.left, state)
            mask = self.eval(subject.right, state)
            tested = mask.plus if isinstance(mask, MaskValue) else frozenset()
            if isinstance(left, MaskValue) and left.base and "__GFP_DIRECT_RECLAIM" in tested:
                state.conds["blocking:" + left.base] = truth
        if text and (self.seen_conditions.get(text, 0) > 1 or path or isinstance(subject, (Binary, Call))):
            state.conds[text] = truth
        if path and not truth and isinstance(value, Memory) and value.error == "null":
            state.env[path] = ZERO

    def learn_query(self, query: Query, subject: Expr, state: State, truth: bool) -> None:
        if (
            query.mask is not None
            and query.true_means in ("blocking", "nonblocking", "")
            and query.true_means + query.false_means
        ):
            mask = self.mask_argument(query, subject, state)
            if mask is not None and mask.base:
                if truth and query.true_means:
                    state.conds["blocking:" + mask.base] = query.true_means == "blocking"
                elif not truth and query.false_means:
                    state.conds["blocking:" + mask.base] = query.false_means == "blocking"
            return
        if query.true_means in ("errptr", "errptr_or_null", "vmalloc") and isinstance(subject, Call) and subject.args:
            self.learn_pointer(query.true_means, subject.args[0], state, truth)
            return
        if query.true_means:
            state.conds["@" + query.true_means] = truth
        elif query.false_means:
            state.conds["@!" + query.false_means] = truth

    def learn_pointer(self, meaning: str, arg: Expr, state: State, truth: bool) -> None:
        path = self.access(arg)
        if not path:
            return
        if meaning == "vmalloc":
            memory = state.env.get(path)
            if isinstance(memory, Memory):
                family = self.kernel.families.get(memory.family)
                if family is not None and family.may_be:
                    picked = [f for f in family.may_be if (f == "vmalloc") == truth]
                    if len(picked) == 1:
                        state.env[path] = _with_family(memory, picked[0])
            return
        state.conds[f"IS_ERR {path}"] = truth
        memory = state.env.get(path)
        if isinstance(memory, Memory) and truth:
            state.env[path] = None if meaning == "errptr" else ZERO
            if meaning == "errptr":
                state.env[path] = Constant("errptr")
        elif isinstance(memory, Memory):
            state.conds[path] = True

    def decide(self, pending: Pending, state: State) -> tuple[State | None, State | None]:
        """Both outcomes of a conditional lock: (result is non-zero, result is zero)."""
        taken, failed = state.copy(), state
        enter = taken if pending.op.when in ("nonzero", "nonnull") else failed
        for kind in pending.op.kinds:
            enter.enter(Hold(kind, pending.lock, pending.place, pending.name))
        return taken, failed

    # ---- expressions

    def eval(self, expr: Expr, state: State) -> Value:
        """The value of an expression in a state, with what its calls and assignments do to the state."""
        return _EVALUATE[type(expr)](self, expr, state)

    def e_name(self, expr: Name, state: State) -> Value:
        return self.name_value(expr.name, state)

    def e_number(self, expr: Number, state: State) -> Value:
        return Constant(expr.text)

    def e_member(self, expr: Member, state: State) -> Value:
        if not isinstance(expr.base, Name):
            self.eval(expr.base, state)
        return self.path_value(self.access(expr), state)

    def e_cast(self, expr: Cast, state: State) -> Value:
        return self.eval(expr.value, state)

    def e_index(self, expr: Index, state: State) -> Value:
        self.eval(expr.index, state)
        self.eval(expr.base, state)
        return state.env.get(self.access(expr))

    def e_conditional(self, expr: Conditional, state: State) -> Value:
        decided = state.conds.get(_decision(expr))
        if decided is None:
            decided = state.conds.get(text_of(expr.test))
        if decided is True:
            return self.eval(expr.then if expr.then is not None else expr.test, state)
        return self.eval(expr.otherwise, state) if decided is False else None

    def e_statements(self, expr: StatementExpr, state: State) -> Value:
        return self.hoisted.get(id(expr))

    def e_initializer(self, expr: Initializer, state: State) -> Value:
        for _, item in expr.items:
            self.eval(item, state)
        return None

    def e_opaque(self, expr: Opaque, state: State) -> Value:
        for inner in expr.inner:
            self.eval(inner, state)
        return None

    def e_nothing(self, expr: Expr, state: State) -> Value:
        return None

    def access(self, expr: Expr) -> str:
        """``path_of`` for a node of the body, computed once."""
        if type(expr) is Name:
            return expr.name
        known = self.paths.get(id(expr))
        if known is None:
            known = self.paths[id(expr)] = path_of(expr)
        return known

    def name_value(self, name: str, state: State) -> Value:
        value = state.env.get(name)
        if value is not None:
            return value
        if name in self.kernel.masks:
            return MaskValue("", self.kernel.masks[name])
        if name in self.types:
            return MaskValue(name) if self.types[name][0] == "gfp_t" and name in self.params else None
        if "GFP" in name:
            replacement = self.env.mask_macro(name)
            if replacement is not None and not (isinstance(replacement, Name) and replacement.name == name):
                return self.eval(replacement, state)
        return constant(name)

    def path_value(self, path: str, state: State) -> Value:
        if not path:
            return None
        value = state.env.get(path)
        if value is not None:
            return None if value is UNKNOWN else value
        if "." in path and state.env.get(root_of(path) + _REST) is ZERO:
            return ZERO
        return None

    def unary(self, expr: Unary, state: State) -> Value:
        value = self.eval(expr.operand, state)
        if expr.op in ("++", "--", "p++", "p--"):
            path = self.access(expr.operand)
            if isinstance(value, Memory):
                state.env[path] = _offset(value)
            else:
                state.assign(path, None)
                if path and expr.op in ("++", "p++"):
                    state.conds[path] = True  # a counter that was raised is not zero
            return None
        if expr.op == "&":
            path = self.access(expr.operand)
            return Ref(state.resolve(path)) if path and not isinstance(value, Memory) else None
        if expr.op == "~" and isinstance(value, MaskValue):
            return None
        if expr.op == "*":
            return value if isinstance(value, (Memory, Constant)) and self.access(expr.operand) in state.env else None
        if expr.op == "-" and isinstance(value, Constant):
            return Constant("-" + value.text)
        if expr.op == "!":
            truth = value.truth if isinstance(value, Constant) else state.conds.get(text_of(expr.operand))
            return None if truth is None else ZERO if truth else ONE
        return None

    def binary(self, expr: Binary, state: State) -> Value:
        op = expr.op
        if op == "&" and isinstance(expr.right, Unary) and expr.right.op == "~":
            left, bits = self.eval(expr.left, state), self.eval(expr.right.operand, state)
            if isinstance(bits, MaskValue):
                left = self.as_mask(expr.left, left, state)
            if isinstance(left, MaskValue) and isinstance(bits, MaskValue) and not bits.base:
                return left.without(bits.plus)
            return None
        left, right = self.eval(expr.left, state), self.eval(expr.right, state)
        if isinstance(left, MaskValue) or isinstance(right, MaskValue):
            return self.mask_operation(op, self.as_mask(expr.left, left, state), self.as_mask(expr.right, right, state))
        if op == "|" and isinstance(left, Constant) and isinstance(right, Constant):
            return left if right == ZERO else right if left == ZERO else Constant(f"{left.text}|{right.text}")
        if op in ("+", "-") and isinstance(left, Memory):
            return left if isinstance(right, Constant) and right.truth is False else _offset(left)
        if op == ",":
            return right
        return None

    def as_mask(self, expr: Expr, value: Value, state: State) -> Value:
        """A value that is combined with a mask is one, by its path if no more is known of it."""
        if value is None and (path := self.access(expr)):
            return MaskValue(state.resolve(path))
        return MaskValue(value.path) if isinstance(value, Symbol) else value

    def mask_operation(self, op: str, left: Value, right: Value) -> Value:
        left = MaskValue() if isinstance(left, Constant) and left.truth is False else left
        right = MaskValue() if isinstance(right, Constant) and right.truth is False else right
        if not isinstance(left, MaskValue) or not isinstance(right, MaskValue):
            known = left if isinstance(left, MaskValue) else right
            if op == "|" and isinstance(known, MaskValue):
                return MaskValue("?", known.plus, known.minus)
            return None
        if op in ("|", "+"):
            return left.union(right)
        if op == "&" and not left.base and not right.base:
            return MaskValue("", left.plus & right.plus)
        if op == "&" and not right.base:
            kept = right.plus
            return MaskValue(left.base, left.plus & kept, left.minus | (self.all_bits() - kept))
        return None

    def all_bits(self) -> frozenset[str]:
        return frozenset(b for mask in self.kernel.masks.values() for b in mask)

    def assign(self, expr: Assign, state: State) -> Value:
        self.wanted = id(_called(expr.value))
        value = self.eval(expr.value, state)
        if not isinstance(expr.target, Name):
            for child in children(expr.target):
                self.eval(child, state)
        path = self.access(expr.target)
        if expr.op != "=":
            value = self.compound(expr.op, path, value, expr, state)
        self.store(expr.target, path, value, state, NOWHERE, expr.value)
        return value

    def compound(self, op: str, path: str, value: Value, expr: Assign, state: State) -> Value:
        current = self.eval(expr.target, state)
        if isinstance(value, MaskValue):
            current = self.as_mask(expr.target, current, state)
        if op == "&=" and isinstance(expr.value, Unary) and expr.value.op == "~":
            bits = self.eval(expr.value.operand, state)
            if isinstance(current, MaskValue) and isinstance(bits, MaskValue) and not bits.base:
                return current.without(bits.plus)
        if isinstance(current, MaskValue) and op in ("|=", "&="):
            return self.mask_operation(op[0], current, value)
        if isinstance(current, Memory):
            return _offset(current)
        return None

    def store(self, target: Expr, path: str, value: Value, state: State, place: Place, source: Expr | None) -> None:
        """Give a path a value; memory that goes into a member is noted for the whole program."""
        if not path:
            return
        if isinstance(value, Constant):
            state.assign(path, value)
            return
        if value is None and source is not None:
            origin = self.access(source)
            if origin and origin != path and not _mentions_root(origin, path) and "(" not in origin:
                known = state.conds.get(origin)
                state.assign(path, Ref(state.resolve(origin)))
                if known is not None:
                    state.conds[path] = known
                if isinstance(target, Member):
                    self.store_member(target, None, place)
                else:
                    self.local_memory.setdefault(path, {})[None] = None
                return
        state.assign(path, value)
        memory = value if isinstance(value, Memory) else None
        if isinstance(target, (Member, Index, Unary)):
            self.hand_over(value, state)
        if isinstance(target, (Member, Index)):
            self.store_member(target, memory, place)
        elif "." not in path:
            self.local_memory.setdefault(path, {})[memory] = None

    def store_member(self, target: Expr, memory: Memory | None, place: Place) -> None:
        owner = self.owner_of(target)
        if owner[0]:
            self.stores.setdefault((owner, memory), MemberStore(owner, memory, memory.place if memory else place))

    # ---- types

    def type_of_path(self, path: str) -> tuple[str, int]:
        parts = path.split(".")
        root = parts[0].partition("[")[0]
        if root in self.types:
            kind = self.types[root]
        else:
            known = self.env.global_type(root)
            kind = (known.type, known.pointers) if known is not None else ("", 0)
        for part in parts[1:]:
            if not kind[0]:
                return ("", 0)
            found = self.env.field_type(kind[0], part.partition("[")[0])
            if found is None:
                return ("", 0)
            kind = (found.type, found.pointers)
        return kind

    def owner_of(self, expr: Expr) -> tuple[str, str]:
        """(struct type, member) of a member access; ("", "") where unknown."""
        path = path_of(expr)
        base, _, field = path.rpartition(".")
        if not base:
            return ("", "")
        kind, _ = self.type_of_path(base)
        name = field.partition("[")[0]
        return (self.env.record_key(kind), name + "[]" * _indices(expr)) if kind else ("", "")

    # ---- calls

    def call(self, expr: Call, state: State) -> Value:
        self.calls += 1
        values = [self.eval(a, state) for a in expr.args]
        for arg in expr.args:
            if isinstance(arg, Unary) and arg.op == "&" and isinstance(arg.operand, Name):
                if not self.allocates_into(expr):
                    self.local_memory.setdefault(arg.operand.name, {})[None] = None
                if isinstance(state.env.get(arg.operand.name), (Memory, MaskValue)):
                    state.forget(arg.operand.name)
        result = self.dispatch(expr, values, state)
        for arg in expr.args:
            if isinstance(arg, Unary) and arg.op == "&" and isinstance(arg.operand, (Name, Member)):
                self.passed_by_reference(self.access(arg), result, state)
        return result

    def allocates_into(self, expr: Call) -> bool:
        """Whether the call hands out memory by reference."""
        row = self.kernel.allocators.get(expr.func.name) if isinstance(expr.func, Name) else None
        return row is not None and isinstance(row.result, int)

    def dispatch(self, expr: Call, values: list[Value], state: State) -> Value:
        """What a call does, by what the tables or the callee's summary say."""
        func = expr.func
        if not isinstance(func, Name):
            self.eval(func, state)
            return self.indirect_call(expr, values, state)
        name = func.name
        if not self.env.shadowed(name):
            kernel = self.kernel
            op, alloc = kernel.context_ops.get(name), kernel.allocators.get(name)
            if alloc is not None:
                result = self.allocate(alloc, expr, values, state)
                return result if op is None else self.context_op(op, expr, state)
            if op is not None:
                return self.context_op(op, expr, state)
            if (free := kernel.frees.get(name)) is not None:
                self.free(free, expr, values, state)
                return None
            if (scope := kernel.scopes.get(name)) is not None:
                return self.scope(scope, expr, values, state)
            if (query := kernel.queries.get(name)) is not None:
                if query.true_means in ("argument", "take") and expr.args:
                    return self.pass_on(query, expr, values[0], state)
                return None
            if name in kernel.sleepers:
                return None
        return self.call_function(name, expr, values, state)

    def pass_on(self, query: Query, expr: Call, value: Value, state: State) -> Value:
        """A call that hands on its argument; ``take``: and leaves NULL behind (``no_free_ptr``)."""
        path = path_of(expr.args[0])
        if query.true_means == "take" and path:
            state.assign(path, ZERO)
            return value
        return value

    def call_function(self, name: str, expr: Call, values: list[Value], state: State) -> Value:
        """A call that the tables don't know: follow it where it can matter."""
        env = self.env
        sleeps = env.may_sleep(name) and (
            self.full or env.locks_and_allocates(name) or any(h.kind in self.atomic for h in state.held)
        )
        changes = env.may_change_context(name)
        owns = env.may_own(name) and (self.wanted == id(expr) or any(isinstance(v, Memory) for v in values))
        if not (sleeps or changes or owns):
            return None
        summary = env.summary(name, sleeps)
        if summary is None:
            return None
        names, passed = self.bind(summary, expr, values, state)
        if sleeps:
            for sleep in summary.sleeps:
                self.call_sleep(summary, sleep, expr, names, passed, state)
        result = self.apply_effects(summary, expr, names, state) if changes else None
        if owns:
            self.call_frees(summary, expr, values, (names, passed), state)
            if result is None and len(summary.returns) == 1:
                return summary.returns[0]
        return result

    def passed_by_reference(self, path: str, result: Value, state: State) -> None:
        """A callee may change what it gets the address of: plain values are forgotten, locks and members stay."""
        value = state.env.get(path)
        kind, pointers = self.types.get(path, ("", 0))
        plain = pointers > 0 or kind in _PLAIN_TYPES or kind.endswith("_t")
        if isinstance(value, (Constant, Symbol)) or (value is None and "." not in path and plain):
            state.forget(path)
        state.env.pop(path + _REST, None)

    def context_op(self, op: ContextOp, expr: Call, state: State) -> Value:
        name = expr.func.name if isinstance(expr.func, Name) else ""
        lock = ""
        if op.lock is not None and op.lock < len(expr.args):
            lock = state.resolve(path_of(expr.args[op.lock]))
        if op.field:
            lock = f"{lock}.{op.field}" if lock else ""
        if op.typed and op.lock is not None and self.type_of_path(path_of(expr.args[op.lock]))[0] != op.typed:
            return None
        if op.effect == "enter":
            if op.when != "always":
                return Pending(op, lock, expr.place, name)
            for kind in op.kinds:
                state.enter(Hold(kind, lock, expr.place, name))
            return None
        self.leave_kinds(op.kinds, lock, op.flags is not None, op.lock is not None, state)
        return None

    def leave_kinds(self, kinds: Sequence[str], lock: str, restores: bool, has_lock: bool, state: State) -> None:
        """End a context: ``kinds`` are those that may end here, the lock's own first.

        What this function does not hold is its caller's. A switch without saved flags ends every hold of its kind.
        """
        first, *others = kinds
        own = self.leave_kind(first, lock, restores, state)
        if not own:
            self.drop(first, lock, state)
        held = {h.kind for h in state.held}
        for kind in others:
            if kind in held:
                self.leave_kind(kind, lock, restores, state)
            elif not own and has_lock:
                self.drop(kind, "", state)

    def leave_together(self, leaves: list[Lock], state: State) -> None:
        """End what a callee ends. Switches that stand beside a lock found here are alternatives: only those held
        end.
        """
        found = False
        for kind, lock in leaves:
            row = self.kernel.kinds.get(kind)
            switch = row is not None and row.irqs_off
            if self.leave_kind(kind, lock, True, state):
                found = True
            elif not (switch and found):
                self.drop(kind, lock, state)

    def leave_kind(self, kind: str, lock: str, restores: bool, state: State) -> bool:
        row = self.kernel.kinds.get(kind)
        if row is not None and row.irqs_off and not restores:
            if not any(h.kind == kind for h in state.held):
                return False
            state.leave_all(frozenset((kind,)))
            return True
        return state.leave(kind, lock if row is None or row.lock else "")

    def drop(self, kind: str, lock: str, state: State) -> None:
        entry = (kind, lock)
        if entry not in state.dropped and len(state.dropped) < 8:
            state.dropped = (*state.dropped, entry)

    def allocate(self, row: Allocator, expr: Call, values: list[Value], state: State) -> Value:
        mask = self.mask_at(row, expr, values, state)
        place = expr.place
        name = row.name
        text = _argument_text(expr, row.mask)
        site = self.allocs.get(place)
        masks = site.masks if site is not None else ()
        if mask not in masks and len(masks) < MAX_MASKS:
            masks = (*masks, mask)
        self.allocs[place] = AllocSite(
            name,
            row.family,
            place,
            masks,
            text,
            _argument_text(expr, row.size),
            _argument_text(expr, row.order),
            state.held,
            tuple(c.kind for c in state.scopes),
        )
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
            order=_argument_text(expr, row.order),
            size=_argument_text(expr, row.size),
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

    def store_result(self, target: Expr, memory: Memory, state: State, place: Place) -> None:
        """Memory handed out by reference: into a pointer whose address is given, not into a struct or an array."""
        if not isinstance(target, Unary) or target.op != "&":
            return
        path = self.access(target)
        kind, pointers = self.type_of_path(path)
        if pointers or kind.endswith("_t"):
            self.store(target.operand, path, memory, state, place, None)

    def mask_at(self, row: Allocator, expr: Call, values: list[Value], state: State) -> MaskValue | None:
        """The mask that reaches an allocator; None where it is not understood."""
        if row.mask is None or row.mask >= len(values):
            return mask_of(row, self.kernel.masks) if row.default or row.sleeps != "mask" else None
        value = values[row.mask]
        if isinstance(value, MaskValue):
            return value
        if isinstance(value, Constant):
            return MaskValue() if value.truth is False else None
        if isinstance(value, Symbol):
            return MaskValue(value.path)
        path = path_of(expr.args[row.mask])
        return MaskValue(state.resolve(path)) if path else None

    def sleep_of(self, row: Allocator, mask: MaskValue | None, expr: Call, state: State) -> None:
        """Note that this call may sleep, for the context rules and for callers."""
        if row.sleeps == "never":
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
            f"{row.name}({_argument_text(expr, row.mask)})"
            if kind == "mask" and row.mask is not None
            else f"{row.name}()"
        )
        step = self.step(
            expr.place, f"{described} may sleep" if kind == "always" else f"{described} may reclaim directly and sleep"
        )
        sleep = Sleep(kind, row.name, mask, (), dropped, (step,), expr.place, uncertain=1 if row.lazy else 0)
        self.note_sleep(sleep, expr.place, state)

    def known_blocking(self, mask: MaskValue, state: State) -> bool | None:
        blocks = blocking(mask)
        if blocks is None:
            return state.conds.get("blocking:" + mask.base)
        return blocks

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
        if state.conds.get("@last") is True or self.without_operation(state) or self.boots(held):
            sleep = msgspec.structs.replace(sleep, uncertain=sleep.uncertain + 2)
        if sleep.sleeps == "irq" and len(sleep.steps) > 1:
            sleep = msgspec.structs.replace(sleep, uncertain=sleep.uncertain + 2)
        certain = sleep.mask is None or self.known_blocking(sleep.mask, state) is True
        if held and certain and not sleepable:
            needs = tuple(sorted({t[1:] for t in state.conds if t.startswith("#CONFIG")} | _config(state.conds)))
            key = (place, tuple((h.kind, h.lock) for h in held))
            sleep = msgspec.structs.replace(sleep, uncertain=sleep.uncertain + doubt_of_length(len(sleep.steps)))
            if any(kind == "cond" and "." not in text and _root(text) in self.params for kind, text, _ in sleep.guards):
                sleep = msgspec.structs.replace(sleep, uncertain=sleep.uncertain + 2)
            old = self.reports.get(key)
            new = Report(held, sleep, place, needs)
            self.reports[key] = new if old is None else _folded(old, new)
        if sleepable:
            return
        inner = tuple((h.kind, h.lock) for h in held)
        if inner and certain:
            return
        self.tell_callers(sleep, place, state, inner, task_only)

    def without_operation(self, state: State) -> bool:
        """On the path for a driver that lacks an operation: few do."""
        return any(state.conds.get(text) is False for text in self.operations)

    def boots(self, held: tuple[Hold, ...]) -> bool:
        """Initialisation with interrupts off may be early boot, when no mask makes the allocator sleep."""
        starts = "__init" in self.signature.annotations
        return starts and all(h.kind in ("irq", "lock_irq", "preempt") for h in held)

    def tell_callers(self, sleep: Sleep, place: Place, state: State, inner: tuple[Lock, ...], task_only: bool) -> None:
        if not self.full or len(sleep.steps) > MAX_CHAIN:
            return
        guards = (*sleep.guards, *self.guards(state))
        told = msgspec.structs.replace(
            sleep,
            guards=tuple(dict.fromkeys(guards))[:MAX_GUARDS],
            dropped=tuple(dict.fromkeys((*state.dropped, *sleep.dropped))),
            place=place,
            inner=inner,
            task_only=task_only,
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
        if len(same) >= MAX_VARIANTS or len(self.sleeps) >= MAX_SLEEPS:
            if same:
                other = self.sleeps.pop(same[0])
                common = tuple(g for g in other.guards if g in told.guards)
                merged = msgspec.structs.replace(_merged(other, told), guards=common)
                self.sleeps[(merged.kind, merged.mask, common, merged.dropped, merged.inner)] = merged
            return
        self.sleeps[key] = told

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

    def guards(self, state: State) -> tuple[tuple[str, str, bool], ...]:
        """Conditions on what the caller passed that hold on this path."""
        found = []
        for text, truth in state.conds.items():
            if text.startswith("blocking:"):
                found.append(("blocking", text[len("blocking:") :], truth))
            if text.startswith(("blocking:", "@", "#", "?", "IS_ERR")):
                continue
            root = _root(text)
            if root in self.reassigned or (root in self.types and root not in self.params):
                continue
            found.append(("cond", text, truth))
        for name in self.params:
            value = state.env.get(name)
            if isinstance(value, Constant) and name not in self.reassigned and value.truth is not None:
                found.append(("cond", name, value.truth))
        found.sort(key=lambda guard: "." in guard[1])  # what a caller passes as a plain value decides most
        return tuple(found[:MAX_GUARDS])

    # ---- frees

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
        self.note_sleep(
            Sleep("free", row.name, None, (), (), (step,), expr.place, sleeps=row.sleeps),
            expr.place,
            state,
        )

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

    def hand_over(self, value: Value, state: State) -> None:
        """A cookie that is stored or returned is somebody else's to restore."""
        if isinstance(value, Cookie):
            state.scopes = tuple(c for c in state.scopes if c != value)

    # ---- callees

    def indirect_call(self, expr: Call, values: list[Value], state: State) -> Value:
        base, _, member = path_of(expr.func).rpartition(".")
        kind, _ = self.type_of_path(base) if base else ("", 0)
        summary = self.env.indirect((kind, member)) if kind else None
        if summary is not None:
            names, passed = self.bind(summary, expr, values, state)
            for sleep in summary.sleeps:
                self.call_sleep(summary, sleep, expr, names, passed, state)
        return None

    def bind(
        self, summary: Summary, expr: Call, values: list[Value], state: State
    ) -> tuple[dict[str, str], dict[str, Value]]:
        """The callee's parameters as paths and as values of this function."""
        names = {
            param: state.resolve(path_of(expr.args[at])) if at < len(expr.args) else ""
            for at, param in enumerate(summary.params)
            if param
        }
        for at, param in enumerate(summary.params):
            if param and at < len(expr.args) and isinstance(expr.args[at], (Binary, Unary, Call)):
                names["=" + param] = text_of(expr.args[at])
        passed = {param: values[at] for at, param in enumerate(summary.params) if param and at < len(values)}
        return names, passed

    def call_frees(
        self,
        summary: Summary,
        expr: Call,
        values: list[Value],
        bound: tuple[dict[str, str], dict[str, Value]],
        state: State,
    ) -> None:
        """What a callee frees of what it is given, as far as its conditions may hold."""
        ways = {(freed.number, freed.free) for freed in summary.frees_params}
        for freed in summary.frees_params:
            number, free = freed.number, freed.free
            row = self.kernel.frees.get(free)
            if sum(at == number for at, _ in ways) > 1:
                continue  # it tells the families apart by itself
            if any(self.check_guard(k, t, w, *bound, state)[0] is False for k, t, w in freed.guards):
                continue
            if row is not None and number < len(expr.args):
                target = expr.args[number]
                self.free_site(
                    row, free, path_of(target), values[number], expr.place, state, (), owner=self.owner_of(target)
                )

    def call_sleep(
        self, summary: Summary, sleep: Sleep, expr: Call, names: dict[str, str], passed: dict[str, Value], state: State
    ) -> None:
        guards = []
        for kind, text, truth in sleep.guards:
            verdict, translated = self.check_guard(kind, text, truth, names, passed, state)
            if verdict is False:
                return
            if verdict is None and translated:
                guards.append((kind, translated, truth))
        mask = sleep.mask
        if mask is not None and mask.base:
            mask = self.rebase(mask, names, passed)
            if mask is None:
                return
        if mask is not None and self.known_blocking(mask, state) is False:
            return
        dropped = tuple((kind, substitute(lock, names)) for kind, lock in sleep.dropped)
        step = self.step(expr.place, f"{summary.name}() is called here")
        moved = Sleep(
            sleep.kind,
            sleep.how,
            mask,
            tuple(guards),
            dropped,
            (step, *sleep.steps),
            expr.place,
            (),
            sleep.sleeps,
            sleep.task_only,
            sleep.uncertain,
            sleep.also,
        )
        if sleep.inner:
            self.inner_report(sleep, moved, expr, state)
            return
        self.note_sleep(moved, expr.place, state)

    def inner_report(self, sleep: Sleep, moved: Sleep, expr: Call, state: State) -> None:
        """The callee allocates under its own lock with the mask that is passed here."""
        if moved.mask is None or self.known_blocking(moved.mask, state) is not True:
            if moved.mask is not None and moved.mask.base:
                self.tell_callers(moved, expr.place, state, sleep.inner, moved.task_only)
            return
        held = tuple(Hold(kind, lock, sleep.place, "callee") for kind, lock in sleep.inner)
        self.reports.setdefault((expr.place, "inner", held), Report(held, moved, expr.place))

    def check_guard(  # noqa: PLR0911 - one return for each kind of evidence
        self, kind: str, text: str, truth: bool, names: dict[str, str], passed: dict[str, Value], state: State
    ) -> tuple[bool | None, str]:
        """Whether a condition that a callee's sleep depends on holds here, and what it says of our own parameters."""
        if kind == "blocking":
            value = passed.get(root_of(text))
            if isinstance(value, MaskValue) and text == root_of(text):
                known = self.known_blocking(value, state)
                return (None, value.base) if known is None else (known == truth, "")
            return None, ""
        value = passed.get(text)
        if value is None and (asked := state.conds.get(names.get("=" + text, ""))) is not None:
            return asked == truth, ""
        if isinstance(value, Constant):
            return (None if value.truth is None else value.truth == truth), ""
        if isinstance(value, Memory):
            return truth, ""
        tested = _flag_test(text)
        flags = passed.get(tested[0]) if tested is not None else None
        if tested is not None and isinstance(flags, Constant):
            holds = _has_flag(flags, tested[1])
            if holds is not None:
                return holds == truth, ""
        compared = _equality(text)
        given = passed.get(compared[0]) if compared is not None else None
        if compared is not None and isinstance(given, Constant):
            same = _same(given, Constant(compared[1]))
            return (None if same is None else same == truth), ""
        translated = _translate(text, names)
        if not translated:
            return None, ""
        known = state.conds.get(translated)
        if known is not None:
            return known == truth, ""
        if isinstance(value, Symbol):
            return None, value.path
        stored = self.path_value(translated, state)
        if isinstance(stored, Constant) and stored.truth is not None:
            return stored.truth == truth, ""
        root = _root(translated)
        return None, translated if root in self.params or root not in self.types else ""

    def rebase(self, mask: MaskValue, names: dict[str, str], passed: dict[str, Value]) -> MaskValue | None:
        value = passed.get(mask.base)
        if isinstance(value, MaskValue):
            return mask.rebased(value)
        if isinstance(value, Constant):
            return mask.rebased(MaskValue()) if value.truth is False else None
        if mask.base in passed:
            path = names.get(mask.base, "")
            return mask.rebased(MaskValue(path)) if path else None
        path = substitute(mask.base, names)
        return MaskValue(path, mask.plus, mask.minus) if path else None

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
            changes.setdefault((enters, leaves), set()).add(_result_class(value))
        if not changes or list(changes) == [((), ())]:
            return ()
        if len(changes) == 1:
            enters, leaves = next(iter(changes))
            return (Effect("always", enters, leaves),)
        return self.conditional_effects(changes)

    def net_change(self, state: State) -> tuple[tuple[Lock, ...], tuple[Lock, ...]]:
        """(taken, dropped) on one path; what was dropped and taken again is neither."""
        taken = [(h.kind, self.outer(h.lock)) for h in state.held]
        dropped = [(kind, self.outer(lock)) for kind, lock in state.dropped]
        for entry in tuple(taken):
            again = next((d for d in dropped if d[0] == entry[0]), None)
            if again is not None:
                dropped.remove(again)
                taken.remove(entry)
        return tuple(taken), tuple(dropped)

    def outer(self, lock: str) -> str:
        """A lock's path as the caller may know it; "" where it starts at a local variable."""
        root = root_of(lock)
        return lock if root in self.params or (root and root not in self.types) else ""

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

    # ---- texts

    def argument_path(self, expr: Call, number: int | None, state: State) -> str:
        if number is None or number >= len(expr.args):
            return ""
        return state.resolve(path_of(expr.args[number]))

    def step(self, place: Place, message: str) -> Step:
        return Step(self.path, place.line, place.column, self.name, message)


# ---- helpers without state


def _argument_text(expr: Call, number: int | None) -> str:
    if number is None or number >= len(expr.args):
        return ""
    return _mask_text(expr.args[number])


def _mask_text(expr: Expr) -> str:
    if isinstance(expr, Binary):
        return f"{_mask_text(expr.left)} {expr.op} {_mask_text(expr.right)}"
    return text_of(expr)


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
    return (new.uncertain, len(new.guards), len(new.steps)) < (old.uncertain, len(old.guards), len(old.steps))


def _merged(one: Sleep, two: Sleep) -> Sleep:
    """The better of two sleeps, with the place of the other."""
    best, rest = (two, one) if _better(two, one) else (one, two)
    also = dict.fromkeys((*best.also, *rest.also, rest.steps[-1]))
    also.pop(best.steps[-1], None)
    return msgspec.structs.replace(best, also=tuple(also)[:MAX_ALSO])


def _folded(one: Report, two: Report) -> Report:
    """One report for one region and call: that of the better sleep."""
    sleep = _merged(one.sleep, two.sleep)
    keep = two if sleep.steps == two.sleep.steps else one
    return msgspec.structs.replace(keep, sleep=sleep)


def _with_family(memory: Memory, family: str) -> Memory:
    return Memory(
        family,
        memory.allocator,
        memory.place,
        memory.path,
        memory.function,
        memory.cache,
        memory.order,
        memory.size,
        memory.device,
        memory.nofail,
        memory.offset,
        memory.error,
        memory.managed,
    )


def _offset(memory: Memory) -> Memory:
    return Memory(
        memory.family,
        memory.allocator,
        memory.place,
        memory.path,
        memory.function,
        memory.cache,
        memory.order,
        memory.size,
        memory.device,
        memory.nofail,
        True,
        memory.error,
        memory.managed,
    )


def _comparison(test: Expr) -> tuple[bool, Expr, Expr | None]:
    """(wanted truth, subject, other side) of ``a == b``, ``a != b``; the subject alone otherwise."""
    if isinstance(test, Binary) and test.op in ("==", "!="):
        return test.op == "==", test.left, test.right
    if isinstance(test, Assign) and test.op == "=":
        return True, test, None
    return True, test, None


def _is_zero(expr: Expr, value: Value) -> bool:
    return isinstance(expr, (Number, Name)) and isinstance(value, Constant) and value.truth is False


def _same(one: Constant, two: Constant) -> bool | None:
    a, b = number_of(one.text.lstrip("-")), number_of(two.text.lstrip("-"))
    if a is not None and b is not None:
        return (-a if one.text.startswith("-") else a) == (-b if two.text.startswith("-") else b)
    if one.text == two.text:
        return True
    if a is None and b is None and is_constant(one.text.lstrip("-")) and is_constant(two.text.lstrip("-")):
        return False
    return None


def _result_class(value: Value) -> str:
    if isinstance(value, Constant):
        if value.text == "nonzero":
            return "nonzero"
        truth = value.truth if not value.text.startswith("-") else True
        return "unknown" if truth is None else "nonzero" if truth else "zero"
    if isinstance(value, Memory):
        return "nonzero"
    return "unknown"


def _is_test(expr: Expr) -> bool:
    if isinstance(expr, Unary):
        return expr.op == "!"
    return isinstance(expr, Binary) and expr.op in ("&&", "||", "==", "!=")


def _called(expr: Expr) -> Expr:
    """The call whose value an expression is."""
    while isinstance(expr, Cast):
        expr = expr.value
    return expr


def _decision(node: Conditional) -> str:
    return f"?{id(node)}"


def _find_branching(expr: Expr, found: list[Expr]) -> None:
    """Conditional operators and statement expressions, innermost first."""
    kind = type(expr)
    if kind is Name or kind is Number:
        return
    if isinstance(expr, StatementExpr):
        found.append(expr)
        return
    for child in children(expr):
        _find_branching(child, found)
    if isinstance(expr, Conditional):
        found.append(expr)


def _leaves(test: Expr) -> list[str]:
    if isinstance(test, Unary) and test.op == "!":
        return _leaves(test.operand)
    if isinstance(test, Binary) and test.op in ("&&", "||"):
        return _leaves(test.left) + _leaves(test.right)
    if isinstance(test, Call) and len(test.args) == 1 and isinstance(test.func, Name):
        return [text_of(test), *_leaves(test.args[0])]
    _, subject, other = _comparison(test)
    texts = [text_of(subject)]
    if other is not None:
        texts.append(f"({text_of(subject)} == {text_of(other)})")
    return texts


def _count_conditions(stmts: Sequence[Stmt], counts: dict[str, int]) -> None:
    for stmt in stmts:
        for test in _tests(stmt):
            for leaf in _leaves(test):
                counts[leaf] = counts.get(leaf, 0) + 1
        for inner in _inner(stmt):
            _count_conditions(inner, counts)


def _tests(stmt: Stmt) -> list[Expr]:
    match stmt:
        case If(test=test):
            return [test]
        case Loop(test=test) if test is not None:
            return [test]
        case Return(value=value) if value is not None:
            return [value]
        case Do(expr=Assign(value=Conditional(test=test))):
            return [test]
        case Declare(init=Conditional(test=test)):
            return [test]
    return []


def _inner(stmt: Stmt) -> list[Sequence[Stmt]]:
    match stmt:
        case Block(body=body):
            return [body]
        case If(then=then, otherwise=otherwise):
            return [(then,), (otherwise,)] if otherwise is not None else [(then,)]
        case Loop(body=body) | Switch(body=body) | Scoped(body=body):
            return [(body,)]
        case Arms(arms=arms):
            return [stmts for _, stmts in arms]
    return []


def _assigned(stmts: Sequence[Stmt], names: set[str]) -> None:
    """Names that are assigned anywhere: a condition on them says nothing of their value on entry."""
    for stmt in stmts:
        match stmt:
            case Do(expr=expr):
                _assigned_in(expr, names)
            case If(test=test):
                _assigned_in(test, names)
            case Loop(init=init, test=test, step=step, args=args):
                if init is not None:
                    _assigned((init,), names)
                for part in (test, step, *args):
                    if part is not None:
                        _assigned_in(part, names)
            case _:
                pass
        for inner in _inner(stmt):
            _assigned(inner, names)


def _called_members(stmts: Sequence[Stmt]) -> Iterator[str]:
    """The texts of the function pointers in members that are called."""
    for stmt in stmts:
        for expr in _expressions(stmt):
            yield from _called_in(expr)
        for inner in _inner(stmt):
            yield from _called_members(inner)


def _expressions(stmt: Stmt) -> tuple[Expr, ...]:
    match stmt:
        case Do(expr=expr):
            return (expr,)
        case If(test=test):
            return (test,)
        case Return(value=value) if value is not None:
            return (value,)
        case Declare(init=init) if init is not None:
            return (init,)
    return ()


def _called_in(expr: Expr) -> Iterator[str]:
    if isinstance(expr, Call) and isinstance(expr.func, Member):
        yield text_of(expr.func)
    for child in children(expr):
        yield from _called_in(child)


def _assigned_in(expr: Expr, names: set[str]) -> None:
    if isinstance(expr, Assign):
        names |= {root_of(path_of(expr.target))} if isinstance(expr.target, Name) else set()
    elif isinstance(expr, Unary) and expr.op in ("++", "--", "p++", "p--") and isinstance(expr.operand, Name):
        names.add(expr.operand.name)
    for child in children(expr):
        _assigned_in(child, names)


def _indices(expr: Expr) -> int:
    """How many times the last member of an access path is indexed."""
    count = 0
    while not isinstance(expr, Member):
        if isinstance(expr, Index):
            count, expr = count + 1, expr.base
        elif isinstance(expr, Cast):
            expr = expr.value
        elif isinstance(expr, Unary):
            count, expr = count + (expr.op == "*"), expr.operand
        else:
            break
    return count


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


def _is_endless(stmt: Loop) -> bool:
    if stmt.test is None:
        return stmt.kind == "for"
    return isinstance(stmt.test, (Number, Name)) and text_of(stmt.test) in ("1", "true")


def _has_default(stmt: Stmt) -> bool:
    return isinstance(stmt, Block) and any(isinstance(s, Case) and s.value is None for s in stmt.body)


def _mentions_root(origin: str, path: str) -> bool:
    return root_of(origin) == root_of(path)


def _translate(text: str, names: dict[str, str]) -> str:
    """A condition on a callee's parameters as a condition of the caller; "" where it can't be said."""
    lead = len(text) - len(text.lstrip("(!"))
    root = root_of(text[lead:]).partition(" ")[0]
    if root not in names:
        return text
    replacement = names[root]
    if not replacement:
        return ""
    return text[:lead] + replacement + text[lead + len(root) :]


def _equality(text: str) -> tuple[str, str] | None:
    """``(a == B)`` as (a, B)."""
    if text.startswith("(") and " == " in text and text.endswith(")"):
        left, _, right = text[1:-1].partition(" == ")
        return left, right
    return None


def _root(condition: str) -> str:
    """The variable at the root of the first path in a condition."""
    return root_of(condition.lstrip("(!")).partition(" ")[0]


def _flag_test(text: str) -> tuple[str, str] | None:
    """``(a & FLAG)`` as (a, FLAG)."""
    if text.startswith("(") and " & " in text and text.endswith(")"):
        left, _, right = text[1:-1].partition(" & ")
        return left, right.strip("()")
    return None


def _has_flag(value: Constant, flags: str) -> bool | None:
    """Whether a set of named flags holds one of others; named flags are taken for distinct bits."""
    number = number_of(value.text)
    if number == 0:
        return False
    given = set(value.text.split("|"))
    wanted = set(flags.replace(" ", "").split("|"))
    if given & wanted:
        return True
    named = all(n.isupper() and not n[0].isdigit() for n in given | wanted)
    return False if named else None


def _config(conds: dict[str, bool]) -> set[str]:
    found = set()
    for text, truth in conds.items():
        if truth and text.startswith("IS_ENABLED(CONFIG_"):
            found.add(text[len("IS_ENABLED(") : -1])
    return found


_EVALUATE: dict[type, Callable[[_Flow, Any, State], Value]] = {
    Name: _Flow.e_name,
    Number: _Flow.e_number,
    Member: _Flow.e_member,
    Cast: _Flow.e_cast,
    Index: _Flow.e_index,
    Conditional: _Flow.e_conditional,
    StatementExpr: _Flow.e_statements,
    Initializer: _Flow.e_initializer,
    Opaque: _Flow.e_opaque,
    String: _Flow.e_nothing,
    SizeOf: _Flow.e_nothing,
    Call: _Flow.call,
    Assign: _Flow.assign,
    Unary: _Flow.unary,
    Binary: _Flow.binary,
}
