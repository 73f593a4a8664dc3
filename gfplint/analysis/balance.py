"""Functions that plainly end every context that they begin: told from the order of their calls, and from the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager

from gfplint.analysis.deep import Deep
from gfplint.analysis.environment import annotated
from gfplint.analysis.program import FunctionId, Program, Relevance
from gfplint.analysis.regions import apart, first_of, last_of, leaves_between, straight
from gfplint.kernel.model import ContextOp, Kernel

#: Macros that expand to one another which are looked through.
_MACROS = 3
_NOBODY: frozenset[str] = frozenset()
_SCOPED = frozenset(("guard", "scoped_guard", "scoped_cond_guard"))


#: A function, or a macro of a file.
Key = FunctionId | tuple[int, str]


class Balance:
    """Which of the functions that may change their caller's context, as far as names tell, do not."""

    def __init__(
        self,
        program: Program,
        kernel: Kernel,
        relevance: Relevance,
        text: Callable[[FunctionId], str],
        balanced: Callable[[FunctionId], bool],
        conditional: Callable[[FunctionId, int, int], bool],
        looking: Callable[[int, str, Iterable[str]], AbstractContextManager[None]],
        deep: Deep,
    ) -> None:
        """``text``: the blanked code of a function's body; ``balanced``: whether its operations are so;
        ``conditional``: whether an ``#if`` or the like stands between two offsets in that code; ``looking``: notes a
        look into something of a file that calls other names.
        """
        self.conditional = conditional
        self.looking = looking
        self.balanced = balanced
        self.program = program
        self.effects = relevance.effects
        self.text = text
        self.ops = {
            name: op for name, op in kernel.context_ops.items() if any(kernel.kinds[k].atomic for k in op.kinds)
        }
        self._known: dict[Key, bool] = {}
        self._deep = deep
        self._dropping: dict[tuple[str, int], bool] = {}
        #: Of functions and macros that were looked at for it, those that they call each other with.
        self._circles: dict[Key, tuple[Key, ...]] = {}

    def name(self, name: str, file: int) -> bool:
        """Whether a call of ``name`` in a file leaves the context as it was."""
        macro = self.program.macro(name, file)
        if macro is not None and macro[1].params is not None:
            with self.looking(macro[0], name, macro[1].callees):
                key = (macro[0], name)
                return self._once(key, lambda: not self.circle(key) and self._macro(macro[1].callees, macro[0]))
        fid = self.program.resolve(name, file)
        if fid is None:
            return True
        with self.looking(fid[0], name, self.program.function(fid).callees):
            # Which of those that call each other is asked for first is all that the order of their calls would tell;
            # nor is it kept what they do: that may be about to be told.
            if self.circle(fid):
                return self._operations(fid)
            return self._once(fid, lambda: self._function(fid) or self._operations(fid))

    def drops(self, name: str, file: int) -> bool:
        """Whether ``name`` is a macro that drops a lock on the way: what it is given may run where none is held."""
        known = self._dropping.get((name, file))
        if known is None:
            known = self._dropping[name, file] = self._drops(name, file, _MACROS)
        return known

    def _drops(self, name: str, file: int, levels: int) -> bool:
        found = self.program.macro(name, file)
        if found is None or found[1].params is None or not levels:
            return False
        callees = found[1].callees
        known = [op for callee in callees if (op := self.ops.get(callee)) is not None]
        if any(op.effect == "leave" and op.lock is not None for op in known):
            return True
        return any(self._drops(callee, found[0], levels - 1) for callee in callees)

    def circle(self, key: Key) -> tuple[Key, ...]:
        """Those with which something calls itself through what may change the context, as far as names tell: in the
        same order for each of them, itself included; () where it does not.
        """
        known = self._circles.get(key)
        if known is None:
            if not self._called(key):
                known = self._circles[key] = ()
            else:
                self._find_circles(key)
                known = self._circles[key]
        return known

    def _find_circles(self, start: Key) -> None:
        """Tell of all that something may come to which of them call each other (Tarjan, see ``analysis.circles``)."""
        numbers: dict[Key, int] = {}
        lowest: dict[Key, int] = {}
        open_: list[Key] = []
        way: list[tuple[Key, Iterator[Key]]] = []

        def enter(key: Key) -> None:
            numbers[key] = lowest[key] = len(numbers)
            open_.append(key)
            way.append((key, iter(self._called(key))))

        enter(start)
        while way:
            key, callees = way[-1]
            callee = next(callees, None)
            if callee is None:
                way.pop()
                if way:
                    lowest[way[-1][0]] = min(lowest[way[-1][0]], lowest[key])
                if lowest[key] == numbers[key]:
                    at = open_.index(key)
                    circle = open_[at:]
                    del open_[at:]
                    several = len(circle) > 1 or key in self._called(key)
                    members = tuple(sorted(circle, key=_by_place)) if several else ()
                    self._circles.update(dict.fromkeys(circle, members))
            elif callee in self._circles:
                continue
            elif callee in numbers:
                lowest[key] = min(lowest[key], numbers[callee])
            else:
                enter(callee)

    def _called(self, key: Key) -> list[Key]:
        """What a function or macro calls that may change the context, as far as names tell."""
        file, which = key
        if isinstance(which, str):
            found = self.program.macro(which, file)
            callees: Iterable[str] = found[1].callees if found is not None else ()
            name = which
        else:
            function = self.program.facts[file].functions[which]
            callees, name = function.callees, function.name
        called: list[Key] = []
        with self.looking(file, name, callees):
            for callee in callees:
                if callee in self.effects and callee not in self.ops:
                    other = self._meant(callee, file)
                    if other is not None:
                        called.append(other)
        return called

    def _meant(self, name: str, file: int) -> Key | None:
        macro = self.program.macro(name, file)
        if macro is not None and macro[1].params is not None:
            with self.looking(macro[0], name, macro[1].callees):
                return macro[0], name
        fid = self.program.resolve(name, file)
        if fid is None:
            return None
        with self.looking(fid[0], name, self.program.function(fid).callees):
            return fid

    def _once(self, key: Key, compute: Callable[[], bool]) -> bool:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._deep.run(compute)
        return known

    def _macro(self, callees: Iterable[str], file: int) -> bool:
        return all(name not in self.ops and self._keeps(name, file) for name in callees)

    def _keeps(self, name: str, file: int) -> bool:
        return name not in self.effects or self.name(name, file)

    def _operations(self, fid: FunctionId) -> bool:
        return not annotated(self.program.function(fid)) and self.balanced(fid)

    def _function(self, fid: FunctionId) -> bool:
        open_kinds: dict[str, int] = {}
        ends: list[str] = []
        for name in self.program.function(fid).callees:
            op = self.ops.get(name)
            if op is None:
                if name not in _SCOPED and not self._keeps(name, fid[0]):
                    return False
            elif not _apply(op, open_kinds):
                return False
            else:
                ends.append(name)
        if any(open_kinds.values()):
            return False
        if not ends:
            return True
        code = self.text(fid)
        plain = straight(code, ends[0], ends[-1]) and not leaves_between(code, ends[0], ends[-1])
        if not plain and not apart(code, {name: self.ops[name] for name in ends}, _NOBODY, _NOBODY, plain=True):
            return False
        return not self.conditional(fid, first_of(code, ends[0]), last_of(code, ends[-1]))


def _by_place(key: Key) -> tuple[int, str]:
    return key[0], str(key[1])


def _apply(op: ContextOp, open_kinds: dict[str, int]) -> bool:
    """Count an entry or an end; False for the end of what is not open."""
    if op.effect == "enter":
        for kind in op.kinds:
            open_kinds[kind] = open_kinds.get(kind, 0) + 1
        return True
    if not open_kinds.get(op.kinds[0]):
        return False
    for kind in op.kinds:
        if open_kinds.get(kind):
            open_kinds[kind] -= 1
    return True
