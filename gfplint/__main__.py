"""``python -m gfplint``, and the installed ``gfplint``.

An interruption ends the run with its exit status at any time, from here on: while modules are loaded, and when all is
done, there is nothing to clean up, and nobody to catch what the interpreter would raise.
"""

import os
import signal
import sys
from types import FrameType

from gfplint.errors import INTERRUPTED


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # nohup and the like have it ignored
    signal.signal(signal.SIGINT, _leave)


def main() -> int:
    """Run one command; returns the exit status."""
    from gfplint import cli  # noqa: PLC0415 -- only now an interruption finds its handler

    heard = signal.getsignal(signal.SIGINT) is _leave
    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = cli.main()
        if heard:
            signal.signal(signal.SIGINT, _leave)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
