"""Picks from the tables what holds for one kernel.

``load`` gives the ``Kernel`` that a scan needs; callbacks and entry points are large, only whole-program scans need
them, and ``with_callbacks`` adds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from gfplint.kernel.masks import built_in_masks
from gfplint.kernel.model import (
    Allocator,
    ContextKind,
    ContextOp,
    Family,
    Form,
    Free,
    GuardClass,
    Kernel,
    Mask,
    Query,
    Role,
    Row,
    Scope,
    Sleeper,
    Version,
)
from gfplint.kernel.tables import TableError, read_table, rows

R = TypeVar("R", bound=Row)

#: Words before the bar that differ from the name of the field they set.
_ALLOCATOR_WORDS = {"gfp": "mask", "dev": "device", "old": "resizes", "out": "result", "lock": "drops"}
_FREE_WORDS = {"ptr": "arg", "dev": "device", "count": "bulk"}
_QUERY_WORDS = {"gfp": "mask"}


def load(version: Version, probes: frozenset[str], masks: Mapping[str, Mask] | None = None) -> Kernel:
    """What is known of the kernel ``version`` whose headers answered ``probes``.

    ``masks``: those of the tree's own headers; the built-in ones stand for what is missing there. Callbacks and entry
    points are left empty.
    """
    reader = _Reader(version, probes)
    return Kernel(
        version=version,
        probes=probes,
        masks={**built_in_masks(version, probes), **(masks or {})},
        families=reader.families(),
        allocators=reader.allocators(),
        frees=reader.positional("frees", Free, _FREE_WORDS),
        resizers=reader.positional("resizers", Free, _FREE_WORDS),
        kinds=reader.kinds(),
        context_ops=reader.positional("context_ops", ContextOp, {}),
        guards=reader.guards(),
        scopes=reader.positional("scopes", Scope, {}),
        queries=reader.positional("queries", Query, _QUERY_WORDS),
        sleepers=reader.positional("sleepers", Sleeper, {}),
        callbacks={},
        registrars={},
        entries={},
        entry_registrars={},
        forms=reader.forms(),
        roles=reader.roles(),
    )


class _Reader:
    """Reads one table after the other for one kernel."""

    def __init__(self, version: Version, probes: frozenset[str]) -> None:
        self.version = version
        self.probes = probes

    def rows(self, table: str) -> Iterable[tuple[str, list[str], dict[str, Any]]]:
        return rows(read_table(table), self.version, self.probes)

    def families(self) -> dict[str, Family]:
        found: dict[str, Family] = {}
        for name, words, fields in self.rows("families"):
            contiguous = not fields.pop("noncontiguous", False)
            found[name] = make(Family, name, {"title": " ".join(words), "contiguous": contiguous, **fields})
        return found

    def kinds(self) -> dict[str, ContextKind]:
        found: dict[str, ContextKind] = {}
        for name, words, fields in self.rows("contexts"):
            said = {"atomic": False, "title": " ".join(words), "lock": not fields.pop("nolock", False)}
            found[name] = make(ContextKind, name, {**said, **fields})
        return found

    def guards(self) -> dict[str, GuardClass]:
        return {
            name: make(GuardClass, name, {**fields, "lock": words.index("lock") if "lock" in words else None})
            for name, words, fields in self.rows("guards")
        }

    def forms(self) -> dict[tuple[str, str], Form]:
        return {
            (name, words[0]): make(Form, name, {**fields, "kind": words[0], "to": words[1]})
            for name, words, fields in self.rows("forms")
        }

    def roles(self) -> dict[tuple[str, str], Role]:
        return {
            (fields["role"], name): make(
                Role, name, {**fields, "args": [at for at, word in enumerate(words) if word == "ptr"]}
            )
            for name, words, fields in self.rows("roles")
        }

    def allocators(self) -> dict[str, Allocator]:
        """Allocators by name, and under ``name_noprof`` the functions behind the macros where the tree has these."""
        found: dict[str, Allocator] = {}
        hooks = "alloc_hooks" in self.probes
        for name, words, fields in (*self.rows("takers"), *self.rows("allocators")):
            noprof = fields.pop("noprof", False)
            found[name] = make(Allocator, name, {**_arguments(words, _ALLOCATOR_WORDS), **fields})
            if noprof and hooks:
                alias = f"{name}_noprof"
                found[alias] = msgspec.structs.replace(found[name], name=alias)
        return found

    def positional(self, table: str, row: type[R], words: Mapping[str, str]) -> dict[str, R]:
        return {name: make(row, name, {**_arguments(said, words), **fields}) for name, said, fields in self.rows(table)}


def make(row: type[R], name: str, fields: Mapping[str, Any]) -> R:
    """A row from its fields; raises TableError naming the row."""
    try:
        return msgspec.convert({"name": name, **_split_lists(fields)}, row, strict=False)
    except msgspec.ValidationError as error:
        raise TableError(f"{name}: {error}") from None


def _arguments(words: Sequence[str], renamed: Mapping[str, str]) -> dict[str, int]:
    """``size gfp`` as {"size": 0, "mask": 1}."""
    return {renamed.get(word, word): number for number, word in enumerate(words) if word != "_"}


def _split_lists(fields: Mapping[str, Any]) -> dict[str, Any]:
    listed = ("may_be", "restricts", "drops", "ends", "families", "kinds", "clears")
    return {
        key: value.split(",") if key in listed and isinstance(value, str) else value for key, value in fields.items()
    }
