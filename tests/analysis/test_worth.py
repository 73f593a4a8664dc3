"""Which functions are worth a body for their masks."""

from __future__ import annotations

import pytest

from gfplint.analysis.environment import MEMORY
from gfplint.analysis.holds import UNCHANGED
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.worth import Worth
from gfplint.linting import Wanted, whole_of
from gfplint.rules import catalogue
from tests.rules.harness import program_of


def _depth(worth: Worth, linker: Linker) -> int | None:
    """The depth that names make the first function worth."""
    function = linker.program.facts[0].functions[0]
    return worth.by_name((0, 0), function, frozenset(function.callees), lambda: linker.code((0, 0)))


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
    depth = _depth(worth, linker)
    assert depth == (MEMORY if wanted else None)


SPLIT = "#ifdef CONFIG_A\nspin_unlock(&x->lock);\n#endif\n"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("spin_lock(&x->lock);\nspin_unlock(&x->lock);\nvmalloc(8);", False),
        ("spin_lock(&x->lock);\n" + SPLIT + "vmalloc(8);", True),
        ("spin_lock(&x->lock);\n" + SPLIT + "#ifndef CONFIG_A\nspin_unlock(&x->lock);\n#endif\nvmalloc(8);", False),
        ("spin_lock(&x->lock);\n" + SPLIT.replace("#endif", "return;\n#endif") + "vmalloc(8);", True),
        ("spin_lock(&x->lock);\n" + SPLIT.replace("#endif", "#else\nspin_unlock(&x->lock);\n#endif"), False),
        ("vmalloc(8);\nspin_lock(&x->lock);\n" + SPLIT, False),
        ("begin_it(x);\nvmalloc(8);", False),  # the whole flow of begin_it() does not see that it always locks
        ("vmalloc(8);\nspin_lock(&x->lock);\nif (x->n)\nx->n++;\nspin_unlock(&x->lock);", False),
        (
            "while (x->n) {\nvmalloc(8);\nspin_lock(&x->lock);\n#ifdef CONFIG_A\nx->n++;\n#else\n"
            + SPLIT
            + "#endif\n}",
            True,
        ),
    ],
)
def test_directives_inside_a_region(body: str, wanted: bool) -> None:
    begins = f"void begin_it(struct x *x)\n{{\nspin_lock(&x->lock);\n{SPLIT}}}\n"
    text = f"void f(struct x *x)\n{{\n{body}\n}}\n{begins}"
    program, linker = program_of({"drivers/a/a.c": text}, (6, 12))
    rules = tuple(one for one in catalogue() if one.code in ("GFP101", "GFP102"))
    worth = Wanted(linker, rules, whole_of(program, linker, lambda _: True, rules, [0]), [0]).worth
    depth = _depth(worth, linker)
    assert depth == (0 if wanted else None)
    found = linker.summary((0, 0), 0)
    assert found is not None
    assert wanted or not found.reports
    assert linker.outcomes("begin_it", 0) != UNCHANGED


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("release(x->p);", True),
        ("x->ops->release(x->p);", False),
        ("x->ops.release(x->p);", False),
        ("x->ops->release(x->p);\nrelease(x->p);", True),
        ("x->ops->release_all(x);\nrelease (x->p);", True),
    ],
)
def test_members_that_are_called_as_a_macro_are_none(body: str, wanted: bool) -> None:
    text = f"#define release(p) kvfree(p)\nvoid f(struct x *x)\n{{\n{body}\n}}\n"
    program, linker = program_of({"drivers/a/a.c": text}, (6, 12))
    rules = tuple(one for one in catalogue() if one.code == "GFP401")
    worth = Wanted(linker, rules, whole_of(program, linker, lambda _: True, rules, [0]), [0]).worth
    depth = _depth(worth, linker)
    assert depth == (0 if wanted else None)


def test_candidates_are_told_by_what_they_call_or_say() -> None:
    files = {
        "drivers/a/a.c": "void calls(void)\n{\n\tkfree(0);\n\tg();\n}\n"
        "void masks(void)\n{\n\tg(GFP_NOWAIT);\n}\n"
        "void takes(gfp_t gfp)\n{\n\tg();\n}\n"
        "void held(struct x *x) __must_hold(&x->lock)\n{\n\tg();\n}\n"
        "void nothing(void)\n{\n\tg();\n\th();\n}\n"
        "void named(void)\n{\n\tg();\n\tread_by_name();\n}\n",
        "drivers/a/b.c": "void nothing(void)\n{\n\tg();\n}\n",
    }
    program, linker = program_of(files, (6, 12))
    rules = tuple(one for one in catalogue() if one.code == "GFP101")
    subjects = range(len(program.paths))
    worth = Wanted(linker, rules, whole_of(program, linker, lambda _: True, rules, subjects), subjects).worth
    found = worth.candidates(subjects, frozenset(("read_by_name",)))
    assert found == {0: [0, 1, 2, 3, 5], 1: []}
    assert worth.candidates([1], frozenset(("g",))) == {1: [0]}
