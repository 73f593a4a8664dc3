"""What reclaim calls back into, and what has to be done before reclaim can go on (``tables/reclaim.toml``)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gfplint.kernel.masks import DIRECT_RECLAIM, FS, IO
from gfplint.kernel.model import Kernel, Mask
from gfplint.kernel.tables import TableError, read_table, rows

#: What a mask has to allow for reclaim to get somewhere.
NEEDED: Mapping[str, Mask] = {
    "any": frozenset({DIRECT_RECLAIM}),
    "io": frozenset({DIRECT_RECLAIM, IO}),
    "fs": frozenset({DIRECT_RECLAIM, FS}),
}


class ReclaimEntry(msgspec.Struct, frozen=True):
    """One operation. ``needs``: what the mask must allow for reclaim to call it or to wait for it.

    ``inside``: reclaim does not call it but may wait for it to end, so that nothing in it may reclaim that way.
    ``rare``: reclaim does not call it itself, but waits for others that do. ``keeps``: reclaim calls it only for
    objects whose member of that name is set.
    """

    needs: str
    inside: bool = False
    rare: bool = False
    keeps: str = ""
    source: str = ""


def reclaim_entries(kernel: Kernel) -> dict[tuple[str, str], ReclaimEntry]:
    """The operations by (struct, member)."""
    found = {}
    for name, words, fields in rows(read_table("reclaim"), kernel.version, kernel.probes):
        struct, _, member = name.partition(".")
        if len(words) != 1 or words[0] not in NEEDED or not member:
            raise TableError(f"reclaim: {name}: not understood")
        found[struct, member] = ReclaimEntry(
            needs=words[0],
            inside=bool(fields.get("inside")),
            rare=bool(fields.get("rare")),
            keeps=fields.get("keeps", ""),
            source=fields.get("source", ""),
        )
    return found
