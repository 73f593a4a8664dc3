"""Replays the oracle: what Linux did, row by row, against what the simulator says would happen.

Each row names a context, a call and a mask (or an allocator and a free, ...); the programs in ``programs/`` restate
them in C, and are
run on the kernel that the case's letter names. What the machine then observed is put into the oracle's classes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pycparser import c_ast

from gfplint.kernel.load import load
from gfplint.kernel.model import Kernel
from gfplint.kernel.probe import probes_of
from gfplint.simulator.allocator import Allocator, size_name
from gfplint.simulator.configs import CONFIGS, Config
from gfplint.simulator.events import ADVICE, DiedError, Event, HungError
from gfplint.simulator.interp import Frame, Interpreter
from gfplint.simulator.machine import Machine, Setup
from gfplint.simulator.masks import FIRST_INVALID_BIT, MaskBits
from gfplint.simulator.memcg import OWN
from gfplint.simulator.memory import VMALLOC_MAP, area, kmalloc_class
from gfplint.simulator.paths import BudgetError, Path
from gfplint.simulator.program import Program, ProgramError, shipped
from gfplint.simulator.values import WRAP, Func, Obj, Ptr, Value
from gfplint.simulator.zones import zone_of

#: The kernel that the oracle was taken from.
VERSION = (6, 12)
#: Steps of one case.
CASE_STEPS = 2_000_000
#: No row, and no file, is larger.
MAX_ROWS = 1_000_000
MAX_FIELD = 1 << 16

#: What a row can't be scored against.
UNSCORED = "-"
#: What a row is called that the simulator can't express.
UNKNOWN = "?"

_CASE = re.compile(r"-(A|B|C|Ds|D|E)#")
#: Events that no checker of a real kernel prints.
_SILENT = frozenset(
    {
        "note",
        "hang",
        "bad-free",
        *ADVICE,
        "wrong-size",
        "silent-null",
        "silent",
        "leak",
        "interior-free",
        "second-free",
        "leaked-pages",
        "memcg-oom",
        "unbalanced",
        "use-after-free",
        "overwritten",
        "delayed",
    }
)


class OracleError(ValueError):
    """The file is no oracle file; the message says why."""


@dataclass(frozen=True)
class Row:
    """One case; ``expected`` is its class, or "" where the file leaves it open."""

    group: str
    case: str
    context: str
    call: str
    mask: str
    expected: str


@dataclass
class Replay:
    """The result: predictions in the file's order, and the agreement where the file has classes."""

    predictions: list[tuple[Row, str]] = field(default_factory=list)

    def disagreements(self) -> list[tuple[Row, str]]:
        """Scored rows that the prediction misses."""
        return [(row, said) for row, said in self.predictions if _scored(row) and row.expected != said]

    def inexpressible(self) -> list[str]:
        """Cases that the simulator can't express, scored or not."""
        return [row.case for row, said in self.predictions if said == UNKNOWN]

    def as_json(self) -> dict[str, Any]:
        """The form that ``gfplint simulate --oracle --format json`` prints."""
        scored = [(row, said) for row, said in self.predictions if _scored(row)]
        groups: dict[str, dict[str, int]] = {}
        for row, said in scored:
            group = groups.setdefault(row.group, {"scored": 0, "agree": 0})
            group["scored"] += 1
            group["agree"] += row.expected == said
        return {
            "rows": len(self.predictions),
            "predictions": [{"case": row.case, "class": said} for row, said in self.predictions],
            "inexpressible": self.inexpressible(),
            "scored": len(scored),
            "agree": sum(g["agree"] for g in groups.values()),
            "groups": dict(sorted(groups.items())),
            "disagreements": [
                {
                    "group": r.group,
                    "case": r.case,
                    "context": r.context,
                    "call": r.call,
                    "mask": r.mask,
                    "class": r.expected,
                    "predicted": said,
                }
                for r, said in self.disagreements()
            ],
        }


def _scored(row: Row) -> bool:
    return row.expected not in ("", UNSCORED)


