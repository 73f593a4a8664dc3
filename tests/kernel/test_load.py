"""The tables: what they hold, and how a kernel's rows are picked."""

from __future__ import annotations

import msgspec
import pytest

from gfplint.kernel.callbacks import load_callbacks, load_entry_points, with_callbacks
from gfplint.kernel.load import load, make
from gfplint.kernel.model import Allocator, Kernel, Row
from gfplint.kernel.probe import NEWEST, probe_names, probes_of
from gfplint.kernel.tables import TableError, holds, parse_version, read_table, rows

VERSIONS = ((4, 19), (6, 1), (6, 12), NEWEST)
TABLES = (
    "families",
    "allocators",
    "takers",
    "frees",
    "contexts",
    "context_ops",
    "guards",
    "scopes",
    "queries",
    "sleepers",
    "masks",
    "callbacks",
    "entrypoints",
)


@pytest.fixture(params=VERSIONS, ids=lambda version: f"{version[0]}.{version[1]}")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return load(request.param, probes_of(request.param))


def everything(kernel: Kernel) -> list[Row]:
    tables = (
        kernel.families,
        kernel.allocators,
        kernel.frees,
        kernel.kinds,
        kernel.context_ops,
        kernel.guards,
        kernel.scopes,
        kernel.queries,
        kernel.sleepers,
    )
    return [row for table in tables for row in table.values()]


def test_every_row_has_a_source(kernel: Kernel) -> None:
    full = with_callbacks(kernel)
    all_rows = [
        *everything(kernel),
        *full.callbacks.values(),
        *full.registrars.values(),
        *full.entries.values(),
        *full.entry_registrars.values(),
    ]
    assert [row for row in all_rows if not row.source] == []


@pytest.mark.parametrize("table", TABLES)
def test_conditions_are_known(table: str) -> None:
    for group in read_table(table):
        assert not group.get("probe") or group["probe"].removeprefix("!") in probe_names()
        for key in ("since", "until"):
            assert key not in group or parse_version(group[key]) <= NEWEST


def test_keys_are_the_names(kernel: Kernel) -> None:
    for table in (kernel.allocators, kernel.frees, kernel.context_ops, kernel.guards):
        assert [(name, row) for name, row in table.items() if row.name != name] == []


def test_families_exist_and_can_be_freed(kernel: Kernel) -> None:
    freed = {family for free in kernel.frees.values() for family in free.families}
    handed_out = {row.family for row in kernel.allocators.values()}
    assert freed <= set(kernel.families)
    assert handed_out <= set(kernel.families)
    assert {part for family in kernel.families.values() for part in family.may_be} <= set(kernel.families)
    assert {name for family in kernel.families.values() for name in family.restricts} <= set(kernel.masks)
    # An object whose owner frees it has no row: sk_free() drops a reference.
    assert handed_out - freed == {"hidden", "sock"}


def test_masks_and_words_resolve(kernel: Kernel) -> None:
    for row in kernel.allocators.values():
        assert not row.default or row.default in kernel.masks, row.name
        assert row.sleeps in ("mask", "always", "never"), row.name
        assert row.error in ("null", "errptr", "int", "none"), row.name
        assert row.mask is not None or row.default, row.name
    for free in kernel.frees.values():
        assert free.sleeps in ("always", "never", "task", "task-vmalloc", "irq"), free.name
        assert {free.null, free.errptr} <= {"ok", "crash", "warn", "silent"}, free.name


def test_context_operations_pair(kernel: Kernel) -> None:
    entered = {kind for op in kernel.context_ops.values() if op.effect == "enter" for kind in op.kinds}
    left = {kind for op in kernel.context_ops.values() if op.effect == "leave" for kind in op.kinds}
    assert {op.effect for op in kernel.context_ops.values()} == {"enter", "leave"}
    assert entered == left
    assert entered <= set(kernel.kinds)
    for op in kernel.context_ops.values():
        assert op.when in ("always", "nonzero", "zero", "nonnull"), op.name
        assert not op.indirect or op.lock is not None, op.name
    for guard in kernel.guards.values():
        assert set(guard.kinds) <= entered, guard.name


def test_a_lock_that_sleeps_is_not_atomic(kernel: Kernel) -> None:
    for op in kernel.context_ops.values():
        # lock_sock_fast() may sleep first and then returns with the spin lock held.
        if op.sleeps and not op.name.startswith("lock_sock_fast"):
            assert not any(kernel.kinds[kind].atomic for kind in op.kinds), op.name


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("spin_lock", ("spin",)),
        ("spin_lock_bh", ("spin", "bh")),
        ("spin_lock_irqsave", ("spin", "lock_irq")),
        ("local_irq_save", ("irq",)),
        ("get_cpu_ptr", ("preempt",)),
        ("mutex_lock", ("mutex",)),
    ],
)
def test_some_context_operations(kernel: Kernel, name: str, kinds: tuple[str, ...]) -> None:
    assert kernel.context_ops[name].kinds == kinds


