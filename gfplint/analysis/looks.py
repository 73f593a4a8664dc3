"""What the linting of a file looks at in others: noted where an index is written, so that a later run knows whom a
change concerns.

Looks are edges between nodes: the linting of a file, a function or macro whose body is read, an answer that is kept.
What a node looked at once counts for all that come to it later, so that answers may be kept as ever.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Container, Iterator

#: (number of a file, name of what is looked at in it; "": the file itself); or (-1, a question).
Node = tuple[int, str]
#: The number that questions have in place of a file's.
ASKED = -1
#: Depends on more than is noted.
ALL = "*"


class Looks:
    """The looks of one process."""

    def __init__(self, files: Container[int]) -> None:
        """``files``: those whose calls are known by the names called; of others too little is."""
        self._files = files
        self._edges: dict[Node, set[Node]] = {}
        self._here: set[Node] = set()

    @contextlib.contextmanager
    def into(self, file: int, name: str) -> Iterator[None]:
        """What is looked at inside is looked at by the node, and the node by what is around it."""
        node = (file, name)
        around = self._here
        around.add(node)
        if file not in self._files:
            around.add((ASKED, ALL))
        self._here = self._edges.setdefault(node, set())
        try:
            yield
        finally:
            self._here = around

    def at(self, file: int, name: str = "") -> None:
        """A look at a function, a macro, or what is written in a file outside of them."""
        self._here.add((file, name))

    def callers(self, name: str) -> None:
        """A question for who calls a name, or what these pass."""
        self._here.add((ASKED, "c:" + name))

    def meaning(self, name: str) -> None:
        """A question for what a name means that is not called here."""
        self._here.add((ASKED, "n:" + name))

    def folder(self, path: str) -> None:
        """A look at all files beside one."""
        self._here.add((ASKED, "d:" + posixpath.dirname(path)))

    def everything(self) -> None:
        """A look at more than can be told."""
        self._here.add((ASKED, ALL))

    def of(self, file: int) -> list[Node]:
        """All that the linting of a file came to look at, itself and the file left out; sorted."""
        found: set[Node] = set()
        waiting = [(file, "")]
        while waiting:
            for node in self._edges.get(waiting.pop(), ()):
                if node not in found:
                    found.add(node)
                    waiting.append(node)
        return sorted(node for node in found if node[0] != file)
