"""Operations: which functions a member of a struct may hold, and what a call of it may do whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from gfplint.analysis.program import FunctionId, Program
from gfplint.analysis.summary import Sleep, Summary
from gfplint.analysis.values import MaskValue, blocking
from gfplint.facts import Table
from gfplint.findings import Step
from gfplint.kernel.model import LEFT_OPEN, Kernel

#: Implementations of one operation that are looked at.
MAX_IMPLEMENTATIONS = 48


#: Implementations that sleep from which on it is known that an operation may.
SOME = 2


class Implementation(NamedTuple):
    """A function that a table gives to a member, and where that stands."""

    function: FunctionId
    path: str
    line: int
    table: str


class Coverage(NamedTuple):
    """Entries of operation tables that name a function: all, those of known context, those left open on purpose."""

    entries: int
    classified: int
    open: int


NONE = Coverage(0, 0, 0)


class Operations:
    """The implementations of every (struct, member) that the tree's tables name. Read-only once built."""

    def __init__(self, program: Program, kernel: Kernel, *, every: bool = True) -> None:
        """``every``: list all that entries name, and not only what is a function now; an index needs that, which is
        asked what a new function means. A tree's tables hold four numbers and constants for each function.
        """
        self.program = program
        self._named: dict[tuple[str, str], dict[tuple[int, str], tuple[int, str]]] = {}
        self._coverage: dict[int, Coverage] = {}
        naming: dict[str, list[int]] = {}
        named, functions = self._named, program.functions
        for at, file in enumerate(program.facts):
            members: list[tuple[str, str]] = []
            for table in file.tables:
                struct, name = table.struct, table.name
                for entry in table.entries:
                    value = entry.value
                    if value in functions if not every else value.isidentifier():
                        member = struct, entry.member
                        if not every or value in functions:
                            members.append(member)
                        entries = named.get(member)
                        if entries is None:
                            entries = named[member] = {}
                        entries.setdefault((at, value), (entry.line, name))
                        files = naming.get(value)
                        if files is None:
                            naming[value] = [at]
                        elif files[-1] != at:
                            files.append(at)
            if members:
                self._coverage[at] = _known_of(members, kernel)
        self._files = {name: tuple(files) for name, files in naming.items()}

    def entries(self) -> Iterator[tuple[str, str, tuple[int, str, int, str]]]:
        """(struct, member, (file, function, line, name of the table)) of every entry that names a function."""
        for (struct, member), named in self._named.items():
            for (at, value), (line, table) in named.items():
                yield struct, member, (at, value, line, table)

    def named(self, struct: str, member: str) -> Iterable[tuple[int, str]]:
        """The entries of a member, by file and function."""
        return self._named.get((struct, member), {}).keys()

    def naming(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The functions that tables name, with the files of these."""
        return iter(self._files.items())

    def coverage_in(self, file: int) -> Coverage:
        """How much of the tables of a file the context tables know."""
        return self._coverage.get(file, NONE)

    def files_naming(self, function: str) -> tuple[int, ...]:
        """The files whose tables name a function."""
        return self._files.get(function, ())

    def sleeping_members(self, sleeping: Callable[[FunctionId], bool], doubtful: bool) -> frozenset[str]:
        """The names of members whose implementations may all sleep, as far as ``sleeping`` tells; with ``doubtful``, or
        some of them.
        """
        return frozenset(
            member for (_, member), entries in self._named.items() if self._may_sleep(entries, sleeping, doubtful)
        )

    def _may_sleep(
        self, entries: Iterable[tuple[int, str]], sleeping: Callable[[FunctionId], bool], doubtful: bool
    ) -> bool:
        known = []
        for file, name in entries:
            fid = self.program.resolve(name, file)
            if fid is not None:
                known.append(sleeping(fid))
                if not doubtful and not known[-1]:
                    return False  # nor may all do that are known
        return may_sleep(sum(known), len(known), doubtful)

    def implementations(self, struct: str, member: str, file: int) -> tuple[Implementation, ...]:
        """The functions that tables give to a member of what ``file`` calls ``struct``, in the tables' order."""
        program = self.program
        record = program.record(struct, file)
        found: dict[FunctionId, Implementation] = {}
        for (at, name), (line, table) in self._named.get((struct, member), {}).items():
            if record is None or program.record(struct, at) != record:
                continue
            fid = program.resolve(name, at)
            if fid is not None:
                found.setdefault(fid, Implementation(fid, program.paths[at], line, table))
        return tuple(found.values())[:MAX_IMPLEMENTATIONS]


def may_sleep(sleeping: int, known: int, doubtful: bool) -> bool:
    """Whether a member may sleep so many of whose implementations do: all that are known; with ``doubtful``, some."""
    return sleeping > 0 and (sleeping == known or (doubtful and sleeping >= SOME))


def added(found: Iterable[Coverage]) -> Coverage:
    """What several come to."""
    return Coverage(*map(sum, zip(NONE, *found, strict=True)))


def coverage(program: Program, kernel: Kernel, tables: Iterable[Table]) -> Coverage:
    """How many of the entries of some operation tables the context tables speak of."""
    return _known_of([(t.struct, e.member) for t in tables for e in t.entries if e.value in program.functions], kernel)


def _known_of(members: Sequence[tuple[str, str]], kernel: Kernel) -> Coverage:
    """The same of entries that name a function, by their (struct, member)."""
    rows = [row for member in members if (row := kernel.callbacks.get(member)) is not None]
    left_open = sum(row.context == LEFT_OPEN for row in rows)
    return Coverage(len(members), len(rows) - left_open, left_open)


def shared(member: str, found: list[tuple[Implementation, Summary]]) -> Summary | None:
    """What a call of an operation may do: the sleeps of one of its implementations.

    Sure where every implementation sleeps, on its own account or by the mask that it is given; in doubt where some of
    them do on their own account; None for fewer.
    """
    sleeping = [(at, summary, sleeps) for at, summary in found if (sleeps := tuple(_certain(summary)))]
    if len(sleeping) < len(found) and (given := _all_given_a_mask(found)):
        sleeping = given
    if not sleeping or (len(sleeping) < len(found) and len(sleeping) < SOME):
        return None
    at, summary, sleeps = min(sleeping, key=lambda s: (s[2][0].uncertain, len(s[2][0].steps), s[0].path))
    doubt = 0 if len(sleeping) == len(found) else 2
    others = f", as {len(sleeping)} of {len(found)} implementations" if len(found) > 1 else ""
    step = Step(at.path, at.line, 1, at.table, f".{member} may be {summary.name}(), which may sleep{others}")
    moved = (msgspec.structs.replace(s, steps=(step, *s.steps), uncertain=s.uncertain + doubt) for s in sleeps)
    return Summary(f"->{member}", summary.path, summary.params, sleeps=tuple(moved))


def may_share(summary: Summary) -> bool:
    """Whether the sleeps of an implementation may be such as all implementations have, for sure (``shared``)."""
    return next(_certain(summary), None) is not None or any(map(_by_given_mask, summary.sleeps))


def _by_given_mask(sleep: Sleep) -> bool:
    """Whether a sleep depends on nothing but a mask that the function is given."""
    return sleep.mask is not None and sleep.mask == MaskValue(sleep.mask.base) and _unconditional(sleep)


def _all_given_a_mask(
    found: list[tuple[Implementation, Summary]],
) -> list[tuple[Implementation, Summary, tuple[Sleep, ...]]]:
    """The implementations with what they allocate by the mask that is their argument: the same one for all, or none."""
    by_position: dict[int, list[tuple[Implementation, Summary, tuple[Sleep, ...]]]] = {}
    for at, summary in found:
        masks = {name: number for number, name in enumerate(summary.params) if name}
        given: dict[int, list[Sleep]] = {}
        for sleep in summary.sleeps:
            if sleep.mask is not None and _by_given_mask(sleep):
                number = masks.get(sleep.mask.base)
                if number is not None:
                    given.setdefault(number, []).append(sleep)
        for number, sleeps in given.items():
            by_position.setdefault(number, []).append((at, summary, tuple(sleeps)))
    return next((g for g in by_position.values() if len(g) == len(found)), [])


def _certain(summary: Summary) -> Iterator[Sleep]:
    """The sleeps that depend neither on a mask that is passed nor on the caller's locks."""
    for sleep in summary.sleeps:
        if sleep.mask is not None and blocking(sleep.mask) is not True:
            continue
        if _unconditional(sleep) and not any(kind == "blocking" for kind, _, _ in sleep.guards):
            yield sleep


def _unconditional(sleep: Sleep) -> bool:
    """Whether the sleep depends on nothing that the caller holds, nor on what is not known."""
    if sleep.inner or sleep.dropped or sleep.task_only or sleep.uncertain:
        return False
    return sleep.kind != "free" or sleep.sleeps == "always"
