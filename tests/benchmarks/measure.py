"""Time, CPU and memory of one command and all its processes."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two looks at the memory, at least.
_INTERVAL = 0.25
#: Times a look's own length until the next: one takes 20 ms for every gigabyte of a process, from those it looks at.
_PAUSE = 50


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of wall time and CPU, and the most memory (bytes) that all processes had together."""

    wall: float
    cpu: float
    memory: int
    status: int = 0
    output: bytes = b""


def measured(
    command: Sequence[str], folder: Path, environment: dict[str, str] | None = None, *, watched: bool = True
) -> Usage:
    """Run a command to its end. ``watched``: whether to look at its memory, which takes 1 to 2 % of a processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    watch = _Watch(process.pid)
    if watched:
        watch.start()
    output, _ = process.communicate()
    wall = time.monotonic() - start
    if watched:
        watch.done.set()
        watch.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(wall, cpu, watch.most, process.returncode, output)


class _Watch(threading.Thread):
    """Notes the most memory that a process and its children hold: shared pages count once (PSS)."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.most = 0
        self.done = threading.Event()

    def run(self) -> None:
        while True:
            start = time.monotonic()
            self.most = max(self.most, sum(_pss(pid) for pid in _family(self.root)))
            if self.done.wait(max(_INTERVAL, _PAUSE * (time.monotonic() - start))):
                return


def _family(root: int) -> list[int]:
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return found


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:")), 0)
