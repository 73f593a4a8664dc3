"""A scan from what an earlier one found says what a scan from nothing says, and lints only what a change concerns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gfplint import engine, passes, rescan
from gfplint.config import Options, load_settings
from gfplint.indexed import answered
from gfplint.report import render
from gfplint.report.presentation import Presentation
from gfplint.rules import catalogue
from tests.index.trees import edit, make
from tests.tree.repositories import write

#: Rules that a linked tree answers for.
CODES = tuple(rule.code for rule in catalogue() if answered(rule))
#: Those with which texts alone leave most functions out, until all files together make them worth a look.
FEW = ("GFP101", "GFP401", "GFP402", "GFP404")


class _Scans:
    """Scans of one tree, from what was kept of it and from nothing."""

    def __init__(self, tree: Path, cache: Path, confidence: str = "low", codes: Sequence[str] = CODES) -> None:
        self.tree = tree
        self.options = Options(
            paths=(str(tree),),
            jobs=1,
            min_confidence=confidence,
            select=tuple(codes),
            advice=True,
            cache_dir=str(cache),
        )
        engine.index(load_settings(self.options, tree))

    def kept(self) -> str:
        return self._said()

    def anew(self) -> str:
        return self._said(no_cache=True, cache_dir=None)

    def _said(self, **changes: Any) -> str:
        options = {name: getattr(self.options, name) for name in self.options.__struct_fields__} | changes
        return "".join(render("json", engine.scan(load_settings(Options(**options), self.tree)), Presentation("0")))


@pytest.fixture
def linted(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The files that each scan from what was kept linted again."""
    found: list[set[str]] = []
    lint_files = passes.lint_files

    def noted(run: Any, linker: Any, *rest: Any) -> Any:
        found.append({linker.program.paths[at] for at in rest[-1]})
        return lint_files(run, linker, *rest)

    monkeypatch.setattr(rescan, "lint_files", noted)
    return found


@pytest.mark.parametrize("codes", [CODES, FEW])
@pytest.mark.parametrize("seed", range(2))
def test_edits(tmp_path: Path, seed: int, codes: Sequence[str], linted: list[set[str]]) -> None:
    chance = random.Random(seed)
    scans = _Scans(make(tmp_path / "linux"), tmp_path / "cache", chance.choice(("low", "medium")), codes)
    done = []
    for _ in range(6):
        for _ in range(chance.choice((1, 1, 1, 2))):
            done.append(edit(scans.tree, chance))
        assert scans.kept() == scans.anew(), done
    assert linted


def test_a_function_that_nobody_looks_into_concerns_its_file_alone(tmp_path: Path, linted: list[set[str]]) -> None:
    tree = make(tmp_path / "linux")
    write(tree, "drivers/own.c", "int own(int n)\n{\n\treturn n;\n}\n")
    scans = _Scans(tree, tmp_path / "cache")
    write(tree, "drivers/own.c", "int own(int n)\n{\n\tn++;\n\treturn n;\n}\n")
    assert scans.kept() == scans.anew()
    assert linted == [{"drivers/own.c"}]


def test_who_looks_into_a_function_is_linted_again(tmp_path: Path, linted: list[set[str]]) -> None:
    scans = _Scans(make(tmp_path / "linux"), tmp_path / "cache")
    file = scans.tree / "drivers/core/deep.c"
    file.write_text("\n\n" + file.read_text())  # the lines in others' traces are others now
    before = scans.anew()
    assert scans.kept() == before
    assert {"drivers/core/deep.c", "drivers/two/use.c"} <= linted[0]
    assert "drivers/two/table.c" not in linted[0]


def test_who_looks_at_nothing_that_changed_is_not(tmp_path: Path, linted: list[set[str]]) -> None:
    scans = _Scans(make(tmp_path / "linux"), tmp_path / "cache")
    file = scans.tree / "drivers/core/deep.c"
    file.write_text(file.read_text() + "\n/* behind all that others look at */\n")
    assert scans.kept() == scans.anew()
    assert linted == [{"drivers/core/deep.c"}]


@pytest.mark.parametrize(
    ("old", "new", "concerned"),
    [
        ("RING_GFP GFP_KERNEL", "RING_GFP GFP_ATOMIC", {"drivers/two/locked.c", "drivers/one/use.c"}),
        ("void ring_free(void *p);", "void ring_free(void *p);\nvoid ring_more(int n);", set()),
        ("char *name", "char *other, *name", {"drivers/two/use.c"}),
    ],
)
def test_a_changed_header(tmp_path: Path, linted: list[set[str]], old: str, new: str, concerned: set[str]) -> None:
    scans = _Scans(make(tmp_path / "linux"), tmp_path / "cache")
    header = scans.tree / "include/linux/ring.h"
    header.write_text(header.read_text().replace(old, new))
    assert scans.kept() == scans.anew()
    assert concerned | {"include/linux/ring.h"} <= linted[0]
    assert concerned or linted[0] == {"include/linux/ring.h"}


