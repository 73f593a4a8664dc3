"""Which functions user space reaches, by which chain of calls, and with what privilege.

Breadth first over the call graph of the skeletons, from the entry points of the table: system calls, members of
operation tables, what registrars are given. A call through a pointer is followed where its member belongs to one kind
of operation table alone. What is handed to a work queue, a timer or a thread is no call: it runs in another task, to
which nothing is charged. Behind a check against the initial user namespace the way ends.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from gfplint.analysis.program import FunctionId, Program
from gfplint.analysis.roots import calls_by_name
from gfplint.analysis.syntax import all_calls, ends, inner_of, parts_of
from gfplint.facts import (
    Assign,
    Binary,
    Body,
    Call,
    Case,
    Declare,
    Do,
    Expr,
    Function,
    If,
    Name,
    Place,
    Return,
    Stmt,
    Unary,
)
from gfplint.findings import Step
from gfplint.frontend.blank import Part, Source
from gfplint.kernel.model import EntryPoint, Kernel

#: Calls from an entry point that are followed.
MAX_CALLS = 9
#: Functions behind one member of an operation table, beyond which a call through it leads nowhere in particular.
MAX_IMPLEMENTATIONS = 64
#: A function with fewer other calls may be a privilege check by another name.
_WRAPPER_CALLS = 2
_DEVICE = "device-node"
#: Privileges from which memory must be accounted, those that need least first. ``root`` is trusted.
UNTRUSTED = ("unprivileged", "userns-root", _DEVICE)
_ROOT = "root"
#: Statements at the start of a function that may refuse its caller.
_GATE_STATEMENTS = 12
_REFERENCE = re.compile(r"&?\s*([A-Za-z_]\w*)\Z", re.ASCII)
_WORD = re.compile(r"\w+", re.ASCII)
_SYSCALL = re.compile(r"\s*((?:COMPAT_)?SYSCALL_DEFINE\d)", re.ASCII)
#: Triggers of table rows that are no entry.
_NO_ENTRY = ("check:", "limit:", "enforce:", "initial:", "same:")


@dataclass(frozen=True, slots=True)
class Entered:
    """How a function is reached: through ``caller`` (None: it is the entry point itself), from ``entry``.

    ``root``: the entry's function; ``calls``: calls from there to here; ``indirect``: those through pointers.
    """

    caller: FunctionId | None
    root: FunctionId
    entry: EntryPoint
    calls: int
    indirect: int = 0


class Reach:
    """The functions that untrusted user space reaches. Read-only once built."""

    def __init__(
        self,
        program: Program,
        kernel: Kernel,
        files: frozenset[int],
        body: Callable[[FunctionId], Body],
        source: Callable[[int], Source],
    ) -> None:
        """``files``: those that are part of the kernel; ``body``/``source``: lowered functions, blanked files."""
        self.program, self.kernel, self.files = program, kernel, files
        self._body, self._source = body, source
        self.checks = frozenset(
            name
            for (struct, name), row in kernel.entries.items()
            if not struct and row.trigger.startswith("check:") and row.privilege == _ROOT
        )
        self.initial = self._triggered("initial:")
        self.same = self._triggered("same:")
        self.checks |= self._wrappers()
        self.gates = self._gates()
        self._enforced = {
            name: row.privilege
            for (struct, name), row in kernel.entries.items()
            if not struct and row.trigger.startswith("enforce:")
        }
        self._accounting = self._conventions()
        self._stops = frozenset(kernel.allocators.keys() | kernel.frees.keys() | kernel.context_ops.keys())
        self._members = self._implementations()
        #: Tables that only root's files use: (file, name).
        self._private: set[tuple[int, str]] = set()
        self._flags: dict[str, set[str]] = {}
        self._trusted: dict[FunctionId, frozenset[Place]] = {}
        self.entered: dict[FunctionId, Entered] = {}
        self._spread()

    def trusted(self, fid: FunctionId) -> frozenset[Place]:
        """The calls of a function that only a check against the initial namespace leads to."""
        known = self._trusted.get(fid)
        if known is None:
            walk = _Trust(self.checks, self.gates, self.initial, self.same)
            walk.block(self._body(fid).stmts, False)
            known = self._trusted[fid] = frozenset(walk.found)
        return known

    def way(self, fid: FunctionId) -> list[FunctionId]:
        """The functions from the entry point to a reached one."""
        found: list[FunctionId] = [fid]
        while (caller := self.entered[found[-1]].caller) is not None:
            found.append(caller)
        found.reverse()
        return found

    def chain(self, way: Iterable[FunctionId]) -> tuple[Step, ...]:
        """The steps of a way that begins at an entry point."""
        steps = []
        for at, other in enumerate(way):
            function = self.program.function(other)
            how = describe(self.entered[other].entry, function.name) if at == 0 else f"{function.name}() is called"
            steps.append(Step(self.program.paths[other[0]], function.line, 1, function.name, how))
        return tuple(steps)

    def _asks(self, fid: FunctionId) -> bool:
        """Whether a function calls what tells who its caller is."""
        callees = self.program.function(fid).callees
        return any(not names.isdisjoint(callees) for names in (self.checks, self.gates, self.same))

    def _triggered(self, trigger: str) -> frozenset[str]:
        """What the table lists apart from entries, under a trigger."""
        rows = self.kernel.entries.items()
        return frozenset(name for (struct, name), row in rows if not struct and row.trigger.startswith(trigger))

    # ---- entry points

    def _roots(self) -> Iterator[tuple[FunctionId, EntryPoint]]:
        yield from self._system_calls()
        yield from self._of_registrars()
        yield from self._of_tables()
        for (struct, name), row in self.kernel.entries.items():
            if not struct and not row.trigger.startswith(_NO_ENTRY):
                for fid in self.program.functions.get(name, ()):
                    yield fid, row

    def _system_calls(self) -> Iterator[tuple[FunctionId, EntryPoint]]:
        entries = self.kernel.entries
        for at in self.files:
            for index, function in enumerate(self.program.facts[at].functions):
                match = _SYSCALL.match(function.header) if "SYSCALL_DEFINE" in function.header else None
                if match is None:
                    continue
                name = function.name.removeprefix("compat_").removeprefix("sys_")
                row = entries.get((match.group(1), name)) or entries.get((match.group(1), ""))
                if row is not None:
                    yield (at, index), row

    def _of_tables(self) -> Iterator[tuple[FunctionId, EntryPoint]]:
        """Members of operation tables. Files that root hands out count where their code charges what it keeps."""
        entries = self.kernel.entries
        structs = {struct for struct, _ in entries}
        for at, table in self.program.tables():
            if table.struct not in structs or at not in self.files:
                continue
            private = (at, table.name) in self._private
            if private and not any(charges(f) for f in self.program.facts[at].functions):
                continue
            enforced = {self._enforced[w] for e in table.entries for w in _WORD.findall(e.value) if w in self._enforced}
            if _ROOT in enforced:
                continue
            for entry in table.entries:
                row = entries.get((table.struct, entry.member)) or entries.get((table.struct, "*"))
                fid = self.program.resolve(entry.value, at) if row is not None else None
                if row is not None and fid is not None and (not row.needs or self._flagged(at, row.needs)):
                    if enforced:
                        row = msgspec.structs.replace(row, privilege=min(enforced))
                    yield fid, row

    def accounts(self, entered: Entered) -> bool:
        """Whether the rule of the subsystem that is entered is to account what it keeps."""
        entry = entered.entry
        place = posixpath.dirname(self.program.paths[entered.root[0]])
        return entry.accounts or (entry.privilege == _DEVICE and place in self._accounting)

    def _conventions(self) -> frozenset[str]:
        """The folders with tables of structs whose rows for device nodes state such a rule."""
        rows = self.kernel.entries.items()
        structs = {struct for (struct, _), row in rows if struct and row.accounts and row.privilege == _DEVICE}
        return frozenset(
            posixpath.dirname(self.program.paths[at]) for at, table in self.program.tables() if table.struct in structs
        )

    def _flagged(self, file: int, flag: str) -> bool:
        """Whether a table of a file's folder sets a flag, or is of a struct of that name."""
        place = posixpath.dirname(self.program.paths[file])
        known = self._flags.get(flag)
        if known is None:
            tables = ((at, e.value) for at, t in self.program.tables() for e in t.entries)
            known = {posixpath.dirname(self.program.paths[at]) for at, value in tables if flag in value}
            known |= {posixpath.dirname(self.program.paths[at]) for at, t in self.program.tables() if t.struct == flag}
            self._flags[flag] = known
        return place in known

    def _of_registrars(self) -> Iterator[tuple[FunctionId, EntryPoint]]:
        registrars = self.kernel.entry_registrars
        names = {name for name, _ in registrars}
        for at in self.files:
            facts = self.program.facts[at]
            for function in facts.functions:
                for name in names.intersection(function.callees):
                    for _, args in calls_by_name(Part(self._source(at), function.body, function.end), name):
                        yield from self._given(at, name, args)

    def _given(self, file: int, registrar: str, args: Sequence[str]) -> Iterator[tuple[FunctionId, EntryPoint]]:
        for number, text in enumerate(args):
            row = self.kernel.entry_registrars.get((registrar, number))
            match = _REFERENCE.match(text) if row is not None else None
            fid = self.program.resolve(match.group(1), file) if match is not None else None
            if row is not None and match is not None and row.privilege == _ROOT and row.trigger.endswith("fs write"):
                self._private.add((file, match.group(1)))
            if row is not None and fid is not None:
                yield fid, row

    # ---- calls

    def _spread(self) -> None:
        order = {privilege: at for at, privilege in enumerate(UNTRUSTED)}
        roots = [(fid, row) for fid, row in self._roots() if row.privilege in order and self._counts(fid)]
        roots.sort(key=lambda r: (order[r[1].privilege], r[0], not r[1].accounts))
        for fid, row in roots:
            self.entered.setdefault(fid, Entered(None, fid, row, 0))
        frontier = list(self.entered)
        for calls in range(1, MAX_CALLS + 1):
            following: list[FunctionId] = []
            for fid in frontier:
                above = self.entered[fid]
                for callee, indirect in self._callees(fid):
                    if callee not in self.entered and self._counts(callee):
                        self.entered[callee] = Entered(fid, above.root, above.entry, calls, above.indirect + indirect)
                        following.append(callee)
            frontier = following

    def _counts(self, fid: FunctionId) -> bool:
        """Code that runs once, at start, is not user space's to repeat."""
        return fid[0] in self.files and "__init" not in self.program.function(fid).header

    def _callees(self, fid: FunctionId) -> Iterator[tuple[FunctionId, bool]]:
        function = self.program.function(fid)
        names: Iterable[str] = function.callees
        if self._asks(fid):
            trusted = self.trusted(fid)
            if trusted:
                calls = [c for c in all_calls(self._body(fid).stmts) if c.place not in trusted]
                open_names = {c.func.name for c in calls if isinstance(c.func, Name)}
                open_names |= {getattr(c.func, "field", "") for c in calls}
                names = [n for n in names if n in open_names]
        yield from self._named(names, fid[0], 2)

    def _named(self, names: Iterable[str], file: int, macros: int) -> Iterator[tuple[FunctionId, bool]]:
        program = self.program
        for name in names:
            if name in self._stops:
                continue
            fid = program.resolve(name, file) if name in program.functions else None
            if fid is not None:
                yield fid, False
                if self._yields(fid):
                    yield from ((variant, False) for variant in self._variants(name) if variant != fid)
            elif name in program.functions and self._variants(name):
                for variant in self._variants(name):
                    yield variant, False
            elif name in program.macros and macros:
                found = program.macro(name, file)
                if found is not None:
                    yield from self._named(found[1].callees, file, macros - 1)
            elif name not in program.functions:
                for implementation in self._members.get(name, ()):
                    yield implementation, True

    def _yields(self, fid: FunctionId) -> bool:
        """Whether a definition may stand for what an architecture lacks: an inline one of a header, or a weak one."""
        header = self.program.function(fid).header
        return self.program.paths[fid[0]].startswith("include/") or "__weak" in header

    def means(self, name: str, file: int, fid: FunctionId) -> bool:
        """Whether a call of ``name`` in a file may mean a function; of some each architecture has its own."""
        found = self.program.resolve(name, file)
        return found == fid or ((found is None or self._yields(found)) and fid in self._variants(name))

    def _variants(self, name: str) -> list[FunctionId]:
        """The definitions of a function that each architecture has one of."""
        found = [f for f in self.program.functions[name] if not self.program.function(f).static]
        return found if all(self.program.paths[f[0]].startswith("arch/") for f in found) else []

    def _implementations(self) -> dict[str, tuple[FunctionId, ...]]:
        """The functions behind members that only one kind of operation table has."""
        structs: dict[str, str] = {}
        found: dict[str, dict[FunctionId, None]] = {}
        for at, table in self.program.tables():
            if at not in self.files:
                continue
            for entry in table.entries:
                if not entry.value.isidentifier() or entry.value not in self.program.functions:
                    continue
                member = entry.member.rpartition(".")[2]
                if structs.setdefault(member, table.struct) != table.struct:
                    structs[member] = ""
                fid = self.program.resolve(entry.value, at)
                if fid is not None:
                    found.setdefault(member, {})[fid] = None
        return {
            member: tuple(fids)
            for member, fids in found.items()
            if structs[member] and len(fids) <= MAX_IMPLEMENTATIONS
        }

    def _wrappers(self) -> frozenset[str]:
        """Functions that do nothing but ask a privilege check and return its answer."""
        found = set()
        trust = _Trust(self.checks, frozenset())
        for at in self.files:
            for index, function in enumerate(self.program.facts[at].functions):
                callees = function.callees
                if 0 < len(callees) <= _WRAPPER_CALLS and not self.checks.isdisjoint(callees):
                    stmts = self._body((at, index)).stmts
                    last = stmts[-1] if len(stmts) == 1 else None
                    if isinstance(last, Return) and last.value is not None and trust.grants(last.value):
                        found.add(function.name)
        return frozenset(found)

    def _gates(self) -> frozenset[str]:
        """Functions that fail with an error, before anything else, where a check does: only success goes on."""
        found = set()
        for at in self.files:
            for index, function in enumerate(self.program.facts[at].functions):
                if function.name in self.checks or self.checks.isdisjoint(function.callees):
                    continue
                if len(self.program.functions[function.name]) > 1 or not _returns_error(function.header):
                    continue
                stmts = self._body((at, index)).stmts
                if any(_Trust(self.checks, frozenset()).refuses(s) for s in stmts[:_GATE_STATEMENTS]):
                    found.add(function.name)
        return frozenset(found)


