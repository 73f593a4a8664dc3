"""Which functions are worth a body: decided on names and, for memory, on the text, before anything is parsed.

What is left out has no finding of the rules that run: it holds no context in which something may sleep, no mask that
could be wrong, and neither in it nor through a struct's member does memory of one family meet the free of another.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import cache, partial
from typing import Protocol, TypeVar

from gfplint.analysis.bases import Bases
from gfplint.analysis.environment import MEMORY, annotated
from gfplint.analysis.evidence import Called, Doubt, Evidence, Reader
from gfplint.analysis.evidence import Text as EvidenceText
from gfplint.analysis.holders import Declared
from gfplint.analysis.holds import GUARDS
from gfplint.analysis.measures import parted
from gfplint.analysis.meeting import MemberEvidence
from gfplint.analysis.program import NEVER, FunctionId, Program, Relevance
from gfplint.analysis.regions import (
    evaluated_with,
    even,
    first_of,
    last_of,
    leads_away,
    loops_before,
    straight,
)
from gfplint.analysis.summary import Summary
from gfplint.analysis.values import CACHES
from gfplint.analysis.wrappers import Wrappers
from gfplint.analysis.written import arguments
from gfplint.facts import Function
from gfplint.kernel.masks import DIRECT_RECLAIM, FS, ZONES
from gfplint.kernel.model import Allocator, Kernel, Mask

Text = Callable[[], str]
_Found = TypeVar("_Found")
#: Whether an ``#if``, ``#else`` or ``#endif`` stands between two offsets in a function's text.
Conditional = Callable[[FunctionId, int, int], bool]


class Texts:
    """What the texts of functions say to all that call them, by the function and the levels of callees that are read
    with it: the frees to which it gives its parameters (``Reader.given_back``), and the families that it returns
    (``Reader.handed_out``); None where that is left open.
    """

    def __init__(self) -> None:
        self.frees: dict[tuple[int, int, int], frozenset[str] | None] = {}
        self.families: dict[tuple[int, int, int], frozenset[str] | None] = {}


#: A literal first, which is found fast; what stands before it is looked at then.
_GFP = re.compile(r"GFP\w*+", re.ASCII)
_NAMES = re.compile(r"[A-Za-z_]\w*+", re.ASCII)
#: Masks, added up.
_SUM = re.compile(r"[\w\s|()]*+", re.ASCII)
_NOFAIL = "__GFP_NOFAIL"
_RECLAIM: Mask = frozenset((DIRECT_RECLAIM, "__GFP_KSWAPD_RECLAIM"))


class Reads(enum.Flag):
    """What of a summary a rule reads: where a function can't have any of it, it is not analysed."""

    #: ``reports``: sleeps where a context forbids them.
    CONTEXTS = enum.auto()
    #: ``frees`` of memory whose family or cache is not for that free.
    FAMILIES = enum.auto()
    #: With ``FAMILIES``: frees of memory of another order or size.
    MEASURES = enum.auto()
    #: ``allocs`` whose mask has bits that an allocator may refuse.
    MASKS = enum.auto()
    #: ``scope_faults``.
    SCOPES = enum.auto()
    #: ``sleeps`` of functions that take a mask and name one that blocks.
    SLEEPS = enum.auto()
    #: ``linear_uses``, and what lies outside the linear map.
    LINEAR = enum.auto()
    #: Anything: every function that allocates, frees or opens a scope.
    ALL = enum.auto()


#: Levels of texts that are read to tell what a call frees or returns.
TEXT_LEVELS = 3
#: Calls that are looked through in a function that takes a mask.
MASK_LEVELS = 3


def takes_mask(function: Function) -> bool:
    """Whether a parameter of a function is a mask, by its header."""
    return "gfp_t" in function.header


