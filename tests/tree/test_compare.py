"""What --diff and --staged compare."""

from __future__ import annotations

import io
import os
import random
import sys
from pathlib import Path

import pytest

from gfplint.tree import Comparison, PatchError, TreeError, patched, read_patch, select, since, staged
from tests.tree.repositories import Repository


def _contents(result: Comparison) -> tuple[dict[str, bytes], dict[str, bytes]]:
    before, after = ({path: state.read(path) for path in state.files()} for state in (result.before, result.after))
    return before, after


def _at(repository: Repository, *names: str) -> dict[str, bytes]:
    """The sources of a revision as git shows them."""
    listing = repository.git("ls-tree", "-r", "-z", "--name-only", names[0]).decode().split("\0")
    return {path: repository.git("show", f"{names[0]}:{path}") for path in listing if path.endswith((".c", ".h"))}


def _edited(top: Path) -> Repository:
    """A repository with every kind of change in its work tree."""
    repository = Repository(top)
    repository.commit(
        same_c="same\n",
        change_c="1\n2\n3\n",
        gone_c="gone\n",
        old_c="".join(f"{n}\n" for n in range(50)),
        README="old\n",
    )
    repository.write(".gitignore", "ignored.c\n*.o\n")
    repository.write("ignored.c", "ignored\n")
    repository.write("change.c", "0\n1\n3\n4\n")
    (top / "gone.c").unlink()
    repository.git("mv", "old.c", "new name.c")
    repository.write("new name.c", "first\n" + "".join(f"{n}\n" for n in range(50)))
    repository.write("untracked.c", "a\nb\n")
    repository.write("README", "new\n")
    return repository


def test_since_a_revision(tmp_path: Path) -> None:
    repository = _edited(tmp_path)
    result = since(select([tmp_path]), "HEAD")
    before, after = _contents(result)
    assert before == {**_at(repository, "HEAD"), "ignored.c": b"ignored\n"}
    assert after == {path: (tmp_path / path).read_bytes() for path in result.after.files()}
    assert set(after) == {"same.c", "change.c", "new name.c", "untracked.c", "ignored.c"}
    assert result.changes.added == {
        "change.c": frozenset({1, 4}),
        "new name.c": frozenset({1}),
        "untracked.c": frozenset({1, 2}),
    }
    assert result.changes.changed == {"change.c", "gone.c", "old.c", "new name.c", "untracked.c"}
    assert result.changes.renamed == {"old.c": "new name.c"}


def test_unchanged_files_are_the_same_in_both_states(tmp_path: Path) -> None:
    _edited(tmp_path)
    for result, kind in ((since(select([tmp_path]), "HEAD"), "f"), (staged(select([tmp_path])), "b")):
        assert result.before.identity("same.c") == result.after.identity("same.c")
        assert result.before.identity("same.c").startswith(kind)


def test_staged(tmp_path: Path) -> None:
    repository = _edited(tmp_path)
    repository.git("add", "change.c", "new name.c")
    repository.write("change.c", "not staged\n")
    result = staged(select([tmp_path]))
    before, after = _contents(result)
    assert before == _at(repository, "HEAD")
    assert set(after) == {"same.c", "change.c", "gone.c", "new name.c"}
    assert after["change.c"] == b"0\n1\n3\n4\n"
    assert after["gone.c"] == b"gone\n"
    assert result.changes.added == {"change.c": frozenset({1, 4}), "new name.c": frozenset({1})}
    assert result.changes.renamed == {"old.c": "new name.c"}


def test_hook_of_a_real_commit(tmp_path: Path) -> None:
    """In a hook git names its index, and with ``commit FILE`` one that holds that file alone."""
    repository = Repository(tmp_path / "r")
    repository.commit(a_c="a\n", b_c="b\n")
    seen = tmp_path / "seen"
    code = f"""
import pathlib
from gfplint.tree import select, staged
added = staged(select(["."])).changes.added
pathlib.Path({str(seen)!r}).write_text(repr([(path, sorted(added[path])) for path in sorted(added)]))
"""
    hook = repository.write(".git/hooks/pre-commit", f"#!/bin/sh\nexec {sys.executable} {tmp_path / 'hook.py'}\n")
    hook.chmod(0o755)
    (tmp_path / "hook.py").write_text(code)
    for arguments, wanted in (
        (("a.c",), [("a.c", [2])]),
        (("-a",), [("b.c", [2])]),
    ):
        repository.write("a.c", "a\nmore\n")
        repository.write("b.c", "b\nmore\n")
        repository.git("commit", "-q", "-m", "x", *arguments)
        assert seen.read_text() == repr(wanted)


