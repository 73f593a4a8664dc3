"""Open-coded kvmalloc() and kvfree(): one allocator where another failed, or is too small for the size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gfplint.analysis.idioms.code import Allocation, Code, body_of, called, tests_null
from gfplint.analysis.idioms.masks import bits_of, operands
from gfplint.analysis.idioms.sizes import size_of
from gfplint.analysis.paths import path_of
from gfplint.facts import Assign, Binary, Call, Conditional, Declare, Do, Expr, If, Name, Stmt, Unary
from gfplint.frontend.spans import Span
from gfplint.kernel.masks import DIRECT_RECLAIM


@dataclass(frozen=True, slots=True)
class Fallback:
    """``first`` is tried, or chosen by the size, and ``second`` where that does not do."""

    first: Allocation
    second: Allocation


@dataclass(frozen=True, slots=True)
class FreeChoice:
    """``if (is_vmalloc_addr(p)) vfree(p); else kfree(p);``. ``span``: all of it; None where that is not certain.

    ``pointer``: the text of ``p``.
    """

    question: Call
    span: Span | None
    pointer: str


def fallbacks(code: Code) -> Iterator[Fallback]:
    """Every pair of a slab allocation and a vmalloc of the same size for the same pointer."""
    by_call = {id(found.call): found for found in code.allocations}
    for sequence in code.sequences:
        for at, stmt in enumerate(sequence):
            if isinstance(stmt, If):
                before = sequence[at - 1] if at else None
                yield from _pairs(before, stmt, by_call, code)
    for expr in code.expressions:
        if isinstance(expr, Conditional) and expr.then is not None and _compares(expr.test):
            yield from _pair(expr.then, expr.otherwise, by_call, code)


def _pairs(before: Stmt | None, stmt: If, by_call: dict[int, Allocation], code: Code) -> Iterator[Fallback]:
    """``p = kmalloc(); if (!p) p = vmalloc();``, and ``if (small) p = kmalloc(); else p = vmalloc();``."""
    if stmt.otherwise is not None:
        then, other = body_of(stmt.then), body_of(stmt.otherwise)
        if len(then) == len(other) == 1 and _path(then[0]) == _path(other[0]) and _compares(stmt.test):
            yield from _pair(_value(then[0]), _value(other[0]), by_call, code)
        return
    then = body_of(stmt.then)
    second = _value(then[0]) if then else None
    path = _path(then[0]) if then else ""
    if not path or tests_null(stmt.test, path, code.kernel) is not True or isinstance(stmt.test, Binary):
        return
    tried = stmt.test.operand if isinstance(stmt.test, Unary) else None
    first = tried.value if isinstance(tried, Assign) else _value(before) if _path(before) == path else None
    yield from _pair(first, second, by_call, code)


def _pair(one: Expr | None, two: Expr | None, by_call: dict[int, Allocation], code: Code) -> Iterator[Fallback]:
    first, second = _allocation(one, by_call), _allocation(two, by_call)
    if first is None or second is None:
        return
    if first.row.family == "vmalloc":
        first, second = second, first
    if first.row.family != "kmalloc" or second.row.family != "vmalloc" or not code.form(first.row.name, "kv"):
        return
    if first.mask is not None and (_never_blocks(first.mask, code) or _is_restricted(first.mask, code)):
        return
    size = size_of(first, code)
    if size and size == size_of(second, code):
        yield Fallback(first, second)


def _compares(test: Expr) -> bool:
    """Whether a choice is one by size: a flag may be there to try either."""
    return isinstance(test, Binary) and test.op in ("<", ">", "<=", ">=")


def _never_blocks(mask: Expr, code: Code) -> bool:
    """Whether a mask does not block: kvmalloc() never falls back then."""
    bits = [bits_of(part, code) for part in operands(mask)]
    return None not in bits and not any(b and DIRECT_RECLAIM in b for b in bits)


def _is_restricted(mask: Expr, code: Code) -> bool:
    """Whether the function takes bits out of a mask for the first try: kvmalloc() would try otherwise."""
    path = path_of(mask)
    taken = (e for e in code.expressions if isinstance(e, Assign) and e.op == "&=")
    return bool(path) and any(path_of(e.target) == path for e in taken)


def _allocation(expr: Expr | None, by_call: dict[int, Allocation]) -> Allocation | None:
    call = called(expr)
    return by_call.get(id(call)) if call is not None else None


def _value(stmt: Stmt | None) -> Expr | None:
    match stmt:
        case Do(expr=Assign(op="=", value=value)):
            return value
        case Declare(init=init):
            return init
    return None


def _path(stmt: Stmt | None) -> str:
    match stmt:
        case Do(expr=Assign(op="=", target=target)):
            return path_of(target)
        case Declare(name=name, init=init) if init is not None:
            return name
    return ""


# ---- frees ---------------------------------------------------------------------------------------------------


def free_choices(code: Code) -> Iterator[FreeChoice]:
    """Every free that asks whether memory is vmalloc's."""
    for stmt in code.statements:
        if not isinstance(stmt, If) or stmt.otherwise is None:
            continue
        question, then, other = stmt.test, stmt.then, stmt.otherwise
        if isinstance(question, Unary) and question.op == "!":
            question, then, other = question.operand, other, then
        if not _asks(question, code) or not isinstance(question, Call):
            continue
        path = path_of(question.args[0])
        yes, no = _freed(then), _freed(other)
        if path and yes and no and (yes[1], no[1]) == (path, path) and (yes[0], no[0]) == _FREES:
            last = _last_call(stmt.otherwise)
            yield FreeChoice(question, _span(question, last, code), _text(question, code))


