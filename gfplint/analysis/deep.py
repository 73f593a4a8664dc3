"""Computations that ask each other, however long the chains are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

#: Computations inside each other that one thread runs: each takes as many frames of the interpreter as statements and
#: expressions nest in a body, and there is a limit to these.
_LEVELS = 60
#: Computations inside each other, at most. What goes beyond takes memory that only a hostile file would.
_MAX_LEVELS = 20_000

_Found = TypeVar("_Found")


class TooDeepError(Exception):
    """A chain of calls is too long to be followed: the file at which it begins is not linted."""


class Deep:
    """Runs computations that may ask for others.

    How deep the interpreter may go is a limit of each thread. So where a chain gets long, the rest of it is run by
    another one, for which the first waits: an answer need not depend on how long the way was that led to its question.
    """

    def __init__(self) -> None:
        self.level = 0

    def run(self, compute: Callable[[], _Found]) -> _Found:
        """What a computation comes to."""
        self.level += 1
        try:
            if self.level % _LEVELS:
                return compute()
            if self.level > _MAX_LEVELS:
                raise TooDeepError(f"a chain of more than {_MAX_LEVELS} calls that matter")
            return _elsewhere(compute)
        finally:
            self.level -= 1


def _elsewhere(compute: Callable[[], _Found]) -> _Found:
    """The same, computed by another thread."""
    found: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(compute())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    answer: _Found = found[0]
    return answer
