"""Which content each file has, without reading those that did not change since an earlier run.

As git's index does it: beside each content stands what the file's status said when it was read. A file whose status
could hide a later change (it was written in the moments before it was read) is read again next time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence

import msgspec

from gfplint.index.store import Store, StoreError

#: A file that changed no longer than this before it was read may change again without a trace in its status.
_RACY_NS = 2_000_000_000

Key = bytes


class _Seen(msgspec.Struct, array_like=True):
    """``marks``: identity and content of each path; ``blobs``: content of what identifies itself (git's objects)."""

    marks: dict[str, tuple[str, Key]]
    blobs: dict[str, Key]


def content_key(data: bytes) -> Key:
    """Stands for a content. Processors have instructions for SHA-256, which is twice as fast as BLAKE2 there."""
    return hashlib.sha256(data).digest()[:16]


class Contents:
    """The contents that earlier runs saw in one tree."""

    def __init__(self, store: Store, root: str) -> None:
        self._store = store
        self._key = b"seen" + hashlib.blake2b(root.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        self._start = time.time_ns()
        self._seen = _Seen({}, {})
        self._changed = False
        try:
            data = store.get("recent", self._key)
            if data is not None:
                self._seen = msgspec.msgpack.decode(data, type=_Seen)
        except (StoreError, msgspec.DecodeError, ValueError):
            self._seen = _Seen({}, {})

    @property
    def empty(self) -> bool:
        """Whether nothing is known of the tree yet."""
        return not (self._seen.marks or self._seen.blobs)

    def known(self, files: Sequence[str], identities: Mapping[str, str]) -> dict[str, Key]:
        """The contents of those files that are as they were."""
        known, blobs = self._seen.marks.get, self._seen.blobs
        found: dict[str, Key] = {}
        for path in files:
            identity = identities.get(path)
            mark = known(path)
            if mark is not None and mark[0] == identity:
                found[path] = mark[1]
            elif blobs and identity is not None and identity in blobs:
                found[path] = blobs[identity]
        return found

    def learn(self, path: str, identity: str, key: Key) -> None:
        """Remember a content; ``identity`` as it was before the content was read."""
        if identity.startswith("b"):
            self._seen.blobs[identity] = key
        elif identity.startswith("f") and not self._racy(identity):
            self._seen.marks[path] = (identity, key)
        else:
            return
        self._changed = True

    def save(self, files: Sequence[str] | None = None) -> None:
        """Write what was learned; ``files``: all that the tree has, if it was walked whole."""
        if not self._changed:
            return
        if files is not None:
            kept = set(files)
            for path in [p for p in self._seen.marks if p not in kept]:
                del self._seen.marks[path]
        if len(self._seen.blobs) > 4 * len(self._seen.marks) + 10_000:
            self._seen.blobs.clear()
        self._store.put("recent", self._key, msgspec.msgpack.encode(self._seen))
        self._changed = False

    def _racy(self, identity: str) -> bool:
        times = identity.split(":")[3:]
        return any(int(part, 16) > self._start - _RACY_NS for part in times)
