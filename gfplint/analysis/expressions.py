"""Transfer functions of expressions: the value of each, with what its calls and assignments do to the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gfplint.analysis.callees import Callees
from gfplint.analysis.environment import NOWHERE, REST, variadic
from gfplint.analysis.inert import inert
from gfplint.analysis.paths import children, path_of, text_of
from gfplint.analysis.state import State
from gfplint.analysis.texts import called_expr, decision, with_bits
from gfplint.analysis.values import ONE, ZERO, Constant, MaskValue, Memory, Outer, Ref, Value, offset_into, with_family
from gfplint.facts import (
    Assign,
    Binary,
    Call,
    Cast,
    Conditional,
    Expr,
    Index,
    Initializer,
    Member,
    Name,
    Number,
    Opaque,
    SizeOf,
    StatementExpr,
    String,
    Unary,
)
from gfplint.kernel.model import Query


class Expressions(Callees):
    """The layer of expressions."""

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
        decided = state.conds.get(decision(expr))
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

    def unary(self, expr: Unary, state: State) -> Value:
        value = self.eval(expr.operand, state)
        if expr.op in ("++", "--", "p++", "p--"):
            path = self.access(expr.operand)
            if isinstance(value, Memory):
                state.env[path] = offset_into(value)
            else:
                self.assign_to(path, None, state)
                if path and expr.op in ("++", "p++"):
                    state.conds[path] = True  # a counter that was raised is not zero
            return None
        if expr.op == "&":
            path = self.access(expr.operand)
            return Ref(state.resolve(path), address=True) if path and not isinstance(value, Memory) else None
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
        if op == "|" and isinstance(left, Constant):
            return with_bits(left, right)
        if op == "|" and isinstance(right, Constant):
            return with_bits(right, left)
        if op in ("+", "-") and isinstance(left, Memory):
            return left if isinstance(right, Constant) and right.truth is False else offset_into(left)
        if op == ",":
            return right
        return None

    def assign(self, expr: Assign, state: State) -> Value:
        self.wanted = id(called_expr(expr.value))
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
            return offset_into(current)
        if op == "|=" and isinstance(current, Constant):
            return with_bits(current, value)
        return None

    def call(self, expr: Call, state: State) -> Value:
        key = id(expr)
        if key not in self.inert_calls:
            self.inert_calls[key] = inert(expr, self.is_inert)
        gets = self.inert_calls[key]
        if gets is None or self.begins_scopes or (self.wanted == key and self.names_container(expr)):
            return self.followed(expr, state)
        for arg in gets.lent:
            self.lend(arg, state, by=expr)
        for name in gets.names:
            state.env.pop(name + REST, None)
        for arg in gets.lent:
            self.passed_by_reference(self.access(arg), state)
        return None

    def names_container(self, expr: Call) -> bool:
        """Whether what a call returns may be the object around its argument."""
        return type(expr.func) is Name and len(expr.args) == 1 and self.env.container(expr.func.name) != ""

    def is_inert(self, name: str) -> bool:
        """Whether a call of a name does nothing that this run is about."""
        return self.env.inert(name) and not (self.depth >= 0 and self.env.may_change_context(name))

    def followed(self, expr: Call, state: State) -> Value:
        """A call, with what it does to the state."""
        expr = self.with_variadic(expr)
        deferred = self.defers(expr, state)
        self.deferred += deferred
        values = [self.eval(a, state) for a in expr.args]
        self.deferred -= deferred
        lent: dict[str, Memory] = {}
        for arg in expr.args:
            if isinstance(arg, Unary) and arg.op == "&":
                known = self.lend(arg, state, by=expr)
                if known is not None and isinstance(arg.operand, Name):
                    lent[arg.operand.name] = known
        self.lent = lent
        if self.begins_scopes:
            self.note_scoped(expr, state)
        if type(expr.func) is Name and expr.func.name in self.env.linear:
            self.note_linear(expr, expr.func.name, values, state)
        result = self.dispatch(expr, values, state)
        for arg in expr.args:
            if isinstance(arg, Unary) and arg.op == "&" and isinstance(arg.operand, (Name, Member)):
                self.passed_by_reference(self.access(arg), state)
            elif type(arg) is Name and arg.name + REST in state.env:
                del state.env[arg.name + REST]
        return result

    def lend(self, arg: Unary, state: State, by: Call) -> Memory | None:
        """A call gets the address of what may be a variable: the memory that the variable held until then."""
        if not isinstance(arg.operand, Name):
            return None
        name = arg.operand.name
        if not self.allocates_into(by):
            self.local_memory.setdefault(name, {})[None] = None
            self.origins.setdefault(name, {})[()] = None
        known = state.env.get(name)
        if isinstance(known, (Memory, MaskValue)):
            state.forget(name)
        return known if isinstance(known, Memory) else None

    def defers(self, expr: Call, state: State) -> bool:
        """Whether calls among the arguments of a macro may run where it drops a lock (``wait_event_cmd()``)."""
        if type(expr.func) is not Name or not any(type(a) is Call for a in expr.args):
            return False
        return any(h.kind in self.atomic for h in state.held) and self.env.drops(expr.func.name)

    def with_variadic(self, expr: Call) -> Call:
        """The call with the arguments that a macro's ``__VA_ARGS__`` stands for, each by a name of its own."""
        if not any(type(a) is Name and a.name + "+1" in self.types for a in expr.args):
            return expr
        args: list[Expr] = []
        for arg in expr.args:
            more = type(arg) is Name and arg.name + "+1" in self.types
            args += [Name(n) for n in variadic(arg.name)] if more and type(arg) is Name else [arg]
        return Call(expr.func, tuple(args), expr.place)

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
                if (resizer := kernel.resizers.get(name)) is not None:
                    self.resize(resizer, expr, values, state)
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
                return self.ask(query, expr, values, state) if expr.args else None
            if (sleeper := kernel.sleepers.get(name)) is not None:
                if sleeper.allocates:
                    self.call_function(name, expr, values, state)
                if sleeper.arg is None:
                    self.waits = True
                    self.note_slept(name, expr.place, state)
                return None
        self.note_passed(name, expr, values, state)
        result = self.call_function(name, expr, values, state)
        if result is None and self.wanted == id(expr) and len(expr.args) == 1:
            return self.around(expr.args[0], self.env.container(name), state)
        return result

    def ask(self, query: Query, expr: Call, values: list[Value], state: State) -> Value:
        """What a question, or a call that names something by another name, tells of its argument."""
        meaning, arg = query.true_means, expr.args[0]
        if meaning == "held":
            self.assert_held(arg, expr.place, query.name, state)
        if meaning in ("argument", "warning", "take"):
            return self.pass_on(query, expr, values[0], state)
        if meaning in ("address", "page", "split"):
            return self.page_of(meaning, arg, values[0], state)
        return self.around(arg, path_of(expr.args[-1]), state) if meaning == "container" else None

    def around(self, arg: Expr, member: str, state: State) -> Value:
        """The object that has what an argument names for its ``member``."""
        path = self.access(arg) if member else ""
        return Outer(state.resolve(path), member) if path else None

    def page_of(self, what: str, arg: Expr, value: Value, state: State) -> Value:
        """Pages by their address instead of their ``struct page``, and back; split ones have no order any more."""
        if not isinstance(value, Memory) or value.offset:
            return None
        if what == "split":
            state.env[self.access(arg)] = msgspec.structs.replace(value, order="")
            return None
        known = _PAGES[what].get(value.family)
        return with_family(value, known) if known is not None else None

    def pass_on(self, query: Query, expr: Call, value: Value, state: State) -> Value:
        """A call that hands on its argument; ``take``: and leaves NULL behind (``no_free_ptr``)."""
        path = path_of(expr.args[0])
        if query.true_means == "take" and path:
            state.assign(path, ZERO)
            return value
        return value


#: What families of pages become by page_address() and by virt_to_page().
_PAGES = {"address": {"page": "pages", "folio": "pages"}, "page": {"pages": "page"}}

_EVALUATE: dict[type, Callable[[Expressions, Any, State], Value]] = {
    Name: Expressions.e_name,
    Number: Expressions.e_number,
    Member: Expressions.e_member,
    Cast: Expressions.e_cast,
    Index: Expressions.e_index,
    Conditional: Expressions.e_conditional,
    StatementExpr: Expressions.e_statements,
    Initializer: Expressions.e_initializer,
    Opaque: Expressions.e_opaque,
    String: Expressions.e_nothing,
    SizeOf: Expressions.e_nothing,
    Call: Expressions.call,
    Assign: Expressions.assign,
    Unary: Expressions.unary,
    Binary: Expressions.binary,
}
