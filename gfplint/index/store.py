"""The embedded store: blobs by table and key in one SQLite file of the user's cache folder.

A store never makes a run fail or answer differently. What can't be read is not there, what can't be written is lost,
and a file that is not what this version writes (torn, flipped, hostile, of another program) is thrown away and begun
anew. Every blob carries a checksum over its key and content, so that a page which SQLite takes for sound, and is not,
is noticed. Nothing in it is executed: rows are read by fixed statements from tables whose definitions are compared
before use, and decoded into typed structs.

Several processes may use it at once. A forked child opens its own connection.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import string
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

#: Part of the file's name: another layout lives beside this one.
FORMAT = 1
#: Bytes of the file beyond which old entries go.
MAX_BYTES = 2 << 30
#: Bytes of new blobs that are written at a time, so that other runs wait for moments only.
CHUNK_BYTES = 8 << 20
#: How the keys of linked trees begin in ``recent``.
LINKED = b"link"
#: Seconds that a run waits for another one's write, and the longest that it waits in all before it goes without.
_BUSY_SECONDS = 5.0

_SCHEMA = {
    "facts": "CREATE TABLE facts (key BLOB PRIMARY KEY, data BLOB NOT NULL)",
    "part": "CREATE TABLE part (key BLOB PRIMARY KEY, snapshot BLOB NOT NULL, data BLOB NOT NULL)",
    "recent": "CREATE TABLE recent (key BLOB PRIMARY KEY, used INTEGER NOT NULL, data BLOB NOT NULL)",
    "part_of": "CREATE INDEX part_of ON part (snapshot)",
}
_TABLES = ("facts", "part", "recent")
#: What stands for itself in the address of a file.
_PLAIN = frozenset(string.ascii_letters + string.digits + "/._-")


class StoreError(Exception):
    """The store holds something else than it should, or lost what it held; the run goes on without it."""


def default_folder() -> Path | None:
    """Where the store lives when no option says: the user's cache folder; None for who has no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "gfplint"
    except RuntimeError:
        return None


