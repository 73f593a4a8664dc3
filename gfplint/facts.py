"""The data model of one C file: frozen, serialisable, without behaviour.

Two tiers. The *skeleton* of a file lists its top-level items (functions, macros, structs, tables, ...) with
their spans and, for functions and macros, the names they call; it needs no parse. A *body* is the operation
tree of one function, macro or initialiser, lowered from its own parse when the analysis asks for it.

Lines and columns count from 1; columns are in characters. Offsets are in bytes of the file.
"""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a construct starts and ends (end exclusive)."""

    line: int
    column: int
    end_line: int
    end_column: int


class Node(msgspec.Struct, frozen=True, array_like=True, tag_field="@"):
    """Base of the operation tree's nodes; subclasses carry a tag."""


# ---- expressions ---------------------------------------------------------------------------------------------


class Name(Node, frozen=True, tag="N", gc=False):
    """An identifier."""

    name: str


class Number(Node, frozen=True, tag="#", gc=False):
    """An integer, character or floating literal as written."""

    text: str


class String(Node, frozen=True, tag="S", gc=False):
    """A string literal; its text is not kept."""


class Member(Node, frozen=True, tag="."):
    """``base.field`` or, with ``arrow``, ``base->field``."""

    base: Expr
    field: str
    arrow: bool


class Index(Node, frozen=True, tag="["):
    """``base[index]``."""

    base: Expr
    index: Expr


class Unary(Node, frozen=True, tag="1"):
    """A unary operator: ``& * ! ~ - +``, ``++``/``--`` before and ``p++``/``p--`` after."""

    op: str
    operand: Expr


class Binary(Node, frozen=True, tag="2"):
    """A binary operator, ``&&``, ``||`` and ``,`` included."""

    op: str
    left: Expr
    right: Expr


class Assign(Node, frozen=True, tag="="):
    """``target op value`` with op ``=``, ``|=``, ``&=``, ``+=``, ..."""

    op: str
    target: Expr
    value: Expr


class Call(Node, frozen=True, tag="C"):
    """``func(args)``; ``guard(x)(y)`` never appears as a call."""

    func: Expr
    args: tuple[Expr, ...]
    place: Place


class Conditional(Node, frozen=True, tag="?"):
    """``test ? then : otherwise``; ``then`` is None in ``a ?: b``."""

    test: Expr
    then: Expr | None
    otherwise: Expr


class Cast(Node, frozen=True, tag="T"):
    """``(type)value``."""

    type: str
    value: Expr


class SizeOf(Node, frozen=True, tag="Z"):
    """``sizeof`` of a type (``type``) or of an expression (``value``)."""

    type: str
    value: Expr | None


class StatementExpr(Node, frozen=True, tag="{"):
    """``({ ... })``; its value is the last statement's."""

    body: tuple[Stmt, ...]


class Initializer(Node, frozen=True, tag="I"):
    """``{ .member = value, value, ... }``; a designator is ``""`` where there is none."""

    items: tuple[tuple[str, Expr], ...]


class Opaque(Node, frozen=True, tag="o"):
    """Something that was not understood; the calls inside it are kept."""

    inner: tuple[Expr, ...]


Expr = (
    Name
    | Number
    | String
    | Member
    | Index
    | Unary
    | Binary
    | Assign
    | Call
    | Conditional
    | Cast
    | SizeOf
    | StatementExpr
    | Initializer
    | Opaque
)

# ---- statements ----------------------------------------------------------------------------------------------


class Do(Node, frozen=True, tag="do"):
    """An expression statement."""

    expr: Expr
    line: int


class Declare(Node, frozen=True, tag="decl"):
    """A local variable. ``cleanup`` is x of ``__free(x)`` (or of ``__cleanup(x)``, with ``cleanup(`` before it).

    ``type`` is the type as written without the pointers, which ``pointers`` counts; ``array`` for arrays.
    """

    name: str
    type: str
    pointers: int
    array: bool
    static: bool
    init: Expr | None
    cleanup: str
    place: Place


class Guard(Node, frozen=True, tag="guard"):
    """``guard(kind)(args);``, ``CLASS(kind, name)(args);``: holds to the end of the enclosing block."""

    kind: str
    args: tuple[Expr, ...]
    name: str
    place: Place


class Scoped(Node, frozen=True, tag="scoped"):
    """``scoped_guard(kind, args) body`` and ``scoped_cond_guard(kind, fail, args) body`` (``fail`` its failure arm)."""

    kind: str
    args: tuple[Expr, ...]
    fail: Stmt | None
    body: Stmt
    place: Place


class If(Node, frozen=True, tag="if"):
    test: Expr
    then: Stmt
    otherwise: Stmt | None
    line: int


class Loop(Node, frozen=True, tag="loop"):
    """``kind`` is ``while``, ``do``, ``for`` or the name of the for_each macro, whose arguments ``args`` holds."""

    kind: str
    init: Stmt | None
    test: Expr | None
    step: Expr | None
    args: tuple[Expr, ...]
    body: Stmt
    place: Place


class Switch(Node, frozen=True, tag="switch"):
    value: Expr
    body: Stmt
    line: int


