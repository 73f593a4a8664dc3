"""Worker processes for work that may crash, hang or run out of memory on hostile input.

Processes are forked, so that they share what the parent has loaded; results come back as bytes. What a worker dies of
costs the one item that it worked on, which is named.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import NamedTuple

#: Wall time in seconds after which an item counts as hung. Far above what any real file takes.
ITEM_SECONDS = 120.0

#: Workers that may be gone before they take a batch, until that is a failure of what they were to do.
_SPARE = 20

#: Answers that are looked at until somebody looks who has finished: a worker waits for some milliseconds at most.
_BETWEEN = 8

#: Batches that a worker has in hand, so that it does not wait for the next one.
_IN_HAND = 2

#: Objects that a worker makes between two collections.
_NEW_OBJECTS = 200_000

_FORK = multiprocessing.get_context("fork")

Work = Callable[[int], bytes]


class Failure(NamedTuple):
    """Why an item has no result."""

    reason: str


class Estate(NamedTuple):
    """What a worker found out on the way that others may use: it leaves it, as bytes, to the parent, which takes it
    over; who is forked later has it.
    """

    left: Callable[[], bytes]
    taken: Callable[[bytes], None]


class _Worker:
    """One forked process and the batches that it has in hand, the one that it works on first."""

    def __init__(self, work: Work, others: list[_Worker], seconds: float, estate: Estate | None = None) -> None:
        self.connection, child = _FORK.Pipe()
        inherited = [*(w.connection for w in others), self.connection]
        self.estate = estate
        left = estate.left if estate is not None else None
        self.process = _FORK.Process(target=_serve, args=(work, child, inherited, seconds, left), daemon=True)
        # An interruption is the parent's to deal with: it ends its workers, who never hear of any.
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        child.close()
        self.batches: deque[tuple[int, ...]] = deque()
        self.started = 0.0
        #: Items that it was given in all.
        self.given = 0
        #: Whether it was still there to take the first batch.
        self.took = True

    def give(self, batch: tuple[int, ...]) -> None:
        if not self.batches:
            self.started = time.monotonic()
        self.batches.append(batch)
        self.given += len(batch)
        try:
            self.connection.send(batch)
        except OSError:  # it may have died of one that it took before
            self.took = len(self.batches) > 1 and self.took

    def answered(self) -> tuple[int, ...]:
        """The batch that it is done with."""
        self.started = time.monotonic()
        return self.batches.popleft()

    def leave(self, seconds: float) -> None:
        """Take over what an idle worker found out."""
        if self.estate is not None:
            with contextlib.suppress(EOFError, OSError):
                self.connection.send(())
                if self.connection.poll(seconds):
                    self.estate.taken(self.connection.recv_bytes())

    def dismiss(self, kill: bool = False) -> None:
        """Tell it to end; ``joined`` waits for that."""
        if kill:
            self.process.kill()
        else:
            with contextlib.suppress(OSError):
                self.connection.send(None)
        self.connection.close()

    def joined(self) -> None:
        """Wait until it has ended."""
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def run(
    count: int,
    work: Work,
    jobs: int,
    batch: int = 1,
    seconds: float = ITEM_SECONDS,
    renewed: int = sys.maxsize,
    estate: Estate | None = None,
) -> Generator[tuple[int, bytes | Failure], None, None]:
    """Run ``work(0)`` to ``work(count - 1)`` in ``jobs`` processes; yields (item, its bytes or failure) as they come.

    ``batch`` items are handed out at a time, fewer towards the end, so that all end together; a batch that fails is
    tried again item by item. ``seconds``: wall time of an item. ``renewed``: items after which another process takes
    the place of one, whose copies of the parent's memory go with it. ``estate``: what it leaves, as do all at the end.
    """
    team = _Team(work, _batches(count, jobs, batch), seconds, renewed, estate)
    try:
        team.hire(jobs)
        while team.at_work():
            team.attend(wait_for_one=True)
            while team.answers:
                for _ in range(min(_BETWEEN, len(team.answers))):
                    yield team.answers.popleft()
                if len(team.answers) < jobs * batch:  # who reads answers slowly holds the workers up in the end
                    team.attend(wait_for_one=False)
        team.leave()
    finally:
        team.disband()


class _Team:
    """Workers, the batches that wait for them, and their answers, which wait to be looked at."""

    def __init__(
        self, work: Work, batches: Iterator[tuple[int, ...]], seconds: float, renewed: int, estate: Estate | None
    ) -> None:
        self._work, self._seconds, self._renewed, self._estate = work, seconds, renewed, estate
        self._queue = deque(batches)
        self._spare = _SPARE
        self._workers: list[_Worker] = []
        self._dismissed: list[_Worker] = []
        self.answers: deque[tuple[int, bytes | Failure]] = deque()

    def hire(self, jobs: int) -> None:
        """Start as many workers as there is work for, and give them some."""
        for _ in range(min(jobs, len(self._queue))):
            self._another()
        self._hand_out()

    def at_work(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._busy)

    def attend(self, wait_for_one: bool) -> None:
        """Take the answers of those who are done, and give them their next batches.

        ``wait_for_one``: wait a while if nobody is, and see who hangs.
        """
        for worker in _ready(self._busy, self._seconds, wait_for_one):
            answer = _answer(worker, self._seconds)
            if isinstance(answer, Failure):
                self._failed(worker, answer)
            else:
                self.answers.extend(zip(worker.answered(), answer, strict=True))
                self._give(worker)

    def leave(self) -> None:
        """Take over what the idle workers found out."""
        for worker in self._workers:
            worker.leave(self._seconds)

    def disband(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.dismiss(kill=bool(worker.batches))
        for worker in (*self._workers, *self._dismissed):
            worker.joined()

    def _hand_out(self) -> None:
        """Give all who are idle something to do."""
        for worker in [w for w in self._workers if not w.batches]:
            self._give(worker)

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.batches]

    def _another(self) -> _Worker:
        self._workers.append(_Worker(self._work, self._workers, self._seconds, self._estate))
        return self._workers[-1]

    def _give(self, worker: _Worker) -> None:
        """Give a worker, or who takes its place, the batches that it should have in hand."""
        if worker.given >= self._renewed and not worker.batches and self._queue:
            worker.leave(self._seconds)
            self._dismiss(worker)
            worker = self._another()
        while self._queue and worker.given < self._renewed and len(worker.batches) < self._in_hand():
            worker.give(self._queue.popleft())

    def _in_hand(self) -> int:
        """The batches that a worker should have: of the last ones, one, so that none waits while somebody is idle."""
        return _IN_HAND if len(self._queue) > len(self._workers) else 1

    def _dismiss(self, worker: _Worker, kill: bool = False) -> None:
        self._workers.remove(worker)
        self._dismissed.append(worker)
        worker.dismiss(kill)

    def _failed(self, worker: _Worker, failure: Failure) -> None:
        """Another worker takes the place of one that died or hangs, and its batch is tried again or given up."""
        self._dismiss(worker, kill=True)
        batch = worker.batches.popleft()
        self._queue.extendleft(reversed(worker.batches))  # to these it did not come
        if not worker.took and self._spare:  # the system ended it while it waited: no item is to blame
            self._spare -= 1
            self._queue.appendleft(batch)
        elif len(batch) > 1:
            self._queue.extendleft((item,) for item in reversed(batch))
        else:
            self.answers.append((batch[0], failure))
        if self._queue:
            self._another()
            self._hand_out()


def _batches(count: int, jobs: int, batch: int) -> Iterator[tuple[int, ...]]:
    at = 0
    while at < count:
        size = max(1, min(batch, (count - at) // (4 * jobs)))
        yield tuple(range(at, at + size))
        at += size


def _ready(busy: Sequence[_Worker], seconds: float, wait_for_one: bool) -> list[_Worker]:
    """Workers that answered or died; ``wait_for_one``: as in ``_Team.attend``, and those that hang so that even their
    own alarm is not heard.
    """
    connections = {w.connection: w for w in busy}
    timeout = 1.0 if wait_for_one else 0.0
    done = [connections[c] for c in wait(list(connections), timeout) if isinstance(c, Connection)]
    if not wait_for_one:
        return done
    now = time.monotonic()
    late = [w for w in busy if w not in done and now - w.started > seconds * (len(w.batches[0]) + 1)]
    return done + late


def _answer(worker: _Worker, seconds: float) -> list[bytes | Failure] | Failure:
    unanswered = Failure(f"gave no answer in {seconds:.0f} seconds")
    if not worker.connection.poll():
        return unanswered
    try:
        return [Failure(item) if isinstance(item, str) else item for item in worker.connection.recv()]
    except (EOFError, OSError):
        worker.process.join(5)
        code = worker.process.exitcode
        if code == -signal.SIGALRM:
            return unanswered
        return Failure(
            f"crashed the worker (signal {-code})" if code and code < 0 else f"ended the worker (status {code})"
        )


def _serve(
    work: Work,
    connection: Connection,
    inherited: Sequence[Connection],
    seconds: float,
    left: Callable[[], bytes] | None,
) -> None:
    """A worker's life: answer batches until told to stop; an empty one asks for what it leaves."""
    _end_with_parent()
    for other in inherited:
        other.close()
    gc.freeze()  # nothing of the parent's is looked through: that alone would make it the worker's own memory
    # Results are trees without cycles: what is collected again and again is hardly ever there.
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
    gc.enable()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        while (batch := connection.recv()) is not None:
            if batch:
                connection.send([_one(work, item, seconds) for item in batch])
            elif left is not None:
                connection.send_bytes(left())
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)


def _end_with_parent() -> None:
    """Have the system end this process with its parent, whatever that dies of and whatever is being worked on here.

    The parent's death closes a pipe that all children know. One that is asked to tell of it raises SIGIO, which nobody
    here handles. It needs no thread, and no library that takes its time to load.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    pipe = parent.sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if wait([pipe], timeout=0):  # it was gone before
        os._exit(0)


def _one(work: Work, item: int, seconds: float) -> bytes | str:
    """One item's bytes; a text where it raised.

    One that takes longer than ``seconds`` ends the process, wherever it is: what else is in its batch does not wait
    until all of that would be late.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work(item)
    except Exception as error:  # whatever a hostile file provokes costs that file alone
        return f"{type(error).__name__}: {error}"[:300]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
