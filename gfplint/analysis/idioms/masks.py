"""Masks as written: the operands of an OR, the bits of each, and what they make together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gfplint.analysis.idioms.code import Allocation, Code
from gfplint.analysis.paths import path_of, text_of
from gfplint.facts import Binary, Call, Cast, Expr, Name, Unary
from gfplint.frontend.header import split_top
from gfplint.frontend.spans import Span, is_plain, trimmed
from gfplint.kernel.masks import DIRECT_RECLAIM, FS, IO, KSWAPD_RECLAIM
from gfplint.kernel.model import Mask

#: Macros nested in a mask that are followed.
_MAX_MACROS = 6
_NAME = re.compile(r"_*GFP_[A-Z0-9_]+\Z")
_ZONES: Mask = frozenset(("__GFP_DMA", "__GFP_HIGHMEM", "__GFP_DMA32"))
#: Ways to try that exclude each other (include/linux/gfp_types.h, "Reclaim modifiers").
_EXCLUSIVE = (("__GFP_NORETRY", "__GFP_NOFAIL"), ("__GFP_RETRY_MAYFAIL", "__GFP_NOFAIL"))
_ACCOUNT = "__GFP_ACCOUNT"
#: What a mask lets reclaim do; a mask that names a restriction lacks some of it.
_ALLOWS: Mask = frozenset((DIRECT_RECLAIM, IO, FS))
#: Text that may hold a contradiction: a look at the text is cheaper than one at the tree.
_SUSPECT = re.compile(r"GFP_[A-Z0-9_]+\s*\)?\s*[|&+-]|[!+~]\s*\(?\s*_*GFP_[A-Z]|\(\s*_*GFP_[A-Z]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Something wrong with a mask as written. ``what``: the two parts; ``call``: the call that it is an argument of."""

    what: tuple[str, str]
    why: str
    call: Call


def operands(expr: Expr) -> list[Expr]:
    """The operands of an OR; of anything else, itself."""
    if isinstance(expr, Cast):
        return operands(expr.value)
    if isinstance(expr, Binary) and expr.op == "|":
        return [*operands(expr.left), *operands(expr.right)]
    return [expr]


def bits_of(expr: Expr, code: Code, depth: int = 0) -> Mask | None:
    """The bits of a constant mask; None where it is not known to be one."""
    match expr:
        case Name(name=name):
            known = code.kernel.masks.get(name)
            if known is not None or depth >= _MAX_MACROS or name in code.locals or not name.isupper():
                return known
            replacement = code.around.mask_macro(name)
            return bits_of(replacement, code, depth + 1) if replacement is not None else None
        case Cast(value=value):
            return bits_of(value, code, depth)
        case Binary(op="|", left=left, right=right):
            one, two = bits_of(left, code, depth), bits_of(right, code, depth)
            return one | two if one is not None and two is not None else None
        case Binary(op="&", left=left, right=Unary(op="~", operand=operand)):
            one, two = bits_of(left, code, depth), bits_of(operand, code, depth)
            return one - two if one is not None and two is not None else None
    return None


def is_mask_name(expr: Expr) -> bool:
    """Whether an expression is the name of a mask, by its looks."""
    return isinstance(expr, Name) and bool(_NAME.match(expr.name))


# ---- contradictions ------------------------------------------------------------------------------------------


def contradictions(code: Code) -> Iterator[Contradiction]:
    """Masks among the arguments of calls that contradict themselves, or are no masks."""
    if not _SUSPECT.search(code.text_of_body):
        return
    for call in code.expressions:
        if isinstance(call, Call):
            for arg in call.args:
                yield from _in_value(arg, call, code)
    for found in code.allocations:
        yield from _exchanged(found)
        bits = bits_of(found.mask, code) if found.mask is not None else None
        if bits and FS in bits and IO not in bits and DIRECT_RECLAIM in bits:
            yield Contradiction((FS, IO), "half", found.call)


