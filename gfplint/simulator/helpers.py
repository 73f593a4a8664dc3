"""Small functions of C and the kernel that neither lock nor allocate: error pointers, strings, assertions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gfplint.simulator.values import FIRST_PAGE, MAX_ERRNO, WRAP, Ptr, Sym, Text, Value, identity

if TYPE_CHECKING:
    from gfplint.simulator.machine import Machine


class Helpers:
    """``op_NAME`` is what ``NAME()`` does."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def op_IS_ERR(self, args: list[Value]) -> Value:  # noqa: N802 (the kernel's name)
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, int):
            return int(value % WRAP >= WRAP - MAX_ERRNO)
        return Sym(("is_err", identity(value))) if isinstance(value, Sym) else 0

    def op_IS_ERR_OR_NULL(self, args: list[Value]) -> Value:  # noqa: N802
        value = self.machine.interpreter.resolve(args[0])
        if isinstance(value, int):
            return int(value % WRAP >= WRAP - MAX_ERRNO or value == 0)
        return Sym(("is_err", identity(value))) if isinstance(value, Sym) else 0

    def op_ERR_PTR(self, args: list[Value]) -> Value:  # noqa: N802
        value = args[0]
        return value % WRAP if isinstance(value, int) else value

    def op_PTR_ERR(self, args: list[Value]) -> Value:  # noqa: N802
        value = self.machine.interpreter.resolve(args[0])
        return value - WRAP if isinstance(value, int) and value >= WRAP >> 1 else value

    op_ERR_CAST = op_ERR_PTR  # noqa: N815

    def _touch(self, args: list[Value]) -> Value:
        """memset(), memcpy() and their like use the memory."""
        for arg in args[:2]:
            value = self.machine.interpreter.resolve(arg)
            if isinstance(value, Ptr):
                self.machine.touch(value)
            elif isinstance(value, int) and (value < FIRST_PAGE or value % WRAP >= WRAP - MAX_ERRNO) and arg is args[0]:
                self.machine.oops("null-deref", "NULL or an error pointer is written to")
        first = args[0]
        if isinstance(first, Ptr) and len(args) > 1 and args[1] == 0:
            first.obj.zero = True
        return first

    op_memset = op_memcpy = op_memmove = op_memzero_explicit = op_strcpy = op_strscpy = _touch

    def op_strcmp(self, args: list[Value]) -> Value:
        left, right = args[0], args[1]
        if isinstance(left, Text) and isinstance(right, Text):
            return int(left.text != right.text)
        return Sym(("strcmp", identity(left), identity(right)))

    def op_min(self, args: list[Value]) -> Value:
        numbers = _numbers(args)
        return min(numbers) if numbers else Sym(("min", *map(identity, args)))

    def op_max(self, args: list[Value]) -> Value:
        numbers = _numbers(args)
        return max(numbers) if numbers else Sym(("max", *map(identity, args)))

    def op_BUG(self, args: list[Value]) -> Value:  # noqa: N802
        self.machine.oops("bug-on", "BUG()")
        return 0

    def op_BUG_ON(self, args: list[Value]) -> Value:  # noqa: N802
        if isinstance(args[0], int) and args[0]:
            self.machine.oops("bug-on", "BUG_ON()")
        return 0

    def op_WARN_ON(self, args: list[Value]) -> Value:  # noqa: N802
        if isinstance(args[0], int) and args[0]:
            self.machine.event("warn", "WARN_ON()")
        return args[0]

    op_WARN_ON_ONCE = op_WARN_ON  # noqa: N815


def _numbers(args: list[Value]) -> list[int]:
    """The arguments where all are numbers, else none."""
    numbers = [arg for arg in args if isinstance(arg, int)]
    return numbers if len(numbers) == len(args) else []
