"""The whole program on the example driver and in real git repositories, as its users meet it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_TOP = Path(__file__).resolve().parent.parent
_EXAMPLE = _TOP / "fixtures/example/ring.c"
_DEFECT = """
int ring_more(struct ring *ring)
{
	void *p;

	spin_lock(&ring->lock);
	p = kmalloc(10, GFP_KERNEL);
	spin_unlock(&ring->lock);
	kfree(p);
	return 0;
}
"""


def _gfplint(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / ".cache"), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "gfplint", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False, **options
    )


def _findings(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode in (0, 1), done.stderr
    found: list[Any] = json.loads(done.stdout)["findings"]
    assert done.returncode == (1 if found else 0)
    return found


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with the example driver, committed."""
    _git(tmp_path, "init", "-q")
    (tmp_path / "ring.c").write_text(_EXAMPLE.read_text())
    _git(tmp_path, "add", "ring.c")
    _git(tmp_path, "commit", "-q", "-m", "a driver")
    return tmp_path


def _add_defect(repository: Path) -> int:
    """Add a defect in the work tree; the line that it is reported on."""
    text = _EXAMPLE.read_text() + _DEFECT
    (repository / "ring.c").write_text(text)
    return text.split("\n").index("\tp = kmalloc(10, GFP_KERNEL);") + 1


def test_every_mistake_of_the_example_is_found_and_nothing_else() -> None:
    lines = _EXAMPLE.read_text().split("\n")
    # A mistake stands on the line below the comment that names it.
    mistakes = {number + 2 for number, line in enumerate(lines) if re.search(r"/\* Mistake: .*\*/", line)}
    found = _findings(_gfplint(_TOP, "scan", "--format", "json", "--no-cache", "fixtures/example"))
    assert {finding["line"] for finding in found} == mistakes
    assert all(finding["trace"] for finding in found)


def test_a_finding_in_the_text_has_its_code_and_steps() -> None:
    done = _gfplint(_TOP, "scan", "--no-cache", "fixtures/example")
    assert done.returncode == 1
    assert "request = ring_new_request(length, GFP_KERNEL);" in done.stdout
    assert re.search(r"^  1\. fixtures/example/ring\.c:\d+: spin lock", done.stdout, re.MULTILINE)


def test_diff_shows_only_what_is_new(repository: Path) -> None:
    assert _findings(_gfplint(repository, "scan", "--diff", "HEAD", "--format", "json")) == []
    line = _add_defect(repository)
    found = _findings(_gfplint(repository, "scan", "--diff", "HEAD", "--format", "json"))
    assert [(finding["rule"], finding["line"]) for finding in found] == [("GFP101", line)]


def test_staged_is_what_is_staged(repository: Path) -> None:
    line = _add_defect(repository)
    assert _findings(_gfplint(repository, "scan", "--staged", "--format", "json")) == []
    _git(repository, "add", "ring.c")
    (repository / "ring.c").write_text("")  # the work tree is not what will be committed
    found = _findings(_gfplint(repository, "scan", "--staged", "--format", "json"))
    assert [(finding["rule"], finding["line"]) for finding in found] == [("GFP101", line)]


@pytest.mark.parametrize("by_name", [True, False])
def test_a_patch_shows_what_it_adds_with_the_code_that_it_adds(repository: Path, by_name: bool) -> None:
    _add_defect(repository)
    patch = _git(repository, "diff")
    _git(repository, "checkout", "-q", "ring.c")
    (repository / "new.patch").write_text(patch)
    done = _gfplint(repository, "scan", "--patch", "new.patch" if by_name else "-", input=None if by_name else patch)
    assert done.returncode == 1, done.stderr
    assert "p = kmalloc(10, GFP_KERNEL);" in done.stdout
    assert done.stdout.endswith("1 finding in 1 file: 1 error\n")


def test_a_baseline_silences_what_it_lists_though_lines_move(repository: Path) -> None:
    assert _gfplint(repository, "baseline").returncode == 0
    (repository / "ring.c").write_text("\n\n" + _EXAMPLE.read_text() + _DEFECT)
    found = _findings(_gfplint(repository, "scan", "--baseline", ".gfplint-baseline.json", "--format", "json"))
    assert [finding["function"] for finding in found] == ["ring_more"]


def test_the_git_hook_of_the_documentation_stops_a_commit(repository: Path) -> None:
    blocks = re.findall(r"^```sh\n(#!/bin/sh\n.*?)^```$", (_TOP / "docs/hooks.md").read_text(), re.M | re.S)
    assert len(blocks) == 1
    hook = repository / ".git/hooks/pre-commit"
    hook.write_text(blocks[0].replace("exec gfplint", f"exec {sys.executable} -m gfplint"))
    hook.chmod(0o755)
    _add_defect(repository)
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        _git(repository, "commit", "-q", "-a", "-m", "a defect")
    assert "GFP101" in stopped.value.stdout + stopped.value.stderr
    (repository / "ring.c").write_text(_EXAMPLE.read_text() + "\nint ring_idle;\n")
    _git(repository, "commit", "-q", "-a", "-m", "no defect")


def test_kbuild_prints_findings_and_lets_the_build_go_on(repository: Path) -> None:
    done = _gfplint(repository, "kbuild", "-nostdinc", "-Iinclude", "-D__KERNEL__", "-include", "a.h", "ring.c")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(r"^ring\.c:\d+:\d+: error: .*\[GFP101\]$", done.stderr, re.MULTILINE)


def test_facts_that_only_the_source_confirms_are_listed_by_version() -> None:
    listed = json.loads(_gfplint(_TOP, "rules", "--facts", "--kernel-version", "6.1", "--format", "json").stdout)
    assert listed["kernel_version"] == "6.1"
    assert {fact["table"] for fact in listed["unconfirmed"]} <= {
        *("allocators", "frees", "contexts", "context_ops", "guards", "scopes", "sleepers"),
        *("callbacks", "registrars", "queries"),
    }
    confirmed = {(fact["table"], fact["name"]): fact for fact in listed["confirmed"]}
    assert confirmed["registrars", "timer_setup.1"]["oracle"] == "core-A#64"
    assert all(fact["source"] for fact in [*listed["unconfirmed"], *listed["confirmed"]])
    text = _gfplint(_TOP, "rules", "--facts", "--kernel-version", "6.1").stdout.splitlines()
    assert len(text) == len(listed["unconfirmed"]) + 1
    assert text[-1].startswith(f"{len(listed['unconfirmed'])} of ")


def test_hostile_files_cost_themselves_alone(tmp_path: Path) -> None:
    (tmp_path / "ring.c").write_text(_EXAMPLE.read_text())
    (tmp_path / "nul.c").write_bytes(b"int a;\0")
    (tmp_path / "deep.c").write_text("void f(void) { x = " + "(" * 100_000 + "1" + ")" * 100_000 + "; }\n")
    (tmp_path / "esc\x1b[2J.c").write_bytes(b"\0")
    os.mkfifo(tmp_path / "fifo.c")
    done = _gfplint(tmp_path, "scan", ".", "--format", "gcc")
    assert done.returncode == 2
    assert "ring.c:" in done.stdout
    assert "nul.c" in done.stderr
    assert "fifo.c" in done.stderr
    assert "esc\\x1b[2J.c" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
