"""Runs a C program's functions on every path and says what a kernel with all its checkers would have seen, line by
line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from gfplint.kernel.callbacks import with_callbacks
from gfplint.kernel.load import load
from gfplint.kernel.model import Kernel, Version
from gfplint.kernel.probe import NEWEST, probes_of
from gfplint.simulator.callbacks import callback_contexts
from gfplint.simulator.configs import JUDGE, Config
from gfplint.simulator.events import NOTES, DiedError, Event, HungError
from gfplint.simulator.interp import Interpreter
from gfplint.simulator.machine import Machine, Setup
from gfplint.simulator.masks import MaskBits
from gfplint.simulator.memory import Memory
from gfplint.simulator.paths import MAX_PATHS, MAX_STEPS, MAX_TOTAL_STEPS, BudgetError, Path, explore
from gfplint.simulator.program import Program, ProgramError, parse, shipped
from gfplint.simulator.task import CONTEXT_NAMES
from gfplint.simulator.values import Obj, Ptr, Value

#: The kernel that is simulated where the caller says nothing.
DEFAULT_VERSION: Version = NEWEST

#: Families whose memory a memory cgroup can be charged for.
CHARGEABLE = frozenset({"kmalloc", "kvmalloc", "vmalloc", "kmem_cache", "pages", "page", "percpu", "exact", "folio"})

#: What a rule's ``sim`` names, as kinds of events: the ways in which a kernel with all its checkers shows that defect.
OBSERVABLES: dict[str, frozenset[str]] = {
    "sleep-fault": frozenset({"sleep-fault", "not-running", "bug-on", "irqs-off"}),
    "wait-context": frozenset({"wait-context"}),
    "bad-free": frozenset(
        {"oops", "bug-on", "warn", "slub", "bad-page", "bad-free", "second-free", "interior-free", "leaked-pages"}
    ),
    "second-free": frozenset({"second-free", "slub"}),
    "size": frozenset({"bad-page", "bug-on", "oops", "leaked-pages"}),
    "mask-fixed": frozenset({"mask-fixed", "silent-null"}),
    "warn": frozenset({"warn", "silent-null"}),
    "null": frozenset({"warn"}),
    "leak": frozenset({"leak"}),
    "null-deref": frozenset({"null-deref"}),
    "recursion": frozenset({"recursion"}),
    "task-flags-differ": frozenset({"task-flags-differ"}),
    "reserve-used": frozenset({"reserve-used"}),
    "uncharged": frozenset({"uncharged"}),
}

#: What only says that an expectation of the advice rules is met; no defect by itself.
ADVICE = frozenset({"reserve-used", "uncharged"})


@dataclass(frozen=True, order=True)
class Observation:
    """One thing seen at one place. ``line``/``function``: the innermost place in the program; ``stack``: all of them,
    outermost
    first; ``kind``: ``sleep-fault``, ``bug-on``, ``oops``, ``null-deref``, ``wait-context``, ``lock-state``,
    ``recursion``, ``warn``,
    ``slub``, ``bad-page``, ``bad-free``, ``second-free``, ``use-after-free``, ``leak``, ``uncharged``, ``mask-fixed``,
    ``silent-null``,
    ``task-flags-differ``, ``reserve-used``, ...; ``root``: the function that was started; ``assumptions``: what one
    such path assumed;
    ``mask_given``: it happens only with some of the masks that a parameter may bring, so it is the caller's."""

    line: int
    kind: str
    function: str
    message: str
    root: str
    stack: tuple[tuple[str, int], ...] = ()
    assumptions: tuple[str, ...] = ()
    mask_given: bool = False


@dataclass(frozen=True)
class Run:
    """What exploring one function gave. ``scripts``: for each observation the answers that lead to it again;
    ``abandoned``: paths given up at a bound; ``truncated``: there were more paths than the bound."""

    root: str
    context: str
    observations: tuple[Observation, ...]
    scripts: tuple[tuple[int, ...], ...]
    paths: int
    abandoned: int
    truncated: bool


@dataclass(frozen=True)
class Options:
    """``pressure``: memory may be short or exhausted; ``failures``: allocations and trylocks may fail; ``masks``: what
    a
    mask parameter may be; ``survive``: go on after a BUG_ON() on the context; bounds as in paths.py."""

    context: str = "plain"
    pressure: bool = False
    failures: bool = True
    masks: tuple[str, ...] = ("GFP_KERNEL", "GFP_ATOMIC")
    config: Config = JUDGE
    survive: bool = False
    max_paths: int = MAX_PATHS
    max_steps: int = MAX_STEPS
    max_total: int = MAX_TOTAL_STEPS


