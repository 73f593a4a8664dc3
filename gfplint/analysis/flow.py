"""Flow inside one function: an abstract interpreter over its operation tree.

Paths are followed apart while few (``state.MAX_STATES``), so that correlated branches, conditional masks and trylocks
are told apart. Loops run once, and again where a round changes what is held or sets a pointer that was NULL before.
What a call does comes from the kernel tables or from the callee's summary; a call that is not known changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from gfplint.analysis.conditions import Conditions
from gfplint.analysis.environment import (
    HELD_ON_ENTRY,
    LAST,
    MAX_ROUNDS,
    MAX_SLEEPS,
    MAX_STEPS,
    MEMORY,
    NOWHERE,
    REST,
    UNKNOWN,
    Environment,
    GiveUpError,
)
from gfplint.analysis.holders import lasting
from gfplint.analysis.paths import path_of, root_of
from gfplint.analysis.state import State, close, dedupe
from gfplint.analysis.summary import Hold, Summary
from gfplint.analysis.syntax import (
    assigned,
    count_conditions,
    find_branching,
    has_default,
    is_endless,
    leaves,
    uses,
)
from gfplint.analysis.texts import called_expr, decision, is_test
from gfplint.analysis.values import ONE, ZERO, Constant, MaskValue, Memory, Pending, Ref, Symbol, Value
from gfplint.facts import (
    Arms,
    Binary,
    Block,
    Body,
    Break,
    Call,
    Case,
    Conditional,
    Continue,
    Declare,
    Do,
    Expr,
    Goto,
    Guard,
    If,
    Initializer,
    Label,
    Loop,
    Name,
    Opaque,
    Place,
    Return,
    Scoped,
    Signature,
    StatementExpr,
    Stmt,
    Switch,
    Unary,
)
from gfplint.frontend.lower import lower_expression
from gfplint.kernel.masks import ZONES
from gfplint.kernel.model import GuardClass


def analyse(name: str, path: str, signature: Signature, body: Body, env: Environment, depth: int) -> Summary:
    """The summary of one function: its body's operations run over the abstract state.

    ``depth``: levels of calls, its own included, down to which it tells its callers what ``sleeps``. With 0 it tells
    nothing, and callees are followed only where this function's own context forbids sleeping; with MEMORY not
    even there.
    """
    return _Flow(name, path, signature, body, env, depth).run()


class _Flow(Conditions):
    """One run over one function: its statements."""

    def run(self) -> Summary:
        count_conditions(self.body.stmts, self.seen_conditions)
        assigned(self.body.stmts, self.reassigned)
        start = State()
        start.watched = frozenset(self.reassigned.intersection(self.params))
        for param in self.signature.params:
            if param.name and param.pointers == 0:
                start.env[param.name] = MaskValue(param.name) if param.type == "gfp_t" else Symbol(param.name)
        self.enter_annotated(start)
        try:
            out = self.block(self.body.stmts, [start])
            self.leave(out, None, NOWHERE)
        except GiveUpError:
            self.degraded.append(f"more than {MAX_STEPS} steps")
        return Summary(
            name=self.name,
            path=self.path,
            params=self.params,
            sleeps=self.told()[:MAX_SLEEPS],
            effects=self.effects() if self.depth != MEMORY else (),
            reports=tuple(self.reports.values()) if self.depth != MEMORY else (),
            allocs=self.sites(),
            passed=tuple(self.passed.values()),
            recursions=tuple(self.recursions.values()),
            frees=tuple(self.frees.values()),
            stores=tuple(msgspec.structs.replace(s, when=lasting(s.when, self.written)) for s in self.stores.values()),
            scope_faults=tuple(self.scope_faults.values()),
            scoped_calls=tuple(c for c in self.scoped_calls.values() if c.kinds),
            returns=() if self.returns_unknown else tuple(self.returned),
            frees_params=tuple(self.freed_params),
            gives=self.gifts(),
            linear_uses=tuple(self.linear_uses.values()),
            degraded=tuple(self.degraded),
            masks=(masks := self.masks()),
            idle=tuple(m for m in masks if next(uses(self.body.stmts, m), None) is None),
            waits=self.waits,
        )

    def masks(self) -> tuple[str, ...]:
        """The parameters that are masks, stay what they are, and are not asked for a zone: that is another purpose."""
        found = [p.name for p in self.signature.params if p.type == "gfp_t" and not p.pointers]
        return tuple(m for m in found if m not in self.reassigned and not self.asked_for_zone(m))

    def asked_for_zone(self, mask: str) -> bool:
        """Whether the function tests a mask for a zone."""
        return any(
            isinstance(use, Binary) and use.op == "&" and isinstance(use.right, Name) and use.right.name in ZONES
            for use in uses(self.body.stmts, mask)
        )

    def enter_annotated(self, state: State) -> None:
        """What the annotations behind the parameters say of the locks that the caller holds."""
        for annotation in self.signature.annotations:
            name, _, rest = annotation.partition("(")
            lock = lower_expression(rest.rpartition(")")[0]) if name in HELD_ON_ENTRY else None
            if lock is not None:
                self.assert_held(lock, NOWHERE, name, state)

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
        self.positions.append((stmts, start))
        for at in range(start, len(stmts)):
            self.positions[-1] = (stmts, at)
            states = self.statement(stmts[at], states)
        self.positions.pop()
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
                self.free_site(row, Name(name), name, memory, place, state, (), scope_exit=True)

    def statement(self, stmt: Stmt, states: list[State]) -> list[State]:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise GiveUpError
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
        return _RUN[kind](self, stmt, states)

    def expression(self, stmt: Do, states: list[State]) -> list[State]:
        return self.do(stmt.expr, states)

    def goto(self, stmt: Goto, states: list[State]) -> list[State]:
        if states:
            self.unwind(states, self.depth_of(stmt.name))
            waiting = self.pending.setdefault(stmt.name, [])
            self.pending[stmt.name] = dedupe(waiting + states)
        return []

    def break_(self, stmt: Break, states: list[State]) -> list[State]:
        if self.breaks:
            self.unwind(states, self.break_depths[-1])
            self.breaks[-1] += states
        return []

    def continue_(self, stmt: Continue, states: list[State]) -> list[State]:
        if self.continues:
            self.unwind(states, self.continue_depths[-1])
            self.continues[-1] += states
        return []

    def may_enter(self, stmt: Stmt) -> bool:
        """Dead code is entered only for the labels in it."""
        return type(stmt) in _WITH_LABELS and bool(self.pending)

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
        if isinstance(expr, Call) and isinstance(expr.func, Name) and expr.func.name in self.kernel.scopes:
            self.discarded.add(expr.place)  # nothing could end it: it is meant for the rest of the thread
        for state in states:
            self.eval(expr, state)
            live.append(state)
        return [] if self.ends_here(expr) else live

    def ends_here(self, expr: Expr) -> bool:
        """Whether the call never returns."""
        if not isinstance(expr, Call) or not isinstance(expr.func, Name):
            return False
        return self.means(expr.func.name, "never") or self.env.never_returns(expr.func.name)

    def declare(self, stmt: Declare, states: list[State]) -> list[State]:
        self.declared(stmt.name, (stmt.type, stmt.pointers + stmt.array))
        if stmt.init is not None:
            states = self.split(stmt.init, states)
        for state in states:
            self.wanted = id(called_expr(stmt.init)) if stmt.init is not None else 0
            value = self.eval(stmt.init, state) if stmt.init is not None else None
            if isinstance(value, Constant) and not stmt.pointers and self.env.record_key(stmt.type) != stmt.type:
                value = None  # a struct that a macro initialises is no number, nor another name for the macro
                self.store(Name(stmt.name), stmt.name, value, state, stmt.place, None)
            else:
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
        state.env[name + REST] = ZERO
        for member, item in init.items:
            value = self.eval(item, state)
            if not member:
                state.env.pop(name + REST, None) if value != ZERO else None
            else:
                state.env[f"{name}.{member}"] = value if value is not None else UNKNOWN

    def if_(self, stmt: If, states: list[State]) -> list[State]:
        true, false = self.branch(stmt.test, states)
        then = self.statement(stmt.then, dedupe(true))
        otherwise = self.statement(stmt.otherwise, dedupe(false)) if stmt.otherwise is not None else false
        return dedupe(self.forget_decision(stmt.test, then + otherwise) if then and otherwise else then + otherwise)

    def forget_decision(self, test: Expr, states: list[State]) -> list[State]:
        """Behind an ``if``, states that differ in nothing but its condition are one, unless it is asked again."""
        asked = self.asked_once.get(id(test))
        if asked is None:
            asked = [leaf for leaf in leaves(test) if self.seen_conditions.get(leaf, 0) < 2]
            self.asked_once[id(test)] = asked
        if not any(leaf in state.conds for state in states for leaf in asked):
            return states
        groups: dict[object, list[State]] = {}
        for state in states:
            rest = frozenset([(k, v) for k, v in state.conds.items() if k not in asked])
            groups.setdefault((state.context(), frozenset(state.env.items()), rest), []).append(state)
        for group in groups.values():
            if len(group) > 1:
                for leaf in asked:
                    group[0].conds.pop(leaf, None)
                for other in group:
                    group[0].absorb(other)
        return [group[0] for group in groups.values()]

    def return_(self, stmt: Return, states: list[State]) -> list[State]:
        if stmt.value is None:
            self.leave(states, None, stmt.place)
            return []
        self.positions.append(LAST)
        self.leave_with(stmt, stmt.value, states)
        self.positions.pop()
        return []

    def leave_with(self, stmt: Return, result: Expr, states: list[State]) -> None:
        if isinstance(result, (Binary, Unary)) and is_test(result):
            true, false = self.branch(result, states)
            self.leave(true, ONE, stmt.place)
            self.leave(false, ZERO, stmt.place)
            return
        for state in self.split(result, states):
            self.wanted = id(called_expr(result))
            value = self.eval(result, state)
            path = self.access(result)
            if isinstance(value, Pending):
                self.leave_pending(state, value, stmt.place)
                continue
            if value is None and path and path in state.conds:
                value = Constant("nonzero") if state.conds[path] else ZERO
            if isinstance(value, Memory):
                self.returned[value] = None
                if value.cache and value.function == self.name:
                    kind = self.signature.returns
                    self.note_object(value, (kind.removeprefix("struct ").rstrip("* "), kind.count("*")))
            elif not isinstance(value, Constant):
                self.returns_unknown = True
            self.leave([state], value, stmt.place, path)

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
                if cookie.place not in self.discarded:
                    self.scope_fault("open", cookie, place)
            self.exits.append((state, value, place))

    def loop(self, stmt: Loop, states: list[State]) -> list[State]:
        if stmt.init is not None:
            states = self.statement(stmt.init, states)
        for arg in stmt.args:
            for state in states:
                self.eval(arg, state)
        for state in states:
            self.forget_assigned(stmt, state)
        marks = self.first_round_marks(stmt, states)
        out: list[State] = []
        known: set[object] = set()
        self.walks.append((frozenset(root_of(self.access(a)) for a in stmt.args), stmt.place))
        for _ in range(MAX_ROUNDS):
            if stmt.args:
                for state in states:
                    state.forget(path_of(stmt.args[0]))
                    self.forget_loop_variables(stmt, state)
            known |= {(close(s), _null(marks, s)) for s in states}
            after, done = self.loop_round(stmt, states)
            out += done
            states = [s for s in after if (close(s), _null(marks, s)) not in known]
            if not states:
                break
        self.walks.pop()
        return dedupe(out)

    def first_round_marks(self, stmt: Loop, states: list[State]) -> tuple[str, ...]:
        """Pointers that a loop finds NULL, asks for and sets (``if (prev) ...; prev = this;``): only its first round
        finds them so.
        """
        null = {n for n in self.names_set_by(stmt) for s in states if s.env.get(n) == ZERO}
        if not null:
            return ()
        asked: dict[str, int] = {}
        count_conditions((stmt.body,), asked)
        return tuple(sorted(null.intersection(asked)))

    def loop_round(self, stmt: Loop, states: list[State]) -> tuple[list[State], list[State]]:
        """One round of a loop: the states that go on with the next, and those that leave."""
        endless = is_endless(stmt)
        self.open_breaks()
        self.open_continues()
        true = [s.copy() for s in states]
        done: list[State] = []
        if stmt.test is not None and stmt.kind != "do":
            true, done = self.branch(stmt.test, true)
            self.forget_asked(stmt, true)
        elif not endless and stmt.kind != "do":
            done = [s.copy() for s in states]
        elif stmt.test is not None:
            self.forget_asked(stmt, true)
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

    def forget_asked(self, stmt: Loop, states: list[State]) -> None:
        """What a loop asks of more than its own variables changes while it runs, seen or not: else it would not end."""
        asked = [text for text in leaves(stmt.test) if not text.isidentifier()] if stmt.test is not None else []
        for state in states:
            for text in asked:
                state.conds.pop(text, None)

    def forget_assigned(self, stmt: Loop, state: State) -> None:
        """Numbers that a loop changes are unknown inside it: it runs more often than the analysis follows it."""
        for name in self.names_set_by(stmt):
            if isinstance(state.env.get(name), Constant) and not self.types.get(name, ("", 0))[1]:
                state.forget(name)

    def names_set_by(self, stmt: Loop) -> set[str]:
        """The names that a loop assigns."""
        names = self.loop_names.get(id(stmt))
        if names is None:
            names = set()
            assigned((stmt,), names)
            self.loop_names[id(stmt)] = names
        return names

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
        if not has_default(stmt.body):
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
                if self.same(known, label) is False:
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
            if row.sleeps:
                self.note_slept(f"guard({stmt.kind})", stmt.place, state)
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
                if row.sleeps:
                    self.note_slept(f"scoped_guard({stmt.kind})", stmt.place, state)
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
            lock = f"{lock}.{row.field}" if lock and row.field else lock
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

    def split(self, expr: Expr, states: list[State]) -> list[State]:
        """Decide the conditional operators in an expression, and run its statement expressions, before it."""
        branching = self.branching.get(id(expr))
        if branching is None:
            found: list[Expr] = []
            find_branching(expr, found)
            branching = self.branching[id(expr)] = tuple(found)
        for node in branching:
            if isinstance(node, StatementExpr):
                states = self.hoist(node, states)
            elif isinstance(node, Conditional):
                true, false = self.branch(node.test, list(states))
                for state, truth in [(s, True) for s in true] + [(s, False) for s in false]:
                    state.conds[decision(node)] = truth
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
            and (self.means(test.func.name, "argument") or self.means(test.func.name, "warning"))
        ):
            true, false = self.branch(test.args[0], states)
            if self.means(test.func.name, "warning"):
                for state in true:
                    state.conds["@warned"] = True
            return true, false
        states = self.split(test, states)
        true_states: list[State] = []
        false_states: list[State] = []
        for state in states:
            for truth, new in self.leaf(test, state):
                (true_states if truth else false_states).append(new)
        return true_states, false_states


def _null(names: tuple[str, ...], state: State) -> tuple[bool, ...]:
    """Which of ``names`` a state knows to be NULL."""
    return tuple([state.env.get(n) == ZERO for n in names])


_WITH_LABELS = frozenset((If, Loop, Switch, Scoped, Arms))
_RUN: dict[type, Callable[[_Flow, Any, list[State]], list[State]]] = {
    Do: _Flow.expression,
    Declare: _Flow.declare,
    If: _Flow.if_,
    Return: _Flow.return_,
    Goto: _Flow.goto,
    Loop: _Flow.loop,
    Switch: _Flow.switch,
    Break: _Flow.break_,
    Continue: _Flow.continue_,
    Guard: _Flow.guard,
    Scoped: _Flow.scoped,
    Arms: _Flow.arms,
}
