"""Facts of the user's own tree: rows of the kernel tables, written field by field in ``.gfplint.toml``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

import msgspec

from gfplint.errors import GfplintError
from gfplint.escape import printable
from gfplint.kernel import model
from gfplint.kernel.model import Kernel
from gfplint.kernel.probe import probe_names
from gfplint.kernel.tables import TableError, holds, parse_version

R = TypeVar("R", bound=model.Row)
P = TypeVar("P", model.Callback, model.EntryPoint)


class RowError(GfplintError):
    """A row of the user's is wrong; the text starts with its place ("allocators[0]")."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class UserTables(msgspec.Struct, frozen=True, rename="kebab"):
    """The rows by kind; see ``kernel.model`` for what each field says."""

    allocators: tuple[model.Allocator, ...] = ()
    frees: tuple[model.Free, ...] = ()
    families: tuple[model.Family, ...] = ()
    context_ops: tuple[model.ContextOp, ...] = ()
    guards: tuple[model.GuardClass, ...] = ()
    scopes: tuple[model.Scope, ...] = ()
    queries: tuple[model.Query, ...] = ()
    sleepers: tuple[model.Sleeper, ...] = ()
    callbacks: tuple[model.Callback, ...] = ()
    entry_points: tuple[model.EntryPoint, ...] = ()


def check_rows(tables: UserTables) -> None:
    """Check each row by itself. Raises RowError."""
    for place, row in _placed(tables):
        _check_row(row, place)


def with_user_tables(kernel: Kernel, tables: UserTables) -> Kernel:
    """The kernel with the user's rows that hold for it; they replace rows of the same name.

    Raises RowError for a row that names a family or a kind of context that there is not.
    """
    families = {**kernel.families, **_by_name(tables.families, kernel)}
    for place, row in _placed(tables):
        _check_names(row, place, families, kernel)
    callbacks, registrars = _by_place(tables.callbacks, kernel)
    entries, entry_registrars = _by_place(tables.entry_points, kernel)
    return msgspec.structs.replace(
        kernel,
        families=families,
        allocators={**kernel.allocators, **_by_name(tables.allocators, kernel)},
        frees={**kernel.frees, **_by_name(tables.frees, kernel)},
        context_ops={**kernel.context_ops, **_by_name(tables.context_ops, kernel)},
        guards={**kernel.guards, **_by_name(tables.guards, kernel)},
        scopes={**kernel.scopes, **_by_name(tables.scopes, kernel)},
        queries={**kernel.queries, **_by_name(tables.queries, kernel)},
        sleepers={**kernel.sleepers, **_by_name(tables.sleepers, kernel)},
        callbacks={**kernel.callbacks, **callbacks},
        registrars={**kernel.registrars, **registrars},
        entries={**kernel.entries, **entries},
        entry_registrars={**kernel.entry_registrars, **entry_registrars},
    )


# ---- one row ---------------------------------------------------------------------------------------------------

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: Where another context of a callback holds (``model.Callback``).
_UNLESS = re.compile(r"(?:flag|near|field)=[A-Za-z_]\w*:\w*\Z", re.ASCII)

#: Fields that take one of a few words.
_WORDS: Mapping[tuple[type[model.Row], str], tuple[str, ...]] = {
    (model.Allocator, "sleeps"): ("mask", "always", "never"),
    (model.Allocator, "error"): ("null", "errptr", "int", "none"),
    (model.Free, "sleeps"): ("always", "never", "task", "task-vmalloc", "irq"),
    (model.ContextOp, "effect"): ("enter", "leave"),
    (model.ContextOp, "when"): ("always", "nonzero", "zero", "nonnull"),
    (model.GuardClass, "when"): ("always", "nonzero", "zero", "nonnull"),
    (model.Scope, "effect"): ("save", "restore"),
    (model.Allocator, "maximum"): ("", "kmalloc"),
    (model.Free, "null"): ("ok", "crash", "warn", "silent"),
    (model.Free, "errptr"): ("ok", "crash", "warn", "silent"),
    (model.Callback, "confidence"): ("high", "medium"),
    (model.EntryPoint, "privilege"): ("", "unprivileged", "userns-root", "device-node", "root"),
    (model.EntryPoint, "confidence"): ("high", "medium"),
}

#: C allows 127 parameters; nobody counts that far.
_MOST_ARGUMENTS = 32


