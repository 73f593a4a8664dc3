"""The interpreter: runs C functions from pycparser's tree on a machine, along one path.

Names are looked up in the program, then in the library of restated kernel functions, then among the machine's own
operations
(``intrinsics``), then in the kernel tables. A function that none of them knows returns an unknown value and does
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pycparser import c_ast

from gfplint.simulator.events import SurvivedError
from gfplint.simulator.forms import SPECIAL
from gfplint.simulator.operators import character, operate
from gfplint.simulator.paths import LOOP_ROUNDS, BudgetError, Path
from gfplint.simulator.program import CType, Program, ProgramError, number
from gfplint.simulator.statements import compound, execute, settle
from gfplint.simulator.static_types import sizeof
from gfplint.simulator.values import (
    FIRST_PAGE,
    MAX_ERRNO,
    WRAP,
    Func,
    GivenMask,
    Obj,
    Ptr,
    Sym,
    Text,
    Value,
    identity,
)

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

#: C calls nest no deeper than this.
MAX_DEPTH = 64

#: Macros of this name evaluate their second argument again and again (include/linux/wait.h).
WAIT_EVENT = "wait_event"


class Frame:
    """One call: its locals, where it is, and the cleanups that it owes."""

    __slots__ = ("cleanups", "function", "given", "line", "locals", "program", "statics", "types", "value")

    def __init__(self, function: str, program: Program) -> None:
        self.function = function
        self.program = program
        self.locals = Obj(function)
        self.types: dict[str, CType] = {}
        self.statics: dict[str, Obj] = {}
        self.cleanups: list[tuple[str, Any, list[Value], int]] = []
        self.line = 0
        self.given = 0
        self.value: Value = 0


class Interpreter:
    """Runs one path. ``programs``: the user's program first, then the library."""

    def __init__(self, programs: tuple[Program, ...], machine: Machine, path: Path) -> None:
        self.programs = programs
        self.machine = machine
        self.path = path
        self.globals = Obj("globals")
        self.frames: list[Frame] = []
        self.objects: dict[Any, Obj] = {}
        self.calls = 0
        self.named: list[Any] = []  # the arguments of the call that is made, as they are written
        self.last_return = 0
        self.machine.attach(self)
        self._expressions: dict[type, Callable[[Any], Value]] = {
            c_ast.ID: self._id,
            c_ast.Constant: self._constant,
            c_ast.BinaryOp: self._binary,
            c_ast.UnaryOp: self._unary,
            c_ast.Assignment: self._assign,
            c_ast.FuncCall: self._call,
            c_ast.StructRef: self._read,
            c_ast.ArrayRef: self._read,
            c_ast.Cast: self._cast,
            c_ast.TernaryOp: self._ternary,
            c_ast.ExprList: self._list,
            c_ast.Compound: self._statement_expr,
            c_ast.CompoundLiteral: self._literal,
            c_ast.InitList: self._init_value,
            c_ast.Typename: lambda node: 0,
        }

    # -- calls

    def run(self, name: str, args: list[Value]) -> Value:
        """Call a function of the programs by name."""
        for program in self.programs:
            if name in program.functions:
                return self.enter(program, name, args)
        raise ProgramError(f"no function {name!r}")

    def enter(self, program: Program, name: str, args: list[Value]) -> Value:
        """Run a C function's body with these arguments."""
        if len(self.frames) >= MAX_DEPTH:
            raise BudgetError(f"calls nest deeper than {MAX_DEPTH}")
        node = program.functions[name]
        frame = Frame(name, program)
        params = node.decl.type.args.params if node.decl.type.args else []
        for n, param in enumerate(params):
            if isinstance(param, c_ast.Decl) and param.name:
                value = args[n] if n < len(args) else self.unknown_argument(program, name, param)
                frame.types[param.name] = program.type_of(param.type)
                frame.locals.fields[param.name] = value
        frame.line = node.coord.line if node.coord else 0
        frame.given = len(args)
        self.frames.append(frame)
        try:
            signal = compound(self, node.body, None)
            if isinstance(signal, tuple):
                raise ProgramError(f"no label {signal[1]!r} in {name}()")
            return frame.value
        finally:
            self.frames.pop()

    def unknown_argument(self, program: Program, name: str, param: Any) -> Value:
        """The argument that nobody gave: an unknown, or for a mask a choice of masks."""
        ctype = program.type_of(param.type)
        if ctype.name == "gfp_t":
            return self.machine.unknown_mask(f"{param.name}")
        return Sym(("param", param.name, name))

    def call_value(self, target: Value, args: list[Value]) -> Value:
        """Call through a function pointer."""
        target = self.resolve(target)
        if isinstance(target, Func):
            return self.call_name(target.name, args)
        if isinstance(target, int) and target < FIRST_PAGE:
            self.machine.oops("null-deref", "call through a NULL pointer")
        return self.unknown_call(str(identity(target)), args)

    def call_name(self, name: str, args: list[Value]) -> Value:
        """Call by name with evaluated arguments."""
        for program in self.programs:
            if name in program.functions:
                return self.enter(program, name, args)
        self.machine.takes_address(name, args)
        operation = self.machine.operation(name)
        if operation is not None:
            try:
                result = operation(args)
            except SurvivedError:
                return 0
            except IndexError:
                raise ProgramError(f"line {self.line()}: {name}() needs more arguments") from None
            return 0 if result is None else result
        return self.unknown_call(name, args)

    def line(self) -> int:
        """Where the program itself is."""
        own = [frame.line for frame in self.frames if frame.program is self.programs[0]]
        return own[-1] if own else 0

    def unknown_call(self, name: str, args: list[Value]) -> Value:
        """A call of which nothing is known: what it gets it may keep."""
        self.calls += 1
        for arg in args:
            self._escape(arg)
            if isinstance(arg, Ptr) and isinstance(arg.key, str) and not isinstance(arg.obj.fields.get(arg.key), Obj):
                arg.obj.fields[arg.key] = Sym(("call", name, self.calls, arg.key))
        return Sym(("call", name, self.calls))

    @staticmethod
    def _escape(arg: Value) -> None:
        """Unknown code got a pointer: it may keep or free the memory."""
        if isinstance(arg, Ptr) and isinstance(arg.key, str):
            inner = arg.obj.fields.get(arg.key)
            if isinstance(inner, Ptr) and inner.obj.memory is not None:
                inner.obj.memory.escaped = True
            return
        obj = arg.obj if isinstance(arg, Ptr) else arg if isinstance(arg, Obj) else None
        while obj is not None:
            if obj.memory is not None:
                obj.memory.escaped = True
            for inner in obj.fields.values():
                if isinstance(inner, Ptr) and inner.obj.memory is not None:
                    inner.obj.memory.escaped = True
            obj = obj.parent

    # -- declarations

    def declare(self, node: Any) -> None:
        """A variable begins to exist."""
        if node.name is None or isinstance(node.type, c_ast.FuncDecl):
            return
        frame = self.frames[-1]
        ctype = frame.program.type_of(node.type)
        frame.types[node.name] = ctype
        if "static" in (node.storage or ()):
            home = self.globals.embed(f"{frame.function}.{node.name}")
            if "value" not in home.fields:
                home.fields["value"] = self._initial(node, ctype, zero=True)
            frame.statics[node.name] = home
            return
        frame.locals.fields[node.name] = self._initial(node, ctype, zero=False)

    def _initial(self, node: Any, ctype: CType, zero: bool) -> Value:
        """The value of a variable that is being declared."""
        if ctype.kind in ("struct", "array"):
            obj = Obj(
                node.name,
                None if zero or node.init is not None else ("local", node.name, len(self.frames), self.calls),
                True,
                ctype.kind == "array",
            )
            if node.init is None:
                obj.zero = zero
            elif isinstance(node.init, c_ast.InitList):
                self._fill(obj, node.init)
            else:
                value = self.evaluate(node.init)
                if isinstance(value, Obj):
                    obj.fields = dict(value.fields)
                    obj.sym, obj.zero = value.sym, value.zero
                elif isinstance(value, Ptr):
                    obj = value.obj
                elif isinstance(value, Text):
                    obj.fields = {n: ord(ch) for n, ch in enumerate(value.text)}
                else:
                    obj.sym = ("value", identity(value))
            return obj
        if node.init is None:
            return 0 if zero else Sym(("uninitialised", node.name, len(self.frames), self.calls))
        return self.convert(self.evaluate(node.init), ctype)

    def _fill(self, obj: Obj, init: Any) -> None:
        """Write an initialiser list into a struct or array."""
        position = 0
        for item in init.exprs or []:
            target, key, node = obj, position, item
            if isinstance(item, c_ast.NamedInitializer):
                node = item.expr
                key = self._designated(item.name[0])
                position = key if isinstance(key, int) else position
                for deeper in item.name[1:]:
                    target, key = target.embed(key), self._designated(deeper)
            if isinstance(node, c_ast.InitList):
                self._fill(target.embed(key), node)
            else:
                target.fields[key] = self.evaluate(node)
            position += 1

    def _designated(self, node: Any) -> Any:
        """The member or index that a designator names."""
        return node.name if isinstance(node, c_ast.ID) else self.evaluate(node.expr)

    # -- expressions

    def evaluate(self, node: Any) -> Value:
        """The value of an expression."""
        self.path.step()
        handler = self._expressions.get(type(node))
        if handler is None:
            raise ProgramError(f"line {node.coord.line if node.coord else 0}: {type(node).__name__} is not supported")
        return handler(node)

    def condition(self, node: Any) -> bool:
        """Whether an expression holds; asks the path where it is unknown."""
        if isinstance(node, c_ast.BinaryOp):
            if node.op == "&&":
                return self.condition(node.left) and self.condition(node.right)
            if node.op == "||":
                return self.condition(node.left) or self.condition(node.right)
        if isinstance(node, c_ast.UnaryOp) and node.op == "!":
            return not self.condition(node.expr)
        return self.truth(self.evaluate(node))

    def truth(self, value: Value) -> bool:
        """Whether a value is nonzero."""
        if isinstance(value, int):
            if isinstance(value, GivenMask):
                self.path.mask_tested = True
            return value != 0
        if isinstance(value, Sym):
            return self.path.truth(value)
        return True

    def resolve(self, value: Value) -> Value:
        """The number an unknown is bound to on this path, else the value itself."""
        if isinstance(value, Sym):
            known = self.path.known(value.key)
            if known is not None:
                return known
        return value

    def _id(self, node: Any) -> Value:
        return self.decay(self.variable(node.name))

    def variable(self, name: str) -> Value:
        if self.frames:
            fields = self.frames[-1].locals.fields
            if name in fields:
                return self.resolve(fields[name])
            if name in self.frames[-1].statics:
                return self.resolve(self.frames[-1].statics[name].fields["value"])
        home = self.global_home(name)
        if home is not None:
            return self.resolve(home.fields[name])
        for program in self.programs:
            if name in program.functions:
                return Func(name)
            if name in program.enums:
                return program.enums[name]
        constant = self.machine.constant(name)
        if constant is not None:
            return constant
        if self.machine.operation(name) is not None:
            return Func(name)
        return Sym(("name", name))

    def global_home(self, name: str) -> Obj | None:
        """The object that holds a global variable, initialised when first used."""
        if name in self.globals.fields:
            return self.globals
        for program in self.programs:
            if name in program.variables:
                node = program.variables[name]
                frame = Frame("", program)
                self.frames.append(frame)
                try:
                    ctype = program.type_of(node.type)
                    self.globals.fields[name] = 0
                    own = program is self.programs[0] and not self.machine.setup.zero_globals
                    if own and node.init is None and ctype.kind not in ("struct", "array"):
                        self.globals.fields[name] = Sym(("name", name))
                    else:
                        self.globals.fields[name] = self._initial(node, ctype, zero=not own or node.init is not None)
                    self.machine.place_global(name, self.globals)
                finally:
                    self.frames.pop()
                return self.globals
        return None

    @staticmethod
    def decay(value: Value) -> Value:
        """An array used as a value is a pointer to its first element."""
        return Ptr(value) if isinstance(value, Obj) and value.array else value

    def _constant(self, node: Any) -> Value:
        if node.type == "string":
            return Text(node.value.strip('"'))
        if node.type == "char":
            return character(node.value)
        return number(node.value)

    def lvalue(self, node: Any) -> tuple[Obj, Any] | None:
        """Where an expression is stored; None where that is unknown."""
        if isinstance(node, c_ast.ID):
            fields = self.frames[-1].locals.fields
            if node.name in fields:
                return self.frames[-1].locals, node.name
            if node.name in self.frames[-1].statics:
                return self.frames[-1].statics[node.name], "value"
            home = self.global_home(node.name)
            if home is None:
                home = self.globals
                home.fields.setdefault(node.name, Sym(("name", node.name)))
            return home, node.name
        if isinstance(node, c_ast.StructRef):
            base = self._object(node.name, node.type == "->")
            return None if base is None else (base, node.field.name)
        if isinstance(node, c_ast.ArrayRef):
            return self._element(node)
        if isinstance(node, c_ast.UnaryOp) and node.op == "*":
            pointer = self.evaluate(node.expr)
            return self.target(pointer)
        if isinstance(node, c_ast.Cast):
            return self.lvalue(node.expr)
        return None

    def _element(self, node: Any) -> tuple[Obj, Any] | None:
        base, index = self.evaluate(node.name), self.evaluate(node.subscript)
        place = self.target(base)
        if place is None:
            return None
        obj, key = place
        if isinstance(index, int) and isinstance(key, int):
            return obj, key + index
        return obj, ("at", identity(index), key) if not isinstance(index, int) else index

    def _object(self, node: Any, arrow: bool) -> Obj | None:
        """The struct that ``x.f`` or ``x->f`` reads or writes."""
        if not arrow:
            place = self.lvalue(node)
            if place is None:
                value = self.evaluate(node)
                return value if isinstance(value, Obj) else None
            inner = place[0].fields.get(place[1])
            if isinstance(inner, int | Sym) and isinstance(node, c_ast.ID):
                place[0].fields.pop(place[1])
            return place[0].embed(place[1])
        pointer = self.evaluate(node)
        if isinstance(pointer, Obj):
            return pointer
        place = self.target(pointer)
        if place is None:
            return None
        obj, key = place
        if isinstance(pointer, Ptr) and pointer.key is None:
            return obj
        return obj.embed(key)

    def target(self, pointer: Value) -> tuple[Obj, Any] | None:
        """What a pointer points to; a NULL or error pointer is an oops."""
        pointer = self.resolve(pointer)
        if isinstance(pointer, Ptr):
            self.machine.touch(pointer)
            return pointer.obj, 0 if pointer.key is None else pointer.key
        if isinstance(pointer, Obj):
            return pointer, 0
        if isinstance(pointer, Sym):
            obj = self.objects.get(pointer.key)
            if obj is None:
                obj = self.objects[pointer.key] = Obj("", ("field", pointer.key))
            return obj, 0
        if isinstance(pointer, int) and (pointer < FIRST_PAGE or pointer % WRAP >= WRAP - MAX_ERRNO):
            what = "NULL" if pointer < FIRST_PAGE else "an error pointer"
            self.machine.oops("null-deref", f"{what} is dereferenced")
        return None

    def load(self, place: tuple[Obj, Any]) -> Value:
        """Read a place; what was never written is unknown (0 in zeroed memory)."""
        obj, key = place
        fields = obj.fields
        if key in fields:
            return self.resolve(fields[key])
        if obj.zero:
            return 0
        base = obj.sym if obj.sym is not None else ("object", id(obj))
        kind = "field" if isinstance(key, str) else "index"
        inner = base[1] if len(base) == 2 and base[0] == "field" else base
        return self.resolve(Sym((kind, inner, key)))

    def store(self, place: tuple[Obj, Any] | None, value: Value) -> None:
        """Write a place."""
        if place is None:
            return
        obj, key = place
        if isinstance(value, Obj):
            copy = Obj(value.name, value.sym, value.zero, value.array)
            copy.fields = dict(value.fields)
            copy.parent = obj
            value = copy
        obj.fields[key] = value

    def _read(self, node: Any) -> Value:
        place = self.lvalue(node)
        if place is None:
            return Sym(("read", id(node), self.calls))
        return self.decay(self.load(place))

    def _assign(self, node: Any) -> Value:
        value = self.evaluate(node.rvalue)
        place = self.lvalue(node.lvalue)
        if node.op != "=":
            old = self.load(place) if place is not None else Sym(("read", id(node)))
            value = operate(self, node.op[:-1], old, value)
        elif isinstance(node.lvalue, c_ast.ID):
            ctype = self.frames[-1].types.get(node.lvalue.name)
            if ctype is not None:
                value = self.convert(value, ctype)
        self.store(place, value)
        return value

    def convert(self, value: Value, ctype: CType) -> Value:
        """A value as stored in a variable of this type."""
        if isinstance(value, int) and ctype.kind == "int" and ctype.size < 8 and not isinstance(value, GivenMask):
            value &= (1 << (8 * ctype.size)) - 1
            if ctype.name == "_Bool":
                return int(value != 0)
            if ctype.signed and value >> (8 * ctype.size - 1):
                value -= 1 << (8 * ctype.size)
        return value

    def _cast(self, node: Any) -> Value:
        ctype = self.frames[-1].program.type_of(node.to_type)
        value = self.evaluate(node.expr)
        if isinstance(value, Ptr) and ctype.kind == "int" and ctype.size < 8:
            return self.machine.address(value) & ((1 << (8 * ctype.size)) - 1)
        return self.convert(value, ctype)

    def _ternary(self, node: Any) -> Value:
        if isinstance(node.iftrue, c_ast.ID) and node.iftrue.name == "__elvis":
            value = self.evaluate(node.cond)
            return value if self.truth(value) else self.evaluate(node.iffalse)
        return self.evaluate(node.iftrue if self.condition(node.cond) else node.iffalse)

    def _list(self, node: Any) -> Value:
        value: Value = 0
        for expr in node.exprs:
            value = self.evaluate(expr)
        return value

    def _statement_expr(self, node: Any) -> Value:
        frame = self.frames[-1]
        owed = len(frame.cleanups)
        value: Value = 0
        for item in node.block_items or []:
            if type(item) in self._expressions and not isinstance(item, c_ast.Compound):
                value = self.evaluate(item)
            elif execute(self, item) is not None:
                break
        settle(self, frame, owed)
        return value

    def _literal(self, node: Any) -> Value:
        ctype = self.frames[-1].program.type_of(node.type)
        if ctype.kind == "int" and node.init.exprs:
            return self.evaluate(node.init.exprs[0])
        obj = Obj("literal", zero=True, array=ctype.kind == "array")
        self._fill(obj, node.init)
        return obj

    def _init_value(self, node: Any) -> Value:
        obj = Obj("initialiser", zero=True)
        self._fill(obj, node)
        return obj

    def _unary(self, node: Any) -> Value:
        op = node.op
        if op == "&":
            return self._address(node.expr)
        if op == "*":
            value = self.evaluate(node.expr)
            if isinstance(value, (Func, Text)):
                return value
            place = self.target(value)
            return Sym(("read", id(node), self.calls)) if place is None else self.decay(self.load(place))
        if op == "!":
            return int(not self.condition(node.expr))
        if op in ("++", "--", "p++", "p--"):
            place = self.lvalue(node.expr)
            old = self.load(place) if place is not None else Sym(("read", id(node)))
            new = operate(self, "+" if "+" in op else "-", old, 1)
            self.store(place, new)
            return old if op[0] == "p" else new
        if op in ("sizeof", "_Alignof"):
            return sizeof(self, node.expr)
        value = self.evaluate(node.expr)
        if isinstance(value, int):
            return {"-": -value, "~": ~value, "+": value}[op]
        return Sym(("unary", op, identity(value)))

    def _address(self, node: Any) -> Value:
        if isinstance(node, c_ast.ID):
            value = self.variable(node.name)
            if isinstance(value, Func):
                return value
            if isinstance(value, Obj):
                return Ptr(value)
        if isinstance(node, c_ast.CompoundLiteral):
            value = self.evaluate(node)
            return Ptr(value) if isinstance(value, Obj) else Sym(("literal", id(node)))
        place = self.lvalue(node)
        if place is None:
            return Sym(("address", id(node), self.calls))
        obj, key = place
        inner = obj.fields.get(key)
        if isinstance(inner, Obj):
            return Ptr(inner)
        if isinstance(node, c_ast.StructRef) and inner is None:
            return Ptr(obj.embed(key))
        return Ptr(obj, key)

    def _binary(self, node: Any) -> Value:
        if node.op == "&&":
            return int(self.condition(node.left) and self.condition(node.right))
        if node.op == "||":
            return int(self.condition(node.left) or self.condition(node.right))
        return operate(self, node.op, self.evaluate(node.left), self.evaluate(node.right))

    # -- calls in expressions

    def _call(self, node: Any) -> Value:
        frame = self.frames[-1]
        if node.coord is not None:
            frame.line = node.coord.line
        exprs = node.args.exprs if node.args is not None else []
        if isinstance(node.name, c_ast.ID) and node.name.name not in frame.locals.fields:
            name = node.name.name
            special = SPECIAL.get(name)
            if special is not None and not any(name in p.functions for p in self.programs):
                try:
                    return special(self, exprs)
                except (AttributeError, IndexError):
                    raise ProgramError(f"line {self.line()}: {name}() is not used as it is meant") from None
            if name.startswith(WAIT_EVENT) and len(exprs) > 1:
                return self._wait_event(name, exprs)
            args = [self._argument(name, n, e) for n, e in enumerate(exprs)]
            frame.line = node.coord.line if node.coord is not None else frame.line
            self.named = exprs
            if self._global_pointer(name):
                return self.call_value(self.variable(name), args)
            return self.call_name(name, args)
        target = self.evaluate(node.name)
        return self.call_value(target, [self.evaluate(e) for e in exprs])

    def _argument(self, name: str, position: int, node: Any) -> Value:
        """An argument; where a lock operation keeps the interrupt flags, the variable's place."""
        if isinstance(node, c_ast.ID) and self.machine.keeps_flags(name, position):
            place = self.lvalue(node)
            return Ptr(*place) if place is not None else 0
        return self.evaluate(node)

    def _wait_event(self, name: str, exprs: list[Any]) -> Value:
        """wait_event(queue, condition): the condition is evaluated first as it is, then after prepare_to_wait()."""
        self.machine.might_sleep(f"{name}()")
        for _ in range(LOOP_ROUNDS + 1):
            if self.condition(exprs[1]):
                break
            self.machine.task.running = False
            done = self.condition(exprs[1])
            if done:
                self.machine.task.running = True
                break
            self.machine.schedule()
        return 1 if "timeout" in name else 0

    def _global_pointer(self, name: str) -> bool:
        return any(name in p.variables for p in self.programs)
