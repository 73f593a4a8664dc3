"""Abstract values: what the flow analysis knows of a variable, a mask, a piece of memory."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gfplint.facts import Place
from gfplint.kernel.model import Allocator, ContextOp, Mask

NO_BITS: Mask = frozenset()
DIRECT_RECLAIM = "__GFP_DIRECT_RECLAIM"
#: The family of what makes slab caches.
CACHES = "cache"


class MaskValue(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """A gfp mask: ``(base | plus) & ~minus``; ``base`` is "" for a constant, else the path it came from.

    A base that starts with a parameter's name is relative to the function's caller.
    """

    base: str = ""
    plus: Mask = NO_BITS
    minus: Mask = NO_BITS

    @property
    def bits(self) -> Mask | None:
        """The bits of a constant mask; None where it is not constant."""
        return None if self.base else self.plus

    def has(self, bit: str) -> bool | None:
        """Whether the bit is set; None where that depends on the base."""
        if bit in self.plus:
            return True
        if not self.base or bit in self.minus:
            return False
        return None

    def union(self, other: MaskValue) -> MaskValue | None:
        """``self | other``; None where both are symbolic."""
        if self.base and other.base and self.base != other.base:
            return None
        plus = self.plus | other.plus
        if self.base and other.base:
            return MaskValue(self.base, plus, (self.minus & other.minus) - plus)
        minus = self.minus if self.base else other.minus
        return MaskValue(self.base or other.base, plus, minus - plus)

    def without(self, bits: Mask) -> MaskValue:
        """``self & ~bits``."""
        return MaskValue(self.base, self.plus - bits, self.minus | bits if self.base else NO_BITS)

    def rebased(self, base: MaskValue) -> MaskValue | None:
        """This mask with its base replaced by what the caller passes."""
        return MaskValue(base.base, base.plus - self.minus, base.minus | self.minus if base.base else NO_BITS).union(
            MaskValue("", self.plus)
        )


class Memory(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What one allocation handed out. ``site`` names its call; ``path``/``function`` say where that stands.

    ``cache``/``order``/``size``/``device``: texts of the arguments, normalised to access paths; "" where unknown.
    """

    family: str
    allocator: str
    place: Place
    path: str
    function: str
    cache: str = ""
    order: str = ""
    size: str = ""
    device: str = ""
    nofail: bool = False
    offset: bool = False
    error: str = "null"
    managed: bool = False


class Ref(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Another name for an access path: ``lock = &dev->lock``. ``address``: it is the address of what lies there."""

    path: str
    address: bool = False


class Outer(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """The object whose ``member`` is what ``path`` names: ``container_of(path, type, member)``."""

    path: str
    member: str


class Constant(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """A number, or an enumerator or other constant by name; NULL and false are 0, true is 1."""

    text: str

    @property
    def truth(self) -> bool | None:
        """Whether it is non-zero; None for a named constant of unknown value."""
        number = number_of(self.text)
        return None if number is None else number != 0


class Symbol(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """The value that a path had on entry."""

    path: str


class Pending(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """The result of a call whose effect on the context depends on it (``spin_trylock``)."""

    op: ContextOp
    lock: str
    place: Place
    name: str


class Cookie(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What ``memalloc_nofs_save()`` and its like returned; ``place`` is the call."""

    kind: str
    place: Place


Value = Cookie | MaskValue | Memory | Ref | Outer | Constant | Symbol | Pending | None

ZERO = Constant("0")
ONE = Constant("1")
_NAMED = {"NULL": ZERO, "false": ZERO, "true": ONE, "FALSE": ZERO, "TRUE": ONE}


def number_of(text: str) -> int | None:
    """The value of an integer literal as written in C; None for anything else."""
    bare = text.rstrip("uUlL")
    if not bare or not bare[0].isdigit() or len(bare) > 24:
        return None
    try:
        if len(bare) > 1 and bare[0] == "0" and bare[1] not in "xXbB":
            return int(bare, 8)
        return int(bare, 0)
    except ValueError:
        return None


def constant(name: str) -> Constant | None:
    """The constant that a name stands for by convention (upper case); None for variables."""
    known = _NAMED.get(name)
    if known is not None:
        return known
    return Constant(name) if is_constant(name) else None


def is_constant(name: str) -> bool:
    """Whether a name is an enumerator's or a macro's by its looks: ``MODE_A``, and ``HostCmd_MODE_A`` too."""
    if name.isupper():
        return len(name) > 1
    return name[:1].isupper() and "_" in name and sum(c.isupper() for c in name) >= 4


def blocking(mask: MaskValue) -> bool | None:
    """Whether the mask allows direct reclaim, which is what "may sleep" means; None where it depends."""
    return mask.has(DIRECT_RECLAIM)


def mask_of(row: Allocator, masks: Mapping[str, Mask]) -> MaskValue:
    """The mask of an allocator that takes none, or whose mask was left out."""
    return MaskValue("", masks.get(row.default, NO_BITS))


def with_family(memory: Memory, family: str) -> Memory:
    """The same memory, known to be of another family."""
    return msgspec.structs.replace(memory, family=family)


def offset_into(memory: Memory) -> Memory:
    """A pointer into the same memory, not to its start."""
    return msgspec.structs.replace(memory, offset=True)
