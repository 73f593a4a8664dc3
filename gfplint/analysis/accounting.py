"""Memory that user space makes the kernel keep, and whether it is charged to the memory cgroup.

Two steps. In each file: every allocation with its mask and what becomes of it (``records``). Over the tree, once all
records are there: those that untrusted user space reaches, that outlive the call and are not charged, each with the
strongest evidence that its like is charged elsewhere (``Judge``).
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from gfplint.analysis.lifetime import PLAIN, Allocated, Fields, Lifetimes, Types
from gfplint.analysis.paths import names_in
from gfplint.analysis.program import FunctionId, Program
from gfplint.analysis.reach import Entered, Reach, charges
from gfplint.analysis.summary import Unaccounted
from gfplint.analysis.syntax import assigned_calls
from gfplint.facts import Body, Function, Name, Place, Signature
from gfplint.findings import Step
from gfplint.kernel.masks import DIRECT_RECLAIM, FS, IO
from gfplint.kernel.model import EntryPoint, Kernel, Mask

#: The family of slab caches, and the flag that charges all objects of one (include/linux/slab.h).
_CACHES, _CACHE_FLAG = "cache", "SLAB_ACCOUNT"
#: The family of functions that take a mask for what they allocate by themselves.
_HIDDEN = "hidden"
_ACCOUNT = "__GFP_ACCOUNT"
_CHARGEABLE: Mask = frozenset((DIRECT_RECLAIM, IO, FS))
#: Kinds of memory that can be charged.
_FAMILIES = frozenset(
    ("kmalloc", "vmalloc", "kvmalloc", "page", "pages", "folio", "exact", "kmem_cache", "percpu", "cpumask", "argv")
)
#: Bounds on memory by other means that do for accounting.
_BOUNDS = ("limit:RLIMIT_MEMLOCK", "limit:optmem", "limit:key quota", "limit:sk_", "limit:bpf_jit_limit")
#: Evidence that does for functions that take a mask, of which it is not known that they allocate with it.
_SURE = ("object", "function", "holder")
_KEPT = frozenset(("stored", "listed", "handed", "returned"))
#: Calls from a function that returns memory up to the one that keeps it.
_RETURNS = 3
#: Triggers that leave something configured behind, and calls within which that is what was asked for.
_CONFIGURES = frozenset(
    (
        "fanotify",
        "io_uring",
        "mount",
        "msgget",
        "netlink",
        "semget",
        "setsockopt",
        "setxattr",
        "shmget",
        "unshare(NEWNET)",
        "unshare/clone",
    )
)
_CLOSE = 2
#: Files on such a way, where it is longer.
_STRAIGHT = 2
#: Names of folders that say nothing of the subsystem.
_EVERYWHERE = frozenset(
    ("arch", "drivers", "include", "net", "fs", "core", "kernel", "linux", "x86", "s390", "arm64", "pci")
)
_MAX_CALLERS = 24
#: Allocations of a file that are charged and freed again from which on that is its way.
_USUAL = 2
#: Folders whose functions fill or allocate a struct, beyond which it is everybody's.
_COMMON = 6


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One allocation of the tree. ``object``/``holders``: records by their unique names.

    A slab cache is one too, of the fate ``cache``: where it is created, with the path that holds it as ``cache``.
    """

    file: int
    index: int
    callee: str
    place: Place
    mask_text: str
    accounted: bool
    object: str
    fate: str
    holders: tuple[str, ...]
    cache: str
    wrapper: bool
    given: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """How user space comes to an allocation that stays: the functions from the entry point, and how the last of them is
    entered.
    """

    functions: tuple[FunctionId, ...]
    entered: Entered


