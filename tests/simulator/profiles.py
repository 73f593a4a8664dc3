"""What generated programs are about: the general one, and one for each rule that needs statements of its own."""

from __future__ import annotations

from tests.simulator.generated import (
    CONDITIONS,
    FIXED,
    FLOW,
    GENERAL,
    At,
    Profile,
    Writer,
    branch,
    drop,
    leave_without,
    lock,
    loop,
    maybe_lock,
    scoped_guard,
    switch,
)

# -- masks that an allocator can't honour

_BASES = ("GFP_KERNEL", "GFP_ATOMIC", "GFP_NOWAIT", "GFP_NOFS")
_SPOILED = (
    "GFP_KERNEL | __GFP_HIGHMEM",
    "GFP_ATOMIC | __GFP_DMA32",
    "GFP_HIGHUSER",
    "GFP_KERNEL | GFP_DMA32",
    "GFP_KERNEL | __GFP_DMA",
    "GFP_USER",
)
_TAKES_MASK = (
    "kmalloc(64, {mask})",
    "kzalloc(128, {mask})",
    "kcalloc(4, 16, {mask})",
    "kmem_cache_alloc(d->cache, {mask})",
    "kmem_cache_zalloc(d->cache, {mask})",
    "kvmalloc(64, {mask})",
    "kvmalloc(9 << 20, {mask})",
    "__vmalloc(8192, {mask})",
    "(void *)__get_free_pages({mask}, 1)",
)


def _ask(w: Writer, at: At) -> None:
    mask = w.pick((*_BASES, *_SPOILED, "gfp"))
    w.put(f"d->slot{w.choices.below(3)} = {w.pick(_TAKES_MASK).format(mask=mask)};")


def _choose(w: Writer, at: At) -> None:
    w.put(f"gfp = {w.pick(FIXED)} ? {w.pick(_BASES)} : {w.pick(_SPOILED)};")


MASKS = Profile(
    "masks",
    (_ask,),
    (branch, lock, maybe_lock, _choose, switch, loop),
    {"mask-fixed": frozenset({"GFP501"})},
    failures=True,
    statements=2,
    budget=3,
)

# -- __GFP_NOFAIL

_NOFAIL = (
    "GFP_KERNEL | __GFP_NOFAIL",
    "GFP_NOFS | __GFP_NOFAIL",
    "GFP_ATOMIC | __GFP_NOFAIL",
    "GFP_NOWAIT | __GFP_NOFAIL",
    "GFP_KERNEL",
    "GFP_NOWAIT",
    "gfp",
)
_MAY_INSIST = (
    "d->slot{n} = kmalloc(64, {mask});",
    "d->slot{n} = kmem_cache_alloc(d->cache, {mask});",
    "d->page = alloc_pages({mask}, {n});",
    "d->slot{n} = (void *)__get_free_pages({mask}, {n});",
    "d->slot{n} = kvmalloc(64, {mask});",
)


def _insist(w: Writer, at: At) -> None:
    w.put(w.pick(_MAY_INSIST).format(mask=w.pick(_NOFAIL), n=w.choices.below(4)))


def _choose_insisting(w: Writer, at: At) -> None:
    w.put(f"gfp = {w.pick(FIXED)} ? {w.pick(_NOFAIL[:4])} : {w.pick(_NOFAIL[:6])};")


NOFAIL = Profile(
    "nofail",
    (_insist,),
    (branch, lock, _choose_insisting, switch),
    {"warn": frozenset({"GFP504"})},
    pressure=True,
    failures=True,
    statements=2,
    budget=3,
)

# -- scopes

_SCOPES = ("nofs", "noio")


def _work(w: Writer, at: At) -> None:
    w.put(f"d->slot{w.choices.below(4)} = kmalloc(64, {w.pick(_BASES[:2])});")


def _scope(w: Writer, at: At) -> None:
    """A scope that ends as it began, or as another kind, or only sometimes. Inside it no other begins, nor after one
    that may be open still: which of them stays open would be a matter of opinion.
    """
    if w.spoiled or any("memalloc" in text for text in at.held):
        _work(w, at)
        return
    kind, n = w.pick(_SCOPES), w.lock()
    end = f"memalloc_{kind}_restore(scope{n});"
    w.put(f"scope{n} = memalloc_{kind}_save();")
    w.block(at.within(end), 2)
    how = w.choices.below(5)
    w.spoiled = how >= 2
    if how < 2:
        w.put(end)
    elif how == 2:
        w.put(f"memalloc_{w.pick(_SCOPES)}_restore(scope{n});")
    elif how == 3:
        w.put(f"if ({w.pick(CONDITIONS)})")
        w.put("\t" + end)


