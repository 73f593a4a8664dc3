"""Masks as sets of named bits: what the names mean, and what a mask lets the allocator do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gfplint.kernel.model import Mask, Version
from gfplint.kernel.tables import TableError, read_table, rows

DIRECT_RECLAIM = "__GFP_DIRECT_RECLAIM"
KSWAPD_RECLAIM = "__GFP_KSWAPD_RECLAIM"
IO = "__GFP_IO"
FS = "__GFP_FS"
MOVABLE = "__GFP_MOVABLE"
#: Bits that say where memory may lie.
ZONES: Mask = frozenset(("__GFP_DMA", "__GFP_DMA32", "__GFP_HIGHMEM", MOVABLE))

#: What each kind of scope takes from every mask used inside it (include/linux/sched/mm.h, current_gfp_context).
SCOPE_CLEARS: Mapping[str, Mask] = {
    "nofs": frozenset({FS}),
    "noio": frozenset({IO, FS}),
    "pin": frozenset({MOVABLE}),
}


def blocking(mask: Mask) -> bool:
    """Whether an allocation with ``mask`` may sleep: it may reclaim directly (gfpflags_allow_blocking)."""
    return DIRECT_RECLAIM in mask


def allows_io(mask: Mask) -> bool:
    """Whether direct reclaim under ``mask`` may start I/O."""
    return blocking(mask) and IO in mask


def allows_fs(mask: Mask) -> bool:
    """Whether direct reclaim under ``mask`` may call into file systems."""
    return blocking(mask) and FS in mask


def effective(mask: Mask, scopes: Iterable[str]) -> Mask:
    """What is left of ``mask`` inside ``scopes`` (``nofs``, ``noio``, ``pin``; others change no mask)."""
    for scope in scopes:
        mask = mask - SCOPE_CLEARS.get(scope, frozenset())
    return mask


def built_in_masks(version: Version, probes: frozenset[str]) -> dict[str, Mask]:
    """The named masks of a kernel whose headers are not at hand (tables/masks.toml)."""
    texts = {name: words for name, words, _ in rows(read_table("masks"), version, probes)}
    resolved: dict[str, Mask] = {}
    for name in texts:
        _resolve(name, texts, resolved, ())
    return resolved


def _resolve(name: str, texts: Mapping[str, list[str]], resolved: dict[str, Mask], under: tuple[str, ...]) -> Mask:
    if name in resolved:
        return resolved[name]
    if name in under or name not in texts:
        raise TableError(f"masks: {name} is not defined")
    mask: Mask = frozenset()
    for word in texts[name]:
        part = word.removeprefix("~")
        bits = frozenset({name}) if part == name else _resolve(part, texts, resolved, (*under, name))
        mask = mask - bits if word.startswith("~") else mask | bits
    resolved[name] = mask
    return mask
