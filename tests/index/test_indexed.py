"""What is said of changes from a linked tree is what all files, read and linked anew, would make us say."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import msgspec
import pytest

from gfplint import engine, indexed
from gfplint.affected import affected, users_in
from gfplint.config import Options, load_settings
from gfplint.errors import GfplintError
from gfplint.facts import FileFacts
from gfplint.index.store import Store
from gfplint.rules import catalogue
from gfplint.states import Outcome, Run, outcome_of
from gfplint.tree import Comparison, State, select, since, staged
from tests.index.trees import edit, make
from tests.tree.repositories import Repository, write

#: All rules that a linked tree can answer for.
RULES = tuple(filter(indexed.answered, catalogue()))


def _anew(run: Run, comparison: Comparison) -> tuple[Outcome, Outcome]:
    """The outcomes of both states from nothing."""
    changes = comparison.changes
    if run.settings.staged:
        only = changes.changed
    else:
        before, after = (_skeletons(run, state) for state in (comparison.before, comparison.after))
        touched = [(path, known[path]) for known in (before, after) for path in changes.changed if path in known]
        linted = {path: facts for path, facts in after.items() if run.selected.root.linted(path)}
        only = affected(users_in(linted), touched, changes.changed)
    old = outcome_of(run, comparison.before, only, changes.renamed, whole=True)
    return old, outcome_of(run, comparison.after, only, whole=True)


def _skeletons(run: Run, state: State) -> dict[str, FileFacts]:
    gatherer = run.gatherer(state)
    found = gatherer.gather(list(state.files()))
    return dict(zip(found.paths, gatherer.facts(found, found.paths), strict=True))


def _said(outcome: Outcome) -> object:
    return outcome.findings, outcome.degraded, outcome.files, outcome.skipped


def check(tree: Path, cache: Path, chance: random.Random, steps: int) -> int:
    """Edit a repository and compare; returns how often the linked tree served."""
    repository = Repository(tree)
    repository.commit()
    options = Options(paths=(str(tree),), jobs=1, cache_dir=str(cache), min_confidence=chance.choice(("low", "medium")))
    engine.index(load_settings(options, tree))
    done: list[str] = []
    served = 0
    for _ in range(steps):
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            done.append(edit(tree, chance))
        mode = chance.choice(("diff", "staged", "commit"))
        done.append(mode)
        if mode != "diff":
            repository.git("add", "-A")
        if mode == "commit":
            repository.git("commit", "-q", "--allow-empty", "-m", "more")
            continue
        changed = {"staged": True} if mode == "staged" else {"diff": "HEAD"}
        settings = load_settings(msgspec.structs.replace(options, **changed), tree)
        selected = select((str(tree),))
        comparison = staged(selected) if mode == "staged" else since(selected, "HEAD")
        store = Store(cache)
        linked = indexed.outcomes(Run(settings, selected, RULES, RULES, store), comparison)
        store.close()
        if linked is None or not comparison.changes.changed:
            continue
        served += 1
        anew = _anew(Run(settings, selected, RULES, RULES), comparison)
        assert _said(linked[1]) == _said(anew[1]), done
        assert not anew[1].findings or _said(linked[0]) == _said(anew[0]), done
    return served


@pytest.mark.parametrize("seed", [0, 5])
def test_changes_are_seen_in_the_whole_tree(tmp_path: Path, seed: int) -> None:
    assert check(make(tmp_path / "linux"), tmp_path / "cache", random.Random(seed), 8) > 0


def test_a_staged_file_is_seen_with_its_callees_elsewhere(tmp_path: Path) -> None:
    tree = make(tmp_path / "linux")
    Repository(tree).commit()
    options = Options(paths=(str(tree),), jobs=1, cache_dir=str(tmp_path / "cache"))
    engine.index(load_settings(options, tree))
    write(
        tree,
        "drivers/four/new.c",
        "#include <linux/ring.h>\nvoid f(struct ring *r)\n{\n\tspin_lock(&r->lock);\n\tr->p = ring_new(2);\n}\n",
    )
    Repository(tree).git("add", "-A")
    result = engine.scan(load_settings(msgspec.structs.replace(options, staged=True), tree))
    assert [(f.rule, f.path, f.line) for f in result.findings] == [("GFP101", "drivers/four/new.c", 5)]
    assert result.notes == (engine.CHANGED_ALONE,)


def test_an_index_that_is_not_kept_is_told(tmp_path: Path) -> None:
    tree = make(tmp_path / "linux")
    place = tmp_path / "no folder"
    place.write_text("")
    with pytest.raises(GfplintError, match=r"the index could not be kept: .*no folder"):
        engine.index(load_settings(Options(paths=(str(tree),), jobs=1, cache_dir=str(place)), tree))


def test_an_older_index_is_none_of_the_tree_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = make(tmp_path / "linux")
    settings = load_settings(Options(paths=(str(tree),), jobs=1, cache_dir=str(tmp_path / "cache")), tree)
    engine.index(settings)
    write(tree, "drivers/four/new.c", "int f(void)\n{\n\treturn 0;\n}\n")
    flush = Store.flush

    def full(store: Store) -> None:
        if store._pending["part"] or store._pending["recent"]:
            store.writable = False  # as on a full disk
        flush(store)

    monkeypatch.setattr(Store, "flush", full)
    with pytest.raises(GfplintError, match=r"the index could not be kept: .*: not written"):
        engine.index(settings)


@pytest.mark.parametrize("unseen", [False, True])
def test_what_git_does_not_follow_counts(tmp_path: Path, unseen: bool) -> None:
    tree = make(tmp_path / "linux")
    write(tree, ".gitignore", "built.c\n")
    repository = Repository(tree)
    repository.commit()
    options = Options(paths=(str(tree),), jobs=1, cache_dir=str(tmp_path / "cache"), diff="HEAD")
    engine.index(load_settings(msgspec.structs.replace(options, diff=None), tree))
    write(tree, "drivers/four/built.c", "void *built(int n)\n{\n\tn++;\n\treturn kmalloc(n, GFP_KERNEL);\n}\n")
    (tree / "drivers/four/link.c").symlink_to("mode.c")
    if unseen:  # then git takes what somebody said for true
        file = tree / "drivers/core/deep.c"
        repository.git("update-index", "--assume-unchanged", str(file))
        file.write_text(file.read_text().replace("inner(n)", "kmalloc(n, GFP_ATOMIC)"))
    write(
        tree,
        "drivers/four/new.c",
        "#include <linux/ring.h>\nvoid f(struct ring *r)\n{\n\tspin_lock(&r->lock);\n\tr->p = built(2);\n"
        "\tr->name = ring_deep(2);\n}\n",
    )
    settings, selected = load_settings(options, tree), select((str(tree),))
    comparison = since(selected, "HEAD")
    with contextlib.closing(Store(tmp_path / "cache")) as store:
        linked = indexed.outcomes(Run(settings, selected, RULES, RULES, store), comparison)
    assert linked is not None
    assert _said(linked[1]) == _said(_anew(Run(settings, selected, RULES, RULES), comparison)[1])
    lines = [f.line for f in linked[1].findings if f.path == "drivers/four/new.c"]
    assert lines == [5] if unseen else [5, 6]
