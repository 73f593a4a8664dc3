"""Members in which memory meets a free that is not for it: near whom, and what stands too far away to be looked at."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint.analysis.evidence import Reader
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.meeting import (
    Meetings,
    MemberEvidence,
    Met,
    counts,
    differing,
    refuting,
    related,
    scattered,
    touching,
)
from tests.rules.harness import lint_all, program_of

CARD = {"include/sound/card.h": "struct card { int n; void *mixer; };\n"}
MIXER = "include/sound/card.h:card.mixer"
HEAD = "#include <sound/card.h>\n"
MADE = HEAD + "void card_%s(struct card *card)\n{\n\tcard->mixer = %s;\n}\n"
DROPPED = HEAD + "void card_drop(struct card *card)\n{\n\tkfree(card->mixer);\n}\n"
NEAR = {**CARD, "sound/core/make.c": MADE % ("make", "vmalloc(30)"), "sound/core/drop.c": DROPPED}


def _found(**more: str) -> list[tuple[str, str]]:
    return _told(NEAR | {path.replace("__", "/") + ".c": text for path, text in more.items()})


def _told(files: dict[str, str]) -> list[tuple[str, str]]:
    """What is found where no other rule makes functions worth a look."""
    return [(finding.rule, finding.path) for finding in lint_all(files, only=("GFP401",))]


def test_a_struct_of_the_whole_tree_is_told_of_by_its_own_folder() -> None:
    assert _found() == [("GFP401", "sound/core/drop.c")]


@pytest.mark.parametrize("value", ["kmalloc(30, GFP_ATOMIC)", "vmalloc(30)"])
def test_not_where_others_store_there_that_stand_far_away(value: str) -> None:
    assert _found(sound__usb__make=MADE % ("usb", value)) == []


def test_what_others_store_is_looked_at_only_where_it_may_be_told_of() -> None:
    """A struct of another subsystem: each file frees its own there."""
    _, linker = program_of(NEAR)
    evidence = {
        "sound/core/make.c": MemberEvidence(0, MIXER, ("vmalloc",)),
        "sound/core/drop.c": MemberEvidence(0, MIXER, free="kfree"),
    }

    def near(files: dict[str, MemberEvidence]) -> tuple[str, ...] | None:
        meetings = Meetings(sorted(files).__getitem__, linker.kernel, Reader(linker.kernel))
        found = [(at, [files[path]]) for at, path in enumerate(sorted(files))]
        met = meetings.members(found).get(MIXER)
        return met.near if met is not None else None

    other = MemberEvidence(0, MIXER, ("kmalloc",))
    assert near(evidence) == ("sound/core",)
    assert near(evidence | {"sound/core/more/b.c": other}) == ("sound/core",)
    nobodys = near(evidence | {"sound/usb/b.c": other})
    assert nobodys is not None
    assert not any(counts(path, nobodys) for path in ("sound/core/make.c", "sound/core/drop.c", "sound/usb/b.c"))
    away = {"sound/core/make.c": evidence["sound/core/make.c"], "sound/usb/b.c": evidence["sound/core/drop.c"]}
    assert near(away) is None


def test_of_the_struct_of_another_subsystem_each_file_frees_its_own() -> None:
    _, linker = program_of(NEAR)
    own = [MemberEvidence(0, MIXER, ("vmalloc",)), MemberEvidence(1, MIXER, free="kfree")]
    paths = ("net/a/a.c", "net/a/b.c")
    meetings = Meetings(paths.__getitem__, linker.kernel, Reader(linker.kernel))
    near = meetings.members([(0, own), (1, own[:1])])[MIXER].near
    assert [counts(path, near) for path in paths] == [True, False]


@functools.cache
def _linker() -> Linker:
    return program_of(NEAR)[1]


SOME = st.sampled_from(
    [
        MemberEvidence(function, member, families, free, sure=sure)
        for function in (0, 1)
        for member in (MIXER, "mixer", "sound/core/a.h:card.mixer", "*sound/core/a.h:card", "=card")
        for families, free, sure in (
            ((), "", ""),
            (("vmalloc",), "", ""),
            (("kmalloc",), "", ""),
            ((), "kfree", ""),
            ((), "vfree", ""),
            *([(("kmalloc",), "", "kmalloc"), ((), "", "?")] if member[0] == "*" else []),
        )
    ]
)
ALL = st.lists(st.lists(SOME, max_size=4), min_size=4, max_size=4)


@settings(max_examples=300, deadline=None)
@given(ALL, ALL)
def test_members_of_which_nothing_else_is_told_are_as_they_were(
    before: list[list[MemberEvidence]], after: list[list[MemberEvidence]]
) -> None:
    paths = ("include/sound/card.h", "sound/core/a.c", "sound/core/b.c", "net/a.c")
    meetings = Meetings(paths.__getitem__, _linker().kernel, Reader(_linker().kernel))
    names = set[str]().union(*map(differing, before, after))
    known = meetings.members(enumerate(before))
    assert meetings.again(known, enumerate(after), names) == meetings.members(enumerate(after))


@pytest.mark.parametrize(
    ("header", "path", "known"),
    [
        ("drivers/a/card.h", "drivers/a/b/drop.c", True),
        ("drivers/a/include/card.h", "drivers/a/drop.c", True),
        ("drivers/a/card.h", "drivers/b/drop.c", False),
        ("arch/x/include/asm/card.h", "arch/x/kernel/drop.c", True),
        ("include/linux/card.h", "drivers/b/drop.c", True),
    ],
)
def test_who_names_a_member_alone_means_one_whose_struct_it_may_know(header: str, path: str, known: bool) -> None:
    _, linker = program_of(NEAR)
    paths = (header, path)
    member = f"{header}:card.buf"
    evidence = [
        (0, [MemberEvidence(0, member, ("vmalloc",))]),
        (1, [MemberEvidence(0, "buf", free="kfree"), MemberEvidence(0, member, ("vmalloc",))]),
    ]
    meetings = Meetings(paths.__getitem__, linker.kernel, Reader(linker.kernel))
    assert (member in meetings.members(evidence)) is known


def test_elements_go_by_the_name_of_what_holds_them() -> None:
    head = "#include <sound/many.h>\n"
    files = {
        "include/sound/many.h": "struct many { int n; void *parts[4]; };\n",
        "sound/core/make.c": head + "void make(struct many *many)\n{\n\tmany->parts[1] = vmalloc(30);\n}\n",
        "sound/core/drop.c": head + "void drop(struct many *many, int i)\n{\n\tkfree(many->parts[i]);\n}\n",
    }
    assert _told(files) == [("GFP401", "sound/core/drop.c")]
    files["sound/usb/make.c"] = files["sound/core/make.c"].replace("make(", "usb_make(")
    assert _told(files) == []


def test_what_a_file_stores_itself_counts_whoever_else_does() -> None:
    own = (MADE % ("own", "vmalloc(8)")) + "static void put(struct card *card)\n{\n\tkfree(card->mixer);\n}\n"
    assert ("GFP401", "sound/usb/own.c") in _found(sound__usb__own=own)


@pytest.mark.parametrize(
    ("one", "two", "near"),
    [
        ("fs/a", "fs/a", True),
        ("fs/a", "fs/b", False),
        ("fs/a", "fs/ab", False),
        ("fs/a", "fs/a/b/c", True),
        ("drivers/net/a", "drivers/net/b", False),
        ("drivers/net/a/b", "drivers/net/a/c", True),
        ("", "fs/a", False),
    ],
)
def test_folders_around_which_a_struct_may_be_shared(one: str, two: str, near: bool) -> None:
    assert related(one, two) is near
    assert related(two, one) is near


EVIDENCE = (
    MemberEvidence(0, "x.h:x.buf", ("vmalloc",)),
    MemberEvidence(1, "x.h:x.buf", free="kfree"),
    MemberEvidence(2, "buf", ("kmalloc",)),
    MemberEvidence(3, "x.h:x.buf", ("kmalloc",), open=False),
)
MEMBERS = {"x.h:x.buf": Met(("fs/a",), ("kfree",)), "buf": Met(("fs/a",), families=("kmalloc",))}


def test_who_may_refute_it_is_chosen_among_who_touches() -> None:
    assert touching("fs/a/a.c", EVIDENCE, MEMBERS) == [0, 1, 2]
    assert refuting("fs/a/a.c", EVIDENCE, MEMBERS) == [1, 2]
    assert touching("fs/b/b.c", EVIDENCE, MEMBERS) == []
    assert touching("fs/b/b.c", EVIDENCE, {"x.h:x.buf": Met()}) == [0, 1]
    assert refuting("fs/b/b.c", EVIDENCE, {"x.h:x.buf": Met(families=("kmalloc",))}) == []


@pytest.mark.parametrize(
    ("stores", "frees", "met"),
    [
        (("vmalloc",), ("kfree",), Met(frees=("kfree",))),
        (("vmalloc",), ("kfree", "kfree"), Met(families=("vmalloc",))),
        (("vmalloc",), ("kfree", "vfree"), Met(frees=("kfree",))),
        (("vmalloc", "kmalloc", "kmalloc"), ("kfree", "kfree"), Met(families=("vmalloc",))),
        (("kmalloc", "kmalloc"), ("kfree", "kfree"), None),
    ],
)
def test_the_fewer_are_looked_at_first(stores: tuple[str, ...], frees: tuple[str, ...], met: Met | None) -> None:
    member = "fs/a/x.h:x.buf"
    items = [MemberEvidence(at, member, (family,)) for at, family in enumerate(stores)]
    items += [MemberEvidence(9 + at, member, free=free) for at, free in enumerate(frees)]
    found = Meetings(lambda _: "fs/a/a.c", _linker().kernel, Reader(_linker().kernel)).members([(0, items)])
    assert found.get(member) == met
    near = {} if met is None else {"buf": Met(("fs/a",), met.frees, met.families)}
    assert {name: one for name, one in found.items() if name != member} == near


def test_what_is_scattered() -> None:
    paths = ["fs/a/a.c", "fs/b/b.c"]
    assert scattered(paths.__getitem__, [(0, EVIDENCE)], MEMBERS) == set()
    assert scattered(paths.__getitem__, [(1, EVIDENCE[:1])], MEMBERS) == {"x.h:x.buf"}
    assert "x.h:x.buf" in scattered(paths.__getitem__, [(1, EVIDENCE[2:3])], MEMBERS)  # of a struct that is not known
    assert scattered(paths.__getitem__, [(1, EVIDENCE[1:2] + EVIDENCE[3:])], MEMBERS) == set()
