"""The benchmark works, and what it compares agrees; what it measures is for people to judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.measure import measured
from tests.index.trees import make


def test_a_command_is_measured(tmp_path: Path) -> None:
    usage = measured(("sh", "-c", "echo done; sleep 0.2; exit 3"), tmp_path)
    assert (usage.status, usage.output) == (3, b"done\n")
    assert usage.wall >= 0.2
    assert usage.memory > 0


@pytest.mark.benchmark
def test_a_small_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(make(tmp_path / "linux")), "--shares", "2,1", "--turns", "2", "--no-coccinelle", "--check"]) == 0
    shown = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{shown}")
    for said in ("raw parse", "cold", "nothing changed", "one file changed", "in the cache", "a byte of 1/1"):
        assert said in shown
    assert "status" not in shown
