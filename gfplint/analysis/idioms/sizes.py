"""Sizes as written: their factors, whether two are the same, and their value where no type's layout is needed."""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.idioms.code import Allocation, Code
from gfplint.analysis.paths import text_of
from gfplint.analysis.values import is_constant, number_of
from gfplint.facts import Binary, Call, Cast, Expr, Name, Number, SizeOf, Unary

#: Macros nested in a size that are followed.
_MAX_MACROS = 8
#: The smallest page of any architecture; sizes in pages are at least that.
PAGE = 4096
#: Sizes of types that are the same everywhere (include/uapi/asm-generic/int-ll64.h).
_TYPES = {
    **dict.fromkeys(("char", "u8", "s8", "__u8", "__s8", "uint8_t", "int8_t", "bool"), 1),
    **dict.fromkeys(("u16", "s16", "__u16", "__s16", "__le16", "__be16", "uint16_t", "int16_t", "short"), 2),
    **dict.fromkeys(("u32", "s32", "__u32", "__s32", "__le32", "__be32", "uint32_t", "int32_t", "int", "unsigned"), 4),
    **dict.fromkeys(("u64", "s64", "__u64", "__s64", "__le64", "__be64", "uint64_t", "int64_t"), 8),
}
#: Numbers that headers compute in ways that no replacement shows.
_KNOWN = {"PAGE_SIZE": PAGE, "PAGE_SHIFT": 12}


def factors(expr: Expr, code: Code) -> Iterator[Expr]:
    """The factors of a product; of anything else, itself."""
    if isinstance(expr, Cast):
        yield from factors(expr.value, code)
    elif isinstance(expr, Binary) and expr.op == "*":
        yield from factors(expr.left, code)
        yield from factors(expr.right, code)
    elif isinstance(expr, Call) and code.role(expr, "product"):
        for arg in expr.args:
            yield from factors(arg, code)
    else:
        yield expr


def size_of(found: Allocation, code: Code) -> tuple[str, ...]:
    """The factors of what an allocation hands out, as texts, sorted; nothing where they are not all known."""
    parts = [part for part in (found.arg(found.row.count), found.arg(found.row.size)) if part is not None]
    if not parts:
        form = code.kernel.forms.get((found.row.name, "zeroed"))
        return (form.size,) if form is not None and form.size else ()
    return same_as(parts, code)


def same_as(parts: list[Expr], code: Code) -> tuple[str, ...]:
    """The factors of a product of expressions as texts that are equal where the sizes are."""
    texts = [_factor(factor, code) for part in parts for factor in factors(part, code)]
    return tuple(sorted(t for t in texts if t != "1")) if all(texts) else ()


def _factor(expr: Expr, code: Code) -> str:
    if isinstance(expr, SizeOf):
        kind = sizeof_type(expr, code)
        return f"sizeof({kind})" if kind else text_of(expr)
    return text_of(expr)


def sizeof_type(expr: SizeOf, code: Code) -> str:
    """The type whose size ``sizeof`` gives, with a ``*`` for each pointer; "" where it is not known."""
    if expr.value is None:
        return "".join(expr.type.split())
    found = code.type_of(expr.value)
    if found is not None:
        array = isinstance(expr.value, Name) and code.is_array(expr.value.name)
        return "" if array else "".join(found.type.split()) + "*" * found.pointers
    return expr.value.name if isinstance(expr.value, Name) else ""


def is_fixed(expr: Expr) -> bool:
    """Whether a factor is known when the kernel is built, by its looks: numbers, constants, sizes of types."""
    match expr:
        case Number() | SizeOf():
            return True
        case Name(name=name):
            return is_constant(name)
        case Cast(value=value):
            return is_fixed(value)
        case Unary(operand=operand):
            return is_fixed(operand)
        case Binary(left=left, right=right):
            return is_fixed(left) and is_fixed(right)
        case Call(func=Name(name=name), args=args):
            return name == "ARRAY_SIZE" or (name.isupper() and all(map(is_fixed, args)))
    return False


def value_of(expr: Expr, code: Code, depth: int = 0) -> int | None:
    """The least value of a size; None where it is not known without types' layout or the configuration."""
    match expr:
        case Number(text=text):
            return number_of(text)
        case Name(name=name):
            return _named(name, code, depth)
        case Cast(value=value):
            return value_of(value, code, depth)
        case SizeOf():
            return _TYPES.get(sizeof_type(expr, code))
        case Binary(op=op, left=left, right=right):
            return _computed(op, value_of(left, code, depth), value_of(right, code, depth))
        case Call(args=args) if code.role(expr, "product"):
            total: int | None = 1
            for arg in args:
                total = _computed("*", total, value_of(arg, code, depth))
            return total
    return None


def _named(name: str, code: Code, depth: int) -> int | None:
    if name in _KNOWN:
        return _KNOWN[name]
    if depth >= _MAX_MACROS or not is_constant(name) or name in code.locals:
        return None
    replacement = code.around.number_macro(name)
    return value_of(replacement, code, depth + 1) if replacement is not None else None


def _computed(op: str, left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return None
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/" if right > 0:
            return left // right
        case "<<" if 0 <= right < 64 and left < 1 << 64:
            return left << right
        case ">>" if 0 <= right < 64:
            return left >> right
    return None
