"""Access paths: expressions as texts that two places of the code share.

``x->lock``, ``x.lock``, ``&x->lock`` and ``(*x).lock`` are one path, ``x.lock``: the analysis names objects, not
levels of
indirection.
"""

from __future__ import annotations

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

#: Longer texts are not worth comparing.
MAX_TEXT = 160


def path_of(expr: Expr) -> str:
    """The access path of an expression, "" where it has none."""
    if isinstance(expr, Name):
        return expr.name
    if isinstance(expr, Member):
        base = path_of(expr.base)
        return f"{base}.{expr.field}" if base and len(base) < MAX_TEXT else ""
    if isinstance(expr, Unary):
        return path_of(expr.operand) if expr.op in "&*" else ""
    if isinstance(expr, Cast):
        return path_of(expr.value)
    if isinstance(expr, Index):
        base = path_of(expr.base)
        return f"{base}[{text_of(expr.index)}]" if base and len(base) < MAX_TEXT else ""
    if isinstance(expr, Binary) and expr.op == "+":
        return ""
    if isinstance(expr, Call) and isinstance(expr.func, Name):
        args = ",".join(path_of(a) or text_of(a) for a in expr.args)
        return f"{expr.func.name}({args})" if len(args) < MAX_TEXT else ""
    return ""


def text_of(expr: Expr) -> str:
    """A canonical text of an expression, for comparing conditions; "" where it is too long or not understood."""
    text = _text(expr)
    return text if len(text) <= MAX_TEXT else ""


def _text(expr: Expr) -> str:  # noqa: PLR0911 - one line for each kind of node
    if isinstance(expr, Name):
        return expr.name
    if isinstance(expr, Number):
        return expr.text
    if isinstance(expr, Member):
        return f"{_text(expr.base)}.{expr.field}"
    if isinstance(expr, Unary):
        return f"{expr.op}{_text(expr.operand)}" if expr.op not in "*" else f"*{_text(expr.operand)}"
    if isinstance(expr, Binary):
        return f"({_text(expr.left)} {expr.op} {_text(expr.right)})"
    if isinstance(expr, Call):
        return f"{_text(expr.func)}({','.join(_text(a) for a in expr.args)})"
    if isinstance(expr, Cast):
        return _text(expr.value)
    if isinstance(expr, Index):
        return f"{_text(expr.base)}[{_text(expr.index)}]"
    if isinstance(expr, SizeOf):
        return f"sizeof({expr.type or (_text(expr.value) if expr.value else '')})"
    if isinstance(expr, String):
        return '""'
    return "?" * (MAX_TEXT + 1)


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


def root_of(path: str) -> str:
    """The variable at the root of a path."""
    for at, char in enumerate(path):
        if char in ".[(":
            return path[:at]
    return path


def last_of(path: str) -> str:
    """The last member of a path."""
    return path.rpartition(".")[2]


def children(expr: Expr) -> tuple[Expr, ...]:  # noqa: PLR0911 - one line for each kind of node
    """The direct operands of an expression (not the statements of a statement expression)."""
    match expr:
        case Member(base=base):
            return (base,)
        case Index(base=base, index=index):
            return (base, index)
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Assign(target=target, value=value):
            return (target, value)
        case Call(func=func, args=args):
            return (func, *args)
        case Conditional(test=test, then=then, otherwise=otherwise):
            return (test, otherwise) if then is None else (test, then, otherwise)
        case Cast(value=value):
            return (value,)
        case Initializer(items=items):
            return tuple(v for _, v in items)
        case Opaque(inner=inner):
            return inner
        case StatementExpr() | _:
            return ()
