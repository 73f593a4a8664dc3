"""Runs a C program's functions on every path and says what a kernel with all its checkers would have seen, line by
line.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from gfplint.kernel.callbacks import with_callbacks
from gfplint.kernel.load import load
from gfplint.kernel.model import Kernel, Version
from gfplint.kernel.probe import NEWEST, probes_of
from gfplint.simulator.callbacks import callback_contexts, entry_points, reclaim_paths
from gfplint.simulator.configs import JUDGE, Config
from gfplint.simulator.ending import NOBODY, at_exit, at_return
from gfplint.simulator.events import ADVICE, NOTES, DiedError, Event, HungError
from gfplint.simulator.interp import Interpreter
from gfplint.simulator.machine import Machine, Setup
from gfplint.simulator.masks import MaskBits
from gfplint.simulator.memory import Memory
from gfplint.simulator.paths import MAX_PATHS, MAX_STEPS, MAX_TOTAL_STEPS, BudgetError, Path, explore
from gfplint.simulator.program import Program, ProgramError, parse, shipped
from gfplint.simulator.task import CONTEXT_NAMES

Stack = tuple[tuple[str, int], ...]

#: The kernel that is simulated where the caller says nothing.
DEFAULT_VERSION: Version = NEWEST

#: What a rule's ``sim`` names, as kinds of events: the ways in which a kernel with all its checkers shows that defect.
OBSERVABLES: dict[str, frozenset[str]] = {
    "sleep-fault": frozenset({"sleep-fault", "not-running", "bug-on", "irqs-off"}),
    "wait-context": frozenset({"wait-context", "raw-context"}),
    "bad-free": frozenset(
        {
            "oops",
            "bug-on",
            "page-bug",
            "warn",
            "slub",
            "bad-page",
            "bad-free",
            "second-free",
            "interior-free",
            "leaked-pages",
            "wrong-size",
        }
    ),
    "second-free": frozenset({"second-free", "slub"}),
    "size": frozenset({"bad-page", "page-bug", "oops", "leaked-pages", "wrong-size"}),
    "mask-fixed": frozenset({"mask-fixed", "silent-null"}),
    "warn": frozenset({"warn", "silent-null"}),
    "null": frozenset({"warn"}),
    "leak": frozenset({"leak"}),
    "cache-leak": frozenset({"cache-leak", "slub", "null-deref"}),
    "null-deref": frozenset({"null-deref"}),
    "recursion": frozenset({"recursion"}),
    "task-flags-differ": frozenset({"task-flags-differ"}),
    "outside-linear-map": frozenset({"outside-linear-map"}),
    "reserve-used": frozenset({"reserve-used"}),
    "mask-unchanged": frozenset({"mask-unchanged"}),
    "uncharged": frozenset({"uncharged", "uncharged-cache"}),
    "userspace-page": frozenset({"highmem-address", "movable-pinned"}),
}


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
    ``abandoned``: paths given up at a bound; ``truncated``: there were more paths than the bound; ``vetoes``: places
    where an advice does not hold; ``order``: lock orders that were learnt; ``caches``: slab caches that are made and
    kept in a variable, with whether they account; ``uncharged``: variables whose caches served what nobody is charged
    for; ``cache_of``: the variable by the place that asked for an object; ``order_known``, ``entry``: what it started
    from, as in ``Options``."""

    root: str
    context: str
    observations: tuple[Observation, ...]
    scripts: tuple[tuple[int, ...], ...]
    paths: int
    abandoned: int
    truncated: bool
    vetoes: frozenset[tuple[str, tuple[str, int]]] = frozenset()
    order: frozenset[tuple[Hashable, Hashable]] = frozenset()
    caches: frozenset[tuple[str, bool, Stack]] = frozenset()
    uncharged: frozenset[str] = frozenset()
    cache_of: Mapping[Stack, str] = field(default_factory=dict)
    order_known: frozenset[tuple[Hashable, Hashable]] = frozenset()
    entry: str = ""


