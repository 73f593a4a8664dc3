"""The work tree and overlays: what they list, what they read, and what they leave out."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gfplint.tree import MAX_BYTES, MissingError, Overlay, UnreadableError, WorkTree, read_regular, select, work_tree
from tests.tree.repositories import write


def _skipped(state: WorkTree | Overlay) -> dict[str, tuple[str, bool]]:
    return {item.path: (item.reason, item.failed) for item in state.skipped()}


def test_lists_sources_sorted(tmp_path: Path) -> None:
    names = ("b/x.c", "a.h", "a/z.c", "a/y.h", "B.c")
    others = (
        "a.S",
        "a.o",
        ".hidden.c",
        ".git/x.c",
        "x.mod.c",
        "README",
        "c.cc",
        ".#lock.c",
        "arch/x/include/generated/g.h",
    )
    for name in (*names, *others):
        write(tmp_path, name, "int x;\n")
    assert WorkTree(tmp_path).files() == tuple(sorted(names))


def test_read_and_identity_follow_the_file(tmp_path: Path) -> None:
    place = write(tmp_path, "x.c", "int x;\n")
    state = WorkTree(tmp_path)
    first = state.identity("x.c")
    assert state.read("x.c") == b"int x;\n"
    assert state.identity("x.c") == first
    status = place.stat()
    place.write_bytes(b"int y;\n")
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert state.identity("x.c") != first


def test_identities_are_of_the_files_that_can_be_seen(tmp_path: Path) -> None:
    for name in ("a.c", "b/c.h", "gone.c"):
        write(tmp_path, name, "int x;\n")
    state = WorkTree(tmp_path)
    assert len(state.files()) == 3
    (tmp_path / "gone.c").unlink()
    assert state.identities() == {name: state.identity(name) for name in ("a.c", "b/c.h")}
    with pytest.raises(MissingError):
        state.read("gone.c")


def test_symbolic_links(tmp_path: Path) -> None:
    outside = write(tmp_path, "outside/o.c", "")
    top = tmp_path / "tree"
    write(top, "real.c", "")
    (top / "inner.c").symlink_to("real.c")
    (top / "outer.c").symlink_to(outside)
    (top / "loop.c").symlink_to("loop.c")
    (top / "dangling.c").symlink_to("nowhere")
    (top / "again").symlink_to(".")
    (top / "away").symlink_to(outside.parent)
    state = WorkTree(top)
    assert state.files() == ("real.c",)
    skipped = _skipped(state)
    assert set(skipped) == {"outer.c", "loop.c", "dangling.c"}
    assert [skipped[name][1] for name in ("outer.c", "loop.c", "dangling.c")] == [False, True, True]


def test_special_files_neither_hang_nor_count(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.c")
    (tmp_path / "folder.c").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "socket.h"))
        state = WorkTree(tmp_path)
        assert state.files() == ()
        assert _skipped(state) == {
            "fifo.c": ("not a regular file (a FIFO)", True),
            "socket.h": ("not a regular file (a socket)", True),
        }
        for path in ("fifo.c", "folder.c", "socket.h"):
            with pytest.raises(UnreadableError):
                state.read(path)


def test_monsters_and_binaries_are_unreadable(tmp_path: Path) -> None:
    with write(tmp_path, "huge.c", "").open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    write(tmp_path, "binary.c", b"int x;\0")
    state = WorkTree(tmp_path)
    with pytest.raises(UnreadableError, match="too large"):
        state.read("huge.c")
    with pytest.raises(UnreadableError, match="binary"):
        state.read("binary.c")


def test_limit_holds_for_files_that_do_not_state_their_size() -> None:
    with pytest.raises(UnreadableError, match="too large"):
        read_regular("/proc/self/status", "status", limit=16)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_and_folder(tmp_path: Path) -> None:
    write(tmp_path, "secret.c", "").chmod(0)
    write(tmp_path, "folder/x.c", "").parent.chmod(0)
    state = WorkTree(tmp_path)
    try:
        with pytest.raises(UnreadableError, match="Permission denied"):
            state.read("secret.c")
        assert _skipped(state)["folder"] == ("folder not read: Permission denied", True)
    finally:
        (tmp_path / "folder").chmod(0o700)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.c", "a/../../x.c", "missing.c", "x.c/y.c", "a\0b.c"])
def test_paths_outside_or_absent(tmp_path: Path, path: str) -> None:
    top = tmp_path / "tree"
    write(top, "x.c", "")
    write(tmp_path, "x.c", "")
    with pytest.raises(UnreadableError):
        WorkTree(top).read(path)


def test_names_that_are_not_text(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.c"))).write_bytes(b"")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe"))).mkdir()
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.o"))).write_bytes(b"")
    write(tmp_path, "a\nb.c", "")
    state = WorkTree(tmp_path)
    assert state.files() == ("a\nb.c",)
    assert _skipped(state) == dict.fromkeys(("\\xfe", "\\xff.c"), ("file name is not UTF-8", True))


def test_named_files_that_are_not_text(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.c"))
    odd.write_bytes(b"")
    write(tmp_path, "a.c", "")
    selection = select([odd, tmp_path / "a.c"])
    assert selection.paths == ("\\xff.c", "a.c")
    state = work_tree(selection)
    assert state.files() == ("a.c",)
    assert _skipped(state) == {"\\xff.c": ("file name is not UTF-8", True)}


_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_names_that_the_locale_has_no_letters_for(tmp_path: Path) -> None:
    write(tmp_path, "unié.c", "")
    write(tmp_path, "a.c", "")
    command = [sys.executable, "-m", "gfplint", "scan", "--no-cache"]
    for named in (".", "unié.c"):
        done = subprocess.run(
            [*command, named], cwd=tmp_path, env={**os.environ, **_ASCII}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr == "gfplint: uni\\xe9.c: file name is not UTF-8\n"


def test_vanished_file_is_missing(tmp_path: Path) -> None:
    place = write(tmp_path, "x.c", "")
    state = WorkTree(tmp_path)
    assert state.files() == ("x.c",)
    place.unlink()
    with pytest.raises(MissingError):
        state.read("x.c")
    with pytest.raises(MissingError):
        state.identity("x.c")


def test_overlay_replaces_adds_and_removes(tmp_path: Path) -> None:
    for name in ("keep.c", "change.c", "drop.c", "new.c"):
        write(tmp_path, name, name)
    base = WorkTree(tmp_path)
    state = Overlay(base, {"change.c": b"changed", "drop.c": None, "more.h": (base, "new.c"), "Kconfig": b"k"})
    assert state.files() == ("change.c", "keep.c", "more.h", "new.c")
    assert [state.read(path) for path in state.files()] == [b"changed", b"keep.c", b"new.c", b"new.c"]
    assert state.read("Kconfig") == b"k"
    assert state.identity("keep.c") == base.identity("keep.c")
    assert state.identity("more.h") == base.identity("new.c")
    assert state.identity("change.c") == Overlay(base, {"x.c": b"changed"}).identity("x.c")
    for ask in (state.read, state.identity):
        with pytest.raises(MissingError):
            ask("drop.c")


def test_overlay_takes_the_place_of_what_was_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.c")
    base = WorkTree(tmp_path)
    assert [item.path for item in base.skipped()] == ["x.c"]
    state = Overlay(base, {"x.c": b"int x;\n"})
    assert not state.skipped()
    assert state.read("x.c") == b"int x;\n"
    with pytest.raises(UnreadableError, match="binary"):
        Overlay(base, {"x.c": b"\0"}).read("x.c")


def test_errors_survive_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(MissingError("x.c")))
    assert (type(error), error.path, error.reason) == (MissingError, "x.c", "no such file")
