"""The hook of ``.pre-commit-hooks.yaml``, run by the real pre-commit in a real git repository.

pre-commit installs gfplint from a clone of this repository into an environment of its own, as it does for its users.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.corpus

_TOP = Path(__file__).resolve().parents[2]
_CLEAN = """\
#include <linux/slab.h>

static DEFINE_SPINLOCK(lock);

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


class Project:
    """A repository whose commits run what its ``.pre-commit-config.yaml`` lists."""

    def __init__(self, top: Path, home: Path) -> None:
        self.top, self.home = top, home
        top.mkdir(exist_ok=True)
        self.git("init", "-q")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PRE_COMMIT_HOME": str(self.home / "pre-commit"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
        }
        return subprocess.run(
            command, cwd=self.top, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    def git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
        return self.run("git", *identity, "-c", "protocol.file.allow=always", *arguments)

    def commit(self, *arguments: str) -> tuple[int, str]:
        """The status of a commit, and what was said."""
        done = self.git("commit", "-m", "a change", *arguments)
        return done.returncode, done.stdout + done.stderr

    def use(self, source: Path, revision: str, *hooks: str) -> None:
        listed = "".join(f"  - {hook}\n" for hook in hooks)
        (self.top / ".pre-commit-config.yaml").write_text(
            f"repos:\n- repo: {source}\n  rev: {revision}\n  hooks:\n{listed}"
        )
        installed = self.run(sys.executable, "-m", "pre_commit", "install")
        assert installed.returncode == 0, installed.stdout + installed.stderr


@pytest.fixture(scope="module")
def hook_source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository that holds the project as it stands here, and its revision."""
    source = tmp_path_factory.mktemp("hook") / "gfplint"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_TOP, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        # A link (gfplint/rules) is committed as the link that it is.
        if name and (os.path.lexists(_TOP / name)):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_TOP / name, source / name, follow_symlinks=False)
    made = Project(source, source.parent)
    made.git("add", "-A")
    assert made.commit("-q")[0] == 0
    return source, made.git("rev-parse", "HEAD").stdout.strip()


@pytest.fixture
def project(hook_source: tuple[Path, str], tmp_path: Path) -> Project:
    """A driver's repository; all projects share the environment that pre-commit makes of the hook."""
    return Project(tmp_path / "driver", hook_source[0].parent)


def test_a_commit_with_a_defect_is_stopped_and_one_without_passes(
    hook_source: tuple[Path, str], project: Project
) -> None:
    project.use(*hook_source, "id: gfplint")
    (project.top / "entry.c").write_text(_CLEAN)
    project.git("add", "-A")
    status, said = project.commit()
    assert status == 0, said

    (project.top / "entry.c").write_text(_CLEAN + _DEFECT)
    status, said = project.commit("-a")
    assert status == 1
    assert "GFP101" in said

    # What is staged counts: pre-commit puts the rest of the work tree aside.
    (project.top / "entry.c").write_text(_CLEAN + "\nint idle;\n")
    project.git("add", "-A")
    (project.top / "entry.c").write_text(_CLEAN + "\nint idle;\n" + _DEFECT)
    status, said = project.commit()
    assert status == 0, said


def test_hooks_with_arguments_beside_each_other(hook_source: tuple[Path, str], project: Project) -> None:
    project.use(
        *hook_source,
        "{id: gfplint, name: contexts, args: [--select=GFP1, --min-confidence=high]}",
        "{id: gfplint, name: frees, args: [--select, 'GFP4,GFP5']}",
    )
    for name in ("with blank.c", "-dash.c", "new\nline.c"):
        (project.top / name).write_text(_CLEAN + _DEFECT)
    project.git("add", "-A")
    status, said = project.commit()
    assert status == 1
    assert said.count("[GFP101") == 3
    assert [line for line in said.splitlines() if line.startswith(("contexts", "frees"))] == [
        f"contexts{'.' * 65}Failed",
        f"frees{'.' * 68}Passed",
    ]

    # A commit without C code has nothing to wait for.
    project.git("rm", "-q", "--cached", "-f", "-r", ".")
    project.git("add", ".pre-commit-config.yaml")
    status, said = project.commit()
    assert status == 0, said
    assert said.count("(no files to check)Skipped") == 2