def _in_value(expr: Expr, call: Call, code: Code) -> Iterator[Contradiction]:
    """What is wrong with a value and its operands, those of inner calls apart."""
    match expr:
        case Cast(value=value):
            yield from _in_value(value, call, code)
        case Unary(op="!", operand=operand) if is_mask_name(operand):
            yield Contradiction((f"!{text_of(operand)}", "0"), "not", call)
        case Binary(op="||" | "&&" | "+" | "-" as op, left=left, right=right):
            if is_mask_name(left) and (is_mask_name(right) or op in "||&&"):
                yield Contradiction((text_of(left), text_of(right)), op, call)
        case Binary(op="&", left=left, right=right):
            yield from _cleared(left, right, call, code)
            for part in (left, right):  # a set of bits to ask for or to keep is no mask: its parts may be anything
                if not (isinstance(part, Binary) and part.op == "|"):
                    yield from _in_value(part, call, code)
        case Binary(op="|"):
            parts = operands(expr)
            yield from _united(parts, call, code)
            for part in parts:
                yield from _in_value(part, call, code)


def _cleared(left: Expr, right: Expr, call: Call, code: Code) -> Iterator[Contradiction]:
    one, two = bits_of(left, code), bits_of(right, code)
    if one and two and not one & two:
        yield Contradiction((text_of(left), text_of(right)), "nothing", call)


def _united(parts: list[Expr], call: Call, code: Code) -> Iterator[Contradiction]:
    for part in parts:
        if isinstance(part, Unary) and part.op == "~" and bits_of(part.operand, code):
            yield Contradiction((text_of(part), text_of(part.operand)), "all", call)
    known = [(text_of(part), bits) for part in parts if (bits := bits_of(part, code))]
    for at, (name, bits) in enumerate(known):
        for other, more in known[at + 1 :]:
            yield from _pair(name, bits, other, more, call, code.row(call) is not None)


def _pair(name: str, bits: Mask, other: str, more: Mask, call: Call, allocates: bool) -> Iterator[Contradiction]:
    for one, two in _EXCLUSIVE:
        if (one in bits and two in more) or (two in bits and one in more):
            yield Contradiction((name, other), "exclusive", call)
    if allocates and bits & _ZONES and more & _ZONES and bits & _ZONES != more & _ZONES:
        yield Contradiction((name, other), "zones", call)
    if KSWAPD_RECLAIM in bits and KSWAPD_RECLAIM in more:
        less, wide = (name, other) if len(bits & _ALLOWS) < len(more & _ALLOWS) else (other, name)
        if bits & _ALLOWS != more & _ALLOWS and bits & more & _ALLOWS in (bits & _ALLOWS, more & _ALLOWS):
            yield Contradiction((less, wide), "wider", call)


def _exchanged(found: Allocation) -> Iterator[Contradiction]:
    """A mask where the size belongs, and none where the mask does."""
    size, mask = found.arg(found.row.size), found.mask
    if size is None or mask is None:
        return
    if all(map(is_mask_name, operands(size))) and not any(map(is_mask_name, operands(mask))):
        yield Contradiction((text_of(size), text_of(mask)), "exchanged", found.call)


# ---- redundant flags -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Redundant:
    """A flag that an allocation's mask need not have. ``why``: another operand that holds it, "" if the allocator does;
    ``cache``: the slab cache that charges all its objects.

    ``span``/``rest``: the mask argument and what is left of it; None and "" where that is not certain.
    """

    allocation: Allocation
    flag: str
    why: str
    span: Span | None
    rest: str
    cache: str = ""


