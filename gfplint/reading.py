"""Rules that read the code of functions: which functions interest them, and what they find there.

They ask no flow, so that a function costs its parse and one walk, and only where a rule that runs wants it. Whether
what they would report is reached at all they may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gfplint.analysis.environment import MEMORY
from gfplint.analysis.idioms.code import Code
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.summary import Summary
from gfplint.facts import Function, Place
from gfplint.findings import Finding
from gfplint.frontend.header import signature
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Interest, Rule, View


class Readers:
    """The rules among those that run which read code."""

    def __init__(self, rules: Sequence[Rule], kernel: Kernel) -> None:
        self.rules = tuple((rule, rule.interest(kernel)) for rule in rules if rule.interest is not None)
        self.calls = frozenset(name for _, interest in self.rules for name in interest.calls)

    def of(self, function: Function, data: Callable[[], bytes]) -> list[Rule]:
        """The rules that read a function; ``data``: the bytes of its file."""
        called = not self.calls.isdisjoint(function.callees)
        return [
            rule
            for rule, interest in self.rules
            if _interests(interest, function, called)
            and (not interest.names or any(name in data() for name in interest.names))
        ]

    def findings(self, file: int, linker: Linker, candidates: Sequence[int]) -> Iterator[Finding]:
        """What the rules find in the functions of a file. ``candidates``: those that call or name anything of note."""
        if not self.rules:
            return
        functions = linker.program.facts[file].functions
        for index in candidates:
            function = functions[index]
            if rules := self.of(function, lambda: linker.sources.raw(file).data):
                view = _view((file, index), function, linker)
                for rule in rules:
                    yield from rule.check(view)


def _interests(interest: Interest, function: Function, called: bool) -> bool:
    if called and not interest.calls.isdisjoint(function.callees):
        return True
    words = function.words
    return 0 < interest.masks <= len(words) or bool(words and not interest.words.isdisjoint(words))


def _view(fid: tuple[int, int], function: Function, linker: Linker) -> View:
    path, source = linker.program.paths[fid[0]], linker.sources.get(fid[0])
    header = signature(function.header)
    code = Code(
        path=path,
        name=function.name,
        function=function,
        signature=header,
        lower=lambda: linker.body(fid),
        kernel=linker.kernel,
        around=linker.environment(fid[0]),
        source=source,
        flow=lambda: _reached(fid, linker),
    )
    return View(Summary(function.name, path, tuple(p.name for p in header.params)), linker.kernel, code=code)


def _reached(fid: tuple[int, int], linker: Linker) -> frozenset[Place] | None:
    """The allocator calls that a function reaches on some path; None where it could not be followed to its end."""
    summary = linker.summary(fid, MEMORY)
    return frozenset(site.place for site in summary.allocs) if summary is not None and not summary.degraded else None