@dataclass(frozen=True)
class Options:
    """``pressure``: memory may be short or exhausted; ``failures``: allocations may fail (trylocks always may);
    ``masks``: what a mask parameter may be; ``survive``: go on after a BUG_ON() on the context; bounds as in paths.py.
    """

    context: str = "plain"
    pressure: bool = False
    failures: bool = True
    masks: tuple[str, ...] = ("GFP_KERNEL", "GFP_ATOMIC")
    config: Config = JUDGE
    survive: bool = False
    reclaim: str = ""
    order: frozenset[tuple[Hashable, Hashable]] = frozenset()
    entry: str = ""
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
) -> list[Run]:
    """Explore each root of a program (or the functions named), each in its context.

    What reclaim calls comes first: the locks taken there are known to the others. Advice that a path contradicts is
    left out.
    """
    kernel = kernel_of(version)
    contexts = callback_contexts(program, kernel)
    pool = Pool(options.max_total)
    chosen = list(functions) if functions is not None else roots(program, contexts)
    entries = entry_points(program, kernel)
    learnt: set[tuple[Hashable, Hashable]] = set()
    for name, needs in reclaim_paths(program, kernel).items():
        # Where any reclaim may call, the code asks the mask itself: lockdep learns from the widest.
        reclaim = "io" if needs == "io" else "fs"
        inside = replace(options, reclaim=reclaim, max_paths=min(options.max_paths, RECLAIM_PATHS))
        learnt |= explore_function(program, name, "kthread", inside, version, pool).order
    told = replace(options, order=frozenset(learnt))
    runs = []
    for name in chosen:
        given = functions is not None and options.context != "plain"
        context = options.context if given else contexts.get(name, options.context)
        entry = entries.get(name, "" if not entries else NOBODY)
        runs.append(explore_function(program, name, context, replace(told, entry=entry), version, pool))
    return judged(runs)


#: Paths of a function that reclaim calls that are run to see which locks it takes.
RECLAIM_PATHS = 64


def judged(runs: list[Run]) -> list[Run]:
    """The runs without advice that another path contradicts, and with what concerns caches that one run makes and
    another uses.
    """
    vetoed = frozenset().union(*(run.vetoes for run in runs)) if runs else frozenset()
    plain = {name for run in runs for name, account, _ in run.caches if not account}
    wanting = {name for run in runs for name in run.uncharged if name in plain}
    found = []
    for run in runs:
        keep = [
            n
            for n, seen in enumerate(run.observations)
            if (seen.kind, (seen.function, seen.line)) not in vetoed
            and not (seen.kind == "uncharged" and run.cache_of.get(seen.stack) in wanting)
        ]
        kept = [(run.observations[n], run.scripts[n]) for n in keep]
        for name, account, stack in sorted(run.caches):
            if name in wanting and not account:
                function, line = stack[-1]
                message = "objects of this cache outlive their calls and are charged to nobody"
                kept.append((Observation(line, "uncharged-cache", function, message, run.root, stack), ()))
        kept.sort(key=lambda pair: pair[0])
        found.append(replace(run, observations=tuple(k[0] for k in kept), scripts=tuple(k[1] for k in kept)))
    return found


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
        counts.add(machine)
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
        name,
        context,
        observations,
        tuple(scripts[key] for key in ordered),
        counts.paths,
        counts.abandoned,
        truncated,
        frozenset(counts.vetoes),
        frozenset(counts.order),
        frozenset(counts.caches),
        frozenset(counts.uncharged.values()),
        counts.uncharged,
        options.order,
        options.entry,
    )


@dataclass
class _Counts:
    """What the paths of one function add up to."""

    paths: int = 0
    abandoned: int = 0
    vetoes: set[tuple[str, tuple[str, int]]] = field(default_factory=set)
    order: set[tuple[Hashable, Hashable]] = field(default_factory=set)
    caches: set[tuple[str, bool, Stack]] = field(default_factory=set)
    uncharged: dict[Stack, str] = field(default_factory=dict)

    def add(self, machine: Machine) -> None:
        """One more path."""
        self.vetoes |= machine.vetoes
        if machine.order is not None and machine.setup.reclaim:
            self.order |= set(machine.order.edges())
        self.caches |= machine.caches_kept
        self.uncharged |= machine.uncharged_caches


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
            reclaim=options.reclaim,
            order=options.order,
            entry=options.entry,
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
    options = replace(options, order=run.order_known, entry=run.entry)
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
    at_return(program, name, interpreter, value, flags)
    machine.advice.finish()
    try:
        at_exit(program, name, interpreter, value)
    except (DiedError, HungError):
        return True
    except (BudgetError, RecursionError):
        return False
    return True


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
