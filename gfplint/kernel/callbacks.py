"""Callbacks and entry points: the large tables, which only whole-program scans load.

They list thousands of function pointers, so a group's rows are one text of lines; see tables/callbacks.toml and
tables/entrypoints.toml for what a line holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from gfplint.kernel.model import Callback, EntryPoint, Kernel, Version
from gfplint.kernel.tables import Group, TableError, holds, lines, read_table

#: ``argument`` of a declaring macro (SYSCALL_DEFINE3, TRACE_EVENT): the function that the macro itself defines.
DECLARED = -1

_UNLESS = re.compile(r"root unless (\w{4,})")
Callbacks = tuple[dict[tuple[str, str], Callback], dict[tuple[str, int], Callback]]
EntryPoints = tuple[dict[tuple[str, str], EntryPoint], dict[tuple[str, int], EntryPoint]]


def with_callbacks(kernel: Kernel) -> Kernel:
    """``kernel`` with its callbacks and entry points."""
    callbacks, registrars = load_callbacks(kernel.version, kernel.probes)
    entries, entry_registrars = load_entry_points(kernel.version, kernel.probes)
    return msgspec.structs.replace(
        kernel, callbacks=callbacks, registrars=registrars, entries=entries, entry_registrars=entry_registrars
    )


def load_callbacks(version: Version, probes: frozenset[str]) -> Callbacks:
    """The contexts of operation tables' members, by (struct, member), and of registrars' arguments, by (function,
    argument).
    """
    members: dict[tuple[str, str], Callback] = {}
    registrars: dict[tuple[str, int], Callback] = {}
    for group in _groups("callbacks", version, probes):
        shared = {key: group[key] for key in ("context", "confidence", "since", "until", "probe") if key in group}
        for name, last, cells in _lines(group, 5):
            note, source, unless, oracle = cells
            said = {**shared, "note": note, "source": source, "unless": unless, "oracle": oracle}
            if group.get("table") == "registrars":
                number = _number(name, last)
                registrars[name, number] = Callback(function=name, arg=number, **said)
            else:
                members[name, last] = Callback(struct=name, member=last, **said)
    return members, registrars


def load_entry_points(version: Version, probes: frozenset[str]) -> EntryPoints:
    """Where user space comes in: by (struct, member), (declaring macro, name) or ("", function), and by
    (registrar, argument).
    """
    entries: dict[tuple[str, str], EntryPoint] = {}
    registrars: dict[tuple[str, int], EntryPoint] = {}
    for group in _groups("entrypoints", version, probes):
        shared = {key: group[key] for key in ("privilege", "confidence", "since", "until", "probe") if key in group}
        for name, last, cells in _lines(group, 4):
            trigger, note, source = cells
            accounts = "GFP_KERNEL_ACCOUNT" in note
            needs = match.group(1) if (match := _UNLESS.search(note)) is not None else ""
            said = {**shared, "trigger": trigger, "note": note, "source": source, "accounts": accounts, "needs": needs}
            if group.get("table") == "registrars":
                number = _number(name, last)
                registrars[name, number] = EntryPoint(function=name, arg=number, **said)
            elif group.get("table") == "functions":
                entries["", name] = EntryPoint(function=name, **said)
            else:
                entries[name, last] = EntryPoint(struct=name, member=last, **said)
    return entries, registrars


def _groups(table: str, version: Version, probes: frozenset[str]) -> Iterator[Group]:
    yield from (group for group in read_table(table) if holds(group, version, probes))


def _lines(group: Group, cells: int) -> Iterator[tuple[str, str, list[str]]]:
    """The lines of ``group`` as (before the dot, after the dot, further cells, filled up with "")."""
    for line in lines(group):
        key, *rest = line.split("|")
        name, _, last = key.strip().partition(".")
        if len(rest) >= cells:
            raise TableError(f"{name}: too many cells in a line")
        yield name, last, [*rest, *[""] * (cells - 1 - len(rest))]


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise TableError(f"{name}: {text!r} is not the number of an argument") from None
