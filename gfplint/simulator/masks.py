"""Masks as numbers of the interpreter: every named bit has one bit of its own, so that C's arithmetic works on them.

The bit numbers are the simulator's; nothing may depend on them. Bits that no name has are kept, as a kernel keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gfplint.kernel.model import Mask

#: Bits above this one are no mask bits in any kernel (include/linux/gfp_types.h, __GFP_BITS_SHIFT).
FIRST_INVALID_BIT = 30


class MaskBits:
    """Numbers for the bits that occur in ``masks``."""

    def __init__(self, masks: Mapping[str, Mask]) -> None:
        names = sorted({bit for mask in masks.values() for bit in mask})
        # Bit 30 stays free: it is what a test of invalid bits uses.
        numbers = [n for n in range(len(names) + 1) if n != FIRST_INVALID_BIT]
        self.numbers = {name: 1 << numbers[i] for i, name in enumerate(names)}
        self._all = sum(self.numbers.values())
        self._names: dict[int, Mask] = {}

    def value(self, mask: Iterable[str]) -> int:
        """The number of a mask."""
        return sum({self.numbers[bit] for bit in mask if bit in self.numbers})

    def names(self, value: int) -> Mask:
        """The named bits in a number."""
        value &= self._all
        found = self._names.get(value)
        if found is None:
            found = self._names[value] = frozenset(name for name, bit in self.numbers.items() if value & bit)
        return found

    def unknown(self, value: int) -> bool:
        """Whether a number holds bits that no name has."""
        return bool(value & ~self._all & 0xFFFF_FFFF)
