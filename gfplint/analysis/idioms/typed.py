"""Allocations by size whose type is known: what the forms that take the type would be given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gfplint.analysis.idioms.code import Allocation, Code
from gfplint.analysis.idioms.sizes import sizeof_type
from gfplint.analysis.paths import path_of
from gfplint.facts import Call, Expr, Name, Param, SizeOf, Unary
from gfplint.frontend.spans import Span, is_plain


@dataclass(frozen=True, slots=True)
class Typed:
    """An allocation that ``form`` makes by type. ``args``: the texts of its arguments; empty where not certain."""

    allocation: Allocation
    form: str
    args: tuple[str, ...]


def typed(code: Code) -> Iterator[Typed]:
    """Every allocation of objects of its target's own type."""
    for found in code.allocations:
        size = found.arg(found.row.size)
        if size is None or found.target is None or found.row.mask is None:
            continue
        shape = _shape(found, size, code)
        form = code.form(found.row.name, shape) if shape else ""
        if form:
            yield Typed(found, form, _args(found, size, code))


def _shape(found: Allocation, size: Expr, code: Code) -> str:
    """Which form fits: one object, several, or one with a flexible array; "" where the types differ."""
    if isinstance(size, SizeOf):
        if not _fits(found, sizeof_type(size, code), code):
            return ""
        return "object" if found.row.count is None else "objects"
    flexible = isinstance(size, Call) and code.role(size, "flexible") is not None and len(size.args) == 3
    if flexible and isinstance(size, Call) and found.row.count is None and found.target is not None:
        return "flex" if path_of(size.args[0]) == path_of(found.target) != "" else ""
    return ""


def _fits(found: Allocation, kind: str, code: Code) -> bool:
    """Whether the target points to objects of a type, or to anything."""
    known = code.type_of(found.target) if found.target is not None else None
    if known is None or not known.pointers or not kind:
        return False
    pointed = _text(Param(known.type, known.pointers - 1, ""))
    return pointed in (kind, "void")


def _text(param: Param) -> str:
    return "".join(param.type.split()) + "*" * param.pointers


def _args(found: Allocation, size: Expr, code: Code) -> tuple[str, ...]:
    text = code.call_text(found.call)
    if text is None or found.row.size is None or found.row.mask is None:
        return ()
    if not is_plain(code.source, text.whole) or len(text.args) != 2 + (found.row.count is not None):
        return ()
    written = code.text(text.args[found.row.size])
    if isinstance(size, SizeOf):
        objects = [_operand(written)]
        if found.row.count is not None:
            objects.append(code.text(text.args[found.row.count]))
    else:
        objects = _flexible(size, text.args[found.row.size], code)
    mask = found.mask
    plain = isinstance(mask, Name) and mask.name == "GFP_KERNEL" and "default_gfp" in code.kernel.probes
    given = [] if plain else [code.text(text.args[found.row.mask])]
    return (*objects, *given) if all(objects) else ()


def _operand(written: str) -> str:
    """What ``sizeof`` is asked of, without its parentheses; "" where the text is not that alone."""
    if not written.startswith("sizeof"):
        return ""
    inner = written.removeprefix("sizeof").strip()
    if inner.startswith("(") and inner.endswith(")"):
        bare = inner[1:-1].strip()
        return bare if bare.count("(") == bare.count(")") and ")" not in bare.partition("(")[0] else ""
    return inner


def _flexible(size: Expr, span: Span, code: Code) -> list[str]:
    """The arguments of ``struct_size(p, member, count)`` as ``*p``, ``member``, ``count``."""
    inner = code.call_text(size) if isinstance(size, Call) else None
    if inner is None or inner.whole != span:
        return [""]
    pointer, member, count = (code.text(arg) for arg in inner.args)
    first = size.args[0] if isinstance(size, Call) else None
    return [f"*{pointer}" if not isinstance(first, Unary) else "", member, count]
