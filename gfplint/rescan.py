"""A scan of the whole tree from what an earlier one found: only files that a change concerns are linted again.

Whom it concerns is told by what the earlier scan noted (``analysis.looks``), item by item (``index.items``), and by the
names of which something else holds now (``index.relevance``). Where that can't be told, as with new headers, everything
is linted: the answer is the same, to the last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import msgspec

from gfplint.analysis.guards import MACROS as GUARD_MACROS
from gfplint.analysis.holders import Holder
from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.looks import DEFINE
from gfplint.analysis.meeting import MemberEvidence, Members, bare, differing, holder_of, scattered
from gfplint.analysis.operations import Coverage, added
from gfplint.analysis.ownership import MAX_COPIES, FreeAt, StoreAt, asked_of, kept_under, rests_on
from gfplint.analysis.program import STUB_BYTES
from gfplint.facts import FileFacts, Function
from gfplint.index import kept as keeping
from gfplint.index.items import Items, differs
from gfplint.index.kept import Kept, OfFile
from gfplint.index.linked import Linked
from gfplint.index.update import Change, Present, present
from gfplint.joining import Asked, Ours, Told, findings_of, tell
from gfplint.kernel.model import Kernel
from gfplint.kernels import is_told_alike
from gfplint.linting import FileResult, Wanted, depth_for, whole_of
from gfplint.passes import ROUNDS, Sum, lint_again, lint_files, ours_of, outcome_from
from gfplint.skeletons import Gathered, Gatherer
from gfplint.states import Outcome, Run
from gfplint.tree import State

#: Changed files, and files to be linted again: with more, everything is linted anew.
MAX_CHANGED, MAX_AGAIN = 400, 4_000
#: Copies from holder to holder that may matter: those that a join follows, and one step more.
_COPIES = MAX_COPIES + 1
#: Chooses the functions of a file, by its path and the evidence in it, for a round.
Chosen = Callable[[str, Sequence[MemberEvidence], Members], list[int]]


def rescanned(
    run: Run, state: State, gatherer: Gatherer, found: Gathered, kernel: Kernel, before: Kept
) -> Outcome | None:
    """What the rules find in a whole tree; None where that is not told from what was kept. Raises StoreError."""
    known = before.linked
    changed = _changed(known, found)
    if len(changed) > MAX_CHANGED:
        return None
    if not is_told_alike(known.meta.telling, state, found.keys):
        return None
    paths = [path for path in changed if path in found.keys]
    facts = dict(zip(paths, gatherer.facts(found, paths), strict=True))
    if not found.complete:
        return None
    number = known.number
    changes = [Change(p, known.facts(number[p]) if p in number else None, facts.get(p)) for p in changed]
    now = present(known, kernel, changes, run.selected.root.linted, depth_for(run.settings))
    if now is None:
        return None
    linker = now.linker(kernel, state.read)
    again = Concerned(now, before, changes, linker, state.read).files()
    if again is None or len(again) > MAX_AGAIN:
        return None
    program = now.program
    there = sorted(at for at in again if program.number.get(program.paths[at]) == at)
    subjects = [at for at in there if run.linted(program.paths[at])]
    return _Again(run, state, now, linker, before, changes, subjects).outcome()


def _number(now: Present, path: str) -> int:
    """The number of a file that is there, or was."""
    known = now.program.linked.number.get(path)
    return known if known is not None else now.program.number[path]


def _changed(known: Linked, found: Gathered) -> list[str]:
    """The files that are not as they were, or not there any more."""
    paths, keys, now = known.meta.paths, known.meta.keys, found.keys
    differing = [path for at, path in enumerate(paths) if now.get(path) != keys[16 * at : 16 * at + 16]]
    return sorted([*differing, *(now.keys() - set(paths))])


# ---- whom a change concerns ----------------------------------------------------------------------------------


class Concerned:
    """The files whose results may be others after some files have changed."""

    def __init__(
        self, now: Present, before: Kept, changes: Sequence[Change], linker: Linker, read: Callable[[str], bytes]
    ) -> None:
        """``read``: a file's bytes, now."""
        self.now = now
        self.before = before
        self.changes = changes
        self.program = now.program
        self.read = read
        #: Calls that ask about the context, or name what contains a member: who looks at a name knows a function of
        #: nothing else.
        self.asking, self.containing = linker.asking, linker.containers.plain

    def files(self) -> set[int] | None:
        """Their numbers; None where it may be all."""
        if any(_reaches_all(change) for change in self.changes):
            return None
        update = self.now.update
        changed = {_number(self.now, change.path) for change in self.changes}
        found = changed | update.files
        for at in changed:
            found |= self.program.unit(at)
        for at in update.files - changed:
            for seen in self.before.looking(at).values():
                found.update(seen.files)
        questions: set[str] = set()
        for change in self.changes:
            self._looked_at(change, found, questions)
            questions.update(_asked(change))
        for name in self._names():
            self._concerned_by(name, found)
            questions.add("n:" + name)
        for question in questions:
            found.update(self.before.asking(question))
        return found

    def _looked_at(self, change: Change, found: set[int], questions: set[str]) -> None:
        """Add the files that looked at something of a file which is another thing now, and questions for macros."""
        before, after = change.before or _NOTHING, change.after or _NOTHING
        items = Items(after, self.read(change.path) if change.after is not None else b"")
        looks = self.before.looking(_number(self.now, change.path))
        other = _outline(before) != _outline(after)
        for name, seen in looks.items():
            if other or differs(name, seen.digest, items):
                found.update(seen.files)
        if change.path.endswith(".h"):  # nobody else sees the macros of a .c file
            known = {macro.name for macro in before.macros}.union(n.removeprefix(DEFINE) for n in looks)
            questions.update("m:" + name for name in items.defines.keys() - known)  # numbers are in no skeleton
            questions.update("m:" + name for name, _, _ in _macros(before) ^ _macros(after))

    def _names(self) -> set[str]:
        """The names of which something else holds now, and those of macros that call them."""
        found = set(self.now.update.names)
        for change in self.changes:
            found |= self._other(change)
        waiting = list(found)
        while waiting:
            for macro in self.now.update.calls.macros(waiting.pop()):
                if macro not in found:
                    found.add(macro)
                    waiting.append(macro)
        return found

    def _concerned_by(self, name: str, found: set[int]) -> None:
        """Add the files that call a name, and those that looked at functions that call it."""
        for at, index in self.now.update.calls.functions(name):
            found.add(at)
            seen = self.before.looking(at).get(self.program.facts[at].functions[index].name)
            found.update(seen.files if seen is not None else ())

    def _other(self, change: Change) -> set[str]:
        """The names that mean something else to who calls them, as far as skeletons tell."""
        was, now = self._shapes(change.before), self._shapes(change.after)
        was_macros, now_macros = _macros(change.before or _NOTHING), _macros(change.after or _NOTHING)
        found = {name for name, _, _ in was_macros} ^ {name for name, _, _ in now_macros}
        if change.path.endswith(".h"):  # which of several a name means
            found.update(name for name, _, _ in was_macros ^ now_macros)
        for name in was.keys() | now.keys():
            before, after = was.get(name), now.get(name)
            if before != after and (before is None or after is None or not _all_static([*before, *after])):
                found.add(name)
        return found

    def _shapes(self, facts: FileFacts | None) -> dict[str, list[tuple[object, ...]]]:
        """By name, all that a function is to who does not look into it."""
        found: dict[str, list[tuple[object, ...]]] = {}
        functions = (facts or _NOTHING).functions
        for function in functions:
            found.setdefault(function.name, []).append(self._shape(function))
        for function in functions:
            if len(found[function.name]) > 1:
                found[function.name].append((len(set(function.callees)),))
        return found

    def _shape(self, function: Function) -> tuple[object, ...]:
        stub = not function.callees and function.end - function.body < STUB_BYTES
        asks = bool(function.callees) and self.asking.issuperset(function.callees)
        contains = not self.containing.isdisjoint(function.callees)
        return (function.static, function.header, stub, contains, function.callees if asks else None)


