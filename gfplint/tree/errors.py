"""What can go wrong with an input: the run fails with a message (``TreeError``), or one file is left out."""

from __future__ import annotations

from gfplint.errors import GfplintError
from gfplint.escape import printable


class TreeError(GfplintError):
    """The input can't be used at all; the text is for the user and the exit status 2."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class PatchError(TreeError):
    """A patch is malformed, hostile, or does not apply; the text says which file and hunk."""


class UnreadableError(GfplintError):
    """One file can't be read; the run goes on without it. ``reason`` is for the user."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(printable(f"{path}: {reason}"))
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableError], tuple[str, str]]:
        """Keep both arguments when the error crosses a process boundary."""
        return type(self), (self.path, self.reason)


class MissingError(UnreadableError):
    """The state has no such file."""

    def __init__(self, path: str, reason: str = "no such file") -> None:
        super().__init__(path, reason)
