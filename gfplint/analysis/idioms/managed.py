"""Memory that a device manages to which the driver does not bind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from gfplint.analysis.idioms.code import Allocation, Code
from gfplint.analysis.paths import root_of, text_of
from gfplint.facts import Assign, Cast, Declare, Expr, Member, Name, Unary
from gfplint.kernel.model import Kernel


class Strange(NamedTuple):
    """An allocation that a strange device manages. ``device``: as written; ``kind``: the struct that it is part of."""

    allocation: Allocation
    device: str
    kind: str


def managing(kernel: Kernel) -> frozenset[str]:
    """The allocators whose memory a device frees."""
    families = kernel.families
    return frozenset(
        name
        for name, row in kernel.allocators.items()
        if row.device is not None and row.family in families and families[row.family].managed
    )


def strangers(code: Code) -> Iterator[Strange]:
    """The allocations that a device manages to whose parts, not to itself, drivers bind."""
    kinds = {name for role, name in code.kernel.roles if role == "parted"}
    names = managing(code.kernel)
    for found in code.allocations:
        device = found.arg(found.row.device) if found.row.name in names else None
        kind = _part_of(device, code) if device is not None else ""
        if device is not None and kind in kinds and not _binds(code):
            yield Strange(found, _written(found, code) or text_of(device), kind)


def _written(found: Allocation, code: Code) -> str:
    """The device argument as it stands in the source; "" where that can't be told."""
    text, number = code.call_text(found.call), found.row.device
    if text is None or number is None or number >= len(text.args):
        return ""
    return " ".join(code.source.code[text.args[number].start : text.args[number].end].split())


def _part_of(device: Expr, code: Code) -> str:
    """The struct whose ``struct device`` an expression is the address of; "" where it is another."""
    while isinstance(device, Cast):
        device = device.value
    if isinstance(device, Name):
        initial = _only_value(device.name, code)
        return _part_of(initial, code) if initial is not None else ""
    if not isinstance(device, Unary) or device.op != "&" or not isinstance(device.operand, Member):
        return ""
    owner = code.type_of(device.operand.base)
    return owner.type if owner is not None else ""


def _only_value(name: str, code: Code) -> Expr | None:
    """What a local variable is declared with, where it never gets another value."""
    values = [s.init for s in code.statements if isinstance(s, Declare) and s.name == name]
    values += [e.value for e in code.expressions if isinstance(e, Assign) and text_of(e.target) == name]
    value = values[0] if len(values) == 1 else None
    return value if value is not None and root_of(text_of(value)) != name else None


def _binds(code: Code) -> bool:
    """Whether the file has a driver for the whole device."""
    drivers = "|".join(name for role, name in code.kernel.roles if role == "binds-whole")
    return bool(drivers) and re.search(rf"\b(?:{drivers})\b", code.source.code) is not None
