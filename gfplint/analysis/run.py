"""One run over one function: what it has found so far, and how paths, types, masks and stores are understood."""

from __future__ import annotations

import functools
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from gfplint.analysis.environment import MAX_GUARDS, REST, UNKNOWN, Environment
from gfplint.analysis.holders import (
    Holder,
    Type,
    conditions,
    elements_of,
    holders_of,
    object_of,
    parts_of,
    type_of_parts,
)
from gfplint.analysis.inert import Inert
from gfplint.analysis.paths import last_of, path_of, root_of, text_of
from gfplint.analysis.state import State
from gfplint.analysis.summary import (
    AllocSite,
    FreedParam,
    FreeSite,
    MemberStore,
    Report,
    ScopedCall,
    ScopeFault,
    Sleep,
)
from gfplint.analysis.syntax import called_members, called_names, indices, set_paths
from gfplint.analysis.texts import called_expr, condition_root, mentions_root, same_constant
from gfplint.analysis.values import (
    CACHES,
    ZERO,
    Constant,
    Cookie,
    MaskValue,
    Memory,
    Outer,
    Ref,
    Symbol,
    Value,
    blocking,
    constant,
    mask_of,
    number_of,
)
from gfplint.facts import (
    Binary,
    Body,
    Call,
    Cast,
    Expr,
    Index,
    Member,
    Name,
    Number,
    Place,
    Signature,
    Stmt,
    Unary,
)
from gfplint.findings import Step
from gfplint.kernel.model import Allocator, Query

#: Types of pointers that say nothing of what they lead to.
_BYTES = frozenset(("void", "char", "u8", "unsigned char"))
_SIZEOF = re.compile(r"sizeof\((?:struct )?(\w+)\)", re.ASCII)
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "<<": operator.lshift,
}
#: Operands on the right beyond which an operation is not done.
_SMALL = {"+": 1 << 40, "-": 1 << 40, "*": 1 << 40, "<<": 40}
#: A condition on an argument that gets another value later: what a caller is known to pass may refute it, no more.
ENTRY = "entry"
#: What a state knows of a lock that is an operation of an object, before the object's path: it is held.
OWN_LOCK = "@lock of "
#: What a state knows once the path has allocated what was not there: it happens the first time only.
MADE = "@made"
#: Macros that expand to one another on the way to a number.
MAX_MACROS = 4


class Asked(NamedTuple):
    """What an atomic condition asks: whether ``subject`` is true, or equals ``other``.

    ``text``: what a state knows the answer by; ``equal``: which answer makes the condition true; ``path``: the
    subject's; ``query``: what a call that it is asks.
    """

    subject: Expr
    other: Expr | None
    text: str
    equal: bool
    path: str
    query: Query | None


