"""Generated C programs: the same text from the same choices.

A program has one struct, helpers that are called with what the callers hold, callbacks, and a function that locks,
branches, loops, leaves early, allocates and frees. Every statement stands on a line of its own, so that lines compare.
What a program is made of depends on its profile: each asks for a group of rules and for the observables that they are
about.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

T = TypeVar("T")


class Choices(Protocol):
    """Where a program's choices come from: random numbers, or hypothesis, which can shrink what it chose."""

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` - 1; 0 is the simplest."""


class Seeded:
    """Random choices that a seed repeats."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def below(self, limit: int) -> int:
        return int(self.random.random() * limit)


@dataclass(frozen=True)
class At:
    """Where a statement stands. ``held``: what has to be left before a return, innermost last; ``loop``: how much of
    it was held where the innermost loop began, None outside loops.
    """

    held: tuple[str, ...] = ()
    loop: int | None = None

    def within(self, leave: str) -> At:
        return At((*self.held, leave), self.loop)


@dataclass
class Writer:
    """Lines of one function. ``budget``: statements that may still nest; ``spoiled``: a scope may be open still."""

    choices: Choices
    profile: Profile
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    locks: int = 0
    labels: int = 0
    loops: int = 0
    owned: int = 0
    budget: int = 10
    spoiled: bool = False

    def put(self, text: str) -> None:
        self.lines.append("\t" * self.depth + text)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.choices.below(len(options))]

    def maybe(self) -> bool:
        return self.choices.below(2) == 1

    def lock(self) -> int:
        self.locks += 1
        return self.locks - 1

    def block(self, at: At, most: int = 3) -> None:
        """A few statements, one level deeper in the program's nesting."""
        for _ in range(1 + self.choices.below(most)):
            self.statement(at)

    def braces(self, head: str, at: At, tail: str = "}") -> None:
        self.put(f"{head} {{")
        self.depth += 1
        self.block(at)
        self.depth -= 1
        self.put(tail)

    def statement(self, at: At) -> None:
        self.budget -= 1
        if self.budget <= 0 or self.depth > 5 or self.maybe():
            self.pick(self.profile.leaves)(self, at)
        else:
            self.pick(self.profile.forms)(self, at)


Form = Callable[[Writer, At], None]


@dataclass(frozen=True, eq=False)
class Profile:
    """What programs are made of, and what is compared.

    ``groups``: an observable, with the rules that report it; ``excuses``: kinds that explain a finding but ask for
    none; ``about``: what a line says that an observation has to be about; ``traced``: a finding is about the places of
    its steps, too; ``failures``: allocations may fail; ``pressure``: memory may be short; ``fixed``: what stands before
    the functions; ``statements``, ``budget``: how much a function has.
    """

    name: str
    leaves: tuple[Form, ...]
    forms: tuple[Form, ...]
    groups: Mapping[str, frozenset[str]]
    excuses: frozenset[str] = frozenset()
    about: str = ""
    traced: bool = False
    failures: bool = False
    pressure: bool = False
    helpers: bool = False
    statements: int = 4
    budget: int = 10
    fixed: str = ""

    @property
    def rules(self) -> frozenset[str]:
        return frozenset().union(*self.groups.values())


# -- locks and other contexts

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
    ("write_seqlock(&d->seq{n});", "write_sequnlock(&d->seq{n});"),
    ("get_cpu();", "put_cpu();"),
)
GUARDS = (
    "guard(spinlock)(&d->spin{n});",
    "guard(spinlock_irqsave)(&d->spin{n});",
    "guard(spinlock_bh)(&d->spin{n});",
    "guard(mutex)(&d->mutex{n});",
    "guard(raw_spinlock)(&d->raw{n});",
    "guard(rwsem_read)(&d->sem{n});",
    "guard(rcu)();",
    "guard(preempt)();",
)
SCOPED = (
    "scoped_guard(spinlock, &d->spin{n})",
    "scoped_guard(spinlock_irq, &d->spin{n})",
    "scoped_guard(mutex, &d->mutex{n})",
    "scoped_guard(rcu)",
    "scoped_guard(preempt)",
)
TRYLOCKS = (
    ("spin_trylock(&d->spin{n})", "spin_unlock(&d->spin{n});"),
    ("mutex_trylock(&d->mutex{n})", "mutex_unlock(&d->mutex{n});"),
    ("read_trylock(&d->rw{n})", "read_unlock(&d->rw{n});"),
    ("down_write_trylock(&d->sem{n})", "up_write(&d->sem{n});"),
)
CONDITIONS = ("a", "!a", "b", "!b", "d->ready", "!d->ready", "d->count > 3", "!(d->count > 3)")
#: Of those, what nothing in the program changes.
FIXED = CONDITIONS[:4]


def lock(w: Writer, at: At) -> None:
    enter, leave = w.pick(LOCKS)
    n = w.lock()
    w.put(enter.format(n=n))
    w.block(at.within(leave.format(n=n)))
    w.put(leave.format(n=n))


def maybe_lock(w: Writer, at: At) -> None:
    enter, leave = w.pick(LOCKS)
    condition, n = w.pick(FIXED), w.lock()
    w.put(f"if ({condition})")
    w.put("\t" + enter.format(n=n))
    w.block(at.within(f"if ({condition}) {leave.format(n=n)}"))
    w.put(f"if ({condition})")
    w.put("\t" + leave.format(n=n))


def trylock(w: Writer, at: At) -> None:
    enter, leave = w.pick(TRYLOCKS)
    n = w.lock()
    w.put(f"if ({enter.format(n=n)}) {{")
    w.depth += 1
    w.block(at.within(leave.format(n=n)))
    w.put(leave.format(n=n))
    w.depth -= 1
    w.put("}")


def guard(w: Writer, at: At) -> None:
    text, n = w.pick(GUARDS), w.lock()
    w.put("{")
    w.depth += 1
    w.put(text.format(n=n))
    w.block(at)
    w.depth -= 1
    w.put("}")


def scoped_guard(w: Writer, at: At) -> None:
    # It is a loop of one round: what leaves a loop would leave this one.
    w.braces(w.pick(SCOPED).format(n=w.lock()), At(at.held, None))


def drop(w: Writer, at: At) -> None:
    """A lock taken, dropped for what follows, and taken again."""
    n = w.lock()
    w.put(f"spin_lock(&d->spin{n});")
    w.put(f"spin_unlock(&d->spin{n});")
    w.block(at)
    w.put(f"spin_lock(&d->spin{n});")
    w.put(f"spin_unlock(&d->spin{n});")


# -- control flow


def branch(w: Writer, at: At) -> None:
    other = w.maybe()
    w.braces(f"if ({w.pick(CONDITIONS)})", at, "} else {" if other else "}")
    if other:
        w.depth += 1
        w.block(at, 2)
        w.depth -= 1
        w.put("}")


def loop(w: Writer, at: At) -> None:
    n, w.loops = w.loops, w.loops + 1
    inside = At(at.held, len(at.held))
    if w.maybe():
        w.braces(f"while (more{n}(d))", inside)
    elif w.maybe():
        w.braces("do", inside, f"}} while (more{n}(d));")
    else:
        w.braces(f"for (; more{n}(d); d->steps++)", inside)


def switch(w: Writer, at: At) -> None:
    w.put(f"switch (d->state{w.lock()}) {{")
    for label in ("case 1:", "case 2:", "default:")[w.choices.below(2) :]:
        w.put(label)
        w.depth += 1
        w.block(At(at.held, None), 2)
        w.put("break;")
        w.depth -= 1
    w.put("}")


def leave(w: Writer, at: At) -> None:
    w.put(f"if ({w.pick(CONDITIONS)}) {{")
    for text in reversed(at.held):
        w.put("\t" + text)
    w.put("\treturn;")
    w.put("}")


def leave_loop(w: Writer, at: At) -> None:
    if at.loop is None:
        leave(w, at)
        return
    w.put(f"if ({w.pick(CONDITIONS)}) {{")
    for text in reversed(at.held[at.loop :]):
        w.put("\t" + text)
    w.put(f"\t{w.pick(('break;', 'continue;'))}")
    w.put("}")


def skip(w: Writer, at: At) -> None:
    """What follows is left out under a condition."""
    n, w.labels = w.labels, w.labels + 1
    w.put(f"if ({w.pick(CONDITIONS)})")
    w.put(f"\tgoto skip{n};")
    w.block(at)
    w.put(f"skip{n}: ;")


# -- memory

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
#: What a pool of unknown elements takes and gives nobody can say.
TELLING = tuple(family for family in FAMILIES if "pool" not in family[0])
OTHER_CACHE = ("kmem_cache_alloc(d->store, {mask})", "kmem_cache_free(d->store, {p});")
PLACES = ("p{n}", "d->kept{n}")


def allocate(w: Writer, at: At) -> None:
    w.put(w.pick(ALLOCATIONS).format(mask=w.pick(MASKS), n=w.choices.below(4)))


def choose_mask(w: Writer, at: At) -> None:
    w.put(f"gfp = {w.pick(FIXED)} ? {w.pick(MASKS[:4])} : {w.pick(MASKS[:4])};")


def pair(w: Writer) -> tuple[str, str]:
    """An allocation with a free, mostly its own. What kvmalloc() hands out has to go to kvfree(), though either of the
    others would do for one size and mask.
    """
    if w.choices.below(3) < 2:
        return w.pick(FAMILIES)
    get, put = w.pick(TELLING)[0], w.pick((*TELLING, OTHER_CACHE))[1]
    if "kvmalloc" in get and put.startswith("vfree"):
        put = "kvfree({p});"
    return get, put


def owned(w: Writer) -> str:
    w.owned += 1
    return w.pick(PLACES).format(n=w.owned - 1)


def own(w: Writer, at: At) -> None:
    """Memory is allocated, and freed in some way after something else."""
    get, put = pair(w)
    name = owned(w)
    w.put(f"{name} = {get.format(mask=w.pick(MASKS))};")
    if w.profile.failures and w.maybe():
        leave_without(w, at, name)
    free = put.format(p=name)
    w.block(at.within(free))
    w.put(free)


def leave_without(w: Writer, at: At, name: str) -> None:
    """The usual test for failure."""
    w.put(f"if (!{name}) {{")
    for text in reversed(at.held):
        w.put("\t" + text)
    w.put("\treturn;")
    w.put("}")


def either(w: Writer, at: At) -> None:
    """Memory comes from one of two allocators, and goes back by the same condition or by its opposite."""
    condition, (get, put), (other_get, other_put) = w.pick(FIXED), pair(w), pair(w)
    name = owned(w)
    w.put(f"if ({condition})")
    w.put(f"\t{name} = {get.format(mask='GFP_NOWAIT')};")
    w.put("else")
    w.put(f"\t{name} = {other_get.format(mask='GFP_NOWAIT')};")
    first, second = put.format(p=name), other_put.format(p=name)
    # What a pool of unknown elements takes nobody can say, and kvmalloc() says nothing of where memory is.
    if w.maybe() and "kvmalloc" not in get + other_get and "pool" not in get + other_get:
        first, second = second, first
    w.block(at.within(f"if ({condition}) {first} else {second}"))
    w.put(f"if ({condition})")
    w.put(f"\t{first}")
    w.put("else")
    w.put(f"\t{second}")


def handed(w: Writer, at: At) -> None:
    """Memory goes through another pointer, a member or both before it is freed."""
    get, put = pair(w)
    first, second = owned(w), owned(w)
    w.put(f"{first} = {get.format(mask=w.pick(MASKS))};")
    w.put(f"{second} = {first};")
    free = put.format(p=second)
    w.block(at.within(free), 2)
    w.put(free)


#: Memory whose size counts, with frees that name a size.
SIZED = (
    ("(void *)__get_free_pages({mask}, {n})", ("free_pages((unsigned long){p}, {n});",)),
    ("alloc_pages({mask}, {n})", ("__free_pages({p}, {n});",)),
    ("alloc_pages_exact({n} * 4096 + 4096, {mask})", ("free_pages_exact({p}, {n} * 4096 + 4096);",)),
)


def sized(w: Writer, at: At) -> None:
    """Pages go back with the same order or another."""
    get, (put,) = w.pick(SIZED)
    order = w.choices.below(4)
    back = order if w.maybe() else w.choices.below(4)
    w.owned += 1
    page = "struct page" if get.startswith("alloc_pages(") else "void"
    name = f"{'page' if page != 'void' else 'p'}{w.owned - 1}"
    w.put(f"{name} = {get.format(mask=w.pick(MASKS), n=order)};")
    free = put.format(p=name, n=back)
    w.block(at.within(free), 2)
    w.put(free)


FLOW = (lock, maybe_lock, trylock, guard, scoped_guard, drop, branch, loop, switch, leave, leave_loop, skip)
GENERAL = Profile(
    "general",
    (allocate,),
    (*FLOW, choose_mask, own, own, either, handed, sized),
    helpers=True,
    groups={
        "sleep-fault": frozenset({"GFP101", "GFP102", "GFP103"}),
        "bad-free": frozenset({"GFP401", "GFP402", "GFP403", "GFP404", "GFP406"}),
    },
)
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
#: What the struct's members and the locals are, by how their names begin.
MEMBERS = {
    "spin": "spinlock_t {}",
    "raw": "raw_spinlock_t {}",
    "rw": "rwlock_t {}",
    "mutex": "struct mutex {}",
    "sem": "struct rw_semaphore {}",
    "seq": "seqlock_t {}",
    "kept": "void *{}",
    "slot": "void *{}",
    "big": "void *{}",
    "other": "void *{}",
    "page": "struct page *{}",
    "cache": "struct kmem_cache *{}",
    "ready": "int {}",
    "count": "int {}",
    "state": "int {}",
    "steps": "int {}",
    "bits": "unsigned long {}",
    "pool": "mempool_t *{}",
    "timer": "struct timer_list {}",
    "work": "struct work_struct {}",
    "tasklet": "struct tasklet_struct {}",
    "rcu": "struct rcu_head {}",
    "dev": "struct device *{}",
    "store": "struct kmem_cache *{}",
    "shrinker": "struct shrinker {}",
}
LOCALS = {
    "flags": "unsigned long {}",
    "scope": "unsigned int {}",
    "p": "void *{}",
    "q": "int *{}",
    "page": "struct page *{}",
}
_MEMBER = re.compile(r"(?:\bd->|\bthe_d\.)([a-z]+)(\d*)")
_LOCAL = re.compile(r"(?<![\w>])(flags|scope|page|p|q)(\d+)\b")
_HANDED = re.compile(r"(?:container_of|from_\w+)\(.*?(\w+)\);")


def _simple(choices: Choices, profile: Profile, count: int, *, mask: bool) -> list[str]:
    """A few plain statements without calls of helpers."""
    writer = Writer(choices, profile)
    for _ in range(1 + choices.below(count)):
        text = writer.pick([a for a in ALLOCATIONS if "helper" not in a])
        writer.put(text.format(mask=writer.pick(MASKS if mask else MASKS[:-1]), n=choices.below(4)))
    return writer.lines


def program(choices: Choices, profile: Profile = GENERAL, tag: str = "") -> str:
    """A program as text; ``tag``: what its struct and its function are called, so that programs can stand together."""
    body: list[str] = []
    given: list[str] = []
    if profile.helpers:
        body += ["static void helper(struct d *d)", "{", *_simple(choices, profile, 2, mask=False), "}"]
        body += ["static void helper_mask(struct d *d, gfp_t gfp)", "{", *_simple(choices, profile, 2, mask=True), "}"]
        for number in range(max(0, choices.below(5) - 2)):
            head, owner, hand = CALLBACKS[choices.below(len(CALLBACKS))]
            if any(hand.split("(")[0] in text for text in given):
                continue
            name = f"on_event{number}"
            result = ["\treturn IRQ_HANDLED;"] if "irqreturn" in head else []
            plain = _simple(choices, profile, 1, mask=False)
            body += [head.format(name=name), "{", f"\tstruct d *d = {owner};", *plain, *result, "}"]
            given.append("\t" + hand.format(name=name))
    writer = Writer(choices, profile, budget=profile.budget)
    for _ in range(1 + choices.below(profile.statements)):
        writer.statement(At())
    entry = [*given, *writer.lines]
    used = "\n".join(entry)
    locals_ = sorted({(m[1], m[2]) for m in _LOCAL.finditer(used)})
    start = [f"void entry{tag}(struct d *d, int a, int b)", "{", "\tgfp_t gfp = GFP_KERNEL;"]
    start += [f"\t{LOCALS[kind].format(kind + n)};" for kind, n in locals_]
    everything = "\n".join([*body, *start, *entry, "}"]) + "\n"
    members = {m[1] + m[2]: m[1] for m in _MEMBER.finditer(profile.fixed + everything)}
    members |= {kind: kind for kind in ("timer", "work", "tasklet", "rcu") if f", {kind})" in everything}
    struct = ["struct d {", *(f"\t{MEMBERS[kind].format(name)};" for name, kind in sorted(members.items())), "};"]
    loops = [f"int more{n}(struct d *d);" for n in range(writer.loops)]
    text = "\n".join([*struct, *loops, profile.fixed + everything])
    return text.replace("struct d ", f"struct d{tag} ").replace("struct d,", f"struct d{tag},") if tag else text
