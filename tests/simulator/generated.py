"""Generated C functions, and the comparison of what the linter says of them with what the simulator sees.

A program has one struct, helpers that are called with what the callers hold, and functions that lock, branch, loop,
return early, allocate and free. Every statement stands on a line of its own, so that lines compare.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
CONDITIONS = ("a", "!a", "b", "!b", "d->ready", "!d->ready", "d->count > 3", "!(d->count > 3)")


@dataclass
class Writer:
    """Lines of one function."""

    lines: list[str] = field(default_factory=list)
    depth: int = 1
    locks: int = 0
    loops: int = 0

    def put(self, text: str) -> None:
        self.lines.append("\t" * self.depth + text)


#: A statement: its kind, then what that kind needs.
Block = tuple[Any, ...]

simple = st.tuples(st.just("do"), st.sampled_from(ALLOCATIONS), st.sampled_from(MASKS), st.integers(0, 3))


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


_WRITERS = {
    "do": _do,
    "lock": _lock,
    "maybe-lock": _maybe_lock,
    "if": _if,
    "while": _while,
    "mask": _mask,
    "drop": _drop,
    "leave": _leave,
}

_HEAD = [
    "struct d {",
    *(
        f"\tspinlock_t spin{n}; raw_spinlock_t raw{n}; rwlock_t rw{n}; "
        f"struct mutex mutex{n}; struct rw_semaphore sem{n};"
        for n in range(10)
    ),
    "\tvoid *slot0, *slot1, *slot2, *slot3, *big, *other;",
    "\tstruct page *page; struct kmem_cache *cache; int ready, count;",
    "};",
    "int more0(struct d *d), more1(struct d *d), more2(struct d *d);",
]
_LOCALS = [f"\tunsigned long flags{n}; unsigned int scope{n};" for n in range(10)]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A program as text."""
    lines = list(_HEAD)
    helper = Writer()
    write(
        helper, draw(st.lists(simple.filter(lambda s: "helper" not in s[1] and s[2] != "gfp"), min_size=1, max_size=2))
    )
    masked = Writer()
    write(masked, draw(st.lists(simple.filter(lambda s: "helper" not in s[1]), min_size=1, max_size=2)))
    lines += ["static void helper(struct d *d)", "{", *helper.lines, "}"]
    lines += ["static void helper_mask(struct d *d, gfp_t gfp)", "{", *masked.lines, "}"]
    main = Writer()
    write(main, draw(st.lists(statements, min_size=1, max_size=4)))
    lines += ["void entry(struct d *d, int a, int b)", "{", "\tgfp_t gfp = GFP_KERNEL;", *_LOCALS, *main.lines, "}"]
    return "\n".join(lines) + "\n"


#: Taking these where sleeping is a defect is one, but none of memory allocation.
SLEEPING_LOCK = re.compile(r"\b(?:mutex_lock|down_read)\(")
#: The rules compared: those whose observable is a sleep where none may be.
RULES = frozenset({"GFP101", "GFP102", "GFP103"})


def disagreement(text: str) -> str:
    """Where linter and simulator differ on a program; "" where they agree."""
    found = {f.line for f in lint(text, VERSION) if f.rule in RULES}
    kinds = OBSERVABLES["sleep-fault"]
    lines = text.split("\n")
    seen: dict[tuple[int, ...], str] = {}
    for run in explore_program(parse(text.encode()), Options(failures=False, survive=True), ("entry",), VERSION):
        if run.truncated or run.abandoned:
            return ""
        for item in run.observations:
            if item.kind in kinds and not SLEEPING_LOCK.search(lines[item.line - 1]):
                seen[tuple(line for _, line in item.stack)] = item.kind
    for stack, kind in seen.items():
        if not found & set(stack):
            return f"{kind} at {' > '.join(f'{n}: {lines[n - 1].strip()}' for n in stack)}, no finding"
    for line in sorted(found):
        if not any(line in stack for stack in seen):
            return f"finding at {line}: {lines[line - 1].strip()}, nothing observed"
    return ""