@lru_cache(maxsize=8)
def kernel_of(version: Version = DEFAULT_VERSION) -> Kernel:
    """The tables for a mainline version, callbacks included."""
    return with_callbacks(load(version, probes_of(version)))


@lru_cache(maxsize=8)
def _bits(version: Version) -> MaskBits:
    return MaskBits(kernel_of(version).masks)


def observe(
    source: bytes,
    function: str | None = None,
    context: str = "plain",
    *,
    version: Version = DEFAULT_VERSION,
    pressure: bool = False,
    failures: bool = True,
) -> list[Observation]:
    """All that can be observed in a program, sorted: of one function, or of every function that nothing in the file
    calls,
    callbacks in the context in which the core would call them. Raises ProgramError where the source can't be run."""
    program = parse(source)
    options = Options(context=context, pressure=pressure, failures=failures)
    found: set[Observation] = set()
    for run in explore_program(program, options, None if function is None else (function,), version):
        found.update(run.observations)
    return sorted(found)


def observables(
    source: bytes, *, version: Version = DEFAULT_VERSION, options: Options | None = None
) -> dict[int, set[str]]:
    """Line to kinds observed there, over all roots of a program: what a generated program is compared by."""
    lines: dict[int, set[str]] = {}
    for run in explore_program(parse(source), options or Options(), None, version):
        for seen in run.observations:
            lines.setdefault(seen.line, set()).add(seen.kind)
    return lines


def explore_program(
    program: Program, options: Options, functions: Iterable[str] | None = None, version: Version = DEFAULT_VERSION
) -> Iterator[Run]:
    """Explore each root of a program (or the functions named), each in its context."""
    contexts = callback_contexts(program, kernel_of(version))
    pool = Pool(options.max_total)
    chosen = list(functions) if functions is not None else roots(program, contexts)
    for name in chosen:
        context = (
            options.context
            if functions is not None and options.context != "plain"
            else contexts.get(name, options.context)
        )
        yield explore_function(program, name, context, options, version, pool)


def roots(program: Program, callbacks: Iterable[str] = ()) -> list[str]:
    """The functions that nothing in the program calls, and its callbacks; all where each is called by another."""
    found = [name for name in program.order if name not in program.callees or name in callbacks]
    found = [name for name in found if not name.startswith("__free_")]
    return found or list(program.order)


@dataclass
class Pool:
    """Steps that are left for a program."""

    left: int


def explore_function(
    program: Program,
    name: str,
    context: str,
    options: Options,
    version: Version = DEFAULT_VERSION,
    pool: Pool | None = None,
) -> Run:
    """Run one function on every path, at most ``options.max_paths``, and while ``pool`` has steps left."""
    steps = pool or Pool(options.max_total)
    if context not in CONTEXT_NAMES:
        raise ProgramError(f"no context {context!r} (contexts: {', '.join(CONTEXT_NAMES)})")
    if name not in program.functions:
        raise ProgramError(f"no function {name!r}")
    kernel = kernel_of(version)
    counts = _Counts()
    seen: dict[tuple[Any, ...], Observation] = {}
    scripts: dict[tuple[Any, ...], tuple[int, ...]] = {}
    masks: dict[tuple[Any, ...], set[tuple[int, ...]]] = {}

    def one(path: Path) -> Path:
        path.max_steps = min(options.max_steps, steps.left)
        machine = _machine(kernel, version, context, options)
        if not run_path(program, name, machine, path, options):
            counts.abandoned += 1
        steps.left -= min(path.steps, steps.left)
        given = _masks_given(path)
        for event in machine.events:
            if event.kind in NOTES or not event.stack:
                continue
            key = (event.kind, event.stack)
            if key not in seen:
                function, line = event.stack[-1]
                assumed = path.assumptions()[: event.decisions]
                seen[key] = Observation(line, event.kind, function, event.message, name, event.stack, assumed, True)
                scripts[key] = tuple(answer for answer, _, _ in path.answers)
            masks.setdefault(key, set()).add(given)
        return path

    for _ in explore(one, options.max_paths):
        counts.paths += 1
        if steps.left <= 0:
            break
    truncated = counts.paths >= options.max_paths or steps.left <= 0
    ordered = sorted(seen, key=lambda key: seen[key])
    observations = tuple(
        replace(seen[key], mask_given=_depends_on_mask(masks[key], len(options.masks))) for key in ordered
    )
    return Run(
        name, context, observations, tuple(scripts[key] for key in ordered), counts.paths, counts.abandoned, truncated
    )


