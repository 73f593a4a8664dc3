"""What the analysis knows of a function: a value that its callers, the rules and ``gfplint summary`` read."""

from __future__ import annotations

import msgspec

from gfplint.analysis.values import MaskValue, Memory
from gfplint.facts import Place
from gfplint.findings import Step

#: (kind, lock path relative to the parameters)
Lock = tuple[str, str]
#: What must hold of another member of the same object: its text relative to the object, and its truth.
When = tuple[str, bool]


class Sleep(msgspec.Struct, frozen=True, gc=False):
    """Something a call of the function may do that must not happen in atomic context.

    ``kind``: ``mask`` (allocates with ``mask``), ``always`` (sleeps whatever the mask), ``free`` (a free that sleeps).
    ``how``: the allocator or free. ``guards``: (kind, path, truth) that must hold on entry: "blocking" of a mask,
    "cond", or "entry" of an argument that gets another value later. ``dropped``: the caller's locks that are not held
    any more when it happens. ``steps``: from this function to the allocation. ``inner``: what the function itself holds
    then.
    ``sleeps``: the ``sleeps`` value of the free's table row. ``task_only``: known not to be in interrupt there.
    ``uncertain``: how many unresolved choices stand on the way. ``also``: further allocations behind the same call.
    ``once``: the condition, false on the way, that the function itself makes true (``if (!x->ready)``, and then
    ``x->ready = 1``): it happens the first time only; "?" where the caller can't name it. ``shared``: others call it as
    well, who may have been the first.
    ``ignores``: a function on the way takes a mask, which does not decide about it. ``scopes``: the memalloc scopes on
    the way.
    ``ignores``: a function on the way takes a mask, which does not decide about it. ``passed``: how many of the last
    ``steps`` are those of functions that are given the mask.
    """

    kind: str
    how: str
    mask: MaskValue | None
    guards: tuple[tuple[str, str, bool], ...]
    dropped: tuple[Lock, ...]
    steps: tuple[Step, ...]
    place: Place
    inner: tuple[Lock, ...] = ()
    sleeps: str = ""
    task_only: bool = False
    uncertain: int = 0
    also: tuple[Step, ...] = ()
    once: str = ""
    shared: bool = False
    ignores: bool = False
    scopes: tuple[str, ...] = ()
    passed: int = 0

    @property
    def choices(self) -> int:
        """Steps that depend on more than a mask that is handed on."""
        return len(self.steps) - self.passed


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What the function did to the context when it returns ``when`` (``always``, ``zero``, ``nonzero``)."""

    when: str
    enters: tuple[Lock, ...] = ()
    leaves: tuple[Lock, ...] = ()


class Hold(msgspec.Struct, frozen=True, gc=False):
    """A context that is held at a place of the function itself. ``asserted``: its caller entered it, as the function
    says.
    """

    kind: str
    lock: str
    place: Place
    how: str
    asserted: bool = False


class Report(msgspec.Struct, frozen=True, gc=False):
    """A sleep that may happen while ``held`` is held, at the call ``place`` of the function that holds it.

    ``root``: where the core was told to call the function in that context, if that is what holds it.
    """

    held: tuple[Hold, ...]
    sleep: Sleep
    place: Place
    needs: tuple[str, ...] = ()
    root: Step | None = None


class Recursion(msgspec.Struct, frozen=True, gc=False):
    """An allocation from which reclaim may come back to what is held there.

    ``hold``: that (None: the function itself is what reclaim waits for); ``way``: how reclaim comes to wait for it;
    ``needs``: what of the mask lets it (``any``, ``io``, ``fs``); ``doubt``: how unsure it is, 0 being sure.
    """

    hold: Hold | None
    sleep: Sleep
    place: Place
    way: tuple[Step, ...]
    needs: str
    doubt: int = 0


class AllocSite(msgspec.Struct, frozen=True, gc=False):
    """One allocator call with everything known there. ``slept``: for an atomic mask, where the code sleeps before or
    after it in the same context, if it does so on every path; ``unbound``: for an atomic mask, whether the function
    itself does nothing that would need it. ``scopes``: the memalloc scopes that are active on every path to it;
    ``around``: those of every caller.
    """

    callee: str
    family: str
    place: Place
    masks: tuple[MaskValue | None, ...]
    mask_text: str
    size: str
    order: str = ""
    held: tuple[Hold, ...] = ()
    scopes: tuple[str, ...] = ()
    slept: Step | None = None
    unbound: bool = False
    around: tuple[str, ...] = ()


class ScopedCall(msgspec.Struct, frozen=True, gc=False):
    """A call that is made inside memalloc scopes, ``kinds``, on every path to it."""

    name: str
    place: Place
    kinds: tuple[str, ...]


class FreeSite(msgspec.Struct, frozen=True, gc=False):
    """One free of known memory. ``target`` is the access path; ``memory`` what it holds there.

    ``holders``: where the freed pointer lies (``analysis.holders``), if the function itself does not know the memory.
    ``when``: what holds of other members of the same object there. ``doubt``: how sure it is that ``memory`` is what
    arrives here, 0 being sure. ``steps``: what leads from here to the free itself, where a callee frees.
    ``held``: the contexts that the function itself holds. ``walk``: the loop over a container that gives the target its
    value. ``ended``: families whose pools the function ends. ``empty``: nothing is freed there on this way; ``null``:
    nor does the place hold anything elsewhere.
    """

    callee: str
    place: Place
    target: str
    memory: Memory | None
    cache: str = ""
    order: str = ""
    size: str = ""
    device: str = ""
    holders: tuple[tuple[str, str], ...] = ()
    error_pointer: bool = False
    scope_exit: bool = False
    null: bool = False
    when: tuple[When, ...] = ()
    doubt: int = 0
    steps: tuple[Step, ...] = ()
    held: tuple[Hold, ...] = ()
    walk: Place | None = None
    ended: tuple[str, ...] = ()
    empty: bool = False


class MemberStore(msgspec.Struct, frozen=True, gc=False):
    """A value stored where others find it: memory, or (None) something unknown.

    ``holders``: as in ``FreeSite``. ``source``: the most general holder of what was copied, ("", "") where it is none.
    ``when``: what holds of other members of the same object there.
    """

    holders: tuple[tuple[str, str], ...]
    memory: Memory | None
    place: Place
    source: tuple[str, str] = ("", "")
    when: tuple[When, ...] = ()


class ScopeFault(msgspec.Struct, frozen=True, gc=False):
    """A memalloc scope that is not ended as it was begun.

    ``fault``: ``open`` (left so at ``place``; nowhere: at the end), ``wrong`` (ended with another kind's restore).
    """

    fault: str
    kind: str
    saved: Place
    place: Place


class Unaccounted(msgspec.Struct, frozen=True, gc=False):
    """An allocation (or, with ``cache``, a slab cache) that user space makes the kernel keep, without charging it.

    ``evidence``: what says that its like is charged: the same ``object``, ``wrapper``, ``function``, ``holder`` (what
    it hangs off; ``owner``: one that everybody hangs things off), ``member`` (another member of that), ``operation``
    (others of the same operation), the subsystem's ``convention``, the ``file``; ``entry``: nothing of that, but it is
    plainly what was asked for; or "". ``sibling``: where that is;
    ``object``: where an object of the cache is allocated. ``chain``: from the entry point to the function.
    ``far``: its functions outside the subsystem of the allocation. ``indirect``: calls through pointers.
    ``transient``: what holds it may live on a stack.
    """

    callee: str
    mask_text: str
    place: Place
    fate: str
    evidence: str
    sibling: Step | None
    chain: tuple[Step, ...]
    privilege: str
    trigger: str
    far: int = 0
    indirect: int = 0
    transient: bool = False
    cache: str = ""
    object: Step | None = None


class FreedParam(msgspec.Struct, frozen=True, gc=False):
    """A parameter that the function frees with ``free``, under ``guards`` (as in ``Sleep``).

    ``content``: it frees what the parameter points to (``kfree(*p)``). ``steps``: from this function to the free.
    ``cache``: the variable at file scope that names the cache.
    """

    number: int
    free: str
    guards: tuple[tuple[str, str, bool], ...] = ()
    content: bool = False
    steps: tuple[Step, ...] = ()
    cache: str = ""


class Summary(msgspec.Struct, frozen=True, gc=False):
    """Everything about one function (or function-like macro).

    ``linear_uses``: as ``frees``, where memory is needed that lies in the linear map.
    ``gives``: the parameters that point to where it puts memory, always such of one family, with the memory.
    ``masks``: its parameters that are masks and stay what they are; ``waits``: it sleeps by other means than an
    allocation, so its masks don't decide whether it does. ``passed``: masks that keep reclaim out of file systems or
    I/O and are passed to functions which may allocate with them.
    """

    name: str
    path: str
    params: tuple[str, ...]
    sleeps: tuple[Sleep, ...] = ()
    effects: tuple[Effect, ...] = ()
    reports: tuple[Report, ...] = ()
    allocs: tuple[AllocSite, ...] = ()
    frees: tuple[FreeSite, ...] = ()
    stores: tuple[MemberStore, ...] = ()
    scope_faults: tuple[ScopeFault, ...] = ()
    returns: tuple[Memory, ...] = ()
    frees_params: tuple[FreedParam, ...] = ()
    unaccounted: tuple[Unaccounted, ...] = ()
    gives: tuple[tuple[int, Memory], ...] = ()
    linear_uses: tuple[FreeSite, ...] = ()
    scoped_calls: tuple[ScopedCall, ...] = ()
    degraded: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    waits: bool = False
    passed: tuple[AllocSite, ...] = ()
    recursions: tuple[Recursion, ...] = ()
