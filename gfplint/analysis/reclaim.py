"""The locks that reclaim takes, and the functions that reclaim waits for: what GFP205 compares allocations with.

Collected over the tree, from the operations of ``kernel.reclaim``: whoever implements one, and what it calls by name a
few levels down, is searched for locks that it waits for. A trylock waits for nothing, and a lock of the object that
reclaim is about to give up nobody else has any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gfplint.analysis.lifetime import Types
from gfplint.analysis.locks import Declared, LockClass, Taken, lock_class
from gfplint.analysis.paths import path_of
from gfplint.analysis.program import FunctionId, Program
from gfplint.analysis.records import Members
from gfplint.analysis.sleeps import MAX_SURE, reclaim_bits
from gfplint.analysis.summary import Recursion, Summary
from gfplint.analysis.syntax import all_calls, ends, inner_of
from gfplint.facts import (
    Binary,
    Body,
    Call,
    Expr,
    Function,
    Guard,
    If,
    Label,
    Member,
    Name,
    Number,
    Place,
    Scoped,
    Stmt,
    Unary,
)
from gfplint.findings import Step
from gfplint.frontend.header import signature
from gfplint.kernel.masks import FS, IO
from gfplint.kernel.model import Kernel
from gfplint.kernel.reclaim import NEEDED, ReclaimEntry, reclaim_entries

#: Calls from an operation that are looked into.
MAX_CALLS = 3
#: A function that asks whether it is in kswapd does something else in direct reclaim.
_KSWAPD = "current_is_kswapd"
#: Objects that reclaim has alone when it calls an operation on them.
_OBJECTS = frozenset(("inode", "dentry", "folio", "page", "address_space"))


@dataclass(frozen=True, slots=True)
class Inside:
    """A function that reclaim may wait for: ``entry`` says how, ``step`` where it was handed out."""

    entry: ReclaimEntry
    step: Step


class Reclaim:
    """Answers for one program. Read-only once built."""

    def __init__(
        self,
        program: Program,
        kernel: Kernel,
        files: frozenset[int],
        body: Callable[[FunctionId], Body],
        environment: Callable[[int], Declared],
        fields: Callable[[str, int], Members],
    ) -> None:
        """``files``: those that are part of the kernel; ``fields``: the members of a struct as a file sees it."""
        self.program, self.kernel, self.files = program, kernel, files
        self._body, self._environment, self._fields = body, environment, fields
        self.taking = frozenset(
            name
            for name, op in kernel.context_ops.items()
            if op.effect == "enter" and op.sleeps and op.when == "always" and op.lock is not None and not op.typed
        )
        self.holding = frozenset(
            name
            for name, op in kernel.context_ops.items()
            if op.effect == "enter" and not any(kernel.kinds[k].atomic for k in op.kinds)
        ) | {"guard", "scoped_guard"}
        self.sections = frozenset(
            name for name, op in kernel.context_ops.items() if any(kernel.kinds[k].reclaim for k in op.kinds)
        )
        self.names = self.sections | self.holding
        self._stops = frozenset(kernel.allocators.keys() | kernel.frees.keys() | kernel.context_ops.keys())
        self.classes: dict[LockClass, Taken] = {}
        self.inside: dict[FunctionId, Inside] = {}
        self._collect()
        self.words = frozenset(member for _, member in self.classes)

    def waited_for(self, fid: FunctionId, summary: Summary) -> Iterator[Recursion]:
        """The allocations of a function that reclaim waits for, from which it may reclaim that way."""
        inside = self.inside[fid]
        found: dict[Place, Recursion] = {}
        for sleep in summary.sleeps:
            if reclaim_bits(sleep, self.kernel) >= NEEDED[inside.entry.needs] and not sleep.dropped:
                doubt = sleep.uncertain + (len(sleep.steps) > MAX_SURE)
                new = Recursion(None, sleep, sleep.place, (inside.step,), inside.entry.needs, doubt)
                old = found.get(sleep.place)
                if old is None or (doubt, len(sleep.steps)) < (old.doubt, len(old.sleep.steps)):
                    found[sleep.place] = new
        yield from found.values()

    def wants(self, function: Function, code: Callable[[], str]) -> bool:
        """Whether a function may hold such a lock, by the names it calls and its text."""
        names = function.callees
        if not self.sections.isdisjoint(names):
            return True
        if self.holding.isdisjoint(names):
            return False
        text = code()
        return any(word in text for word in self.words)

    # ---- operations

    def _collect(self) -> None:
        entries = reclaim_entries(self.kernel)
        seen: dict[FunctionId, int] = {}
        for fid, struct, member, step in sorted(self._operations(entries), key=lambda o: (o[0], o[1], o[2])):
            entry = entries[struct, member]
            if entry.inside:
                self.inside.setdefault(fid, Inside(entry, step))
            elif not self._asks_kswapd(fid):
                self._search(fid, entry, (step,), int(entry.rare), seen)

    def _operations(self, entries: dict[tuple[str, str], ReclaimEntry]) -> Iterator[tuple[FunctionId, str, str, Step]]:
        """The functions behind the operations: in tables, and stored into members that one such struct alone has."""
        members: dict[str, list[str]] = {}
        for struct, member in entries:
            members.setdefault(member, []).append(struct)
        for at, table in self.program.tables():
            for entry in table.entries if at in self.files else ():
                if (table.struct, entry.member) in entries:
                    fid = self.program.resolve(entry.value, at)
                    if fid is not None:
                        yield (
                            fid,
                            table.struct,
                            entry.member,
                            self._step(at, entry.line, table.struct, entry.member, fid),
                        )
        for at in self.files:
            for store in self.program.facts[at].stores:
                structs = members.get(store.member, [])
                fid = self.program.resolve(store.value, at) if len(structs) == 1 else None
                if fid is not None:
                    yield fid, structs[0], store.member, self._step(at, store.line, structs[0], store.member, fid)

    def _step(self, file: int, line: int, struct: str, member: str, fid: FunctionId) -> Step:
        name = self.program.function(fid).name
        return Step(self.program.paths[file], line, 1, name, f"{name}() is .{member} of {struct}")

    def _asks_kswapd(self, fid: FunctionId) -> bool:
        return _KSWAPD in self.program.function(fid).callees

    # ---- what they lock

    def _search(
        self, root: FunctionId, entry: ReclaimEntry, steps: tuple[Step, ...], doubt: int, seen: dict[FunctionId, int]
    ) -> None:
        needs = self._needs(root, entry.needs)
        about = _OBJECTS.intersection(p.type for p in signature(self.program.function(root).header).params)
        frontier = [(root, steps)]
        for calls in range(MAX_CALLS + 1):
            following: list[tuple[FunctionId, tuple[Step, ...]]] = []
            for fid, way in frontier:
                if seen.get(fid, MAX_CALLS + 1) <= calls:
                    continue
                seen[fid] = calls
                names: Sequence[str] = self.program.function(fid).callees
                stmts: Sequence[Stmt] | None = None
                if fid == root and entry.keeps:
                    stmts = while_set(self._body(fid).stmts, entry.keeps)
                    names = [c.func.name for c in all_calls(stmts) if isinstance(c.func, Name)]
                if not self.taking.isdisjoint(names) or "guard" in self.program.function(fid).callees:
                    self._locks(fid, stmts, needs, way, doubt + (calls > 1), bool(about))
                for name in dict.fromkeys(names):
                    callee = self.program.resolve(name, fid[0]) if name not in self._stops else None
                    if callee is not None and callee[0] in self.files:
                        path, line = self.program.paths[callee[0]], self.program.function(callee).line
                        following.append((callee, (*way, Step(path, line, 1, name, f"{name}() is called"))))
            frontier = following

    def _needs(self, fid: FunctionId, needs: str) -> str:
        """What the mask must allow, where an operation looks at the mask of the reclaim itself."""
        words = self.program.function(fid).words
        if FS in words:
            return "fs"
        return "io" if IO in words and needs == "any" else needs

    def _locks(
        self,
        fid: FunctionId,
        stmts: Sequence[Stmt] | None,
        needs: str,
        way: tuple[Step, ...],
        doubt: int,
        about: bool,
    ) -> None:
        """Note the locks that a function waits for, in ``stmts`` where reclaim does not run all of it.

        ``about``: the operation is one on an object of its own.
        """
        function = self.program.function(fid)
        env = self._environment(fid[0])
        body = self._body(fid)
        header = signature(function.header)
        types = Types(header, body, env)
        for path, place, how in self._acquired(body.stmts if stmts is None else stmts, env):
            found = lock_class(path, types.of, types.variables.__contains__, env)
            if found is None or self._is_objects(found, about, fid[0]):
                continue
            step = Step(
                self.program.paths[fid[0]], place.line, place.column, function.name, f"{how}({path}) waits for it"
            )
            taken = Taken(needs, (*way, step), doubt + found[0].startswith("include/"))
            known = self.classes.get(found)
            if known is None or (taken.doubt, len(taken.steps)) < (known.doubt, len(known.steps)):
                self.classes[found] = taken

    def _is_objects(self, found: LockClass, about: bool, file: int) -> bool:
        """Whether a lock is one of the object that the operation is about: in it, or in what holds it by value."""
        record = found[0].rpartition(":")[2]
        if record in _OBJECTS:
            return True
        if not about or not record:
            return False
        return any(f.type in _OBJECTS and not f.pointers for f in self._fields(record, file).all().values())

    def _acquired(self, stmts: Sequence[Stmt], env: Declared) -> Iterator[tuple[str, Place, str]]:
        for call in all_calls(stmts):
            name = call.func.name if isinstance(call.func, Name) else ""
            op = self.kernel.context_ops.get(name) if name in self.taking else None
            if op is not None and op.lock is not None and op.lock < len(call.args):
                yield path_of(call.args[op.lock]), call.place, name
        for stmt in _guards(stmts):
            row = self.kernel.guards.get(stmt.kind) or env.guard_class(stmt.kind)
            if row is None or row.when != "always" or row.lock is None or row.lock >= len(stmt.args):
                continue
            if not any(self.kernel.kinds[k].atomic for k in row.kinds):
                path: Expr = stmt.args[row.lock]
                yield path_of(path), stmt.place, f"guard({stmt.kind})"


def while_set(stmts: Sequence[Stmt], member: str) -> list[Stmt]:
    """The statements of a list without those that run only where a member of the object is 0."""
    found: list[Stmt] = []
    gone = False
    for stmt in stmts:
        gone = gone and not isinstance(stmt, Label)
        if gone:
            continue
        if isinstance(stmt, If) and _tests(stmt.test, member, "||", is_set=True):
            found.append(stmt.then)
            gone = ends(stmt.then)
        elif isinstance(stmt, If) and _tests(stmt.test, member, "&&", is_set=False):
            found += [stmt.otherwise] if stmt.otherwise is not None else []
        else:
            found.append(stmt)
    return found


def _tests(test: Expr, member: str, joined: str, *, is_set: bool) -> bool:
    """Whether a condition asks that a member is set (or not), be it as one of others ``joined`` with it."""
    match test:
        case Binary(op=op, left=left, right=right) if op == joined:
            return any(_tests(part, member, joined, is_set=is_set) for part in (left, right))
        case Binary(op="!=" | "==" as op, left=left, right=Number(text="0")):
            return _tests(left, member, joined, is_set=is_set == (op == "!="))
        case Call(func=Name(name="likely" | "unlikely"), args=(inner,)):
            return _tests(inner, member, joined, is_set=is_set)
        case Unary(op="!", operand=operand):
            return _tests(operand, member, "&&" if joined == "||" else "||", is_set=not is_set)
        case Member(field=field):
            return is_set and field == member
    return False


def _guards(stmts: Iterable[Stmt]) -> Iterator[Guard | Scoped]:
    for stmt in stmts:
        if isinstance(stmt, (Guard, Scoped)):
            yield stmt
        for inner in inner_of(stmt):
            yield from _guards(inner)
