"""What functions may do to the context, kept; those that call each other are told together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gfplint.analysis.balance import NOBODY, Balance, Key
from gfplint.analysis.deep import Deep
from gfplint.analysis.holds import UNCHANGED, Ways

#: As ``Holds.outcomes`` has it.
Outcome = tuple[Ways | None, bool]
_UNCLEAR: Outcome = (None, False)


Circle = dict[Key, Outcome]
#: Rounds until nothing changes, beyond which it is not clear what functions do that call each other.
_MAX_ROUNDS = 8


def _joined(one: Outcome, two: Outcome) -> Outcome:
    (known, sure), (more, also) = one, two
    if known is None or more is None:
        return _UNCLEAR
    return Ways(known.zero | more.zero, known.nonzero | more.nonzero), sure and also


class Outcomes:
    """Outcomes by function.

    Functions that call each other are taken for such as change nothing. Where all of them then come out so, that is
    what they do, by induction over the calls; else for such as may also do what came out, until nothing more does: the
    whole flow, which looks no second time into what it is in, sees no more (Tarjan, Depth-first search and linear
    graph algorithms, 1972). Which of them make up a circle may rest on who is asked about first, where something in it
    was told by itself before; what is then unclear in one order is asked of the summaries.
    """

    def __init__(self, balance: Balance, deep: Deep) -> None:
        """``balance``: is told to forget what it found out from an assumption that did not hold."""
        self._balance = balance
        self._deep = deep
        self._known: dict[Key, Outcome] = {}
        self._asked: dict[Key, int] = {}
        #: Those that wait for one that is being asked about, with the one furthest up.
        self._waiting: dict[Key, tuple[Outcome, int]] = {}
        #: How those are computed.
        self._computing: dict[Key, Callable[[], Outcome]] = {}

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
        try:
            return self._computed(key, compute)
        except BaseException:  # the next question finds nothing of what failed, nor of what was taken for granted
            for left in (self._known, self._asked, self._waiting, self._computing):
                left.clear()
            raise

    def _computed(self, key: Key, compute: Callable[[], Outcome]) -> Outcome:
        waits = self._balance.waits
        depth, outer, waiting, mark = len(self._asked), waits.lowest, len(self._waiting), self._balance.mark()
        waits.lowest = NOBODY
        self._asked[key] = depth
        found = self._deep.run(compute)
        del self._asked[key]
        lowest, waits.lowest = waits.lowest, outer
        if lowest < depth:
            self._waiting[key] = found, lowest
            self._computing[key] = compute
            self._wait(lowest)
            return found
        circle = {other: self._waiting.pop(other)[0] for other in list(self._waiting)[waiting:]}
        circle[key] = found
        if lowest == depth:
            if any(ways != UNCHANGED for ways, _ in circle.values()):
                self._balance.forget(mark)
                computing = {other: self._computing.get(other, compute) for other in circle}
                circle = self._until_nothing_new(computing, depth, mark)
            self._balance.hold(depth)
        for other in circle:
            self._computing.pop(other, None)
        self._known.update(circle)
        return circle[key]

    def _until_nothing_new(self, computing: Mapping[Key, Callable[[], Outcome]], depth: int, mark: int) -> Circle:
        """What functions that call each other do; ``depth``: of the first of them, ``mark``: where what was found out
        of them began.
        """
        taken: Circle = dict.fromkeys(computing, (UNCHANGED, True))
        waits, outer, waiting = self._balance.waits, self._balance.waits.lowest, len(self._waiting)
        for _ in range(_MAX_ROUNDS):
            known, waits.lowest = len(self._known), NOBODY
            self._known.update(taken)
            found = {key: compute() for key, compute in computing.items()}
            for key in list(self._known)[known:]:  # it rests on what is taken for granted in this round
                del self._known[key]
            self._balance.forget(mark)
            lowest, waits.lowest = waits.lowest, outer
            for key in list(self._waiting)[waiting:]:
                del self._waiting[key], self._computing[key]
            if lowest < depth:
                break  # it comes to what is being asked about further up
            more = {key: _joined(taken[key], found[key]) for key in computing}
            if any(ways is None for ways, _ in more.values()):
                break
            if more == taken:
                return taken
            taken = more
        return dict.fromkeys(computing, _UNCLEAR)

    def _wait(self, lowest: int) -> None:
        self._balance.waits.lowest = min(self._balance.waits.lowest, lowest)