def test_what_oracle_and_locktypes_say_of_kinds(kernel: Kernel) -> None:
    not_atomic = {
        "srcu",
        "rcu_tasks_trace",
        "pagefault",
        "migrate",
        "mutex",
        "rwsem_read",
        "percpu_rwsem_write",
        "sleepable",
    }
    atomic = {"spin", "raw_spin", "rcu", "preempt", "irq", "bh", "local_lock", "preload", "kmap_atomic", "non_block"}
    assert not [name for name in not_atomic if kernel.kinds[name].atomic]
    assert [name for name in atomic if not kernel.kinds[name].atomic] == []
    assert not kernel.kinds["spin"].raw
    assert kernel.kinds["raw_spin"].raw
    assert kernel.kinds["bh"].interrupt
    assert not kernel.kinds["lock_irq"].raw


def test_arguments_by_position() -> None:
    kernel = load((6, 12), probes_of((6, 12)))
    kcalloc = kernel.allocators["kcalloc"]
    assert (kcalloc.count, kcalloc.size, kcalloc.mask, kcalloc.zeroes) == (0, 1, 2, True)
    assert kernel.allocators["alloc_cpumask_var"].result == 0
    assert kernel.allocators["devm_krealloc"].resizes == 1
    assert (kernel.allocators["__xa_store"].drops, kernel.allocators["__xa_store"].needs) == (0, "xa_lock")
    assert kernel.allocators["idr_alloc"].drops is None
    free = kernel.frees["kmem_cache_free"]
    assert (free.cache, free.arg) == (0, 1)
    assert kernel.frees["kfree_rcu"].field == 1


def test_kvrealloc_moved_its_mask() -> None:
    assert load((6, 1), probes_of((6, 1))).allocators["kvrealloc"].mask == 3
    assert load((6, 12), probes_of((6, 12))).allocators["kvrealloc"].mask == 2
    assert load((6, 12), probes_of((6, 12)) | {"kvrealloc_4args"}).allocators["kvrealloc"].mask == 3


def test_bio_alloc_moved_its_mask() -> None:
    assert load((5, 17), probes_of((5, 17))).allocators["bio_alloc"].mask == 0
    assert load((5, 18), probes_of((5, 18))).allocators["bio_alloc"].mask == 3


def test_frees_that_do_not_sleep(kernel: Kernel) -> None:
    assert kernel.frees["kfree"].sleeps == "never"
    assert kernel.frees["vfree"].sleeps == "task"
    assert kernel.frees["kvfree"].sleeps == "task-vmalloc"
    assert kernel.frees["mempool_destroy"].sleeps == "never"
    assert kernel.frees["kmem_cache_destroy"].sleeps == "always"
    assert kernel.frees["dma_free_coherent"].sleeps == "irq"


def test_when_map_pages_came_to_run_under_rcu() -> None:
    member = ("vm_operations_struct", "map_pages")
    assert member not in load_callbacks((6, 1), probes_of((6, 1)))[0]
    assert load_callbacks((6, 12), probes_of((6, 12)))[0][member].context == "rcu"


def test_kfree_of_a_cache_object() -> None:
    assert "kmem_cache" not in load((6, 1), probes_of((6, 1))).frees["kfree"].families
    assert "kmem_cache" in load((6, 12), probes_of((6, 12))).frees["kfree"].families
    assert "kmem_cache" not in load((6, 4), probes_of((6, 4))).frees["kfree_rcu"].families


def test_obj_family_has_an_optional_mask_where_the_tree_has_it() -> None:
    assert "kmalloc_obj" not in load((6, 12), probes_of((6, 12))).allocators
    row = load((6, 12), probes_of((6, 12)) | {"kmalloc_obj"}).allocators["kzalloc_objs"]
    assert (row.mask, row.default, row.count) == (2, "GFP_KERNEL", 1)


def test_vmalloc_and_its_mask() -> None:
    assert load((6, 12), probes_of((6, 12))).allocators["__vmalloc"].sleeps == "always"
    assert load(NEWEST, probes_of(NEWEST)).allocators["__vmalloc"].sleeps == "mask"


def test_noprof_names_only_with_profiling() -> None:
    assert "kmalloc_noprof" not in load((6, 1), probes_of((6, 1))).allocators
    row = load((6, 12), probes_of((6, 12))).allocators["kmalloc_noprof"]
    assert row == msgspec.structs.replace(
        load((6, 12), probes_of((6, 12))).allocators["kmalloc"], name="kmalloc_noprof"
    )