def _reaches_all(change: Change) -> bool:
    """Whether a change is of something that others see, and nobody knows who."""
    before, after = change.before, change.after
    if change.path.endswith(".h") and (before is None or after is None):
        return True
    return _classes(before or _NOTHING, change.path) != _classes(after or _NOTHING, change.path)


def _classes(facts: FileFacts, path: str) -> list[tuple[str, ...]]:
    """The definitions of a file that are asked for by no name: of frees, and in headers of guards."""
    macros = ("DEFINE_FREE", *GUARD_MACROS) if path.endswith(".h") else ("DEFINE_FREE",)
    return [(d.macro, *d.args) for d in facts.definitions if d.macro in macros]


def _outline(facts: FileFacts) -> tuple[object, ...]:
    """What everything in a file may depend on."""
    return facts.includes, [(definition.macro, definition.args) for definition in facts.definitions]


def _asked(change: Change) -> Iterator[str]:
    """The questions to which the answer may be another."""
    before, after = change.before or _NOTHING, change.after or _NOTHING
    yield "d:" + _folder(change.path)
    for facts in (before, after):
        yield from ("c:" + callee for function in facts.functions for callee in function.callees)
        yield from ("c:" + callee for macro in facts.macros for callee in macro.callees)
    yield from ("r:" + name for name in {r.name for r in before.records} ^ {r.name for r in after.records})
    yield from ("g:" + name for name, _, _, _ in _variables(before) ^ _variables(after))
    was, now = _entries(before), _entries(after)
    for struct, member, value in was | now if before.includes != after.includes else was ^ now:
        yield f"o:{struct}.{member}"
        yield "t:" + value


