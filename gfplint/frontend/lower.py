"""One body's syntax tree -> operations (``facts.Body``), with tree-sitter.

Each body is parsed alone. An ERROR node costs the construct that it stands in: the calls inside are kept as ``Opaque``
and the body is listed as understood in part.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from functools import cache

import tree_sitter

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
    Place,
    Return,
    Scoped,
    SizeOf,
    StatementExpr,
    Stmt,
    String,
    Switch,
    Unary,
)
from gfplint.frontend.arms import settled, variants
from gfplint.frontend.blank import Source, blank
from gfplint.frontend.grammar import (
    ALTERNATIVE,
    ARGUMENT_TYPES,
    ARGUMENTS,
    ARRAYS,
    BODY,
    CALL_KINDS,
    COMPOUND,
    CONDITION,
    CONSEQUENCE,
    DECLARATOR,
    DECLARATOR_KINDS,
    ELSE,
    FUNCTION,
    FUNCTIONS,
    IDENTIFIER,
    INITIALISED,
    INITIALIZER,
    KINDS,
    LABEL,
    LANGUAGE,
    NAMES,
    OPERATORS,
    POINTERS,
    STORAGE,
    TYPE,
    TYPE_KINDS,
    UPDATE,
    VALUE,
)
from gfplint.frontend.prepare import Prepared, prepare

_CALLED = re.compile(r"\b([A-Za-z_]\w*+)\s*\(", re.ASCII)
#: Nesting beyond which a body is not lowered (the walk recurses).
MAX_DEPTH = 150
_TOO_DEEP = "nested too deeply"
#: Bytes of a single body that are parsed; larger ones are generated tables or hostile.
MAX_BODY = 400_000

#: Words that a macro pastes into one.
_PASTED = re.compile(r"\w++(?:\s*+##\s*+\w++)++", re.ASCII)


def body(source: Source, start: int, end: int) -> Body:
    """Lower the braces ``[start, end)`` of a source. Never raises on bad input: what fails is listed in ``errors``."""
    if end - start > MAX_BODY:
        return Body((), (f"body of {end - start} bytes is too large",), lost=True)
    inside = settled(source.conditionals(start, end), source)
    positions = _Positions(source, start)
    lowered = []
    errors: list[str] = []
    found = variants(source.code[start:end], start, inside)
    for variant in found:
        stmts, problems = _lower_text(variant.text, positions)
        lowered.append((",".join(variant.conditions), stmts))
        errors += problems
    lost = _TOO_DEEP in errors
    if len(lowered) == 1:
        return Body(lowered[0][1], tuple(errors), lost)
    return Body((Arms(tuple(lowered)),), tuple(errors), lost)


def lower_macro(source: Source, start: int, end: int) -> Body:
    """Lower the replacement text ``[start, end)`` of a function-like macro as a sequence of statements."""
    raw = blank(source.data[start:end]).code
    text = _PASTED.sub(_pasted, raw.replace("\\", " ")).replace("##", "  ").replace("#", " ")
    stmts, problems = _lower_text("{" + text + ";}", _Positions(source, start - 1))
    return Body(stmts, tuple(problems), _TOO_DEEP in problems)


def _pasted(match: re.Match[str]) -> str:
    """The name that ``##`` makes of words, as long as what it is made of."""
    return "".join(word.strip() for word in match.group().split("##")).ljust(len(match.group()))


def lower_expression(text: str) -> Expr | None:
    """Lower an expression that stands alone (a macro's replacement); None where it is none."""
    stmts, problems = _lower_text("{" + text + ";}", _Positions(Source(b"", "", ()), -1))
    if problems or len(stmts) != 1 or not isinstance(stmts[0], Do):
        return None
    return stmts[0].expr


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(LANGUAGE)


def _lower_text(text: str, positions: _Positions) -> tuple[tuple[Stmt, ...], list[str]]:
    prepared = prepare(text)
    tree = _parser().parse(prepared.text.encode("ascii", "replace"))
    root = tree.root_node
    lowering = _Lowering(prepared, positions, plain=not root.has_error)
    try:
        stmts = lowering.block_of(root)
    except RecursionError:
        return (), [_TOO_DEEP]
    return stmts, lowering.errors