class Collector:
    """Finds the records of one file after the other."""

    def __init__(self, program: Program, kernel: Kernel, reach: Reach) -> None:
        self.program, self.kernel, self.reach = program, kernel, reach
        self.bounds = frozenset(
            name for (struct, name), row in kernel.entries.items() if not struct and row.trigger.startswith(_BOUNDS)
        )
        self.creators = frozenset(n for n, a in kernel.allocators.items() if a.family == _CACHES)
        self.plain = frozenset(n for n, a in kernel.allocators.items() if a.default and a.family in _FAMILIES)
        self.words = frozenset(n for n, m in kernel.masks.items() if n.startswith("GFP_") and m >= _CHARGEABLE) | {
            _ACCOUNT
        }

    def wanted(self, fid: FunctionId, function: Function) -> bool:
        """Whether a function may hold a record."""
        if not self.creators.isdisjoint(function.callees):
            return True
        if not self.words.isdisjoint(function.words):
            return charges(function) or fid in self.reach.entered
        return fid in self.reach.entered and not self.plain.isdisjoint(function.callees)

    def records(
        self,
        fid: FunctionId,
        signature: Signature,
        body: Body,
        env: Fields,
        key: Callable[[str], str],
    ) -> Iterator[Record]:
        """The records of a function. ``key``: a unique name."""
        function = self.program.function(fid)
        if not self.creators.isdisjoint(function.callees):
            yield from self.caches(fid, Types(signature, body, env), body, key)
        if not self.bounds.isdisjoint(function.callees):
            return
        trusted = self.reach.trusted(fid) if fid in self.reach.entered else frozenset()
        for found in Lifetimes(self.kernel, Types(signature, body, env)).read(body):
            row = self.kernel.allocators.get(found.callee)
            accounted = _ACCOUNT in found.mask
            wrapper = row is None or (row.weak and row.family == _HIDDEN)
            if row is not None and row.family not in _FAMILIES and not (accounted or wrapper):
                continue
            if not accounted and (not found.mask >= _CHARGEABLE or found.place in trusted):
                continue
            if row is None and not _takes_mask(self.program, found.callee, fid[0]):
                continue
            holders = tuple(key(h) for h in found.holders if h not in PLAIN)
            yield Record(
                file=fid[0],
                index=fid[1],
                callee=found.callee,
                place=found.place,
                mask_text=found.mask_text,
                accounted=accounted,
                object=key(found.object) if found.object else "",
                fate=found.fate,
                holders=holders,
                cache=found.cache,
                wrapper=wrapper,
                given=found.given if found.fate == "handed" else (),
            )

    def caches(self, fid: FunctionId, types: Types, body: Body, key: Callable[[str], str]) -> Iterator[Record]:
        """The slab caches that a function creates and puts somewhere."""
        for target, call in assigned_calls(body.stmts):
            name = call.func.name if isinstance(call.func, Name) else ""
            if name not in self.creators or not target:
                continue
            words = {w for arg in call.args for w in names_in(arg)}
            kind = Lifetimes(self.kernel, types).sized(call)
            if not kind and call.args and isinstance(call.args[0], Name):
                kind = call.args[0].name
            unsure = any(w.islower() and "flags" in w for w in words)
            if not unsure:
                yield Record(
                    file=fid[0],
                    index=fid[1],
                    callee=name,
                    place=call.place,
                    mask_text="",
                    accounted=_CACHE_FLAG in words,
                    object=key(kind) if kind else "",
                    fate="cache",
                    holders=(),
                    cache=target,
                    wrapper=False,
                )


def _takes_mask(program: Program, name: str, file: int) -> bool:
    fid = program.resolve(name, file)
    return fid is not None and "gfp_t" in program.function(fid).header