class Worth:
    """Decides what of a program is worth a body."""

    def __init__(
        self,
        program: Program,
        kernel: Kernel,
        relevance: Relevance,
        reads: Reads,
        operations: frozenset[str],
        meets: Callable[[FunctionId, frozenset[str]], bool],
        conditional: Conditional,
    ) -> None:
        """``operations``: members of operation tables whose call may sleep; ``meets``: whether a function may call one
        of some names with a context held that forbids sleeping; ``conditional``: see there.
        """
        self.meets = meets
        self.program = program
        self.kernel = kernel
        self.relevance = relevance
        #: What of it is read, asked once: a flag takes its time to tell.
        self.sleeps, self.contexts, self.all_of_it = (r in reads for r in (Reads.SLEEPS, Reads.CONTEXTS, Reads.ALL))
        self.linears, self.opens, self.odd_masks = (r in reads for r in (Reads.LINEAR, Reads.SCOPES, Reads.MASKS))
        self.families = Reads.FAMILIES in reads
        self.reader = Reader(kernel, measured=Reads.MEASURES in reads)
        self.memory = frozenset(kernel.allocators.keys() | kernel.frees.keys())
        tabled = self.memory | kernel.scopes.keys()
        self.tabled = tabled | kernel.context_ops.keys() | kernel.queries.keys() | kernel.sleepers.keys()
        macros = {macro for name in tabled for macro in relevance.macro_callers.get(name, ())}
        self.always = frozenset(macros | relevance.locking) - self.memory
        self.scopes = frozenset(kernel.scopes)
        self.direct = self.always | tabled
        self.regions = _Regions(kernel, relevance, operations, conditional)
        self.masks = _Masks(kernel)
        self.reduced = frozenset(n for n, m in kernel.masks.items() if DIRECT_RECLAIM in m and FS not in m)
        self.wrappers = relevance.wrappers
        self.linear = frozenset(name for role, name in kernel.roles if role == "linear")
        self.texts = Texts()
        names = self.direct | self.regions.enters | (self.linear if Reads.LINEAR in reads else frozenset())
        #: Calls of any of these may make a function worth a body.
        self._noted = names | (self.wrappers.handing or frozenset())

    def candidates(self, files: Sequence[int], names: frozenset[str]) -> dict[int, list[int]]:
        """Of files, the numbers of the functions that ``by_name`` or ``by_text`` may find worth a body, and of those
        that call one of ``names``: most functions are never looked at.
        """
        calling = self.relevance.calling_in(files)
        noted = self._noted | names
        if self.wrappers.handing is None:
            noted |= frozenset([name for name in calling.callers if self.wrappers.hand_out((name,))])
        found: defaultdict[int, set[int]] = defaultdict(set)
        for callers in [calling.callers[name] for name in noted if name in calling.callers]:
            for at, index in callers:
                found[at].add(index)
        for at, telling in calling.telling.items():
            found[at].update(telling)
        return {at: sorted(found.get(at, ())) for at in files}

    def by_name(self, fid: FunctionId, function: Function, names: frozenset[str], text: Text) -> int | None:
        """The depth of the summary that the names in a function alone make worth; None for none.

        ``names``: those that it calls; ``text``: its blanked code, asked for where the names leave it open whether a
        context reaches a sleep.
        """
        if self.sleeps and takes_mask(function) and self.masks.names_blocking(function):
            return MASK_LEVELS
        if self.contexts:
            sleeping = self.regions.sleeping(fid, function, names, text)
            if sleeping and self.meets(fid, sleeping):
                return 0
        if self.direct.isdisjoint(names):
            if self.all_of_it and not self.reduced.isdisjoint(function.words):
                return 0
            return MEMORY if self.linears and not self.linear.isdisjoint(names) else None
        if self.all_of_it or any(_stands_alone(text(), name) for name in names & self.always):
            return 0
        if self.opens and not self.scopes.isdisjoint(names):
            return 0
        return MEMORY if self.odd_masks and self.masks.odd(function, names, text) else None

    def has_memory(self, callees: frozenset[str]) -> bool:
        """Whether the text of a function that calls these may tell more: it allocates or frees, or what it calls hands
        out such memory as not every free is for.
        """
        return not self.memory.isdisjoint(callees) or self.wrappers.hand_out(callees)

    def by_text(
        self, fid: FunctionId, function: Function, callees: frozenset[str], code: str, seen: Seen
    ) -> tuple[bool, tuple[MemberEvidence, ...]]:
        """Whether the text of a function that has memory makes it worth a body, and what it does to members.

        ``callees``: what it calls; ``seen``: what its file sees.
        """
        odd = self.odd_masks and self.masks.unknown(code, function)
        if odd or not self.families:
            return odd, ()
        bases = Bases(function.header, code, seen)
        text = EvidenceText(code, function.header, callees, seen.global_key, bases, seen.returned_record)
        wrapped = _Wrapped(self.wrappers, self.tabled, self.reader, self.texts, fid[0], seen)
        found = self.reader.read(text, wrapped.of(callees))
        while found.doubts and wrapped.look_into(found.doubts):
            found = self.reader.read(text, wrapped.of(callees))
        return bool(found.doubts), tuple(_members(fid[1], found))


