"""What functions may do to the context, kept; those that call each other are told together."""

from __future__ import annotations

from collections.abc import Callable

from gfplint.analysis.balance import MAX_ASKED, NOBODY, Balance
from gfplint.analysis.holds import UNCHANGED, Ways
from gfplint.analysis.program import FunctionId

#: A function, or a macro of a file.
Key = FunctionId | tuple[int, str]
#: As ``Holds.outcomes`` has it.
Outcome = tuple[Ways | None, bool]
_UNCLEAR: Outcome = (None, False)


class Outcomes:
    """Outcomes by function.

    Functions that call each other are taken for such as change nothing. Where all of them then come out so, that is
    what they do, by induction over the calls; else it is not clear what any of them does. Neither depends on which of
    them is asked about first (Tarjan, Depth-first search and linear graph algorithms, 1972).
    """

    def __init__(self, balance: Balance) -> None:
        """``balance``: is told to forget what it found out from an assumption that did not hold."""
        self._balance = balance
        self._known: dict[Key, Outcome] = {}
        self._asked: dict[Key, int] = {}
        #: Those that wait for one that is being asked about, with the one furthest up.
        self._waiting: dict[Key, tuple[Outcome, int]] = {}

    def of(self, key: Key, compute: Callable[[], Outcome]) -> Outcome:
        """The outcomes of a function; ``compute``: from its body."""
        known = self._known.get(key)
        if known is not None:
            return known
        if key in self._waiting:
            outcome, lowest = self._waiting[key]
            self._wait(lowest)
            return outcome
        if key in self._asked:
            self._wait(self._asked[key])
            return UNCHANGED, True
        if len(self._asked) >= MAX_ASKED:
            return _UNCLEAR
        return self._computed(key, compute)

    def _computed(self, key: Key, compute: Callable[[], Outcome]) -> Outcome:
        waits = self._balance.waits
        depth, outer, waiting, mark = len(self._asked), waits.lowest, len(self._waiting), self._balance.mark()
        waits.lowest = NOBODY
        self._asked[key] = depth
        found = compute()
        del self._asked[key]
        lowest, waits.lowest = waits.lowest, outer
        if lowest < depth:
            self._waiting[key] = found, lowest
            self._wait(lowest)
            return found
        circle = {other: self._waiting.pop(other)[0] for other in list(self._waiting)[waiting:]}
        circle[key] = found
        if lowest == depth:
            if any(ways != UNCHANGED for ways, _ in circle.values()):
                circle = dict.fromkeys(circle, _UNCLEAR)
                self._balance.forget(mark)
            self._balance.hold(depth)
        self._known.update(circle)
        return circle[key]

    def _wait(self, lowest: int) -> None:
        self._balance.waits.lowest = min(self._balance.waits.lowest, lowest)
