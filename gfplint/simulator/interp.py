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
from gfplint.simulator.paths import LOOP_ROUNDS, MAX_ROUNDS, BudgetError, Path
from gfplint.simulator.program import CType, Program, ProgramError, number
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
    signed,
)

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine

#: C calls nest no deeper than this.
MAX_DEPTH = 64

#: Macros of this name evaluate their second argument again and again (include/linux/wait.h).
WAIT_EVENT = "wait_event"

BREAK, CONTINUE, RETURN = "break", "continue", "return"
#: What a statement ends with: None, one of the above, or ("goto", label).
Signal = str | tuple[str, str] | None

_COMPARE = {"==": "==", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_SWAP = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}


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
        self._statements: dict[type, Callable[[Any, str | None], Signal]] = {
            c_ast.Compound: self._compound,
            c_ast.If: self._if,
            c_ast.While: self._while,
            c_ast.DoWhile: self._do,
            c_ast.For: self._for,
            c_ast.Switch: self._switch,
            c_ast.Label: self._label,
            c_ast.Return: self._return,
            c_ast.Decl: self._decl,
            c_ast.DeclList: self._decl_list,
            c_ast.Case: self._case,
            c_ast.Default: self._case,
        }
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
            signal = self._compound(node.body, None)
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
        return self._unknown_call(str(identity(target)), args)

    def call_name(self, name: str, args: list[Value]) -> Value:
        """Call by name with evaluated arguments."""
        for program in self.programs:
            if name in program.functions:
                return self.enter(program, name, args)
        operation = self.machine.operation(name)
        if operation is not None:
            try:
                result = operation(args)
            except SurvivedError:
                return 0
            return 0 if result is None else result
        return self._unknown_call(name, args)

    def _unknown_call(self, name: str, args: list[Value]) -> Value:
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

    # -- statements

    def execute(self, node: Any, seek: str | None = None) -> Signal:
        """Run one statement; ``seek``: the label at which to start inside it."""
        self.path.step()
        coord = node.coord
        if coord is not None:
            self.frames[-1].line = coord.line
        handler = self._statements.get(type(node))
        if handler is not None:
            return handler(node, seek)
        if isinstance(node, c_ast.Goto):
            return ("goto", node.name)
        if isinstance(node, c_ast.Break):
            return BREAK
        if isinstance(node, c_ast.Continue):
            return CONTINUE
        if isinstance(node, (c_ast.EmptyStatement, c_ast.Typedef, c_ast.StaticAssert, c_ast.Pragma)):
            return None
        self.evaluate(node)
        return None

    def _compound(self, node: Any, seek: str | None) -> Signal:
        frame = self.frames[-1]
        owed = len(frame.cleanups)
        signal = self._items(node.block_items or [], seek)
        while isinstance(signal, tuple) and signal[1] in frame.program.labels_in(node):
            signal = self._items(node.block_items or [], signal[1])
        self._settle(frame, owed)
        return signal

    def _items(self, items: list[Any], seek: str | None) -> Signal:
        labels = self.frames[-1].program.labels_in
        for item in items:
            if seek is not None:
                if seek not in labels(item):
                    continue
                signal = self.execute(item, seek)
                seek = None
            else:
                signal = self.execute(item)
            if signal is not None:
                return signal
        return None

    def _settle(self, frame: Frame, owed: int) -> None:
        """Run the cleanups of a block that ends, last first."""
        while len(frame.cleanups) > owed:
            kind, target, args, line = frame.cleanups.pop()
            if kind == "__guard":
                self.machine.guard_leave(target, args)
            else:
                # What a cleanup does is told of the declaration that asked for it.
                here, frame.line = frame.line, line
                self._cleanup(kind, target)
                frame.line = here

    def _cleanup(self, kind: str, variable: str) -> None:
        frame = self.frames[-1]
        value = frame.locals.fields.get(variable, 0)
        if kind.startswith("cleanup "):
            self.call_name(kind[8:], [Ptr(frame.locals, variable)])
            return
        for program in self.programs:
            if f"__free_{kind}" in program.functions:
                self.enter(program, f"__free_{kind}", [value])
                return
        value = self.resolve(value)
        if isinstance(value, int) and (value == 0 or value % WRAP >= WRAP - MAX_ERRNO):
            return
        self.call_name(kind, [value])

    def _if(self, node: Any, seek: str | None) -> Signal:
        if seek is not None:
            branch = node.iftrue if seek in self.frames[-1].program.labels_in(node.iftrue) else node.iffalse
            return self.execute(branch, seek)
        if self.condition(node.cond):
            return self.execute(node.iftrue)
        return self.execute(node.iffalse) if node.iffalse is not None else None

    def _rounds(self, test: Any, body: Any, step: Any, seek: str | None, first: bool) -> Signal:
        """A loop; one that asks for choices runs LOOP_ROUNDS rounds at most."""
        path, rounds, chosen = self.path, 0, 0
        while True:
            asked = len(path.answers)
            if seek is None and not first and test is not None and not self.condition(test):
                return None
            first = False
            signal = self.execute(body, seek)
            seek = None
            if signal == BREAK:
                return None
            if signal is not None and signal != CONTINUE:
                return signal
            if step is not None:
                self.evaluate(step)
            rounds += 1
            chosen += len(path.answers) > asked
            if chosen >= LOOP_ROUNDS and len(path.answers) > asked:
                if test is None or self._constant_true(test):
                    raise BudgetError("an endless loop reached its bound")
                return None
            if rounds > MAX_ROUNDS:
                raise BudgetError(f"a loop ran more than {MAX_ROUNDS} rounds")

    @staticmethod
    def _constant_true(test: Any) -> bool:
        return isinstance(test, c_ast.Constant) or (isinstance(test, c_ast.ID) and test.name == "true")

    def _while(self, node: Any, seek: str | None) -> Signal:
        return self._rounds(node.cond, node.stmt, None, seek, False)

    def _do(self, node: Any, seek: str | None) -> Signal:
        if isinstance(node.cond, c_ast.Constant) and node.cond.value == "0":
            signal = self.execute(node.stmt, seek)
            return None if signal in (BREAK, CONTINUE) else signal
        return self._rounds(node.cond, node.stmt, None, seek, True)

    def _for(self, node: Any, seek: str | None) -> Signal:
        if node.init is not None and seek is None:
            self.execute(node.init)
        return self._rounds(node.cond, node.stmt, node.next, seek, False)

    def _switch(self, node: Any, seek: str | None) -> Signal:
        items = node.stmt.block_items or [] if isinstance(node.stmt, c_ast.Compound) else [node.stmt]
        if seek is None:
            value = self.evaluate(node.cond)
            start = self._matching_case(items, value)
            if start is None:
                return None
            items = items[start:]
        frame = self.frames[-1]
        owed = len(frame.cleanups)
        signal = self._items(items, seek)
        while isinstance(signal, tuple) and signal[1] in frame.program.labels_in(node.stmt):
            signal = self._items(node.stmt.block_items, signal[1])
        self._settle(frame, owed)
        return None if signal == BREAK else signal

    def _matching_case(self, items: list[Any], value: Value) -> int | None:
        default = None
        for n, item in enumerate(items):
            node = item
            while isinstance(node, (c_ast.Case, c_ast.Default)):
                if isinstance(node, c_ast.Default):
                    default = n
                elif self.truth(self.operate("==", value, self.evaluate(node.expr))):
                    return n
                node = node.stmts[0] if node.stmts else None
        return default

    def _case(self, node: Any, seek: str | None) -> Signal:
        return self._items(node.stmts or [], seek)

    def _label(self, node: Any, seek: str | None) -> Signal:
        return self.execute(node.stmt, None if seek == node.name else seek)

    def _return(self, node: Any, seek: str | None) -> Signal:
        frame = self.frames[-1]
        frame.value = self.evaluate(node.expr) if node.expr is not None else 0
        if len(self.frames) == 1 and node.coord is not None:
            self.last_return = node.coord.line
        return RETURN

    def _decl_list(self, node: Any, seek: str | None) -> Signal:
        for decl in node.decls:
            self._decl(decl, None)
        return None

    def _decl(self, node: Any, seek: str | None) -> Signal:
        if node.name is None or isinstance(node.type, c_ast.FuncDecl):
            return None
        frame = self.frames[-1]
        ctype = frame.program.type_of(node.type)
        frame.types[node.name] = ctype
        if "static" in (node.storage or ()):
            home = self.globals.embed(f"{frame.function}.{node.name}")
            if "value" not in home.fields:
                home.fields["value"] = self._initial(node, ctype, zero=True)
            frame.statics[node.name] = home
            return None
        frame.locals.fields[node.name] = self._initial(node, ctype, zero=False)
        return None

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
        return self.decay(self._variable(node.name))

    def _variable(self, name: str) -> Value:
        if self.frames:
            fields = self.frames[-1].locals.fields
            if name in fields:
                return self.resolve(fields[name])
            if name in self.frames[-1].statics:
                return self.resolve(self.frames[-1].statics[name].fields["value"])
        home = self._global(name)
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

    def _global(self, name: str) -> Obj | None:
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
            return _character(node.value)
        return number(node.value)

    def lvalue(self, node: Any) -> tuple[Obj, Any] | None:
        """Where an expression is stored; None where that is unknown."""
        if isinstance(node, c_ast.ID):
            fields = self.frames[-1].locals.fields
            if node.name in fields:
                return self.frames[-1].locals, node.name
            if node.name in self.frames[-1].statics:
                return self.frames[-1].statics[node.name], "value"
            home = self._global(node.name)
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
            return self._target(pointer)
        if isinstance(node, c_ast.Cast):
            return self.lvalue(node.expr)
        return None

    def _element(self, node: Any) -> tuple[Obj, Any] | None:
        base, index = self.evaluate(node.name), self.evaluate(node.subscript)
        place = self._target(base)
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
        place = self._target(pointer)
        if place is None:
            return None
        obj, key = place
        if isinstance(pointer, Ptr) and pointer.key is None:
            return obj
        return obj.embed(key)

    def _target(self, pointer: Value) -> tuple[Obj, Any] | None:
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
            value = self.operate(node.op[:-1], old, value)
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
            elif self.execute(item) is not None:
                break
        self._settle(frame, owed)
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
            place = self._target(value)
            return Sym(("read", id(node), self.calls)) if place is None else self.decay(self.load(place))
        if op == "!":
            return int(not self.condition(node.expr))
        if op in ("++", "--", "p++", "p--"):
            place = self.lvalue(node.expr)
            old = self.load(place) if place is not None else Sym(("read", id(node)))
            new = self.operate("+" if "+" in op else "-", old, 1)
            self.store(place, new)
            return old if op[0] == "p" else new
        if op in ("sizeof", "_Alignof"):
            return self._sizeof(node.expr)
        value = self.evaluate(node.expr)
        if isinstance(value, int):
            return {"-": -value, "~": ~value, "+": value}[op]
        return Sym(("unary", op, identity(value)))

    def _sizeof(self, node: Any) -> Value:
        program = self.frames[-1].program
        if isinstance(node, c_ast.Typename):
            ctype = program.type_of(node)
            if ctype.kind == "struct" and ctype.tag:
                return next(
                    (p.type_of(p.structs[ctype.tag]).size for p in self.programs if ctype.tag in p.structs), ctype.size
                )
            return ctype.size
        ctype2 = self._static_type(node)
        return ctype2.size if ctype2 is not None else UNKNOWN_SIZE_OF_EXPRESSION

    def _static_type(self, node: Any) -> CType | None:
        """The declared type of a simple expression."""
        frame = self.frames[-1]
        if isinstance(node, c_ast.ID):
            ctype = frame.types.get(node.name)
            if ctype is None:
                for program in self.programs:
                    if node.name in program.variables:
                        return program.type_of(program.variables[node.name].type)
            return ctype
        if isinstance(node, c_ast.UnaryOp) and node.op == "*":
            inner = self._static_type(node.expr)
            return inner.element if inner is not None else None
        if isinstance(node, c_ast.ArrayRef):
            inner = self._static_type(node.name)
            return inner.element if inner is not None else None
        if isinstance(node, c_ast.StructRef):
            return self._member_type(node)
        return None

    def _member_type(self, node: Any) -> CType | None:
        """The declared type of ``x.f`` or ``p->f``."""
        tag = self._tag(node.name)
        for program in self.programs:
            record = program.structs.get(tag)
            for decl in record.decls if record is not None else []:
                if getattr(decl, "name", None) == node.field.name:
                    return program.type_of(decl.type)
        return None

    def _tag(self, node: Any) -> str:
        """The tag of the struct that an expression is or points to."""
        ctype = self._static_type(node)
        while ctype is not None and ctype.kind in ("ptr", "array"):
            ctype = ctype.element
        return ctype.tag if ctype is not None else ""

    def class_of(self, node: Any) -> tuple[str, str] | None:
        """The class of a lock: the struct and member that hold it, or the variable that it is."""
        if not isinstance(node, c_ast.UnaryOp) or node.op != "&":
            return None
        if isinstance(node.expr, c_ast.StructRef):
            tag = self._tag(node.expr.name)
            return (tag, node.expr.field.name) if tag else None
        if isinstance(node.expr, c_ast.ID) and any(node.expr.name in p.variables for p in self.programs):
            return "", node.expr.name
        return None

    def _address(self, node: Any) -> Value:
        if isinstance(node, c_ast.ID):
            value = self._variable(node.name)
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
        return self.operate(node.op, self.evaluate(node.left), self.evaluate(node.right))

    def operate(self, op: str, left: Value, right: Value) -> Value:
        """A binary operator on values."""
        left, right = self.resolve(left), self.resolve(right)
        if isinstance(left, int) and isinstance(right, int):
            result = arithmetic(op, left, right)
            if isinstance(left, GivenMask) or isinstance(right, GivenMask):
                if op in ("&", "|"):
                    return GivenMask(result)
                self.path.mask_tested = True
            return result
        if op in _COMPARE:
            return self._compare(op, left, right)
        if isinstance(left, Ptr) or isinstance(right, Ptr):
            return self._pointer(op, left, right)
        return Sym(("op", op, identity(left), identity(right)))

    def _compare(self, op: str, left: Value, right: Value) -> Value:
        if isinstance(left, Ptr) and isinstance(right, Ptr):
            same = left.same(right)
            return int(same if op in ("==", "<=", ">=") else not same if op == "!=" else False)
        if isinstance(right, Sym) and not isinstance(left, Sym):
            left, right, op = right, left, _SWAP[op]
        if isinstance(left, Sym):
            return Sym(("cmp", left.key, op, identity(right)))
        if isinstance(left, (Ptr, Text, Func)) and isinstance(right, int):
            address = self.machine.address(left)
            return arithmetic(op, address, right % WRAP)
        if isinstance(right, (Ptr, Text, Func)) and isinstance(left, int):
            return arithmetic(op, left % WRAP, self.machine.address(right))
        same = identity(left) == identity(right)
        return int(same if op == "==" else not same)

    def _pointer(self, op: str, left: Value, right: Value) -> Value:
        if isinstance(right, Ptr) and op == "+":
            left, right = right, left
        if isinstance(left, Ptr) and isinstance(right, int) and op in ("+", "-"):
            offset = right if op == "+" else -right
            if left.key is None or isinstance(left.key, int):
                return Ptr(left.obj, (left.key or 0) + offset)
            return left
        if isinstance(left, Ptr) and isinstance(right, Ptr) and op == "-" and left.obj is right.obj:
            first, second = left.key or 0, right.key or 0
            if isinstance(first, int) and isinstance(second, int):
                return first - second
        if isinstance(left, Ptr) and isinstance(right, int):
            return arithmetic(op, self.machine.address(left), right)
        return Sym(("op", op, identity(left), identity(right)))

    # -- calls in expressions

    def _call(self, node: Any) -> Value:
        frame = self.frames[-1]
        if node.coord is not None:
            frame.line = node.coord.line
        exprs = node.args.exprs if node.args is not None else []
        if isinstance(node.name, c_ast.ID) and node.name.name not in frame.locals.fields:
            name = node.name.name
            special = _SPECIAL.get(name)
            if special is not None and not any(name in p.functions for p in self.programs):
                return special(self, exprs)
            if name.startswith(WAIT_EVENT) and len(exprs) > 1:
                return self._wait_event(name, exprs)
            args = [self._argument(name, n, e) for n, e in enumerate(exprs)]
            frame.line = node.coord.line if node.coord is not None else frame.line
            self.named = exprs
            if self._global_pointer(name):
                return self.call_value(self._variable(name), args)
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

    # -- special forms: their arguments are not evaluated as they stand

    def _for_each(self, exprs: list[Any]) -> Value:
        """One more round or not; the loop's variables become unknown."""
        self.calls += 1
        if self.path.choose(2, f"{exprs[0].value.strip(chr(34))} ends") == 0:
            return 0
        for expr in exprs[1:]:
            if isinstance(expr, c_ast.ID) and expr.name in self.frames[-1].locals.fields:
                current = self.frames[-1].locals.fields[expr.name]
                if not isinstance(current, Obj):
                    self.frames[-1].locals.fields[expr.name] = Sym(("each", expr.name, self.calls))
        return 1

    def _owe(self, kind: str, target: str, args: list[Value]) -> None:
        """Run a cleanup when the block ends."""
        frame = self.frames[-1]
        frame.cleanups.append((kind, target, args, frame.line))

    def _guard(self, exprs: list[Any]) -> Value:
        name = exprs[0].value.strip('"')
        args = [self.evaluate(e) for e in exprs[1:]]
        self.named = exprs[1:]
        self.machine.guard_enter(name, args)
        self._owe("__guard", name, args)
        return 0

    def _cond_guard(self, exprs: list[Any]) -> Value:
        name = exprs[0].value.strip('"')
        args = [self.evaluate(e) for e in exprs[1:]]
        if self.path.choose(2, f"{name} taken") == 1:
            return 0
        self.machine.guard_enter(name, args)
        self._owe("__guard", name, args)
        return 1

    def _register_cleanup(self, exprs: list[Any]) -> Value:
        kind = exprs[0].value.strip('"')
        if isinstance(exprs[1], c_ast.ID):
            self._owe(kind, exprs[1].name, [])
        return 0

    def _class(self, exprs: list[Any]) -> Value:
        name = exprs[0].value.strip('"')
        args = [self.evaluate(e) for e in exprs[1:]]
        if self.machine.is_guard(name):
            self.machine.guard_enter(name, args)
            self._owe("__guard", name, args)
            return 1
        return self.call_name(f"class_{name}_constructor", args)

    def _container_of(self, exprs: list[Any]) -> Value:
        value = self.resolve(self.evaluate(exprs[0]))
        if isinstance(value, Ptr):
            obj = value.obj
            if value.key is not None and not isinstance(value.key, int):
                return Ptr(obj)
            return Ptr(obj.parent) if obj.parent is not None else value
        return Sym(("container", identity(value)))

    def _offset_of(self, exprs: list[Any]) -> Value:
        return 0

    def _keep(self, exprs: list[Any]) -> Value:
        """no_free_ptr(p), return_ptr(p): the value, and the variable becomes NULL."""
        value = self.evaluate(exprs[0])
        self.store(self.lvalue(exprs[0]), 0)
        return value

    def _identity(self, exprs: list[Any]) -> Value:
        return self.evaluate(exprs[0])

    def _constant_p(self, exprs: list[Any]) -> Value:
        return int(isinstance(exprs[0], c_ast.Constant))

    def _configured(self, exprs: list[Any]) -> Value:
        """IS_ENABLED(CONFIG_X): unknown, and the same all along a path."""
        name = exprs[0].name if isinstance(exprs[0], c_ast.ID) else "?"
        return Sym(("name", name))

    def _array_size(self, exprs: list[Any]) -> Value:
        value = self.evaluate(exprs[0])
        if isinstance(value, Ptr) and value.obj.array:
            known = self._static_type(exprs[0])
            if known is not None and known.count:
                return known.count
            return max((k for k in value.obj.fields if isinstance(k, int)), default=-1) + 1
        return Sym(("size", identity(value)))

    def _swap_in(self, exprs: list[Any]) -> Value:
        """xchg(p, v)"""
        place = self._target(self.evaluate(exprs[0]))
        old = self.load(place) if place is not None else Sym(("xchg", self.calls))
        self.store(place, self.evaluate(exprs[1]))
        return old

    def _write_once(self, exprs: list[Any]) -> Value:
        value = self.evaluate(exprs[1])
        self.store(self.lvalue(exprs[0]), value)
        return value