class Seen(Declared, Protocol):
    """What a file sees of the rest of the program."""

    def shadowed(self, name: str) -> bool:
        """Whether the file's own definition hides the kernel's."""

    def global_key(self, name: str) -> str:
        """As holders have it: the file of a static variable at file scope; "" where there is no such variable."""

    def returned_record(self, name: str) -> str:
        """The struct, as holders name it, that a function returns a pointer to; "" for any other."""

    def summary(self, name: str, depth: int) -> Summary | None:
        """The summary of what a name calls."""

    def read(self, name: str, tell: Callable[[FunctionId, Function, Seen], _Found]) -> _Found | None:
        """What is told of the function that a name calls, by what its file sees; None where it may be a macro or
        nothing that the program knows.
        """

    def text(self, fid: FunctionId) -> str:
        """The blanked code of a function."""


class _Wrapped:
    """What the functions that a file calls hand out and free: as their names let them, and as they do."""

    def __init__(
        self, wrappers: Wrappers, tabled: frozenset[str], reader: Reader, known: Texts, file: int, seen: Seen
    ) -> None:
        """``tabled``: functions of which the tables say all, unless the file has its own; ``known``: takes what the
        texts of functions say, for all that call them.
        """
        self.wrappers = wrappers
        self.tabled = tabled
        self.reader = reader
        self.known = known
        self.file = file
        self.seen = seen
        self.summaries: dict[str, Summary | None] = {}
        #: What texts say of frees, and of the families that are returned, which costs a tenth of what a summary does.
        self.texts: dict[str, frozenset[str]] = {}
        self.handed: dict[str, frozenset[str]] = {}

    def of(self, names: frozenset[str]) -> Called:
        """What some names do."""
        followed = self.followed(names)
        own = followed & self.tabled
        known = self.wrappers.noted(followed)
        if not known:
            return Called({}, {}, {}, own)
        return Called(
            {name: self.reader.marked(families) for name in known if (families := self.returned(name))},
            {name: self.reader.marked(families) for name in known if (families := self.given(name))},
            {name: frees for name in known if (frees := self.freed(name))},
            own,
        )

    def followed(self, names: frozenset[str]) -> frozenset[str]:
        """Those of some names whose bodies count."""
        return names.difference([name for name in names & self.tabled if not self.seen.shadowed(name)])

    def look_into(self, doubts: Set[Doubt]) -> bool:
        """Tell of the functions that doubts rest on what they do from now on; False where one of the doubts stays.

        Who frees is asked before who gives: where nothing is freed, it is all the same what is given.
        """
        unread = self.followed(frozenset().union(*[(doubt.freeing, *doubt.givers) for doubt in doubts]))
        if True in [self._read(name) for name in sorted(unread - self.summaries.keys() - self.texts.keys())]:
            return True
        asked: set[str] = set()
        gives = cache(lambda name: bool(self.returned(name) or self.given(name)))  # the same in many doubts
        for doubt in doubts:
            left = self._left(doubt, gives)
            if not left:
                return False
            asked |= left
        self.summaries.update((name, self.seen.summary(name, MEMORY)) for name in sorted(asked))
        return True

    def _left(self, doubt: Doubt, gives: Callable[[str], bool]) -> set[str]:
        """The functions that may settle a doubt and that are not looked into yet, those first that say most.

        ``gives``: whether a function may give any memory.
        """
        freeing = self.followed(frozenset((doubt.freeing,))) - self.summaries.keys()
        if found := {name for name in freeing if self.freed(name)}:
            return found
        givers = self.followed(doubt.givers) - self.summaries.keys()
        return set(filter(gives, givers))

    def _read(self, name: str) -> bool:
        """Read the text of a function that may free its parameters, or return memory; whether it says other than its
        calls alone.
        """
        frees, families = self.wrappers.freeing(name, self.file), self.wrappers.returned(name, self.file)
        if not frees and not families:
            return False
        self.texts[name] = self._frees(self.seen, self.file, name, TEXT_LEVELS) if frees else frees
        self.handed[name] = self._families(self.seen, self.file, name, TEXT_LEVELS) if families else families
        return self.texts[name] != frees or self.handed[name] != families

    def _frees(self, seen: Seen, file: int, name: str, levels: int) -> frozenset[str]:
        """The frees to which a call in a file may give its arguments, by so many levels of texts."""
        known = self.wrappers.freeing(name, file)
        if not known or not levels:
            return known

        def tell(fid: FunctionId, function: Function, there: Seen) -> frozenset[str] | None:
            key = (*fid, levels)
            if key not in self.known.frees:
                code, callees = there.text(fid), frozenset(function.callees)
                others = callees - self.reader.allocators.keys() - self.reader.frees.keys()
                freeing = {
                    n: partial(self._frees, there, fid[0], n, levels - 1)
                    for n in others
                    if self.wrappers.freeing(n, fid[0])
                }
                bases = Bases(function.header, code, there)
                self.known.frees[key] = self.reader.given_back(function.header, code, callees, freeing, bases)
            return self.known.frees[key]

        told = seen.read(name, tell)
        return known if told is None else told

    def _families(self, seen: Seen, file: int, name: str, levels: int) -> frozenset[str]:
        """The families of memory that a call in a file may return, by so many levels of texts."""
        known = self.wrappers.returned(name, file)
        if not known or not levels:
            return known

        def tell(fid: FunctionId, function: Function, there: Seen) -> frozenset[str] | None:
            key = (*fid, levels)
            if key not in self.known.families:
                self.known.families[key] = self._families_told(fid, function, there, levels)
            return self.known.families[key]

        told = seen.read(name, tell)
        return known if told is None else told

    def _families_told(self, fid: FunctionId, function: Function, there: Seen, levels: int) -> frozenset[str] | None:
        file, code, callees = fid[0], there.text(fid), frozenset(function.callees)
        others = callees - self.reader.allocators.keys() - self.reader.frees.keys()
        if any(self.wrappers.giving(n, file) for n in others):
            return None
        bases = Bases(function.header, code, there)
        returned = {n: self.reader.marked(more) for n in others if (more := self.wrappers.returned(n, file))}
        families, by = self.reader.handed_out(code, callees, returned, bases)
        asked = by & returned.keys() if levels > 1 and families else ()
        for n in asked:
            returned[n] = self.reader.marked(self._families(there, file, n, levels - 1))
        return self.reader.handed_out(code, callees, returned, bases)[0] if asked else families

    def returned(self, name: str) -> frozenset[str]:
        """The families that a call may hand out."""
        families = self.handed.get(name, self.wrappers.returned(name, self.file))
        if not families or name not in self.summaries:
            return families
        summary = self.summaries[name]
        if summary is None or len(summary.returns) != 1:
            return frozenset()
        family = summary.returns[0].family
        return frozenset((family, *(f for f in families if f[0] in "@%" and family in families)))

    def given(self, name: str) -> frozenset[str]:
        """The families that a call may put where its arguments point to."""
        families = self.wrappers.giving(name, self.file)
        if not families or name not in self.summaries:
            return families
        summary = self.summaries[name]
        return frozenset(memory.family for _, memory in summary.gives) if summary else frozenset()

    def freed(self, name: str) -> frozenset[str]:
        """The frees to which a call may give its arguments."""
        frees = self.wrappers.freeing(name, self.file)
        if not frees or name not in self.summaries:
            return self.texts.get(name, frees)
        summary = self.summaries[name]
        found = frozenset(f.free for f in summary.frees_params) if summary else frozenset()
        told = {free: [text for text in self.texts.get(name, ()) if parted(text)[0] == free] for free in found}
        return frozenset(text for free, texts in told.items() for text in texts or (free,))


