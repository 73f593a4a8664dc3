"""Revisions and the index, in real and in hostile repositories."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
from pathlib import Path

import pytest

from gfplint.tree import MAX_BYTES, Git, GitIndex, GitRevision, MissingError, State, TreeError, UnreadableError
from tests.tree.repositories import Repository

NAMES = (
    "a b.c",
    'quote".c',
    "back\\slash.c",
    "tab\t.c",
    "new\nline.c",
    "-dash.c",
    ":(glob)*.c",
    "umlaut-ü.c",
    "$(touch x).c",
)


def test_revision_lists_and_reads(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    first = repository.commit(a_c="one\n", d__b_h="two\n")
    repository.commit(a_c="changed\n")
    repository.write("a.c", "on disk\n")
    state = GitRevision(Git(tmp_path), first)
    assert state.files() == ("a.c", "d/b.h")
    assert (state.read("a.c"), state.read("d/b.h")) == (b"one\n", b"two\n")
    assert GitRevision(Git(tmp_path), "HEAD").read("a.c") == b"changed\n"
    assert GitRevision(Git(tmp_path), "HEAD~1").identity("a.c") == state.identity("a.c")
    assert GitRevision(Git(tmp_path), "HEAD").identity("a.c") != state.identity("a.c")
    assert GitRevision(Git(tmp_path), "HEAD").identity("d/b.h") == state.identity("d/b.h")
    with pytest.raises(MissingError):
        state.read("missing.c")
    with pytest.raises(MissingError):
        state.identity("missing.c")


def test_index_is_what_is_staged(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="one\n", b_c="two\n")
    repository.write("a.c", "staged\n")
    repository.write("c.c", "staged too\n")
    repository.git("add", "a.c", "c.c")
    repository.git("rm", "-q", "--cached", "b.c")
    repository.write("a.c", "on disk\n")
    state = GitIndex(Git(tmp_path))
    assert state.files() == ("a.c", "c.c")
    assert [state.read(path) for path in state.files()] == [b"staged\n", b"staged too\n"]


def test_root_below_the_top_of_the_repository(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(linux__mm__x_c="x\n", other_c="y\n")
    git = Git(tmp_path / "linux")
    for state in (GitRevision(git, "HEAD"), GitIndex(git)):
        assert state.files() == ("mm/x.c",)
        assert state.read("mm/x.c") == b"x\n"


def test_hostile_names(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    for name in NAMES:
        repository.write(name, name)
    repository.commit()
    states: tuple[State, ...] = (GitRevision(Git(tmp_path), "HEAD"), GitIndex(Git(tmp_path)))
    for state in states:
        assert state.files() == tuple(sorted(NAMES))
        assert all(state.read(name) == name.encode() for name in NAMES)
    assert not (tmp_path / "x").exists()


def test_links_submodules_and_other_names_are_not_listed(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    inner = Repository(tmp_path / "r/sub.c")
    inner.commit(x_c="x\n")
    (repository.top / "link.c").symlink_to("a.c")
    Path(os.fsdecode(os.fsencode(repository.top) + b"/\xff.c")).write_bytes(b"")
    repository.commit(a_c="a\n", README="r\n")
    assert GitRevision(Git(repository.top), "HEAD").files() == ("a.c",)
    assert GitIndex(Git(repository.top)).files() == ("a.c",)


def test_binary_and_monstrous_blobs(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c=b"\0", b_c=b"\n" * (MAX_BYTES + 1), c_c="fine\n")
    state = GitRevision(Git(tmp_path), "HEAD")
    with pytest.raises(UnreadableError, match="binary"):
        state.read("a.c")
    with pytest.raises(UnreadableError, match="too large"):
        state.read("b.c")
    assert state.read("c.c") == b"fine\n"


def test_lost_object_costs_its_file_alone(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n", b_c="b\n")
    name = repository.git("rev-parse", "HEAD:a.c").decode().strip()
    (tmp_path / ".git/objects" / name[:2] / name[2:]).unlink()
    state = GitRevision(Git(tmp_path), "HEAD")
    with pytest.raises(UnreadableError, match="no object"):
        state.read("a.c")
    assert state.read("b.c") == b"b\n"


@pytest.mark.parametrize(
    "revision", ["", "nothing", "--output=x", "-h", "HEAD:a.c", "HEAD\0", "HEAD --all", ":/change\n"]
)
def test_bad_revisions(tmp_path: Path, revision: str) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n")
    with pytest.raises(TreeError, match="not a git revision"):
        GitRevision(Git(tmp_path), revision)


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="not a git repository"):
        Git(tmp_path)


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(TreeError, match="not installed"):
        Git(tmp_path)


def test_conflicts_are_left_out_and_named(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n", b_c="b\n")
    repository.git("checkout", "-q", "-b", "other")
    repository.commit(a_c="theirs\n")
    repository.git("checkout", "-q", "main")
    repository.commit(a_c="ours\n")
    with pytest.raises(Exception, match="merge"):
        repository.git("merge", "-q", "other")
    state = GitIndex(Git(tmp_path))
    assert state.files() == ("b.c",)
    assert [(item.path, item.failed) for item in state.skipped()] == [("a.c", True)]


def test_repository_configuration_runs_nothing(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    repository.commit(a_c="a\n")
    mark = tmp_path / "ran"
    command = f"touch {mark}"
    settings = {
        "core.fsmonitor": command,
        "core.pager": command,
        "core.sshCommand": command,
        "core.askPass": command,
        "diff.external": command,
        "diff.evil.command": command,
        "diff.evil.textconv": command,
        "filter.evil.clean": command,
        "filter.evil.smudge": command,
        "filter.evil.process": command,
        "filter.evil.required": "true",
    }
    for key, value in settings.items():
        repository.git("config", key, value)
    hook = repository.write(".git/hooks/post-index-change", f"#!/bin/sh\n{command}\n")
    hook.chmod(0o755)
    repository.write(".git/info/attributes", "* filter=evil diff=evil\n")
    # The same size and an old date: git has to read the file to see whether it changed.
    place = repository.write("a.c", "b\n")
    os.utime(place, (0, 0))
    git = Git(repository.top)
    assert GitRevision(git, "HEAD").read("a.c") == b"a\n"
    assert GitIndex(git).read("a.c") == b"a\n"
    assert b"+b" in git.run("diff-index", "--patch", "--text", "--no-ext-diff", "--no-textconv", "HEAD")
    assert git.run("diff-files", "--name-only") == b"a.c\n"
    assert not mark.exists()
    # The traps are real: git itself runs into them.
    with contextlib.suppress(subprocess.CalledProcessError):
        repository.git("diff")
    assert mark.exists()


def test_index_of_the_running_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``git commit FILE`` gives its hooks an index of their own; that of another repository is not ours."""
    repository = Repository(tmp_path / "r")
    repository.commit(a_c="a\n", b_c="b\n")
    other = repository.top / ".git/next-index-1.lock"
    other.write_bytes((repository.top / ".git/index").read_bytes())
    repository.write("a.c", "changed\n")
    repository.git("add", "a.c")
    monkeypatch.chdir(repository.top)
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/next-index-1.lock")
    assert GitIndex(Git(repository.top)).read("a.c") == b"a\n"
    stranger = Repository(tmp_path / "s")
    stranger.commit(z_c="z\n")
    monkeypatch.setenv("GIT_INDEX_FILE", os.fspath(stranger.top / ".git/index"))
    assert GitIndex(Git(repository.top)).read("a.c") == b"changed\n"


