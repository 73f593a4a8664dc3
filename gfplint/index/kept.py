"""What a scan of the whole tree found in each file, kept beside the linked tree, and whom a change concerns.

It stands in pieces that are read as they are asked for: totals, the results of files, what files do to members of
structs (by the members), and which files looked at what (by what they looked at).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from gfplint.analysis.holders import Holder
from gfplint.analysis.looks import ASKED
from gfplint.analysis.meeting import MemberEvidence, Met, bare, refined
from gfplint.analysis.operations import Coverage
from gfplint.analysis.ownership import StoreAt, asked_of, kept_under, rests_on
from gfplint.facts import Suppression
from gfplint.findings import Degraded, Finding
from gfplint.index.items import Items
from gfplint.index.linked import Linked, Put, spread
from gfplint.joining import Asked, Ours, Told, tell_all
from gfplint.linting import FileResult
from gfplint.passes import Built, Linted, ours_of
from gfplint.ruleset import Rule
from gfplint.workers import Failure

#: Files whose results stand together.
_FILES = 16

_HOLDERS, _LOOKED, _ASKED = b"h", b"o", b"q"
#: By rounds.
_EVIDENCE = (b"e", b"r")

T = TypeVar("T")
V = TypeVar("V")


class Again(msgspec.Struct, frozen=True, array_like=True):
    """The result of some functions of a file in a round (``passes.Round``)."""

    functions: list[int] = []
    result: FileResult | None = None


class OfFile(msgspec.Struct, frozen=True, array_like=True):
    """The results of one file: first, and in the rounds; the last ones are left out where nothing is in them."""

    first: FileResult
    rounds: tuple[Again, ...] = ()

    @property
    def results(self) -> list[FileResult]:
        """All results that there are."""
        return [self.first, *(again.result for again in self.rounds if again.result is not None)]

    def round(self, number: int) -> Again:
        """What was found in a round."""
        return self.rounds[number] if number < len(self.rounds) else Again()

    def evidence(self, number: int) -> tuple[MemberEvidence, ...]:
        """What is known of members before a round."""
        found = self.first.members
        for again in self.rounds[:number]:
            if again.result is not None:
                found = refined(found, again.functions, again.result.members)
        return found


class Holding(msgspec.Struct, frozen=True, array_like=True):
    """What is stored to a holder (with file and number in it), freed or used from there, and what it is copied to."""

    stores: list[tuple[int, int, StoreAt]]
    asked: list[Asked]
    copied: list[tuple[str, str]]


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """Something that files looked at, which ``digest`` stands for (``items.Items.digest``)."""

    digest: bytes
    files: list[int]


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """What is known of all files at once, by their numbers where it says so.

    ``functions``: how many each file has; ``linted``: files; ``members``: of each round; ``scattered``: as
    ``ownership.Books`` takes them; ``shards``: of each table, by its letter.
    """

    functions: list[int]
    linted: int
    analysed: int
    coverage: dict[int, Coverage]
    findings: dict[int, list[Finding]]
    degraded: dict[int, list[Degraded]]
    suppressions: dict[int, tuple[Suppression, ...]]
    told: list[Told]
    members: list[dict[str, Met]]
    scattered: list[Holder]
    shards: dict[bytes, int]


def name_of(running: Sequence[Rule]) -> bytes:
    """Stands for the rules that ran."""
    codes = msgspec.msgpack.encode([rule.code for rule in running])
    return b"k" + hashlib.blake2b(codes, digest_size=8).digest()


# ---- writing -------------------------------------------------------------------------------------------------


def write(put: Put, built: Built, linted: Linted, running: Sequence[Rule]) -> None:
    """Write what was found. ``put``: as ``linked.write`` hands it out."""
    name = name_of(running)

    def put_mine(part: bytes, value: object) -> None:
        put(name + part, value)

    program, kernel = built.program, built.linker.kernel
    files = {at: kept for at in built.subjects if (kept := _of_file(linted, at)) is not None}
    ours = {at: own for at, kept in files.items() if (own := ours_of(kept.results)) != Ours()}
    groups: dict[int, dict[int, OfFile]] = {}
    for at, kept in files.items():
        groups.setdefault(at // _FILES, {})[at] = kept
    for group, of_files in groups.items():
        put_mine(b"f%d" % group, of_files)
    covered = {at: built.linker.operations.coverage_in(at) for at in built.subjects}
    looked, asked = _looked(linted, built)
    shards = {
        **{letter: spread(_evidence(files, number), letter, put_mine) for number, letter in enumerate(_EVIDENCE)},
        _HOLDERS: spread(_holders(ours), _HOLDERS, put_mine),
        _LOOKED: spread(looked, _LOOKED, put_mine),
        _ASKED: spread(asked, _ASKED, put_mine),
    }
    totals = Totals(
        functions=[len(facts.functions) for facts in program.facts],
        linted=len(built.subjects),
        analysed=sum(result.functions for kept in files.values() for result in kept.results),
        coverage={at: counts for at, counts in covered.items() if any(counts)},
        findings=_some({at: findings_of(kept) for at, kept in files.items()}),
        degraded=_some({at: degraded_of(kept) for at, kept in files.items()}),
        suppressions=_some({at: program.facts[at].suppressions for at in built.subjects}),
        told=tell_all(
            dict(sorted(ours.items(), key=lambda item: program.paths[item[0]])), linted.scattered, kernel, running
        ),
        members=[dict(sorted(round_.members.items())) for round_ in linted.rounds],
        scattered=sorted(linted.scattered),
        shards=shards,
    )
    put_mine(b"", totals)


def _some(table: Mapping[int, V]) -> dict[int, V]:
    """What there is anything of."""
    return {at: found for at, found in table.items() if found}


def _of_file(linted: Linted, at: int) -> OfFile | None:
    """The results of a file; None where there is nothing in them."""
    first = linted.first.get(at)
    if not isinstance(first, FileResult):
        return None
    kept = of_file(first, [(r.functions.get(at, []), r.results.get(at)) for r in linted.rounds])
    return kept if kept != OfFile(_EMPTY) else None


def of_file(first: FileResult, rounds: Sequence[tuple[list[int], FileResult | Failure | None]]) -> OfFile:
    """The results of a file, without what was looked at for it. ``rounds``: the functions, and the result."""
    again = [Again(f, _bare_of(r)) if isinstance(r, FileResult) else Again() for f, r in rounds]
    while again and again[-1] == Again():
        del again[-1]
    return OfFile(_bare_of(first), tuple(again))


def _bare_of(result: FileResult) -> FileResult:
    """A result without what was looked at for it."""
    return msgspec.structs.replace(result, looks=())


def findings_of(kept: OfFile) -> list[Finding]:
    """The findings of a file."""
    return [finding for result in kept.results for finding in result.findings]


def degraded_of(kept: OfFile) -> list[Degraded]:
    """The functions of a file that were analysed in part."""
    return [degraded for result in kept.results for degraded in result.degraded]


def _evidence(files: Mapping[int, OfFile], number: int) -> dict[str, list[tuple[int, list[MemberEvidence]]]]:
    """What files do to members, by their names, as it is known before a round."""
    found: dict[str, dict[int, list[MemberEvidence]]] = {}
    for at, kept in files.items():
        for item in kept.evidence(number):
            found.setdefault(bare(item.member), {}).setdefault(at, []).append(item)
    return {name: list(of_files.items()) for name, of_files in found.items()}


def key_of(holder: tuple[str, str]) -> str:
    """A holder as one name."""
    return "\0".join(holder)


def _holders(ours: Mapping[int, Ours]) -> dict[str, Holding]:
    found: dict[str, Holding] = {}

    def holding(holder: tuple[str, str]) -> Holding:
        key = key_of(holder)
        if key not in found:
            found[key] = Holding([], [], [])
        return found[key]

    for at, own in ours.items():
        for number, store in enumerate(own.stores):
            for holder in kept_under(store):
                holding(holder).stores.append((at, number, store))
                for source in rests_on(store):
                    holding(source).copied.append(holder)
        for asked in own.asked(at):
            for holder in asked_of(asked.site):
                holding(holder).asked.append(asked)
    return found


def _looked(linted: Linted, built: Built) -> tuple[dict[str, dict[str, Seen]], dict[str, list[int]]]:
    """Which files looked at what: by file and what is in it; by question."""
    looked: dict[int, dict[str, list[int]]] = {}
    asked: dict[str, list[int]] = {}
    looks: dict[int, set[tuple[int, str]]] = {}
    for table in (linted.first, *(round_.results for round_ in linted.rounds)):
        for at, result in table.items():
            if isinstance(result, FileResult) and result.looks:
                looks.setdefault(at, set()).update(result.looks)
    for at in sorted(looks):
        for file, name in sorted(looks[at]):
            if file == ASKED:
                asked.setdefault(name, []).append(at)
            else:
                looked.setdefault(file, {}).setdefault(name, []).append(at)
    return {str(file): _seen(names, file, built) for file, names in looked.items()}, asked


def _seen(names: Mapping[str, list[int]], file: int, built: Built) -> dict[str, Seen]:
    items = Items(built.program.facts[file], built.linker.sources.raw(file).data)
    return {name: Seen(items.digest(name), files) for name, files in names.items()}


_EMPTY = FileResult((), (), 0)


# ---- reading -------------------------------------------------------------------------------------------------


def read(linked: Linked, running: Sequence[Rule]) -> Kept | None:
    """What some rules found in a linked tree, if that was kept. Raises StoreError."""
    name = name_of(running)
    totals = linked.part(name, Totals) if linked.has(name) else None
    return Kept(linked, name, totals) if totals is not None else None


class Kept:
    """Reads what was found. Every method raises StoreError where the store no longer has what it needs."""

    def __init__(self, linked: Linked, name: bytes, totals: Totals) -> None:
        self.linked = linked
        self._name = name
        self.totals = totals

    def of_file(self, at: int) -> OfFile:
        """The results of a file."""
        if at >= len(self.totals.functions):
            return OfFile(_EMPTY)
        name = self._name + b"f%d" % (at // _FILES)
        return self.linked.part(name, dict[int, OfFile], {}).get(at) or OfFile(_EMPTY)

    def evidence(self, name: str, number: int) -> list[tuple[int, list[MemberEvidence]]]:
        """What files do to the members of a name, as it is known before a round."""
        return self._row(_EVIDENCE[number], name, list[tuple[int, list[MemberEvidence]]]) or []

    def holding(self, holder: tuple[str, str]) -> Holding:
        """What files do to a holder."""
        return self._row(_HOLDERS, key_of(holder), Holding) or Holding([], [], [])

    def looking(self, at: int) -> dict[str, Seen]:
        """What files looked at of a file."""
        return self._row(_LOOKED, str(at), dict[str, Seen]) or {}

    def asking(self, question: str) -> Sequence[int]:
        """The files that asked a question."""
        return self._row(_ASKED, question, list[int]) or ()

    def _row(self, letter: bytes, name: str, kind: type[T]) -> T | None:
        return self.linked.row_of(self._name + letter, self.totals.shards[letter], name, kind)