def test_linked_work_tree(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    repository.commit(a_c="a\n")
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    (tmp_path / "linked/a.c").write_text("a\nb\n")
    selection = select([tmp_path / "linked/a.c"])
    assert selection.root.path == tmp_path / "linked"
    assert since(selection, "main").changes.added == {"a.c": {2}}
    assert since(select([repository.top]), "HEAD").changes.added == {}


def test_staged_before_the_first_commit(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.write("a.c", "a\nb\n")
    repository.write("b.c", "untracked\n")
    repository.git("add", "a.c")
    result = staged(select([tmp_path]))
    assert _contents(result) == ({}, {"a.c": b"a\nb\n"})
    assert result.changes.added == {"a.c": frozenset({1, 2})}


def test_two_revisions(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    base = repository.commit(a_c="a\n")
    repository.git("checkout", "-q", "-b", "side")
    repository.commit(b_c="b\n")
    repository.git("checkout", "-q", "main")
    repository.commit(a_c="a\nc\n")
    repository.write("a.c", "on disk\n")
    for revisions, changed in (
        ("main..side", {"a.c", "b.c"}),
        ("main...side", {"b.c"}),
        ("side...", {"a.c"}),
        (f"{base}..main", {"a.c"}),
        ("..side", {"a.c", "b.c"}),
    ):
        result = since(select([tmp_path]), revisions)
        assert result.changes.changed == changed, revisions
    assert _contents(since(select([tmp_path]), "main..side")) == (_at(repository, "main"), _at(repository, "side"))


def test_root_below_the_top(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    repository.commit(linux__Makefile="VERSION = 6\nPATCHLEVEL = 1\n", linux__include__linux__gfp_h="", other_c="o\n")
    repository.commit(linux__mm__x_c="a\n")
    repository.write("linux/mm/x.c", "a\nb\n")
    repository.write("linux/mm/y.c", "y\n")
    repository.write("other.c", "changed\n")
    selection = select([repository.top / "linux/mm"])
    result = since(selection, "HEAD")
    assert selection.root.path == repository.top / "linux"
    assert result.changes.added == {"mm/x.c": frozenset({2}), "mm/y.c": frozenset({1})}
    assert result.before.read("mm/x.c") == b"a\n"
    repository.git("add", "-A")
    assert staged(selection).changes.added == result.changes.added


def test_hostile_names(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    names = ("a b.c", 'quote".c', "back\\slash.c", "tab\t.c", "new\nline.c", "-dash.c", ":(top)x.c", "ü.c")
    for name in names[:4]:
        repository.write(name, "old\n")
    repository.commit()
    for name in names:
        repository.write(name, "new\n")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.c")).write_bytes(b"x\n")
    result = since(select([tmp_path]), "HEAD")
    assert result.changes.added == {name: frozenset({1}) for name in names}
    assert [(item.path, item.failed) for item in result.skipped] == [("\\xff.c", True)]
    repository.git("add", "-A")
    assert staged(select([tmp_path])).changes.added == result.changes.added
    assert staged(select([tmp_path])).skipped == result.skipped
    assert set(_contents(staged(select([tmp_path])))[0]) == set(names[:4])


def test_names_that_are_no_text_come_and_go(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.c"))
    repository = Repository(tmp_path)
    repository.write("a.c", "a\nb\nc\n")
    odd.write_bytes(b"x\ny\nz\n")
    repository.commit()
    odd.rename(tmp_path / "good.c")
    (tmp_path / "a.c").rename(odd)
    repository.git("add", "-A")
    result = staged(select([tmp_path]))
    assert result.changes.changed == {"a.c", "good.c"}
    assert _contents(result)[0] == {"a.c": b"a\nb\nc\n"}
    assert _contents(result)[1] == {"good.c": b"x\ny\nz\n"}
    assert [item.path for item in result.skipped] == ["\\xff.c"]


def test_what_a_merge_brings_along_is_old(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n", b_c="b\n")
    repository.git("checkout", "-q", "-b", "other")
    repository.commit(a_c="theirs\n", b_c="b\ntheirs\n", new_c="new\n")
    repository.git("checkout", "-q", "main")
    repository.commit(a_c="ours\n")
    with pytest.raises(Exception, match="merge"):
        repository.git("merge", "-q", "other")
    repository.write("a.c", "ours\ntheirs\n")
    repository.git("add", "-A")
    result = staged(select([tmp_path]))
    assert result.changes.added == {"a.c": {2}}
    assert result.before.read("new.c") == b"new\n"


def test_conflicts_are_compared_as_they_stand(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n", b_c="b\n")
    repository.git("checkout", "-q", "-b", "other")
    repository.commit(a_c="theirs\n")
    repository.git("checkout", "-q", "main")
    repository.commit(a_c="ours\n")
    with pytest.raises(Exception, match="merge"):
        repository.git("merge", "-q", "other")
    result = since(select([tmp_path]), "HEAD")
    assert result.before.read("a.c") == b"ours\n"
    assert b"<<<<<<<" in result.after.read("a.c")
    assert result.changes.added == {"a.c": {1, 3, 4, 5}}
    assert [(item.path, item.failed) for item in staged(select([tmp_path])).skipped] == [("a.c", True)]


def test_attributes_do_not_hide_changes(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n")
    repository.write(".gitattributes", "*.c binary -diff\n")
    repository.write("a.c", "a\nb\n")
    for key, value in (
        ("color.ui", "always"),
        ("diff.noprefix", "true"),
        ("diff.context", "9"),
        ("core.quotePath", "true"),
    ):
        repository.git("config", key, value)
    assert since(select([tmp_path]), "HEAD").changes.added == {"a.c": frozenset({2})}


def test_added_lines_agree_with_git(tmp_path: Path) -> None:
    """Random edits: the added lines of the new text and the unchanged lines of the old one make up the new one."""
    chance = random.Random(2)
    repository = Repository(tmp_path)
    text = [f"{n}\n" for n in range(100)]
    repository.commit(x_c="".join(text))
    for _ in range(10):
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(text))
            text[at : at + chance.randrange(4)] = [f"new {chance.randrange(10**6)}\n"] * chance.randrange(4)
        repository.write("x.c", "".join(text))
        added = since(select([tmp_path]), "HEAD").changes.added["x.c"]
        assert added == {number for number, line in enumerate(text, 1) if line.startswith("new")}


def test_needs_a_repository_and_a_revision(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("x\n")
    with pytest.raises(TreeError, match="no git repository"):
        since(select([tmp_path]), "HEAD")
    with pytest.raises(TreeError, match="no git repository"):
        staged(select([tmp_path]))
    Repository(tmp_path)
    for revision in ("HEAD", "", "--all", "..", "a..b", "..."):
        with pytest.raises(TreeError, match="not a git revision"):
            since(select([tmp_path]), revision)


def test_unrelated_revisions(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n")
    repository.git("checkout", "-q", "--orphan", "other")
    repository.git("commit", "-q", "-m", "other")
    with pytest.raises(TreeError, match="no common ancestor"):
        since(select([tmp_path]), "main...other")


def test_patch_from_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "x.patch"
    place.write_bytes(b"patch")
    assert read_patch(str(place)) == b"patch"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from stdin")))
    assert read_patch("-") == b"from stdin"
    os.mkfifo(tmp_path / "fifo")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for name in ("missing", "fifo", "loop", "", "a\0b"):
        with pytest.raises(PatchError):
            read_patch(str(tmp_path / name))


def test_lines_without_a_newline_at_the_end(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\nb", b_c="a\nb\n", c_c="a\nb", d_c="same")
    for name, content in (
        ("a.c", "a\nc"),
        ("b.c", "a\nb"),
        ("c.c", "a\nb\n"),
        ("d.c", "- same\n++ b/x.c\n@@ -1 +1 @@\n"),
    ):
        repository.write(name, content)
    added = since(select([tmp_path]), "HEAD").changes.added
    assert added == {"a.c": {2}, "b.c": {2}, "c.c": {2}, "d.c": {1, 2, 3}}


def test_patch_on_the_work_tree(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    repository.commit(linux__Makefile="VERSION = 6\nPATCHLEVEL = 1\n", linux__include__linux__gfp_h="", other_c="o\n")
    repository.commit(linux__mm__x_c="a\n", linux__mm__z_c="z\n")
    selection = select([repository.top / "linux/mm"])
    repository.write("linux/mm/x.c", "a\nb\n")
    repository.write("other.c", "changed\n")
    repository.git("mv", "linux/mm/z.c", "linux/mm/w.c")
    repository.git("add", "-A")
    from_the_top = repository.git("diff", "--cached", "-M")
    plain = repository.git("diff", "--cached", "-M", "--no-prefix")
    from_the_root = repository.git("diff", "--cached", "-M", "--relative=linux")
    repository.git("reset", "-q", "--hard")
    for diff in (from_the_top, plain, from_the_root):
        place = tmp_path / "x.patch"
        place.write_bytes(diff)
        result = patched(selection, str(place))
        assert result.changes.added == {"mm/w.c": frozenset(), "mm/x.c": {2}}
        assert result.changes.renamed == {"mm/z.c": "mm/w.c"}
        assert result.after.files() == ("include/linux/gfp.h", "mm/w.c", "mm/x.c")
    with pytest.raises(PatchError, match=r"missing\.patch: no such file"):
        patched(selection, str(tmp_path / "missing.patch"))
