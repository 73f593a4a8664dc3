"""``python -m gfplint``, and the installed ``gfplint``.

An interruption ends the run with its exit status at any time, from here on: while modules are loaded, and when all is
done, there is nothing to clean up, and nobody to catch what the interpreter would raise.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from gfplint.errors import INTERRUPTED

#: Words of the interpreter's stack that one frame asks for, to have as many behind it: half of a MiB.
_ROOM = 1 << 16


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # nohup and the like have it ignored
    signal.signal(signal.SIGINT, _leave)


def _with_room(run: Callable[[], int]) -> int:
    """Run it with room on the interpreter's stack for all calls inside.

    CPython has the system map that stack in pieces of 16 KiB, and unmaps each when the frame with which it began ends:
    a loop may do that with every call (Python/pystate.c: push_chunk, _PyThreadState_PopFrame). A larger frame gets a
    larger piece, which is mapped as long as it runs.
    """
    return run()


_with_room.__code__ = _with_room.__code__.replace(co_stacksize=_ROOM)


def main() -> int:
    """Run one command; returns the exit status."""
    from gfplint import cli  # noqa: PLC0415 -- only now an interruption finds its handler

    heard = signal.getsignal(signal.SIGINT) is _leave
    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = _with_room(cli.main)
        if heard:
            signal.signal(signal.SIGINT, _leave)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def run() -> int:
    """``main``, which ends the process as well: taking apart what a scan has loaded takes a sixth of a second, and the
    system takes it back at once. Returns the exit status only where there is something to tell of the end.
    """
    status = main()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return status  # the interpreter says so as it ends
    os._exit(status)


if __name__ == "__main__":
    sys.exit(run())