def _members(index: int, found: Evidence) -> Iterable[MemberEvidence]:
    for member, families in found.stored:
        yield MemberEvidence(index, member, families)
    for member, free in found.freed:
        yield MemberEvidence(index, member, free=free)
    for member, family in found.sure:
        known = tuple(part for part in parted(family) if part and part != CACHES)
        yield MemberEvidence(index, member, known, sure=family)


class _Regions:
    """Where functions hold a context that forbids sleeping, by the order of their calls."""

    def __init__(
        self, kernel: Kernel, relevance: Relevance, operations: frozenset[str], conditional: Conditional
    ) -> None:
        self.conditional = conditional
        self.operations = operations
        self.said = frozenset(n for n, query in kernel.queries.items() if query.true_means == "held")
        atomic = {n: op for n, op in kernel.context_ops.items() if any(kernel.kinds[k].atomic for k in op.kinds)}
        self.atomic = atomic
        leave = frozenset(n for n, op in atomic.items() if op.effect == "leave")
        self.lasting = GUARDS
        self.leaves = leave | relevance.leaving
        self.enters = (atomic.keys() | relevance.effects | self.lasting | self.said) - self.leaves
        self.contexts = frozenset(self.enters | self.leaves)
        self.relevance = relevance
        self.sleepers = frozenset(
            {n for n, a in kernel.allocators.items() if a.sleeps != "never"}
            | {n for n, f in kernel.frees.items() if f.sleeps != "never"}
        )

    def sleeping(self, fid: FunctionId, function: Function, names: frozenset[str], text: Text) -> frozenset[str]:
        """What may sleep, where it may be called with a context held as far as the order of the calls tells."""
        said = annotated(function)
        if self.enters.isdisjoint(names) and not said:
            return frozenset()
        relevance = self.relevance
        direct = relevance.reach.get(fid, NEVER) == 1
        sleeping = frozenset(
            [
                n
                for n in names
                if (direct and n in self.sleepers)
                or n in self.operations
                or (n in relevance.reaching_names and relevance.may_sleep(n, fid[0]))
            ]
        )
        return sleeping if sleeping and (said or self._meet(fid, function.callees, sleeping, text)) else frozenset()

    def _meet(self, fid: FunctionId, calls: Sequence[str], sleeping: frozenset[str], text: Text) -> bool:
        """Between the first entry and the last end; outside of them only where the text lets a context reach there."""
        start = next(at for at, name in enumerate(calls) if name in self.enters)
        end = next((at for at in range(len(calls) - 1, start, -1) if calls[at] in self.leaves), -1)
        lasting = not self.lasting.isdisjoint(calls) or any(name in self.enters for name in calls[end + 1 :])
        if end < 0 or lasting:
            end = len(calls)
        if not sleeping.isdisjoint(calls[start : end + 1]):  # who ends it may sleep first
            return True
        before = not sleeping.isdisjoint(calls[:start])
        if before and evaluated_with(text(), calls[start], sleeping):
            return True
        if end == len(calls):
            return before and loops_before(text(), calls[start])
        code = text()
        if not straight(code, calls[start], calls[end]):
            return True
        if sleeping.isdisjoint(calls[end + 1 :]) and not (before and loops_before(code, calls[start])):
            return False
        if self.conditional(fid, first_of(code, calls[start]), last_of(code, calls[end])):
            return True  # what the text shows is not what any configuration compiles
        held = {name: self.atomic.get(name) for name in self.contexts.intersection(calls[start : end + 1])}
        return not even(code, calls[start], calls[end], held) or leads_away(code, calls[start], calls[end])


