"""What a tree's headers offer, whatever its version number says: stable trees carry backports."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from gfplint.kernel.model import Version
from gfplint.kernel.tables import holds, read_toml

#: The newest kernel that the tables know; a file outside any tree is taken to belong to it.
NEWEST: Version = (7, 1)

#: Of a file no more than this is looked at: the headers in question are far smaller.
MAX_BYTES = 1 << 20

#: Reads a file of the tree by its path relative to the root; None where there is none.
Reader = Callable[[str], bytes | None]


def probe(read: Reader, version: Version) -> frozenset[str]:
    """The names of the probes (tables/probes.toml) that hold in the tree that ``read`` reads.

    Where a tree has none of a probe's files, ``version`` decides.
    """
    texts: dict[str, str | None] = {}
    return frozenset(row["name"] for row in _table() if _holds_in_tree(row, read, texts, version))


def probes_of(version: Version) -> frozenset[str]:
    """The probes that hold in mainline ``version``: for files outside any tree."""
    return frozenset(row["name"] for row in _table() if holds(row, version, frozenset()))


def probe_names() -> frozenset[str]:
    """Every probe that there is."""
    return frozenset(row["name"] for row in _table())


def _table() -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = read_toml("probes")["probe"]
    return rows


def _holds_in_tree(row: Mapping[str, Any], read: Reader, texts: dict[str, str | None], version: Version) -> bool:
    found = [text for path in row["files"] if (text := _text(path, read, texts)) is not None]
    if not found:
        return holds(row, version, frozenset())
    pattern = row.get("present") or row["absent"]
    matched = any(re.search(pattern, text, re.MULTILINE) for text in found)
    return matched if "present" in row else not matched


def _text(path: str, read: Reader, texts: dict[str, str | None]) -> str | None:
    if path not in texts:
        data = read(path)
        texts[path] = None if data is None else data[:MAX_BYTES].decode("utf-8", "replace")
    return texts[path]