@dataclass
class _Counts:
    paths: int = 0
    abandoned: int = 0


def _machine(kernel: Kernel, version: Version, context: str, options: Options, trace: bool = False) -> Machine:
    return Machine(
        Setup(
            options.config,
            kernel,
            _bits(version),
            context,
            failures=options.failures,
            masks=options.masks,
            trace=trace,
            pressure=options.pressure,
            survive=options.survive,
        )
    )


def _masks_given(path: Path) -> tuple[int, ...]:
    """The masks that the path chose for parameters; none where a condition asked them, for then the code knows."""
    if path.mask_tested:
        return ()
    return tuple(answer for answer, _, label in path.answers if label.startswith("mask "))


def _depends_on_mask(given: set[tuple[int, ...]], count: int) -> bool:
    """Whether something happens with some masks of a parameter only: then it is the caller's."""
    return () not in given and any(len({g[i] for g in given}) < count for i in range(min(map(len, given))))


def trace_of(
    program: Program, run: Run, index: int, options: Options, version: Version = DEFAULT_VERSION
) -> list[Event]:
    """The events of the path that led to an observation, notes included."""
    machine = _machine(kernel_of(version), version, run.context, options, trace=True)
    path = Path(list(run.scripts[index]), max_steps=options.max_steps)
    run_path(program, run.root, machine, path, options)
    return machine.events


def run_path(program: Program, name: str, machine: Machine, path: Path, options: Options) -> bool:
    """Run a function once; False where the path was abandoned at a bound."""
    interpreter = Interpreter((program, shipped("kernel")), machine, path)
    flags = dict(machine.task.flags)
    try:
        value = interpreter.run(name, [])
        if machine.deferred:
            machine.run_deferred()
    except DiedError:
        return True
    except HungError:
        return True
    except (BudgetError, RecursionError):
        return False
    _at_return(program, name, interpreter, machine, value, flags)
    return True


def _at_return(
    program: Program, name: str, interpreter: Interpreter, machine: Machine, value: Value, flags: dict[str, int]
) -> None:
    """What can be said only when the function has returned: task flags, leaks, memory that nobody was charged for."""
    body = program.functions[name]
    line = interpreter.last_return or body.coord.line
    changed = sorted(
        kind for kind in set(flags) | set(machine.task.flags) if flags.get(kind, 0) != machine.task.flags.get(kind, 0)
    )
    decisions = len(interpreter.path.answers)

    def say(kind: str, message: str, stack: tuple[tuple[str, int], ...]) -> None:
        machine.events.append(Event(kind, message, stack, "", decisions))

    if changed:
        # The scope's beginning is what has to be mended, so that is where it stands.
        where = machine.scope_begun or ((name, line),)
        say("task-flags-differ", f"the {', '.join(changed)} scope differs at return", where)
    kept = reachable(interpreter, value)
    for obj, memory in machine.allocator.memories:
        if not memory.alive or not memory.stack:
            continue
        held = id(obj) in kept or memory.escaped
        if not held and not memory.managed and not memory.attempted:
            say("leak", f"{memory.family} memory is neither freed nor kept", memory.lost or memory.stack)
        elif held and memory.family in CHARGEABLE and not memory.accounted and machine.task.charged:
            say("uncharged", "memory outlives the call and is charged to nobody", memory.stack)


def reachable(interpreter: Interpreter, value: Value) -> set[int]:
    """The objects that are still held by the result, by globals, or by what the function did not make."""
    seen: set[int] = set()
    stack: list[Any] = [value, interpreter.globals, *interpreter.objects.values()]
    while stack:
        item = stack.pop()
        obj = item.obj if isinstance(item, Ptr) else item
        if not isinstance(obj, Obj) or id(obj) in seen:
            continue
        seen.add(id(obj))
        stack.extend(v for v in obj.fields.values() if isinstance(v, Ptr | Obj))
        if obj.parent is not None:
            stack.append(obj.parent)
    return seen


__all__ = [
    "ADVICE",
    "DEFAULT_VERSION",
    "Memory",
    "Observation",
    "Options",
    "Run",
    "explore_function",
    "explore_program",
    "observables",
    "observe",
]
