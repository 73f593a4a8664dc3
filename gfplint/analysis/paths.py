"""Access paths: expressions as texts that two places of the code share.

``x->lock``, ``x.lock``, ``&x->lock`` and ``(*x).lock`` are one path, ``x.lock``: the analysis names objects, not
levels of
indirection.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

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
    String,
    Unary,
)

#: Longer texts are not worth comparing.
MAX_TEXT = 160
_ROOT_ENDS = re.compile(r"[.\[(]")


def path_of(expr: Expr) -> str:
    """The access path of an expression, "" where it has none."""
    if type(expr) is Name:
        return expr.name
    how = _PATH.get(type(expr))
    return how(expr) if how is not None else ""


def _path_of_member(expr: Member) -> str:
    base = path_of(expr.base)
    return f"{base}.{expr.field}" if base and len(base) < MAX_TEXT else ""


def _path_of_unary(expr: Unary) -> str:
    return path_of(expr.operand) if expr.op in "&*" else ""


def _path_of_cast(expr: Cast) -> str:
    return path_of(expr.value)


def _path_of_index(expr: Index) -> str:
    base = path_of(expr.base)
    return f"{base}[{text_of(expr.index)}]" if base and len(base) < MAX_TEXT else ""


def _path_of_call(expr: Call) -> str:
    if type(expr.func) is not Name:
        return ""
    args = ",".join([path_of(a) or text_of(a) for a in expr.args])
    return f"{expr.func.name}({args})" if len(args) < MAX_TEXT else ""


#: Kinds of nodes are told by their exact type: a chain of isinstance() costs more than all that is done with a node.
_PATH: dict[type, Callable[[Any], str]] = {
    Member: _path_of_member,
    Unary: _path_of_unary,
    Cast: _path_of_cast,
    Index: _path_of_index,
    Call: _path_of_call,
}


def text_of(expr: Expr) -> str:
    """A canonical text of an expression, for comparing conditions; "" where it is too long or not understood."""
    if type(expr) is Name and len(expr.name) <= MAX_TEXT:
        return expr.name
    text = _text(expr)
    return text if len(text) <= MAX_TEXT else ""


def _text(expr: Expr) -> str:
    if type(expr) is Name:
        return expr.name
    how = _TEXT.get(type(expr))
    return how(expr) if how is not None else _NO_TEXT


def _text_of_number(expr: Number) -> str:
    return expr.text


def _text_of_member(expr: Member) -> str:
    return f"{_text(expr.base)}.{expr.field}"


def _text_of_unary(expr: Unary) -> str:
    return f"{expr.op}{_text(expr.operand)}"


def _text_of_binary(expr: Binary) -> str:
    return f"({_text(expr.left)} {expr.op} {_text(expr.right)})"


def _text_of_call(expr: Call) -> str:
    return f"{_text(expr.func)}({','.join([_text(a) for a in expr.args])})"


def _text_of_cast(expr: Cast) -> str:
    return _text(expr.value)


def _text_of_index(expr: Index) -> str:
    return f"{_text(expr.base)}[{_text(expr.index)}]"


def _text_of_size(expr: SizeOf) -> str:
    return f"sizeof({expr.type or (_text(expr.value) if expr.value else '')})"


def _text_of_string(expr: String) -> str:
    return '""'


_NO_TEXT = "?" * (MAX_TEXT + 1)
_TEXT: dict[type, Callable[[Any], str]] = {
    Number: _text_of_number,
    Member: _text_of_member,
    Unary: _text_of_unary,
    Binary: _text_of_binary,
    Call: _text_of_call,
    Cast: _text_of_cast,
    Index: _text_of_index,
    SizeOf: _text_of_size,
    String: _text_of_string,
}


def names_in(expr: Expr) -> set[str]:
    """The roots of all paths that an expression reads."""
    found: set[str] = set()
    _names(expr, found)
    return found


def _names(expr: Expr | None, found: set[str]) -> None:
    if isinstance(expr, Name):
        found.add(expr.name)
    elif isinstance(expr, (Member, Index)):
        _names(expr.base, found)
        if isinstance(expr, Index):
            _names(expr.index, found)
    elif isinstance(expr, Unary):
        _names(expr.operand, found)
    elif isinstance(expr, Binary):
        _names(expr.left, found)
        _names(expr.right, found)
    elif isinstance(expr, Call):
        for arg in expr.args:
            _names(arg, found)
    elif isinstance(expr, Cast):
        _names(expr.value, found)


def substitute(path: str, names: dict[str, str]) -> str:
    """``path`` with its root replaced by what the caller passes for it; "" where that has no path."""
    root = root_of(path)
    if root not in names:
        return path
    replacement = names[root]
    return replacement + path[len(root) :] if replacement else ""


@lru_cache(1 << 16)
def root_of(path: str) -> str:
    """The variable at the root of a path."""
    end = _ROOT_ENDS.search(path)
    return path if end is None else path[: end.start()]


def last_of(path: str) -> str:
    """The last member of a path."""
    return path.rpartition(".")[2]


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct operands of an expression (not the statements of a statement expression)."""
    how = _CHILDREN.get(type(expr))
    return how(expr) if how is not None else ()


def _of_conditional(expr: Conditional) -> tuple[Expr, ...]:
    return (expr.test, expr.otherwise) if expr.then is None else (expr.test, expr.then, expr.otherwise)


_CHILDREN: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    Member: lambda expr: (expr.base,),
    Index: lambda expr: (expr.base, expr.index),
    Unary: lambda expr: (expr.operand,),
    Binary: lambda expr: (expr.left, expr.right),
    Assign: lambda expr: (expr.target, expr.value),
    Call: lambda expr: (expr.func, *expr.args),
    Conditional: _of_conditional,
    Cast: lambda expr: (expr.value,),
    Initializer: lambda expr: tuple([value for _, value in expr.items]),
    Opaque: lambda expr: expr.inner,
}