#: What frees each of the two kinds of memory that kvmalloc() hands out (Documentation/core-api/memory-allocation.rst).
_FREES = ("vfree", "kfree")


def _asks(expr: Expr, code: Code) -> bool:
    if not isinstance(expr, Call) or not isinstance(expr.func, Name) or len(expr.args) != 1:
        return False
    query = code.kernel.queries.get(expr.func.name)
    return query is not None and query.true_means == "vmalloc"


def _last_call(stmt: Stmt) -> Call | None:
    body = body_of(stmt)
    only = body[0] if len(body) == 1 else None
    return only.expr if isinstance(only, Do) and isinstance(only.expr, Call) else None


def _freed(stmt: Stmt) -> tuple[str, str] | None:
    call = _last_call(stmt)
    if call is None or not isinstance(call.func, Name) or len(call.args) != 1:
        return None
    return call.func.name, path_of(call.args[0])


def _text(question: Call, code: Code) -> str:
    text = code.call_text(question)
    return code.text(text.args[0]) if text is not None else ""


def _span(question: Call, last: Call | None, code: Code) -> Span | None:
    """From the ``if`` to the semicolon or brace that ends the last free."""
    asked = code.call_text(question)
    freed = code.call_text(last) if last is not None else None
    if asked is None or freed is None:
        return None
    text = code.source.code
    start = text.rfind("if", 0, asked.whole.start)
    end = text.find(";", freed.whole.end)
    between = text[start + 2 : asked.whole.start].replace(" ", "")
    if start < 0 or end < 0 or between not in ("(", "(!") or text[freed.whole.end : end].strip():
        return None
    end += 1
    written = text[start:end]
    if written.count("{") > written.count("}"):
        brace = text.find("}", end)
        if brace < 0 or text[end:brace].strip():
            return None
        end = brace + 1
        written = text[start:end]
    balanced = written.count("{") == written.count("}")
    plain = code.source.data[start:end].decode("ascii", "replace") == written
    return Span(start, end) if balanced and plain and not _is_else_if(text, start) else None


def _is_else_if(text: str, start: int) -> bool:
    return text[:start].rstrip().endswith("else")
