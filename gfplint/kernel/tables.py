"""The format of the TOML tables, and the reader that picks the rows which hold for one kernel.

A table is a list of groups. A group's own keys hold for every row in it, and a row is one line::

    [[group]]
    family = "kmalloc"
    source = "include/linux/slab.h"
    rows = '''
    kmalloc: size gfp
    kcalloc: count size gfp | zeroes
    '''

The words before the bar say what the arguments are, in order (``_``: of no interest). After the bar stand fields of
the row, ``name=value`` or, for booleans, ``name``. A name alone stands for a row about which there is nothing to say.
One text a group keeps the tables readable and quick to load: parsing TOML is most of the cost of starting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gfplint.kernel.model import Version

#: A group as parsed from TOML: field names to values, and ``rows``.
Group = Mapping[str, Any]

_TABLES = Path(__file__).parent / "tables"


class TableError(ValueError):
    """A table is malformed; the text says where and why."""


def read_table(name: str) -> list[Group]:
    """The groups of the built-in table ``name``."""
    groups: list[Group] = read_toml(name)["group"]
    return groups


def read_toml(name: str) -> dict[str, Any]:
    """The built-in TOML file ``name``."""
    import tomllib  # noqa: PLC0415 -- a start costs what it uses

    return tomllib.loads((_TABLES / f"{name}.toml").read_text(encoding="utf-8"))


def parse_version(text: str) -> Version:
    """``"6.12"`` as (6, 12); a third number is ignored. Raises TableError."""
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts[:2]):
        raise TableError(f"not a kernel version: {text!r}")
    return int(parts[0]), int(parts[1])


def holds(row: Mapping[str, Any], version: Version, probes: frozenset[str]) -> bool:
    """Whether the conditions in ``row`` hold; a probe counts more than the versions."""
    if probe := row.get("probe", ""):
        return (probe[1:] not in probes) if probe.startswith("!") else probe in probes
    if (since := row.get("since", "")) and version < parse_version(since):
        return False
    until = row.get("until", "")
    return not (until and version >= parse_version(until))


def rows(
    groups: Iterable[Group], version: Version, probes: frozenset[str]
) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """The rows that hold, as (name, words before the bar, fields)."""
    for group in groups:
        shared = {key: value for key, value in group.items() if key != "rows"}
        if not holds(shared, version, probes):
            continue
        for line in lines(group):
            name, _, text = line.partition(":")
            if "|" in name:
                raise TableError(f"{line}: a colon is missing before the bar")
            words, fields = _split(text)
            merged = {**shared, **fields} if fields else dict(shared)
            if not fields or holds(merged, version, probes):
                yield name, words, merged


def lines(group: Group) -> Iterator[str]:
    """The lines of a group's rows, without empty ones and comments; raises TableError."""
    text: Any = group.get("rows", "")
    if not isinstance(text, str):
        raise TableError("rows must be one text of lines")
    for line in text.splitlines():
        if (line := line.strip()) and not line.startswith("#"):
            yield line


def _split(text: str) -> tuple[list[str], dict[str, Any]]:
    head, bar, tail = text.partition("|")
    fields: dict[str, Any] = {}
    if bar:
        for word in tail.split():
            key, equals, value = word.partition("=")
            fields[key] = value if equals else True
    return head.split(), fields
