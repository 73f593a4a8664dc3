"""A tree as it is now, from a linked tree and the files that differ from it: nothing else is loaded ahead.

What comes out answers every question as a program, its relevance and its operations would that were built from all
files anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.program import weak_names
from gfplint.facts import FileFacts
from gfplint.index.linked import Linked
from gfplint.index.relevance import TooMuchError, Update
from gfplint.index.stored import StoredProgram, StoredRelevance
from gfplint.kernel.model import Kernel

#: Files that may differ: with more, everything is better linked anew.
MAX_CHANGED = 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """One file that differs: its skeleton now and before; None where it is not there."""

    path: str
    before: FileFacts | None
    after: FileFacts | None


@dataclass(frozen=True, slots=True)
class Present:
    """A tree as it is now. ``update``: what differs from the linked tree."""

    program: StoredProgram
    relevance: StoredRelevance
    update: Update

    def linker(self, kernel: Kernel, read: Callable[[str], bytes]) -> Linker:
        """The linker of the program; ``read``: a file's bytes by its path."""
        paths = self.program.paths
        return Linker(self.program, kernel, self.relevance, lambda at: read(paths[at]), self.update.operations)


def present(
    linked: Linked,
    kernel: Kernel,
    changes: Sequence[Change],
    linted: Callable[[str], bool],
    depth: int,
    kind: type[StoredProgram] = StoredProgram,
) -> Present | None:
    """The tree with some changes; None where these reach so far that it is better linked anew. Raises StoreError.

    ``linted``: whether a path is part of the kernel; ``depth``: as ``Relevance`` takes it; ``kind``: how the files
    see each other.
    """
    if len(changes) > MAX_CHANGED:
        return None
    paths = list(linked.meta.paths)
    number = linked.number
    added: dict[str, int] = {}
    changed: dict[int, FileFacts | None] = {}
    before: dict[int, FileFacts] = {}
    for change in changes:
        at = number.get(change.path, added.get(change.path))
        if at is None:
            at = added[change.path] = len(paths)
            paths.append(change.path)
        changed[at] = change.after
        if change.before is not None:
            before[at] = change.before
    program = kind(linked, changed, paths)
    if sorted(weak_names(program, kernel)) != linked.meta.weak or _units_differ(program, changes):
        return None
    update = Update(program, kernel, before, depth, cache(lambda at: linted(paths[at])))
    try:
        relevance = update.run()
    except TooMuchError:
        return None
    return Present(program, relevance, update)


def _units_differ(program: StoredProgram, changes: Sequence[Change]) -> bool:
    """Whether other .c files are compiled as one than before."""
    if all(c.before is not None and c.after is not None and _units(c.before) == _units(c.after) for c in changes):
        return False
    return StoredProgram(program.linked, {}, program.linked.meta.paths).units() != program.units()


def _units(facts: FileFacts) -> list[str]:
    return [name for name in facts.includes if name.endswith(".c")]