def test_redirections_in_the_environment_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path / "r")
    repository.commit(a_c="a\n")
    stranger = Repository(tmp_path / "s")
    stranger.commit(z_c="z\n")
    monkeypatch.setenv("GIT_DIR", os.fspath(stranger.top / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", os.fspath(stranger.top))
    assert GitRevision(Git(repository.top), "HEAD").files() == ("a.c",)


def test_settings_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own settings hold, unless they would run something."""
    repository = Repository(tmp_path / "r")
    repository.commit(a_c="a\n")
    mark = tmp_path / "ran"
    for number, (key, value) in enumerate((("core.abbrev", "9"), ("core.fsmonitor", f"touch {mark}"))):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    for count in ("2", "3", "many", "-1", ""):
        monkeypatch.setenv("GIT_CONFIG_COUNT", count)
        git = Git(repository.top)
        assert git.run("diff-files", "--name-only") == b""
        short = git.run("rev-parse", "--short", "HEAD").strip()
        assert len(short) == (9 if count in ("2", "3") else 7)
    assert not mark.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_repository_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n")
    for place in (tmp_path, tmp_path / ".git"):
        os.chown(place, 65534, 65534)
    with pytest.raises(TreeError, match=r"fatal: .*ownership.* \(git config .*safe\.directory"):
        Git(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    assert GitRevision(Git(tmp_path), "HEAD").read("a.c") == b"a\n"


def test_states_cross_processes_and_close(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n")
    state = GitRevision(Git(tmp_path), "HEAD")
    assert state.read("a.c") == b"a\n"
    copy = pickle.loads(pickle.dumps(state))
    state.close()
    assert copy.read("a.c") == b"a\n"
    assert state.read("a.c") == b"a\n"
    for one in (state, copy):
        one.close()


def test_reads_after_a_fork(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit(a_c="a\n", b_c="b\n")
    state = GitRevision(Git(tmp_path), "HEAD")
    assert state.read("a.c") == b"a\n"
    child = os.fork()
    if child == 0:
        os._exit(0 if state.read("b.c") == b"b\n" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert state.read("b.c") == b"b\n"
    state.close()