def test_masks_of_the_tree_replace_the_built_in_ones() -> None:
    mine = frozenset({"__GFP_IO"})
    masks = load((6, 12), frozenset(), {"GFP_MINE": mine, "GFP_KERNEL": mine}).masks
    assert masks["GFP_MINE"] == masks["GFP_KERNEL"] == mine
    assert masks["GFP_NOIO"] == {"__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM"}


def test_rows_of_a_group() -> None:
    group = {"family": "kmalloc", "rows": "my_alloc: _ size gfp | zeroes node=3\n# why\n\nother\n"}
    assert list(rows([group], (6, 12), frozenset())) == [
        ("my_alloc", ["_", "size", "gfp"], {"family": "kmalloc", "zeroes": True, "node": "3"}),
        ("other", [], {"family": "kmalloc"}),
    ]


def test_a_row_may_hold_for_some_versions_alone() -> None:
    group = {"rows": "old: | until=6.1\nnew: | since=6.12\n"}
    assert [name for name, _, _ in rows([group], (6, 12), frozenset())] == ["new"]
    assert [name for name, _, _ in rows([group], (6, 0), frozenset())] == ["old"]


@pytest.mark.parametrize(
    "group",
    [
        {"rows": ["f"]},
        {"rows": 7},
        {"rows": "f: gfp", "since": "six"},
        {"rows": "f: gfp", "until": "6.x"},
        {"rows": "f: gfp | since=6"},
    ],
)
def test_a_malformed_group_is_refused(group: dict[str, object]) -> None:
    with pytest.raises(TableError):
        list(rows([group], (6, 12), frozenset()))


@pytest.mark.parametrize(
    "fields",
    [
        {"family": "kmalloc", "mask": "x"},
        {"mask": 1},
        {"family": "kmalloc", "mask": 1, "nonsense": 2},
        {"family": 3},
        {"family": "kmalloc", "hiden": True},
    ],
)
def test_a_malformed_row_is_named(fields: dict[str, object]) -> None:
    with pytest.raises(TableError, match=r"^my_alloc: "):
        make(Allocator, "my_alloc", fields)


def test_callbacks_name_contexts() -> None:
    kernel = load((6, 12), probes_of((6, 12)))
    members, registrars = load_callbacks(kernel.version, kernel.probes)
    for row in (*members.values(), *registrars.values()):
        assert row.context in kernel.kinds, row
        assert row.confidence in ("high", "medium"), row
        if row.unless:
            condition, _, context = row.unless.partition(":")
            assert condition.partition("=")[0] in ("flag", "near", "field"), row
            assert context in kernel.kinds, row


@pytest.mark.parametrize(
    ("key", "context"),
    [
        (("request_irq", 1), "hardirq"),
        (("devm_request_threaded_irq", 3), "sleepable"),
        (("timer_setup", 1), "softirq"),
        (("call_rcu", 1), "softirq"),
        (("tasklet_setup", 1), "softirq"),
        (("INIT_WORK", 1), "sleepable"),
        (("usb_fill_bulk_urb", 5), "hardirq"),
        (("hrtimer_setup", 1), "hardirq"),
    ],
)
def test_some_registrars(key: tuple[str, int], context: str) -> None:
    assert load_callbacks((6, 12), frozenset())[1][key].context == context


def test_some_members() -> None:
    members, _ = load_callbacks((6, 12), frozenset())
    assert members["blk_mq_ops", "queue_rq"].unless == "flag=BLK_MQ_F_BLOCKING:sleepable"
    assert members["gpio_chip", "get"].unless == "field=can_sleep:sleepable"
    assert members["snd_pcm_ops", "trigger"].context == "irqsoff"
    assert members["file_operations", "unlocked_ioctl"].context == "sleepable"


def test_entry_points() -> None:
    entries, registrars = load_entry_points((6, 12), frozenset())
    assert entries["file_operations", "unlocked_ioctl"].trigger == "ioctl"
    assert entries["", "capable"].trigger == "check:init_user_ns"
    assert entries["", "ns_capable"].privilege == "userns-root"
    assert registrars["genl_register_family", 0].privilege == "unprivileged"
    privileges = {row.privilege for row in (*entries.values(), *registrars.values())}
    assert privileges == {"unprivileged", "userns-root", "root", "device-node"}


def test_a_probe_counts_more_than_the_version() -> None:
    row = {"since": "6.12", "probe": "guard"}
    assert holds(row, (6, 1), frozenset({"guard"}))
    assert not holds(row, (6, 12), frozenset())
    assert holds({"probe": "!guard"}, (6, 12), frozenset())
    assert holds({"since": "6.12"}, (6, 12), frozenset())
    assert not holds({"until": "6.12"}, (6, 12), frozenset())


def test_a_row_without_its_colon_is_refused() -> None:
    with pytest.raises(TableError, match=r"folio .*colon"):
        list(rows([{"rows": "folio | source=include/linux/mm_types.h\n"}], (6, 12), frozenset()))
