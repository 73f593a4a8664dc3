"""Values of interpreted C: integers are ``int``; the rest are the classes here.

A pointer is an object and a key inside it: ``None`` for the object as a whole, an int for an element or byte offset, a
string for a member. What the program does not determine is a ``Sym``, named by a hashable key so that the same unknown
gets the same answer all along one path.
"""

from __future__ import annotations

from typing import Any

#: 2**64: pointers and unsigned long wrap here; ERR_PTR(-12) is WRAP - 12.
WRAP = 1 << 64
#: Addresses below this are NULL pointers for the MMU; those from WRAP - MAX_ERRNO on are error pointers.
FIRST_PAGE = 4096
MAX_ERRNO = 4095


class Sym:
    """An unknown value; ``key`` identifies it on a path."""

    __slots__ = ("key",)

    def __init__(self, key: tuple[Any, ...]) -> None:
        self.key = key

    def __repr__(self) -> str:
        return f"Sym{self.key}"


class Obj:
    """Storage: a struct, an array, a frame of locals, or allocated memory.

    ``sym`` is the key of the unknown that it stands for (its members are unknowns too), ``zero`` says that members not
    written
    are 0; ``memory`` is the allocation behind it; ``parent`` the object that embeds it under ``name``.
    """

    __slots__ = ("array", "fields", "memory", "name", "parent", "sym", "zero")

    def __init__(
        self, name: str = "", sym: tuple[Any, ...] | None = None, zero: bool = False, array: bool = False
    ) -> None:
        self.fields: dict[Any, Any] = {}
        self.name = name
        self.sym = sym
        self.zero = zero
        self.array = array
        self.parent: Obj | None = None
        self.memory: Any = None

    def embed(self, key: Any, array: bool = False) -> Obj:
        """The struct or array member ``key``, made when first named."""
        inner = self.fields.get(key)
        if not isinstance(inner, Obj):
            inner = Obj(str(key), None if self.sym is None else (*self.sym, key), self.zero, array)
            inner.parent = self
            self.fields[key] = inner
        return inner

    def unknown(self) -> bool:
        """Whether it is what an unknown pointer points to, or inside that: where it lies nobody knows."""
        outer = self
        while outer.parent is not None:
            outer = outer.parent
        return outer.memory is None and outer.sym is not None and outer.sym[0] == "field"

    def __repr__(self) -> str:
        return f"<{self.name or 'object'}>"


class Ptr:
    """A pointer to ``obj`` (``key`` None) or into it."""

    __slots__ = ("key", "obj")

    def __init__(self, obj: Obj, key: Any = None) -> None:
        self.obj = obj
        self.key = key

    def same(self, other: Ptr) -> bool:
        """Whether both point to the same place."""
        return self.obj is other.obj and (self.key or 0) == (other.key or 0)

    def __repr__(self) -> str:
        return f"&{self.obj}" + (f"[{self.key}]" if self.key is not None else "")


class Text:
    """A string literal."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Func:
    """A function by name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class GivenMask(int):
    """A mask that a parameter brought: a number that is known only because a choice was made for the caller."""


Value = int | Sym | Ptr | Text | Func | Obj


def signed(value: int) -> int:
    """A 64 bit pattern read as a signed number."""
    return value - WRAP if value >= WRAP >> 1 else value


def is_error(value: Value) -> bool:
    """IS_ERR() of a value known to be a number."""
    return isinstance(value, int) and value % WRAP >= WRAP - MAX_ERRNO


def text_of(value: Value) -> str:
    """What a literal says, or a function is called; else the value as text."""
    return value.text if isinstance(value, Text) else value.name if isinstance(value, Func) else str(value)


def identity(value: Value) -> Any:
    """A hashable stand-in for a value, for keys of unknown expressions."""
    if isinstance(value, Sym):
        return value.key
    if isinstance(value, int):
        return value
    if isinstance(value, Ptr):
        return ("ptr", id(value.obj), value.key)
    if isinstance(value, Func):
        return ("func", value.name)
    if isinstance(value, Text):
        return ("text", value.text)
    return ("obj", id(value))
