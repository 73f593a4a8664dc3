"""The skeletons of a state's files: what is found out of their contents, and only where somebody asks."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
from itertools import chain, cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gfplint import engine, passes, skeletons
from gfplint.analysis.program import Growing, Program, Relevance
from gfplint.config import Options, Settings, load_settings
from gfplint.errors import GfplintError
from gfplint.index import contents
from gfplint.index.contents import content_key
from gfplint.index.store import Store
from gfplint.skeletons import Gathered, Gatherer
from gfplint.target import kernel_of
from gfplint.tree import WorkTree, select
from tests.tree.repositories import kernel_tree, write


def _gathered(top: Path, **options: Any) -> tuple[Gatherer, Gathered]:
    state = WorkTree(top)
    gatherer = Gatherer(state, None, "", 1, None, **options)
    return gatherer, gatherer.gather(state.files())


def test_contents_have_keys_where_they_are_asked_for(tmp_path: Path) -> None:
    texts = {"a.c": b"int f(void)\n{\n\treturn 0;\n}\n", "b.c": b"int g(void)\n{\n\treturn 1;\n}\n"}
    for name, text in texts.items():
        write(tmp_path, name, text.decode())
    _, keyed = _gathered(tmp_path)
    assert keyed.keys == {name: content_key(text) for name, text in texts.items()}
    _, shared = _gathered(tmp_path, loaded={}, keyed=False)
    assert shared.keys == keyed.keys
    gatherer, plain = _gathered(tmp_path, keyed=False)
    assert plain.paths == keyed.paths and len(set(plain.keys.values())) == 1
    assert [f.functions[0].name for f in gatherer.facts(plain, plain.paths)] == ["f", "g"]


def test_garbage_is_not_looked_for_in_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_tree(tmp_path)
    write(tmp_path, "drivers/x.c", "int f(void)\n{\n\tkfree(vmalloc(8));\n\treturn 0;\n}\n")
    enabled = []
    real = passes.judged

    def judged(*arguments: Any) -> Any:
        enabled.append(gc.isenabled())
        return real(*arguments)

    monkeypatch.setattr(passes, "judged", judged)
    engine.scan(load_settings(Options(paths=(str(tmp_path),), no_cache=True), tmp_path))
    assert enabled == [False] and gc.isenabled()


def test_what_can_be_done_meanwhile_is_done_once_where_files_are_read(tmp_path: Path) -> None:
    for number in range(70):
        write(tmp_path, f"{number}.c", f"int f{number}(void)\n{{\n\treturn 0;\n}}\n")
    done: list[int] = []
    state = WorkTree(tmp_path)
    gatherer = Gatherer(state, None, "", 2, None)
    found = gatherer.gather(state.files(), meanwhile=lambda: done.append(1))
    assert done == [1] and len(found.paths) == 70
    gatherer.gather([], meanwhile=lambda: done.append(2))
    assert done == [1]


def test_what_fails_meanwhile_ends_the_workers(tmp_path: Path) -> None:
    for number in range(70):
        write(tmp_path, f"{number}.c", "int x;\n")

    def meanwhile() -> None:
        raise GfplintError("a table")

    state = WorkTree(tmp_path)
    with pytest.raises(GfplintError, match="a table"):
        Gatherer(state, None, "", 2, None).gather(state.files(), meanwhile=meanwhile)
    assert not multiprocessing.active_children()


def test_skeletons_are_handed_on_in_the_order_of_the_files(tmp_path: Path) -> None:
    for number in range(100):
        write(tmp_path, f"{number}.c", f"int f{number}(void)\n{{\n\tg{number % 7}();\n\tg();\n}}\n")
    (tmp_path / "7.c").write_bytes(b"\0")  # no source
    (tmp_path / "70.c").write_text("int f(void)\n{\n}\n" * 3_000)  # it comes after those behind it
    state = WorkTree(tmp_path)
    gatherer = Gatherer(state, None, "", 2, None)
    growing = Growing(lambda path: path != "9.c")
    found = gatherer.gather(state.files(), each=growing.add)
    assert growing.paths == found.paths and len(found.paths) == 99 and "7.c" not in found.paths
    facts = gatherer.facts(found, found.paths)
    at_once, grown = Program(found.paths, facts), Program(found.paths, facts, growing.names)
    assert grown.functions == at_once.functions and list(grown.functions) == list(at_once.functions)
    assert grown.ids == at_once.ids and len(grown.functions["f"]) == 3_000
    files = frozenset(at for at, path in enumerate(found.paths) if path != "9.c")
    relevance = Relevance(at_once, kernel_of(state, select([tmp_path]), Settings()), 1, files)
    calling = relevance.calling_in(())
    assert growing.calling.callers == calling.callers and growing.calling.telling == calling.telling


class _Written(WorkTree):
    """Its files are written to just before, or just after, they are read."""

    def __init__(self, top: Path, *, before: bool) -> None:
        super().__init__(top)
        self._before = before

    def read(self, path: str) -> bytes:
        data = super().read(path)
        (self.top / path).write_bytes(data.replace(b"0", b"1"))
        return super().read(path) if self._before else data


@pytest.mark.parametrize("before", [True, False])
def test_what_is_written_while_a_first_run_reads_it_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    monkeypatch.setattr(contents, "_RACY_NS", -(10**12))
    for name, value in (("a.c", 0), ("b.c", 2)):
        write(tmp_path, name, f"int f(void)\n{{\n\treturn {value};\n}}\n")
    with contextlib.closing(Store(tmp_path / "cache")) as store:
        first = Gatherer(_Written(tmp_path, before=before), store, "tree", 1, None)
        assert first.unknown(["a.c", "b.c"]) == 2
        first.gather(["a.c", "b.c"], whole=True)
        store.flush()
        assert sorted(first.state.identities()) == ["a.c", "b.c"]
        second = Gatherer(WorkTree(tmp_path), store, "tree", 1, None)
        assert second.unknown(["a.c", "b.c"]) == 2
        found = second.gather(["a.c", "b.c"], whole=True)
        assert found.keys == {name: content_key((tmp_path / name).read_bytes()) for name in ("a.c", "b.c")}
        store.flush()
        assert Gatherer(WorkTree(tmp_path), store, "tree", 1, None).unknown(["a.c", "b.c"]) == 0


def test_a_first_run_looks_at_no_status_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who reads a file asks for its status; a run that finds an index asks for all at once."""
    monkeypatch.setattr(contents, "_RACY_NS", -(10**12))
    write(tmp_path, "a.c", "int f(void)\n{\n\treturn 0;\n}\n")
    asked: list[bool] = []
    real = WorkTree.identities

    def identities(state: WorkTree) -> object:
        asked.append(True)
        return real(state)

    monkeypatch.setattr(WorkTree, "identities", identities)
    for times in (0, 1):
        with contextlib.closing(Store(tmp_path / "cache")) as store:
            gatherer = Gatherer(WorkTree(tmp_path), store, "tree", 1, None)
            assert gatherer.gather(["a.c"], whole=True).paths == ["a.c"]
            assert len(asked) == times
            assert gatherer.reused == 0