_NOTHING = FileFacts((), (), (), (), (), (), (), (), ())


def _macros(facts: FileFacts) -> set[tuple[str, tuple[str, ...] | None, str]]:
    return {(macro.name, macro.params, macro.text) for macro in facts.macros}


def _all_static(shapes: Sequence[tuple[object, ...]]) -> bool:
    return all(shape[0] is True for shape in shapes if len(shape) > 1)


def _variables(facts: FileFacts) -> set[tuple[str, str, int, bool]]:
    return {(v.name, v.type, v.pointers, v.static) for v in facts.globals}


def _entries(facts: FileFacts) -> set[tuple[str, str, str]]:
    return {(table.struct, entry.member, entry.value) for table in facts.tables for entry in table.entries}


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


# ---- the new result ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Again:
    """Some files linted again, and put in the place of what they were. ``files``: their numbers."""

    run: Run
    state: State
    now: Present
    linker: Linker
    before: Kept
    changes: Sequence[Change]
    files: Sequence[int]

    def outcome(self) -> Outcome | None:
        """The outcome; None where a worker failed."""
        run, linker = self.run, self.linker
        with run.phases("linking"):
            whole = whole_of(self.now.program, linker, run.selected.root.linted, run.running, self.files)
            wanted = Wanted(linker, run.running, whole, self.files, few=True)
        first = lint_files(run, linker, wanted, whole, self.files)
        gone = {_number(self.now, c.path) for c in self.changes if c.after is None}
        replaced: dict[int, FileResult] = {}
        for at, result in first.items():
            if not isinstance(result, FileResult):
                return None
            replaced[at] = result
        results = {at: OfFile(result) for at, result in replaced.items()}
        members: Members = {}
        for number, chosen in enumerate(ROUNDS):
            with run.phases("joining"):
                ours = {at: of_file.evidence(number) for at, of_file in results.items()} | dict.fromkeys(gone, ())
                members = self._members(wanted, number, ours)
                again = self._again(number, chosen, ours, members)
            found = lint_again(
                run, linker, wanted, whole, {at: functions for at, functions in again.items() if functions}
            )
            if any(not isinstance(result, FileResult) for result in found.values()):
                return None
            for at, functions in again.items():
                before = results.get(at) or self.before.of_file(at)
                rounds = [
                    *((r.functions, r.result) for r in map(before.round, range(number))),
                    (functions, found.get(at)),
                ]
                results[at] = keeping.of_file(before.first, rounds)
        with run.phases("joining"):
            last = len(ROUNDS) - 1
            ours = {at: of_file.evidence(last) for at, of_file in results.items()} | dict.fromkeys(gone, ())
            return self._joined(results, gone, self._scattered(ours, members))

    # ---- members

    def _members(self, wanted: Wanted, number: int, ours: Mapping[int, Sequence[MemberEvidence]]) -> Members:
        """The members in which memory may meet a free that is not for it, after the change, as a round starts.

        ``ours``: the evidence in the files where it may be another than before.
        """
        touched = self._touched(number, ours)
        found = {m: met for m, met in self.before.totals.members[number].items() if bare(m) not in touched}
        for name in touched:
            found |= wanted.meetings.members(self._evidence(name, number, ours))
        return found

    def _touched(self, number: int, ours: Mapping[int, Sequence[MemberEvidence]]) -> set[str]:
        """The names of the members of which the evidence is another than before."""
        touched: set[str] = set()
        for at, items in ours.items():
            touched |= differing(self.before.of_file(at).evidence(number), items)
        return touched

    def _evidence(
        self, name: str, number: int, ours: Mapping[int, Sequence[MemberEvidence]]
    ) -> list[tuple[int, Sequence[MemberEvidence]]]:
        """What all files do to the members of a name."""
        found: list[tuple[int, Sequence[MemberEvidence]]] = []
        found += [(at, items) for at, items in self.before.evidence(name, number) if at not in ours]
        for at, items in ours.items():
            if mine := [item for item in items if bare(item.member) == name]:
                found.append((at, mine))
        return found

    def _again(
        self, number: int, chosen: Chosen, ours: Mapping[int, Sequence[MemberEvidence]], members: Members
    ) -> dict[int, list[int]]:
        """By file, the functions that members make worth it: of files where they may be others than before."""
        path = self.now.program.paths.__getitem__
        found = {at: chosen(path(at), items, members) for at, items in ours.items() if items}
        before = self.before.totals.members[number]
        for member in {m for m in members.keys() | before.keys() if members.get(m) != before.get(m)}:
            for at, items in self.before.evidence(bare(member), number):
                if at not in ours and at not in found and any(i.open and i.member == member for i in items):
                    found[at] = chosen(path(at), self.before.of_file(at).evidence(number), members)
        return found

    def _scattered(self, ours: Mapping[int, Sequence[MemberEvidence]], members: Members) -> set[Holder]:
        """As ``ownership.Books`` takes them, after the change."""
        last = len(ROUNDS) - 1
        before = self.before.totals.members[last]
        names = self._touched(last, ours)
        names.update(bare(m) for m in members.keys() | before.keys() if members.get(m) != before.get(m))
        found = {holder for holder in self.before.totals.scattered if holder[1] not in names}
        path = self.now.program.paths.__getitem__
        for name in names:
            mine = {member: met for member, met in members.items() if bare(member) == name}
            found.update(map(holder_of, scattered(path, self._evidence(name, last, ours), mine)))
        return found

    # ---- joining

    def _joined(self, results: Mapping[int, OfFile], gone: Collection[int], far: Set[Holder]) -> Outcome:
        run, before, program = self.run, self.before.totals, self.now.program
        away = results.keys() | set(gone)
        told = self._told(results, away, far)
        findings = [f for at, found in before.findings.items() if at not in away for f in found]
        findings += [f for at in results for f in keeping.findings_of(results[at])]
        degraded = [d for at, found in before.degraded.items() if at not in away for d in found]
        degraded += [d for at in results for d in keeping.degraded_of(results[at])]
        changed = {_number(self.now, c.path) for c in self.changes}
        suppressions = {at: found for at, found in before.suppressions.items() if at not in changed}
        suppressions |= {at: program.facts[at].suppressions for at in changed if run.linted(program.paths[at])}
        old = [self.before.of_file(at) for at in away]
        summed = Sum(
            findings=tuple(findings + findings_of(told)),
            degraded=tuple(degraded),
            suppressions={program.paths[at]: found for at, found in suppressions.items() if found},
            files=before.linted + sum(self._counts(c) for c in self.changes),
            analysed=before.analysed - _analysed(old) + _analysed(results.values()),
            covered=self._coverage(changed),
        )
        outcome = outcome_from(run, self.state, summed, self.linker.kernel)
        functions = sum(before.functions) + sum(
            len((c.after or _NOTHING).functions) - len((c.before or _NOTHING).functions) for c in self.changes
        )
        statistics = {"files": len(program.number), "functions": functions, **outcome.statistics}
        return msgspec.structs.replace(outcome, statistics=statistics)

    def _counts(self, change: Change) -> int:
        """What a change adds to the number of linted files."""
        return (change.after is not None) - (change.before is not None) if self.run.linted(change.path) else 0

    def _coverage(self, changed: Collection[int]) -> Coverage:
        """How much of the operation tables the context tables know, with the tables and functions as they are now."""
        program, before = self.now.program, self.before.totals.coverage
        names = {f.name for c in self.changes for facts in (c.before, c.after) for f in (facts or _NOTHING).functions}
        flipped = {name for name in names if bool(program.linked.row(name).functions) != (name in program.functions)}
        files = {at for name in flipped for at in self.now.update.operations.files_naming(name)} | set(changed)
        counts = {at: found for at, found in before.items() if at not in files}
        for at in files:
            if self.run.linted(program.paths[at]):
                counts[at] = self.linker.operations.coverage_in(at)
        return added(counts.values())

    def _told(self, results: Mapping[int, OfFile], away: Collection[int], far: Set[Holder]) -> list[Told]:
        """What the rules say of members now. ``far``: as ``ownership.Books`` takes what is scattered."""
        ours = {at: ours_of(kept.results) for at, kept in results.items()}
        old = {at: ours_of(self.before.of_file(at).results) for at in away}
        moved = _differing(ours, old) | (far ^ set(self.before.totals.scattered))
        asked: dict[tuple[int, bool, int], Asked] = {}
        for holder in self._copying(moved, ours):
            for item in self.before.holding(holder).asked:
                if item.file not in away:
                    asked[item.file, item.use, item.number] = item
        kept = [t for t in self.before.totals.told if t.file not in away and (t.file, t.use, t.number) not in asked]
        anew = [*asked.values(), *(item for at, own in ours.items() for item in own.asked(at))]
        stores, frees, uses = self._around(anew, ours, away)
        return kept + list(tell(anew, stores, frees, uses, far, self.linker.kernel, self.run.running))

    def _copying(self, holders: Collection[Holder], ours: Mapping[int, Ours]) -> set[Holder]:
        """Some holders, and those to which what is stored there is copied."""
        copied: dict[Holder, set[Holder]] = {}
        for own in ours.values():
            for store in own.stores:
                for source in rests_on(store):
                    copied.setdefault(source, set()).update(kept_under(store))
        found, fresh = set(holders), set(holders)
        for _ in range(_COPIES):
            fresh = {h for f in fresh for h in (*self.before.holding(f).copied, *copied.get(f, ()))} - found
            found |= fresh
        return found

    def _around(
        self, asked: Sequence[Asked], ours: Mapping[int, Ours], away: Collection[int]
    ) -> tuple[list[StoreAt], list[FreeAt], list[FreeAt]]:
        """All stores, frees and uses that may tell of some frees and uses, in the order of their files."""
        path = self.now.program.paths.__getitem__
        stores: dict[tuple[str, int], StoreAt] = {}
        others: dict[tuple[str, int, bool], FreeAt] = {}
        for at, own in ours.items():
            stores.update(((path(at), number), store) for number, store in enumerate(own.stores))
            others.update(((path(at), item.number, item.use), item.site) for item in own.asked(at))
        found: set[Holder] = set()
        fresh = {holder for item in asked for holder in asked_of(item.site)}
        own_sources: dict[Holder, set[Holder]] = {}
        for own in ours.values():
            for store in own.stores:
                for holder in kept_under(store):
                    own_sources.setdefault(holder, set()).update(rests_on(store))
        for _ in range(_COPIES + 1):
            found |= fresh
            sources: set[Holder] = set()
            for holder in fresh:
                holding = self.before.holding(holder)
                for at, number, store in holding.stores:
                    if at not in away:
                        stores[path(at), number] = store
                        sources.update(rests_on(store))
                sources |= own_sources.get(holder, set())
                for item in holding.asked:
                    if item.file not in away:
                        others[path(item.file), item.number, item.use] = item.site
            fresh = sources - found
        frees = [site for (_, _, use), site in sorted(others.items(), key=lambda o: o[0]) if not use]
        uses = [site for (_, _, use), site in sorted(others.items(), key=lambda o: o[0]) if use]
        return [stores[key] for key in sorted(stores)], frees, uses


def _differing(ours: Mapping[int, Ours], old: Mapping[int, Ours]) -> set[Holder]:
    """The holders to which files store something else than before."""
    found: set[Holder] = set()
    for at in ours.keys() | old.keys():
        now, was = ours.get(at, Ours()).stores, old.get(at, Ours()).stores
        if now != was:
            found.update(holder for store in set(now) ^ set(was) for holder in kept_under(store))
            if len(set(now)) < len(now) or len(set(was)) < len(was):
                found.update(holder for store in (*now, *was) for holder in kept_under(store))
    return found


def _analysed(files: Iterable[OfFile]) -> int:
    return sum(result.functions for kept in files for result in kept.results)
