"""A kernel in one file, for modules that are built against it elsewhere: its linked tree, skeletons and what they name.

Of the sources stands there what the analysis of a module may come to: from the exported functions, the inline functions
of headers and the implementations of operations down the calls that may sleep, change the context, or hand out or free
memory. The rest of each text is blanked, so that places stay what they are. Whoever reads a file believes nothing of
it: tables are compared, blobs carry checksums and have a limit, all is decoded into typed values, nothing is executed.
"""

from __future__ import annotations

import posixpath
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.program import FunctionId
from gfplint.facts import FileFacts, Function
from gfplint.index import linked
from gfplint.index.linked import Linked, Meta
from gfplint.index.store import Store, StoreError
from gfplint.index.stored import for_all
from gfplint.index.versions import frontend_digest, tool_digest

#: Part of what a file says of itself: another layout has another number.
FORMAT = 1
#: Bytes of one unpacked blob.
MAX_BLOB = 256 << 20
_LABEL, _TREE, _SOURCE = b"gfplint kernel", b"tree", b"source"
#: Literals and comments, whichever comes first.
_COMMENT = re.compile(rb'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.DOTALL)
_EXPORT = re.compile(rb"\bEXPORT_\w+\s*\(\s*(\w+)")
_BLANKED = re.compile(rb"[^\n]")


class Label(msgspec.Struct):
    """What a file says of itself first."""

    format: int
    tool: bytes
    version: tuple[int, int] | None
    depth: int


class Packed(Store):
    """A store in a file of its own, its blobs compressed."""

    def __init__(self, path: Path, writable: bool) -> None:  # pylint: disable=super-init-not-called
        self.start(path, writable)

    def put(self, table: str, key: bytes, data: bytes, snapshot: bytes = b"") -> None:
        super().put(table, key, zlib.compress(data, 9), snapshot)

    def get(self, table: str, key: bytes) -> bytes | None:
        data = super().get(table, key)
        if data is None:
            return None
        try:
            unpacking = zlib.decompressobj()
            found = unpacking.decompress(data, MAX_BLOB)
        except zlib.error as error:
            raise StoreError(str(error)) from error
        if not unpacking.eof:
            raise StoreError("a blob is too large or torn")
        return found


# ---- writing -------------------------------------------------------------------------------------------------


def write(
    path: Path, linker: Linker, keys: bytes, version: tuple[int, int] | None, read: Callable[[str], bytes]
) -> None:
    """Write a linked tree with what is needed of its files. Raises OSError and StoreError."""
    store = Packed(path, writable=True)
    label = Label(FORMAT, tool_digest(), version, linker.relevance.depth)
    store.put("facts", _LABEL, msgspec.msgpack.encode(label))
    linked.write(store, _TREE, linker, keys)
    program = linker.program
    kept = Kept(linker, {name for path in program.paths for name in exports(read(path))})
    for at, name in enumerate(program.paths):
        key = keys[16 * at : 16 * at + 16]
        facts = program.facts[at]
        store.put("facts", key + frontend_digest(), msgspec.msgpack.encode(facts))
        store.put("facts", key + _SOURCE, kept.text(at, facts, read(name)))
    store.close()
    if not store.writable or store.note:
        raise StoreError(store.note or "the disk is full, or the file can't be written")


def exports(data: bytes) -> Iterator[str]:
    """The names that a source exports."""
    return (match.group(1).decode() for match in _EXPORT.finditer(data))


class Kept:
    """What of the files the analysis of a module may come to."""

    def __init__(self, linker: Linker, exported: Iterable[str]) -> None:
        """``exported``: names that modules may use."""
        self.linker = linker
        self.program = linker.program
        self.functions: set[FunctionId] = set()
        self._exported = tuple(exported)
        self._walk()
        named = {at for at, _ in self.functions}
        self._included = {posixpath.basename(i) for at in named for i in self.program.facts[at].includes}
        self._whole = {at for at, path in enumerate(self.program.paths) if for_all(path)} | named

    def text(self, at: int, facts: FileFacts, data: bytes) -> bytes:
        """A file's text, with blanks for what is not needed."""
        path = self.program.paths[at]
        if at in self._whole or (path.endswith(".h") and posixpath.basename(path) in self._included):
            out = bytearray(_COMMENT.sub(_without, data))
            for index, function in enumerate(facts.functions):
                if (at, index) not in self.functions:
                    _blank(out, function.body + 1, function.end - 1)
            return bytes(out)
        out = bytearray(_BLANKED.sub(b" ", data))
        for start, end in [*((r.start, r.end) for r in facts.records), *((m.start, m.end) for m in facts.macros)]:
            out[start:end] = data[start:end]
        return bytes(out)

    def _walk(self) -> None:
        waiting = [fid for fid in self._starts() if self._relevant(fid)]
        while waiting:
            fid = waiting.pop()
            if fid not in self.functions:
                self.functions.add(fid)
                called = self._called(self.program.function(fid).callees, fid[0], set())
                waiting += [c for c in called if c not in self.functions and self._relevant(c)]

    def _starts(self) -> Iterator[FunctionId]:
        program = self.program
        for name in self._exported:
            yield from program.functions.get(name, ())
        for at, definition in (place for places in program.definitions.values() for place in places):
            words = {word for arg in definition.args for word in re.findall(r"\w+", arg)}
            yield from self._called(words, at, set())
        for at, path in enumerate(program.paths):
            if path.endswith(".h"):
                yield from ((at, index) for index in range(len(program.facts[at].functions)))
                for found in program.facts[at].macros:
                    yield from self._called(found.callees, at, set())
        for _, member, (at, name, _, _) in self.linker.operations.entries():
            if member in self.linker.sleeping_operations and (fid := program.resolve(name, at)) is not None:
                yield fid

    def _called(self, names: Iterable[str], file: int, seen: set[str]) -> Iterator[FunctionId]:
        """The functions that calls mean, those in macros included."""
        for name in names:
            fid = self.program.resolve(name, file)
            if fid is not None:
                yield fid
            for at, macro in self.program.macros.get(name, ()) if name not in seen else ():
                seen.add(name)
                yield from self._called(macro.callees, at, seen)

    def _relevant(self, fid: FunctionId) -> bool:
        """Whether a function's body is ever looked at for what it does to its caller."""
        relevance, function = self.linker.relevance, self.program.function(fid)
        name = function.name
        return (
            fid in relevance.reach
            or name in relevance.effects
            or name in relevance.locking
            or bool(relevance.wrappers.returned(name, fid[0]))
            or bool(relevance.wrappers.freeing(name, fid[0]))
            or self._asks(function)
        )

    def _asks(self, function: Function) -> bool:
        return bool(function.callees) and self.linker.asking.issuperset(function.callees)


def _without(match: re.Match[bytes]) -> bytes:
    text = match.group()
    return _BLANKED.sub(b" ", text) if text[:1] == b"/" else text


def _blank(out: bytearray, start: int, end: int) -> None:
    if end > start:
        out[start:end] = _BLANKED.sub(b" ", bytes(out[start:end]))


# ---- reading -------------------------------------------------------------------------------------------------


class Kernel:
    """A kernel that was read from a file."""

    def __init__(self, store: Packed, label: Label, tree: Linked) -> None:
        self.store = store
        self.label = label
        self.tree = tree
        self._number = {path: at for at, path in enumerate(tree.meta.paths)}

    def source(self, path: str) -> bytes | None:
        """What the file has of a source; None where the kernel has no such file. Raises StoreError."""
        at = self._number.get(path)
        return self.store.get("facts", self.tree.content(at) + _SOURCE) if at is not None else None


def read(path: Path) -> Kernel:
    """Read a file that ``write`` wrote. Raises StoreError where it is something else."""
    if not path.is_file():
        raise StoreError("not a regular file" if path.exists() else "no such file")
    try:
        path.open("rb").close()
    except OSError as error:  # SQLite does not say why
        raise StoreError(error.strerror or str(error)) from error
    store = Packed(path.resolve(), writable=False)
    data = store.get("facts", _LABEL) if store.usable else None
    if data is None:
        raise StoreError("not a kernel that gfplint index --export wrote, or damaged")
    try:
        label = msgspec.msgpack.decode(data, type=Label)
        if label.format != FORMAT or label.tool != tool_digest():
            raise StoreError("written by another version of gfplint: export it again")
        tree = linked.latest(store, _TREE, frontend_digest())
    except msgspec.DecodeError as error:
        raise StoreError(str(error)) from error
    if tree is None or not _sound(tree.meta):
        raise StoreError("not a kernel that gfplint index --export wrote, or damaged")
    return Kernel(store, label, tree)


def _sound(meta: Meta) -> bool:
    return len(meta.keys) == 16 * len(meta.paths) and meta.shards > 0 and meta.members > 0
