"""What only all files together tell of members of structs: memory stored in one file and freed, or used, in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import msgspec

from gfplint.analysis.holders import Holder
from gfplint.analysis.ownership import Books, FreeAt, StoreAt
from gfplint.analysis.summary import Summary
from gfplint.analysis.values import Memory
from gfplint.findings import Finding
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Rule, View


class Ours(msgspec.Struct, frozen=True, array_like=True):
    """What one file stores in members, and frees or uses from there."""

    stores: tuple[StoreAt, ...] = ()
    frees: tuple[FreeAt, ...] = ()
    uses: tuple[FreeAt, ...] = ()

    def asked(self, file: int) -> Iterator[Asked]:
        """Its frees and uses; ``file``: its number."""
        yield from (Asked(file, False, at, free) for at, free in enumerate(self.frees))
        yield from (Asked(file, True, at, use) for at, use in enumerate(self.uses))


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """A free or use, by its number in its file, of which the rules are asked."""

    file: int
    use: bool
    number: int
    site: FreeAt


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What the rules say of one free or use."""

    file: int
    use: bool
    number: int
    findings: tuple[Finding, ...]


def tell(
    asked: Iterable[Asked],
    stores: Sequence[StoreAt],
    frees: Sequence[FreeAt],
    uses: Sequence[FreeAt],
    scattered: Set[Holder],
    kernel: Kernel,
    rules: Sequence[Rule],
) -> Iterator[Told]:
    """What the rules say of frees and uses of members; ``stores``/``frees``/``uses``: all that may tell of them;
    ``scattered``: as ``ownership.Books`` takes them.
    """

    def legal(free: str, memory: Memory) -> bool:
        return memory.family in kernel.freeing(free).families

    def linear(_: str, memory: Memory) -> bool:
        return memory.family not in kernel.families or kernel.families[memory.family].contiguous

    apart = frozenset(f.name for f in kernel.families.values() if f.local)
    of_frees, of_uses = Books(stores, frees, legal, apart, scattered), Books(stores, uses, linear, apart, scattered)
    for item in asked:
        known = (of_uses if item.use else of_frees).known(item.site)
        if known is None:
            continue
        summary = Summary(known.function, known.path, ())
        if item.use:
            summary = msgspec.structs.replace(summary, linear_uses=(known.site,))
        else:
            summary = msgspec.structs.replace(summary, frees=(known.site,))
        view = View(summary, kernel)
        if found := dict.fromkeys(finding for rule in rules for finding in rule.check(view)):
            yield Told(item.file, item.use, item.number, tuple(found))


def tell_all(ours: Mapping[int, Ours], scattered: Set[Holder], kernel: Kernel, rules: Sequence[Rule]) -> list[Told]:
    """What the rules say of the frees and uses of all files, by their numbers."""
    stores = [store for file in ours.values() for store in file.stores]
    frees = [free for file in ours.values() for free in file.frees]
    uses = [use for file in ours.values() for use in file.uses]
    asked = (item for at, file in ours.items() for item in file.asked(at))
    return list(tell(asked, stores, frees, uses, scattered, kernel, rules))


def findings_of(told: Iterable[Told]) -> list[Finding]:
    """The findings, each once."""
    return list(dict.fromkeys(finding for item in told for finding in item.findings))