def test_skeletons_are_handed_on_where_all_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_RACY_NS", -(10**12))  # the status of what was only just written tells its content
    for number in range(3):
        write(tmp_path, f"{number}.c", f"int f{number}(void)\n{{\n\treturn 0;\n}}\n")
    cache = tmp_path / "cache"

    def handed_on() -> list[str]:
        with contextlib.closing(Store(cache)) as store:
            state, growing = WorkTree(tmp_path), Growing(lambda _: True)
            found = Gatherer(state, store, "tree", 1, None).gather(list(state.files()), whole=True, each=growing.add)
            assert found.paths == ["0.c", "1.c", "2.c"]
            return growing.paths

    assert handed_on() == ["0.c", "1.c", "2.c"]
    assert handed_on() == []  # their status tells their contents
    (tmp_path / "1.c").write_text("int g;\n")
    assert handed_on() == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_scan_without_an_index_finds_what_one_with_an_index_does(tmp_path: Path, jobs: int) -> None:
    kernel_tree(tmp_path)
    for number in range(90):
        text = f"void f{number}(struct s *s)\n{{\n\tspin_lock(&s->lock);\n\tf{number + 1}(s);\n"
        write(tmp_path, f"drivers/{number}.c", text + "\tkfree(vmalloc(8));\n\tspin_unlock(&s->lock);\n}\n")
    write(tmp_path, "drivers/9.c", "\0")
    cold = engine.scan(load_settings(Options(paths=(str(tmp_path),), jobs=jobs, no_cache=True), tmp_path))
    cache = str(tmp_path / "cache")
    kept = engine.scan(load_settings(Options(paths=(str(tmp_path),), jobs=jobs, cache_dir=cache), tmp_path))
    assert len(cold.findings) >= 89
    assert (cold.findings, cold.degraded, cold.skipped) == (kept.findings, kept.degraded, kept.skipped)
    assert {name: cold.statistics[name] for name in ("functions", "operations", "analysed")}.items() <= (
        kept.statistics.items()
    )


@pytest.mark.parametrize("name", ["a.c", "gone.c", "pipe.c", "link.c", "folder.c", "../a.c"])
def test_expecting_a_file_never_fails_or_waits(tmp_path: Path, name: str) -> None:
    write(tmp_path, "a.c", "int x;\n")
    os.mkfifo(tmp_path / "pipe.c")
    (tmp_path / "link.c").symlink_to("a.c")
    (tmp_path / "folder.c").mkdir()
    WorkTree(tmp_path).expect(name)


@pytest.mark.parametrize(("took", "first"), [((0.0,), None), ((1.0,), 18), ((1.0, 0.0), None)])
def test_only_a_slow_disk_is_told_what_is_read_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took: tuple[float, ...], first: int | None
) -> None:
    names = [f"{number}.c" for number in range(200)]
    for name in names:
        write(tmp_path, name, "int x;\n")
    told: list[str] = []
    monkeypatch.setattr(WorkTree, "expect", lambda _, path: told.append(path))
    # Asked before and after each read.
    clock = chain.from_iterable((0.0, seconds) for seconds in cycle(took))
    monkeypatch.setattr(skeletons, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    reader = skeletons._Reader(WorkTree(tmp_path), names)
    assert [reader.read(at) for at in range(200)] == [b"int x;\n"] * 200
    assert told == (names[first:] if first is not None else [])