class Store:
    """One store; ``note`` says why it is not in use, "" where it is."""

    def __init__(self, folder: Path | None) -> None:
        if folder is None:
            self.start(Path(), writable=False, note="the user has no home folder; --cache-dir names another")
            return
        path = folder / f"index-{FORMAT}.db"
        writable, note = True, ""
        try:
            _prepare(folder)
        except OSError as error:
            writable = False
            if not os.path.exists(path):  # noqa: PTH110 -- pathlib raises where the folder may not be entered
                note = f"{folder}: {error.strerror or error}"
        self.start(path, writable, note)

    def start(self, path: Path, writable: bool, note: str = "") -> None:
        """Open the file, unless a note says why not."""
        self.note = note
        self.path = path
        self.writable = writable
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self._pending: dict[str, list[tuple[object, ...]]] = {table: [] for table in _TABLES}
        self._pending_bytes = 0
        if not self.note:
            self._open()

    @property
    def usable(self) -> bool:
        """Whether anything can be read."""
        return not self.note

    # ---- blobs

    def get(self, table: str, key: bytes) -> bytes | None:
        """One blob; None where there is none."""
        return next((data for _, data in self.get_many(table, (key,))), None)

    def get_many(self, table: str, keys: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """(key, blob) of those that are there. Raises StoreError for a blob that is not what was written."""
        connection = self._connected()
        if connection is None:
            return
        query = f"SELECT data FROM {table} WHERE key = ?"
        for key in keys:
            try:
                row = connection.execute(query, (key,)).fetchone()
            except (sqlite3.Error, OverflowError) as error:
                self._failed(error)
                return
            if row is not None:
                yield key, self._checked(key, row[0])

    def keys(self, table: str) -> set[bytes]:
        """All keys of a table."""
        connection = self._connected()
        if connection is None:
            return set()
        try:
            found = connection.execute(f"SELECT key FROM {table}").fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            return set()
        return {row[0] for row in found if isinstance(row[0], bytes)}

    def put(self, table: str, key: bytes, data: bytes, snapshot: bytes = b"") -> None:
        """Keep a blob; written with others, by ``flush`` at the latest."""
        if not self.writable or self.note:
            return
        sealed = _seal(key, data)
        row: tuple[object, ...] = (key, sealed)
        if table == "part":
            row = (key, snapshot, sealed)
        elif table == "recent":
            row = (key, int(time.time()), sealed)
        self._pending[table].append(row)
        self._pending_bytes += len(sealed)
        if self._pending_bytes > CHUNK_BYTES:
            self.flush()

    def touch(self, key: bytes) -> None:
        """Say that an entry of ``recent`` was of use; once a day is enough."""
        connection = self._connected()
        if connection is None or not self.writable:
            return
        now = int(time.time())
        with contextlib.suppress(sqlite3.Error), connection:
            connection.execute("UPDATE recent SET used = ? WHERE key = ? AND used < ?", (now, key, now - 86400))

    def flush(self) -> None:
        """Write what waits, whole or not at all."""
        pending, self._pending = self._pending, {table: [] for table in _TABLES}
        self._pending_bytes = 0
        connection = self._connected()
        if connection is None or not self.writable or not any(pending.values()):
            return
        try:
            with connection:
                for table, rows in pending.items():
                    marks = ", ".join("?" * len(rows[0])) if rows else ""
                    if rows:
                        connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)
        except sqlite3.Error as error:
            if _is_damage(error):
                self._failed(error)
            else:  # a full disk, another run that writes: what is there stays good
                self.writable = False

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self.flush()
        if self._connection is not None and self._owner == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    # ---- size

    def size(self) -> int:
        """Bytes on disk."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def drop_snapshot(self, snapshot: bytes) -> None:
        """Forget the parts of one snapshot, and the entry of ``recent`` that names it."""
        connection = self._connected()
        if connection is None or not self.writable:
            return
        with contextlib.suppress(sqlite3.Error), connection:
            connection.execute("DELETE FROM part WHERE snapshot = ?", (snapshot,))
            connection.execute("DELETE FROM recent WHERE key = ?", (snapshot,))

    def prune(self, limit: int = MAX_BYTES) -> None:
        """Keep the file below ``limit`` bytes: the entries that were used last stay."""
        connection = self._connected()
        if connection is None or not self.writable or self.size() <= limit:
            return
        try:
            rows = connection.execute("SELECT key, length(data) FROM recent ORDER BY used DESC, rowid DESC").fetchall()
            parts = dict(
                connection.execute("SELECT snapshot, sum(length(data)) FROM part GROUP BY snapshot").fetchall()
            )
            room = limit // 2
            for key, length in rows:
                room -= length + parts.get(key, 0)
                if room < 0:
                    self.drop_snapshot(key)
            with connection:
                # Facts are made anew in a minute, and nobody knows which branch is asked for next: all go at once.
                connection.execute("DELETE FROM part WHERE snapshot NOT IN (SELECT key FROM recent)")
                if (connection.execute("SELECT sum(length(data)) FROM facts").fetchone()[0] or 0) > limit // 2:
                    connection.execute("DELETE FROM facts")
            # As a script: a page is freed a step, and only a script is stepped to its end.
            connection.executescript("PRAGMA incremental_vacuum")
        except sqlite3.Error as error:
            self._failed(error)

    def oldest(self, keep: int, prefix: bytes) -> Sequence[bytes]:
        """Keys of ``recent`` with a prefix, but for the ``keep`` that were used last."""
        connection = self._connected()
        if connection is None:
            return ()
        try:
            rows = connection.execute("SELECT key FROM recent ORDER BY used DESC, rowid DESC").fetchall()
        except sqlite3.Error:
            return ()
        return [row[0] for row in rows if isinstance(row[0], bytes) and row[0].startswith(prefix)][keep:]

    # ---- the file

    def _connected(self) -> sqlite3.Connection | None:
        if self.note:
            return None
        if self._connection is None or self._owner != os.getpid():
            self._connection = None  # a parent's connection must not be closed here either
            self._open()
        return self._connection

    def _open(self) -> None:
        for attempt in (1, 2):
            try:
                self._connection = _connect(self.path, self.writable)
                self._owner = os.getpid()
                return
            except (sqlite3.Error, StoreError) as error:
                if not self.writable or (isinstance(error, sqlite3.Error) and not _is_damage(error)) or attempt == 2:
                    self.note = f"{self.path}: {error}"
                    return
                _discard(self.path)

    def _checked(self, key: bytes, sealed: object) -> bytes:
        if not isinstance(sealed, bytes) or len(sealed) < 4:
            self.damaged()
            raise StoreError("not a blob")
        data = sealed[4:]
        if zlib.crc32(data, zlib.crc32(key)) != int.from_bytes(sealed[:4], "little"):
            self.damaged()
            raise StoreError("a checksum is wrong")
        return data

    def damaged(self) -> None:
        """Throw the file away: something in it is not what was written."""
        self.note = "the index was damaged; it is built anew"
        if self.writable:
            _discard(self.path)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, sqlite3.Error) and not _is_damage(error):
            self.note = f"{self.path}: {error}"
        else:
            self.damaged()


def _seal(key: bytes, data: bytes) -> bytes:
    return zlib.crc32(data, zlib.crc32(key)).to_bytes(4, "little") + data


def _prepare(folder: Path) -> None:
    """Make the folder, for the user alone. Raises OSError where it can't be written or belongs to somebody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), 0):
        raise PermissionError(1, "belongs to another user")
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, "may not be written")


def _connect(path: Path, writable: bool) -> sqlite3.Connection:
    """A connection to a file that is as this version makes them. Raises sqlite3.Error and StoreError."""
    if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):  # noqa: PTH110, PTH113, PTH114
        raise StoreError("not a regular file")
    mode = "rwc" if writable else "ro&immutable=1"
    connection = sqlite3.connect(
        f"file:{_quoted(path)}?mode={mode}", uri=True, timeout=_BUSY_SECONDS, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        found = _schema(connection)
        if not found and writable:
            connection.execute("PRAGMA page_size = 8192")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if not _schema(connection):
                    for statement in _SCHEMA.values():
                        connection.execute(statement)
            found = _schema(connection)
        if found != _SCHEMA:
            raise StoreError("other tables than this version makes")
        if writable:
            # A rollback journal works in a folder that becomes read-only, and a kill at any moment leaves either state.
            # Power may fail with both unwritten: checksums and SQLite's own checks notice, and the index is made anew.
            connection.execute("PRAGMA journal_mode = TRUNCATE").fetchall()
            connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -16384")
    except BaseException:
        connection.close()
        raise
    return connection


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {str(name): str(sql) for name, sql in rows}


def _quoted(path: Path) -> str:
    return "".join(chr(c) if chr(c) in _PLAIN else f"%{c:02X}" for c in os.fsencode(path.absolute()))


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is no sound store; others say that the disk is full or another run busy."""
    text = str(error)
    return not isinstance(error, sqlite3.OperationalError) or "malformed" in text or "no such" in text


def _discard(path: Path) -> None:
    for name in (path, path.with_name(path.name + "-journal")):
        with contextlib.suppress(OSError):
            name.unlink()
