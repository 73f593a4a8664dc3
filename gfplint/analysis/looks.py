"""What the linting of a file looks at in others: noted where an index is written, so that a later run knows whom a
change concerns.

Looks are edges between nodes: the linting of a file, a function or macro whose body is read, an answer that is kept.
What a node looked at once counts for all that come to it later, so that answers may be kept as ever.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Container, Iterable, Iterator

#: (number of a file, name of what is looked at in it; "": the file itself); or (-1, a question).
Node = tuple[int, str]
#: The number that questions have in place of a file's.
ASKED = -1
#: What is looked at in a file besides functions and macros, which go by their names: what a macro stands for, in
#: the file that defines it; the numbers of a file of its own; a struct; anything else.
DEFINE, OWN, STRUCT, OUTSIDE = "#", "=", "struct ", "."


class Looks:
    """The looks of one process."""

    def __init__(self, files: Container[int]) -> None:
        """``files``: those whose calls are known by the names called; of others too little is."""
        self._files = files
        self._edges: dict[Node, set[Node]] = {}
        self._here: set[Node] = set()
        self._questions: dict[str, Node] = {}
        self._records: dict[tuple[str, int], tuple[Node, ...]] = {}

    @contextlib.contextmanager
    def into(self, file: int, name: str, callees: Iterable[str] = ()) -> Iterator[None]:
        """What is looked at inside is looked at by the node, and the node by what is around it.

        ``callees``: what a body calls that is read inside.
        """
        node = (file, name)
        around = self._here
        around.add(node)
        known = self._edges.get(node)
        if known is None:
            known = self._edges[node] = set()
        self._here = known
        if callees and file not in self._files:
            for callee in callees:
                self.meaning(callee)
        try:
            yield
        finally:
            self._here = around

    def at(self, file: int, name: str = OUTSIDE) -> None:
        """A look at a function, a macro, or what is written in a file outside of them."""
        self._here.add((file, name))

    def callers(self, name: str) -> None:
        """A question for who calls a name, or what these pass."""
        self._ask("c:" + name)

    def meaning(self, name: str) -> None:
        """A question for what a name means that is not called here."""
        self._ask("n:" + name)

    def tables(self, name: str) -> None:
        """A question for the tables that name a function."""
        self._ask("t:" + name)

    def operation(self, struct: str, member: str) -> None:
        """A question for what tables give to a member."""
        self._ask(f"o:{struct}.{member}")

    def record(self, name: str, file: int, find: Callable[[], int | None]) -> None:
        """A question of a file for the struct of a name; ``find``: in which file that is."""
        nodes = self._records.get((name, file))
        if nodes is None:
            at = find()
            nodes = ((ASKED, "r:" + name), *(((at, STRUCT + name),) if at is not None else ()))
            self._records[name, file] = nodes
        self._here.update(nodes)

    def variable(self, name: str) -> None:
        """A question for the variable at file scope of a name."""
        self._ask("g:" + name)

    def replacement(self, name: str, file: int | None) -> None:
        """A question for what an object-like macro stands for, which is defined in a file (None: nowhere)."""
        self._ask("m:" + name)
        if file is not None:
            self._here.add((file, DEFINE + name))

    def folder(self, path: str) -> None:
        """A look at all files beside one."""
        self._ask("d:" + posixpath.dirname(path))

    def _ask(self, question: str) -> None:
        node = self._questions.get(question)
        if node is None:
            node = self._questions[question] = (ASKED, question)
        self._here.add(node)

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
