"""Conditions: what a state knows of one, and what its outcome teaches."""

from __future__ import annotations

from gfplint.analysis.expressions import Expressions
from gfplint.analysis.paths import text_of
from gfplint.analysis.run import Asked
from gfplint.analysis.state import State
from gfplint.analysis.summary import Hold
from gfplint.analysis.texts import comparison, is_zero, ordered
from gfplint.analysis.values import (
    ONE,
    ZERO,
    Constant,
    MaskValue,
    Memory,
    Pending,
    Symbol,
    Value,
    blocking,
    with_family,
)
from gfplint.facts import Binary, Call, Expr
from gfplint.kernel.model import Query


class Conditions(Expressions):
    """The layer of conditions."""

    def leaf(self, test: Expr, state: State) -> list[tuple[bool, State]]:
        """Decide one atomic condition in one state: what it is known to be, or both with what each tells."""
        known_of = self.tests.get(id(test))
        if known_of is None:
            known_of = self.tests[id(test)] = self.asked(test)
        asked, of_zero = known_of
        value = self.eval(asked.subject, state)
        right = None
        if asked.other is not None:
            right = self.eval(asked.other, state)
            if is_zero(asked.other, right):
                asked = of_zero
        known = self.known(asked, value, right, state)
        if known is not None:
            return [(known == asked.equal, state)]
        if isinstance(value, Pending) and asked.other is None:
            taken, failed = self.decide(value, state)
            out = []
            for branch, truth in ((taken, True), (failed, False)):
                if branch is not None:
                    if asked.path:
                        branch.env[asked.path] = ONE if truth else ZERO
                    out.append((truth == asked.equal, branch))
            return out
        one, two = state.copy(), state
        self.learn(asked, value, right, one, truth=True)
        self.learn(asked, value, right, two, truth=False)
        return [(asked.equal, one), (not asked.equal, two)]

    def asked(self, test: Expr) -> tuple[Asked, Asked]:
        """What a condition asks: as it is written, and where what it compares with turns out to be zero."""
        equal, subject, other = comparison(test)
        alone = text_of(subject)
        opposite = ordered(subject)
        path, query = self.access(subject), self.query_of(subject)
        truth = Asked(subject, None, opposite or alone, equal is not bool(opposite), path, query)
        if other is None:
            return truth, truth
        of_zero = truth._replace(equal=not truth.equal)
        return Asked(subject, other, f"({alone} == {text_of(other)})", equal, path, query), of_zero

    def known(self, asked: Asked, value: Value, right: Value, state: State) -> bool | None:
        """Whether what is asked is so in this state; None where unknown. ``right``: the other side's value."""
        recorded = state.conds.get(asked.text) if asked.text else None
        if recorded is not None:
            return recorded
        if asked.other is None:
            subject = asked.subject
            if isinstance(value, Constant):
                return self.truth(value)
            if isinstance(value, Memory) and value.nofail:
                return True
            if asked.query is not None:
                return self.query_known(asked.query, subject, state)
            if isinstance(subject, Binary) and subject.op == "&":
                return self.mask_test(subject, state)
            return None
        if isinstance(value, MaskValue) and isinstance(right, MaskValue) and not value.base and not right.base:
            return value.plus == right.plus
        if isinstance(value, Constant) and isinstance(right, Constant):
            return self.same(value, right)
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

    def learn(self, asked: Asked, value: Value, right: Value, state: State, *, truth: bool) -> None:
        """Record what a decided condition tells."""
        subject, text, path = asked.subject, asked.text, asked.path
        if asked.other is not None:
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
        if asked.query is not None:
            self.learn_query(asked.query, subject, state, truth)
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
                        state.env[path] = with_family(memory, picked[0])
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