def _leave_open(w: Writer, at: At) -> None:
    """A return that ends what is begun, or not."""
    w.put(f"if ({w.pick(CONDITIONS)}) {{")
    for text in reversed(at.held if w.maybe() else tuple(t for t in at.held if "memalloc" not in t)):
        w.put("\t" + text)
    w.put("\treturn;")
    w.put("}")


SCOPES = Profile(
    "scopes",
    (_work,),
    (branch, lock, maybe_lock, _scope, _scope, _leave_open, drop, switch, scoped_guard),
    {"task-flags-differ": frozenset({"GFP203"})},
    statements=2,
    budget=7,
)

# -- masks that the scope makes redundant

_REDUCED = ("GFP_NOFS", "GFP_NOIO", "GFP_KERNEL", "GFP_ATOMIC", "GFP_NOFS | __GFP_ZERO")


def _reduced(w: Writer, at: At) -> None:
    w.put(f"d->slot{w.choices.below(4)} = {w.pick(_TAKES_MASK[:4]).format(mask=w.pick(_REDUCED))};")


def _in_scope(w: Writer, at: At) -> None:
    kind, n = w.pick(_SCOPES), w.lock()
    end = f"memalloc_{kind}_restore(scope{n});"
    w.put(f"scope{n} = memalloc_{kind}_save();")
    w.block(at.within(end))
    w.put(end)


REDUNDANT = Profile(
    "redundant",
    (_reduced,),
    (branch, _in_scope, _in_scope, lock, drop, scoped_guard),
    {"mask-unchanged": frozenset({"GFP202"})},
)

# -- raw spin locks

_RAW = (
    ("raw_spin_lock(&d->raw{n});", "raw_spin_unlock(&d->raw{n});"),
    ("raw_spin_lock_irqsave(&d->raw{n}, flags{n});", "raw_spin_unlock_irqrestore(&d->raw{n}, flags{n});"),
    ("raw_spin_lock_irq(&d->raw{n});", "raw_spin_unlock_irq(&d->raw{n});"),
)
_FROM_SLAB = (
    "kmalloc(64, {mask})",
    "kzalloc(64, {mask})",
    "kmem_cache_alloc(d->cache, {mask})",
    "__alloc_percpu_gfp(64, 8, {mask})",
)


def _raw_lock(w: Writer, at: At) -> None:
    enter, leave = w.pick(_RAW)
    n = w.lock()
    w.put(enter.format(n=n))
    w.block(at.within(leave.format(n=n)))
    w.put(leave.format(n=n))


def _atomic_work(w: Writer, at: At) -> None:
    mask = w.pick(("GFP_ATOMIC", "GFP_NOWAIT", "GFP_ATOMIC | __GFP_ZERO"))
    w.put(f"d->slot{w.choices.below(4)} = {w.pick(_FROM_SLAB).format(mask=mask)};")


RAW = Profile(
    "raw",
    (_atomic_work,),
    (*(f for f in FLOW if f not in (lock, maybe_lock)), _raw_lock, _raw_lock),
    {"wait-context": frozenset({"GFP105"})},
    # lockdep reports once; what it would say of the next is known all the same.
    excuses=frozenset({"raw-context"}),
    about=r"(?:alloc|percpu_gfp)\(",
)

# -- what fails

_GETS = ("kmalloc(64, {mask})", "kzalloc(64, {mask})", "kmem_cache_alloc(d->cache, {mask})", "kvmalloc(64, {mask})")


def _checked(w: Writer, at: At) -> None:
    """Memory that is written to after a test for failure, or without."""
    w.owned += 1
    name = f"q{w.owned - 1}"
    w.put(f"{name} = {w.pick(_GETS).format(mask=w.pick(_BASES[1:3]))};")
    if w.maybe():
        leave_without(w, at, name)
    w.put(f"{name}[0] = 1;")
    w.put(f"d->kept{w.owned - 1} = {name};")


UNCHECKED = Profile(
    "unchecked",
    (_checked,),
    (branch, lock, drop, switch),
    {"null-deref": frozenset({"GFP701"})},
    traced=True,
    failures=True,
    statements=2,
    budget=3,
)


def _resized(w: Writer, at: At) -> None:
    """Memory that is resized into its own pointer, or by way of another."""
    w.owned += 2
    name, more = f"p{w.owned - 2}", f"p{w.owned - 1}"
    w.put(f"{name} = kmalloc(64, {w.pick(_BASES[:2])});")
    leave_without(w, at, name)
    if w.maybe():
        w.put(f"{name} = krealloc({name}, 9000, GFP_NOWAIT);")
        w.put(f"kfree({name});")
        return
    w.put(f"{more} = krealloc({name}, 9000, GFP_NOWAIT);")
    w.put(f"if (!{more}) {{")
    w.put(f"\tkfree({name});")
    for text in reversed(at.held):
        w.put("\t" + text)
    w.put("\treturn;")
    w.put("}")
    w.put(f"kfree({more});")


