"""Which functions are worth a body for their masks."""

from __future__ import annotations

import pytest

from gfplint.analysis.environment import MEMORY
from gfplint.linting import Wanted, whole_of
from gfplint.rules import catalogue
from tests.rules.harness import program_of


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("p = kmalloc(8, GFP_KERNEL);", False),
        ("p = kmalloc(8, GFP_KERNEL | GFP_DMA);", False),
        ("p = kmalloc(8, (GFP_DMA | GFP_NOWAIT) | __GFP_NOWARN);", False),
        ("p = kmalloc(8, GFP_DMA);", True),
        ("p = kmalloc(8, GFP_KERNEL | __GFP_DMA32);", True),
        ("p = alloc_page(GFP_KERNEL | __GFP_DMA32);", False),
        ("p = kmalloc(8, GFP_KERNEL | __GFP_NOFAIL);", False),
        ("p = kmalloc(8, GFP_ATOMIC | __GFP_NOFAIL);", True),
        ("p = alloc_pages(GFP_KERNEL | __GFP_NOFAIL, 4);", True),
        ("p = kmalloc(8, GFP_KERNEL | (big ? GFP_DMA : 0));", True),
        ("p = kmalloc(8, GFP_KERNEL & ~__GFP_DMA32);", True),
        ("int dma = GFP_DMA;\np = kmalloc(8, GFP_KERNEL | GFP_DMA);", True),
        ("p = mine(8, GFP_KERNEL | GFP_DMA); q = kmalloc(8, GFP_KERNEL);", True),
    ],
)
def test_masks_that_allocators_take_as_they_are_written(body: str, wanted: bool) -> None:
    program, linker = program_of({"drivers/a/a.c": f"void f(int big)\n{{\n{body}\n}}\n"}, (6, 12))
    rules = tuple(one for one in catalogue() if one.code in ("GFP501", "GFP504"))
    worth = Wanted(linker, rules, whole_of(program, linker, lambda _: True, rules, [0]), [0]).worth
    function = program.facts[0].functions[0]
    depth = worth.by_name((0, 0), function, lambda: linker.code((0, 0)))
    assert depth == (MEMORY if wanted else None)
