"""The skeletons of files, from the index or made in worker processes, in the order of the files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from gfplint import collection, workers
from gfplint.facts import FileFacts
from gfplint.findings import Skipped
from gfplint.index.contents import Contents, Key, content_key
from gfplint.index.store import Store, StoreError
from gfplint.index.versions import frontend_digest
from gfplint.target import Progress
from gfplint.tree import State, UnreadableError, WorkTree

_UNREADABLE = b"!"
#: The numbers of lines, which facts share: an int takes as much memory as three references to one.
_LINES = tuple(range(10_000))
_EMPTY = FileFacts((), (), (), (), (), (), (), (), ())
#: Files that a worker takes at a time.
_BATCH = 32
#: Files ahead of which the disk is told what is read next: about what a worker reads in the time that it takes.
_AHEAD = 16
#: Seconds of a read, and of each byte of it, from which on it was the disk's: of memory it takes a third of that. One
#: read may take longer because another process had its turn; two in a row are hardly ever that.
_SLOW, _SLOW_BYTE, _IN_A_ROW = 60e-6, 1e-9, 2
#: Files for which the disk is told ahead after it was slow.
_TOLD = 64
_KEY_BYTES = 16
#: Ends a file's identity in an answer: it stands in none.
_END = b"\n"
_NO_KEY = bytes(_KEY_BYTES)
#: Files whose skeletons are made sooner than the store says which it has.
_FEW = 50


@dataclass
class Gathered:
    """The files of a state: the content of each that can be read, and why the others can't.

    ``complete``: False where a worker crashed or hung, so that another run may see more. ``identities``: of files that
    workers looked at before they read them (``State.identity``).
    """

    keys: dict[str, Key] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)
    made: dict[str, FileFacts] = field(default_factory=dict)
    failed: list[Skipped] = field(default_factory=list)
    complete: bool = True

    @property
    def paths(self) -> list[str]:
        """The files that have a skeleton, sorted."""
        return sorted(self.keys)


class Gatherer:
    """Makes skeletons of a state's files, and keeps them in a store."""

    def __init__(
        self,
        state: State,
        store: Store | None,
        root: str,
        jobs: int,
        progress: Progress | None,
        loaded: dict[Key, FileFacts] | None = None,
        *,
        remember: bool = True,
        keyed: bool = True,
    ) -> None:
        """``root``: names the tree in the store; ``loaded``: skeletons by content that another state's has at hand.

        ``remember``: whether to look into, and keep, what files contain by their status; for a few it is not worth it.
        ``keyed``: whether anybody asks for the keys of contents; else they are all alike.
        """
        self._loaded = loaded
        self.state = state
        self.store = store
        self.jobs = jobs
        self.progress = progress
        self.contents = Contents(store, root) if store is not None and remember else None
        self.keyed = keyed or store is not None or loaded is not None
        self.reused = 0
        self._front = frontend_digest() if store is not None else b""
        self._names: dict[str, str] = {}

    def gather(
        self,
        files: Sequence[str],
        *,
        whole: bool = False,
        meanwhile: Callable[[], None] = lambda: None,
        each: Callable[[str, FileFacts], None] | None = None,
    ) -> Gathered:
        """The content of every file; those that no earlier run saw are read, and their skeletons made.

        ``whole``: the files are all that the tree has. ``meanwhile``: is called while workers read files, if any do;
        ``each``: is given every skeleton in the order of the files, where all of them have to be made.
        """
        found = Gathered()
        contents = self.contents
        if contents is None or (contents.empty and isinstance(self.state, WorkTree)):
            self._make(files, found, meanwhile, each, identify=contents is not None)
            identities: Mapping[str, str] = found.identities
            unknown = files
        else:
            identities = self.state.identities()
            found.keys = contents.known(files, identities)
            unknown = [path for path in files if path not in found.keys]
            self._make(unknown, found, meanwhile, each if len(unknown) == len(files) else None)
        if contents is not None:
            for path in unknown:
                if path in found.keys and path in identities:
                    contents.learn(path, identities[path], found.keys[path])
            contents.save(files if whole else None)
        return found

    def unknown(self, files: Sequence[str]) -> int:
        """How many of the files no earlier run saw as they are."""
        if self.contents is None:
            return len(files)
        return len(files) - len(self.contents.known(files, self.state.identities()))

    def facts(self, found: Gathered, paths: Sequence[str]) -> list[FileFacts]:
        """The skeletons of some of the gathered files; an empty one for a file that went away meanwhile."""
        wanted = [path for path in paths if path not in found.made]
        missing = self._load(wanted, found)
        if missing:
            again = Gathered()
            self._make(missing, again)
            for path in missing:
                if again.keys.get(path) != found.keys[path]:  # it changed since it was looked at
                    found.complete = False
            found.keys.update(again.keys)
            found.made.update(again.made)
            found.failed += again.failed
            for path in self._load([path for path in missing if path in again.keys and path not in found.made], found):
                found.complete = False
                found.failed.append(Skipped(path, "changes while it is read", failed=True))
        if self._loaded is not None:
            self._loaded.update((found.keys[path], found.made[path]) for path in paths if path in found.made)
        return [found.made.get(path, _EMPTY) for path in paths]

    def _load(self, paths: Iterable[str], found: Gathered) -> list[str]:
        """Take skeletons from the store; returns the paths of those that it does not have."""
        by_key: dict[bytes, list[str]] = {}
        for path in paths:
            at_hand = self._loaded.get(found.keys[path]) if self._loaded is not None else None
            if at_hand is not None:
                found.made[path] = at_hand
            else:
                by_key.setdefault(found.keys[path] + self._front, []).append(path)
        if self.store is not None and by_key:
            decode = msgspec.msgpack.Decoder(FileFacts).decode
            try:
                with collection.put_off():
                    for key, data in self.store.get_many("facts", list(by_key)):
                        for path in by_key.pop(key):
                            found.made[path] = _interned(decode(data), self._names)
                            self.reused += 1
            except (StoreError, msgspec.DecodeError):
                self.store.damaged()
        return [path for paths_ in by_key.values() for path in paths_]

    def _make(
        self,
        files: Sequence[str],
        found: Gathered,
        meanwhile: Callable[[], None] = lambda: None,
        each: Callable[[str, FileFacts], None] | None = None,
        *,
        identify: bool = False,
    ) -> None:
        """Read files in workers; where the store has not yet the skeleton of a content, make it. ``identify``: and look
        at each file's status before.
        """
        if not files:
            return
        from gfplint.frontend.skeleton import skeleton  # noqa: PLC0415 -- once, not in every worker

        encode = msgspec.msgpack.Encoder().encode
        front, keyed, state = self._front, self.keyed, self.state
        some = _FEW < len(files) < 30_000
        have = self.store.keys("facts") if self.store is not None and some else set()

        reader = _Reader(self.state, files)

        def work(at: int) -> bytes:
            # Here, as everything that reads a file: what a hostile one provokes costs that file alone.
            try:
                identity = state.identity(files[at]).encode() if identify else b""
                data = reader.read(at)
            except UnreadableError as error:
                return _UNREADABLE + (error.reason if hasattr(error, "reason") else str(error)).encode()
            key = content_key(data) if keyed else _NO_KEY
            head = b"=%b%b%b" % (key, identity, _END)
            return head if key + front in have else head + encode(skeleton(data))

        decode = msgspec.msgpack.Decoder(FileFacts).decode
        in_turn = _InTurn(files, found.made, each) if each is not None else None
        with collection.put_off(), contextlib.closing(workers.run(len(files), work, self.jobs, _BATCH)) as results:
            for done, (at, data) in enumerate(results, 1):
                if done == 1:
                    meanwhile()
                path = files[at]
                if isinstance(data, workers.Failure):
                    found.failed.append(Skipped(path, data.reason, failed=True))
                    found.complete = False
                elif data[:1] == _UNREADABLE:
                    found.failed.append(Skipped(path, data[1:].decode(), failed=True))
                else:
                    key, end = data[1 : 1 + _KEY_BYTES], data.index(_END, 1 + _KEY_BYTES)
                    blob = data[end + 1 :]
                    found.keys[path] = key
                    if identify:
                        found.identities[path] = data[1 + _KEY_BYTES : end].decode()
                    if blob:
                        found.made[path] = _interned(decode(blob), self._names)
                        if self.store is not None:
                            self.store.put("facts", key + front, blob)
                if in_turn is not None:
                    in_turn.done(at)
                if self.progress is not None:
                    self.progress(done, 2 * len(files))


