"""Whether every way into a function is known, and each leads through process context that may sleep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from gfplint.analysis.program import FunctionId
from gfplint.analysis.written import uncalled
from gfplint.facts import Function
from gfplint.findings import Step

if TYPE_CHECKING:
    from gfplint.analysis.interprocedural import Linker

#: Callers of callers that are looked at.
MAX_DEPTH = 5
#: Callers of one function that are looked at.
MAX_CALLERS = 24
#: The context of callbacks that may sleep (contexts.toml).
_SLEEPABLE = "sleepable"
#: Defining macros of functions that a task calls (include/linux/syscalls.h).
_SYSCALLS = ("SYSCALL_DEFINE", "COMPAT_SYSCALL_DEFINE")
#: What exports the name behind it, which is read back so many characters.
_EXPORTED = re.compile(r"\bEXPORT_\w++\s*+\(\s*+\Z", re.ASCII)
_EXPORT = 100


class Callers:
    """Answers for the functions of one linked program."""

    def __init__(self, linker: Linker, contexts: frozenset[str]) -> None:
        """``contexts``: names of calls that may enter a context which forbids sleeping."""
        self.linker = linker
        self.contexts = contexts
        self._known: dict[FunctionId, tuple[Step, ...] | None] = {}
        #: How many callers of callers were looked at for steps that are known.
        self._heights: dict[FunctionId, int] = {}

    def of(self, fid: FunctionId) -> CallersOf:
        """The answers for one function."""
        return CallersOf(self, fid)

    def sleepable(self, fid: FunctionId) -> tuple[Step, ...] | None:
        """The steps from where the kernel enters to the function; None where a way is unknown or may be atomic."""
        return self._sleepable(fid, 0)

    def _sleepable(self, fid: FunctionId, depth: int) -> tuple[Step, ...] | None:
        with self.linker.looking(fid[0], f"callers({self.linker.named(fid)})"):
            return self._led_to(fid, depth)

    def _led_to(self, fid: FunctionId, depth: int) -> tuple[Step, ...] | None:
        if fid in self._known:
            # Known or not, it is too deep where it is: what is found must not depend on what was asked before.
            return self._known[fid] if depth + self._heights.get(fid, 0) <= MAX_DEPTH else None
        if depth > MAX_DEPTH:
            return None
        self._known[fid] = None  # a cycle leads nowhere
        found = self._ways(fid, depth)
        if found is None and depth:
            del self._known[fid]  # too deep here may be near enough from elsewhere
        else:
            self._known[fid] = found
        return found

    def _ways(self, fid: FunctionId, depth: int) -> tuple[Step, ...] | None:
        program = self.linker.program
        function, path = program.function(fid), program.paths[fid[0]]
        if (looks := self.linker.looks) is not None:
            looks.at(fid[0], function.name)
            looks.callers(function.name)
            looks.meaning(function.name)
            looks.tables(function.name)
        if path.endswith(".h"):
            return None
        entered = _entered_by_itself(function)
        if entered:
            self._heights[fid] = 0
            return (Step(path, function.line, 1, function.name, entered),)
        handed = self._handed(fid, function)
        if handed is None:
            return None
        ways: list[tuple[Step, ...]] = [handed] if handed else []
        callers = [c for c in self.linker.relevance.callers.get(function.name, ()) if self._calls(c, fid)]
        if len(callers) > MAX_CALLERS or self.linker.relevance.macro_callers.get(function.name):
            return None
        height = 0
        for caller in callers:
            above = program.function(caller)
            if looks is not None:
                looks.at(caller[0], above.name)
            way = self._sleepable(caller, depth + 1) if self.contexts.isdisjoint(above.callees) else None
            if way is None:
                return None
            height = max(height, self._heights[caller] + 1)
            ways.append((*way, Step(program.paths[caller[0]], above.line, 1, above.name, f"calls {function.name}()")))
        self._heights[fid] = height
        return min(ways, key=len) if ways else None

    def _calls(self, caller: FunctionId, fid: FunctionId) -> bool:
        program = self.linker.program
        return caller != fid and program.resolve(program.function(fid).name, caller[0]) in (fid, None)

    def _handed(self, fid: FunctionId, function: Function) -> tuple[Step, ...] | None:
        """Where the function is handed to the core, which calls it where it may sleep; () where it is not handed out.

        None where that context is not known to be sleepable, or where the function's name is used in another way.
        """
        steps: list[Step] = []
        named = {fid[0]: 0} if function.static else dict.fromkeys((fid[0], *self._files_naming(fid, function)), 0)
        for file in named:
            if self.linker.looks is not None:
                self.linker.looks.at(file)
            for root in self.linker.roots.of_file(file, self.linker.sources):
                if root.function != fid:
                    continue
                if root.kind != _SLEEPABLE or root.confidence != "high":
                    return None
                named[file] += 1
                steps.append(Step(root.path, root.line, root.column, root.where, root.message))
        if any(count > named[file] for file, count in self._uses(named, function)):
            return None
        return tuple(steps[:1])

    def _files_naming(self, fid: FunctionId, function: Function) -> Iterator[int]:
        """The files whose tables name a function with external linkage."""
        program = self.linker.program
        for file in self.linker.operations.files_naming(function.name):
            if program.resolve(function.name, file) == fid:
                yield file

    def _uses(self, files: dict[int, int], function: Function) -> Iterator[tuple[int, int]]:
        """How often files use the function's name otherwise than to call or declare it."""
        for file in files:
            code = self.linker.sources.get(file).code
            uses = list(uncalled(code, function.name))
            exports = sum(_EXPORTED.search(code, max(at - _EXPORT, 0), at) is not None for at in uses)
            yield file, len(uses) - exports


class CallersOf(NamedTuple):
    """What is known of the callers of one function."""

    callers: Callers
    function: FunctionId

    def sleepable(self) -> tuple[Step, ...] | None:
        """See Callers.sleepable."""
        return self.callers.sleepable(self.function)


def _entered_by_itself(function: Function) -> str:
    """Why a function is entered where it may sleep, by its header alone; "" where that does not tell."""
    if function.header.startswith(_SYSCALLS):
        return "a system call"
    if "__init " in f"{function.header} " and not function.header.startswith("static inline"):
        return "initialisation, which may sleep"
    return ""
