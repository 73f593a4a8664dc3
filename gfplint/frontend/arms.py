"""``#if`` arms inside a body: alternatives, each a whole body with one consistent choice of conditions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gfplint.frontend.blank import Directive

_SYMBOL = re.compile(
    r"!?\s*(?:defined\s*\(?\s*|IS_ENABLED\s*\(\s*|IS_REACHABLE\s*\(\s*|IS_BUILTIN\s*\(\s*)?([A-Za-z_]\w*)\s*\)?\s*\)?\s*\Z"
)
#: More than this many alternatives of one body are not tried.
MAX_VARIANTS = 4


@dataclass(frozen=True, slots=True)
class Variant:
    """One alternative of a body: the conditions chosen (``!X`` where X does not hold) and the text that remains."""

    conditions: tuple[str, ...]
    text: str


def variants(text: str, base: int, directives: list[Directive]) -> list[Variant]:
    """The alternatives of ``text`` (which starts at file offset ``base``); one without any conditionals."""
    if not directives:
        return [Variant((), text)]
    found: list[Variant] = []
    seen: set[str] = set()
    for choice in range(MAX_VARIANTS):
        variant, more = _choose(text, base, directives, choice)
        if variant.text not in seen:
            seen.add(variant.text)
            found.append(variant)
        if choice >= 1 and not more:
            break
    return found


def _choose(text: str, base: int, directives: list[Directive], choice: int) -> tuple[Variant, bool]:
    """Take arm ``choice`` of every chain, a negated condition counting backwards; whether a longer chain remains."""
    pieces: list[str] = []
    conditions: list[str] = []
    stack: list[_Chain] = []
    last = 0
    more = False

    def emit(upto: int, live: bool) -> None:
        nonlocal last
        part = text[last:upto]
        pieces.append(part if live else re.sub(r"[^\n]", " ", part))
        last = upto

    for directive in directives:
        live = all(c.live for c in stack)
        emit(directive.start - base, live)
        if directive.name in ("if", "ifdef", "ifndef"):
            chain = _Chain.open(directive, choice)
            stack.append(chain)
            if chain.live and live:
                conditions.append(chain.literal)
        elif directive.name in ("elif", "else", "elifdef") and stack:
            chain = stack[-1]
            chain.advance(directive, choice)
            more = more or chain.arm > choice
            if chain.live and all(c.live for c in stack):
                conditions.append(chain.literal)
        elif directive.name == "endif" and stack:
            stack.pop()
    emit(len(text), all(c.live for c in stack))
    return Variant(tuple(dict.fromkeys(conditions)), "".join(pieces)), more


class _Chain:
    """One ``#if ... #elif ... #else ... #endif``."""

    def __init__(self, literal: str, live: bool) -> None:
        self.literal = literal
        self.live = live
        self.taken = live
        self.arm = 0

    @classmethod
    def open(cls, directive: Directive, choice: int) -> _Chain:
        text = " ".join(directive.text.split())
        if text in ("0", "1"):
            return cls(text, text == "1")
        if directive.name == "ifdef":
            return cls(text, choice == 0)
        if directive.name == "ifndef":
            return cls("!" + text, choice != 0)
        match = _SYMBOL.match(text)
        if match and text.startswith("!"):
            return cls("!" + match.group(1), choice != 0)
        return cls(match.group(1) if match else text, choice == 0)

    def advance(self, directive: Directive, choice: int) -> None:
        self.arm += 1
        if directive.name == "else":
            self.live = not self.taken
            self.literal = self.literal[1:] if self.literal.startswith("!") else "!" + self.literal
        else:
            self.live = not self.taken and self.arm == choice
            self.literal = " ".join(directive.text.split())
        self.taken = self.taken or self.live