#: sizeof an expression whose type is not known.
UNKNOWN_SIZE_OF_EXPRESSION = 64

_SPECIAL: dict[str, Callable[[Interpreter, list[Any]], Value]] = {
    "__for_each": Interpreter._for_each,
    "__guard": Interpreter._guard,
    "__cond_guard": Interpreter._cond_guard,
    "__cleanup": Interpreter._register_cleanup,
    "__class": Interpreter._class,
    "container_of": Interpreter._container_of,
    "container_of_const": Interpreter._container_of,
    "list_entry": Interpreter._container_of,
    "rb_entry": Interpreter._container_of,
    "hlist_entry": Interpreter._container_of,
    "from_timer": Interpreter._container_of,
    "from_tasklet": Interpreter._container_of,
    "no_free_ptr": Interpreter._keep,
    "return_ptr": Interpreter._keep,
    "offsetof": Interpreter._offset_of,
    "IS_ENABLED": Interpreter._configured,
    "IS_BUILTIN": Interpreter._configured,
    "IS_REACHABLE": Interpreter._configured,
    "likely": Interpreter._identity,
    "unlikely": Interpreter._identity,
    "READ_ONCE": Interpreter._identity,
    "__builtin_expect": Interpreter._identity,
    "__builtin_constant_p": Interpreter._constant_p,
    "ARRAY_SIZE": Interpreter._array_size,
    "xchg": Interpreter._swap_in,
    "WRITE_ONCE": Interpreter._write_once,
    "rcu_assign_pointer": Interpreter._write_once,
    "RCU_INIT_POINTER": Interpreter._write_once,
    "smp_store_release": Interpreter._write_once,
    "rcu_dereference": Interpreter._identity,
    "rcu_dereference_protected": Interpreter._identity,
    "rcu_access_pointer": Interpreter._identity,
}


def arithmetic(op: str, left: int, right: int) -> int:
    """A binary operator on numbers; division by zero gives 0 (the machine does not trap on it)."""
    if op in ("/", "%"):
        if right == 0:
            return 0
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if op == "/" else left - right * quotient
    if op == "<<":
        return (left << (right & 63)) % WRAP
    if op == ">>":
        return left >> (right & 63)
    result = _ARITHMETIC[op](left, right)
    return int(result) if -WRAP < result < WRAP else result % WRAP


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}

_ESCAPES = {"n": 10, "t": 9, "0": 0, "r": 13}


def _character(text: str) -> int:
    inner = text.strip("'")
    if inner.startswith("\\"):
        return _ESCAPES.get(inner[1:2], ord(inner[1:2] or " "))
    return ord(inner[:1] or " ")


__all__ = ["MAX_DEPTH", "Frame", "Interpreter", "arithmetic", "signed"]
