"""Sizes that are a product of a count and a size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gfplint.analysis.idioms.code import Allocation, Code
from gfplint.analysis.idioms.sizes import factors, is_fixed, sizeof_type
from gfplint.facts import Binary, Cast, Expr, SizeOf
from gfplint.frontend.header import split_top
from gfplint.frontend.spans import Span, is_plain, trimmed

#: Types of one byte, without blanks.
_BYTES = frozenset(
    ("char", "unsignedchar", "signedchar", "u8", "s8", "__u8", "__s8", "uint8_t", "int8_t", "bool", "_Bool")
)


@dataclass(frozen=True, slots=True)
class Product:
    """An allocation whose size argument is a product.

    ``fixed``: all of it is known when the kernel is built; ``typed``: one factor is a ``sizeof``; ``bounded``: only one
    factor is a run-time value. ``count``/``size``:
    the texts of the two arguments that an array form takes; "" where they can't be told for certain.
    """

    allocation: Allocation
    fixed: bool
    typed: bool
    bounded: bool
    count: str
    size: str
    span: Span | None


def products(code: Code) -> Iterator[Product]:
    """Every allocation of ``count * size`` bytes."""
    for found in code.allocations:
        size = found.arg(found.row.size)
        if size is None or found.row.count is not None:
            continue
        while isinstance(size, Cast):
            size = size.value
        if not isinstance(size, Binary) or size.op != "*":
            continue
        parts = [part for part in factors(size, code) if not _is_byte(part, code)]
        if len(parts) < 2:
            continue
        typed = any(isinstance(part, SizeOf) for part in parts)
        span, texts = _texts(found, size, code)
        count, unit = _ordered(texts, size) if texts else ("", "")
        running = sum(not is_fixed(part) for part in parts)
        yield Product(found, not running, typed, running < 2, count, unit, span)


def _is_byte(part: Expr, code: Code) -> bool:
    """``sizeof(char)`` and the like: a factor that changes nothing."""
    return isinstance(part, SizeOf) and sizeof_type(part, code) in _BYTES


def _ordered(texts: tuple[str, str], size: Binary) -> tuple[str, str]:
    """(count, size): the ``sizeof`` is the size, else a number is the count."""
    left, right = texts
    if isinstance(size.left, SizeOf) and not isinstance(size.right, SizeOf):
        return right, left
    if not isinstance(size.right, SizeOf) and is_fixed(size.right) and not is_fixed(size.left):
        return right, left
    return left, right


def _texts(found: Allocation, size: Binary, code: Code) -> tuple[Span | None, tuple[str, str] | None]:
    """Where the size argument stands, and the texts of its two operands."""
    text = code.call_text(found.call)
    if text is None or found.row.size is None:
        return None, None
    span = text.args[found.row.size]
    if not is_plain(code.source, span):
        return span, None
    inner = _bare(code.source.code, span)
    pieces = split_top(code.source.code[inner.start : inner.end], "*")
    if len(pieces) != 2:
        return span, _three(pieces, size)
    left, right = (_unwrapped(piece) for piece in pieces)
    return span, (left, right) if left and right else None


def _three(pieces: list[str], size: Binary) -> tuple[str, str] | None:
    """``a * b * sizeof(c)`` is computed from the left: the first two are the count as they stand."""
    if len(pieces) != 3 or not isinstance(size.right, SizeOf) or not all(p.strip() for p in pieces):
        return None
    return f"{pieces[0].strip()} * {pieces[1].strip()}", pieces[2].strip()


def _bare(code: str, span: Span) -> Span:
    """A span without the parentheses around all of it."""
    while code[span.start] == "(" and _closes(code, span) == span.end - 1:
        span = trimmed(code, Span(span.start + 1, span.end - 1))
    return span


def _closes(code: str, span: Span) -> int:
    """The offset of the parenthesis that closes the first one of a span."""
    depth = 0
    for at in range(span.start, span.end):
        depth += (code[at] == "(") - (code[at] == ")")
        if depth == 0:
            return at
    return -1


def _unwrapped(text: str) -> str:
    bare = text.strip()
    if not bare:
        return ""
    span = _bare(bare, Span(0, len(bare)))
    return bare[span.start : span.end]