class Judge:
    """Says which allocations should be charged, from the records of the whole tree."""

    def __init__(
        self,
        program: Program,
        reach: Reach,
        records: Sequence[Record],
        callers: Mapping[str, Sequence[FunctionId]],
        read: Callable[[FunctionId, frozenset[str]], list[Allocated]],
        parameter: Callable[[FunctionId, int], Allocated | None],
        stack: Callable[[FunctionId, str], frozenset[str]],
    ) -> None:
        """``callers``: functions by the names they call; ``read``: the lifetimes in a function, with what the named
        functions return; ``parameter``: what becomes of a function's parameter; ``stack``: the structs on a
        function's stack whose address it gives to a callee.
        """
        self.program, self.reach = program, reach
        self.created = {self.cache_key(r): r for r in records if r.fate == "cache"}
        unique = {(r.file, r.place): r for r in records}
        self.records = [self.charged_by_cache(r) for r in unique.values()]
        self._words: dict[int, frozenset[str]] = {}
        self.callers, self.read, self.parameter, self.stack = callers, read, parameter, stack
        self.by_object: dict[str, Record] = {}
        self.owners: dict[str, list[Record]] = defaultdict(list)
        self.by_function: dict[FunctionId, Record] = {}
        self.by_file: dict[int, Record] = {}
        self.by_holder: dict[str, Record] = {}
        self.by_wrapper: dict[str, Record] = {}
        self.by_operation: dict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
        self.plain_by_operation: dict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
        self.temporary: dict[int, list[Record]] = defaultdict(list)
        self.plain_temporary: dict[int, int] = defaultdict(int)
        self.common = self._common(lambda r: (r.object,))
        self.common_holders = self._common(lambda r: r.holders)
        for record in records:
            if record.fate == "freed" and record.accounted:
                self.temporary[record.file].append(record)
            elif record.fate == "freed":
                self.plain_temporary[record.file] += 1
            if record.accounted:
                self._note(record)
            entered = reach.entered.get((record.file, record.index))
            if entered is not None and entered.calls <= 1 and entered.entry.struct and record.fate in _KEPT:
                by = self.by_operation if record.accounted else self.plain_by_operation
                by[entered.entry.struct, entered.entry.member].setdefault(record.file, record)

    def _note(self, record: Record) -> None:
        fid = (record.file, record.index)
        if record.object and record.object not in self.common:
            self.by_object.setdefault(record.object, record)
            self.owners[record.object].append(record)
        if record.fate == "cache":
            return
        self.by_function.setdefault(fid, record)
        self.by_file.setdefault(record.file, record)
        for holder in record.holders:
            if holder not in self.common_holders:
                self.by_holder.setdefault(holder, record)
        if record.wrapper:
            self.by_wrapper.setdefault(record.callee, record)

    def cache_key(self, record: Record) -> tuple[str, str]:
        """A cache by the folder and the name of what holds it."""
        return folder(self.program.paths[record.file]), record.cache.rpartition(".")[2]

    def charged_by_cache(self, record: Record) -> Record:
        """An object of a cache that charges all objects is charged."""
        cache = self.created.get(self.cache_key(record)) if record.cache and record.fate != "cache" else None
        if cache is not None and cache.accounted:
            return msgspec.structs.replace(record, accounted=True)
        return record

    def _common(self, names: Callable[[Record], Iterable[str]]) -> frozenset[str]:
        """Structs that say nothing of what they belong to: those of many parts of the kernel, and what has no tag."""
        folders: dict[str, set[str]] = defaultdict(set)
        for record in self.records:
            for name in names(record):
                folders[name].add(folder(self.program.paths[record.file]))
        return frozenset(name for name, places in folders.items() if len(places) > _COMMON or ":" not in name)

    def unaccounted(self) -> Iterator[tuple[Record, Unaccounted]]:
        """The allocations that are not charged, with what speaks for it; for those from a cache, the cache."""
        reported: set[Record] = set()
        for record in self.records:
            fid = (record.file, record.index)
            if record.accounted or fid not in self.reach.entered:
                continue
            if record.fate == "freed":
                if self.charges_all(record):
                    yield record, self.finding(record, self.way(fid), "temporary", self.temporary[record.file][0])
                continue
            kept = self.settled(record) if record.fate in _KEPT else None
            if kept is None:
                continue
            fate, way = kept
            evidence, sibling = self.evidence(record, way)
            if record.wrapper and not self.allocates(record, evidence):
                continue
            settled = msgspec.structs.replace(record, fate=fate)
            if not record.cache:
                yield record, self.finding(settled, way, evidence, sibling)
                continue
            cache = self.created.get(self.cache_key(record))
            if cache is not None and cache not in reported:
                reported.add(cache)
                found = self.finding(settled, way, evidence, sibling)
                where = self.step(record, " is not charged")
                yield (
                    cache,
                    msgspec.structs.replace(
                        found, callee=cache.callee, place=cache.place, cache=cache.cache, object=where
                    ),
                )

    def allocates(self, record: Record, evidence: str) -> bool:
        """Whether a function that takes a mask hands out memory: others charge it, or it is plainly kept as such."""
        return evidence == "wrapper" or (evidence in _SURE and record.fate == "stored")

    def charges_all(self, record: Record) -> bool:
        """Whether a file charges what it frees again: more of it than not."""
        charged, plain = self.temporary.get(record.file, ()), self.plain_temporary[record.file]
        return not record.wrapper and len(charged) >= max(_USUAL, plain + 1)

    def way(self, fid: FunctionId) -> Way:
        """The shortest way from an entry point."""
        return Way(tuple(self.reach.way(fid)), self.reach.entered[fid])

    def settled(self, record: Record) -> tuple[str, Way] | None:
        """What becomes of memory, followed into the functions that get it, and the way there; None: it is freed."""
        fid = (record.file, record.index)
        if record.given:
            fate = self.given(record.given, record.file, _RETURNS)
            return None if fate == "freed" else (fate, self.way(fid))
        if record.fate != "returned" or not self.reach.entered[fid].calls:
            return record.fate, self.way(fid)
        keepers = self.keepers(fid, _RETURNS, frozenset())
        if not keepers:
            return None
        above = self.way(keepers[0])
        functions = (*above.functions, *keepers[1:], fid)
        return record.fate, Way(functions, replace(above.entered, caller=keepers[-1], calls=len(functions) - 1))

    def evidence(self, record: Record, way: Way) -> tuple[str, Record | None]:
        """What says that the like of an allocation is charged, the strongest first."""
        fid = (record.file, record.index)
        if record.wrapper and (found := self.by_wrapper.get(record.callee)) is not None:
            return "wrapper", found
        if record.object and (found := self.by_object.get(record.object)) is not None:
            return "object", found
        if (found := self.by_function.get(fid)) is not None:
            return "function", found
        owner = None
        for holder in record.holders:
            if (known := self.owners.get(holder)) is None:
                continue
            near = [o for o in known if self.kin(o.file, record.file)]
            if near or holder not in self.common_holders:
                return "holder", (near or known)[0]
            owner = owner or known[0]
        for holder in record.holders:
            if (found := self.by_holder.get(holder)) is not None:
                return "member", found
        entered = way.entered
        others = self.by_operation.get((entered.entry.struct, entered.entry.member), {})
        if entered.calls <= 1 and len(others) > 1 and self.usual(entered.entry):
            return "operation", next(iter(others.values()))
        if self.reach.accounts(entered) and self.near(entered.root[0], record.file):
            return "convention", None
        if (found := self.by_file.get(record.file)) is not None:
            return "file", found
        if owner is not None:
            return "owner", owner
        return ("entry" if self.plain_case(record, way) else ""), None

    def plain_case(self, record: Record, way: Way) -> bool:
        """Whether what user space asks for is an object that stays, close to where it enters."""
        entered, entry = way.entered, way.entered.entry
        return (
            (entry.trigger in _CONFIGURES or "SYSCALL" in entry.struct)
            and entry.privilege != "device-node"
            and (entered.calls <= _CLOSE or self.straight(way))
            and not entered.indirect
            and record.fate in ("stored", "listed", "returned")
            and bool(record.object or record.holders)
        )

    def straight(self, way: Way) -> bool:
        """Whether a way of more calls stays in a file or two; of still more, in a folder as well."""
        files = {file for file, _ in way.functions}
        folders = {folder(self.program.paths[file]) for file in files}
        longest = _CLOSE + _STRAIGHT if len(folders) > 1 else _CLOSE + 2 * _STRAIGHT
        return len(files) <= _STRAIGHT and len(way.functions) <= longest

    def near(self, one: int, two: int) -> bool:
        """Whether two files are of one subsystem: one's folder holds the other's, or they have the same name."""
        a, b = (folder(self.program.paths[f]) for f in (one, two))
        return f"{a}/".startswith(f"{b}/") or f"{b}/".startswith(f"{a}/") or self.kin(one, two)

    def kin(self, one: int, two: int) -> bool:
        """Whether the folders of two files, or the names of headers, have a word that says what they are about."""
        return bool((self.words(one) & self.words(two)) - _EVERYWHERE)

    def words(self, file: int) -> frozenset[str]:
        """What the path of a file says of its subject."""
        known = self._words.get(file)
        if known is None:
            place, _, name = self.program.paths[file].rpartition("/")
            header = _WORDS.findall(name.removesuffix(".h")) if name.endswith(".h") else ()
            known = self._words[file] = frozenset((*place.split("/"), *header))
        return known

    def far(self, way: Way) -> int:
        """The functions on a way that stand neither in the file of the last nor in its subsystem."""
        last = way.functions[-1][0]
        place = folder(self.program.paths[last])
        beside = f"{place}/" if "/" in place else self.program.paths[last]  # fs and kernel are too wide
        return sum(
            not self.program.paths[file].startswith(beside) and not self.kin(file, last) for file, _ in way.functions
        )

    def usual(self, entry: EntryPoint) -> bool:
        """Whether most implementations of an operation that keep memory charge it."""
        key = (entry.struct, entry.member)
        return len(self.by_operation[key]) * 2 > len(self.plain_by_operation[key])

    def finding(self, record: Record, way: Way, evidence: str, sibling: Record | None) -> Unaccounted:
        entered = way.entered
        step = self.step(sibling) if sibling is not None else None
        return Unaccounted(
            callee=record.callee,
            mask_text=record.mask_text,
            place=record.place,
            fate=record.fate,
            evidence=evidence,
            sibling=step,
            chain=self.reach.chain(way.functions),
            privilege=entered.entry.privilege,
            trigger=entered.entry.trigger,
            far=self.far(way),
            indirect=entered.indirect,
            transient=record.fate == "stored" and bool(record.holders) and self.on_stack(way, record.holders[-1]),
        )

    def on_stack(self, way: Way, holder: str) -> bool:
        """Whether a function on the way hands down a struct of the holder's type that is on its stack."""
        kind = holder.rpartition(":")[2]
        steps = zip(way.functions, way.functions[1:], strict=False)
        return any(kind in self.stack(caller, self.program.function(callee).name) for caller, callee in steps)

    def step(self, record: Record, what: str = "") -> Step:
        """Where a sibling is charged, or (``what``) an object of a cache is not."""
        function = self.program.function((record.file, record.index))
        text = f"{record.callee}({record.mask_text}){what}"
        return Step(self.program.paths[record.file], record.place.line, record.place.column, function.name, text)

    def given(self, given: Iterable[tuple[str, int]], file: int, depth: int) -> str:
        """What becomes of memory that functions get as an argument: ``freed``, kept in some way, or ``handed``.

        A function that hands it to one that keeps it or to one that frees it chooses: it may stay.
        """
        freed = False
        for name, number in given:
            fid = self.program.resolve(name, file)
            found = self.parameter(fid, number) if fid is not None and depth else None
            if fid is None or found is None:
                continue
            fate = found.fate
            if fate == "handed":
                fate = self.given(found.given, fid[0], depth - 1)
            if fate in ("stored", "listed") or (fate == "freed" and depth == _RETURNS):
                return fate
            freed = freed or fate == "freed"
        return "freed" if freed else "handed"

    def keepers(self, fid: FunctionId, depth: int, above: frozenset[FunctionId]) -> tuple[FunctionId, ...]:
        """A caller that user space reaches and that keeps the memory which a function returns, with the functions from
        it to the one that calls this; () where there is none.
        """
        name = self.program.function(fid).name
        if not depth or fid in above:
            return ()
        names = frozenset((name,))
        first = self.reach.entered[fid].caller
        callers = [
            c for c in self.callers.get(name, ()) if c in self.reach.entered and self.reach.means(name, c[0], fid)
        ]
        callers.sort(key=lambda c: (c != first, self.reach.entered[c].calls))
        for caller in callers[:_MAX_CALLERS]:
            for found in self.read(caller, names):
                if found.callee != name:
                    continue
                if found.fate == "returned":
                    if not self.reach.entered[caller].calls:
                        return (caller,)
                    if keepers := self.keepers(caller, depth - 1, above | {fid}):
                        return (*keepers, caller)
                elif found.fate in _KEPT:
                    return (caller,)
        return ()


_WORDS = re.compile(r"[a-z0-9]+")


def folder(path: str) -> str:
    """The folder of a path."""
    return posixpath.dirname(path)
