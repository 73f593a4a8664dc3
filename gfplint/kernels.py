"""What is known of a tree's kernel, kept beside the contents of the files that told it: to find it out takes longer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

import msgspec

from gfplint.config import Settings
from gfplint.findings import Skipped
from gfplint.index.contents import Key, content_key
from gfplint.index.store import Store, StoreError
from gfplint.index.versions import tool_digest
from gfplint.kernel.model import Kernel
from gfplint.target import kernel_of
from gfplint.tree import Selection, State, UnreadableError, is_source_path


class _Told(msgspec.Struct, frozen=True, array_like=True):
    """``telling``: the contents of the files that told; b"" for one that was not there."""

    telling: dict[str, Key]
    kernel: Kernel


def kernel_by_contents(
    state: State, selected: Selection, settings: Settings, store: Store, keys: Mapping[str, Key]
) -> Kernel:
    """As ``kernel_of``; ``keys``: the contents of all sources of the state."""
    root = selected.root
    said = (os.fsencode(root.path), root.version, settings.kernel_version, repr(settings.tables))
    key = b"kern" + hashlib.blake2b(tool_digest() + msgspec.msgpack.encode(said), digest_size=16).digest()
    try:
        data = store.get("recent", key)
        told = msgspec.msgpack.decode(data, type=_Told) if data is not None else None
    except StoreError:
        return kernel_of(state, selected, settings)
    except (msgspec.DecodeError, ValueError):
        store.damaged()
        return kernel_of(state, selected, settings)
    if told is not None and is_told_alike(told.telling, state, keys):
        store.touch(key)
        return told.kernel
    noted = _Noted(state)
    kernel = kernel_of(noted, selected, settings)
    store.put("recent", key, msgspec.msgpack.encode(_Told(noted.contents(keys), kernel)))
    return kernel


def telling(state: State, selected: Selection, settings: Settings, keys: Mapping[str, Key]) -> dict[str, Key]:
    """The contents of the files that tell what is known of the kernel; b"" for one that is not there."""
    noted = _Noted(state)
    kernel_of(noted, selected, settings)
    return noted.contents(keys)


def is_told_alike(telling: Mapping[str, Key], state: State, keys: Mapping[str, Key]) -> bool:
    """Whether files tell in a state what they told once; ``keys``: the contents of its sources."""
    return all(_content(path, state, keys) == content for path, content in telling.items())


def _content(path: str, state: State, keys: Mapping[str, Key]) -> Key:
    if is_source_path(path):
        return keys.get(path, b"")
    try:
        return content_key(state.read(path))
    except UnreadableError:
        return b""


class _Noted:
    """A state that notes what is read of it, or looked for in vain."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.read_paths: set[str] = set()
        self.identity, self.identities, self.close = state.identity, state.identities, state.close

    def contents(self, keys: Mapping[str, Key]) -> dict[str, Key]:
        """What these contain; ``keys``: as in ``is_told_alike``."""
        return {path: _content(path, self._state, keys) for path in sorted(self.read_paths)}

    def files(self) -> Sequence[str]:
        return self._state.files()

    def skipped(self) -> Sequence[Skipped]:
        return self._state.skipped()

    def read(self, path: str) -> bytes:
        """A file of the state."""
        self.read_paths.add(path)
        return self._state.read(path)
