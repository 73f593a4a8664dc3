"""What is known of the kernel, as values: the rows of the TOML tables and the ``Kernel`` that a scan uses.

Knowledge is data. The tables stand in ``gfplint/kernel/tables/*.toml``; ``kernel.load`` picks the rows that hold for
one kernel (by probe first, by version second) and adds those of the user's ``.gfplint.toml``. The linter and the
simulator read the same rows. Argument numbers count from 0.
"""

from __future__ import annotations

import msgspec

#: A kernel version as (major, minor).
Version = tuple[int, int]

#: A gfp mask: the set of named bits (``__GFP_IO``, ...). Bit numbers depend on CONFIG and are not used.
Mask = frozenset[str]


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every row has: from and until when it holds, and where the fact was read.

    ``since``/``until`` are mainline versions ("6.12"; until is exclusive); ``probe`` names a probe that must hold
    (``!name``: must not), and then counts more than the versions. ``source``: file in the kernel tree, commit,
    or paper. ``oracle``: case in the oracle that confirms the row, or "".
    """

    since: str = ""
    until: str = ""
    probe: str = ""
    source: str = ""
    oracle: str = ""


class Allocator(Row, frozen=True, kw_only=True):
    """A function or macro that allocates.

    ``family``: what it hands out (families.toml). ``mask``: number of the gfp argument; ``default``: the mask where
    there is no gfp argument or it may be left out. ``sleeps``: ``mask`` (exactly if the mask blocks), ``always``
    (whatever the mask), ``never``. ``result``: ``return`` or the number of the by-reference argument. ``error``:
    ``null``, ``errptr``, ``int`` or ``none``. ``cache``/``device``/``size``/``count``/``order``/``node``: argument
    numbers. ``resizes``: the old pointer's argument. ``drops``: argument whose own lock the callee drops before it
    blocks (``__xa_store``); ``needs``: a field path from that argument to the lock (``xa_lock``). ``lazy``: may be
    satisfied without reaching a sleep check (xarray and idr). ``rare``: allocates only in a state that its callers are
    rarely in and that the call does not show (nothing there yet). ``idle``: member of the first argument that is set
    where the call only frees (``xas_nomem``). ``maximum``: ``kmalloc`` if bounded by KMALLOC_MAX_SIZE. ``hidden``:
    allocates on the side; the result is not the memory (``request_irq``). ``weak``: a function whose own body counts
    more where it is in view.
    """

    name: str
    family: str
    mask: int | None = None
    default: str = ""
    sleeps: str = "mask"
    result: str | int = "return"
    error: str = "null"
    cache: int | None = None
    device: int | None = None
    size: int | None = None
    count: int | None = None
    order: int | None = None
    node: int | None = None
    resizes: int | None = None
    drops: int | None = None
    needs: str = ""
    zeroes: bool = False
    lazy: bool = False
    rare: bool = False
    idle: str = ""
    maximum: str = ""
    hidden: bool = False
    weak: bool = False


class Free(Row, frozen=True, kw_only=True):
    """A function or macro that frees.

    ``arg``: number of the pointer's argument. ``families``: what it may legally free on this kernel. ``sleeps``:
    ``always`` (BUG or splat in any atomic context), ``never``, ``task`` (sleeps for vmalloc memory in atomic task
    context, deferred in interrupt or with bottom halves off: vfree), ``task-vmalloc`` (the same, only where the
    memory may be vmalloc'ed: kvfree), ``irq`` (must not run with interrupts off: dma_free_coherent). ``field``: for
    kfree_rcu(p, field), the argument that makes it the non-sleeping form. ``rcu``: freed after a grace period.
    ``bulk``: argument that counts the pointers.
    ``single``: frees one page (order 0). ``null``/``errptr``: what it does with those: ``ok``, ``crash``,
    ``warn``, ``silent``.
    """

    name: str
    arg: int
    families: tuple[str, ...]
    sleeps: str = "never"
    cache: int | None = None
    device: int | None = None
    size: int | None = None
    order: int | None = None
    bulk: int | None = None
    field: int | None = None
    single: bool = False
    rcu: bool = False
    null: str = "ok"
    errptr: str = "crash"


class Family(Row, frozen=True, kw_only=True):
    """A kind of memory. ``contiguous``: physically contiguous; ``may_be``: families it may turn out to be
    (kvmalloc: kmalloc, vmalloc). ``content``: what a struct holds, not the struct: its free takes the struct's address.
    ``built``: an object that its allocator makes of memory of another family, which its free takes apart again.
    ``sized``: freed with the size that was allocated. ``local``: used by tests, says nothing of other files.
    ``restricts``: mask bits that its allocators can't honour (mm/internal.h, GFP_SLAB_BUG_MASK); ``drops``: those that
    they take out of every mask without a word. ``ends``: the calls that end the pool it came from: a function that ends
    one has no more use for its reserve. ``reserve``: from a pool that keeps some, so that who may wait always gets one.
    """

    name: str
    title: str
    contiguous: bool = True
    managed: bool = False
    content: bool = False
    built: bool = False
    sized: bool = False
    local: bool = False
    restricts: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    reserve: bool = False
    may_be: tuple[str, ...] = ()


class ContextKind(Row, frozen=True, kw_only=True):
    """A kind of context: ``atomic``: sleeping is a defect in it; ``raw``: even atomic allocation is, on PREEMPT_RT.

    ``interrupt``: in_interrupt() is true in it (vfree defers); ``lock``: has an identity (a lock argument).
    ``title``: as a message says it, e.g. "spin lock", "interrupts disabled". ``type``: the type of such a lock.
    ``reclaim``: nothing in it may reclaim directly, as reclaim may wait for its end.
    """

    name: str
    title: str
    atomic: bool
    type: str = ""
    raw: bool = False
    interrupt: bool = False
    irqs_off: bool = False
    lock: bool = True
    reclaim: bool = False


class ContextOp(Row, frozen=True, kw_only=True):
    """A call that changes the context.

    ``effect``: ``enter`` or ``leave``. ``kinds``: the kinds entered (``spin_lock_bh``: spin, bh). ``lock``: number of
    the argument that identifies it; None where it has no identity. ``when``: ``always``, ``nonzero`` or ``zero`` or
    ``nonnull`` (the return value that means it took effect). ``flags``: argument in which irqsave keeps the flags.
    ``sleeps``: taking it sleeps (mutex_lock). ``returns_lock``: the lock is the return value (``pmd_lock``);
    ``indirect``: argument ``lock`` is the address of the variable that receives the lock's address
    (``pte_offset_map_lock``). ``field``: the lock's member in what the argument names (``xa_lock``); ``typed``: only
    for
    locks of that type (a write section of a ``seqcount_mutex_t`` disables preemption, that of a ``seqcount_t`` does
    not). ``bit``: the argument that says which bit of ``lock`` is the lock. A leave names every kind that may end;
    those not held stay as they are.
    """

    name: str
    effect: str
    kinds: tuple[str, ...]
    lock: int | None = None
    when: str = "always"
    flags: int | None = None
    sleeps: bool = False
    returns_lock: bool = False
    indirect: bool = False
    field: str = ""
    typed: str = ""
    bit: int | None = None


class GuardClass(Row, frozen=True, kw_only=True):
    """A ``guard(name)``/``scoped_guard(name)`` class: the kinds it holds; ``when`` as in ContextOp for conditional
    classes. ``field``: the lock's path in what argument ``lock`` names.
    """

    name: str
    kinds: tuple[str, ...]
    lock: int | None = 0
    field: str = ""
    when: str = "always"
    sleeps: bool = False


class Scope(Row, frozen=True, kw_only=True):
    """memalloc_*_save/_restore and their like. ``effect``: ``save`` or ``restore``; ``clears``: bits taken from
    every mask inside.
    """

    name: str
    effect: str
    kind: str
    clears: tuple[str, ...] = ()
    cookie: int | None = None


class Query(Row, frozen=True, kw_only=True):
    """A question about the context or a mask.

    ``true_means``/``false_means``: one of ``atomic``, ``interrupt``, ``sleepable``, ``blocking`` (the mask of
    argument ``mask`` blocks), ``nonblocking``, ``held`` (a statement that the lock of argument ``mask`` is held), or ""
    (nothing known).
    """

    name: str
    true_means: str = ""
    false_means: str = ""
    mask: int | None = None


class Sleeper(Row, frozen=True, kw_only=True):
    """A function that sleeps and hands out no memory (mutex_lock, msleep, wait_event, ...): evidence for GFP104.

    ``arg``/``unless``: sleeps only where argument ``arg`` is not ``unless``. ``allocates``: for its own use it does
    allocate, as its body shows where that is in sight.
    """

    name: str
    arg: int | None = None
    unless: str = ""
    allocates: bool = False


#: The context of a member that is decided by whom the struct is given to.
LEFT_OPEN = "either_unknown"


class Callback(Row, frozen=True, kw_only=True):
    """In which context the core calls a function pointer.

    Either an operation table's member (``struct``, ``member``) or a registrar's argument (``function``, ``arg``;
    ``arg`` may be a member set in an initialiser macro). ``context``: a name of contexts.toml's vocabulary
    (``sleepable``, ``softirq``, ``hardirq``, ``rcu``, ``atomic_mixed``, ``either_unknown``, ...). ``unless``: where
    another context holds, as ``flag=NAME:context`` (NAME is given where the table or the callback is registered),
    ``near=NAME:context`` (that field is set, if at all, in the folder of the table) or ``field=NAME:context`` (that
    field of the same or of the owning structure is set, wherever); whoever can't tell takes the row as
    ``either_unknown``. ``arg`` -1: the function that a declaring macro itself defines. ``confidence``: high or medium.
    """

    struct: str = ""
    member: str = ""
    function: str = ""
    arg: int | None = None
    context: str = ""
    note: str = ""
    unless: str = ""
    confidence: str = "high"


class EntryPoint(Row, frozen=True, kw_only=True):
    """Where user space comes in: an operation table's member, a registrar's argument or a declaring macro.

    ``trigger``: what the user does (``ioctl``, ``netlink``, ...). ``privilege``: ``unprivileged``, ``userns-root``,
    ``root``, ... ``accounts``: its subsystem's rule is to account what it keeps. ``needs``: the flag
    without which only root gets there, set in a table of the same folder.
    """

    struct: str = ""
    member: str = ""
    function: str = ""
    arg: int | None = None
    trigger: str = ""
    privilege: str = ""
    note: str = ""
    confidence: str = "high"
    accounts: bool = False
    needs: str = ""


class Form(Row, frozen=True, kw_only=True):
    """Another form of an allocator.

    ``kind``: ``zeroed`` (the same, zeroed), ``array`` (count and size apart), ``kv`` (falls back to vmalloc),
    ``object`` and ``objects`` (by type). ``to``: its name. ``size``: what it hands out where no argument says.
    """

    name: str
    kind: str
    to: str
    size: str = ""


class Role(Row, frozen=True, kw_only=True):
    """What a function does with some of its arguments (roles.toml): ``args`` are those that play the role."""

    name: str
    role: str
    args: tuple[int, ...] = ()


class Kernel(msgspec.Struct, frozen=True):
    """All that holds for one kernel. Dictionaries are keyed by name; treat them as read-only."""

    version: Version
    probes: frozenset[str]
    masks: dict[str, Mask]
    families: dict[str, Family]
    allocators: dict[str, Allocator]
    frees: dict[str, Free]
    #: What frees memory where it makes it larger (``krealloc``).
    resizers: dict[str, Free]
    kinds: dict[str, ContextKind]
    context_ops: dict[str, ContextOp]
    guards: dict[str, GuardClass]
    scopes: dict[str, Scope]
    queries: dict[str, Query]
    sleepers: dict[str, Sleeper]
    callbacks: dict[tuple[str, str], Callback]
    registrars: dict[tuple[str, int], Callback]
    entries: dict[tuple[str, str], EntryPoint]
    entry_registrars: dict[tuple[str, int], EntryPoint]
    #: By name and kind.
    forms: dict[tuple[str, str], Form]
    #: By role and name.
    roles: dict[tuple[str, str], Role]

    def freeing(self, name: str) -> Free:
        """What frees, or resizes, under a name."""
        return self.frees.get(name) or self.resizers[name]
