"""A second parser agrees: pycparser, on normalised text, finds the calls that this front end finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from pycparser import c_ast, c_parser

from gfplint.frontend.lower import body
from gfplint.frontend.normalise import normalise
from tests.frontend.trees import read, sites

_PROGRAMS = sorted((Path(__file__).parents[2] / "fixtures").rglob("*.c"))
#: Calls that normalising puts in place of what a C grammar lacks.
_OWN = ("__guard", "__cond_guard", "__class", "__cleanup", "__for_each")


class _Calls(c_ast.NodeVisitor):  # type: ignore[misc]
    def __init__(self) -> None:
        self.found: set[tuple[str, int]] = set()

    def visit_FuncCall(self, node: c_ast.FuncCall) -> None:  # noqa: N802
        if isinstance(node.name, c_ast.ID) and node.name.name not in _OWN:
            self.found.add((node.name.name, node.name.coord.line))
        self.generic_visit(node)


@pytest.mark.parametrize("path", _PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_call_sites(path: Path) -> None:
    data = path.read_bytes()
    theirs = _Calls()
    theirs.visit(c_parser.CParser().parse(normalise(data)))
    source, facts = read(data)
    ours: set[tuple[str, int]] = set()
    for function in facts.functions:
        ours |= sites(body(source, function.body, function.end))
    # The other side expands the file's own macros, and takes one arm of each conditional.
    macros = {macro.name for macro in facts.macros}
    expanded = {line for name, line in ours if name in macros}
    assert {site for site in theirs.found if site[1] not in expanded} <= ours
    if not source.conditionals(-1, len(data)):
        assert {site for site in ours if site[0] not in macros} <= theirs.found


def test_there_are_programs_to_compare() -> None:
    assert len(_PROGRAMS) > 10
