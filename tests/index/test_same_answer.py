"""A scan answers the same bytes from nothing, from an index, and from whatever became of the index."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gfplint.index.store import Store
from tests.index.trees import edit, found, make, rules
from tests.tree.repositories import write


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(tmp_path / "linux")


def test_the_tree_has_findings_through_its_files(tree: Path) -> None:
    assert set(rules(found(tree, None))) >= {
        ("GFP101", "drivers/one/use.c"),
        ("GFP101", "drivers/two/use.c"),
        ("GFP101", "drivers/two/locked.c"),
        ("GFP401", "drivers/two/use.c"),
    }


def test_cold_and_warm_are_the_same(tree: Path, tmp_path: Path) -> None:
    cold = found(tree, None)
    assert found(tree, tmp_path / "cache") == cold
    assert found(tree, tmp_path / "cache") == cold


def test_any_number_of_jobs(tree: Path, tmp_path: Path) -> None:
    assert {found(tree, None, jobs=jobs) for jobs in (1, 2, 5)} == {found(tree, tmp_path / "cache", jobs=3)}


@pytest.mark.parametrize("seed", range(2))
def test_edits(tree: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cache = tmp_path / "cache"
    found(tree, cache)
    done = []
    for _ in range(7):
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            done.append(edit(tree, chance))
        assert found(tree, cache) == found(tree, None), done
        if chance.random() < 0.3:
            done.append("again")
            assert found(tree, cache) == found(tree, None), done


def test_a_change_that_leaves_size_and_times_alone(tree: Path, tmp_path: Path) -> None:
    file = tree / "drivers/core/new.c"
    before = file.stat()
    found(tree, tmp_path / "cache")
    file.write_text(file.read_text().replace("ring_zalloc(n)", "ring_zalloc(9)"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    write(tree, "include/linux/ring.h", (tree / "include/linux/ring.h").read_text().replace("GFP_KERNEL", "GFP_ATOMIC"))
    assert found(tree, tmp_path / "cache") == found(tree, None)


def test_another_selection_of_rules_is_another_answer(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for select in (("GFP1",), ("GFP4",), ("GFP101",), ("GFP",)):
        assert found(tree, cache, select=select) == found(tree, None, select=select)


def test_own_tables_are_part_of_the_question(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    found(tree, cache)
    write(tree, ".gfplint.toml", '[[allocators]]\nname = "vmalloc"\nfamily = "kmalloc"\n')
    try:
        cold = found(tree, None)
    except Exception as error:  # the tables' own tests say what is right; here both must agree
        with pytest.raises(type(error)):
            found(tree, cache)
        return
    assert found(tree, cache) == cold


def test_an_unreadable_file_is_named_every_time(tree: Path, tmp_path: Path) -> None:
    write(tree, "drivers/bad.c", b"int x;\0")
    for _ in range(2):
        assert "drivers/bad.c" in found(tree, tmp_path / "cache")


def test_a_damaged_store(tree: Path, tmp_path: Path) -> None:
    cold, cache, chance = found(tree, None), tmp_path / "cache", random.Random(5)
    for _ in range(8):
        found(tree, cache)
        path = Store(cache).path
        data = bytearray(path.read_bytes())
        if chance.random() < 0.3:
            data = data[: chance.randrange(len(data))]
        else:
            for _ in range(chance.choice((1, 20))):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        assert found(tree, cache) == cold
        assert found(tree, cache) == cold


def _start(tree: Path, cache: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "gfplint", "scan", "--exit-zero", "--cache-dir", str(cache), "--format", "json", "."],
        cwd=tree,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def test_two_at_once(tree: Path, tmp_path: Path) -> None:
    runs = [_start(tree, tmp_path / "cache") for _ in range(2)]
    assert len({run.communicate()[0] for run in runs}) == 1
    assert [run.returncode for run in runs] == [0, 0]


def test_killed_at_random_moments(tree: Path, tmp_path: Path) -> None:
    chance = random.Random(1)
    cold = found(tree, None)
    for _ in range(6):
        run = _start(tree, tmp_path / "cache")
        time.sleep(0.2 + chance.random() * 0.8)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        if chance.random() < 0.3:
            assert found(tree, tmp_path / "cache") == cold
        edit(tree, chance)
        cold = found(tree, None)
    assert found(tree, tmp_path / "cache") == cold