def _placed(tables: UserTables) -> Iterable[tuple[str, model.Row]]:
    for field in msgspec.structs.fields(UserTables):
        rows: tuple[model.Row, ...] = getattr(tables, field.name)
        for number, row in enumerate(rows):
            yield f"{field.encode_name}[{number}]", row


def _check_row(row: model.Row, place: str) -> None:
    for field in msgspec.structs.fields(type(row)):
        value = getattr(row, field.name)
        words = _WORDS.get((type(row), field.name))
        if words is not None and value not in words:
            raise RowError(f"{place}.{field.name}: {value!r} is none of {', '.join(filter(None, words))}")
        if isinstance(value, int) and not isinstance(value, bool) and not 0 <= value < _MOST_ARGUMENTS:
            raise RowError(f"{place}.{field.name}: {value} is no argument number (they count from 0)")
    for name in ("since", "until"):
        try:
            if getattr(row, name):
                parse_version(getattr(row, name))
        except TableError as error:
            raise RowError(f"{place}.{name}: {error}") from error
    named = getattr(row, "name", None)
    if named is not None and not isinstance(row, model.Family) and not _IDENTIFIER.match(named):
        raise RowError(f"{place}.name: {named!r} is no C identifier")
    if isinstance(row, model.Allocator) and isinstance(row.result, str) and row.result != "return":
        raise RowError(f"{place}.result: {row.result!r} is neither 'return' nor an argument number")
    if row.probe:
        _known(f"{place}.probe", [row.probe.removeprefix("!")], probe_names())
    if isinstance(row, model.Callback | model.EntryPoint):
        member, registrar = bool(row.struct and row.member), bool(row.function and row.arg is not None)
        if member == registrar:
            raise RowError(f"{place}: expected either 'struct' and 'member' or 'function' and 'arg'")
    if isinstance(row, model.Callback) and not row.context:
        raise RowError(f"{place}: 'context' is missing")
    if isinstance(row, model.Callback) and row.unless and not _UNLESS.match(row.unless):
        raise RowError(f"{place}.unless: {row.unless!r} is not of the form 'flag=NAME:context' (flag, near or field)")


def _check_names(row: model.Row, place: str, families: Collection[str], kernel: Kernel) -> None:
    """The names of other rows that a row refers to."""
    match row:
        case model.Allocator():
            _known(f"{place}.family", [row.family], families)
            _known(f"{place}.default", filter(None, [row.default]), kernel.masks)
        case model.Free():
            _known(f"{place}.families", row.families, families)
        case model.Family():
            _known(f"{place}.may_be", row.may_be, families)
            _known(f"{place}.restricts", row.restricts, _bits(kernel))
            _known(f"{place}.drops", row.drops, _bits(kernel))
        case model.ContextOp() | model.GuardClass():
            _known(f"{place}.kinds", row.kinds, kernel.kinds)
        case model.Scope():
            _known(f"{place}.kind", [row.kind], {scope.kind for scope in kernel.scopes.values()})
            _known(f"{place}.clears", row.clears, _bits(kernel))
        case model.Query():
            _known(f"{place}.true_means", filter(None, [row.true_means]), _meanings(kernel))
            _known(f"{place}.false_means", filter(None, [row.false_means]), _meanings(kernel))
        case model.Callback():
            _known(f"{place}.context", [row.context], kernel.kinds)
        case _:
            pass


def _bits(kernel: Kernel) -> frozenset[str]:
    return frozenset().union(*kernel.masks.values())


def _meanings(kernel: Kernel) -> set[str]:
    """What the answer of a query may say."""
    return {m for query in kernel.queries.values() for m in (query.true_means, query.false_means) if m}


def _known(place: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
            raise RowError(f"{place}: there is no {name!r}{hint}")


def _by_name(rows: Iterable[R], kernel: Kernel) -> dict[str, R]:
    return {getattr(row, "name"): row for row in rows if _holds(row, kernel)}  # noqa: B009 -- Row itself has no name


def _by_place(rows: Iterable[P], kernel: Kernel) -> tuple[dict[tuple[str, str], P], dict[tuple[str, int], P]]:
    """Callbacks and entry points by (struct, member), and those by (function, argument)."""
    held = [row for row in rows if _holds(row, kernel)]
    members = {(row.struct, row.member): row for row in held if row.struct}
    return members, {(row.function, row.arg): row for row in held if row.arg is not None and not row.struct}


def _holds(row: model.Row, kernel: Kernel) -> bool:
    return holds({"since": row.since, "until": row.until, "probe": row.probe}, kernel.version, kernel.probes)
