"""The machine: tasks and their contexts, locks, sleep checks and the record of what was observed.

Everything that a checker of a real kernel would print becomes an ``Event``; what stops a real kernel raises
``DiedError``.
Memory is in ``allocator.py`` and ``frees.py``; which name does what is in ``operations.py`` and the kernel tables.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gfplint.kernel.model import ContextOp, GuardClass, Kernel
from gfplint.simulator.advice import Advice
from gfplint.simulator.allocator import Allocator
from gfplint.simulator.configs import Config
from gfplint.simulator.events import NOTES, SURVIVED, VETOES, DiedError, Event, SurvivedError
from gfplint.simulator.frees import Releaser
from gfplint.simulator.lockdep import FS_RECLAIM, IO_RECLAIM, LEARNT_AT_BOOT, USED_IN_TASKS, LockOrder
from gfplint.simulator.masks import MaskBits
from gfplint.simulator.memory import IMAGE, MODULE, STACK, Cache, Memory
from gfplint.simulator.operations import Operations
from gfplint.simulator.program import ProgramError
from gfplint.simulator.static_types import class_of
from gfplint.simulator.task import (
    CONTEXT_NAMES,
    WAIT_CONFIG,
    WAIT_FREE,
    WAIT_SLEEP,
    WAIT_SPIN,
    Effect,
    Held,
    Task,
    effect,
    fresh,
)
from gfplint.simulator.values import WRAP, Func, GivenMask, Obj, Ptr, Sym, Text, Value, identity

if TYPE_CHECKING:
    from gfplint.simulator.interp import Frame, Interpreter

Operation = Callable[[list[Value]], Value | None]


@dataclass(frozen=True)
class Setup:
    """How a run is to be: ``context``: where it starts; ``failures``: allocations may fail (both ways are explored;
    trylocks always may);
    ``masks``: what a mask parameter of the first function may be; ``trace``: notes are recorded too;
    ``mask_bits``, ``kernel``: the tables; ``pressure``: memory may be short or gone (explored); ``zero_globals``:
    variables
    start at 0 (else they may have been written before); ``survive``: go on after a BUG_ON() on the context;
    ``reclaim``: the run starts inside reclaim (``fs`` or ``io``); ``order``: orders of lock classes that are known
    already; ``entry``: who can reach the first function from user space ("" where that is not asked)."""

    config: Config
    kernel: Kernel
    mask_bits: MaskBits
    context: str = "plain"
    failures: bool = False
    masks: tuple[str, ...] = ("GFP_KERNEL", "GFP_ATOMIC")
    trace: bool = False
    pressure: bool = False
    zero_globals: bool = False
    survive: bool = False
    reclaim: str = ""
    order: frozenset[tuple[Hashable, Hashable]] = frozenset()
    entry: str = ""


class Machine:
    """One machine for one path."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.config = setup.config
        self.kernel = setup.kernel
        self.bits = setup.mask_bits
        self.events: list[Event] = []
        self.phase = ""
        self.task: Task = fresh(setup.context)
        self.order: LockOrder | None = None
        self.debug_locks = self.config.lockdep
        self.deferred: list[tuple[str, Value, list[Value]]] = []
        self.interpreter: Interpreter
        self.allocator = Allocator(self)
        self.releaser = Releaser(self)
        self.operations = Operations(self)
        self._places: dict[int, tuple[Obj, int]] = {}
        self.entered = 0
        self.advice = Advice(self)
        self.vetoes: set[tuple[str, tuple[str, int]]] = set()
        self.lock_classes: dict[Hashable, Hashable] = {}
        self.privileged = False
        self.awaiting: list[tuple[Cache, tuple[tuple[str, int], ...]]] = []
        self.caches_kept: set[tuple[str, bool, tuple[tuple[str, int], ...]]] = set()
        self.uncharged_caches: dict[tuple[tuple[str, int], ...], str] = {}
        if setup.order:
            self.order = LockOrder((*LEARNT_AT_BOOT, *setup.order))
        if setup.reclaim:
            self.task.flags["noreclaim"] = 1
            self.enter(FS_RECLAIM if setup.reclaim == "fs" else IO_RECLAIM, None)
        self.scope_begun: dict[str, tuple[tuple[str, int], ...]] = {}

    # -- what the interpreter asks

    def attach(self, interpreter: Interpreter) -> None:
        """Called by the interpreter that runs on this machine."""
        self.interpreter = interpreter

    def operation(self, name: str) -> Operation | None:
        """What a call of ``name`` does, if the machine or the tables know."""
        return self.operations.find(name)

    def takes_address(self, name: str, args: list[Value]) -> None:
        """A call may compute with an address as one of the linear map: what it gets has to lie there."""
        role = self.kernel.roles.get(("linear", name))
        if role is not None:
            self.operations.rows.linear(role, args)

    def constant(self, name: str) -> Value | None:
        """The value of a name that no program defines: masks and a few numbers."""
        return self.operations.constant(name)

    def keeps_flags(self, name: str, position: int) -> bool:
        """Whether a call stores the interrupt flags in this argument."""
        row = self.kernel.context_ops.get(name)
        return row is not None and row.flags == position and row.effect == "enter"

    def unknown_mask(self, name: str) -> Value:
        """A mask parameter that nobody gave: one of the setup's masks."""
        names = self.setup.masks
        chosen = names[self.interpreter.path.choose(len(names), f"mask {name} ({', '.join(names)})")]
        return GivenMask(self.bits.value(self.kernel.masks[chosen]))

    def touch(self, pointer: Ptr) -> None:
        """A pointer is dereferenced."""
        memory = pointer.obj.memory
        if memory is not None and not memory.alive and not memory.reported:
            memory.reported = True
            self.event("use-after-free", "memory is used after it was freed")

    def place_global(self, name: str, home: Obj) -> None:
        """A global variable came to life: it has an address in the module area."""
        value = home.fields.get(name)
        obj = value if isinstance(value, Obj) else home
        self._places.setdefault(id(obj), (obj, MODULE + 0x4000 + 0x200 * len(self._places)))

    def address(self, value: Value) -> int:
        """The address that a pointer has as a number."""
        if isinstance(value, int):
            return value % WRAP
        if isinstance(value, Ptr):
            offset = value.key if isinstance(value.key, int) else 0
            if value.obj.memory is not None:
                return int(value.obj.memory.address) + offset
            return self._place(value.obj) + offset
        if isinstance(value, Text):
            return IMAGE + 0x80_0000
        if isinstance(value, Func):
            return IMAGE + 0x1000
        return self._place(value) if isinstance(value, Obj) else 0

    def _place(self, obj: Obj) -> int:
        found = self._places.get(id(obj))
        if found is None:
            outer = obj
            while outer.parent is not None:
                outer = outer.parent
            if outer is not obj:
                return self.address(Ptr(outer))
            found = self._places[id(obj)] = (obj, STACK - 0x40 * (len(self._places) % 128))
        return found[1]

    def frame(self) -> Frame:
        """The running call."""
        return self.interpreter.frames[-1]

    def object_at(self, value: Value) -> Memory | None:
        """The allocation that a pointer points to or into."""
        return value.obj.memory if isinstance(value, Ptr) else None

    # -- events

    def stack(self) -> tuple[tuple[str, int], ...]:
        """The program's own calls, outermost first (the library's are left out)."""
        own = self.interpreter.programs[0]
        return tuple((f.function, f.line) for f in self.interpreter.frames if f.program is own)

    def event(self, kind: str, message: str) -> None:
        """Record what a checker would print."""
        if kind in NOTES and not self.setup.trace:
            return
        self.events.append(Event(kind, message, self.stack(), self.phase, len(self.interpreter.path.answers)))

    def record(self, kind: str, message: str, stack: tuple[tuple[str, int], ...], decisions: int) -> None:
        """Record what is known only later than it happened."""
        self.events.append(Event(kind, message, stack, self.phase, decisions))

    def veto(self, kind: str, stack: tuple[tuple[str, int], ...]) -> None:
        """Note that an advice does not hold at this place on this path."""
        if stack:
            self.vetoes.add((VETOES[kind], stack[-1]))

    def note(self, message: str) -> None:
        """Record what happens, for the trace."""
        if self.setup.trace:
            self.event("note", message)

    def oops(self, kind: str, message: str) -> None:
        """Record what stops the machine, and stop; a run that is to go on leaves the call that did it."""
        self.event(kind, message)
        if self.setup.survive and kind in SURVIVED:
            raise SurvivedError(message)
        raise DiedError(message)

    def bug(self, message: str) -> None:
        """BUG_ON() on the context: the machine stops, unless the run is to show what else is wrong."""
        self.event("bug-on", message)
        if not self.setup.survive:
            raise DiedError(message)

    # -- sleeping

    def might_sleep(self, what: str = "") -> None:
        """might_sleep(): the task must be running, and may be scheduled away (kernel/sched/core.c)."""
        task = self.task
        if self.config.atomic_sleep and not task.running:
            self.event("not-running", "a blocking operation while the task is not running")
        self.might_resched(what)

    def might_resched(self, what: str = "") -> None:
        """__might_resched(): reports a sleep in a context that may not sleep."""
        if self.debug_locks:
            self._rcu_sleep_check()
        if not self.atomic() and self.task.context == "task":
            self.advice.sleeps()
        if self.config.atomic_sleep and self.atomic():
            self.event(
                "sleep-fault",
                f"{what or 'a function that may sleep'} is called in atomic context ({self.why_atomic()})",
            )

    def atomic(self) -> bool:
        """Whether sleeping is a defect now and this kernel can tell."""
        task = self.task
        return bool(
            task.irqs_off
            or task.non_block
            or task.count(self.config.preempt_count)
            or (self.config.preempt_rcu and task.rcu)
        )

    def why_atomic(self) -> str:
        """What makes the context atomic, in words."""
        titles = [
            self.kernel.kinds[h.kind].title
            for h in self.task.held
            if h.kind in self.kernel.kinds and self.kernel.kinds[h.kind].atomic
        ]
        if self.task.context != "task":
            titles.insert(0, {"hardirq": "hard interrupt", "softirq": "softirq"}[self.task.context])
        return ", ".join(dict.fromkeys(titles)) or self.setup.context

    def _rcu_sleep_check(self) -> None:
        kinds = ("rcu_bh", "rcu_sched") if self.config.preempt_rcu else ("rcu", "rcu_bh", "rcu_sched")
        if self.task.holds(kinds):
            self.event("rcu-usage", "a context switch inside an RCU read-side section")

    def schedule(self) -> None:
        """schedule(): gives the CPU away."""
        task = self.task
        if task.count(self.config.preempt_count) > 0:
            self.event("sleep-fault", "scheduling while atomic")
        elif self.config.preempt_rcu and task.rcu:
            self.event("warn", "a voluntary context switch inside an RCU read-side section")
        elif not task.irqs_off:
            self.advice.sleeps()
        task.running = True
        task.irqs_off = False  # the next task's switch ends with interrupts enabled, and so does this one's
        self.run_deferred()

    # -- contexts

    def enter(self, kind: str, lock: Hashable, sleeps: bool = False, trylock: bool = False) -> None:
        """Enter a context of this kind."""
        change = effect(kind, sleeps)
        if change.wait:
            self.acquire(kind, lock, change, trylock)
        task = self.task
        before = task.irqs_off
        task.apply(change, +1, self.config.preempt_rcu)
        if change.irqs:
            task.irqs_off = True
        task.held.append(Held(kind, lock, change, before, trylock))

    def leave(self, kind: str, lock: Hashable) -> bool:
        """Leave the innermost context of this kind (with this lock, if such a one is held); False where there is
        none.
        """
        held = self.task.held
        index = next((i for i in range(len(held) - 1, -1, -1) if held[i].kind == kind and held[i].lock == lock), -1)
        if index < 0:
            return False
        self.task.apply(held.pop(index).effect, -1, self.config.preempt_rcu)
        return True

    def acquire(self, kind: str, lock: Hashable, change: Effect, trylock: bool) -> None:
        """lock_acquire(): wait types, use in interrupts, and the order of classes."""
        if not self.debug_locks:
            return
        name = self.lock_class(kind, lock)
        if not trylock:
            outer = change.wait if change.outer < 0 else change.outer
            self.check_wait(outer)
            if lock in USED_IN_TASKS and self.task.context != "task":
                self.report_lock(
                    "lock-state", f"{lock} is taken in an interrupt, and elsewhere with interrupts enabled"
                )
            if change.wait == WAIT_SLEEP:
                self.learn(name)

    def check_wait(self, outer: int) -> None:
        """Whether a lock of this wait type may be taken under what is held (PROVE_RAW_LOCK_NESTING where
        configured).
        """
        if not self.debug_locks:
            return
        limit = self.wait_type(self.task.limit)
        for held in self.task.held:
            if held.effect.wait:
                limit = min(limit, self.wait_type(held.effect.wait))
        if outer > WAIT_FREE and self.wait_type(outer) > limit:
            self.report_lock("wait-context", "a lock is taken whose holder may wait longer than the context allows")

    def wait_type(self, wait: int) -> int:
        """Without raw nesting checks spinlock_t counts as a raw lock."""
        return WAIT_SPIN if wait == WAIT_CONFIG and not self.config.raw_nesting else wait

    def report_lock(self, kind: str, message: str) -> None:
        """A lockdep report; lockdep reports once."""
        if self.debug_locks:
            self.event(kind, message)
            self.debug_locks = False

    def learn(self, taken: Hashable) -> None:
        """Learn that a class is taken under those held; a cycle is a report."""
        if self.order is None:
            self.order = LockOrder()
        for held in reversed(self.task.held):
            if held.effect.wait != WAIT_SLEEP and held.kind not in (FS_RECLAIM, IO_RECLAIM):
                continue
            name: Hashable = self.lock_class(held.kind, held.lock)
            if not self.order.learn(name, taken):
                self.report_lock(
                    "recursion",
                    "reclaim may come back to a lock that is held here"
                    if taken in (FS_RECLAIM, IO_RECLAIM)
                    else "locks are taken in a circle",
                )
                return

    def lock_class(self, kind: str, lock: Hashable) -> Hashable:
        """lockdep's class of a lock: that of the member or the variable; else the lock is its own."""
        return self.lock_classes.get(lock, lock) if lock is not None else kind

    def brief_lock(self, wait: int, name: str = "") -> None:
        """A lock of the core kernel that is taken and dropped within one call."""
        self.check_wait(wait)
        if name and self.debug_locks:
            if name in USED_IN_TASKS and self.task.context != "task":
                self.report_lock(
                    "lock-state", f"{name} is taken in an interrupt, and elsewhere with interrupts enabled"
                )
            self.learn(name)

    # -- rows of the tables

    def context_op(self, row: ContextOp, args: list[Value]) -> Value | None:
        """Enter or leave what a row of context_ops says; ``args`` hold a pointer where the row keeps flags."""
        lock = self.lock_name(args[row.lock]) if row.lock is not None and row.lock < len(args) else None
        handed = self._handed_lock(row, args) if row.indirect or row.returns_lock else None
        if handed is not None:
            lock = handed.key
        if lock is not None and row.bit is not None and row.bit < len(args):
            lock = (lock, identity(args[row.bit]))
        if lock is not None and row.lock is not None:
            self._classify(lock, row.lock)
        if row.effect == "leave":
            self._leave_row(row, lock, args)
            return 0
        trylock = row.when != "always" and not row.sleeps
        if row.sleeps:
            self.might_sleep(f"{row.name}()")
        if trylock and not self._may_take(row, lock):
            return 1 if row.when == "zero" else 0
        flags = args[row.flags] if row.flags is not None and row.flags < len(args) else None
        if isinstance(flags, Ptr):
            flags.obj.fields[flags.key] = int(not self.task.irqs_off)
        for kind in reversed(row.kinds):
            self.enter(kind, lock if kind != "bh" and not effect(kind, False).irqs else None, row.sleeps, trylock)
        self.note(
            f"{row.name}() enters: {', '.join(self.kernel.kinds[k].title for k in row.kinds if k in self.kernel.kinds)}"
        )
        if handed is not None and row.returns_lock:
            return handed
        if row.when == "always":
            self.entered += 1
            return Sym(("call", row.name, self.entered))
        return 0 if row.when == "zero" else 1

    def _handed_lock(self, row: ContextOp, args: list[Value]) -> Sym:
        """The lock that a call takes and tells its caller of: by what it returns, or in a variable."""
        self.entered += 1
        lock = Sym(("lock", row.name, self.entered))
        target = args[row.lock] if row.indirect and row.lock is not None and row.lock < len(args) else None
        if isinstance(target, Ptr):
            target.obj.fields[target.key if target.key is not None else 0] = lock
        return lock

    def _may_take(self, row: ContextOp, lock: Hashable) -> bool:
        """Whether a trylock gets its lock: not while this task holds it; else both ways are explored."""
        if any(h.lock == lock and h.kind in row.kinds for h in self.task.held):
            return False
        return self.interpreter.path.choose(2, f"{row.name}() takes the lock") == 0

    def _leave_row(self, row: ContextOp, lock: Hashable, args: list[Value]) -> None:
        for kind in row.kinds:
            if effect(kind, False).irqs:
                self._irqs_leave(row, kind, args)
            elif not self.leave(kind, lock if kind != "bh" else None) and kind == row.kinds[0]:
                self.event("unbalanced", f"{row.name}() leaves a context that was not entered")
        self.note(f"{row.name}()")

    def _irqs_leave(self, row: ContextOp, kind: str, args: list[Value]) -> None:
        task = self.task
        flags = args[row.flags] if row.flags is not None and row.flags < len(args) else None
        if row.flags is not None and isinstance(flags, int):
            off = flags == 0
        elif row.flags is not None:
            mine = [h for h in task.held if h.effect.irqs]
            off = mine[-1].irqs_before if mine else False
        else:
            off = False
        task.irqs_off = off
        if not off:
            task.held = [h for h in task.held if not h.effect.irqs]
        else:
            self.leave(kind, None)

    def guard_enter(self, name: str, args: list[Value]) -> None:
        """guard(name)(args)"""
        row = self.kernel.guards.get(name)
        if row is None:
            return
        if row.sleeps:
            self.might_sleep(f"guard({name})")
        lock = self._guard_lock(row, args)
        if lock is not None and row.lock is not None:
            self._classify(lock, row.lock)
        for kind in reversed(row.kinds):
            self.enter(kind, lock, row.sleeps)

    def guard_leave(self, name: str, args: list[Value]) -> None:
        """The end of a guard's block."""
        row = self.kernel.guards.get(name)
        if row is None:
            return
        lock = self._guard_lock(row, args)
        for kind in row.kinds:
            held = next((h for h in reversed(self.task.held) if h.kind == kind and h.lock == lock), None)
            if held is not None:
                self.leave(kind, lock)
                if held.effect.irqs:
                    self.task.irqs_off = held.irqs_before

    def is_guard(self, name: str) -> bool:
        """Whether the tables know a guard class of this name."""
        return name in self.kernel.guards

    def _guard_lock(self, row: GuardClass, args: list[Value]) -> Hashable:
        return self.lock_name(args[row.lock]) if row.lock is not None and row.lock < len(args) else None

    def _classify(self, lock: Hashable, position: int) -> None:
        """Remember the class of a lock by how the call names it."""
        named = self.interpreter.named
        if (
            lock not in self.lock_classes
            and position < len(named)
            and (found := class_of(self.interpreter, named[position]))
        ):
            self.lock_classes[lock] = found

    def lock_name(self, value: Value) -> Hashable:
        """What tells one lock from another."""
        if isinstance(value, Ptr):
            return ("at", id(value.obj), value.key)
        if isinstance(value, Sym):
            obj = self.interpreter.objects.get(value.key)
            return ("at", id(obj), None) if obj is not None else value.key
        found: Hashable = identity(value)
        return found

    # -- deferred work

    def defer(self, context: str, function: Value, args: list[Value]) -> None:
        """Run a callback in a context of its own when the running task next waits."""
        self.deferred.append((context, function, args))

    def run_deferred(self) -> None:
        """Run what is due."""
        while self.deferred:
            context, function, args = self.deferred.pop(0)
            self.run_in(context, function, args)

    def run_in(self, context: str, function: Value, args: list[Value]) -> Value:
        """Call a function in a fresh context."""
        if context not in CONTEXT_NAMES:
            raise ProgramError(f"no context {context!r}")
        outer, self.task = self.task, fresh(context)
        try:
            return self.interpreter.call_value(function, args)
        finally:
            self.task = outer