def redundant_flags(code: Code) -> Iterator[Redundant]:
    """Every flag that changes nothing."""
    for found in code.allocations:
        mask = found.mask
        if mask is None:
            continue
        parts = operands(mask)
        if (cache := _charging_cache(found, parts, code)) is not None:
            yield cache
            continue
        if len(parts) < 2:
            continue
        given = _given(found, code)
        bits = [bits_of(part, code) for part in parts]
        for at, part in enumerate(parts):
            own = bits[at]
            if not isinstance(part, Name) or not own:
                continue
            why = _holder(at, own, parts, bits)
            if why is not None or own <= given:
                span, rest = _without(found, at, len(parts), code)
                yield Redundant(found, part.name, why or "", span, rest)
                break


def _charging_cache(found: Allocation, parts: list[Expr], code: Code) -> Redundant | None:
    """``__GFP_ACCOUNT``, alone or in a mask that is another one with it, for a cache that charges all its objects
    (mm/slub.c, memcg_slab_post_alloc_hook()).
    """
    cache = found.arg(found.row.cache)
    name = path_of(cache).rpartition(".")[2] if cache is not None else ""
    for at, part in enumerate(parts):
        bits = bits_of(part, code) if isinstance(part, Name) else None
        if not name or not isinstance(part, Name) or not bits or _ACCOUNT not in bits:
            continue
        if not _charges(name, code):
            return None
        plain = _named(bits - {_ACCOUNT}, part.name, code) if bits != {_ACCOUNT} else ""
        span, rest = _without(found, at, len(parts), code, plain)
        return Redundant(found, _ACCOUNT, "", span, rest, name)
    return None


def _named(bits: Mask, like: str, code: Code) -> str:
    """The name of the mask with these bits that is the beginning of another's name; "" where there is none."""
    names = (name for name, known in code.kernel.masks.items() if known == bits and like.startswith(name))
    return max(names, key=len, default="")


def _charges(cache: str, code: Code) -> bool:
    """Whether a file creates a cache, by the name of its variable, and each time so that it charges its objects."""
    creators = "|".join(name for name, row in code.kernel.allocators.items() if row.family == "cache")
    made = re.findall(rf"\b{re.escape(cache)}\s*=\s*(?:{creators})\s*\(([^;]*);", code.source.code)
    return bool(made) and all(re.search(r"\bSLAB_ACCOUNT\b", args) for args in made)


def _given(found: Allocation, code: Code) -> Mask:
    """The bits that the allocator sets or drops itself."""
    form = code.kernel.forms.get((found.row.name, "zeroed"))
    zeroes = found.row.zeroes or (form is not None and form.to == found.row.name)
    family = code.kernel.families.get(found.row.family)
    drops: Mask = frozenset(family.drops) if family is not None else frozenset()
    return drops | {"__GFP_ZERO"} if zeroes else drops


def _holder(at: int, own: Mask, parts: list[Expr], bits: list[Mask | None]) -> str | None:
    """Another operand that has all the bits of one; of two that are equal, the first stays."""
    for other, more in enumerate(bits):
        if other != at and more and own <= more and (own != more or other < at) and not _restricts(own, more):
            return text_of(parts[other])
    return None


def _restricts(own: Mask, more: Mask) -> bool:
    """Whether a mask was meant to take something away: then the OR is a contradiction, and nothing is redundant."""
    return KSWAPD_RECLAIM in own and own & _ALLOWS != more & _ALLOWS


def _without(found: Allocation, at: int, count: int, code: Code, instead: str = "") -> tuple[Span | None, str]:
    """The mask argument, and its text without one operand, or with another ``instead``."""
    text = code.call_text(found.call)
    if text is None or found.row.mask is None:
        return None, ""
    span = text.args[found.row.mask]
    if not is_plain(code.source, span):
        return None, ""
    written = code.source.code[span.start : span.end]
    pieces = split_top(written, "|")
    if len(pieces) != count:
        return None, ""
    if instead:
        pieces[at] = pieces[at].replace(pieces[at].strip(), instead)
    else:
        del pieces[at]
    if at == 0 and pieces:
        pieces[0] = pieces[0].lstrip()
    rest = "|".join(pieces).rstrip()
    return trimmed(code.source.code, span), rest
