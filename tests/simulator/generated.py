"""Generated C functions, and the comparison of what the linter says of them with what the simulator sees.

A program has one struct, helpers that are called with what the callers hold, and functions that lock, branch, loop,
return early, allocate and free. Every statement stands on a line of its own, so that lines compare.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import strategies as st

from gfplint.simulator.observe import OBSERVABLES, Options, explore_program
from gfplint.simulator.program import parse
from tests.rules.harness import lint

VERSION = (6, 12)

LOCKS = (
    ("spin_lock(&d->spin{n});", "spin_unlock(&d->spin{n});"),
    ("spin_lock_bh(&d->spin{n});", "spin_unlock_bh(&d->spin{n});"),
    ("spin_lock_irqsave(&d->spin{n}, flags{n});", "spin_unlock_irqrestore(&d->spin{n}, flags{n});"),
    ("spin_lock_irq(&d->spin{n});", "spin_unlock_irq(&d->spin{n});"),
    ("read_lock(&d->rw{n});", "read_unlock(&d->rw{n});"),
    ("write_lock(&d->rw{n});", "write_unlock(&d->rw{n});"),
    ("raw_spin_lock(&d->raw{n});", "raw_spin_unlock(&d->raw{n});"),
    ("mutex_lock(&d->mutex{n});", "mutex_unlock(&d->mutex{n});"),
    ("down_read(&d->sem{n});", "up_read(&d->sem{n});"),
    ("rcu_read_lock();", "rcu_read_unlock();"),
    ("preempt_disable();", "preempt_enable();"),
    ("local_bh_disable();", "local_bh_enable();"),
    ("local_irq_save(flags{n});", "local_irq_restore(flags{n});"),
    ("scope{n} = memalloc_nofs_save();", "memalloc_nofs_restore(scope{n});"),
    ("scope{n} = memalloc_noio_save();", "memalloc_noio_restore(scope{n});"),
    ("down_write(&d->sem{n});", "up_write(&d->sem{n});"),
    ("read_lock_bh(&d->rw{n});", "read_unlock_bh(&d->rw{n});"),
    ("write_lock_irqsave(&d->rw{n}, flags{n});", "write_unlock_irqrestore(&d->rw{n}, flags{n});"),
    ("raw_spin_lock_irqsave(&d->raw{n}, flags{n});", "raw_spin_unlock_irqrestore(&d->raw{n}, flags{n});"),
    ("rcu_read_lock_bh();", "rcu_read_unlock_bh();"),
    ("rcu_read_lock_sched();", "rcu_read_unlock_sched();"),
    ("local_irq_disable();", "local_irq_enable();"),
    ("bit_spin_lock({n}, &d->bits);", "bit_spin_unlock({n}, &d->bits);"),
)
MASKS = (
    "GFP_KERNEL",
    "GFP_ATOMIC",
    "GFP_NOWAIT",
    "GFP_NOFS",
    "GFP_KERNEL | __GFP_ZERO",
    "GFP_KERNEL & ~__GFP_DIRECT_RECLAIM",
    "gfp",
)
ALLOCATIONS = (
    "d->slot{n} = kmalloc(64, {mask});",
    "d->slot{n} = kzalloc(sizeof(*d), {mask});",
    "d->slot{n} = kmem_cache_alloc(d->cache, {mask});",
    "d->slot{n} = kvmalloc(64, {mask});",
    "d->slot{n} = (void *)__get_free_page({mask});",
    "d->page = alloc_pages({mask}, 1);",
    "d->slot{n} = vmalloc(8192);",
    "vfree(d->big);",
    "kfree(d->other);",
    "helper_mask(d, {mask});",
    "helper(d);",
)
#: What allocates, and what gives it back. None of these sleeps for its mask where the mask is not to.
FAMILIES = (
    ("kmalloc(64, {mask})", "kfree({p});"),
    ("kzalloc(64, {mask})", "kfree_sensitive({p});"),
    ("kvmalloc(9 << 20, GFP_KERNEL)", "kvfree({p});"),
    ("vmalloc(8192)", "vfree({p});"),
    ("kmem_cache_alloc(d->cache, {mask})", "kmem_cache_free(d->cache, {p});"),
    ("(void *)__get_free_page({mask})", "free_page((unsigned long){p});"),
    ("alloc_pages_exact(12288, {mask})", "free_pages_exact({p}, 12288);"),
    ("__alloc_percpu_gfp(64, 8, {mask})", "free_percpu({p});"),
    ("mempool_alloc(d->pool, {mask})", "mempool_free({p}, d->pool);"),
    ("devm_kmalloc(d->dev, 64, {mask})", "devm_kfree(d->dev, {p});"),
)
PLACES = ("p{n}", "d->kept{n}")
CONDITIONS = ("a", "!a", "b", "!b", "d->ready", "!d->ready", "d->count > 3", "!(d->count > 3)")


@dataclass
class Writer:
    """Lines of one function."""

    lines: list[str] = field(default_factory=list)
    depth: int = 1
    locks: int = 0
    loops: int = 0
    labels: int = 0
    owned: int = 0

    def put(self, text: str) -> None:
        self.lines.append("\t" * self.depth + text)


#: A statement: its kind, then what that kind needs.
Block = tuple[Any, ...]

simple = st.tuples(st.just("do"), st.sampled_from(ALLOCATIONS), st.sampled_from(MASKS), st.integers(0, 3))


#: An allocation with a free, mostly its own. What a pool of unknown elements takes and gives nobody can say; what
#: kvmalloc() hands out has to go to kvfree(), though either of the others would do for one size and mask.
TELLING = [family for family in FAMILIES if "pool" not in family[0]]
pairs = st.one_of(
    st.sampled_from(FAMILIES),
    st.tuples(st.sampled_from([f[0] for f in TELLING]), st.sampled_from([f[1] for f in TELLING])).filter(
        lambda pair: "kvmalloc" not in pair[0] or "vfree" not in pair[1] or "kvfree" in pair[1]
    ),
)


def _nested(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
    body = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("lock"), st.sampled_from(LOCKS), body),
        st.tuples(st.just("maybe-lock"), st.sampled_from(LOCKS), st.sampled_from(CONDITIONS[:4]), body),
        st.tuples(st.just("if"), st.sampled_from(CONDITIONS), body, st.lists(inner, max_size=2)),
        st.tuples(st.just("while"), body),
        st.tuples(
            st.just("mask"), st.sampled_from(CONDITIONS[:4]), st.sampled_from(MASKS[:4]), st.sampled_from(MASKS[:4])
        ),
        st.tuples(st.just("drop"), body),
        st.tuples(st.just("leave"), st.sampled_from(CONDITIONS)),
        st.tuples(st.just("goto"), st.sampled_from(CONDITIONS), body),
        st.tuples(st.just("own"), pairs, st.sampled_from(MASKS), st.sampled_from(PLACES), body),
        st.tuples(
            *(st.just("either"), st.sampled_from(CONDITIONS[:4]), pairs, pairs),
            *(st.booleans(), st.sampled_from(PLACES), body),
        ),
    )


statements = st.recursive(simple, _nested, max_leaves=8)


def write(writer: Writer, block: Sequence[Block], held: tuple[str, ...] = ()) -> None:
    """Write statements; ``held``: what has to be left before a return, innermost last."""
    for kind, *rest in block:
        _WRITERS[str(kind)](writer, rest, held)


def _do(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    text, mask, number = rest
    writer.put(str(text).format(mask=mask, n=number))


def _lock(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    (enter, leave), body = rest
    number, writer.locks = writer.locks, writer.locks + 1
    writer.put(enter.format(n=number))
    write(writer, body, (*held, leave.format(n=number)))
    writer.put(leave.format(n=number))


def _maybe_lock(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    (enter, leave), condition, body = rest
    number, writer.locks = writer.locks, writer.locks + 1
    writer.put(f"if ({condition})")
    writer.put("\t" + enter.format(n=number))
    write(writer, body, (*held, f"if ({condition}) {leave.format(n=number)}"))
    writer.put(f"if ({condition})")
    writer.put("\t" + leave.format(n=number))


def _if(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    condition, body, other = rest
    writer.put(f"if ({condition}) {{")
    writer.depth += 1
    write(writer, body, held)
    writer.depth -= 1
    if other:
        writer.put("} else {")
        writer.depth += 1
        write(writer, other, held)
        writer.depth -= 1
    writer.put("}")


def _while(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    number, writer.loops = writer.loops, writer.loops + 1
    writer.put(f"while (more{number}(d)) {{")
    writer.depth += 1
    write(writer, rest[0], held)
    writer.depth -= 1
    writer.put("}")


def _mask(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    condition, first, second = rest
    writer.put(f"gfp = {condition} ? {first} : {second};")


def _drop(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    """A lock taken, dropped for what follows, and taken again."""
    number, writer.locks = writer.locks, writer.locks + 1
    writer.put(f"spin_lock(&d->spin{number});")
    writer.put(f"spin_unlock(&d->spin{number});")
    write(writer, rest[0], held)
    writer.put(f"spin_lock(&d->spin{number});")
    writer.put(f"spin_unlock(&d->spin{number});")


def _leave(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    writer.put(f"if ({rest[0]}) {{")
    for leave in reversed(held):
        writer.put("\t" + leave)
    writer.put("\treturn;")
    writer.put("}")


def _goto(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    """What follows is left out under a condition."""
    condition, body = rest
    number, writer.labels = writer.labels, writer.labels + 1
    writer.put(f"if ({condition})")
    writer.put(f"\tgoto skip{number};")
    write(writer, body, held)
    writer.put(f"skip{number}: ;")


def _own(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    """Memory is allocated, and freed in some way after something else."""
    (get, put), mask, place, body = rest
    number, writer.owned = writer.owned, writer.owned + 1
    name = place.format(n=number)
    writer.put(f"{name} = {get.format(mask=mask)};")
    free = put.format(p=name)
    write(writer, body, (*held, free))
    writer.put(free)


def _either(writer: Writer, rest: list[Any], held: tuple[str, ...]) -> None:
    """Memory comes from one of two allocators, and goes back by the same condition or by its opposite."""
    condition, (get, put), (other_get, other_put), crossed, place, body = rest
    number, writer.owned = writer.owned, writer.owned + 1
    name = place.format(n=number)
    writer.put(f"if ({condition})")
    writer.put(f"\t{name} = {get.format(mask='GFP_NOWAIT')};")
    writer.put("else")
    writer.put(f"\t{name} = {other_get.format(mask='GFP_NOWAIT')};")
    first, second = put.format(p=name), other_put.format(p=name)
    if crossed and "kvmalloc" not in get + other_get:
        first, second = second, first
    write(writer, body, (*held, f"if ({condition}) {first} else {second}"))
    writer.put(f"if ({condition})")
    writer.put(f"\t{first}")
    writer.put("else")
    writer.put(f"\t{second}")


_WRITERS = {
    "do": _do,
    "lock": _lock,
    "maybe-lock": _maybe_lock,
    "if": _if,
    "while": _while,
    "mask": _mask,
    "drop": _drop,
    "leave": _leave,
    "goto": _goto,
    "own": _own,
    "either": _either,
}

#: Callbacks: how one looks, how it is handed over, and its struct member.
CALLBACKS = (
    ("static void {name}(struct timer_list *t)", "from_timer(d, t, timer)", "timer_setup(&d->timer, {name}, 0);"),
    ("static void {name}(struct work_struct *t)", "container_of(t, struct d, work)", "INIT_WORK(&d->work, {name});"),
    (
        "static void {name}(struct tasklet_struct *t)",
        "from_tasklet(d, t, tasklet)",
        "tasklet_setup(&d->tasklet, {name});",
    ),
    ("static void {name}(struct rcu_head *t)", "container_of(t, struct d, rcu)", "call_rcu(&d->rcu, {name});"),
    ("static irqreturn_t {name}(int irq, void *t)", "t", 'request_irq(d->count, {name}, 0, "d", d);'),
)

_COUNT = 12
_HEAD = [
    "struct d {",
    *(
        f"\tspinlock_t spin{n}; raw_spinlock_t raw{n}; rwlock_t rw{n}; "
        f"struct mutex mutex{n}; struct rw_semaphore sem{n}; void *kept{n};"
        for n in range(_COUNT)
    ),
    "\tvoid *slot0, *slot1, *slot2, *slot3, *big, *other;",
    "\tstruct page *page; struct kmem_cache *cache; int ready, count; unsigned long bits; mempool_t *pool;",
    "\tstruct timer_list timer; struct work_struct work; struct tasklet_struct tasklet; struct rcu_head rcu;",
    "\tstruct device *dev;",
    "};",
    "int more0(struct d *d), more1(struct d *d), more2(struct d *d);",
]
_LOCALS = [f"\tunsigned long flags{n}; unsigned int scope{n}; void *p{n};" for n in range(_COUNT)]
#: Frees, and what reports a wrong one.
FREES = re.compile(
    r"\b(?:kfree|kfree_sensitive|kvfree|vfree|kmem_cache_free|free_page|free_pages_exact|free_percpu|mempool_free|devm_kfree)\("
)


def _simple(draw: st.DrawFn, count: int, *, mask: bool) -> list[str]:
    """A few plain statements without calls of helpers."""
    writer = Writer()
    plain = simple.filter(lambda s: "helper" not in s[1] and (mask or s[2] != "gfp"))
    write(writer, draw(st.lists(plain, min_size=1, max_size=count)))
    return writer.lines


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A program as text."""
    lines = list(_HEAD)
    lines += ["static void helper(struct d *d)", "{", *_simple(draw, 2, mask=False), "}"]
    lines += ["static void helper_mask(struct d *d, gfp_t gfp)", "{", *_simple(draw, 2, mask=True), "}"]
    given = []
    for number, (head, owner, hand) in enumerate(draw(st.lists(st.sampled_from(CALLBACKS), max_size=2, unique=True))):
        name = f"on_event{number}"
        body = Writer()
        write(body, draw(st.lists(simple.filter(lambda s: s[2] != "gfp"), min_size=1, max_size=1)))
        result = ["\treturn IRQ_HANDLED;"] if "irqreturn" in head else []
        lines += [head.format(name=name), "{", f"\tstruct d *d = {owner};", *body.lines, *result, "}"]
        given.append("\t" + hand.format(name=name))
    main = Writer()
    write(main, draw(st.lists(statements, min_size=1, max_size=4)))
    if max(main.locks, main.owned) > _COUNT or main.loops > 3:
        main.lines = main.lines[:0]
    start = ["void entry(struct d *d, int a, int b)", "{", "\tgfp_t gfp = GFP_KERNEL;", *_LOCALS]
    lines += [*start, *given, *main.lines, "}"]
    return "\n".join(lines) + "\n"


