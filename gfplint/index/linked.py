"""A linked tree on disk: what names and functions of a whole tree are to each other, read as far as it is asked for.

Names are spread over shards; under each stand the files that define it, the functions that call it and what is known
of it. A linked tree is never altered: a later state is the linked tree and the files that differ from it. Files are
numbered as in the run that wrote it.
"""

from __future__ import annotations

import os
import zlib
from bisect import bisect_left
from collections.abc import Callable, Container, Mapping, Sequence, Set
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.operations import Operations
from gfplint.analysis.program import FunctionId, Program, Relevance, Sign, yielding_names
from gfplint.facts import FileFacts
from gfplint.index.contents import Key
from gfplint.index.store import LINKED, Store, StoreError
from gfplint.kernel.model import Kernel

#: Names in a shard, about; files whose levels stand together.
_SHARD_NAMES, _LEVEL_FILES = 32, 64

T = TypeVar("T")

#: Writes a part by its name.
Put = Callable[[bytes, object], None]


class Row(msgspec.Struct, array_like=True):
    """What is known of a name.

    ``functions``: those of that name, file and number by turns; ``macros``/``defined``: files that define macros, or
    anything else, of that name; ``callers``: functions of linted files that call it, as ``functions``; ``using``:
    linted files with macros that call it; ``tables``: files whose tables name it; ``level``: a macro's (0: none);
    ``reaching``: whether a function or macro of the name leads to a sleep; ``returned``/``calls``: families that it
    hands out, by file, and how many calls they are away.
    """

    functions: Sequence[int] = ()
    macros: Sequence[int] = ()
    defined: Sequence[int] = ()
    callers: Sequence[int] = ()
    using: Sequence[int] = ()
    tables: Sequence[int] = ()
    level: int = 0
    reaching: bool = False
    returned: dict[int, list[str]] | None = None
    calls: dict[str, int] | None = None


#: An entry of an operation table: file, function, line, name of the table; what it means: ``UNKNOWN``, ``AWAKE`` or
#: ``SLEEPING``.
Entry = tuple[int, str, int, str, int]
#: No one function; a function that does not lead to a sleep; one that does.
UNKNOWN, AWAKE, SLEEPING = range(3)
_NO_ROW = Row()
_NONE: frozenset[str] = frozenset()


class Base(msgspec.Struct, array_like=True):
    """A commit, and the files of the linked tree whose content is not the commit's; "" where there is none."""

    commit: str = ""
    differing: list[str] = []


class Meta(msgspec.Struct, array_like=True):
    """The files, by number, with their contents; ``includes``: (file, what it includes) where that is a .c file.

    ``weak``: as ``program.weak_names``; ``sleeping``: members of operation tables that may sleep; ``direct``: macros
    by the tabled names that they call; ``locking``/``leaving``: as in ``Relevance``; ``signs``: likewise, as (level,
    sign, names); ``telling``: see ``gfplint.kernels``.
    """

    paths: list[str]
    keys: bytes
    shards: int
    members: int
    includes: list[tuple[int, str]]
    weak: list[str]
    sleeping: list[str]
    direct: dict[str, list[str]]
    locking: list[str]
    leaving: list[str]
    signs: list[tuple[int, list[tuple[str, str]], list[str]]]
    base: Base
    telling: dict[str, Key]


# ---- writing -------------------------------------------------------------------------------------------------