class Run(ABC):
    """Everything that a run over one function keeps; the layers above add what they do with it."""

    def __init__(self, name: str, path: str, signature: Signature, body: Body, env: Environment, depth: int) -> None:
        self.depth = depth
        self.name, self.path, self.signature, self.body, self.env = name, path, signature, body, env
        self.kernel = env.kernel
        self.params = tuple(p.name for p in signature.params)
        self.types: dict[str, tuple[str, int]] = {p.name: (p.type, p.pointers) for p in signature.params if p.name}
        self.reassigned: set[str] = set()
        self.seen_conditions: dict[str, int] = {}
        self.pending: dict[str, list[State]] = {}
        self.breaks: list[list[State]] = []
        self.continues: list[list[State]] = []
        self.walks: list[tuple[frozenset[str], Place]] = []
        self.switches: list[tuple[list[State], Expr]] = []
        self.cleanups: list[list[tuple[str, object]]] = []
        self.open_labels: list[frozenset[str]] = []
        self.break_depths: list[int] = []
        self.continue_depths: list[int] = []
        self.exits: list[tuple[State, Value, Place]] = []
        self.sleeps: dict[tuple[object, ...], Sleep] = {}
        self.reports: dict[tuple[object, ...], Report] = {}
        self.allocs: dict[Place, AllocSite] = {}
        self.positions: list[tuple[Sequence[Stmt], int]] = []
        self.needless: dict[Place, Step | None] = {}
        self.unbound: dict[Place, bool] = {}
        self.drops_callers = False
        self.waits = False
        self.frees: dict[tuple[object, ...], FreeSite] = {}
        self.stores: dict[tuple[object, ...], MemberStore] = {}
        self.scope_faults: dict[tuple[str, Cookie], ScopeFault] = {}
        #: Whether a scope was begun on some path, and the calls that are made inside scopes.
        self.begins_scopes = False
        self.scoped_calls: dict[Place, ScopedCall] = {}
        self.returned: dict[Memory, None] = {}
        self.freed_params: dict[FreedParam, None] = {}
        self.hoisted: dict[int, Value] = {}
        self.local_memory: dict[str, dict[Memory | None, None]] = {}
        self.origins: dict[str, dict[tuple[Holder, ...], None]] = {}
        self.written: set[str] = set()
        self.lent: dict[str, Memory] = {}
        self.returns_unknown = False
        self.linear_uses: dict[tuple[object, ...], FreeSite] = {}
        self.given: dict[int, dict[Memory | None, None]] = {}
        self.discarded: set[Place] = set()
        self.degraded: list[str] = list(body.errors)
        #: ``deferred``: macros whose arguments are being looked at that may run elsewhere than where they stand.
        self.steps = self.wanted = self.deferred = 0
        self._operations: set[str] | None = None
        self._set_here: set[str] | None = None
        self.atomic = env.atomic
        self.remember()

    def remember(self) -> None:
        """Begin what is found out once: of nodes by their identities, of types by paths."""
        self.paths: dict[int, str] = {}
        self.branching: dict[int, tuple[Expr, ...]] = {}
        self.loop_names: dict[int, set[str]] = {}
        self.inert_calls: dict[int, Inert | None] = {}
        self.noted: set[int] = set()
        self.tests: dict[int, tuple[Asked, Asked]] = {}
        self.asked_once: dict[int, list[str]] = {}
        #: Forgotten where a variable is declared.
        self.known_types: dict[str, Type] = {}
        self.known_holders: dict[tuple[str, int], tuple[Holder, ...]] = {}

    @abstractmethod
    def eval(self, expr: Expr, state: State) -> Value:
        """The value of an expression in a state, with what its calls and assignments do to the state."""

    @property
    def operations(self) -> set[str]:
        """The texts of the function pointers in members that are called here: walked for where somebody asks."""
        if self._operations is None:
            self._operations = set()
            called_members(self.body.stmts, self._operations)
        return self._operations

    @property
    def set_here(self) -> set[str]:
        """The texts of what is given a value other than zero here: walked for where somebody asks."""
        if self._set_here is None:
            self._set_here = set()
            set_paths(self.body.stmts, self._set_here)
        return self._set_here

    @functools.cached_property
    def kinds_by_type(self) -> dict[str, str]:
        """What kind of context a lock of a type is: asked for where somebody says that one is held."""
        return {v.type: k for k, v in self.kernel.kinds.items() if v.type}

    @functools.cached_property
    def ended(self) -> tuple[str, ...]:
        """The families whose pools the function ends: walked for where something is freed."""
        ends = {name: f.name for f in self.kernel.families.values() for name in f.ends}
        called = set[str]()
        if ends:
            called_names(self.body.stmts, called)
        return tuple(sorted({ends[name] for name in called & ends.keys()}))

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
        known = constant(name)
        if known is None and self.env.literal(name) is not None:
            return Constant(name)  # a number, however its name is written
        return known

    def truth(self, value: Constant) -> bool | None:
        """Whether a constant is non-zero, the macro that it may name included."""
        known = value.truth
        if known is None and (number := self.env.literal(value.text)) is not None:
            return number.truth
        return known

    def same(self, one: Constant, two: Constant) -> bool | None:
        """Whether two constants are equal, the macros that they may name included."""
        known = same_constant(one, two)
        if known is None or (not known and one.text != two.text):
            numbers = [self.env.literal(c.text) or c for c in (one, two)]
            if all(number_of(n.text) is not None for n in numbers):
                return same_constant(numbers[0], numbers[1])
        return known

    def path_value(self, path: str, state: State) -> Value:
        if not path:
            return None
        value = state.env.get(path)
        if value is not None:
            return None if value is UNKNOWN else value
        if "." in path and state.env.get(root_of(path) + REST) is ZERO:
            return ZERO
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

    def store(self, target: Expr, path: str, value: Value, state: State, place: Place, source: Expr | None) -> None:
        """Give a path a value; memory that goes where others find it is noted for the whole program."""
        if not path or (isinstance(value, Constant) and self.writes_into(target, path, state)):
            return
        if type(value) is Memory and state.conds.get(path) is False and self.outlives(path, state):
            state.conds[MADE] = True
        if isinstance(value, Constant):
            self.writes(target)
            state.assign(path, value)
            return
        kept = isinstance(target, (Member, Index)) or (isinstance(target, Name) and target.name not in self.types)
        if isinstance(target, Unary) and path in self.params:
            self.given.setdefault(self.params.index(path), {})[value if isinstance(value, Memory) else None] = None
        if value is None and source is not None:
            origin = self.access(source)
            if origin and origin != path and not mentions_root(origin, path) and "(" not in origin:
                known = state.conds.get(origin)
                state.assign(path, Ref(state.resolve(origin)))
                if known is not None:
                    state.conds[path] = known
                if kept:
                    self.store_member(target, None, state, place, source)
                else:
                    self.local_memory.setdefault(path, {})[None] = None
                    self.origins.setdefault(path, {})[self.holders(source, state)] = None
                return
        self.writes(target)
        self.assign_to(path, value, state)
        memory = value if isinstance(value, Memory) else None
        if memory is not None and self.is_zeroed(memory) and "." not in path:
            state.env[path + REST] = ZERO
        if isinstance(target, (Member, Index, Unary)):
            self.hand_over(value, state)
            if memory is not None and source is not None:  # others may fill its members from now on
                state.env.pop(self.access(source) + REST, None)
        if kept:
            self.store_member(target, memory, state, place, source)
        elif "." not in path:
            self.local_memory.setdefault(path, {})[memory] = None
            self.origins.setdefault(path, {})[()] = None
        self.store_object(path, memory, source, place)

    def writes_into(self, target: Expr, path: str, state: State) -> bool:
        """Whether an assignment leaves the pointer to some memory as it is: it writes what the pointer leads to."""
        return isinstance(target, Unary) and isinstance(state.env.get(path), Memory)

    def gifts(self) -> tuple[tuple[int, Memory], ...]:
        """The parameters that point to where the function puts memory of one family, with the memory."""
        found = []
        for number, values in self.given.items():
            memories = [m for m in values if m is not None and not m.offset]
            if len(memories) == len(values) and len({m.family for m in memories}) == 1:
                found.append((number, self.shared(memories[0])))
        return tuple(found)

    def assign_to(self, path: str, value: Value, state: State) -> None:
        """Give a path a value; a member of a cleared object that gets one which is not understood is zero no more."""
        state.assign(path, value)
        if value is None and "." in path and root_of(path) + REST in state.env:
            state.env[path] = UNKNOWN

    def is_zeroed(self, memory: Memory) -> bool:
        """Whether this function itself got the memory from an allocator that clears it."""
        row = self.kernel.allocators.get(memory.allocator)
        return row is not None and row.zeroes and memory.function == self.name and memory.path == self.path

    def writes(self, target: Expr) -> None:
        """What was asked of a member before it gets a value of its own does not hold afterwards."""
        if isinstance(target, Member):
            self.written.add(target.field)

    def store_member(
        self, target: Expr, memory: Memory | None, state: State, place: Place, source: Expr | None
    ) -> None:
        holders = self.holders(target, state)
        if not holders:
            return
        memory = self.shared(memory) if memory is not None else None
        origin = self.holders(source, state)[-1:] if memory is None and source is not None else ()
        when = conditions(state.resolve(self.access(target)), state.conds, state.env)
        key = (holders, memory, origin)
        known = self.stores.get(key)
        if known is not None and known.when != when:
            when = tuple(w for w in known.when if w in when)
        self.stores[key] = MemberStore(
            holders, memory, memory.place if memory else place, origin[0] if origin else ("", ""), when
        )

    def store_object(self, path: str, memory: Memory | None, source: Expr | None, place: Place) -> None:
        """Note of which family the objects of a struct are: by the pointer that takes one, or its size if that says
        nothing.
        """
        if memory is None:
            if source is None or id(source) in self.noted:
                return
            self.noted.add(id(source))
            call = called_expr(source)
            if isinstance(call, Call) and (holder := object_of(self.type_of_path(path), self.env)) is not None:
                name = call.func.name if isinstance(call.func, Name) else last_of(self.access(call.func))
                if self.env.may_be_fresh(name, holder[0]):
                    self.stores.setdefault((holder, None), MemberStore((holder,), None, place))
            return
        if memory.family == CACHES and path not in self.types:
            self.note_cache(memory, path, source)
        self.note_object(memory, self.type_of_path(path))

    def note_cache(self, memory: Memory, path: str, source: Expr | None) -> None:
        """Note the struct that a cache is made for: of its size, or named first (KMEM_CACHE, include/linux/slab.h)."""
        call = called_expr(source) if source is not None else None
        named = call.args[0] if isinstance(call, Call) and call.args and not memory.size else None
        kind = (named.name, 1) if isinstance(named, Name) else self.sized(memory)
        holder = object_of(kind, self.env)
        if holder is not None:
            known = msgspec.structs.replace(memory, cache=path)
            self.stores.setdefault((holder, known), MemberStore((holder,), known, memory.place))

    def note_object(self, memory: Memory, kind: Type) -> None:
        """Note that a pointer of some type gets memory."""
        if memory.offset or memory.family == CACHES:
            return
        memory = self.shared(memory)
        holder = object_of(self.sized(memory) if kind[0] in _BYTES else kind, self.env)
        if holder is not None:
            self.stores.setdefault((holder, memory), MemberStore((holder,), memory, memory.place))

    def sized(self, memory: Memory) -> Type:
        """A pointer to the struct of whose size memory is."""
        found = _SIZEOF.fullmatch(memory.size)
        return (found.group(1), 1) if found is not None and memory.path == self.path else ("", 0)

    def shared(self, memory: Memory) -> Memory:
        """Memory as others may know it: a cache that only this function has a name for is none to compare."""
        if root_of(memory.cache) in self.types:
            return msgspec.structs.replace(memory, cache="")
        return memory

    def holders(self, expr: Expr, state: State) -> tuple[Holder, ...]:
        """Where the pointer that an expression names lies, as others know it.

        An alias is looked through where that tells more: not from a struct's own type back to a ``void *``.
        """
        path = self.access(expr)
        resolved = state.resolve(path)
        own = self.holders_at(path, indices(expr))
        if not path or resolved == path:
            return own
        elements = elements_of(resolved) + indices(expr) - elements_of(path)
        alias = state.env.get(path)
        if type(alias) is Ref and alias.address and elements:
            elements -= 1  # what a pointer to the place leads to is the place itself
        found = self.holders_at(self.typed(resolved, state), elements)
        return own if own and own[-1:] != found[-1:] else found

    def holders_at(self, path: str, elements: int) -> tuple[Holder, ...]:
        """``holders_of``, found out once."""
        known = self.known_holders.get((path, elements))
        if known is None:
            known = self.known_holders[path, elements] = holders_of(path, elements, self.types, self.env)
        return known

    def typed(self, path: str, state: State) -> str:
        """A path by an alias that has a struct's type, where its root is a ``void *``."""
        root = root_of(path)
        if self.types.get(root, ("", 0))[0] in _BYTES:
            for name, value in state.env.items():
                if type(value) is Ref and value.path == root and self.types.get(name, ("void", 0))[0] not in _BYTES:
                    return name + path[len(root) :]
        return path

    def hand_over(self, value: Value, state: State) -> None:
        """A cookie that is stored or returned is somebody else's to restore."""
        if isinstance(value, Cookie):
            state.scopes = tuple(c for c in state.scopes if c != value)

    def type_of_path(self, path: str) -> Type:
        known = self.known_types.get(path)
        if known is None:
            parts = parts_of(path)
            found = type_of_parts(parts, self.types, self.env)
            known = self.known_types[path] = found[-1] if len(found) == len(parts) else ("", 0)
        return known

    def declared(self, name: str, kind: Type) -> None:
        """A variable is of a type from here on."""
        if self.types.get(name) != kind:
            self.types[name] = kind
            self.known_types.clear()
            self.known_holders.clear()

    def argument_path(self, expr: Call, number: int | None, state: State) -> str:
        if number is None or number >= len(expr.args):
            return ""
        return state.resolve(path_of(expr.args[number]))

    def measure(self, expr: Expr, state: State) -> str:
        """A size or an order: a number where it can be told, else its text."""
        number = self.number(expr, state, MAX_MACROS)
        return str(number) if number is not None else text_of(expr)

    def number(self, expr: Expr | None, state: State, depth: int) -> int | None:
        if isinstance(expr, Number):
            return number_of(expr.text)
        if isinstance(expr, Cast):
            return self.number(expr.value, state, depth)
        if isinstance(expr, Name):
            value = state.env.get(expr.name)
            if isinstance(value, Constant):
                return number_of(value.text)
            if depth and expr.name not in self.types:
                return self.number(self.env.number_macro(expr.name), state, depth - 1)
        if isinstance(expr, Binary) and expr.op in _ARITHMETIC:
            left, right = self.number(expr.left, state, depth), self.number(expr.right, state, depth)
            if left is not None and right is not None and 0 <= right < _SMALL[expr.op]:
                return _ARITHMETIC[expr.op](left, right)
        return None

    def step(self, place: Place, message: str) -> Step:
        return Step(self.path, place.line, place.column, self.name, message)

    def means(self, name: str, meaning: str) -> bool:
        row = self.kernel.queries.get(name)
        return row is not None and row.true_means == meaning and not self.env.shadowed(name)

    def query_of(self, expr: Expr) -> Query | None:
        if not isinstance(expr, Call) or not isinstance(expr.func, Name):
            return None
        name = expr.func.name
        known = self.kernel.queries.get(name) if not self.env.shadowed(name) else None
        return known or self.env.query(name)

    def known_blocking(self, mask: MaskValue, state: State) -> bool | None:
        blocks = blocking(mask)
        if blocks is None:
            return state.conds.get("blocking:" + mask.base)
        return blocks

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

    def guards(self, state: State) -> tuple[tuple[str, str, bool], ...]:
        """Conditions on what the caller passed that hold on this path."""
        found = []
        for text, truth in state.conds.items():
            if text.startswith("blocking:"):
                found.append(("blocking", text[len("blocking:") :], truth))
            if text.startswith(("blocking:", "@", "#", "?", "IS_ERR")):
                continue
            root = condition_root(text)
            if root in self.types and root not in self.params:
                text = self.seen_through(text, state)  # noqa: PLW2901 - the same condition, as the caller may know it
                root = condition_root(text)
            if not self.passed_still(root, state) or (root in self.types and root not in self.params):
                continue
            found.append((ENTRY if root in self.reassigned else "cond", text, truth))
        for name in self.params:
            value = state.env.get(name)
            if isinstance(value, Constant) and value.truth is not None and self.passed_still(name, state):
                found.append((ENTRY if name in self.reassigned else "cond", name, value.truth))
        found.sort(
            key=lambda guard: (guard[0] == ENTRY, "." in guard[1])
        )  # what a caller passes as a plain value decides most
        return tuple(found[:MAX_GUARDS])

    def seen_through(self, text: str, state: State) -> str:
        """A condition on what a local variable leads to as one on what that is another name for."""
        value = state.env.get(condition_root(text))
        if type(value) is not Ref and type(value) is not Outer:
            return text
        lead = len(text) - len(text.lstrip("(!"))
        end = text.find(" ", lead)
        path = text[lead : end if end >= 0 else len(text)]
        return text[:lead] + state.resolve(path) + text[lead + len(path) :]

    def passed_still(self, name: str, state: State) -> bool:
        """Whether a name means on this path what it meant when the function was called."""
        return name not in self.reassigned or (name in self.params and name not in state.changed)

    def outlives(self, path: str, state: State) -> bool:
        """Whether what a path names is there when the function has returned: not what a local variable holds, nor what
        the function has just got from an allocator.
        """
        root = root_of(path)
        if root in self.params:
            return path != root
        known = self.types.get(root)
        return known is None or (path != root and known[1] > 0 and not isinstance(state.env.get(root), Memory))

    def outer(self, lock: str) -> str:
        """A lock's path as the caller may know it; "" where it starts at a local variable."""
        root = root_of(lock)
        return lock if root in self.params or (root and root not in self.types) else ""
