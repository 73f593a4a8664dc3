"""``make C=2 CHECK="gfplint kbuild"`` with a real tree's kbuild, prepared with its default configuration.

Needs what a kernel's build needs: make, a C compiler, flex, bison, bc and libelf's headers.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.corpus

#: A driver with one mistake, for the check; its own, so that the answer is known.
_DRIVER = """
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(lock);

void *probe_entry(size_t size);

void *probe_entry(size_t size)
{
	void *entry;

	spin_lock(&lock);
	entry = kmalloc(size, GFP_KERNEL);
	spin_unlock(&lock);
	return entry;
}
"""


def _make(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # kbuild would take a MAKEFLAGS of ours for its own.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "-j2", *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="module")
def tree() -> Path:
    named = os.environ.get("GFPLINT_CORPUS")
    if not named:
        pytest.fail("GFPLINT_CORPUS names no kernel tree; scripts/get-corpus fetches one")
    return Path(named).resolve()


@pytest.fixture(scope="module")
def prepared(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder of the tree."""
    build = tmp_path_factory.mktemp("build")
    done = _make(tree, f"O={build}", "defconfig", "prepare", "scripts")
    assert done.returncode == 0, done.stdout + done.stderr
    return build


def _check() -> str:
    return f"CHECK={shlex.quote(sys.executable)} -m gfplint kbuild"


def test_a_file_of_the_tree_is_checked_and_built(tree: Path, prepared: Path) -> None:
    done = _make(tree, f"O={prepared}", "C=2", _check(), "lib/string.o")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CHECK" in done.stdout
    assert (prepared / "lib/string.o").is_file()
    assert "gfplint:" not in done.stderr


def test_findings_in_an_external_module_are_shown_and_break_no_build(
    tree: Path, prepared: Path, tmp_path: Path
) -> None:
    (tmp_path / "probe.c").write_text(_DRIVER)
    (tmp_path / "Makefile").write_text("obj-m := probe.o\n")
    done = _make(tree, f"O={prepared}", f"M={tmp_path}", "C=2", _check(), "probe.o")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "probe.o").is_file()
    line = _DRIVER.split("\n").index("\tentry = kmalloc(size, GFP_KERNEL);") + 1
    assert re.search(rf"probe\.c:{line}:\d+: error: .*\[GFP101\]", done.stderr), done.stderr


def test_a_checker_that_fails_breaks_no_build(tree: Path, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "probe.c").write_text(_DRIVER)
    (tmp_path / "Makefile").write_text("obj-m := probe.o\n")
    (tmp_path / ".gfplint.toml").write_text("no such key = 1\n")
    done = _make(tree, f"O={prepared}", f"M={tmp_path}", "C=2", _check(), "probe.o")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gfplint: " in done.stderr
    assert "Traceback" not in done.stderr
