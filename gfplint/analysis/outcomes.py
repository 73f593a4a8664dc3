"""What functions may do to the context, kept; those that call each other are told together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gfplint.analysis.balance import Key
from gfplint.analysis.deep import Deep
from gfplint.analysis.holds import UNCHANGED, Ways

#: As ``Holds.outcomes`` has it.
Outcome = tuple[Ways | None, bool]
_UNCLEAR: Outcome = (None, False)
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
    whole flow, which looks no second time into what it is in, sees no more. Which of them make up a circle is told by
    the names that they call, and all of it is told at once: so it is all the same who is asked about first.
    """

    def __init__(self, circle: Callable[[Key], tuple[Key, ...]], compute: Callable[[Key], Outcome], deep: Deep) -> None:
        """``circle``: those with which something calls itself (``Balance.circle``); ``compute``: the outcomes of
        a function from its body.
        """
        self._circle = circle
        self._compute = compute
        self._deep = deep
        self._known: dict[Key, Outcome] = {}
        #: What is taken for granted of those that are being told.
        self._taken: dict[Key, Outcome] = {}

    def of(self, key: Key) -> Outcome:
        """The outcomes of a function."""
        known = self._known.get(key) or self._taken.get(key)
        if known is not None:
            return known
        circle = self._circle(key)
        if not circle:
            known = self._known[key] = self._told(key)
            return known
        self._taken.update(dict.fromkeys(circle, (UNCHANGED, True)))
        try:
            clear = self._until_nothing_new(circle)
            self._known.update({other: self._taken[other] if clear else _UNCLEAR for other in circle})
        finally:
            for other in circle:
                del self._taken[other]
        return self._known[key]

    def _until_nothing_new(self, circle: tuple[Key, ...]) -> bool:
        """Take for granted of each in a circle what it may do as well; whether that comes to an end."""
        for _ in range(_MAX_ROUNDS):
            before = [self._taken[key] for key in circle]
            for key in circle:
                self._taken[key] = _joined(self._taken[key], self._told(key))
            if [self._taken[key] for key in circle] == before:
                return True
        return False

    def _told(self, key: Key) -> Outcome:
        return self._deep.run(partial(self._compute, key))
