"""Probes: a tree's headers count more than its version."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gfplint.kernel.probe import NEWEST, probe, probe_names, probes_of

CLEANUP = b"#define DEFINE_CLASS(x) x\n#define guard(_name) CLASS(_name)\n"
SLAB_OLD = b"extern void *kvrealloc(const void *p, size_t oldsize, size_t newsize, gfp_t flags);\n"
SLAB_NEW = b"void *kvrealloc_noprof(const void *p, size_t size, gfp_t flags);\nstruct kmem_cache_args {\n\tint x;\n};\n"


def answers(files: Mapping[str, bytes], version: tuple[int, int]) -> frozenset[str]:
    return probe(files.get, version)


def test_an_empty_tree_is_judged_by_its_version() -> None:
    for version in ((4, 19), (6, 1), (6, 12), NEWEST):
        assert answers({}, version) == probes_of(version)


def test_a_backport_is_seen() -> None:
    assert "guard" not in probes_of((6, 1))
    assert "guard" in answers({"include/linux/cleanup.h": CLEANUP}, (6, 1))


def test_what_the_header_lacks_is_absent_whatever_the_version() -> None:
    assert "guard" in probes_of((6, 12))
    assert "guard" not in answers({"include/linux/cleanup.h": b"/* #define guard( was here */\n"}, (6, 12))


def test_arguments_of_kvrealloc() -> None:
    assert "kvrealloc_4args" in answers({"include/linux/slab.h": SLAB_OLD}, (6, 12))
    assert "kvrealloc_4args" not in answers({"include/linux/slab.h": SLAB_NEW}, (6, 1))
    assert "kmem_cache_args" in answers({"include/linux/slab.h": SLAB_NEW}, (6, 1))


def test_absent_pattern() -> None:
    assert "slab_kfree_any" not in answers({"mm/Kconfig": b"config SLUB\nconfig SLOB\n\tbool\n"}, (6, 12))
    assert "slab_kfree_any" in answers({"mm/Kconfig": b"config SLUB\n"}, (6, 1))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"#define GFP_NOWAIT\t(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)\n", True),
        (b"#define GFP_NOWAIT\t(__GFP_KSWAPD_RECLAIM)\n#define __GFP_NOWARN 1\n", False),
    ],
)
def test_nowait(line: bytes, expected: bool) -> None:
    assert ("nowait_includes_nowarn" in answers({"include/linux/gfp_types.h": line}, (6, 5))) is expected


def test_a_binary_header_is_no_trouble() -> None:
    names = answers({"include/linux/slab.h": bytes(range(256)) * 64}, (6, 12))
    assert names <= probe_names()
    assert "free_cleanup" not in names


def test_mainline_versions() -> None:
    assert {"kmalloc_obj", "default_gfp", "vmalloc_atomic_ok"} <= probes_of(NEWEST)
    assert not {"kmalloc_obj", "vmalloc_atomic_ok"} & probes_of((6, 12))
    assert probes_of((4, 9)) == {"gfp_atomic_bit"}
