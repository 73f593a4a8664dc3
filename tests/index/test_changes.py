"""What a change causes in files that it does not touch, with and without an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from gfplint import engine
from gfplint.affected import affected, users_in
from gfplint.config import Options, load_settings
from gfplint.findings import ScanResult
from gfplint.frontend.skeleton import skeleton
from tests.index.trees import make
from tests.tree.repositories import Repository, write


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Files of this very moment may change unseen, so that an index does not answer for them.
    monkeypatch.setattr("gfplint.index.contents._RACY_NS", 0)
    tree = make(tmp_path / "linux")
    # At first nothing that others call sleeps.
    write(tree, "include/linux/ring.h", (tree / "include/linux/ring.h").read_text().replace("GFP_KERNEL", "GFP_ATOMIC"))
    Repository(tree).commit()
    return tree


def scan(tree: Path, **options: str | bool) -> ScanResult:
    return engine.scan(load_settings(Options(paths=(str(tree),), jobs=1, **options), tree))  # type: ignore[arg-type]


def change(tree: Path) -> None:
    file = tree / "drivers/core/new.c"
    file.write_text(file.read_text().replace("ring_zalloc(n)", "kzalloc(n, GFP_KERNEL)"))


def paths(result: ScanResult) -> set[str]:
    return {finding.path for finding in result.findings}


def test_with_an_index_findings_elsewhere_are_shown(tree: Path) -> None:
    engine.index(load_settings(Options(paths=(str(tree),), jobs=1), tree))
    change(tree)
    result = scan(tree, diff="HEAD")
    assert "drivers/one/use.c" in paths(result)
    assert result.notes == ()


def test_old_findings_elsewhere_are_not(tree: Path) -> None:
    write(
        tree,
        "drivers/one/old.c",
        "void f(struct ring *r)\n{\n\tspin_lock(&r->lock);\n\tr->p = kmalloc(9, GFP_KERNEL);\n\tring_new(2);\n}\n",
    )
    repository = Repository(tree)
    repository.commit()
    engine.index(load_settings(Options(paths=(str(tree),), jobs=1), tree))
    change(tree)
    old = [f for f in scan(tree, diff="HEAD").findings if f.path == "drivers/one/old.c"]
    assert [f.line for f in old] == [5]


def test_without_an_index_that_is_said(tree: Path) -> None:
    change(tree)
    result = scan(tree, diff="HEAD")
    assert paths(result) == set()
    assert result.notes == (engine.NO_INDEX,)
    assert scan(tree, diff="HEAD", no_cache=True).notes == (engine.NO_INDEX,)


def test_what_is_no_part_of_the_kernel_is_not_left_out_silently(tree: Path) -> None:
    for name in ("samples/one.c", "tools/two.c", "scripts/deep/three.c", "usr/four.c", "arch/x86/boot/five.c"):
        write(tree, name, "int f(void)\n{\n\treturn 0;\n}\n")

    def said(*paths: str, **options: str | bool) -> tuple[str, ...]:
        named = tuple(str(tree / path) for path in paths)
        return engine.scan(load_settings(Options(paths=named, jobs=1, **options), tree)).notes  # type: ignore[arg-type]

    end = ": no part of the kernel itself, and not linted"
    assert said("samples/one.c", "drivers") == (f"samples/one.c{end}",)
    assert said("tools", "arch/x86/boot") == (f"arch/x86/boot/, tools/{end}",)
    assert said("", "drivers/core") == said("drivers/core/new.c") == ()
    changed = f"arch/x86/boot/five.c, samples/one.c, scripts/deep/three.c and 2 others{end}"
    assert said("", diff="HEAD") == (changed,)
    assert said("samples", diff="HEAD") == (f"samples/one.c{end}",)


@pytest.mark.parametrize("mode", [{"diff": "HEAD"}, {"staged": True}, {"diff": "HEAD", "no_cache": True}])
def test_without_an_index_the_folder_is_looked_at(tree: Path, mode: dict[str, str | bool]) -> None:
    held = "void beside(struct ring *r)\n{\n\tspin_lock(&r->lock);\n\tring_new(2);\n\tspin_unlock(&r->lock);\n}\n"
    write(tree, "drivers/core/beside.c", held)
    Repository(tree).commit()
    change(tree)
    Repository(tree).git("add", "-A")
    assert paths(scan(tree, **mode)) == {"drivers/core/beside.c"}


def test_a_hook_says_what_it_does_not_look_at(tree: Path) -> None:
    change(tree)
    Repository(tree).git("add", "-A")
    assert scan(tree, staged=True).notes == (engine.STAGED,)


def test_nothing_changed_nothing_said(tree: Path) -> None:
    assert scan(tree, diff="HEAD").notes == ()


def test_a_patch(tree: Path, tmp_path: Path) -> None:
    engine.index(load_settings(Options(paths=(str(tree),), jobs=1), tree))
    change(tree)
    patch = write(tmp_path, "change.patch", Repository(tree).git("diff"))
    Repository(tree).git("checkout", "-q", ".")
    assert "drivers/one/use.c" in paths(scan(tree, patch=str(patch)))


def test_callers_of_what_a_change_removes_are_affected() -> None:
    before = {"a.c": skeleton(b"void gone(void)\n{\n\tf();\n}\n")}
    after = {"a.c": skeleton(b"\n"), "b.c": skeleton(b"void user(void)\n{\n\tgone();\n}\n"), "c.c": skeleton(b"")}
    assert affected(users_in(after), [*before.items(), *after.items()], {"a.c"}) == {"a.c", "b.c"}
