"""Programs whose lines say what is seen there: ``/* sees: sleep-fault leak */``; other lines show only advice."""

from __future__ import annotations

import re

from gfplint.kernel.model import Version
from gfplint.simulator.observe import ADVICE, observe

_MARK = re.compile(r"/\* sees: ([^*]*)\*/")
LTS: Version = (6, 12)


def expected(text: str) -> dict[int, set[str]]:
    """Line to the kinds that its mark names."""
    found = {}
    for number, line in enumerate(text.split("\n"), 1):
        if match := _MARK.search(line):
            found[number] = set(match[1].split())
    return found


def seen(text: str, context: str = "plain", version: Version = LTS, failures: bool = False) -> dict[int, set[str]]:
    """Line to the kinds observed there; advice only where a mark asks for it somewhere."""
    asked = set().union(*expected(text).values()) if expected(text) else set()
    found: dict[int, set[str]] = {}
    for item in observe(text.encode(), context=context, version=version, failures=failures):
        if item.kind not in ADVICE or item.kind in asked:
            found.setdefault(item.line, set()).add(item.kind)
    return found


def check(text: str, context: str = "plain", version: Version = LTS, failures: bool = False) -> None:
    """Every mark is met, and nothing else is seen."""
    assert seen(text, context, version, failures) == expected(text)
