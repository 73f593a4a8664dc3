"""The plain git hook of docs/hooks.md, word for word, in real repositories."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_TOP = Path(__file__).resolve().parent.parent
_CLEAN = """\
static DEFINE_SPINLOCK(lock);

int idle(void);

void *entry(size_t size)
{
	return kmalloc(size, GFP_KERNEL);
}
"""
_DEFECT = """
void *locked_entry(size_t size)
{
	void *entry;

	spin_lock(&lock);
	entry = kmalloc(size, GFP_KERNEL);
	spin_unlock(&lock);
	return entry;
}
"""


class Clone:
    """A repository whose commits run the hook, with the file ``a.c`` in it."""

    def __init__(self, top: Path, home: Path) -> None:
        self.top = top
        tools = home / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "gfplint").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gfplint "$@"\n')
        (tools / "gfplint").chmod(0o755)
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(home),
            "PYTHONPATH": str(_TOP),
            "XDG_CACHE_HOME": str(home / "cache"),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{who}_{what}": "tester@example.org"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }

    def git(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        """Run git; what it and the hook say."""
        command = ["git", "-c", "protocol.file.allow=always", *arguments]
        done = subprocess.run(
            command, cwd=self.top, env=self.environment, input=stdin, capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self) -> None:
        hook = self.top / self.git("rev-parse", "--git-path", "hooks/pre-commit").strip()
        found = re.search(r"^```sh\n(.*?)^```$", (_TOP / "docs/hooks.md").read_text("utf-8"), re.M | re.S)
        assert found
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(found[1])
        hook.chmod(0o755)

    def write(self, path: str, text: str) -> None:
        (self.top / path).write_text(text)

    def passes(self, *arguments: str) -> None:
        """A commit that the hook lets through, without a word of its own."""
        assert self.git("commit", "-q", "-m", "change", *arguments) == ""

    def stopped(self, *arguments: str) -> str:
        """A commit that the hook stops."""
        said = self.git("commit", "-q", "-m", "change", *arguments, fails=True)
        assert "GFP101" in said
        return said


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "clone", tmp_path)
    made.top.mkdir()
    made.git("init", "-q", "-b", "main")
    made.install()
    made.write("a.c", _CLEAN)
    made.git("add", "-A")
    made.passes()
    return made


def test_the_index_counts_not_the_work_tree(clone: Clone) -> None:
    clone.write("a.c", _CLEAN + _DEFECT)
    clone.git("add", "a.c")
    clone.write("a.c", _CLEAN)
    clone.stopped()
    clone.write("a.c", "/* first */\n" + _CLEAN + _DEFECT)
    clone.git("reset", "-q")
    clone.git("add", "-p", stdin="y\nn\n")
    clone.passes()
    clone.git("add", "-p", stdin="y\n")
    clone.stopped()


def test_old_findings_stay_silent_whatever_happens_to_their_file(clone: Clone) -> None:
    clone.write("a.c", _CLEAN + _DEFECT)
    clone.passes("-a", "--no-verify")
    clone.git("mv", "--", "a.c", "-new name.c")
    clone.write("-new name.c", "/* moved */\n" + _CLEAN + _DEFECT)
    clone.git("add", "-A")
    clone.passes()
    clone.passes("--amend")
    clone.git("rm", "-q", "--", "-new name.c")
    clone.passes()


def test_a_merge_is_not_asked_about_the_other_side(clone: Clone) -> None:
    clone.git("checkout", "-q", "-b", "other")
    clone.write("b.c", _CLEAN + _DEFECT)
    clone.write("a.c", _CLEAN + "int other;\n")
    clone.git("add", "-A")
    clone.passes("--no-verify")
    clone.git("checkout", "-q", "main")
    clone.write("a.c", _CLEAN + "int ours;\n")
    clone.passes("-a")
    clone.git("merge", "-q", "other", fails=True)
    clone.write("a.c", _CLEAN + "int ours;\nint other;\n" + _DEFECT)
    clone.git("add", "-A")
    said = clone.stopped()
    assert "a.c:" in said
    assert "b.c:" not in said
    clone.write("a.c", _CLEAN + "int ours;\nint other;\n")
    clone.git("add", "-A")
    clone.passes()


def test_linked_work_trees_and_submodules(clone: Clone, tmp_path: Path) -> None:
    clone.git("worktree", "add", "-q", "-b", "linked", str(tmp_path / "linked"))
    linked = Clone(tmp_path / "linked", tmp_path)
    linked.write("a.c", _CLEAN + _DEFECT)
    linked.stopped("-a")
    linked.stopped("a.c")
    linked.write("a.c", _CLEAN + "int more;\n")
    linked.passes("-a")
    (tmp_path / "super").mkdir()
    above = Clone(tmp_path / "super", tmp_path)
    above.git("init", "-q")
    above.install()
    above.git("submodule", "--quiet", "add", str(clone.top), "driver")
    above.passes()
    inner = Clone(tmp_path / "super/driver", tmp_path)
    inner.install()
    inner.write("a.c", _CLEAN + _DEFECT)
    inner.stopped("-a")


def test_odd_names(clone: Clone) -> None:
    for name in ("$(touch owned).c", "new\nline.c", "--output=x.c"):
        clone.write(name, _CLEAN + _DEFECT)
    clone.git("add", "-A")
    said = clone.stopped()
    assert "3 findings" in said
    assert "new\\nline.c:" in said
    assert not (clone.top / "owned").exists()
    clone.git("rm", "-q", "-f", "--cached", "-r", ".")
    (clone.top / os.fsdecode(b"\xff.c")).write_text(_CLEAN)
    clone.git("add", os.fsdecode(b"\xff.c"))
    assert "gfplint: \\xff.c: file name is not UTF-8" in clone.git("commit", "-m", "x", fails=True)
