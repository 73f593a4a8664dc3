"""Summaries across functions, computed on demand and kept: the environment in which each function's flow runs."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import msgspec

from gfplint.analysis.balance import Balance, Key
from gfplint.analysis.circles import Summaries
from gfplint.analysis.containers import Containers
from gfplint.analysis.deep import Deep
from gfplint.analysis.environment import (
    LONG_CHAIN,
    NOWHERE,
    VARIADIC,
    annotated,
    doubt_of_length,
    variadic,
)
from gfplint.analysis.file_environment import FileEnvironment
from gfplint.analysis.flow import analyse
from gfplint.analysis.forbidden import may_enter, meets
from gfplint.analysis.given import Given
from gfplint.analysis.guards import MACROS as GUARD_MACROS
from gfplint.analysis.guards import class_name
from gfplint.analysis.holds import UNCHANGED, Holds, Ways
from gfplint.analysis.locks import LockClass, Taken
from gfplint.analysis.looks import Looks
from gfplint.analysis.operations import Operations, may_share, shared
from gfplint.analysis.outcomes import Outcome, Outcomes
from gfplint.analysis.program import FunctionId, Program, Relevance, weak_names
from gfplint.analysis.queries import ASKS
from gfplint.analysis.records import Members
from gfplint.analysis.regions import apart, leading
from gfplint.analysis.roots import Root, Roots, forbidding
from gfplint.analysis.sleeps import folded
from gfplint.analysis.summary import Hold, Report, Summary
from gfplint.analysis.types import HandedOut, handed_out
from gfplint.analysis.values import blocking
from gfplint.facts import Body, Definition, Do, Expr, Function, Global, Macro, Param, Place, Record, Return, Signature
from gfplint.findings import Step
from gfplint.frontend.blank import Part, Source, blank, blank_part
from gfplint.frontend.header import signature
from gfplint.frontend.lower import body as lower_body
from gfplint.frontend.lower import lower_macro
from gfplint.kernel.model import ContextKind, ContextOp, GuardClass, Kernel, Query

#: Sources kept blanked at a time.
MAX_SOURCES = 48
#: Blanked bodies kept at a time.
MAX_PARTS = 64
#: Environments kept at a time: a function's callees lie in other files.
MAX_ENVIRONMENTS = 64
#: Lowered bodies kept at a time, for functions that are analysed twice.
MAX_BODIES = 2048
#: Interpreter frames that the computations of one thread may need (``analysis.deep``): each expression is a few.
_FRAMES = 30_000
_UNSEEN: AbstractContextManager[None] = nullcontext()
_NO_MEMBERS = Members("")

_CacheKey = TypeVar("_CacheKey")
_Made = TypeVar("_Made")


class Sources:
    """Sources by file number, the last used kept: blanked as a whole only for who asks for all of it."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._kept: OrderedDict[int, Source] = OrderedDict()
        self._raw: OrderedDict[int, Source] = OrderedDict()
        self._parts: OrderedDict[tuple[int, int], Part] = OrderedDict()

    def get(self, file: int) -> Source:
        """The blanked source of a file."""
        return _kept(self._kept, file, lambda: blank(self.raw(file).data), MAX_SOURCES)

    def raw(self, file: int) -> Source:
        """The source of a file with nothing but its bytes, which tell lines."""
        return _kept(self._raw, file, lambda: Source(self._read(file), "", ()), MAX_SOURCES)

    def part(self, file: int, function: Function) -> Part:
        """The body of a function of a file, blanked alone; who is worth it by its text is parsed next."""

        def make() -> Part:
            return blank_part(self.raw(file), function.body, function.end, function.line, function.start)

        return _kept(self._parts, (file, function.start), make, MAX_PARTS)


def _kept(cache: OrderedDict[_CacheKey, _Made], key: _CacheKey, make: Callable[[], _Made], limit: int) -> _Made:
    """What a key stands for in a cache that holds as many as ``limit``, or what is made for it."""
    found = cache.get(key)
    if found is not None:
        cache.move_to_end(key)
        return found
    made = cache[key] = make()
    if len(cache) > limit:
        cache.popitem(last=False)
    return made