class Case(Node, frozen=True, tag="case"):
    """A ``case`` label (``value``) or ``default`` (None)."""

    value: Expr | None
    line: int


class Label(Node, frozen=True, tag="label"):
    name: str
    line: int


class Goto(Node, frozen=True, tag="goto"):
    name: str
    line: int


class Break(Node, frozen=True, tag="break"):
    pass


class Continue(Node, frozen=True, tag="continue"):
    pass


class Return(Node, frozen=True, tag="return"):
    value: Expr | None
    place: Place


class Block(Node, frozen=True, tag="block"):
    """``{ ... }``: the scope of the cleanups in it."""

    body: tuple[Stmt, ...]
    end_line: int


class Arms(Node, frozen=True, tag="arms"):
    """``#if`` arms, tried as alternatives: (condition as written, statements); the last may be ``else``."""

    arms: tuple[tuple[str, tuple[Stmt, ...]], ...]


Stmt = (
    Do | Declare | Guard | Scoped | If | Loop | Switch | Case | Label | Goto | Break | Continue | Return | Block | Arms
)


# ---- bodies --------------------------------------------------------------------------------------------------


class Body(msgspec.Struct, frozen=True, array_like=True):
    """The operation tree of one function or function-like macro; ``errors`` names what was not understood.

    ``lost``: whether statements are missing, so that nothing can be told from what is not there.
    """

    stmts: tuple[Stmt, ...]
    errors: tuple[str, ...] = ()
    lost: bool = False


# ---- skeleton ------------------------------------------------------------------------------------------------


class Param(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A parameter: type as written without pointers, the number of pointers, name (``""`` if unnamed)."""

    type: str
    pointers: int
    name: str


class Signature(msgspec.Struct, frozen=True, array_like=True):
    """What a function's header says: the type it returns (``*`` for each pointer), its parameters and annotations.

    ``annotations``: attribute macros such as ``__init`` or ``__must_hold(&x->lock)`` and, for
    ``SYSCALL_DEFINE3(read, ...)`` and
    its like, the defining macro.
    """

    returns: str
    params: tuple[Param, ...]
    annotations: tuple[str, ...]


class Function(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A function definition. ``start``/``body``/``end``: byte offsets of the name, ``{`` and the end of the body.

    ``header``: its header as written, blanked (``frontend.signature`` reads it). ``callees``: the names called in it
    (or used as a block macro), in the order of the text, of equal ones in a row one; ``words``: the
    ``GFP_*``/``__GFP_*`` names in it.
    """

    name: str
    line: int
    start: int
    body: int
    end: int
    static: bool
    header: str
    callees: tuple[str, ...]
    words: tuple[str, ...]


class Macro(msgspec.Struct, frozen=True, array_like=True):
    """``#define``. ``params`` is None for an object-like macro; ``text`` is the replacement with the continuations
    joined by spaces.

    ``start``/``end``: byte offsets of the replacement text in the file.
    """

    name: str
    params: tuple[str, ...] | None
    start: int
    end: int
    callees: tuple[str, ...]
    text: str


class Field(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A struct member: type as written without pointers, the number of pointers, name, array or not."""

    type: str
    pointers: int
    name: str
    array: bool = False


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``struct name { ... }`` or ``union name { ... }``: byte offsets from ``{`` to after ``}``; fields are read on
    demand.
    """

    name: str
    start: int
    end: int


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``.member = value`` of a table, ``member`` with dots where nested (``ops.open``); ``value`` is an identifier
    or a short text.
    """

    member: str
    value: str
    line: int


class Table(msgspec.Struct, frozen=True, array_like=True):
    """A designated initialiser at file scope, one value for each element of an array. ``struct``: type as written."""

    struct: str
    name: str
    entries: tuple[Entry, ...]


class Global(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file-scope variable: type without pointers, their number, name, storage."""

    type: str
    pointers: int
    name: str
    static: bool


class Definition(msgspec.Struct, frozen=True, array_like=True):
    """A declaring macro at file scope: ``DEFINE_FREE(kfree, ...)``, ``DEFINE_SPINLOCK(x)``, ``module_init(f)``, ...

    ``args`` as written, split at top-level commas; ``start``: byte offset, for messages.
    """

    macro: str
    args: tuple[str, ...]
    start: int


class Store(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``x->member = function;`` inside a function: ``member`` is assigned the name ``value`` (a function of this
    file).
    """

    function: str
    member: str
    value: str
    line: int


class Suppression(msgspec.Struct, frozen=True, array_like=True):
    """``gfplint: ignore[CODES] reason`` in a comment; ``line`` is the comment's last line."""

    codes: tuple[str, ...]
    reason: str
    line: int
    column: int


class FileFacts(msgspec.Struct, frozen=True, array_like=True):
    """The skeleton of one file: what it defines, and which names each definition uses."""

    functions: tuple[Function, ...]
    macros: tuple[Macro, ...]
    records: tuple[Record, ...]
    tables: tuple[Table, ...]
    globals: tuple[Global, ...]
    definitions: tuple[Definition, ...]
    stores: tuple[Store, ...]
    includes: tuple[str, ...]
    suppressions: tuple[Suppression, ...]
    errors: tuple[str, ...] = ()
