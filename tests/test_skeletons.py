"""The skeletons of a state's files: what is found out of their contents, and only where somebody asks."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from gfplint import engine, passes
from gfplint.config import Options, load_settings
from gfplint.index.contents import content_key
from gfplint.skeletons import Gathered, Gatherer
from gfplint.tree import WorkTree
from tests.tree.repositories import kernel_tree, write


def _gathered(top: Path, **options: Any) -> tuple[Gatherer, Gathered]:
    state = WorkTree(top)
    gatherer = Gatherer(state, None, "", 1, None, **options)
    return gatherer, gatherer.gather(state.files())


def test_contents_have_keys_where_they_are_asked_for(tmp_path: Path) -> None:
    texts = {"a.c": b"int f(void)\n{\n\treturn 0;\n}\n", "b.c": b"int g(void)\n{\n\treturn 1;\n}\n"}
    for name, text in texts.items():
        write(tmp_path, name, text.decode())
    _, keyed = _gathered(tmp_path)
    assert keyed.keys == {name: content_key(text) for name, text in texts.items()}
    _, shared = _gathered(tmp_path, loaded={}, keyed=False)
    assert shared.keys == keyed.keys
    gatherer, plain = _gathered(tmp_path, keyed=False)
    assert plain.paths == keyed.paths and len(set(plain.keys.values())) == 1
    assert [f.functions[0].name for f in gatherer.facts(plain, plain.paths)] == ["f", "g"]


def test_garbage_is_not_looked_for_in_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_tree(tmp_path)
    write(tmp_path, "drivers/x.c", "int f(void)\n{\n\tkfree(vmalloc(8));\n\treturn 0;\n}\n")
    enabled = []
    real = passes.judged

    def judged(*arguments: Any) -> Any:
        enabled.append(gc.isenabled())
        return real(*arguments)

    monkeypatch.setattr(passes, "judged", judged)
    engine.scan(load_settings(Options(paths=(str(tmp_path),), no_cache=True), tmp_path))
    assert enabled == [False] and gc.isenabled()
