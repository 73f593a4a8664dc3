"""Summaries of things that ask each other: an answer is the one that a question gets which is asked alone."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint.analysis.circles import Key, Summaries
from gfplint.analysis.deep import Deep
from gfplint.analysis.summary import Summary

#: Of each: whom it asks, and whom it asks next where it gets no answer, or one that came to a third.
Asks = Sequence[Sequence[tuple[int, int, int]]]


class _Program:
    """Computes what they come to: themselves and all that those come to whom they ask."""

    def __init__(self, asks: Asks) -> None:
        self._asks = asks
        self._summaries = Summaries(Deep())

    def ask(self, number: int) -> Summary | None:
        key: Key = ((0, number), 0)
        return self._summaries.of(key, lambda: self._computed(number))

    def _computed(self, number: int) -> Summary:
        found = {str(number)}
        for callee, other, third in self._asks[number]:
            answer = self.ask(callee)
            if answer is None or str(third) in answer.params:
                more = self.ask(other)
                found.update(more.params if more is not None else (f"not {other}",))
            found.update(answer.params if answer is not None else (f"no {callee}",))
        return Summary(str(number), "", tuple(sorted(found)))


@st.composite
def asking(draw: st.DrawFn, least: int, most: int) -> tuple[Asks, list[int]]:
    """Some that ask each other, and an order in which they are asked about."""
    count = draw(st.integers(least, most))
    number = st.integers(0, count - 1)
    asks = draw(st.lists(st.lists(st.tuples(number, number, number), max_size=3), min_size=count, max_size=count))
    return asks, draw(st.permutations(range(count)))


def _agrees(asks: Asks, order: Sequence[int]) -> None:
    program = _Program(asks)
    for number in order:
        assert program.ask(number) == _Program(asks).ask(number)


@settings(max_examples=150, deadline=None)
@given(asking(2, 7))
def test_small_circles(drawn: tuple[Asks, list[int]]) -> None:
    _agrees(*drawn)


@settings(max_examples=50, deadline=None)
@given(asking(9, 13))
def test_large_circles(drawn: tuple[Asks, list[int]]) -> None:
    _agrees(*drawn)