class _Positions:
    """Lines and columns of the offsets in a text that starts at ``base`` of a source."""

    __slots__ = ("ascii", "base", "before", "source", "starts")

    def __init__(self, source: Source, base: int) -> None:
        self.source = source
        self.base = base
        self.starts = source.line_starts
        self.ascii = source.ascii
        self.before = source.first_line - 1

    def line(self, offset: int) -> int:
        return bisect_right(self.starts, self.base + offset) + self.before

    def place(self, start: int, end: int) -> Place:
        start += self.base
        end += self.base
        if not self.ascii:
            return Place(*self.source.position(start), *self.source.position(end))
        starts = self.starts
        line = bisect_right(starts, start)
        before = starts[line - 1] - 1
        row = line + self.before
        if line < len(starts) and end < starts[line]:
            return Place(row, start - before, row, end - before)
        last = bisect_right(starts, end)
        return Place(row, start - before, last + self.before, end - starts[last - 1] + 1)


class _Lowering:
    """Lowers one parsed body."""

    __slots__ = ("base", "before", "depth", "errors", "plain", "positions", "prepared", "starts", "text")

    def __init__(self, prepared: Prepared, positions: _Positions, *, plain: bool) -> None:
        """``plain``: whether all of the body was understood, so that nodes have the children that the grammar says."""
        self.prepared = prepared
        self.text = prepared.text
        self.positions = positions
        self.starts, self.base, self.before = positions.starts, positions.base, positions.before
        self.plain = plain
        self.errors: list[str] = []
        self.depth = 0

    # ---- statements

    def block_of(self, root: tree_sitter.Node) -> tuple[Stmt, ...]:
        """The statements of the outermost braces."""
        out: list[Stmt] = []
        for child in root.named_children:
            if child.kind_id == COMPOUND:
                self.statements(child, out)
            else:
                self.statement(child, out)
        return tuple(out)

    def statements(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        for child in node.named_children:
            handler = _STATEMENTS.get(child.kind_id)
            if handler is not None:
                handler(self, child, out)
            else:
                self.statement(child, out)
        self.depth -= 1

    def statement(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        kind = node.kind_id
        handler = _STATEMENTS.get(kind)
        if handler is not None:
            handler(self, node, out)
        elif kind in _VALUES:
            out.append(Do(self.expr(node), self.line(node)))
        else:
            self.unknown(node, out)

    def one(self, node: tree_sitter.Node | None) -> Stmt:
        """A statement as a single value."""
        if node is None:
            return Block((), 0)
        out: list[Stmt] = []
        if node.kind_id == COMPOUND:
            self.statements(node, out)
            return Block(tuple(out), self.positions.line(node.end_byte - 1))
        self.statement(node, out)
        if len(out) == 1:
            return out[0]
        return Block(tuple(out), self.positions.line(node.end_byte))

    def unknown(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        kind = node.type
        if kind in (
            "comment",
            "preproc_call",
            "type_definition",
            "struct_specifier",
            "enum_specifier",
            "union_specifier",
        ):
            return
        self.error(node)
        children = node.named_children
        if kind == "ERROR" and any(c.kind_id in _STATEMENTS for c in children):
            for child in children:
                self.statement(child, out)
            return
        out.append(Do(self.opaque(node), self.line(node)))

    def error(self, node: tree_sitter.Node) -> None:
        if len(self.errors) < 4:
            snippet = " ".join(self.text[node.start_byte : node.start_byte + 50].split())
            self.errors.append(f"line {self.positions.line(node.start_byte)}: {node.type} at {snippet!r}")

    def s_compound(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        inner: list[Stmt] = []
        self.statements(node, inner)
        out.append(Block(tuple(inner), self.positions.line(node.end_byte - 1)))

    def s_expression(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        if self.plain and len(children := node.children) == 2:  # an expression and its semicolon
            child = children[0]
            kind = child.kind_id
            if kind in CALL_KINDS and child.children[0].kind_id in CALL_KINDS and (guard := self.guard(child)):
                out.append(guard)
            else:
                out.append(Do(self.expr(child), self.line(child)))
            return
        children = node.named_children
        if not children:
            return
        child = children[0]
        if child.kind_id in CALL_KINDS and (guard := self.guard(child)):
            out.append(guard)
            return
        if node.has_error and child.type == "ERROR":
            self.unknown(child, out)
            children = children[1:]
        for child in children:
            out.append(Do(self.expr(child), self.line(child)))

    def guard(self, node: tree_sitter.Node) -> Guard | None:
        """``guard(kind)(args)`` and ``CLASS(kind, name)(args)``."""
        function = node.child(0)
        if function is None or function.kind_id not in CALL_KINDS:
            return None
        called = function.child_by_field_id(FUNCTION)
        name = self.node_text(called) if called else ""
        if name not in ("guard", "CLASS"):
            return None
        arguments = function.child_by_field_id(ARGUMENTS)
        inner = [self.node_text(c) for c in arguments.named_children] if arguments else []
        outer = node.child_by_field_id(ARGUMENTS)
        args = tuple(self.expr(c) for c in outer.named_children) if outer else ()
        kind = inner[0] if inner else ""
        return Guard(kind, args, inner[1] if len(inner) > 1 else "", self.place(node))

    def s_declaration(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        kind, static = "", False
        declarators = []
        for child in node.named_children:
            kid = child.kind_id
            if kid in TYPE_KINDS:
                kind = self.type_text(child)
            elif kid in DECLARATOR_KINDS:
                declarators.append(child)
            elif kid == STORAGE:
                static = static or self.node_text(child) == "static"
            elif child.type == "ERROR":
                self.error(child)
                out.append(Do(self.opaque(child), self.line(child)))
        for declarator in declarators:
            self.declarator(declarator, kind, static, out)

    def declarator(self, node: tree_sitter.Node, kind: str, static: bool, out: list[Stmt]) -> None:
        init: Expr | None = None
        target = node
        kid = node.kind_id
        if kid == INITIALISED:
            value = node.child_by_field_id(VALUE)
            init = self.expr(value) if value is not None else None
            inner = node.child_by_field_id(DECLARATOR)
            target = inner if inner is not None else node
            kid = target.kind_id
        pointers, array = 0, False
        for _ in range(12):
            if kid == IDENTIFIER:
                break
            following = target.child_by_field_id(DECLARATOR)
            if kid in FUNCTIONS and pointers == 0 and following is not None and following.kind_id == IDENTIFIER:
                return self.macro_declaration(target, kind, out)
            pointers += kid in POINTERS
            array = array or kid in ARRAYS
            if following is None:
                named = [c for c in target.named_children if c.kind_id in DECLARATOR_KINDS]
                following = named[0] if named else None
            if following is None:
                break
            target = following
            kid = target.kind_id
        if kid != IDENTIFIER:
            return None
        cleanup = self.prepared.cleanups.get(target.end_byte, "")
        out.append(Declare(self.node_text(target), kind, pointers, array, static, init, cleanup, self.place(node)))
        return None

    def macro_declaration(self, node: tree_sitter.Node, kind: str, out: list[Stmt]) -> None:
        """``type name(args);`` inside a body: a prototype, or a declaring macro's call that looks like one."""
        if kind:
            return
        self.error(node)

    def s_if(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        children = node.children
        if self.plain and (len(children) == 3 or (len(children) == 4 and children[3].kind_id == ELSE)):
            test, then = self.expr(children[1]), self.one(children[2])
            otherwise = self.one(children[3].named_children[0]) if len(children) == 4 else None
            out.append(If(test, then, otherwise, self.line(node)))
            return
        condition = node.child_by_field_id(CONDITION)
        test = self.expr(condition) if condition is not None else Opaque(())
        then = self.one(node.child_by_field_id(CONSEQUENCE))
        alternative = node.child_by_field_id(ALTERNATIVE)
        otherwise = None
        if alternative is not None:
            children = alternative.named_children
            otherwise = self.one(children[0]) if children else None
        out.append(If(test, then, otherwise, self.line(node)))

    def s_while(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        condition = node.child_by_field_id(CONDITION)
        body_node = node.child_by_field_id(BODY)
        macro = self.prepared.blocks.get(node.start_byte)
        if macro is None:
            test = self.expr(condition) if condition is not None else Opaque(())
            out.append(Loop("while", None, test, None, (), self.one(body_node), self.place(node)))
            return
        args = self.macro_args(condition)
        place = self.place(condition, node.start_byte) if condition is not None else self.place(node)
        inner = self.one(body_node)
        if macro.startswith("scoped_"):
            out.append(self.scoped(macro, args, inner, place, condition))
        elif _is_loop(macro):
            out.append(Loop(macro, None, None, None, args, inner, place))
        else:  # some other macro with a block behind it: it may loop or test; its call is kept
            call = Call(Name(macro), args, place)
            out.append(Loop(macro, None, call, None, args, inner, place))

    def scoped(
        self, macro: str, args: tuple[Expr, ...], inner: Stmt, place: Place, condition: tree_sitter.Node | None
    ) -> Stmt:
        kind = args[0].name if args and isinstance(args[0], Name) else ""
        if not macro.startswith("scoped_cond_"):
            return Scoped(kind, args[1:], None, inner, place)
        keyword = self.prepared.fails.get(condition.start_byte, "") if condition is not None else ""
        value = args[1] if len(args) > 1 else None
        fail: Stmt
        if keyword == "return":
            fail = Return(value, place)
        elif keyword == "goto" and isinstance(value, Name):
            fail = Goto(value.name, place.line)
        elif keyword in ("break", "continue"):
            fail = Break() if keyword == "break" else Continue()
        else:
            fail = Do(value or Opaque(()), place.line)
        return Scoped(kind, args[2:], fail, inner, place)

    def macro_args(self, condition: tree_sitter.Node | None) -> tuple[Expr, ...]:
        if condition is None:
            return ()
        expr = self.expr(condition)
        out: list[Expr] = []
        while isinstance(expr, Binary) and expr.op == ",":
            out.append(expr.left)
            expr = expr.right
        return (*out, expr)

    def s_do(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        condition = node.child_by_field_id(CONDITION)
        test = self.expr(condition) if condition is not None else Number("0")
        out.append(Loop("do", None, test, None, (), self.one(node.child_by_field_id(BODY)), self.place(node)))

    def s_for(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        init_node = node.child_by_field_id(INITIALIZER)
        init = self.one(init_node) if init_node is not None else None
        test_node = node.child_by_field_id(CONDITION)
        test = self.expr(test_node) if test_node is not None else None
        step_node = node.child_by_field_id(UPDATE)
        step = self.expr(step_node) if step_node is not None else None
        out.append(Loop("for", init, test, step, (), self.one(node.child_by_field_id(BODY)), self.place(node)))

    def s_switch(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        condition = node.child_by_field_id(CONDITION)
        value = self.expr(condition) if condition is not None else Opaque(())
        out.append(Switch(value, self.one(node.child_by_field_id(BODY)), self.line(node)))

    def s_case(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        value = node.child_by_field_id(VALUE)
        out.append(Case(self.expr(value) if value is not None else None, self.line(node)))
        for child in node.named_children:
            if value is None or child.start_byte != value.start_byte:
                self.statement(child, out)

    def s_label(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        label = node.child_by_field_id(LABEL)
        out.append(Label(self.node_text(label) if label is not None else "", self.line(node)))
        for child in node.named_children:
            if label is None or child.start_byte != label.start_byte:
                self.statement(child, out)

    def s_goto(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        label = node.child_by_field_id(LABEL)
        out.append(Goto(self.node_text(label) if label is not None else "", self.line(node)))

    def s_break(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        out.append(Break())

    def s_continue(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        out.append(Continue())

    def s_return(self, node: tree_sitter.Node, out: list[Stmt]) -> None:
        value = node.named_child(0) if node.named_child_count else None
        out.append(Return(self.expr(value) if value is not None else None, self.place(node)))

    # ---- expressions

    def expr(self, node: tree_sitter.Node) -> Expr:
        kind = node.kind_id
        if kind in NAMES:  # every second expression
            return Name(self.text[node.start_byte : node.end_byte])
        handler = _EXPRESSIONS.get(kind)
        if handler is None:
            self.error(node)
            return self.opaque(node)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        value = handler(self, node)
        self.depth -= 1
        return value

    def opaque(self, node: tree_sitter.Node) -> Opaque:
        inner: list[Expr] = []
        for child in node.named_children:
            if child.kind_id in _VALUES:
                inner.append(self.expr(child))
            elif child.type == "ERROR" or child.kind_id in _STATEMENTS:
                inner.append(self.opaque(child))
        if not inner:
            start = node.start_byte
            for match in _CALLED.finditer(self.text, start, node.end_byte):
                place = self.positions.place(match.start(), match.start())
                inner.append(Call(Name(match.group(1)), (Opaque(()),), place))
        return Opaque(tuple(inner))

    def e_number(self, node: tree_sitter.Node) -> Expr:
        return Number(self.text[node.start_byte : node.end_byte])

    def e_string(self, node: tree_sitter.Node) -> Expr:
        return String()

    def e_paren(self, node: tree_sitter.Node) -> Expr:
        if self.plain and node.named_child_count == 1:
            only = node.named_child(0)
            if only is not None and only.kind_id != COMPOUND:
                return self.expr(only)
        children = node.named_children
        if not children:
            return Opaque(())
        if children[0].kind_id == COMPOUND:
            out: list[Stmt] = []
            self.statements(children[0], out)
            return StatementExpr(tuple(out))
        if len(children) > 1:
            self.error(node)
            return Opaque(tuple(self.expr(c) for c in children if c.kind_id in _VALUES))
        return self.expr(children[0])

    def e_field(self, node: tree_sitter.Node) -> Expr:
        of, _, field = self.text[node.start_byte : node.end_byte].rpartition("->")
        if of.isidentifier() and field.isidentifier():  # as most are: no look at the nodes below is needed
            return Member(Name(of), field, True)
        children = node.named_children
        if len(children) < 2:
            return self.opaque(node)
        base, name = children[0], children[-1]
        at = name.start_byte
        arrow = self.text[at - 1] == ">" or "->" in self.text[base.end_byte : at]
        return Member(self.expr(base), self.text[at : name.end_byte], arrow)

    def e_subscript(self, node: tree_sitter.Node) -> Expr:
        children = node.named_children
        if len(children) < 2:
            return self.opaque(node)
        return Index(self.expr(children[0]), self.expr(children[1]))

    def e_pointer(self, node: tree_sitter.Node) -> Expr:
        operand = node.named_child(0) if node.named_child_count else None
        return Unary(self.text[node.start_byte], self.expr(operand)) if operand is not None else Opaque(())

    def e_unary(self, node: tree_sitter.Node) -> Expr:
        if self.plain and node.named_child_count == 1 and (operand := node.named_child(0)) is not None:
            return Unary(self.text[node.start_byte], self.expr(operand))
        children = node.named_children
        return Unary(self.text[node.start_byte], self.expr(children[-1])) if children else Opaque(())

    def e_update(self, node: tree_sitter.Node) -> Expr:
        children = node.named_children
        if not children:
            return Opaque(())
        prefix = children[0].start_byte > node.start_byte
        op = (
            self.text[node.start_byte : node.start_byte + 2]
            if prefix
            else "p" + self.text[node.end_byte - 2 : node.end_byte]
        )
        return Unary(op, self.expr(children[0]))

    def e_binary(self, node: tree_sitter.Node) -> Expr:
        if self.plain and len(children := node.children) == 3 and (op := OPERATORS.get(children[1].kind_id)):
            return Binary(op, self.expr(children[0]), self.expr(children[2]))
        children = node.named_children
        if len(children) != 2:
            self.error(node)
            return self.opaque(node)
        op = self.text[children[0].end_byte : children[1].start_byte].strip().strip("()").strip()
        return Binary(op, self.expr(children[0]), self.expr(children[1]))

    def e_assign(self, node: tree_sitter.Node) -> Expr:
        if self.plain and len(children := node.children) == 3 and (op := OPERATORS.get(children[1].kind_id)):
            return Assign(op, self.expr(children[0]), self.expr(children[2]))
        children = node.named_children
        if len(children) != 2:
            self.error(node)
            return self.opaque(node)
        op = self.text[children[0].end_byte : children[1].start_byte].strip()
        return Assign(op, self.expr(children[0]), self.expr(children[1]))

    def e_call(self, node: tree_sitter.Node) -> Expr:
        children = node.children
        if len(children) != 2:
            children = node.named_children
            if len(children) < 2:
                return self.opaque(node)
        function, arguments = children[0], children[-1]
        args: list[Expr] = []
        for child in arguments.named_children:
            if child.kind_id in NAMES:
                args.append(Name(self.text[child.start_byte : child.end_byte]))
            elif child.kind_id in _VALUES:
                args.append(self.expr(child))
            elif child.kind_id in _STATEMENTS:
                inner: list[Stmt] = []
                self.statement(child, inner)
                args.append(StatementExpr(tuple(inner)))
            else:
                if child.kind_id not in ARGUMENT_TYPES:
                    self.error(child)
                args.append(self.opaque(child))
        called = self.expr(function)
        while type(called) is Unary and called.op == "*":  # (*p)() is p()
            called = called.operand
        return Call(called, tuple(args), self.positions.place(node.start_byte, node.end_byte))

    def e_conditional(self, node: tree_sitter.Node) -> Expr:
        test = node.child_by_field_id(CONDITION)
        then = node.child_by_field_id(CONSEQUENCE)
        otherwise = node.child_by_field_id(ALTERNATIVE)
        if test is None or otherwise is None:
            return self.opaque(node)
        return Conditional(self.expr(test), self.expr(then) if then is not None else None, self.expr(otherwise))

    def e_cast(self, node: tree_sitter.Node) -> Expr:
        kind, value = node.child_by_field_id(TYPE), node.child_by_field_id(VALUE)
        if value is None:
            return self.opaque(node)
        return Cast(self.type_text(kind) if kind is not None else "", self.expr(value))

    def e_sizeof(self, node: tree_sitter.Node) -> Expr:
        kind, value = node.child_by_field_id(TYPE), node.child_by_field_id(VALUE)
        if value is not None:
            return SizeOf("", self.expr(value))
        return SizeOf(self.type_text(kind) if kind is not None else "", None)

    def e_compound(self, node: tree_sitter.Node) -> Expr:
        value = node.child_by_field_id(VALUE)
        return self.expr(value) if value is not None else Opaque(())

    def e_initializer(self, node: tree_sitter.Node) -> Expr:
        items: list[tuple[str, Expr]] = []
        for child in node.named_children:
            if child.type == "initializer_pair":
                inner = child.named_children
                designators = [c for c in inner if c.type == "field_designator"]
                name = ".".join(self.node_text(c).lstrip(". ") for c in designators)
                if inner and inner[-1].kind_id in _VALUES:
                    items.append((name, self.expr(inner[-1])))
            elif child.kind_id in _VALUES:
                items.append(("", self.expr(child)))
        return Initializer(tuple(items))

    def e_comma(self, node: tree_sitter.Node) -> Expr:
        children = node.named_children
        if len(children) != 2:
            self.error(node)
            return self.opaque(node)
        return Binary(",", self.expr(children[0]), self.expr(children[1]))

    def e_opaque(self, node: tree_sitter.Node) -> Expr:
        return self.opaque(node)

    # ---- text and places

    def node_text(self, node: tree_sitter.Node) -> str:
        return self.text[node.start_byte : node.end_byte]

    def type_text(self, node: tree_sitter.Node) -> str:
        text = self.text[node.start_byte : min(node.end_byte, node.start_byte + 200)]
        if text.isidentifier():
            return text
        words = text.split("{")[0].split()
        return " ".join(w for w in words if w not in ("struct", "union", "enum", "const", "volatile"))

    def line(self, node: tree_sitter.Node) -> int:
        return bisect_right(self.starts, self.base + node.start_byte) + self.before

    def place(self, node: tree_sitter.Node, start: int = -1) -> Place:
        return self.positions.place(start if start >= 0 else node.start_byte, node.end_byte)


def _is_loop(macro: str) -> bool:
    return "each" in macro.lower() or "for_" in macro


_STATEMENTS: dict[int, Callable[[_Lowering, tree_sitter.Node, list[Stmt]], None]] = {
    i: getattr(_Lowering, method)
    for kind, method in {
        "compound_statement": "s_compound",
        "expression_statement": "s_expression",
        "declaration": "s_declaration",
        "if_statement": "s_if",
        "while_statement": "s_while",
        "do_statement": "s_do",
        "for_statement": "s_for",
        "switch_statement": "s_switch",
        "case_statement": "s_case",
        "labeled_statement": "s_label",
        "goto_statement": "s_goto",
        "break_statement": "s_break",
        "continue_statement": "s_continue",
        "return_statement": "s_return",
    }.items()
    for i, name in enumerate(KINDS)
    if name == kind
}
_EXPRESSIONS: dict[int, Callable[[_Lowering, tree_sitter.Node], Expr]] = {
    i: getattr(_Lowering, method)
    for kind, method in {
        "number_literal": "e_number",
        "char_literal": "e_number",
        "string_literal": "e_string",
        "concatenated_string": "e_string",
        "parenthesized_expression": "e_paren",
        "field_expression": "e_field",
        "subscript_expression": "e_subscript",
        "pointer_expression": "e_pointer",
        "unary_expression": "e_unary",
        "update_expression": "e_update",
        "binary_expression": "e_binary",
        "assignment_expression": "e_assign",
        "call_expression": "e_call",
        "conditional_expression": "e_conditional",
        "cast_expression": "e_cast",
        "sizeof_expression": "e_sizeof",
        "alignof_expression": "e_opaque",
        "offsetof_expression": "e_opaque",
        "generic_expression": "e_opaque",
        "gnu_asm_expression": "e_opaque",
        "extension_expression": "e_opaque",
        "compound_literal_expression": "e_compound",
        "initializer_list": "e_initializer",
        "comma_expression": "e_comma",
    }.items()
    for i, name in enumerate(KINDS)
    if name == kind
}
_VALUES = NAMES.union(_EXPRESSIONS)
