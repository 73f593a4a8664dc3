"""The store under everything that can happen to a file: it may forget, it never lies and never raises."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gfplint.index.store import MAX_BYTES, Store, StoreError, default_folder


def filled(folder: Path, count: int = 200) -> Store:
    store = Store(folder)
    for number in range(count):
        store.put("facts", b"key%d" % number, b"value%d" % number * 40)
    store.flush()
    return store


def read_all(store: Store, count: int = 200) -> int:
    """How many entries are there; each that is must be right."""
    there = 0
    for number in range(count):
        try:
            data = store.get("facts", b"key%d" % number)
        except StoreError:
            return there
        if data is not None:
            assert data == b"value%d" % number * 40
            there += 1
    return there


def test_what_was_put_is_there_for_the_next(tmp_path: Path) -> None:
    filled(tmp_path).close()
    store = Store(tmp_path)
    assert read_all(store) == 200
    assert store.get("facts", b"other") is None
    assert store.get("recent", b"key1") is None
    assert store.keys("facts") == {b"key%d" % n for n in range(200)}


def test_the_folder_is_the_users_alone(tmp_path: Path) -> None:
    filled(tmp_path / "new").close()
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("keep", [0, 1, 15, 100, 4096, 8192, 20000])
def test_a_truncated_file_is_begun_anew(tmp_path: Path, keep: int) -> None:
    store = filled(tmp_path)
    store.close()
    with store.path.open("r+b") as stream:
        stream.truncate(keep)
    read_all(Store(tmp_path))
    assert read_all(filled(tmp_path)) == 200


def test_flipped_bits_are_noticed(tmp_path: Path) -> None:
    chance = random.Random(7)
    for _ in range(40):
        store = filled(tmp_path)
        store.close()
        data = bytearray(store.path.read_bytes())
        for _ in range(chance.choice((1, 1, 1, 30))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        store.path.write_bytes(data)
        assert read_all(Store(tmp_path)) <= 200  # what is left is whole
        store.path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all" * 100, b"SQLite format 3\0" + bytes(5000), os.urandom(9000)]
)
def test_another_file_in_its_place_is_replaced(tmp_path: Path, content: bytes) -> None:
    Store(tmp_path).path.write_bytes(content)
    assert read_all(filled(tmp_path)) == 200


def test_tables_of_somebody_else_are_not_used(tmp_path: Path) -> None:
    path = Store(tmp_path).path
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE real (key BLOB PRIMARY KEY, data BLOB NOT NULL)")
        connection.execute("CREATE VIEW facts AS SELECT key, data FROM real")
    assert read_all(filled(tmp_path)) == 200


def test_a_trigger_is_not_run(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON facts BEGIN DELETE FROM facts; END")
    assert read_all(filled(tmp_path)) == 200


def test_blobs_under_each_others_keys_are_noticed(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE facts SET data = (SELECT data FROM facts WHERE key = ?)", (b"key5",))
    again = Store(tmp_path)
    with pytest.raises(StoreError):
        again.get("facts", b"key6")
    assert not again.path.exists()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    cache = tmp_path / "cache"
    path = Store(cache).path
    path.unlink()
    path.symlink_to(target)
    read_all(filled(cache))
    assert target.read_bytes() == b"precious"


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path).close()
    # As root nothing is forbidden: the question is answered as for another user.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    store = Store(tmp_path)
    assert read_all(store) == 200
    store.put("facts", b"new", b"data")
    store.close()
    assert Store(tmp_path).get("facts", b"new") is None
    assert not Store(tmp_path / "none" / "at all").usable


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    filled(tmp_path).close()
    monkeypatch.setattr("os.stat", refused)
    monkeypatch.setattr("os.lstat", refused)
    monkeypatch.setattr("gfplint.index.store._prepare", refused)
    store = Store(tmp_path)
    assert not store.usable
    assert "Permission denied" in store.note
    assert store.get("facts", b"key0") is None


def test_nobody_without_a_home_has_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    store = Store(default_folder())
    store.put("facts", b"key", b"value")
    store.close()
    store.prune()
    assert "--cache-dir" in store.note


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = filled(tmp_path / "file")
    assert not store.usable
    assert read_all(store) == 0


def test_a_full_disk_loses_the_new_and_keeps_the_old(tmp_path: Path) -> None:
    store = filled(tmp_path)
    connection = store._connected()
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    store.put("facts", b"large", bytes(100_000))
    store.close()
    again = Store(tmp_path)
    assert read_all(again) == 200
    assert again.get("facts", b"large") is None


def test_another_run_that_writes_is_waited_for_or_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gfplint.index.store._BUSY_SECONDS", 0.1)
    first = filled(tmp_path)
    second = Store(tmp_path)
    connection = first._connected()
    assert connection is not None
    connection.execute("BEGIN EXCLUSIVE")
    second.put("facts", b"a", b"b")
    second.close()
    connection.execute("ROLLBACK")
    assert read_all(Store(tmp_path)) == 200


def test_the_size_is_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(40):
        store.put("recent", b"end%d" % number, os.urandom(50_000))
        store.put("part", b"part%d" % number, os.urandom(50_000), b"end%d" % number)
        store.flush()
    assert store.size() > 3_000_000
    store.prune(1_000_000)
    assert store.size() < 1_000_000
    assert store.get("recent", b"end39") is not None
    assert store.get("part", b"part39") is not None
    assert store.get("recent", b"end0") is None
    assert store.get("part", b"part0") is None
    assert MAX_BYTES > 1_000_000


_WRITER = """\
import sys, os, random
from pathlib import Path
from gfplint.index.store import Store
chance = random.Random()
while True:
    store = Store(Path(sys.argv[1]))
    for number in chance.sample(range(200), 60):
        store.put("facts", b"key%d" % number, b"value%d" % number * 40)
    store.put("recent", os.urandom(8), os.urandom(200_000))
    store.close()
    store = Store(Path(sys.argv[1]))
    store.prune(2_000_000)
    store.close()
"""


def test_killed_at_random_moments_beside_each_other(tmp_path: Path) -> None:
    chance = random.Random(3)
    for _ in range(5):
        writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)]) for _ in range(2)]
        for writer in writers:
            try:
                writer.wait(0.15 + chance.random() * 0.15)
            except subprocess.TimeoutExpired:
                writer.kill()
            writer.wait()
            assert writer.returncode == -9
        read_all(Store(tmp_path))
    assert read_all(filled(tmp_path)) == 200
