"""Worker processes: what an item does to its process costs that item alone."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from gfplint import workers
from gfplint.workers import Estate, Failure, Work, run


def _text(item: int) -> bytes:
    return f"item {item}".encode()


def _collect(
    count: int, work: Work, jobs: int = 2, batch: int = 1, seconds: float = 60.0
) -> dict[int, bytes | Failure]:
    found: dict[int, bytes | Failure] = {}
    for item, result in run(count, work, jobs, batch, seconds):
        assert item not in found
        found[item] = result
    return found


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_every_item_is_answered_once(jobs: int, batch: int) -> None:
    assert _collect(50, _text, jobs, batch) == {item: _text(item) for item in range(50)}


def test_many_items() -> None:
    assert len(_collect(20_000, _text, 2, 64)) == 20_000


def test_no_items() -> None:
    assert _collect(0, _text) == {}


def test_big_results_in_both_directions_at_once() -> None:
    found = _collect(6, lambda item: bytes([item]) * 8_000_000, 3, 2)
    assert {item: len(result) for item, result in found.items()} == dict.fromkeys(range(6), 8_000_000)


@pytest.mark.parametrize("times", [3, 10_000])
def test_a_worker_that_is_killed_before_it_is_given_anything(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    given = workers._Worker.give
    killed: list[tuple[int, ...]] = []

    def give(worker: workers._Worker, batch: tuple[int, ...]) -> None:
        if len(killed) < times:
            worker.process.kill()
            worker.process.join()
            killed.append(batch)
        given(worker, batch)

    monkeypatch.setattr(workers._Worker, "give", give)
    found = _collect(30, _text)
    if times < 30:  # the system was short of memory for a while; no item is to blame
        assert found == {item: _text(item) for item in range(30)}
    else:
        assert all(isinstance(found[item], Failure) for item in range(30))


def test_an_exception_names_itself() -> None:
    def work(item: int) -> bytes:
        if item == 3:
            raise ValueError("no such thing")
        return _text(item)

    found = _collect(6, work, 2, 4)
    assert found.pop(3) == Failure("ValueError: no such thing")
    assert found == {item: _text(item) for item in (0, 1, 2, 4, 5)}


@pytest.mark.parametrize("batch", [1, 4])
def test_a_crash_costs_its_item_alone(batch: int) -> None:
    def work(item: int) -> bytes:
        if item == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return _text(item)

    found = _collect(12, work, 2, batch)
    crash = found.pop(5)
    assert isinstance(crash, Failure) and str(int(signal.SIGKILL)) in crash.reason
    assert found == {item: _text(item) for item in range(12) if item != 5}


def test_a_worker_that_ends_is_a_failure() -> None:
    def work(item: int) -> bytes:
        if item == 1:
            os._exit(7)
        return _text(item)

    found = _collect(4, work)
    assert found[1] == Failure("ended the worker (status 7)")
    assert found[3] == _text(3)


def test_a_worker_that_hangs_is_stopped() -> None:
    def work(item: int) -> bytes:
        while item == 2:
            time.sleep(10)
        return _text(item)

    found = _collect(6, work, 2, 2, seconds=0.3)
    hung = found.pop(2)
    assert isinstance(hung, Failure) and "no answer" in hung.reason
    assert found == {item: _text(item) for item in (0, 1, 3, 4, 5)}


def test_a_hang_ends_before_all_of_its_batch_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(item: int) -> bytes:
        while item == 100:
            pass
        return _text(item)

    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: 0.0))  # no batch is ever late
    found = _collect(400, work, 2, 50, seconds=0.5)
    hung = found.pop(100)
    assert isinstance(hung, Failure) and "no answer" in hung.reason
    assert found == {item: _text(item) for item in range(400) if item != 100}


def test_a_hang_is_noticed_while_others_work() -> None:
    def work(item: int) -> bytes:
        time.sleep(600 if item == 0 else 0.01)
        return _text(item)

    order = [item for item, _ in run(400, work, 2, 1, 0.2)]
    assert sorted(order) == list(range(400))
    assert order[-1] != 0


def test_every_item_failing() -> None:
    def work(item: int) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    assert all(isinstance(result, Failure) for result in _collect(5, work, 2, 3).values())


def test_leaving_early_ends_the_processes() -> None:
    def work(item: int) -> bytes:
        return str(os.getpid()).encode()

    results = run(1_000, work, 2)
    _, pid = next(results)
    results.close()
    assert isinstance(pid, bytes)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_worker_works_on_while_its_answer_is_looked_at(tmp_path: Path) -> None:
    def work(item: int) -> bytes:
        (tmp_path / str(item)).touch()
        return b""

    answers = run(2, work, jobs=1)
    assert next(answers) == (0, b"")
    until = time.monotonic() + 10
    while not (tmp_path / "1").exists():
        assert time.monotonic() < until
        time.sleep(0.001)
    assert list(answers) == [(1, b"")]


@pytest.mark.parametrize("items", [3, 4, 6])
def test_the_last_items_wait_for_no_worker_while_another_is_idle(tmp_path: Path, items: int) -> None:
    def work(item: int) -> bytes:
        (tmp_path / str(item)).touch()
        while item >= items - 3 and not all((tmp_path / str(last)).exists() for last in range(items - 3, items)):
            time.sleep(0.001)
        return _text(item)

    assert _collect(items, work, 3, seconds=10) == {item: _text(item) for item in range(items)}


def test_a_worker_does_not_wait_until_all_answers_are_looked_at(tmp_path: Path) -> None:
    def work(item: int) -> bytes:
        (tmp_path / str(item)).touch()
        return b""

    answers = run(400, work, jobs=1, batch=20)
    for item in range(20):  # of the first batch
        assert next(answers) == (item, b"")
        time.sleep(0.01)
    until = time.monotonic() + 10
    while not (tmp_path / "79").exists():  # of the fourth, which it gets when its second answer is taken
        assert time.monotonic() < until
        time.sleep(0.001)
    assert sorted(answers) == [(item, b"") for item in range(20, 400)]


def test_answers_that_nobody_looks_at_hold_the_workers_up(tmp_path: Path) -> None:
    def work(item: int) -> bytes:
        (tmp_path / str(item)).touch()
        return b""

    answers = run(4_000, work, jobs=2, batch=10)
    for _ in range(100):
        next(answers)
        time.sleep(0.002)
    assert len(list(tmp_path.iterdir())) <= 100 + 10 * 10
    answers.close()


def test_workers_are_renewed() -> None:
    answers = dict(run(10, lambda item: os.getpid().to_bytes(8, "little"), jobs=1, renewed=3))
    assert sorted(answers) == list(range(10))
    assert len(set(answers.values())) == 4


def test_what_workers_leave_is_known_to_those_after_them() -> None:
    known: list[bytes] = []
    estate = Estate(lambda: b"%d" % len(known), known.append)
    answers = dict(run(10, lambda item: b"%d" % len(known), jobs=1, renewed=3, estate=estate))
    assert [answers[item] for item in range(10)] == [b"0", b"0", b"0", b"1", b"1", b"1", b"2", b"2", b"2", b"3"]
    assert known == [b"0", b"1", b"2", b"3"]


def test_workers_that_die_leave_nothing() -> None:
    def left() -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    known: list[bytes] = []
    answers = dict(run(4, _text, jobs=2, renewed=2, estate=Estate(left, known.append)))
    assert sorted(answers) == list(range(4))
    assert not known


def test_workers_look_through_what_they_make_alone() -> None:
    def work(item: int) -> bytes:
        return b"%d %d %d" % (gc.isenabled(), gc.get_freeze_count() > 0, len(gc.get_objects()))

    gc.unfreeze()
    many = [[number] for number in range(50_000)]
    gc.disable()
    try:
        answers = dict(run(1, work, jobs=1))
    finally:
        gc.enable()
    enabled, frozen, objects = map(int, bytes(answers[0]).split())  # type: ignore[arg-type]
    assert enabled and frozen and objects < len(many)
    assert not gc.get_freeze_count()


_PARENT = """
import os, time
from gfplint.workers import run
def work(item):
    os.write(1, b"%d\\n" % os.getpid())
    while True:
        pass
for _ in run(3, work, 3):
    pass
"""


def test_workers_end_with_their_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        workers_of_it = {int(parent.stdout.readline()) for _ in range(3)}
        parent.kill()
        parent.wait()
        left = workers_of_it
        for _ in range(100):
            left = {worker for worker in left if _runs(worker)}
            if not left:
                break
            time.sleep(0.1)
        assert not left


def _runs(process: int) -> bool:
    """Whether a process is there, and no zombie that nobody waits for."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_an_interruption_is_for_the_parent_alone() -> None:
    def work(item: int) -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        return _text(item)

    assert _collect(4, work) == {item: _text(item) for item in range(4)}
