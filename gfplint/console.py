"""The terminal's side of the command line: colour, progress, messages, output that is written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from gfplint.errors import GfplintError
from gfplint.escape import printable

_PROGRESS_INTERVAL = 0.1  # seconds between two updates of the progress line


def wants_colour(choice: str, stream: TextIO | None) -> bool:
    """Whether to write colours to ``stream``: ``choice`` is ``always``, ``never`` or ``auto``."""
    if choice != "auto":
        return choice == "always"
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at a stream; None is one that was closed before the start."""
    return stream is not None and stream.isatty()


def complain(message: str) -> None:
    """Write ``gfplint: message`` to stderr, safe to show whatever it quotes."""
    if sys.stderr is None:  # it was closed before the start
        return
    with contextlib.suppress(OSError, ValueError):  # a closed stderr leaves nobody to tell
        print("\n".join(f"gfplint: {printable(line)}" for line in message.split("\n")), file=sys.stderr)


def describe(error: Exception) -> str:
    """What to tell the user of an error that ended the run."""
    if isinstance(error, GfplintError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return f"internal error: {type(error).__name__}: {error} (GFPLINT_DEBUG=1 shows where)"


class Progress:
    """A progress line on stderr, redrawn in place; silent where stderr is no terminal or ``quiet``.

    Call it with (done, total); leave the context to wipe the line.
    """

    def __init__(self, quiet: bool) -> None:
        self._shown = False
        self._next = 0.0
        self._active = not quiet and is_terminal(sys.stderr)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._active or (now < self._next and done < total):
            return
        self._next = now + _PROGRESS_INTERVAL
        self._shown = True
        sys.stderr.write(f"\r\x1b[Kgfplint: {done}/{total} files")
        sys.stderr.flush()


def write(pieces: Iterable[str], output: str | None = None, errors: str = "backslashreplace") -> None:
    """Write a document to stdout, or as UTF-8 to the file ``output``, which is replaced only when all of it is there.

    ``errors`` says how to write what can't be encoded: escapes, or ``surrogateescape`` for bytes as they were.
    Raises OSError where writing fails, GfplintError where stdout was closed before the start.
    """
    if output is None or output == "-":
        if sys.stdout is None:
            raise GfplintError("the standard output is closed")
        write_to(sys.stdout, pieces, errors)
    else:
        replace(Path(output), "".join(pieces).encode("utf-8", errors))


def write_to(stream: TextIO | None, pieces: Iterable[str], errors: str = "backslashreplace") -> None:
    """Write a document to an open stream, whatever its encoding (LANG=C) can't express as ``errors`` says."""
    if stream is None:
        return
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=errors)
    stream.writelines(pieces)
    stream.flush()


def replace(path: Path, data: bytes) -> None:
    """Replace a file's content at once, keeping its mode; a device or pipe is written to. Raises OSError."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(path.resolve(), data)  # a link stays a link
    except OSError as error:  # of a file that nobody asked for, or of none
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