def write(
    store: Store,
    scope: bytes,
    linker: Linker,
    keys: bytes,
    base: Base | None = None,
    telling: Mapping[str, Key] = MappingProxyType({}),
    beside: Callable[[Put], None] | None = None,
) -> None:
    """Write a linked tree and forget those of the same scope before it. ``keys``: the contents of the files;
    ``beside``: writes what is kept with it; the others as in ``Meta``.
    """
    program, relevance, operations = linker.program, linker.relevance, linker.operations
    linked = LINKED + scope + os.urandom(8)

    def put(name: bytes, value: object) -> None:
        store.put("part", linked + name, msgspec.msgpack.encode(value), linked)

    if beside is not None:
        beside(put)
    shards = spread(_rows(program, relevance, operations), b"n", put)
    members: dict[str, dict[str, list[Entry]]] = {}
    for struct, member, entry in operations.entries():
        means = meaning(program, relevance.reach, entry[1], entry[0])
        members.setdefault(member, {}).setdefault(struct, []).append((*entry, means))
    number = spread(members, b"m", put)
    levels: dict[int, dict[int, dict[int, int]]] = {at: {} for at in range(len(program.paths) // _LEVEL_FILES + 1)}
    for (at, index), level in relevance.reach.items():
        levels[at // _LEVEL_FILES].setdefault(at, {})[index] = level
    for group, of_files in levels.items():
        put(b"l%d" % group, of_files)
    kernel = relevance.kernel
    put(b"kernel", kernel)
    meta = Meta(
        paths=list(program.paths),
        keys=keys,
        shards=shards,
        members=number,
        includes=[(at, i) for at, f in enumerate(program.facts) for i in f.includes if i.endswith(".c")],
        weak=sorted(linker.weak),
        sleeping=sorted(linker.sleeping_operations),
        direct={n: m for n in sorted(tabled_of(kernel)) if (m := relevance.macro_callers.get(n))},
        locking=sorted(relevance.locking),
        leaving=sorted(relevance.leaving),
        signs=_by_sign(relevance.signs),
        base=base or Base(),
        telling=dict(telling),
    )
    store.flush()
    store.put("recent", linked, msgspec.msgpack.encode(meta))
    store.flush()
    for old in store.oldest(1, LINKED + scope):
        store.drop_snapshot(old)


def _by_sign(signs: Mapping[str, tuple[int, Sign]]) -> list[tuple[int, list[tuple[str, str]], list[str]]]:
    """Names by what they stand for, which is the same for many."""
    found: dict[tuple[int, Sign], list[str]] = {}
    for name, sign in signs.items():
        found.setdefault(sign, []).append(name)
    return [(level, sorted(sign), names) for (level, sign), names in found.items()]


def meaning(program: Program, reach: Container[FunctionId], function: str, file: int) -> int:
    """What an entry of a table means that names a function."""
    fid = program.resolve(function, file)
    return UNKNOWN if fid is None else SLEEPING if fid in reach else AWAKE


def tabled_of(kernel: Kernel) -> frozenset[str]:
    """Names whose calls make a macro worth a look (see ``worth.Worth``)."""
    return frozenset(kernel.allocators.keys() | kernel.frees.keys() | kernel.scopes.keys())


def spread(rows: Mapping[str, object], letter: bytes, put: Put) -> int:
    """Write rows in shards; returns how many of these there are."""
    shards = 1
    while shards * _SHARD_NAMES < len(rows):
        shards *= 2
    table: list[dict[str, object]] = [{} for _ in range(shards)]
    for name, row in rows.items():
        table[_shard_of(name, shards)][name] = row
    for number, shard in enumerate(table):
        put(letter + b"%d" % number, shard)
    return shards


def _rows(program: Program, relevance: Relevance, operations: Operations) -> dict[str, Row]:
    found: dict[str, Row] = {}

    def row(name: str) -> Row:
        known = found.get(name)
        if known is None:
            known = found[name] = Row()  # half a million of them: what is empty is shared
        return known

    _note_definitions(program, row)
    using: dict[str, set[int]] = {}
    for at, macro in (place for places in program.macros.values() for place in places):
        for callee in macro.callees if relevance.files is None or at in relevance.files else ():
            using.setdefault(callee, set()).add(at)
    for name, files in using.items():
        row(name).using = sorted(files)
    for name, callers in relevance.callers.items():
        row(name).callers = tuple([number for fid in callers for number in fid])
    for name in relevance.reaching_names:
        row(name).reaching = True
    for name, level in relevance.reaching_macros.items():
        row(name).level = level
    for name, of_files in relevance.wrappers.places.items():
        row(name).returned = {at: sorted(families) for at, families in of_files.items()}
    for name, calls in relevance.wrappers.levels.items():
        row(name).calls = calls
    for name, tables in operations.naming():
        row(name).tables = tables
    return found


def _note_definitions(program: Program, row: Callable[[str], Row]) -> None:
    for name, fids in program.functions.items():
        row(name).functions = fids[0] if len(fids) == 1 else tuple([number for fid in fids for number in fid])
    for name, places in program.macros.items():
        row(name).macros = sorted({at for at, _ in places})
    for table in (program.records, program.globals, program.definitions):
        for name, items in table.items():
            row(name).defined = sorted({item[0] for item in items}.union(row(name).defined))


def _shard_of(name: str, shards: int) -> int:
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) & (shards - 1)


# ---- reading -------------------------------------------------------------------------------------------------


class Numbers:
    """The numbers of files by their paths, of which few are asked for: looked up in sorted ones, and some new ones."""

    def __init__(
        self, paths: Sequence[str], new: Mapping[str, int] = MappingProxyType({}), gone: Set[str] = _NONE
    ) -> None:
        """``new``: those of files that are none of ``paths``; ``gone``: those that are not there any more."""
        self._paths = paths
        self._new = new
        self._gone = gone

    def get(self, path: str, default: Any = None) -> Any:
        """The number of a file, or the default."""
        at = bisect_left(self._paths, path)
        if at < len(self._paths) and self._paths[at] == path:
            return at if path not in self._gone else default
        return self._new.get(path, default)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.get(path) is not None

    def __getitem__(self, path: str) -> int:
        found: int | None = self.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def __len__(self) -> int:
        return len(self._paths) + len(self._new) - len(self._gone)


class Linked:
    """Reads one linked tree. Every method raises StoreError where the store no longer has what it needs."""

    def __init__(self, store: Store, key: bytes, meta: Meta, front: bytes) -> None:
        """``front``: the version of the front end that made the skeletons."""
        self.store = store
        self.key = key
        self.meta = meta
        self.front = front
        self.number = Numbers(meta.paths)
        self._rows: dict[str, Row] = {}
        self._raw_rows: dict[int, dict[str, msgspec.Raw]] = {}
        self._members: dict[int, dict[str, msgspec.Raw]] = {}
        self._levels: dict[int, dict[int, dict[int, int]]] = {}
        self._skeletons: dict[int, FileFacts] = {}
        self._others: dict[bytes, Any] = {}
        self._decode_raw = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
        self._decode_row = msgspec.msgpack.Decoder(Row).decode
        self._decode_member = msgspec.msgpack.Decoder(dict[str, list[Entry]]).decode
        self._decode_levels = msgspec.msgpack.Decoder(dict[int, dict[int, int]]).decode
        self._decode_facts = msgspec.msgpack.Decoder(FileFacts).decode

    def row(self, name: str) -> Row:
        """What is known of a name."""
        found = self._rows.get(name)
        if found is None:
            # Of the names in a shard one is wanted: the others, with all their callers, stay packed.
            number = _shard_of(name, self.meta.shards)
            raw = self._part(self._raw_rows, b"n", number, self._decode_raw).get(name)
            found = self._rows[name] = self._decoded(raw, self._decode_row) if raw is not None else _NO_ROW
        return found

    def member(self, name: str) -> dict[str, list[Entry]]:
        """The entries of operation tables for a member, by struct."""
        number = _shard_of(name, self.meta.members)
        raw = self._part(self._members, b"m", number, self._decode_raw).get(name)
        return self._decoded(raw, self._decode_member) if raw is not None else {}

    def levels(self, file: int) -> dict[int, int]:
        """Calls to a sleep by the numbers of a file's functions."""
        return self._part(self._levels, b"l", file // _LEVEL_FILES, self._decode_levels).get(file, {})

    def facts(self, file: int) -> FileFacts:
        """The skeleton of a file."""
        found = self._skeletons.get(file)
        if found is None:
            data = self.store.get("facts", self.content(file) + self.front)
            if data is None:
                raise StoreError("the index lost a skeleton")
            found = self._skeletons[file] = self._decoded(data, self._decode_facts)
        return found

    def part(self, name: bytes, kind: type[T], default: T | None = None) -> T:
        """What was kept beside the tree under a name; the default where nothing was."""
        if name not in self._others:
            data = self._get(name) if default is None else self.store.get("part", self.key + name)
            decode = msgspec.msgpack.Decoder(kind).decode
            self._others[name] = self._decoded(data, decode) if data is not None else default
        found: T = self._others[name]
        return found

    def has(self, name: bytes) -> bool:
        """Whether anything was kept beside the tree under a name."""
        return self.store.get("part", self.key + name) is not None

    def row_of(self, table: bytes, shards: int, name: str, kind: type[T]) -> T | None:
        """What was kept beside the tree under a name in a table of so many shards."""
        raw = self.part(table + b"%d" % _shard_of(name, shards), dict[str, msgspec.Raw]).get(name)
        return self._decoded(raw, msgspec.msgpack.Decoder(kind).decode) if raw is not None else None

    @cached_property
    def kernel(self) -> Kernel:
        """What is known of the kernel, as far as the linked files tell."""
        return self._decoded(self._get(b"kernel"), msgspec.msgpack.Decoder(Kernel).decode)

    def content(self, file: int) -> Key:
        """What stands for a file's content."""
        return self.meta.keys[16 * file : 16 * file + 16]

    @cached_property
    def signs(self) -> dict[str, tuple[int, Sign]]:
        """See ``Relevance.signs``."""
        found: dict[str, tuple[int, Sign]] = {}
        for level, pairs, names in self.meta.signs:
            found.update(dict.fromkeys(names, (level, frozenset(pairs))))
        return found

    @cached_property
    def leaving(self) -> frozenset[str]:
        """See ``Relevance.leaving``."""
        return frozenset(self.meta.leaving)

    @cached_property
    def yielding(self) -> frozenset[str]:
        """Names whose rows yield to a body, if the tree has one (``program.weak_names``)."""
        return yielding_names(self.kernel)

    def _part(self, known: dict[int, T], letter: bytes, number: int, decode: Callable[[bytes | msgspec.Raw], T]) -> T:
        found = known.get(number)
        if found is None:
            found = known[number] = self._decoded(self._get(letter + b"%d" % number), decode)
        return found

    def _get(self, name: bytes) -> bytes:
        data = self.store.get("part", self.key + name)
        if data is None:  # another run wrote a newer tree, and this one is gone
            raise StoreError("the index lost a part of the tree")
        return data

    def _decoded(self, data: bytes | msgspec.Raw, decode: Callable[[bytes | msgspec.Raw], T]) -> T:
        try:
            return decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            self.store.damaged()
            raise StoreError(str(error)) from error


def latest(store: Store, scope: bytes, front: bytes) -> Linked | None:
    """The last linked tree of a scope, if there is one. Raises StoreError."""
    for key in store.oldest(0, LINKED + scope)[:1]:
        data = store.get("recent", key)
        if data is None:
            return None
        try:
            meta = msgspec.msgpack.decode(data, type=Meta)
        except (msgspec.DecodeError, ValueError):
            store.damaged()
            return None
        store.touch(key)
        return Linked(store, key, meta, front)
    return None
