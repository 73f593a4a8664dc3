"""Binary operators on values, and the constants of C."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gfplint.simulator.values import WRAP, Func, GivenMask, Ptr, Sym, Text, Value, identity

if TYPE_CHECKING:
    from gfplint.simulator.interp import Interpreter

_COMPARE = {"==": "==", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_SWAP = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}


def operate(it: Interpreter, op: str, left: Value, right: Value) -> Value:
    """A binary operator on values."""
    left, right = it.resolve(left), it.resolve(right)
    if isinstance(left, int) and isinstance(right, int):
        result = arithmetic(op, left, right)
        if isinstance(left, GivenMask) or isinstance(right, GivenMask):
            if op in ("&", "|"):
                return GivenMask(result)
            it.path.mask_tested = True
        return result
    if op in _COMPARE:
        return compare(it, op, left, right)
    if isinstance(left, Ptr) or isinstance(right, Ptr):
        return pointer(it, op, left, right)
    return Sym(("op", op, identity(left), identity(right)))


def compare(it: Interpreter, op: str, left: Value, right: Value) -> Value:
    if isinstance(left, Ptr) and isinstance(right, Ptr):
        same = left.same(right)
        return int(same if op in ("==", "<=", ">=") else not same if op == "!=" else False)
    if isinstance(right, Sym) and not isinstance(left, Sym):
        left, right, op = right, left, _SWAP[op]
    if isinstance(left, Sym):
        return Sym(("cmp", left.key, op, identity(right)))
    if isinstance(left, (Ptr, Text, Func)) and isinstance(right, int):
        address = it.machine.address(left)
        return arithmetic(op, address, right % WRAP)
    if isinstance(right, (Ptr, Text, Func)) and isinstance(left, int):
        return arithmetic(op, left % WRAP, it.machine.address(right))
    same = identity(left) == identity(right)
    return int(same if op == "==" else not same)


def pointer(it: Interpreter, op: str, left: Value, right: Value) -> Value:
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
        return arithmetic(op, it.machine.address(left), right)
    return Sym(("op", op, identity(left), identity(right)))


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


def character(text: str) -> int:
    inner = text.strip("'")
    if inner.startswith("\\"):
        return _ESCAPES.get(inner[1:2], ord(inner[1:2] or " "))
    return ord(inner[:1] or " ")