class Linker:
    """Computes and keeps the summaries of one program."""

    def __init__(
        self,
        program: Program,
        kernel: Kernel,
        relevance: Relevance,
        read: Callable[[int], bytes],
        operations: Operations | None = None,
    ) -> None:
        """``read``: a file's bytes; ``operations``: the program's, where they are known already."""
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _FRAMES))
        self.program = program
        self.kernel = kernel
        self.relevance = relevance
        self.sources = Sources(read)
        self.roots = Roots(program, kernel, self.handed_out, self._asked_for)
        #: Those roots that forbid sleeping.
        self.forbidding = Roots(program, forbidding(kernel), self.handed_out, self._asked_for, self._reaches)
        self.holds = Holds(kernel)
        deep = Deep()
        self.balance = Balance(
            program, kernel, relevance, self.code, self.balanced, self.conditional, self.looking, deep
        )
        self._outcomes = Outcomes(self.balance.circle, self._outcomes_from_body, deep)
        self.weak = weak_names(program, kernel)
        self.tabled = frozenset[str]().union(
            kernel.allocators, kernel.frees, kernel.scopes, kernel.context_ops, kernel.queries, kernel.sleepers
        )
        self.owned = program.owned(self.tabled.union(kernel.resizers, kernel.guards))
        self.content_families = _content_families(kernel)
        self.linear = linear_users(kernel)
        self.fields: dict[tuple[int, int], Members] = {}
        self.given = Given(self)
        self.operations = operations if operations is not None else Operations(program, kernel)
        self.sleeping_operations = self.operations.sleeping_members(
            relevance.reach.__contains__, doubtful=relevance.depth >= LONG_CHAIN
        )
        self._all_sleeping: dict[tuple[int, int, str], bool] = {}
        self.guards: dict[tuple[str, int], GuardClass | None] = {}
        self.guard_definitions = _guard_definitions(program)
        self.cleanups: dict[str, str] = {}
        self.endings: dict[tuple[str, int], bool] = {}
        self.queries: dict[tuple[str, int], Query | None] = {}
        self.containers = Containers(self)
        self.asking = frozenset(n for n, q in kernel.queries.items() if q.true_means in ASKS)
        self.replacements: dict[tuple[str, int], Expr | None] = {}
        self._bodies: OrderedDict[FunctionId, Body] = OrderedDict()
        self._summaries = Summaries(deep)
        self._environments: OrderedDict[int, FileEnvironment] = OrderedDict()
        self._made: dict[str, list[int]] | None = None
        #: Notes what is looked at, where somebody wants to know.
        self.looks: Looks | None = None
        #: The locks that reclaim takes, once somebody asks for them.
        self.reclaim: Mapping[LockClass, Taken] | None = None

    def summary(self, fid: FunctionId, depth: int) -> Summary | None:
        """The summary of a function; None while it is being computed (recursion)."""
        if self.looks is None:
            return self._summaries.of((fid, depth), lambda: self._analysed(fid, depth))
        function = self.program.function(fid)
        with self.looks.into(fid[0], function.name, function.callees):
            return self._summaries.of((fid, depth), lambda: self._analysed(fid, depth))

    def looking(self, file: int, name: str, callees: Iterable[str] = ()) -> AbstractContextManager[None]:
        """A look into something of a file (see ``analysis.looks``)."""
        return self.looks.into(file, name, callees) if self.looks is not None else _UNSEEN

    def _analysed(self, fid: FunctionId, depth: int) -> Summary:
        function = self.program.function(fid)
        body = self.body(fid)
        path = self.program.paths[fid[0]]
        return analyse(function.name, path, signature(function.header), body, self.environment(fid[0]), depth)

    def shared_summaries(self) -> Iterator[tuple[FunctionId, int, Summary]]:
        """The summaries that were computed here of functions that other files call, with their depths."""
        for key, summary in self._summaries.own():
            if not isinstance(key[0], tuple):
                continue
            fid, depth = key
            callers = self.relevance.callers.get(self.program.function(fid).name, ())
            if any(file != fid[0] for file, _ in callers):
                yield fid, depth, summary

    def take_summaries(self, found: Iterable[tuple[FunctionId, int, Summary]]) -> None:
        """Take over the ``shared_summaries`` of a linker of the same program: this one would compute the same."""
        self._summaries.take(((fid, depth), summary) for fid, depth, summary in found)

    def environment(self, file: int) -> FileEnvironment:
        """What functions of a file see; the last used kept."""
        found = self._environments.get(file)
        if found is None:
            found = self._environments[file] = FileEnvironment(self, file)
            if len(self._environments) > MAX_ENVIRONMENTS:
                self._environments.popitem(last=False)
        else:
            self._environments.move_to_end(file)
        return found

    def made(self, name: str) -> Sequence[int]:
        """The files in which a macro at file scope (``DEFINE_MUTEX(name)``) makes a variable of a name."""
        if self._made is None:
            self._made = {}
            for macro, found in self.program.definitions.items():
                for at, definition in found if macro.startswith(("DEFINE_", "DECLARE_")) else ():
                    if definition.args:
                        self._made.setdefault(definition.args[0], []).append(at)
        return self._made.get(name, ())

    def forget_environment(self) -> None:
        """Let environments see what was found out since."""
        self._environments.clear()

    def operation(self, struct: str, member: str, file: int) -> Summary | None:
        """What the implementations of an operation share; None while that is being computed."""
        key = self._operation_key(struct, member, file)
        if key is None:
            return None
        with self.looking(key[0], f"{struct}.{member}"):
            return self._summaries.of(key, lambda: self._shared(struct, member, file))

    def all_may_sleep(self, struct: str, member: str, file: int) -> bool:
        """Whether all implementations of an operation may sleep for sure: else what they share (``operation``) is in
        doubt at best.
        """
        key = self._operation_key(struct, member, file)
        if key is None:
            return False
        with self.looking(key[0], f"{struct}.{member}"):
            known = self._all_sleeping.get(key)
            if known is None:
                known = self._all_sleeping[key] = self._all_may_sleep(struct, member, file)
            return known

    def _operation_key(self, struct: str, member: str, file: int) -> tuple[int, int, str] | None:
        """The record that a file means, and the member; None where no implementation may sleep, or there is none."""
        record = self.record(struct, file) if member in self.sleeping_operations else None
        return (record[0], record[1].start, member) if record is not None else None

    def _all_may_sleep(self, struct: str, member: str, file: int) -> bool:
        self._look_at_operation(struct, member)
        found = [implementation.function for implementation in self.operations.implementations(struct, member, file)]
        summaries = (self.summary(fid, self.relevance.depth) for fid in found)
        return all(map(self._reaches, found)) and all(summary is None or may_share(summary) for summary in summaries)

    def _look_at_operation(self, struct: str, member: str) -> None:
        if self.looks is not None:
            self.looks.operation(struct, member)
            for at, name in self.operations.named(struct, member):
                self.looks.at(at)
                self.looks.meaning(name)

    def _shared(self, struct: str, member: str, file: int) -> Summary:
        self._look_at_operation(struct, member)
        found = [
            (implementation, summary)
            for implementation in self.operations.implementations(struct, member, file)
            if (summary := self.summary(implementation.function, self.relevance.depth)) is not None
        ]
        return shared(member, found) or Summary(member, self.program.paths[file], ())

    def rooted(self, root: Root) -> Summary | None:
        """What a function does that the core calls in a context which forbids sleeping; None where that is nothing."""
        kind = self.kernel.kinds.get(root.kind)
        if kind is None or not kind.atomic or root.confidence != "high":
            return None
        if not self._reaches(root.function):
            return None
        summary = self.summary(root.function, self.relevance.depth + 1)
        if summary is None:
            return None
        reports: dict[Place, Report] = {}
        for report in _root_reports(summary, root, kind):
            old = reports.get(report.place)
            reports[report.place] = report if old is None else folded(old, report)
        if not reports:
            return None
        found = tuple(reports.values())
        if self.looks is not None:
            self.looks.folder(root.path)
        if self.roots.elsewhere(root, self.sources.get):
            return None
        if self.roots.contested(root, self.sources):
            found = tuple(doubted(r, 2) for r in found)
        return Summary(summary.name, summary.path, summary.params, reports=found)

    def code(self, fid: FunctionId) -> str:
        """The blanked code of a function's body."""
        source, start, end = self.sources.part(fid[0], self.program.function(fid))
        return source.code[start:end]

    def conditional(self, fid: FunctionId, start: int, end: int) -> bool:
        """Whether an ``#if``, ``#else`` or ``#endif`` stands between two offsets in a function's ``code``."""
        source, begin, _ = self.sources.part(fid[0], self.program.function(fid))
        return bool(source.conditionals(begin + start, begin + end))

    def meets(self, fid: FunctionId, names: frozenset[str]) -> bool:
        """Whether a function may call one of ``names`` where it holds a context that forbids sleeping."""
        function, env, holds = self.program.function(fid), self.environment(fid[0]), self.holds
        callees = frozenset(function.callees)
        ops = {name: holds.ops[name] for name in callees & holds.ops.keys() if not env.shadowed(name)}
        vague = callees & holds.vague
        shows = not annotated(function) and (not (ops or vague) or self._apart(fid, ops, vague, names))
        if shows and not self._enters(callees & self.relevance.effects, names, env, lambda: self.code(fid)):
            return False  # told without its body
        return meets(holds, signature(function.header), self.body(fid), env, names, lambda: self.code(fid))

    def _apart(self, fid: FunctionId, ops: Mapping[str, ContextOp], vague: Set[str], names: Set[str]) -> bool:
        """Whether a text shows that no context reaches one of ``names``: one that all configurations share."""
        code = self.code(fid)
        return apart(code, ops, vague, names) and not self.conditional(fid, 0, len(code))

    def _enters(self, callees: Set[str], names: Set[str], env: FileEnvironment, text: Callable[[], str]) -> bool:
        """Whether one of some callees of a body may enter a context before the last call of one of ``names``."""
        code = leading(text(), names) if callees else ""
        return any(n in code and env.may_change_context(n) and may_enter(self.holds, env, n) for n in sorted(callees))

    def balanced(self, fid: FunctionId) -> bool:
        """Whether a function's body plainly leaves the context that it found."""
        return self._outcomes_of(fid) == (UNCHANGED, True)

    def outcomes(self, name: str, file: int) -> Ways | None:
        """What a call of a name in a file may do to the context; None where that is not clear."""
        found = self.program.macro(name, file)
        if found is not None and found[1].params is not None:
            return self._outcomes_of((found[0], name))[0]
        fid = self.program.resolve(name, file)
        if fid is None:
            return UNCHANGED
        return self._outcomes_of(fid)[0]

    def _outcomes_of(self, key: Key) -> Outcome:
        with self._looking_into(key):
            return self._outcomes.of(key)

    def _outcomes_from_body(self, key: Key) -> Outcome:
        at, which = key
        with self._looking_into(key):
            if not isinstance(which, str):
                body = self.body((at, which))
            elif (found := self.program.macro(which, at)) is not None:
                body = self.macro_body(at, found[1].start, found[1].end)
            else:
                return None, False
            return self.holds.outcomes(body, self.environment(at))

    def _looking_into(self, key: Key) -> AbstractContextManager[None]:
        return self.looking(key[0], self.named(key), self._callees(key)) if self.looks is not None else _UNSEEN

    def named(self, key: Key) -> str:
        """The name of a function or macro."""
        at, which = key
        return which if isinstance(which, str) else self.program.facts[at].functions[which].name

    def _callees(self, key: Key) -> Iterable[str]:
        """What a function or macro calls."""
        at, which = key
        if not isinstance(which, str):
            return self.program.facts[at].functions[which].callees
        return [callee for macro in self.program.facts[at].macros if macro.name == which for callee in macro.callees]

    def _reaches(self, fid: FunctionId) -> bool:
        """Whether a root's body can come to an allocation or free that sleeps."""
        level = self.relevance.reach.get(fid)
        if self.looks is not None:
            self.looks.at(fid[0], self.program.function(fid).name)
        if level is None:
            return self.program.function(fid).name in self.relevance.tabled
        return level <= self.relevance.depth + 1

    def handed_out(self, fid: FunctionId, members: frozenset[str]) -> Iterator[HandedOut]:
        """The functions that a function's body stores into ``members``."""
        header = signature(self.program.function(fid).header)
        body = self.body(fid)
        return handed_out(body.stmts, header, members, self.environment(fid[0]))

    def _asked_for(self, name: str) -> None:
        """A function's name that is no call's is looked up."""
        if self.looks is not None:
            self.looks.meaning(name)

    def body(self, fid: FunctionId) -> Body:
        """The lowered body of a function; the last ones are kept."""
        found = self._bodies.get(fid)
        if found is None:
            found = self._bodies[fid] = lower_body(*self.sources.part(fid[0], self.program.function(fid)))
            if len(self._bodies) > MAX_BODIES:
                self._bodies.popitem(last=False)
        return found

    def macro_summary(self, name: str, file: int, depth: int) -> Summary | None:
        """The summary of a function-like macro, run as a function of its parameters."""
        found = self.program.macro(name, file)
        if found is None:
            return None
        at, macro = found
        names = macro.params
        if names is None:
            return None
        with self.looking(at, name, macro.callees):
            return self._summaries.of((at, name, depth), lambda: self._macro_analysed(at, macro, names, depth))

    def _macro_analysed(self, at: int, macro: Macro, names: tuple[str, ...], depth: int) -> Summary:
        params = tuple(Param("", 1, p) for p in _macro_params(names))
        body = self.macro_body(at, macro.start, macro.end)
        env = self.environment(at)
        return analyse(macro.name, self.program.paths[at], Signature("", params, ()), body, env, depth)

    def macro_body(self, file: int, start: int, end: int) -> Body:
        """The lowered replacement text of a macro."""
        body = lower_macro(self.sources.raw(file), start, end)
        only = body.stmts[0] if len(body.stmts) == 1 else None
        # The value of a macro that is one expression is that expression's.
        return Body((Return(only.expr, NOWHERE),), body.errors, body.lost) if isinstance(only, Do) else body

    def record(self, name: str, file: int) -> tuple[int, Record] | None:
        """The definition of a struct as a file sees it."""
        self.look_at_record(name, file)
        return self.program.record(name, file)

    def look_at_record(self, name: str, file: int) -> None:
        """Note a look of a file at a struct."""
        if self.looks is not None:
            self.looks.record(name, file, lambda: found[0] if (found := self.program.record(name, file)) else None)

    def variable(self, name: str, file: int) -> Global | None:
        """A variable at file scope as a file sees it."""
        if self.looks is not None:
            self.looks.variable(name)
        return self.program.global_variable(name, file)

    def replaced(self, name: str, file: int) -> Macro | None:
        """An object-like macro as a file sees it."""
        found = self.program.macro(name, file) if name in self.program.macros else None
        if self.looks is not None:
            self.looks.replacement(name, found[0] if found is not None else None)
        return found[1] if found is not None and found[1].params is None else None

    def record_fields(self, name: str, file: int) -> Members:
        """The members of a struct as a file sees it."""
        found = self.record(name, file)
        if found is None:
            return _NO_MEMBERS
        at, record = found
        key = (at, record.start)
        fields = self.fields.get(key)
        if fields is None:
            text = blank(self.sources.raw(at).data[record.start : record.end]).code
            fields = self.fields[key] = Members(text)
        return fields


