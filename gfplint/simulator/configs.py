"""Which checkers a kernel has: the five configurations of the oracle, as the mechanisms see them."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Config:
    """``preempt_rcu``: RCU readers are counted apart from preemption; ``preempt_count``: disabled preemption can be
    seen;
    ``atomic_sleep``: might_sleep() reports; ``lockdep``: lock classes, their order and wait types are checked;
    ``raw_nesting``: spinlock_t may not nest in raw locks; ``debug_vm``: page state is checked; ``debug_preempt``: the
    CPU number
    may not be asked for while preemptible; ``slub_debug``: caches check their objects; ``kasan``: invalid and second
    frees are
    reported; ``counters``: each pair is repeated and the page counters compared; ``crowded``: the frames next to a
    fresh page are in use; ``highmem``: there is memory that is not in the linear map.
    """

    name: str
    preempt_rcu: bool = False
    preempt_count: bool = True
    atomic_sleep: bool = True
    lockdep: bool = False
    raw_nesting: bool = False
    debug_vm: bool = False
    debug_preempt: bool = False
    slub_debug: bool = False
    kasan: bool = False
    counters: bool = False
    crowded: bool = False
    highmem: bool = False


_A = Config("A", preempt_rcu=True, lockdep=True, debug_vm=True, debug_preempt=True, slub_debug=True, crowded=True)
_D = Config("D", preempt_count=False, atomic_sleep=False, counters=True)

#: The oracle's kernels by letter; Ds is D booted with slab debugging.
CONFIGS: dict[str, Config] = {
    "A": _A,
    "B": Config("B", preempt_rcu=True, kasan=True),
    "C": Config("C", lockdep=True),
    "D": _D,
    "Ds": replace(_D, name="Ds", slub_debug=True, counters=False),
    "E": replace(_A, name="E", raw_nesting=True),
}

#: What programs are judged on: every checker of A, raw lock nesting, and high memory, as 32 bit machines have it.
JUDGE = replace(CONFIGS["E"], highmem=True)
