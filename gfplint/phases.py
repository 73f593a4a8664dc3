"""Where the time of a run goes: wall time and CPU of each of its phases."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Spent:
    """Seconds of wall time, and of CPU in this process and in workers that have ended."""

    wall: float = 0.0
    own: float = 0.0
    workers: float = 0.0


class Phases:
    """A clock for phases, in the order in which they began."""

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """What runs inside belongs to the phase ``name``; a phase may come more than once."""
        spent = self.spent.setdefault(name, Spent())
        wall, own, workers = time.monotonic(), time.process_time(), _workers()
        try:
            yield
        finally:
            spent.wall += time.monotonic() - wall
            spent.own += time.process_time() - own
            spent.workers += _workers() - workers

    def lines(self) -> Iterator[str]:
        """A line of text for each phase."""
        for name, spent in self.spent.items():
            yield f"{spent.wall:8.2f} s  {name} (CPU {spent.own:.2f} s, workers {spent.workers:.2f} s)\n"


def _workers() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