def read_rows(lines: Iterable[str]) -> list[Row]:
    """The rows of a file in the oracle's format; raises OracleError."""
    columns = ("group", "case", "context", "call", "mask", "class")
    try:
        reader = csv.reader(lines, strict=True)
        header = [name.strip() for name in next(reader, [])]
        header[:1] = [name.removeprefix("\ufeff") for name in header[:1]]
        if not set(columns[:5]) <= set(header):
            raise OracleError("not an oracle file: columns group, case, context, call and mask are needed")
        if len(set(header)) < len(header):
            raise OracleError("not an oracle file: a column is there twice")
        places = [header.index(name) if name in header else -1 for name in columns]
        rows: list[Row] = []
        for line in reader:
            if not line:
                continue
            if len(line) != len(header):
                raise OracleError(f"line {reader.line_num}: {len(line)} columns, not {len(header)}")
            if len(rows) >= MAX_ROWS:
                raise OracleError(f"more than {MAX_ROWS} rows")
            rows.append(Row(*(line[place] if place >= 0 else "" for place in places)))
        return rows
    except csv.Error as error:
        raise OracleError(f"not a CSV file: {error}") from None


def replay(rows: Iterable[Row]) -> Replay:
    """Predict the class of every row."""
    judge = Oracle()
    return Replay([(row, judge.predict(row)) for row in rows])