class _Masks:
    """Which functions name a mask that an allocator may refuse."""

    def __init__(self, kernel: Kernel) -> None:
        refused = ZONES | {_NOFAIL}
        for family in kernel.families.values():
            refused |= frozenset(family.restricts)
        self.bits = kernel.masks
        self.families = kernel.families
        self.taking = {n: a for n, a in kernel.allocators.items() if a.mask is not None}
        self.known = frozenset(kernel.masks)
        self.plain = frozenset(n for n, bits in kernel.masks.items() if refused.isdisjoint(bits))
        self.blocking = frozenset(n for n, bits in kernel.masks.items() if "__GFP_DIRECT_RECLAIM" in bits)
        self.picky = frozenset(n for n, a in kernel.allocators.items() if a.family == "kvmalloc" and a.mask is not None)

    def names_blocking(self, function: Function) -> bool:
        """Whether a function names a mask that allows direct reclaim."""
        return not self.blocking.isdisjoint(function.words)

    def odd(self, function: Function, names: frozenset[str], text: Text) -> bool:
        """Whether a function's masks are others than the plain ones that every allocator takes, but for those that its
        text gives to allocators that take them.
        """
        words = function.words
        if not self.plain.issuperset(words) and not self._taken(text(), names):
            return True
        return not self.picky.isdisjoint(names) and (
            not words or any(not w.startswith("__") and w not in self.blocking for w in words)
        )

    def _taken(self, code: str, names: frozenset[str]) -> bool:
        """Whether all masks in a text but the plain ones are arguments of allocators, as written, that take them."""
        left = sum(word not in self.plain for word in _naming(code))
        for name in names & self.taking.keys():
            row = self.taking[name]
            for args in arguments(code, name):
                mask = args[row.mask] if row.mask is not None and row.mask < len(args) else ""
                words = _NAMES.findall(mask)
                odd = [word for word in words if word not in self.plain]
                if odd and (not self.known.issuperset(words) or _SUM.fullmatch(mask) is None):
                    return False
                if odd and self._refused(row, frozenset[str]().union(*[self.bits[word] for word in words])):
                    return False
                left -= len(odd)
        return not left

    def _refused(self, row: Allocator, bits: Mask) -> bool:
        """Whether an allocator may refuse a mask, or not keep what it promises."""
        family = self.families.get(row.family)
        restricts = family.restricts if family is not None else ()
        if restricts and (not bits.isdisjoint(restricts) or bits.isdisjoint(_RECLAIM)):
            return True
        blocks = DIRECT_RECLAIM in bits
        return (_NOFAIL in bits and (not blocks or row.order is not None)) or (row.family == "kvmalloc" and not blocks)

    def unknown(self, code: str, function: Function) -> bool:
        """Whether a body names a mask of its own making."""
        return "GFP" in code and not self.known.issuperset(_naming(code))


def _stands_alone(code: str, name: str) -> bool:
    """Whether a name stands anywhere in a text but behind a ``->`` or a point: a member is no macro and no function."""
    return any(
        not code[max(found.start() - 2, 0) : found.start()].endswith(("->", "."))
        for found in re.finditer(rf"\b{name}\b", code, re.ASCII)
    )


def _naming(code: str) -> Iterator[str]:
    """The names in a text that have ``GFP`` in them."""
    for match in _GFP.finditer(code):
        start = match.start()
        while start and (code[start - 1].isalnum() or code[start - 1] == "_"):
            start -= 1
        yield code[start : match.end()]
