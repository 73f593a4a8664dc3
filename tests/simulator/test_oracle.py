"""Agreement with a real kernel: a sample of what Linux 6.12 did; the whole file where GFPLINT_ORACLE names it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from gfplint.report import facts
from gfplint.simulator.observe import kernel_of
from gfplint.simulator.oracle import UNKNOWN, Oracle, OracleError, Row, fault_injection, read_rows, replay

OBSERVED = Path(__file__).parent / "data" / "observed.csv"

#: Cases of the sample that the simulator does not predict, and why.
KNOWN = {
    "g2-B#252": "pages beyond a slab were freed; whose they were decided how the kernel died",
    "g2-B#489": "pages beside a DMA pool's page were freed; whose they were decided what was seen later",
    "g2-D#29": "bytes of an object were taken for a struct page; what they held decided what was seen later",
    "g2-D#69": "pages beyond a slab were freed; whose they were decided what was seen later",
}


def sample() -> list[Row]:
    return read_rows(OBSERVED.read_text(encoding="utf-8").splitlines())


@pytest.fixture(scope="module")
def judge() -> Oracle:
    return Oracle()


@pytest.mark.parametrize("group", "12345")
def test_agreement_with_the_sample(judge: Oracle, group: str) -> None:
    rows = [row for row in sample() if row.group == group]
    wrong = {row.case: (row.expected, judge.predict(row)) for row in rows}
    wrong = {case: pair for case, pair in wrong.items() if pair[0] != pair[1] and case not in KNOWN}
    assert rows
    assert not wrong


def test_known_disagreements_are_still_there(judge: Oracle) -> None:
    missed = {row.case for row in sample() if row.expected != judge.predict(row)}
    assert missed == set(KNOWN)


def test_every_name_of_the_sample_is_in_the_programs(judge: Oracle) -> None:
    for row in sample():
        if row.group in "13":
            assert fault_injection(row.context.split(" memory.max=")[0])[0] in judge.tables["contexts"]
        if row.group in "14":
            assert row.call in judge.tables["calls"]
        if row.group == "2":
            assert row.context in judge.tables["allocators"]
            assert row.call in judge.tables["frees"]


def test_every_context_and_call_can_be_run(judge: Oracle) -> None:
    for context in judge.tables["contexts"]:
        assert judge.predict(Row("1", "x-A#1", context, "kmalloc", "GFP_KERNEL", "")) != UNKNOWN
    for call in judge.tables["calls"]:
        assert judge.predict(Row("1", "x-A#1", "plain", call, "GFP_KERNEL", "")) != UNKNOWN


def test_every_allocator_and_free_can_be_run(judge: Oracle) -> None:
    frees = list(judge.tables["frees"])
    for number, name in enumerate(judge.tables["allocators"]):
        for free in frees[number % 7 :: 7]:
            assert judge.predict(Row("2", "g2-A#1", name, free, "-", "")) != UNKNOWN


def test_what_cannot_be_expressed_is_said_so(judge: Oracle) -> None:
    for row in (
        Row("1", "x-A#1", "no such context", "kmalloc", "GFP_KERNEL", ""),
        Row("1", "x-A#1", "plain", "no such call", "GFP_KERNEL", ""),
        Row("1", "x-A#1", "plain", "kmalloc", "GFP_NONSENSE", ""),
        Row("9", "x-A#1", "plain", "kmalloc", "GFP_KERNEL", ""),
        Row("1", "no kernel", "plain", "kmalloc", "GFP_KERNEL", ""),
        Row("5", "x-D#1", "process", "size_", "-", ""),
    ):
        assert judge.predict(row) in (UNKNOWN, "blocking=1 fs=1 io=1 gfp_zone=Normal kmalloc_cache=kmalloc-64")


def test_predictions_do_not_read_the_class() -> None:
    rows = sample()[::40]
    blank = [Row(r.group, r.case, r.context, r.call, r.mask, "") for r in rows]
    assert [said for _, said in replay(blank).predictions] == [said for _, said in replay(rows).predictions]
    assert replay(blank).as_json()["scored"] == 0


#: Names that the sample may lack, and what the kernel's source says of them: (kernel, context, call, mask, class).
FROM_THE_SOURCE = [
    # kernel/irq_work.c: BUG_ON(!irqs_disabled()) after a callback that was scheduled away
    ("frees-A", "irq_work", "kmem_cache_destroy", "-", "crash"),
    # mm/dmapool.c, pool_alloc_page(): a struct dma_page comes first
    ("x-A", "plain[failslab probability=100]", "dma_pool_alloc", "GFP_KERNEL", "null"),
    # mm/mempool.c: VM_WARN_ON_ONCE(gfp_mask & __GFP_ZERO); an element is kept for when the slab fails
    ("x-A", "plain", "mempool_alloc", "GFP_KERNEL|__GFP_ZERO", "warn"),
    ("x-D", "plain", "mempool_alloc", "GFP_KERNEL|__GFP_ZERO", "ok"),
    ("x-A", "failslab=100%", "mempool_alloc", "GFP_NOWAIT", "ok"),
    # kernel/dma/mapping.c
    ("x-A", "plain", "dma_alloc_coherent", "GFP_KERNEL|__GFP_COMP", "warn"),
    ("x-A", "plain[fail_page_alloc probability=100]", "get_zeroed_page", "GFP_KERNEL", "null"),
    ("x-A", "plain[fail_page_alloc probability=100]", "kzalloc", "GFP_KERNEL", "ok"),
    # include/linux/slab.h: a size of 0 asks for nothing
    ("x-A", "spin_lock", "kmalloc_zero", "GFP_KERNEL", "ok"),
    # kernel/stop_machine.c: preemption and interrupts are off, and it is no interrupt
    ("x-A", "stop_machine", "vmalloc", "-", "sleep"),
    ("x-D", "stop_machine", "vmalloc", "-", "ok"),
    # kernel/smp.c: a raw wait type even without interrupts being threaded
    ("x-E", "smp_call_function_single", "kmalloc", "GFP_ATOMIC", "wait-context"),
    ("x-E", "hrtimer", "kmalloc", "GFP_ATOMIC", "ok"),
    ("x-A", "tasklet", "vfree", "-", "ok"),
    ("x-D", "tasklet", "vunmap", "-", "crash"),
    ("x-A", "rcu_work", "kmalloc", "GFP_KERNEL", "ok"),
]


@pytest.mark.parametrize(("kernel", "context", "call", "mask", "said"), FROM_THE_SOURCE)
def test_what_the_source_says(judge: Oracle, kernel: str, context: str, call: str, mask: str, said: str) -> None:
    assert judge.predict(Row("1", f"{kernel}#1", context, call, mask, "")) == said


@pytest.mark.parametrize(
    ("hold", "call", "mask", "said"),
    [
        ("mutex_trylock", "kmalloc", "GFP_KERNEL", "recursion"),  # check_prevs_add() goes on beyond trylocks
        ("mutex_trylock", "kmalloc", "GFP_NOFS", "quiet"),
        ("nofs_scope_in_queuer_only", "kmalloc", "GFP_KERNEL", "recursion"),  # the flag is the task's
        ("nofs_scope_then_mutex", "kmalloc", "GFP_KERNEL", "quiet"),
        ("unrelated_mutex", "kmalloc", "GFP_KERNEL", "quiet"),
    ],
)
def test_reclaim_from_the_source(judge: Oracle, hold: str, call: str, mask: str, said: str) -> None:
    assert judge.predict(Row("4", "x-A#1", f"prime=annot_KERNEL hold={hold}", call, mask, "")) == said


@pytest.mark.parametrize(
    ("allocator", "free", "said"),
    [
        ("stack", "kfree", "crash kasan warn warn"),  # a tail page of the stack's block: its count is 0
        ("stack", "free_pages_o0", "crash ok ok ok"),
        ("stack", "vfree", "warn warn warn warn"),
        ("kmem_cache_A", "free_pages_o1", "bad-page delayed over-free delayed"),  # PG_slab is in _mapcount's place
        ("freed:alloc_percpu_512", "free_percpu", "ok ok second-free ok"),
        ("vmalloc_16k", "kvrealloc_700+kvfree", "ok ok ok ok"),  # vrealloc() shrinks in place
        ("ERR_PTR", "free_percpu", "crash crash crash crash"),
        ("ERR_PTR", "devm_kfree", "warn warn warn warn"),
    ],
)
def test_frees_from_the_source(judge: Oracle, allocator: str, free: str, said: str) -> None:
    assert [
        judge.predict(Row("2", f"g2-{c}#1", allocator, free, "-", "")) for c in ("A", "B", "D", "Ds")
    ] == said.split()


def test_masks_and_sizes_of_group_5(judge: Oracle) -> None:
    for row in (Row("5", "x-D#1", "process", "mask", "GFP_DMA", ""), Row("5", "x-D#1", "process", "GFP_DMA", "-", "")):
        assert judge.predict(row) == "blocking=0 fs=0 io=0 gfp_zone=DMA kmalloc_cache=dma-kmalloc-64"
    size = judge.predict(Row("5", "x-D#1", "process", "size_4194305", "-", ""))
    assert size == "kmalloc=NULL kvmalloc_KERNEL=vmalloc kvmalloc_ATOMIC=NULL kmalloc_cache=large/none"


def test_suffixes_of_the_runner() -> None:
    assert fault_injection("spin_lock+failslab=100%") == ("spin_lock", True, False)
    assert fault_injection("plain[fail_page_alloc probability=100]") == ("plain", False, True)
    assert fault_injection("mem_exhausted+spin_lock") == ("mem_exhausted+spin_lock", False, False)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", 'group,case,context,call,mask\n"' + "x" * 200_000 + '"\n'])
def test_files_that_are_no_oracle(text: str) -> None:
    with pytest.raises(OracleError):
        read_rows(text.splitlines())


@pytest.mark.corpus
@pytest.mark.skipif("GFPLINT_ORACLE" not in os.environ, reason="GFPLINT_ORACLE names no oracle file")
def test_agreement_with_the_whole_oracle() -> None:
    with Path(os.environ["GFPLINT_ORACLE"]).open(encoding="utf-8") as file:
        result = replay(read_rows(file)).as_json()
    assert {
        group: counts["agree"] >= 0.99 * counts["scored"] for group, counts in result["groups"].items()
    } == dict.fromkeys("12345", True)
    assert Counter(p["class"] for p in result["predictions"])[UNKNOWN] == 0


@pytest.mark.corpus
@pytest.mark.skipif("GFPLINT_ORACLE" not in os.environ, reason="GFPLINT_ORACLE names no oracle file")
def test_facts_cite_cases_that_were_observed() -> None:
    with Path(os.environ["GFPLINT_ORACLE"]).open(encoding="utf-8") as file:
        cases = {row.case for row in read_rows(file)}
    cited = {(table, name): row.oracle for table, name, row in facts.every(kernel_of((6, 12))) if row.oracle}
    assert len(cited) > 150
    assert {fact: case for fact, case in cited.items() if case not in cases} == {}
