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
_CLEAN = "#include <linux/slab.h>\n\nvoid *entry(size_t size)\n{\n\treturn kmalloc(size, GFP_KERNEL);\n}\n"
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


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
    environment = {**os.environ, "PRE_COMMIT_HOME": str(folder.parent / "pre-commit-home")}
    command = ["git", *identity, "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


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
    _git(source, "init", "-q")
    _git(source, "add", "-A")
    assert _git(source, "commit", "-q", "-m", "gfplint").returncode == 0
    return source, _git(source, "rev-parse", "HEAD").stdout.strip()


def test_a_commit_with_a_defect_is_stopped_and_one_without_passes(
    hook_source: tuple[Path, str], tmp_path: Path
) -> None:
    source, revision = hook_source
    repository = tmp_path / "driver"
    repository.mkdir()
    _git(repository, "init", "-q")
    (repository / "entry.c").write_text(_CLEAN)
    (repository / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {source}\n  rev: {revision}\n  hooks:\n  - id: gfplint\n"
    )
    installed = subprocess.run(
        [sys.executable, "-m", "pre_commit", "install"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert installed.returncode == 0, installed.stdout + installed.stderr
    _git(repository, "add", "-A")
    first = _git(repository, "commit", "-m", "a driver")
    assert first.returncode == 0, first.stdout + first.stderr

    (repository / "entry.c").write_text(_CLEAN + _DEFECT)
    stopped = _git(repository, "commit", "-a", "-m", "a defect")
    assert stopped.returncode == 1
    assert "GFP101" in stopped.stdout + stopped.stderr

    (repository / "entry.c").write_text(_CLEAN + "\nint idle;\n")
    passed = _git(repository, "commit", "-a", "-m", "no defect")
    assert passed.returncode == 0, passed.stdout + passed.stderr