RESIZED = Profile(
    "resized",
    (_resized,),
    (branch, lock, drop, switch),
    {"leak": frozenset({"GFP607"})},
    failures=True,
    statements=2,
    budget=3,
)

# -- atomic masks where the code may sleep

_MUTEXES = (
    ("mutex_lock(&d->mutex{n});", "mutex_unlock(&d->mutex{n});"),
    ("down_read(&d->sem{n});", "up_read(&d->sem{n});"),
)


def _atomic_here(at: At) -> bool:
    return any(not text.startswith(("mutex_unlock", "up_read")) for text in at.held)


def _sleeping(w: Writer, at: At) -> None:
    """A lock whose taking sleeps, where that is no defect."""
    if _atomic_here(at):
        _hurried(w, at)
        return
    n = w.lock()
    if w.maybe():
        w.braces(f"scoped_guard(mutex, &d->mutex{n})", At(at.held, None))
        return
    enter, leave = w.pick(_MUTEXES)
    w.put(enter.format(n=n))
    w.block(at.within(leave.format(n=n)))
    w.put(leave.format(n=n))


def _spinning(w: Writer, at: At) -> None:
    n = w.lock()
    w.put(f"spin_lock(&d->spin{n});")
    w.block(at.within(f"spin_unlock(&d->spin{n});"))
    w.put(f"spin_unlock(&d->spin{n});")


def _hurried(w: Writer, at: At) -> None:
    mask = w.pick(("GFP_ATOMIC", "GFP_ATOMIC | __GFP_ZERO", "GFP_NOWAIT"))
    w.put(f"d->slot{w.choices.below(4)} = kmalloc(64, {mask});")


RESERVES = Profile(
    "reserves",
    (_hurried,),
    (_sleeping, _spinning, drop),
    {"reserve-used": frozenset({"GFP104"})},
)

# -- reclaim

_SHRINKER = """static struct d the_d;
static unsigned long tidy(struct shrinker *s, struct shrink_control *sc)
{
	mutex_lock(&the_d.mutex0);
	mutex_unlock(&the_d.mutex0);
	down_write(&the_d.sem1);
	up_write(&the_d.sem1);
	return 0;
}
static struct shrinker the_shrinker = { .scan_objects = tidy };
"""
_TAKEN = (
    ("mutex_lock(&d->mutex0);", "mutex_unlock(&d->mutex0);"),
    ("down_write(&d->sem1);", "up_write(&d->sem1);"),
    ("down_read(&d->sem1);", "up_read(&d->sem1);"),
    ("mutex_lock(&d->mutex2);", "mutex_unlock(&d->mutex2);"),
)


def _hold(w: Writer, at: At) -> None:
    """Each lock once at most: a second time would wait for ever."""
    free = [pair for pair in _TAKEN if pair[1] not in at.held and not (at.held and "sem1" in pair[0])]
    if not free:
        _reclaiming(w, at)
        return
    enter, leave = w.pick(free)
    w.put(enter)
    w.statement(at.within(leave))
    w.put(leave)


def _perhaps(w: Writer, at: At) -> None:
    w.put(f"if ({w.pick(CONDITIONS)}) {{")
    w.depth += 1
    w.statement(at)
    w.depth -= 1
    w.put("}")


def _reclaiming(w: Writer, at: At) -> None:
    # Of masks without __GFP_FS lockdep can't say that reclaim comes back, though it may.
    mask = w.pick(("GFP_KERNEL", "GFP_ATOMIC", "GFP_USER", "GFP_NOWAIT"))
    w.put(f"d->slot{w.choices.below(4)} = {w.pick(_TAKES_MASK[:4]).format(mask=mask)};")


RECLAIM = Profile(
    "reclaim",
    (_reclaiming,),
    (_hold, _hold, _perhaps),
    {"recursion": frozenset({"GFP205"})},
    about=r"alloc\(",
    fixed=_SHRINKER,
    statements=1,  # lockdep reports once
    budget=5,
)

#: In a long run they take turns; the general one comes more often.
PROFILES = (
    GENERAL,
    MASKS,
    SCOPES,
    GENERAL,
    RAW,
    UNCHECKED,
    GENERAL,
    REDUNDANT,
    RESERVES,
    GENERAL,
    NOFAIL,
    RESIZED,
    RECLAIM,
)
