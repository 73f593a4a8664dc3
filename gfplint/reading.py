"""Rules that read the code of functions: which functions interest them, and what they find there.

They ask no flow, so that a function costs its parse and one walk, and only where a rule that runs wants it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.summary import Summary
from gfplint.facts import Function
from gfplint.findings import Finding
from gfplint.frontend.header import signature
from gfplint.kernel.model import Kernel
from gfplint.ruleset import Rule, View


class Readers:
    """The rules among those that run which read code."""

    def __init__(self, rules: Sequence[Rule], kernel: Kernel) -> None:
        pairs = [(rule, rule.interest(kernel)) for rule in rules if rule.interest is not None]
        self.rules = tuple(rule for rule, _ in pairs)
        self.calls = frozenset(name for _, interest in pairs for name in interest.calls)
        self.masks = min((interest.masks for _, interest in pairs if interest.masks), default=0)

    def wants(self, function: Function) -> bool:
        """Whether a rule reads this function."""
        return not self.calls.isdisjoint(function.callees) or 0 < self.masks <= len(function.words)

    def findings(self, file: int, linker: Linker) -> Iterator[Finding]:
        """What the rules find in the functions of a file."""
        if not self.rules:
            return
        for index, function in enumerate(linker.program.facts[file].functions):
            if self.wants(function):
                view = _view((file, index), function, linker)
                for rule in self.rules:
                    yield from rule.check(view)


def _view(fid: tuple[int, int], function: Function, linker: Linker) -> View:
    path, source = linker.program.paths[fid[0]], linker.sources.get(fid[0])
    header = signature(function.header)
    code = Code(
        path=path,
        name=function.name,
        function=function,
        signature=header,
        lower=lambda: linker.body(fid, source),
        kernel=linker.kernel,
        around=linker.environment(fid[0]),
        source=source,
    )
    return View(Summary(function.name, path, tuple(p.name for p in header.params)), linker.kernel, code=code)
