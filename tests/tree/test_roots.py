"""Where a tree starts, which kernel it is, and what of it is linted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gfplint.tree import TreeError, WorkTree, find_root, kernel_version, select
from tests.tree.repositories import MAKEFILE, Repository, kernel_tree, write


def test_kernel_root_from_a_file_a_folder_and_the_top(tmp_path: Path) -> None:
    top = kernel_tree(tmp_path / "linux")
    file = write(top, "drivers/net/x.c", "")
    for path in (file, file.parent, top):
        root = find_root(path)
        assert (root.path, root.version, root.release, root.git) == (top, (6, 12), "6.12.117", None)


def test_kernel_root_inside_a_repository(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    top = kernel_tree(repository.top / "linux")
    assert (find_root(top).path, find_root(top).git) == (top, repository.top)


def test_repository_inside_a_kernel_is_part_of_it(tmp_path: Path) -> None:
    top = kernel_tree(tmp_path / "linux")
    inner = Repository(top / "drivers/extra").top
    assert find_root(inner).path == top
    assert find_root(inner).git is None


def test_driver_outside_a_kernel(tmp_path: Path) -> None:
    file = write(tmp_path / "driver", "src/x.c", "")
    assert find_root(file).path == file.parent
    assert find_root(file.parent.parent).path == tmp_path / "driver"
    assert find_root(file).version is None
    repository = Repository(tmp_path / "driver")
    assert find_root(file).path == repository.top


@pytest.mark.parametrize(
    "makefile",
    [
        b"VERSION = 2024\nPATCHLEVEL = 01\n",
        b"VERSION = 1\nPATCHLEVEL = 36\n",
        b"PATCHLEVEL = 1\n",
        b"VERSION = $(shell touch x)\nPATCHLEVEL = 2\n",
        b"",
    ],
)
def test_other_projects_are_no_kernels(tmp_path: Path, makefile: bytes) -> None:
    kernel_tree(tmp_path)
    write(tmp_path, "Makefile", makefile)
    assert kernel_version(makefile) is None
    assert find_root(tmp_path).version is None


def test_version_line_without_the_layout_is_no_kernel(tmp_path: Path) -> None:
    write(tmp_path, "Makefile", MAKEFILE)
    assert find_root(tmp_path).version is None


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="No such file"):
        select([tmp_path / "nothing.c"])
    loop = tmp_path / "loop.c"
    loop.symlink_to(loop)
    with pytest.raises(TreeError, match="symbolic links"):
        select([loop])
    with pytest.raises(TreeError, match="not a path"):
        select(["a\0b"])


def test_error_text_carries_no_control_characters(tmp_path: Path) -> None:
    with pytest.raises(TreeError) as caught:
        select([tmp_path / "a\x1b[31m\n.c"])
    assert str(caught.value).isprintable()


def test_selection_is_relative_to_the_root(tmp_path: Path) -> None:
    top = kernel_tree(tmp_path / "linux")
    write(top, "mm/slub.c", "")
    write(top, "fs/ext4/inode.c", "")
    selection = select([top / "fs", top / "mm/slub.c"])
    assert selection.paths == ("fs", "mm/slub.c")
    assert selection.covers("fs/ext4/inode.c")
    assert selection.covers("mm/slub.c")
    assert not selection.covers("fsx/inode.c")
    assert not selection.covers("mm/slub.cc")
    assert select([top]).covers("anything.c")


def test_no_path_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert select([]).root.path == tmp_path


def test_paths_of_two_kernels_are_an_error(tmp_path: Path) -> None:
    one, two = kernel_tree(tmp_path / "one"), kernel_tree(tmp_path / "two")
    with pytest.raises(TreeError, match="different trees"):
        select([one, two])


def test_loose_files_share_the_folder_above_them(tmp_path: Path) -> None:
    first, second = write(tmp_path, "a/x.c", ""), write(tmp_path, "b/y.c", "")
    write(tmp_path, "c/z.c", "")
    write(tmp_path, "a/deeper/w.c", "")
    write(tmp_path, "a/x.h", "")
    selection = select([first, second])
    assert selection.root.path == tmp_path
    assert selection.paths == ("a/x.c", "b/y.c")
    assert WorkTree(selection.root.path, selection.scope).files() == ("a/x.c", "a/x.h", "b/y.c")


def test_loose_file_sees_its_folder_only(tmp_path: Path) -> None:
    file = write(tmp_path, "x.c", "")
    write(tmp_path, "x.h", "")
    write(tmp_path, "deeper/y.c", "")
    selection = select([file])
    assert WorkTree(selection.root.path, selection.scope).files() == ("x.c", "x.h")


def test_symbolic_link_is_resolved_when_named(tmp_path: Path) -> None:
    top = kernel_tree(tmp_path / "linux")
    target = write(top, "mm/x.c", "")
    link = tmp_path / "link.c"
    link.symlink_to(target)
    assert select([link]).paths == ("mm/x.c",)


@pytest.mark.parametrize(
    ("path", "linted"),
    [
        ("mm/slub.c", True),
        ("drivers/gpu/drm/i915/selftests/x.c", True),
        ("arch/x86/mm/fault.c", True),
        ("lib/usr/x.c", True),
        ("drivers/tools/x.c", True),
        ("tools/lib/slab.c", False),
        ("tools/testing/selftests/mm/x.c", False),
        ("scripts/kconfig/menu.c", False),
        ("samples/kobject/x.c", False),
        ("usr/gen_init_cpio.c", False),
        ("arch/x86/boot/compressed/misc.c", False),
        ("arch/x86/purgatory/purgatory.c", False),
    ],
)
def test_what_is_linted_in_a_kernel(tmp_path: Path, path: str, linted: bool) -> None:
    assert find_root(kernel_tree(tmp_path)).linted(path) is linted


def test_everything_is_linted_outside_a_kernel(tmp_path: Path) -> None:
    assert find_root(tmp_path).linted("tools/x.c")


def test_named_build_output_and_odd_files(tmp_path: Path) -> None:
    top = kernel_tree(tmp_path)
    write(top, "include/generated/g.h", "")
    built = write(top, "drivers/x.mod.c", "")
    table = write(top, "drivers/table.inc", "")
    everything = select([top])
    assert WorkTree(top, everything.scope).files() == ("include/linux/gfp.h",)
    named = select([built, table, top / "include/generated"])
    state = WorkTree(top, named.scope)
    assert state.files() == ("drivers/x.mod.c", "include/generated/g.h", "include/linux/gfp.h")
    assert [(item.path, item.failed) for item in state.skipped()] == [("drivers/table.inc", True)]


def test_named_fifo_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.c")
    selection = select([tmp_path / "x.c"])
    state = WorkTree(selection.root.path, selection.scope)
    assert state.files() == ()
    assert [item.reason for item in state.skipped()] == ["not a regular file (a FIFO)"]