class _Reader:
    """Reads the files of a state one after the other. A disk that takes its time is told what is read next."""

    def __init__(self, state: State, files: Sequence[str]) -> None:
        self._state, self._files = state, files
        self._told = self._slow = 0

    def read(self, at: int) -> bytes:
        """The file of a number."""
        if self._told and isinstance(self._state, WorkTree) and at + _AHEAD < len(self._files):
            self._told -= 1
            self._state.expect(self._files[at + _AHEAD])  # if it is another worker's, that is near by as well
        start = time.perf_counter()
        data = self._state.read(self._files[at])
        slow = time.perf_counter() - start > _SLOW + len(data) * _SLOW_BYTE
        self._slow = self._slow + 1 if slow else 0
        if self._slow >= _IN_A_ROW:
            self._told = _TOLD
        return data


class _InTurn:
    """Hands on skeletons, which are made in any order, in that of the files."""

    def __init__(
        self, files: Sequence[str], made: Mapping[str, FileFacts], each: Callable[[str, FileFacts], None]
    ) -> None:
        self.files, self.made, self.each = files, made, each
        self.ahead: set[int] = set()
        self.turn = 0

    def done(self, at: int) -> None:
        """The file of a number is made, or has failed."""
        self.ahead.add(at)
        while self.turn in self.ahead:
            self.ahead.remove(self.turn)
            path = self.files[self.turn]
            self.turn += 1
            if path in self.made:
                self.each(path, self.made[path])


def _interned(facts: FileFacts, names: dict[str, str]) -> FileFacts:
    """Share the strings and numbers that most files have in common: a tree has millions of calls and few names."""
    share = names.setdefault
    put = msgspec.structs.force_setattr
    for function in facts.functions:
        if function.line < len(_LINES):
            put(function, "line", _LINES[function.line])
        put(function, "name", share(function.name, function.name))
        if callees := function.callees:
            put(function, "callees", tuple(map(share, callees, callees)))
        if words := function.words:
            put(function, "words", tuple(map(share, words, words)))
    for table in facts.tables:
        put(table, "struct", share(table.struct, table.struct))
        for entry in table.entries:
            if entry.line < len(_LINES):
                put(entry, "line", _LINES[entry.line])
            put(entry, "member", share(entry.member, entry.member))
            put(entry, "value", share(entry.value, entry.value))
    for variable in facts.globals:
        put(variable, "type", share(variable.type, variable.type))
    for definition in facts.definitions:
        put(definition, "macro", share(definition.macro, definition.macro))
    put(facts, "includes", tuple([share(i, i) for i in facts.includes]))
    return facts