def test_what_calls_the_kernel_from_outside_of_it_is_followed(tmp_path: Path, linted: list[set[str]]) -> None:
    scans = _Scans(make(tmp_path / "linux"), tmp_path / "cache")
    file = scans.tree / "drivers/four/tick.c"
    file.write_text("\n" + file.read_text())
    assert scans.kept() == scans.anew()
    assert "drivers/five/use.c" not in linted[0]
    deep = scans.tree / "drivers/core/deep.c"
    deep.write_text(deep.read_text().replace("inner(n)", "kmalloc(n, GFP_ATOMIC)"))
    assert scans.kept() == scans.anew()
    assert "drivers/five/use.c" in linted[1]


def test_another_header_is_everybody_s(tmp_path: Path, linted: list[set[str]]) -> None:
    scans = _Scans(make(tmp_path / "linux"), tmp_path / "cache")
    write(scans.tree, "include/linux/more.h", "#define MORE 1\n")
    assert scans.kept() == scans.anew()
    assert linted == []
    other = scans.tree / "drivers/core/new.c"  # what was found after it is kept in its turn
    other.write_text("\n" + other.read_text())
    assert scans.kept() == scans.anew()
    assert "drivers/core/new.c" in linted[0]


_SHOP = "struct bolt {\n\tint id;\n};\nstruct nut {\n\tint id;\n};\nextern struct kmem_cache *bolts, *nuts;\n"
_MADE = "{type} *{type}_new(void)\n{{\n\treturn kmem_cache_alloc({cache}, GFP_KERNEL);\n}}\n"
_DROPPED = "void bolt_drop(struct bolt *bolt)\n{\n\tkmem_cache_free(nuts, bolt);\n}\n"


def _shop(tree: Path, name: str, text: str) -> None:
    write(tree, f"drivers/shop/{name}", f'#include "shop.h"\n{text}')


def test_which_objects_come_from_a_cache_concerns_the_frees_of_others(tmp_path: Path) -> None:
    tree = make(tmp_path / "linux")
    _shop(tree, "shop.h", _SHOP)
    _shop(tree, "drop.c", _DROPPED)
    _shop(tree, "bolt.c", "struct " + _MADE.format(type="bolt", cache="bolts"))
    _shop(tree, "nut.c", "struct " + _MADE.format(type="nut", cache="nuts"))
    scans = _Scans(tree, tmp_path / "cache")
    assert "GFP402" in scans.kept()
    for cache in ("bolts", "nuts", "others", "nuts"):
        _shop(tree, "nut.c", "struct " + _MADE.format(type="nut", cache=cache))
        said = scans.kept()
        assert said == scans.anew()
        assert ("GFP402" in said) is (cache != "others")
    _shop(tree, "bolt.c", "struct " + _MADE.format(type="bolt", cache="nuts"))
    said = scans.kept()
    assert said == scans.anew()
    assert "GFP402" not in said


def test_texts_of_callees_of_callees_are_looked_at(tmp_path: Path, linted: list[set[str]]) -> None:
    tree = make(tmp_path / "linux")
    keeping = "void %s(char *p)\n{\n\tchar *q = vmalloc(8);\n\t%s(p);\n\tvfree(q);\n}\n"
    write(tree, "drivers/keep/inner.c", keeping % ("keep_inner", "keep_use"))
    write(tree, "drivers/keep/outer.c", keeping % ("keep_outer", "keep_inner"))
    for name in "ab":  # what the second hears of is known from the first
        text = f"void keep_{name}(void)\n{{\n\tchar *p = kmalloc(8, GFP_KERNEL);\n\tkeep_outer(p);\n\tkfree(p);\n}}\n"
        write(tree, f"drivers/keep/{name}.c", text)
    scans = _Scans(tree, tmp_path / "cache", codes=FEW)
    assert "drivers/keep" not in scans.kept()
    write(tree, "drivers/keep/inner.c", "void keep_inner(char *p)\n{\n\tvfree(p);\n}\n")
    said = scans.kept()
    assert said == scans.anew()
    assert "drivers/keep/a.c" in said
    assert {"drivers/keep/a.c", "drivers/keep/b.c"} <= linted[-1]


def test_what_tells_of_the_kernel_may_be_no_source(tmp_path: Path, linted: list[set[str]]) -> None:
    tree = make(tmp_path / "linux")
    config = write(tree, "init/Kconfig", "config CC_HAS_COUNTED_BY\n\tbool\n")
    scans = _Scans(tree, tmp_path / "cache")
    config.write_text("")
    assert scans.kept() == scans.anew()
    assert linted == []
