"""What of a file others look at, item by item: digests that tell which of them a change leaves as they were."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cached_property

from gfplint.analysis.looks import DEFINE, OUTSIDE, OWN, STRUCT
from gfplint.facts import FileFacts

#: Any definition of a macro, with all lines that it goes on for.
_DEFINITION = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)(?:[^\n\\]|\\.)*", re.MULTILINE | re.DOTALL)


class Items:
    """The items of one file, by their names (see ``analysis.looks``). Those of a name count as one; what a function
    or macro is includes its place.
    """

    def __init__(self, facts: FileFacts, data: bytes) -> None:
        self._facts = facts
        self._data = data

    def digest(self, name: str) -> bytes:
        """Stands for an item; nothing where there is none."""
        if name.startswith(STRUCT):
            texts = self.records.get(name.removeprefix(STRUCT))
        elif name.startswith(DEFINE):
            texts = self.defines.get(name.removeprefix(DEFINE))
        elif name.endswith(OWN):
            texts = self.defines.get(name.removesuffix(OWN))
        else:
            texts = self._bodies.get(name)
        return hashlib.blake2b(b"\0".join(texts), digest_size=8).digest() if texts is not None else b""

    @cached_property
    def defines(self) -> dict[str, list[bytes]]:
        """All definitions of each macro."""
        found: dict[str, list[bytes]] = {}
        for match in _DEFINITION.finditer(self._data):
            found.setdefault(match.group(1).decode(), []).append(match.group())
        return found

    @cached_property
    def records(self) -> dict[str, list[bytes]]:
        """All definitions of each struct."""
        found: dict[str, list[bytes]] = {}
        for record in self._facts.records:
            found.setdefault(record.name, []).append(self._data[record.start : record.end])
        return found

    @cached_property
    def _bodies(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for name, start, end, said in self._named():
            text = self._data[self._data.rfind(b"\n", 0, start) + 1 : end]
            found.setdefault(name, []).append(said.encode("utf-8", "surrogatepass") + b"\n" + text)
        return found

    def _named(self) -> Iterator[tuple[str, int, int, str]]:
        for function in self._facts.functions:
            yield function.name, function.start, function.end, f"{function.line} {function.header}"
        at, line = 0, 1
        for macro in self._facts.macros:  # in the order of the text
            line += self._data.count(b"\n", at, macro.start)
            at = macro.start
            yield macro.name, macro.start, macro.end, f"{line} {macro.params}"


def differs(name: str, before: bytes, after: Items) -> bool:
    """Whether what was looked at under a name in a file may be another thing now; ``before``: what stood for it."""
    if name == OUTSIDE:
        return True
    if name.isidentifier() or name.startswith((STRUCT, DEFINE)):
        return not before or after.digest(name) != before
    # What a file makes of a name follows from its numbers, and from what was looked at for it in turn.
    return name.endswith(OWN) and after.digest(name) != before
