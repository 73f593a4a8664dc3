"""The algebra of masks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfplint.kernel.load import load
from gfplint.kernel.masks import SCOPE_CLEARS, allows_fs, allows_io, blocking, built_in_masks, effective
from gfplint.kernel.model import Mask
from gfplint.kernel.probe import probes_of

MASKS = built_in_masks((6, 12), probes_of((6, 12)))
BITS = sorted(set().union(*MASKS.values()))

some_mask = st.frozensets(st.sampled_from(BITS))
some_scopes = st.lists(st.sampled_from(["nofs", "noio", "pin", "noreclaim"]), max_size=4)


@pytest.mark.parametrize(
    "name", ["GFP_KERNEL", "GFP_KERNEL_ACCOUNT", "GFP_USER", "GFP_NOIO", "GFP_NOFS", "GFP_TRANSHUGE"]
)
def test_blocking_masks(name: str) -> None:
    assert blocking(MASKS[name])


@pytest.mark.parametrize("name", ["GFP_ATOMIC", "GFP_NOWAIT", "GFP_DMA", "GFP_DMA32", "GFP_TRANSHUGE_LIGHT"])
def test_nonblocking_masks(name: str) -> None:
    assert not blocking(MASKS[name])
    assert not allows_io(MASKS[name])
    assert not allows_fs(MASKS[name])


def test_what_reclaim_may_enter() -> None:
    assert allows_fs(MASKS["GFP_KERNEL"])
    assert allows_io(MASKS["GFP_KERNEL"])
    assert allows_io(MASKS["GFP_NOFS"])
    assert not allows_fs(MASKS["GFP_NOFS"])
    assert not allows_io(MASKS["GFP_NOIO"])


def test_scopes_give_the_legacy_masks() -> None:
    assert effective(MASKS["GFP_KERNEL"], ["nofs"]) == MASKS["GFP_NOFS"]
    assert effective(MASKS["GFP_KERNEL"], ["noio"]) == MASKS["GFP_NOIO"]
    assert effective(MASKS["GFP_KERNEL"], ["noreclaim"]) == MASKS["GFP_KERNEL"]


@given(some_mask, some_scopes)
def test_a_scope_never_adds_and_never_changes_blocking(mask: Mask, scopes: list[str]) -> None:
    inside = effective(mask, scopes)
    assert inside <= mask
    assert blocking(inside) == blocking(mask)


@given(some_mask, some_scopes)
def test_the_order_of_scopes_and_repeating_them_change_nothing(mask: Mask, scopes: list[str]) -> None:
    inside = effective(mask, scopes)
    assert effective(mask, list(reversed(scopes))) == inside
    assert effective(inside, scopes) == inside


@given(some_mask)
def test_noio_includes_nofs(mask: Mask) -> None:
    assert effective(mask, ["noio"]) <= effective(mask, ["nofs"])


def test_scope_rows_clear_what_the_algebra_clears() -> None:
    for scope in load((6, 12), probes_of((6, 12))).scopes.values():
        assert frozenset(scope.clears) == SCOPE_CLEARS.get(scope.kind, frozenset()), scope.name


def test_atomic_and_nowait_changed() -> None:
    old, new = (built_in_masks(version, probes_of(version)) for version in ((6, 1), (6, 12)))
    assert "__GFP_ATOMIC" in old["GFP_ATOMIC"]
    assert "__GFP_ATOMIC" not in new["GFP_ATOMIC"]
    assert new["GFP_NOWAIT"] - old["GFP_NOWAIT"] == {"__GFP_NOWARN"}