#: Taking these where sleeping is a defect is one, but none of memory allocation.
SLEEPING_LOCK = re.compile(r"\b(?:mutex_lock|down_read|down_write|request_irq)\(")
#: The rules compared, with the observable that each of the group is about.
GROUPS = {
    "sleep-fault": frozenset({"GFP101", "GFP102", "GFP103"}),
    "bad-free": frozenset({"GFP401", "GFP402", "GFP404"}),
}


#: What explains a finding but asks for none: sizes are for a rule of their own.
EXCUSES = frozenset({"wrong-size"})


class Seen(NamedTuple):
    """What one run of a program showed: for each group the places, outermost line first, with the kind."""

    places: dict[str, dict[tuple[int, ...], str]]
    complete: bool


def observed(text: str) -> Seen:
    """All that the simulator sees of the groups."""
    lines = text.split("\n")
    places: dict[str, dict[tuple[int, ...], str]] = {group: {} for group in GROUPS}
    options = Options(failures=False, survive=True, max_paths=256)
    for run in explore_program(parse(text.encode()), options, None, VERSION):
        if run.truncated or run.abandoned:
            return Seen(places, False)
        for item in run.observations:
            line, stack = lines[item.line - 1], tuple(line for _, line in item.stack)
            for group in GROUPS:
                if item.kind in OBSERVABLES[group] and about(group, item.kind, line):
                    places[group][stack] = item.kind
    return Seen(places, True)


def about(group: str, kind: str, line: str) -> bool:
    """Whether an observation at this line is one of the group's: the kinds of groups overlap."""
    if group == "bad-free":
        return kind != "bug-on" and bool(FREES.search(line))
    return not SLEEPING_LOCK.search(line)


def disagreement(text: str) -> str:
    """Where linter and simulator differ on a program; "" where they agree."""
    findings = lint(text, VERSION)
    seen = observed(text)
    if not seen.complete:
        return ""
    for group, rules in GROUPS.items():
        found = {f.line: f.rule for f in findings if f.rule in rules}
        if why := _difference(found, seen.places[group], text.split("\n")):
            return why
    return ""


def _difference(found: dict[int, str], seen: dict[tuple[int, ...], str], lines: list[str]) -> str:
    for stack, kind in seen.items():
        if kind not in EXCUSES and not found.keys() & set(stack):
            return f"{kind} at {' > '.join(f'{n}: {lines[n - 1].strip()}' for n in stack)}, no finding"
    for line, rule in sorted(found.items()):
        if not any(line in stack for stack in seen):
            return f"{rule} at {line}: {lines[line - 1].strip()}, nothing observed"
    return ""
