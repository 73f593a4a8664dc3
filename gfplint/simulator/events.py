"""What a run observes, as plain data."""

from __future__ import annotations

from typing import NamedTuple

#: Kinds of events. The first group ends the run.
FATAL = frozenset({"bug-on", "page-bug", "oops", "null-deref", "oom"})

#: Those that a run may go on after, where it is to show all that is wrong: a free went wrong.
SURVIVED = frozenset({"oops", "page-bug"})

#: Kinds that say only what happens; they make the trace readable and are no observation.
NOTES = frozenset({"note"})

#: Kinds that contradict an observation of another kind at the same line: advice holds on every path or not at all.
VETOES = {"reserve-needed": "reserve-used", "mask-needed": "mask-unchanged"}

#: What only says that an expectation of the advice rules is met; no defect by itself.
ADVICE = frozenset({"reserve-used", "uncharged", "uncharged-cache", "mask-unchanged", "raw-context"})


class Event(NamedTuple):
    """``kind``: what happened (``sleep-fault``, ``bug-on``, ``bad-free``, ...); ``message`` in words;
    ``stack``: (function, line) of the program's own calls, outermost first; ``phase``: part of an oracle case, or
    ""."""

    kind: str
    message: str
    stack: tuple[tuple[str, int], ...] = ()
    phase: str = ""
    decisions: int = 0


class DiedError(Exception):
    """The machine stopped: a BUG, an oops or a deadlock on memory. The event is recorded already."""


class SurvivedError(Exception):
    """The call stopped the machine, but the run is to show what else is wrong: only the call ends."""


class HungError(Exception):
    """The machine would wait for ever."""
