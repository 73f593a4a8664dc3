"""``#if`` arms inside a body: alternatives, each a whole body with one consistent choice of conditions."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from gfplint.frontend.blank import Directive, Source

_SYMBOL = re.compile(
    r"!?\s*+(?:defined\s*+\(?\s*+|(?:IS_ENABLED|IS_REACHABLE|IS_BUILTIN)\s*+\(\s*+)?([A-Za-z_]\w*+)\s*+\)?\s*+\)?\s*+\Z",
    re.ASCII,
)
_NOT_NEWLINE = re.compile(r"[^\n]")
_OPENING = frozenset(("if", "ifdef", "ifndef"))
#: More than this many alternatives of one body are not tried.
MAX_VARIANTS = 6
#: Conditionals of one body beyond which arms that the plain choices leave out are not sought.
_MAX_DIRECTIVES = 400


@dataclass(frozen=True, slots=True)
class Variant:
    """One alternative of a body: the conditions chosen (``!X`` where X does not hold) and the text that remains."""

    conditions: tuple[str, ...]
    text: str


def variants(text: str, base: int, directives: list[Directive]) -> list[Variant]:
    """The alternatives of ``text`` (which starts at file offset ``base``); one without any conditionals.

    The first takes every first arm, the second every second one, and so on; arms that these leave out, since they
    stand inside others, get alternatives of their own.
    """
    if not directives:
        return [Variant((), text)]
    found: dict[str, Variant] = {}
    seen: set[int] = set()
    for choice in range(MAX_VARIANTS):
        chosen = _choose(text, base, directives, choice, frozenset())
        found.setdefault(chosen.variant.text, chosen.variant)
        seen |= chosen.live
        if choice >= 1 and not chosen.more:
            break
    if len(directives) <= _MAX_DIRECTIVES:
        for start, needs in _arms(directives):
            if len(found) >= MAX_VARIANTS:
                break
            if start not in seen and not any(_negated(need) in needs for need in needs):
                chosen = _choose(text, base, directives, 0, needs)
                if start in chosen.live:
                    found.setdefault(chosen.variant.text, chosen.variant)
                seen |= chosen.live | {start}
    return list(found.values())


def settled(directives: list[Directive], source: Source) -> list[Directive]:
    """The directives, with ``#if X`` decided where the file itself defines ``X`` as a number."""
    found = []
    for directive in directives:
        text = directive.text.strip()
        bare = text.removeprefix("!").strip()
        asks = directive.name in ("if", "elif") and bare.isidentifier() and not bare.startswith("CONFIG_")
        known = source.numbers.get(bare) if asks else None
        holds = "1" if (known != "0") != text.startswith("!") else "0"
        found.append(directive if known is None else msgspec.structs.replace(directive, text=holds))
    return found


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A variant, the offsets of the directives whose arms it holds, and whether a chain has arms beyond the choice."""

    variant: Variant
    live: frozenset[int]
    more: bool


def _choose(text: str, base: int, directives: list[Directive], choice: int, needs: frozenset[str]) -> _Chosen:
    """Take arm ``choice`` of every chain where ``needs`` does not say which; a negated condition counts backwards."""
    pieces: list[str] = []
    conditions: list[str] = []
    stack: list[_Chain] = []
    live: list[int] = []
    dead = last = 0
    more = False
    for directive in directives:
        part = text[last : directive.start - base]
        pieces.append(_NOT_NEWLINE.sub(" ", part) if dead else part)
        last = directive.start - base
        if directive.name in _OPENING:
            stack.append(_Chain(directive, choice, needs))
        elif not stack:
            continue
        elif directive.name == "endif":
            dead -= not stack.pop().live
            continue
        else:
            dead -= not stack[-1].live
            stack[-1].advance(directive)
            more = more or stack[-1].arm > choice
        dead += not stack[-1].live
        if not dead:
            conditions.append(stack[-1].literal)
            live.append(directive.start)
    pieces.append(_NOT_NEWLINE.sub(" ", text[last:]) if dead else text[last:])
    return _Chosen(Variant(tuple(dict.fromkeys(conditions)), "".join(pieces)), frozenset(live), more)


class _Chain:
    """One ``#if ... #elif ... #else ... #endif`` on the way through it."""

    def __init__(self, directive: Directive, choice: int, needs: frozenset[str]) -> None:
        self.choice = choice
        self.needs = needs
        self.arm = 0
        self.literal = _literal(directive)
        if self.literal in ("0", "1"):
            self.live = self.literal == "1"
        elif self.literal in needs:
            self.live = True
        elif _negated(self.literal) in needs:
            self.live = False
        else:
            self.live = (choice != 0) if self.literal.startswith("!") else choice == 0
        self.taken = self.live

    def advance(self, directive: Directive) -> None:
        """Go on to the next arm."""
        self.arm += 1
        if directive.name == "else":
            self.live = not self.taken
            self.literal = _negated(self.literal)
        else:
            self.literal = _literal(directive)
            chosen = self.arm == self.choice and _negated(self.literal) not in self.needs
            self.live = not self.taken and (chosen or self.literal in self.needs)
        self.taken = self.taken or self.live


def _arms(directives: list[Directive]) -> list[tuple[int, frozenset[str]]]:
    """Where each arm starts, and the literals that must hold for it."""
    arms: list[tuple[int, frozenset[str]]] = []
    stack: list[tuple[frozenset[str], list[str]]] = []
    inside: frozenset[str] = frozenset()
    for directive in directives:
        if directive.name in _OPENING:
            literal = _literal(directive)
            stack.append((inside, [literal]))
            inside = inside | {literal}
        elif not stack:
            continue
        elif directive.name == "endif":
            inside = stack.pop()[0]
            continue
        else:
            outside, literals = stack[-1]
            inside = outside.union(_negated(literal) for literal in literals)
            if directive.name != "else":
                literals.append(_literal(directive))
                inside = inside | {literals[-1]}
        if not inside & {"0", "!1"}:
            arms.append((directive.start, inside))
    return arms


def _literal(directive: Directive) -> str:
    """A condition as a literal: ``X`` or ``!X`` where it is one symbol, its text else."""
    text = " ".join(directive.text.split())
    if directive.name in ("ifdef", "elifdef"):
        return text
    if directive.name in ("ifndef", "elifndef"):
        return "!" + text
    match = _SYMBOL.match(text)
    if match is None or text in ("0", "1"):
        return text
    return "!" + match.group(1) if text.startswith("!") else match.group(1)


def _negated(literal: str) -> str:
    return literal[1:] if literal.startswith("!") else "!" + literal
