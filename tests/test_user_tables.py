"""The user's rows in the kernel's tables."""

from __future__ import annotations

import msgspec
import pytest

from gfplint.kernel.load import load
from gfplint.kernel.model import (
    Allocator,
    Callback,
    ContextOp,
    EntryPoint,
    Family,
    Free,
    GuardClass,
    Query,
    Row,
    Scope,
    Sleeper,
)
from gfplint.user_tables import RowError, UserTables, with_user_tables

KERNEL = load((6, 12), frozenset({"guards"}))


def test_rows_add_to_the_kernel_and_replace_its_own() -> None:
    tables = UserTables(
        allocators=(Allocator(name="my_alloc", family="pool", mask=1), Allocator(name="kmalloc", family="pool")),
        frees=(Free(name="my_free", arg=0, families=("pool",)),),
        families=(Family(name="pool", title="pool memory", may_be=("kmalloc",)),),
        context_ops=(ContextOp(name="my_lock", effect="enter", kinds=("spin", "bh")),),
        guards=(GuardClass(name="my_guard", kinds=("spin",)),),
        sleepers=(Sleeper(name="my_wait"),),
        callbacks=(
            Callback(struct="my_ops", member="poll", context="softirq"),
            Callback(function="my_register", arg=2, context="hardirq"),
        ),
        entry_points=(
            EntryPoint(struct="my_ops", member="ioctl", trigger="ioctl"),
            EntryPoint(function="my_expose", arg=0, trigger="write"),
        ),
    )
    kernel = with_user_tables(KERNEL, tables)
    assert kernel.allocators["my_alloc"] is tables.allocators[0]
    assert kernel.allocators["kmalloc"] is tables.allocators[1]
    assert kernel.allocators["vmalloc"] is KERNEL.allocators["vmalloc"]
    assert kernel.frees["my_free"].families == ("pool",)
    assert kernel.families["pool"].may_be == ("kmalloc",)
    assert {"my_lock", "spin_lock"} <= kernel.context_ops.keys()
    assert kernel.guards["my_guard"].kinds == ("spin",)
    assert kernel.sleepers["my_wait"] == Sleeper(name="my_wait")
    assert kernel.callbacks["my_ops", "poll"].context == "softirq"
    assert kernel.registrars["my_register", 2].context == "hardirq"
    assert kernel.entries["my_ops", "ioctl"].trigger == "ioctl"
    assert kernel.entry_registrars["my_expose", 0].trigger == "write"
    assert "my_alloc" not in KERNEL.allocators


def test_nothing_changes_without_rows() -> None:
    assert with_user_tables(KERNEL, UserTables()) == KERNEL


@pytest.mark.parametrize(
    ("conditions", "there"),
    [
        ({"since": "6.12"}, True),
        ({"since": "6.13"}, False),
        ({"until": "6.12"}, False),
        ({"until": "6.13", "since": "5.4"}, True),
        ({"probe": "guards"}, True),
        ({"probe": "!guards"}, False),
        ({"probe": "guards", "since": "9.0"}, True),
    ],
)
def test_rows_hold_by_probe_and_version(conditions: dict[str, str], there: bool) -> None:
    row = msgspec.convert({"name": "my_alloc", "family": "kmalloc", **conditions}, Allocator)
    kernel = with_user_tables(KERNEL, UserTables(allocators=(row,)))
    assert ("my_alloc" in kernel.allocators) is there


@pytest.mark.parametrize(
    ("table", "row", "words"),
    [
        (
            "allocators",
            Allocator(name="f", family="kmaloc"),
            "allocators[0].family: there is no 'kmaloc'; did you mean 'kmalloc'?",
        ),
        ("frees", Free(name="f", arg=0, families=("kmalloc", "x")), "frees[0].families: there is no 'x'; known are "),
        ("families", Family(name="f", title="t", may_be=("x",)), "families[0].may_be: there is no 'x'"),
        (
            "context_ops",
            ContextOp(name="f", effect="enter", kinds=("spinn",)),
            "context-ops[0].kinds: there is no 'spinn'",
        ),
        ("guards", GuardClass(name="f", kinds=("x",)), "guards[0].kinds: there is no 'x'"),
        (
            "allocators",
            Allocator(name="f", family="kmalloc", default="GFP_KERNLE"),
            "allocators[0].default: there is no 'GFP_KERNLE'",
        ),
        ("scopes", Scope(name="f", effect="save", kind="nof"), r"scopes[0].kind: there is no 'nof'"),
        (
            "scopes",
            Scope(name="f", effect="save", kind="nofs", clears=("GFP_FS",)),
            "scopes[0].clears: there is no 'GFP_FS'",
        ),
        (
            "queries",
            Query(name="f", true_means="atomc"),
            "queries[0].true_means: there is no 'atomc'; did you mean 'atomic'?",
        ),
        ("families", Family(name="f", title="f", drops=("__GFP_X",)), r"families[0].drops: there is no '__GFP_X'"),
        ("callbacks", Callback(function="f", arg=1, context="\x1b"), r"callbacks[0].context: there is no '\x1b'"),
    ],
)
def test_rows_that_name_what_is_not(table: str, row: Row, words: str) -> None:
    with pytest.raises(RowError) as caught:
        with_user_tables(KERNEL, msgspec.structs.replace(UserTables(), **{table: (row,)}))
    assert str(caught.value).startswith(words)