class Oracle:
    """Predicts classes; equal cases are run once."""

    def __init__(self, kernel: Kernel | None = None) -> None:
        self.kernel = kernel or load(VERSION, probes_of(VERSION))
        self.bits = MaskBits(self.kernel.masks)
        self.seen: dict[tuple[str, ...], str] = {}

    def predict(self, row: Row) -> str:
        """The class of one row; UNKNOWN where it can't be expressed."""
        match = _CASE.search(row.case)
        if match is None:
            return UNKNOWN
        key = (row.group, row.case.split("#")[0], row.context, row.call, row.mask)
        if key not in self.seen:
            self.seen[key] = self._predict(row, CONFIGS[match.group(1)])
        return self.seen[key]

    def _predict(self, row: Row, config: Config) -> str:
        groups = {"1": self._context, "2": self._free, "3": self._accounting, "4": self._recursion, "5": self._sizes}
        judge = groups.get(row.group)
        if judge is None:
            return UNKNOWN
        try:
            return judge(row, config)
        except (ProgramError, BudgetError, KeyError, ValueError, RecursionError):
            return UNKNOWN

    # -- running C

    @cached_property
    def tables(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """The tables of names in the programs: name to the functions beside it."""
        return {
            name: table
            for file in ("contexts", "calls", "frees", "accounting", "reclaim")
            for name, table in read_tables(shipped(file)).items()
        }

    def mask(self, name: str) -> int:
        """A mask as the oracle writes it; KeyError for an unknown name."""
        if name == "-":
            name = "GFP_KERNEL"
        if name == "0":
            return 0
        if name == "INVALID_BITS":
            return self.bits.value(self.kernel.masks["GFP_KERNEL"]) | 1 << FIRST_INVALID_BIT
        kept, *dropped = name.split("&~")
        value = 0
        for part in kept.split("|"):
            value |= self.bits.value(self.kernel.masks[part])
        for part in dropped:
            value &= ~self.bits.value(self.kernel.masks[part])
        return value

    def trial(self, config: Config, *files: str) -> Trial:
        """A machine with these programs and the library."""
        programs = (*(shipped(f) for f in files), shipped("kernel"))
        setup = Setup(config, self.kernel, self.bits, zero_globals=True)
        return Trial(Interpreter(programs, Machine(setup), Path(max_steps=CASE_STEPS)))

    # -- group 1: contexts

    def _context(self, row: Row, config: Config) -> str:
        context, slab_fails, pages_fail = fault_injection(row.context)
        prepare, call = self.tables["calls"][row.call]
        trial = self.trial(config, "contexts", "calls")
        now = trial.struct("now")
        now.fields["gfp"] = self.mask(row.mask)
        if not trial.run("setup"):
            return UNKNOWN
        if slab_fails:
            trial.variable("preload_nodes", 0)
        if prepare and not trial.run(prepare):
            return UNKNOWN
        trial.variable("current_call", Func(call))
        trial.machine.allocator.fail_slab = slab_fails
        trial.machine.allocator.fail_pages = pages_fail
        trial.machine.phase = "case"
        trial.run(self.tables["contexts"][context][0])
        return class_of_context(trial, now)

    # -- group 2: allocators and frees

    def _free(self, row: Row, config: Config) -> str:
        get, (put, *speed) = self.tables["allocators"][row.context][0], self.tables["frees"][row.call]
        if row.case.split("-")[0] in SINGLE:
            config = replace(config, counters=False)
        trial = self.trial(config, "frees")
        machine = trial.machine
        trial.run("setup")
        self._pair(trial, "case", get, put)
        physical = machine.allocator.physical
        size = trial.value("size")
        rounds = HUGE_ROUNDS if isinstance(size, int) and size > HUGE else SLOW_ROUNDS if speed else ROUNDS
        machine.allocator.memories.clear()
        physical.free_delta = physical.slab_delta = physical.vmalloc_delta = 0
        case = {e.kind for e in trial.events("case")} - _SILENT
        if config.counters and not trial.died:
            for _ in range(rounds):
                if not self._pair(trial, "repeat", get, put):
                    break
        lost = Lost(-physical.free_delta, physical.slab_delta, physical.vmalloc_delta, rounds)
        machine.phase = "teardown"
        dead = trial.died
        trial.died = False
        if not dead:
            trial.run("teardown")
        return class_of_free(trial, row, case, lost if config.counters else None)

    @staticmethod
    def _pair(trial: Trial, phase: str, get: str, put: str) -> bool:
        """Allocate and free once; False where the machine died of it."""
        machine = trial.machine
        machine.phase = "preparing"
        trial.result = 0
        if not trial.run(get):
            return False
        machine.phase = phase
        return trial.run(put, trial.result) and trial.run("sim_settle")

    # -- group 3: accounting

    def _accounting(self, row: Row, config: Config) -> str:
        context, _, limit = row.context.partition(" memory.max=")
        one, size_name = self.tables["objects"][row.call]
        size = int(size_name.removeprefix("size_"))
        trial = self.trial(config, "contexts", "accounting")
        trial.run("setup")
        machine = trial.machine
        for name, value in (
            ("gfp", self.mask(row.mask)),
            ("allocate", Func(one)),
            ("wanted", OBJECTS),
            ("current_call", Func("all")),
        ):
            trial.variable(name, value)
        limited = limit not in ("max", "")
        # The limit is scaled like the number of objects: a quarter of what is asked for.
        if limited:
            machine.allocator.charging.limits[OWN] = size * OBJECTS // 4
        machine.phase = "case"
        trial.run(self.tables["contexts"][context][0])
        got, failed = trial.value("got"), bool(trial.value("failed"))
        return class_of_accounting(machine, got if isinstance(got, int) else 0, failed, limited)

    # -- group 4: reclaim recursion

    def _recursion(self, row: Row, config: Config) -> str:
        fields = dict(part.split("=", 1) for part in row.context.split(" "))
        hold, _, after = fields["hold"].partition(",")
        prepare, call = self.tables["calls"][row.call]
        trial = self.trial(config, "reclaim", "contexts", "calls")
        trial.struct("now").fields["gfp"] = self.mask(row.mask)
        trial.run("setup")
        if hold.startswith("rwsem"):
            trial.run("use_semaphore")
        if prepare:
            trial.run(prepare)
        trial.variable("current_call", Func(call))
        trial.machine.phase = "case"
        prime, held = self.tables["primes"][fields["prime"]][0], self.tables["holds"][hold][0]
        if after:
            trial.run(held)
            trial.machine.phase = "priming"
            trial.run(prime)
        else:
            trial.machine.phase = "priming"
            trial.run(prime)
            trial.machine.phase = "case"
            trial.run(held)
        kinds = {e.kind for e in trial.events("case")}
        if "recursion" in kinds:
            return "recursion"
        if "recursion" in {e.kind for e in trial.events("priming")} or kinds - _SILENT:
            return UNSCORED
        return "quiet"

    # -- group 5: masks and sizes

    def _sizes(self, row: Row, config: Config) -> str:
        trial = self.trial(config, "calls")
        trial.interpreter.frames.append(Frame("case", shipped("calls")))
        if row.call.startswith("size_"):
            return self._size(trial, int(row.call.removeprefix("size_")))
        return self._mask(self._named_mask(row))

    def _named_mask(self, row: Row) -> str:
        """The mask that a row of group 5 is about: where the column says none, its call or context may name it."""
        for name in (row.mask, row.call, row.call.partition("_")[2], row.context):
            if name not in ("", "-"):
                try:
                    self.mask(name)
                except KeyError:
                    continue
                return name
        return "-"

    def _size(self, trial: Trial, size: int) -> str:
        """What kmalloc and kvmalloc make of a size."""
        if size < 0:
            raise ValueError("no size is negative")
        machine = trial.machine
        ask = trial.interpreter.call_name
        found = {}
        for name, function, mask in (
            ("kmalloc", "kmalloc", "GFP_KERNEL|__GFP_NOWARN"),
            ("kvmalloc_KERNEL", "kvmalloc", "GFP_KERNEL"),
            ("kvmalloc_ATOMIC", "kvmalloc", "GFP_ATOMIC|__GFP_NOWARN"),
        ):
            found[name] = pointer_kind(ask(function, [size, self.mask(mask)]), machine)
        cache = kmalloc_class(size)
        found["kmalloc_cache"] = f"kmalloc-{size_name(cache)}" if cache else "large/none"
        return " ".join(f"{key}={value}" for key, value in found.items())

    def _mask(self, name: str) -> str:
        """What a mask lets the allocator do, which zone it names and which cache serves it."""
        value = self.mask(name)
        mask = self.bits.names(value)
        kind = Allocator.kmalloc_type(mask)
        cache = f"{kind}-64"
        flags = {"blocking": "__GFP_DIRECT_RECLAIM", "fs": "__GFP_FS", "io": "__GFP_IO"}
        said = " ".join(f"{key}={int(bit in mask)}" for key, bit in flags.items())
        return f"{said} gfp_zone={zone_of(mask)} kmalloc_cache={cache}"


#: How often a pair is repeated where counters are compared; less often for frees that wait, and above HUGE bytes.
ROUNDS, SLOW_ROUNDS, HUGE_ROUNDS, HUGE = 128, 32, 4, 1 << 20
#: Sets whose pairs were run once, without counters.
SINGLE = frozenset({"g2extra"})
#: Objects of an accounting case.
OBJECTS = 64


@dataclass(frozen=True)
class Lost:
    """Counter changes over the repeats: pages not given back, slab pages and vmalloc pages more than before."""

    pages: int
    slab: int
    vmalloc: int
    rounds: int


def class_of_free(trial: Trial, row: Row, case: set[str], lost: Lost | None) -> str:
    """Group 2: messages in the call itself first, then the counters, then what came later."""
    if case & {"oops", "bug-on", "page-bug", "null-deref"}:
        return "crash"
    for kind in ("kasan", "slub", "bad-page"):
        if kind in case:
            return kind
    if case:
        return "warn"
    later = {e.kind for e in trial.events("teardown", "repeat")} - _SILENT
    if lost is not None and not {e.kind for e in trial.events("repeat")} & {"oops", "bug-on", "page-bug"}:
        silent = class_of_counters(row, lost)
        if silent:
            return silent
    return "delayed" if later or any(e.kind in ("overwritten", "delayed") for e in trial.machine.events) else "ok"


def class_of_counters(row: Row, lost: Lost) -> str:
    """What the counters alone say after a pair was repeated."""
    some = max(2, lost.rounds // 32)
    if row.context.startswith("freed:"):
        return "second-free"
    if lost.pages <= -some:
        return "over-free"
    if lost.pages >= some or lost.vmalloc >= some:
        return "leak"
    return "skew" if abs(lost.slab) >= some else ""


def class_of_accounting(machine: Machine, got: int, failed: bool, limited: bool) -> str:
    """Group 3: whether what was allocated was charged, and what the limit did."""
    if got < 5:
        return UNSCORED
    mine = machine.allocator.charging.charged.get(OWN, 0)
    charged = "charged" if mine else "uncharged"
    if not limited:
        return f"{charged}/null" if failed else charged
    if any(e.kind == "memcg-oom" for e in machine.events):
        return f"{charged}/oom"
    if failed:
        return f"{charged}/null"
    return f"{charged}/exceeded" if mine else f"{charged}/unlimited"


class Trial:
    """One machine that runs several functions after another, until it dies."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self.machine = interpreter.machine
        self.died = False
        self.hung = False
        self.result: Value = 0

    def run(self, name: str, *args: Value) -> bool:
        """Call a function; False where the machine died or hung."""
        try:
            self.result = self.interpreter.run(name, list(args))
        except DiedError:
            self.died = True
        except HungError:
            self.hung = True
        finally:
            self.interpreter.frames.clear()
        return not (self.died or self.hung)

    def variable(self, name: str, value: Value) -> None:
        """Set a global variable."""
        self.interpreter.global_home(name)
        self.interpreter.globals.fields[name] = value

    def value(self, name: str) -> Value:
        """A global variable's value."""
        self.interpreter.global_home(name)
        found: Value = self.interpreter.globals.fields.get(name, 0)
        return found

    def struct(self, name: str) -> Obj:
        """A global struct."""
        value = self.value(name)
        if not isinstance(value, Obj):
            raise ProgramError(f"{name} is no struct")
        return value

    def events(self, *phases: str) -> list[Event]:
        """What was observed in these phases."""
        return [e for e in self.machine.events if e.phase in phases]


def read_tables(program: Program) -> dict[str, dict[str, tuple[str, ...]]]:
    """Arrays of ``{ "name", function, ... }`` in a program: by array, name to function names ("" for NULL)."""
    tables: dict[str, dict[str, tuple[str, ...]]] = {}
    for variable, node in program.variables.items():
        if not isinstance(node.init, c_ast.InitList):
            continue
        rows: dict[str, tuple[str, ...]] = {}
        for entry in node.init.exprs:
            items = entry.exprs if isinstance(entry, c_ast.InitList) else []
            if items and isinstance(items[0], c_ast.Constant) and items[0].type == "string":
                names = [item.name if isinstance(item, c_ast.ID) and item.name != "NULL" else "" for item in items[1:]]
                rows[items[0].value.strip('"')] = tuple(names)
        if rows:
            tables[variable] = rows
    return tables


def fault_injection(context: str) -> tuple[str, bool, bool]:
    """A context without the runner's suffixes, and whether slab and page allocations are made to fail."""
    slab = "failslab" in context
    pages = "fail_page_alloc" in context
    inject = "failinject" in context
    base = re.sub(r"\[[^\]]*\]", "", context)
    parts = [p for p in base.split("+") if not p.startswith(("failslab", "fail_page_alloc", "failinject"))]
    return "+".join(parts) or "plain", slab or inject, pages


def class_of_context(trial: Trial, now: Obj) -> str:
    """Group 1: the first class that matches what was observed."""
    kinds = {e.kind for e in trial.events("case")} - _SILENT
    if trial.hung:
        return UNSCORED
    order = (
        ("oom", "oom" if "sleep-fault" not in kinds else "sleep"),
        ("bug-on", "crash"),
        ("page-bug", "crash"),
        ("oops", "crash"),
        ("null-deref", "crash"),
        ("sleep-fault", "sleep"),
        ("wait-context", "wait-context"),
        ("lock-state", "lock-state"),
        ("not-running", "not-running"),
        ("mask-fixed", "mask-fixed"),
    )
    for kind, name in order:
        if kind in kinds:
            return name
    if kinds - {"alloc-failure"}:
        return "warn"
    return "null" if _failed(now) else "ok"


def _failed(now: Obj) -> bool:
    """Whether the call's result is NULL or an error."""
    ret, pointer = now.fields.get("ret", 0), now.fields.get("p", 0)
    if now.fields.get("status", 0):
        return isinstance(ret, int) and ret < 0
    return isinstance(pointer, int) and (pointer == 0 or pointer % WRAP >= WRAP - 4095)


def pointer_kind(value: Value, machine: Machine) -> str:
    """``linear``, ``vmalloc``, ``NULL``, ... as the oracle names pointers."""
    if isinstance(value, int):
        return "NULL" if value == 0 else "ZERO_SIZE_PTR" if value == 16 else "ERR"
    if isinstance(value, Ptr) and area(machine.address(value)) == VMALLOC_MAP:
        return "vmalloc"
    return "linear"