def _macro_params(names: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters of a macro; what ``...`` stands for has a few of its own (``variadic``)."""
    if not names or not names[-1].endswith("..."):
        return names
    rest = names[-1].removesuffix("...") or VARIADIC
    return (*names[:-1], *variadic(rest))


def _guard_definitions(program: Program) -> dict[str, list[tuple[int, Definition]]]:
    """The definitions of guard classes by name, each with its file."""
    found: dict[str, list[tuple[int, Definition]]] = {}
    for macro in GUARD_MACROS:
        for file, definition in program.definitions.get(macro, ()):
            found.setdefault(class_name(definition), []).append((file, definition))
    return found


def linear_users(kernel: Kernel) -> dict[str, tuple[int, ...]]:
    """The functions that need memory of the linear map, with the numbers of the arguments."""
    return {name: row.args for (role, name), row in kernel.roles.items() if role == "linear"}


def _content_families(kernel: Kernel) -> frozenset[str]:
    return frozenset(f.name for f in kernel.families.values() if f.content)


def doubted(report: Report, doubt: int) -> Report:
    """The report, less sure."""
    sleep = msgspec.structs.replace(report.sleep, uncertain=report.sleep.uncertain + doubt)
    return msgspec.structs.replace(report, sleep=sleep)


def _root_reports(summary: Summary, root: Root, kind: ContextKind) -> Iterator[Report]:
    step = Step(root.path, root.line, root.column, root.where, root.message)
    hold = Hold(root.kind, "", NOWHERE, "")
    for sleep in summary.sleeps:
        if sleep.inner or sleep.dropped or (sleep.mask is not None and blocking(sleep.mask) is not True):
            continue
        if kind.interrupt and (sleep.task_only or sleep.sleeps.startswith("task")):
            continue
        if sleep.sleeps == "irq" and not kind.irqs_off:
            continue
        if any(guard[0] == "blocking" for guard in sleep.guards):
            continue
        doubt = sleep.uncertain + doubt_of_length(sleep.choices) + 2 * (sleep.shared and len(sleep.steps) > 1)
        if root.kind == "atomic_mixed":  # some caller in the tree is atomic, not every one
            doubt += 2
        yield Report((hold,), msgspec.structs.replace(sleep, uncertain=doubt), sleep.place, root=step)
