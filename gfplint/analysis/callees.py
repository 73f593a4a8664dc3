"""Calls of functions whose summary is known: its conditions, masks, locks and frees in the caller's terms."""

from __future__ import annotations

from gfplint.analysis.contexts import Contexts
from gfplint.analysis.environment import MAX_WRAPPED, MAX_WRAPPERS, MEMORY, PLAIN_TYPES, RECLAIM_LEVELS, REST, UNKNOWN
from gfplint.analysis.paths import path_of, root_of, substitute, text_of
from gfplint.analysis.queries import ASKS
from gfplint.analysis.run import ENTRY, OWN_LOCK
from gfplint.analysis.state import State
from gfplint.analysis.summary import FreedParam, Hold, Report, Sleep, Summary
from gfplint.analysis.texts import condition_root, equality, flag_test, has_flag, translate
from gfplint.analysis.values import ZERO, Constant, MaskValue, Memory, Symbol, Value, is_constant, number_of
from gfplint.facts import Binary, Call, Expr, Member, Name, Unary


class Callees(Contexts):
    """The layer of summarised callees."""

    def call_function(self, name: str, expr: Call, values: list[Value], state: State) -> Value:
        """A call that the tables don't know: follow it where it can matter."""
        env, lent = self.env, self.lent
        depth = max(self.depth - 1, 0)
        if self.depth >= 0 and (env.locks_and_allocates(name) or any(h.kind in self.atomic for h in state.held)):
            depth = max(depth, env.reach)
        if env.reclaim is not None and self.depth >= 0 and self.reclaims(state):
            depth = max(depth, RECLAIM_LEVELS)
        sleeps = depth > 0 and env.may_sleep(name, depth)
        changes = self.depth >= 0 and env.may_change_context(name)
        owns = (self.wanted == id(expr) and env.may_return_memory(name)) or (
            self.gives(expr, values, state) and env.may_free(name)
        )
        gives = env.may_give_memory(name) and any(_address(a) is not None for a in expr.args)
        if not (sleeps or changes or owns or gives):
            return None
        summary = env.summary(name, depth if sleeps else 0 if changes else MEMORY)
        if summary is None:
            return None
        names, passed = self.bind(summary, expr, values, state)
        if sleeps:
            for sleep in summary.sleeps:
                self.call_sleep(summary, sleep, expr, names, passed, state)
        result = self.apply_effects(summary, expr, names, state) if changes else None
        if owns:
            self.call_frees(summary, expr, values, (names, passed), lent, state)
            if result is None and self.wanted == id(expr) and len(summary.returns) == 1:
                result = summary.returns[0]
        for number, memory in summary.gives if gives else ():
            place = _address(expr.args[number]) if number < len(expr.args) else None
            if place is not None:
                self.store(place, self.access(place), memory, state, expr.place, None)
        return result

    def gives(self, expr: Call, values: list[Value], state: State) -> bool:
        """Whether a call gets memory, or a parameter, that the callee might free."""
        for value, arg in zip(values, expr.args, strict=True):
            if isinstance(value, Memory):
                return True
            if isinstance(arg, Name) and arg.name in self.params and self.types[arg.name][1] > 0:
                if len(expr.args) <= MAX_WRAPPED:
                    return True
            elif isinstance(place := _address(arg), Name) and place.name in self.lent:
                return True
        return False

    def passed_by_reference(self, path: str, state: State) -> None:
        """A callee may change what it gets the address of: plain values and members that are zero, as they are before
        something fills them, are forgotten; locks and other members stay.
        """
        value = state.env.get(path)
        kind, pointers = self.types.get(path, ("", 0))
        plain = pointers > 0 or kind in PLAIN_TYPES or kind.endswith("_t")
        if isinstance(value, (Constant, Symbol)) or (value is None and "." not in path and plain):
            state.forget(path)
        state.env.pop(path + REST, None)
        inside = path + "."
        for name in [n for n, v in state.env.items() if v == ZERO and n.startswith(inside)]:
            del state.env[name]
        if "." in path and path not in state.env and root_of(path) + REST in state.env:
            state.env[path] = UNKNOWN

    def indirect_call(self, expr: Call, values: list[Value], state: State) -> Value:
        """A call through a function pointer in a member is followed where a context of this function forbids sleep."""
        self.note_own_lock(path_of(expr.func), state)
        if not any(h.kind in self.atomic for h in state.held):
            return None
        base, _, member = path_of(expr.func).rpartition(".")
        kind, _ = self.type_of_path(base) if base else ("", 0)
        summary = self.env.indirect((kind, member)) if kind else None
        if summary is not None:
            names, passed = self.bind(summary, expr, values, state)
            for sleep in summary.sleeps:
                self.call_sleep(summary, sleep, expr, names, passed, state)
        return None

    def note_own_lock(self, path: str, state: State) -> None:
        """A lock that an object has for an operation is taken or dropped."""
        base, _, member = path.rpartition(".")
        if member == "lock" and f"{base}.unlock" in self.operations:
            state.conds[OWN_LOCK + base] = True
        elif member == "unlock":
            state.conds.pop(OWN_LOCK + base, None)

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
                query = self.query_of(expr.args[at])
                if query is not None and query.true_means in ASKS:
                    names["?" + param] = query.true_means
        passed = {param: values[at] for at, param in enumerate(summary.params) if param and at < len(values)}
        return names, passed

    def call_frees(
        self,
        summary: Summary,
        expr: Call,
        values: list[Value],
        bound: tuple[dict[str, str], dict[str, Value]],
        lent: dict[str, Memory],
        state: State,
    ) -> None:
        """What a callee frees of what it is given, as far as its conditions may hold."""
        ways = {(freed.number, freed.content, freed.free) for freed in summary.frees_params}
        for freed in summary.frees_params:
            number = freed.number
            row = self.kernel.frees.get(freed.free)
            several = sum(way[:2] == (number, freed.content) for way in ways) > 1
            if row is None or number >= len(expr.args) or several:
                continue  # where there are several ways, it tells the families apart by itself
            if any(self.check_guard(k, t, w, *bound, state)[0] is False for k, t, w in freed.guards):
                continue
            target, value = expr.args[number], values[number]
            if freed.content:
                if not isinstance(target, Unary) or target.op != "&":
                    continue
                target = target.operand
                value = lent.get(self.access(target))
            path = self.access(target)
            step = self.step(expr.place, f"{summary.name}() is called here")
            steps = (step, *freed.steps)
            others = {f.cache for f in summary.frees_params if (f.number, f.content) == (number, freed.content)}
            cache = freed.cache if len(others) == 1 else ""
            if isinstance(value, Memory):
                self.free_site(row, target, path, value, expr.place, state, (), steps=steps, cache=cache)
            if path in self.params and path not in self.reassigned and len(steps) < MAX_WRAPPERS:
                moved = FreedParam(self.params.index(path), freed.free, self.guards(state), freed.content, steps, cache)
                self.freed_params[moved] = None

    def call_sleep(
        self, summary: Summary, sleep: Sleep, expr: Call, names: dict[str, str], passed: dict[str, Value], state: State
    ) -> None:
        guards = []
        for kind, text, truth in sleep.guards:
            verdict, translated = self.check_guard(kind, text, truth, names, passed, state)
            if verdict is False:
                return
            if (
                verdict is None
                and translated
                and (kind != ENTRY or self.passed_still(condition_root(translated), state))
            ):
                guards.append((kind, translated, truth))
        once = sleep.once
        if once:
            verdict, translated = self.check_guard("cond", once, False, names, passed, state)
            if verdict is False:
                return
            once = "" if verdict else translated or "?"
        mask = sleep.mask
        if mask is not None and mask.base:
            mask = self.rebase(mask, names, passed)
            if mask is None:
                return
            if not mask.base:
                once = ""  # who passes a mask says with it what its own context allows
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
            once,
            sleep.shared and bool(once),
            sleep.ignores or bool(summary.masks),
            sleep.scopes,
            sleep.passed + (sleep.mask is not None and sleep.mask.base != "" and sleep.mask.base in summary.params),
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
        if truth is (names.get("?" + text) == "sleepable") and "?" + text in names:
            return False, ""  # the caller asks first whether it may sleep
        if value is None and (asked := state.conds.get(names.get("=" + text, ""))) is not None:
            return asked == truth, ""
        if isinstance(value, Constant):
            known = self.truth(value)
            return (None if known is None else known == truth), ""
        if isinstance(value, Memory):
            return truth, ""
        if not truth and state.conds.get(f"IS_ERR {names.get(text, '')}") is False:
            return False, ""  # what was looked at, and is no error, is there
        known = self.passed_truth(text, passed)
        if known is not None:
            return known == truth, ""
        translated = self.seen_through(translate(text, names), state)
        if not translated:
            return None, ""
        known = state.conds.get(translated)
        if known is not None:
            return known == truth, ""
        if isinstance(value, Symbol):
            return None, value.path
        known = self.stored_truth(translated, state)
        if known is None:
            known = self.twin(translated, state)
        if known is not None:
            return known == truth, ""
        root = condition_root(translated)
        return None, translated if root in self.params or root not in self.types else ""

    def passed_truth(self, text: str, passed: dict[str, Value]) -> bool | None:
        """What a passed constant says of a condition on a parameter: ``a``, ``(a & FLAG)`` or ``(a == B)``."""
        plain = passed.get(text)
        if isinstance(plain, Constant):
            return self.truth(plain)
        compared, tested = equality(text), flag_test(text)
        given = passed.get(compared[0] if compared is not None else tested[0] if tested is not None else "")
        if not isinstance(given, Constant):
            return None
        if compared is not None:
            return self.same(given, Constant(compared[1]))
        return has_flag(given, tested[1], self.env.literal) if tested is not None else None

    def stored_truth(self, text: str, state: State) -> bool | None:
        """What the values of this path say of a condition: ``x.y``, ``(x.y == B)`` or ``(x.y & B)``."""
        compared, tested = equality(text), flag_test(text)
        path = compared[0] if compared is not None else tested[0] if tested is not None else text
        stored = self.path_value(path, state)
        if not isinstance(stored, Constant):
            return None
        if compared is not None:
            return self.same(stored, Constant(compared[1]))
        return has_flag(stored, tested[1], self.env.literal) if tested is not None else self.truth(stored)

    def twin(self, text: str, state: State) -> bool | None:
        """What was decided of the same member under another name of its object.

        A lock that is chosen by ``chip->can_sleep`` is not held where ``fwd->chip.can_sleep`` chooses a sleep: one
        function that asks the same member of the same type twice means the same object.
        """
        path, rest = (text[1:].partition(" ")[::2]) if text[0] == "(" else (text, "")
        base, _, member = path.rpartition(".")
        if not base or not member.isidentifier() or (rest and not _with_constant(rest)):
            return None
        lead, end = ("(", f".{member} {rest}") if rest else ("", f".{member}")
        kind = self.type_of_path(base)[0]
        for asked, truth in state.conds.items():
            if asked.endswith(end) and asked != text and kind and asked.startswith(lead):
                other = asked[len(lead) : -len(end)]
                if other[:1] not in _NO_PATH and self.type_of_path(other)[0] == kind:
                    return truth
        return None

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


def _with_constant(comparison: str) -> bool:
    """Whether the right side of a comparison, "< 5)" or "& FLAG)", means the same everywhere."""
    right = comparison.partition(" ")[2].removesuffix(")")
    return is_constant(right) or number_of(right) is not None


#: How texts of conditions begin that are about no path.
_NO_PATH = frozenset(("", *"(!@#?"))


def _address(arg: Expr) -> Expr | None:
    """The variable or member whose address an argument is."""
    known = isinstance(arg, Unary) and arg.op == "&" and isinstance(arg.operand, (Name, Member))
    return arg.operand if known and isinstance(arg, Unary) else None
