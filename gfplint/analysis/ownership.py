"""Memory in struct members, joined over the tree: what every store puts there, and what a free takes out.

A member whose every known store holds memory of one family is of that family. A store of something unknown leaves it
open,
unless the stores of the file that frees it agree.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from gfplint.analysis.summary import FreeSite, MemberStore
from gfplint.analysis.values import Memory

#: Stores of something unknown to a member, beyond which nothing is said of it.
MAX_UNKNOWN = 0

Owner = tuple[str, str]


class StoreAt(msgspec.Struct, frozen=True, array_like=True):
    """A store and where it stands."""

    path: str
    function: str
    store: MemberStore


class FreeAt(msgspec.Struct, frozen=True, array_like=True):
    """A free of a member and where it stands."""

    path: str
    function: str
    site: FreeSite


@dataclass(slots=True)
class _Member:
    known: list[Memory]
    unknown: int


def join(stores: Iterable[StoreAt], frees: Iterable[FreeAt]) -> Iterator[FreeAt]:
    """The frees of members, each with the memory that the member holds: one site for each family found there."""
    members: dict[Owner, _Member] = {}
    for item in stores:
        member = members.setdefault(item.store.owner, _Member([], 0))
        if item.store.memory is None:
            member.unknown += 1
        else:
            member.known.append(item.store.memory)
    for free in frees:
        found = members.get(free.site.owner)
        if found is None or found.unknown > MAX_UNKNOWN or free.site.null:
            continue
        memory = _single(found.known, free)
        if memory is not None:
            yield FreeAt(free.path, free.function, msgspec.structs.replace(free.site, memory=memory))


def _single(known: list[Memory], free: FreeAt) -> Memory | None:
    """The memory that a member holds, if all stores agree on its family; the nearest store speaks for it.

    A struct that the whole tree uses says little: there only the stores of the freeing file count as evidence.
    """
    if not known or len({(m.family, m.managed) for m in known}) != 1:
        return None
    defined, known_record, _ = free.site.owner[0].partition(":")
    folder = posixpath.dirname(free.path)
    nearest = min(known, key=lambda m: (m.path != free.path, posixpath.dirname(m.path) != folder, m.path, m.place.line))
    private = posixpath.dirname(defined).startswith(folder) or folder.startswith(posixpath.dirname(defined))
    return nearest if nearest.path == free.path or (private and known_record) else None