def charges(function: Function) -> bool:
    """Whether a function names a mask that charges."""
    return any("ACCOUNT" in w for w in function.words)


def _returns_error(header: str) -> bool:
    return re.match(r"\s*(?:static\s+|inline\s+|noinline\s+)*int\b", header) is not None


def describe(entry: EntryPoint, function: str) -> str:
    """What an entry point is, for a message."""
    if entry.struct and "SYSCALL" in entry.struct:
        return f"{function}() is a system call"
    if entry.struct:
        return f"{function}() is .{entry.member} of {entry.struct} ({entry.trigger})"
    if entry.arg is not None and entry.function:
        return f"{function}() is given to {entry.function}() ({entry.trigger})"
    return f"{function}() is an entry point ({entry.trigger})"


# ---- what a check leaves out


class _Trust:
    """Reads a body: the calls that it makes only where a check has succeeded, a gate has let through, or what it works
    on is an initial namespace, are ``found``.
    """

    def __init__(
        self,
        checks: frozenset[str],
        gates: frozenset[str],
        initial: frozenset[str] = frozenset(),
        same: frozenset[str] = frozenset(),
    ) -> None:
        """``initial``: the initial namespaces; ``same``: functions that compare two."""
        self.checks, self.gates, self.initial, self.same = checks, gates, initial, same
        self.found: list[Place] = []
        #: Variables that hold a gate's error.
        self.errors: set[str] = set()
        #: Variables that hold a check's answer.
        self.answers: set[str] = set()

    def block(self, stmts: Sequence[Stmt], trusted: bool) -> None:
        outside = trusted
        for stmt in stmts:
            if isinstance(stmt, Case):
                trusted = outside
            self.statement(stmt, trusted)
            trusted = trusted or self.refuses(stmt)

    def statement(self, stmt: Stmt, trusted: bool) -> None:
        if trusted:
            self.found += [c.place for e in parts_of(stmt) for c in all_calls((Do(e, 0),))]
        if isinstance(stmt, Do) and isinstance(stmt.expr, Assign):
            self.assign(stmt.expr)
        elif isinstance(stmt, Declare) and stmt.init is not None:
            self.answer(stmt.name, stmt.init)
        if isinstance(stmt, If):
            self.block((stmt.then,), trusted or self.grants(stmt.test))
            if stmt.otherwise is not None:
                self.block((stmt.otherwise,), trusted or self.denies(stmt.test))
            return
        for inner in inner_of(stmt):
            self.block(inner, trusted)

    def assign(self, expr: Assign) -> None:
        if isinstance(expr.target, Name):
            self.answer(expr.target.name, expr.value)

    def answer(self, name: str, value: Expr) -> None:
        """A variable gets a value: a check's answer, a gate's error, or something else."""
        self.answers.discard(name)
        self.errors.discard(name)
        if self.asks(value):
            self.answers.add(name)
        elif self.passes(value):
            self.errors.add(name)

    def passes(self, expr: Expr) -> bool:
        return isinstance(expr, Call) and isinstance(expr.func, Name) and expr.func.name in self.gates

    def refuses(self, stmt: Stmt) -> bool:
        """Whether what stands behind the statement runs only with privilege."""
        return isinstance(stmt, If) and self.denies(stmt.test) and ends(stmt.then)

    def denies(self, test: Expr) -> bool:
        """Whether the condition holds whenever privilege is lacking."""
        if isinstance(test, Binary) and test.op == "||":
            return self.denies(test.left) or self.denies(test.right)
        if isinstance(test, Binary) and test.op == "&&":
            return self.denies(test.left) and self.denies(test.right)
        if isinstance(test, Binary) and test.op == "!=" and self.is_initial(test.left, test.right):
            return True
        if isinstance(test, Unary) and test.op == "!":
            return self.grants(test.operand)
        if isinstance(test, Call) and isinstance(test.func, Name) and test.func.name in ("unlikely", "likely"):
            return bool(test.args) and self.denies(test.args[0])
        if isinstance(test, Binary) and test.op in ("<", "!="):
            return self.denies(test.left)
        if isinstance(test, Assign):
            self.assign(test)
            return self.passes(test.value)
        return self.passes(test) or (isinstance(test, Name) and test.name in self.errors)

    def grants(self, test: Expr) -> bool:
        """Whether the condition holds only with privilege."""
        if isinstance(test, Binary) and test.op == "&&":
            return self.grants(test.left) or self.grants(test.right)
        if isinstance(test, Binary) and test.op == "||":
            return self.grants(test.left) and self.grants(test.right)
        if isinstance(test, Name):
            return test.name in self.answers
        if isinstance(test, Binary) and test.op == "==":
            return self.is_initial(test.left, test.right)
        return self.asks(test)

    def asks(self, expr: Expr) -> bool:
        if not isinstance(expr, Call) or not isinstance(expr.func, Name):
            return False
        return expr.func.name in self.checks or (expr.func.name in self.same and self.is_initial(*expr.args))

    def is_initial(self, *sides: Expr) -> bool:
        """Whether one of two that are compared is an initial namespace: the machine starts with it, it is root's."""
        names = (s.operand for s in sides if isinstance(s, Unary) and s.op == "&")
        return any(isinstance(name, Name) and name.name in self.initial for name in names)
