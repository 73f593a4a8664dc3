"""Exhaustive bounded exploration: one path is one list of answers; the next path changes the last answer that can
change.

A path remembers what it has decided, so that correlated conditions agree: an unknown has an interval and a set of
values that
it is not; a comparison that follows from these is no new choice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gfplint.simulator.values import Sym

#: Bounds of one exploration. A loop whose condition or body asks for choices runs this many rounds at most.
MAX_PATHS = 512
MAX_STEPS = 60_000
#: Steps over all functions of one program.
MAX_TOTAL_STEPS = 4_000_000
LOOP_ROUNDS = 2
#: A loop that asks for no choice ends after this many rounds.
MAX_ROUNDS = 100_000

_MIN, _MAX = -(1 << 63), 1 << 64


class BudgetError(Exception):
    """A path took more steps than MAX_STEPS, or a loop more rounds than its bound: the path is abandoned."""


@dataclass
class Path:
    """One path: ``script`` holds the answers to give first; later questions get answer 0."""

    script: list[int] = field(default_factory=list)
    answers: list[tuple[int, int, str]] = field(default_factory=list)  # (answer, alternatives, label)
    facts: dict[Any, list[Any]] = field(default_factory=dict)  # key -> [low, high, {excluded}]
    max_steps: int = MAX_STEPS
    steps: int = 0
    mask_tested: bool = False  # a condition asked a mask that a parameter brought

    def step(self) -> None:
        self.steps += 1
        if self.steps > self.max_steps:
            raise BudgetError(f"more than {self.max_steps} steps on one path")

    def choose(self, alternatives: int, label: str) -> int:
        """An answer from 0 to ``alternatives`` - 1; every one is explored on some path."""
        index = len(self.answers)
        answer = self.script[index] if index < len(self.script) else 0
        self.answers.append((answer, alternatives, label))
        return answer

    def assumptions(self) -> tuple[str, ...]:
        """What the path assumed, as text, in order."""
        return tuple(_told(*answer) for answer in self.answers)

    # -- unknowns

    def known(self, key: Any) -> int | None:
        """The value that an unknown is bound to on this path, if to one."""
        fact = self.facts.get(key)
        return int(fact[0]) if fact is not None and fact[0] == fact[1] else None

    def truth(self, value: Sym) -> bool:
        """Whether an unknown is nonzero."""
        key = value.key
        if key and key[0] == "cmp":
            return self.compare(key[1], key[2], key[3])
        if key and key[0] == "not":
            return not self.truth(Sym(key[1]))
        return self.compare(key, "!=", 0)

    def compare(self, key: Any, op: str, constant: Any) -> bool:
        """Decide ``unknown op constant``; constants that are not numbers are compared as tokens."""
        if not isinstance(constant, int):
            return self._token(key, op, constant)
        if op in (">=", ">", "!="):
            return not self.compare(key, {">=": "<", ">": "<=", "!=": "=="}[op], constant)
        low, high, excluded = fact = self.facts.setdefault(key, [_MIN, _MAX, set()])
        if op == "==":
            if constant < low or constant > high or constant in excluded:
                return False
            if low == high:
                return True
            if self.choose(2, f"{describe(key)} != {constant}") == 0:
                excluded.add(constant)
                self._tighten(fact)
                return False
            fact[0] = fact[1] = constant
            return True
        bound = constant if op == "<=" else constant - 1
        if high <= bound:
            return True
        if low > bound:
            return False
        if self.choose(2, f"{describe(key)} {op} {constant}") == 0:
            fact[1] = bound
            self._tighten(fact)
            return True
        fact[0] = bound + 1
        self._tighten(fact)
        return False

    @staticmethod
    def _tighten(fact: list[Any]) -> None:
        while fact[0] in fact[2] and fact[0] < fact[1]:
            fact[0] += 1
        while fact[1] in fact[2] and fact[1] > fact[0]:
            fact[1] -= 1

    def _token(self, key: Any, op: str, other: Any) -> bool:
        name = ("token", *sorted((repr(key), repr(other))), op if op not in ("!=", "==") else "==")
        fact = self.facts.get(name)
        if fact is None:
            fact = self.facts[name] = [self.choose(2, f"{describe(key)} {op} {describe(other)}")] * 2
        return bool(fact[0]) != (op == "!=")


def _told(answer: int, alternatives: int, label: str) -> str:
    """One answer in words; a label may name its alternatives, as in ``memory (plenty, nothing, ...)``."""
    if alternatives == 2:
        return f"{label}: {'no' if answer else 'yes'}"
    subject, _, names = label.partition(" (")
    given = names.rstrip(")").split(", ")
    return f"{subject}: {given[answer]}" if len(given) == alternatives else f"{label}: {answer}"


def describe(key: Any) -> str:
    """An unknown's key as a person would write it."""
    if isinstance(key, tuple):
        if len(key) == 3 and key[0] in ("field", "index"):
            return f"{describe(key[1])}->{key[2]}" if key[0] == "field" else f"{describe(key[1])}[{key[2]}]"
        if key and key[0] in ("param", "name", "call"):
            return ".".join(str(part) for part in key[1:2]) + ("()" if key[0] == "call" else "")
        return " ".join(describe(part) for part in key)
    return str(key)


T = TypeVar("T")


def explore(run: Callable[[Path], T], max_paths: int = MAX_PATHS) -> Iterator[tuple[T, Path]]:
    """Run every path, at most ``max_paths``; yields each result with its path.

    Paths come in the order of how many answers differ from the first ones: where the bound cuts an exploration short,
    every single deviation was tried before any two.
    """
    scripts: deque[list[int]] = deque([[]])
    for _ in range(max_paths):
        if not scripts:
            return
        script = scripts.popleft()
        path = Path(script)
        yield run(path), path
        given = [answer for answer, _, _ in path.answers]
        for position in range(len(script), len(given)):
            if len(scripts) < max_paths:
                scripts.extend([*given[:position], other] for other in range(1, path.answers[position][1]))
