"""Summaries of functions that may call each other in circles, whichever of them is asked for first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any

import msgspec

from gfplint.analysis.deep import Deep
from gfplint.analysis.program import FunctionId
from gfplint.analysis.summary import Summary

#: A function, or a macro of a file, with the depth to which it tells its callers what sleeps; or a member of a record
#: of a file.
Key = tuple[FunctionId, int] | tuple[int, str, int] | tuple[int, int, str]
Compute = Callable[[], Summary]
#: Functions that call each other, up to which each is computed with all the others for its own sake.
MAX_CIRCLE = 8
#: How often each of more than these is computed, with what the others came to the time before.
ROUNDS = 3
#: Keys in a circle up to which each is computed for its own sake where they do not ask for the same others each time.
MAX_ALONE = 64
_FOLLOWED = f"calls itself in a large circle of functions, which is followed through {ROUNDS} calls"
#: Further down than any summary that is being computed.
_NOBODY = 1 << 30


class Summaries:
    """Summaries by what they are of.

    A function that is asked for inside its own computation is not known there. What is computed then depends on who
    asked first: it serves the question in hand alone, so that the answer to a question never depends on those before
    it; nor does a function serve those that it calls in turn, which would have found it undone.

    To compute each member of a circle with all others inside it takes time that grows beyond all bounds with its size.
    So the members of a large one (a strongly connected component: Tarjan, Depth-first search and linear graph
    algorithms, 1972) are computed together, and say so: in rounds, each with what the others came to in the round
    before, nothing in the first.

    What each asks for may rest on what it is told, so that a large circle may be a smaller one to another of its
    members: where it was not the same in all rounds, each member of up to MAX_ALONE has its own rounds. And what is in
    no circle itself, and rests on members of one, serves none of them while it is computed anew, nor what waits for it.
    """

    def __init__(self, deep: Deep) -> None:
        self._deep = deep
        self._done: dict[Key, Summary] = {}
        #: Those that wait for one that is being computed, with how far up that is.
        self._provisional: dict[Key, tuple[Summary, int]] = {}
        #: The same in the order in which they were computed, whether their answers are still there or not.
        self._unsettled: list[tuple[Key, Compute]] = []
        #: Of what is done, the members of small circles that it rests on, where it does on any.
        self._rests: dict[Key, frozenset[Key]] = {}
        #: The same of what is being computed, as far as it asked for what is done.
        self._used: set[Key] = set()
        #: Those that are being computed, with their depths; and what they came to in the round before.
        self._stack: dict[Key, int] = {}
        self._before: dict[Key, Summary] = {}
        #: Those of them that were asked for.
        self._asked: set[Key] = set()
        #: How far up what was asked for is that is being computed.
        self._lowest = _NOBODY
        self._taken: set[Key] = set()

    def of(self, key: Key, compute: Compute) -> Summary | None:
        """A known summary, or what is computed; None inside its own computation."""
        known = self._done.get(key)
        if known is not None:
            rests = self._rests.get(key)
            if rests is None:
                return known
            if rests.isdisjoint(self._stack) and rests.isdisjoint(self._provisional):
                if self._stack:
                    self._used |= rests
                return known
        if key in self._provisional:
            provisional, lowest = self._provisional[key]
            self._lowest = min(self._lowest, lowest)
            return provisional
        depth = self._stack.get(key)
        if depth is not None:
            self._asked.add(key)
            self._lowest = min(self._lowest, depth)
            return self._before.get(key)
        try:
            return self._computed(key, compute)
        except BaseException:
            self._give_up()
            raise

    def own(self) -> Iterator[tuple[Key, Summary]]:
        """What was computed here and serves everybody."""
        return ((k, found) for k, found in self._done.items() if k not in self._rests and k not in self._taken)

    def take(self, found: Iterable[tuple[Key, Summary]]) -> None:
        """Take over what is ``own`` elsewhere."""
        for key, summary in found:
            self._done.setdefault(key, summary)
            self._taken.add(key)

    def _computed(self, key: Key, compute: Compute) -> Summary:
        depth, before = len(self._stack), len(self._unsettled)
        outer, self._lowest = self._lowest, _NOBODY
        used, self._used = self._used, set()
        self._stack[key] = depth
        result = self._deep.run(compute)
        lowest = self._lowest
        if lowest >= depth:  # nothing that it rests on is being computed
            members = dict(self._unsettled[before:])
            del self._unsettled[before:]
            self._drop(depth)
            if len(members) >= MAX_CIRCLE and len({_function(k) for k in (*members, key)}) > MAX_CIRCLE:
                members[key] = compute
                found, alike = self._in_rounds(members, depth)
                result, lowest = found[key], self._lowest
                if lowest >= depth:
                    result = _followed(result)
                    if alike or len(found) > MAX_ALONE:
                        for other in found.keys() - self._done.keys():
                            self._settle(other, _followed(found[other]), ())
                    else:
                        self._settle(key, result, found)
                else:  # in rounds it came to ask for more: it is part of a larger circle
                    self._provisional.update((k, (summary, lowest)) for k, summary in found.items())
                    self._unsettled += members.items()
            else:
                self._settle(key, result, (*members, key) if members else ())
        else:
            # Those that waited for this one alone are computed anew, but for members of what is a large circle already:
            # these wait for what this one waits for.
            if self._large(before, lowest, depth):
                self._wait(depth, lowest)
            else:
                self._drop(depth)
            self._provisional[key] = (result, lowest)
            self._unsettled.append((key, compute))
        self._stack.pop(key, None)
        if depth:
            used |= self._used
        self._used = used
        self._lowest = min(outer, lowest) if lowest < depth else outer
        return result

    def _settle(self, key: Key, result: Summary, circle: Iterable[Key]) -> None:
        """What a key comes to is done; ``circle``: the members of one that it is in, itself among them."""
        self._done[key] = result
        self._used.update(circle)
        if self._used:
            self._rests[key] = frozenset(self._used)

    def _in_rounds(self, members: dict[Key, Compute], depth: int) -> tuple[dict[Key, Summary], bool]:
        """What the members of a circle come to, and with them those that turn out to be some, too; and whether it is
        the same circle whoever of them is asked for: each asks for the same others in all rounds, and comes to all.
        """
        outer = self._asked
        while True:
            before = len(self._unsettled)
            self._stack.update(dict.fromkeys(members, depth))
            found: dict[Key, Summary] = {}
            asked: list[dict[Key, set[Key]]] = []
            for _ in range(ROUNDS):
                asked.append({})
                for key, compute in members.items():
                    self._asked = asked[-1][key] = set()
                    found[key] = self._deep.run(compute)
                self._before.update(found)
                self._drop(depth)
            more = dict(self._unsettled[before:])
            del self._unsettled[before:]
            for key in members:
                del self._stack[key], self._before[key]
            if not more:
                self._asked = outer
                return found, all(a == asked[0] for a in asked) and _connected(asked[0])
            members.update(more)

    def _large(self, before: int, lowest: int, depth: int) -> bool:
        """Whether what is computed from ``lowest`` on, and what is unsettled behind the first, is a large circle."""
        if len(self._unsettled) - before + depth - lowest < MAX_CIRCLE:
            return False
        found: set[tuple[Any, ...]] = set()
        for key, at in reversed(self._stack.items()):
            found.add(_function(key))
            if at <= lowest or len(found) > MAX_CIRCLE:
                break
        for at in range(len(self._unsettled) - 1, before - 1, -1):
            if len(found) > MAX_CIRCLE:
                break
            found.add(_function(self._unsettled[at][0]))
        return len(found) > MAX_CIRCLE

    def _drop(self, depth: int) -> None:
        """Forget the answers that waited for one at a depth, or for one below it."""
        if self._provisional:
            self._provisional = {k: v for k, v in self._provisional.items() if v[1] < depth}

    def _wait(self, depth: int, lowest: int) -> None:
        """The answers that waited for one at a depth, or for one below it, wait for one further up."""
        for key, (summary, at) in self._provisional.items():
            if at >= depth:
                self._provisional[key] = summary, lowest

    def _give_up(self) -> None:
        """A computation failed: the next question finds nothing of it."""
        self._provisional.clear()
        self._unsettled.clear()
        self._stack.clear()
        self._before.clear()
        self._used.clear()
        self._asked.clear()
        self._lowest = _NOBODY


def _function(key: Key) -> tuple[Any, ...]:
    """What a summary is of, whatever its depth."""
    return key[:2] if len(key) == 3 else key[:1]


def _connected(asked: Mapping[Key, Set[Key]]) -> bool:
    """Whether all of some keys come to each other by those that each asks for."""
    asking: dict[Key, set[Key]] = {key: set() for key in asked}
    for key, others in asked.items():
        for other in others & asked.keys():
            asking[other].add(key)
    return all(_reached(edges) == asked.keys() for edges in (asked, asking))


def _reached(edges: Mapping[Key, Set[Key]]) -> set[Key]:
    """What the first of some keys comes to, itself included."""
    waiting = [next(iter(edges))]
    found = set(waiting)
    while waiting:
        more = (edges[waiting.pop()] & edges.keys()) - found
        found |= more
        waiting += more
    return found


def _followed(summary: Summary) -> Summary:
    return msgspec.structs.replace(summary, degraded=(*summary.degraded, _FOLLOWED))
