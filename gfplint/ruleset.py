"""What a rule is: its page, and a check over the analysis. The rules themselves stand in ``gfplint.rules``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec

from gfplint.analysis.idioms.code import Code
from gfplint.analysis.summary import AllocSite, FreeSite, Hold, Report, Summary, Unaccounted
from gfplint.analysis.values import Memory, blocking
from gfplint.analysis.worth import Reads
from gfplint.facts import Place
from gfplint.findings import Confidence, Finding, Fix, Severity, Step
from gfplint.frontend.blank import Source
from gfplint.kernel.masks import FS, IO
from gfplint.kernel.model import Free, Kernel


class Asked(Protocol):
    """What a rule may ask about the callers of a function."""

    def sleepable(self) -> tuple[Step, ...] | None:
        """The steps from where the kernel enters to the function, where every way is known and may sleep."""


@dataclass(frozen=True, slots=True)
class View:
    """What a rule sees of one function: its summary, the kernel, and how sure names were resolved.

    ``code``: the function itself, for rules with an ``interest``; the summary then holds its name alone. ``callers``:
    answers what is known of those who call it. ``source``: the blanked file, for fixes.
    """

    summary: Summary
    kernel: Kernel
    module: bool = True
    code: Code | None = None
    callers: Asked | None = None
    source: Callable[[], Source] | None = None


@dataclass(frozen=True, slots=True)
class Interest:
    """Which functions a rule reads: those that call one of ``calls``, name one of the masks ``words``, or at least
    ``masks`` masks (0: their number does not count). ``names``: of which the bytes of the file hold one, if any are
    given: looked at before anything is read.
    """

    calls: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    masks: int = 0
    names: tuple[bytes, ...] = ()


Check = Callable[[View], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``summary`` is a line; ``page`` is Markdown under fixed headings; ``off``: only when selected by its
    whole code. ``interest``: of a rule that reads the code of functions (``View.code``) and asks no flow.
    ``reads``: what of a summary another rule reads; the less, the fewer functions are analysed for it. ``uses``: parts
    of the analysis that run for such rules alone (``accounting``, ``scopes``).
    """

    code: str
    name: str
    severity: Severity
    summary: str
    page: str
    check: Check
    preview: bool = False
    off: bool = False
    sim: str = ""
    interest: Callable[[Kernel], Interest] | None = None
    reads: Reads = Reads.ALL
    uses: frozenset[str] = frozenset()

    def finding(
        self,
        view: View,
        place: Place,
        message: str,
        trace: Iterable[Step],
        *,
        severity: Severity | None = None,
        confidence: Confidence = Confidence.HIGH,
        needs: tuple[str, ...] = (),
        fix: Fix | None = None,
    ) -> Finding:
        """A finding of this rule at ``place`` in the view's function."""
        return Finding(
            rule=self.code,
            name=self.name,
            severity=severity or self.severity,
            confidence=confidence,
            path=view.summary.path,
            line=place.line,
            column=place.column,
            end_line=place.end_line,
            end_column=place.end_column,
            function=view.summary.name,
            message=message,
            trace=tuple(trace),
            needs=needs,
            fix=fix,
        )


def call_step(view: View, place: Place, message: str) -> Step:
    """A step at a place of the view's function."""
    return Step(view.summary.path, place.line, place.column, view.summary.name, message)


def context_steps(view: View, report: Report) -> Iterator[Step]:
    """The steps that say where the context of a report began."""
    if report.root is not None:
        yield report.root
    yield from holding_steps(view, report.held, report.place)


def holding_steps(view: View, held: Iterable[Hold], at: Place) -> Iterator[Step]:
    """Where holds began; those of which only the function's header tells, where they matter."""
    seen = set()
    for hold in held:
        if (hold.place, hold.how) in seen or (hold.place.line == 0 and not hold.asserted):
            continue
        seen.add((hold.place, hold.how))
        name = f" {hold.lock}" if hold.lock else ""
        how = f"is held, as {hold.how} says" if hold.asserted else f"entered here by {hold.how}"
        message = f"{view.kernel.kinds[hold.kind].title}{name} {how}"
        place = hold.place if hold.place.line else at
        yield Step(view.summary.path, place.line, place.column, view.summary.name, message)


def sleep_steps(report: Report) -> Iterator[Step]:
    """The calls that lead from the context to the allocation, which is the last; before it, others behind the same
    call.
    """
    *calls, last = report.sleep.steps
    yield from calls
    for other in report.sleep.also:
        yield msgspec.structs.replace(other, message=f"also behind this call: {other.message}")
    yield last


def free_steps(view: View, site: FreeSite, allocates: str, frees: str) -> list[Step]:
    """The allocation and the free of what a site frees, with the calls between the site and the free."""
    memory = site.memory
    steps = []
    if memory is not None:
        place = memory.place
        steps = [Step(memory.path, place.line, place.column, memory.function, f"{memory.allocator}() {allocates}")]
    if site.steps:
        return [*steps, *site.steps]
    place = site.place
    return [*steps, Step(view.summary.path, place.line, place.column, view.summary.name, f"{site.callee}() {frees}")]


def confidence_of_free(view: View, site: FreeSite) -> Confidence:
    """How sure it is that the memory is what arrives at the free."""
    near = site.memory is not None and site.memory.path == view.summary.path
    return Confidence.HIGH if near and not site.doubt else Confidence.MEDIUM if site.doubt < 2 else Confidence.LOW


def right_frees(kernel: Kernel, memory: Memory) -> list[str]:
    """The frees for memory: the one named as its allocator, else at most three of its family, made for it first."""
    found = {f.name: f for f in kernel.frees.values() if memory.family in f.families and not f.rcu and f.bulk is None}
    twin = memory.allocator.replace("alloc", "free")
    if twin in found:
        return [twin]
    return sorted(found, key=lambda name: (found[name].families[0] != memory.family, len(name), name))[:3]


def is_flavour(row: Free) -> bool:
    """Whether a free frees after a grace period, or many at once."""
    return row.rcu or row.bulk is not None


def frees_managed(kernel: Kernel, row: Free) -> bool:
    """Whether a free is for device-managed memory alone (``devm_kfree``)."""
    known = [kernel.families[f] for f in row.families if f in kernel.families]
    return bool(known) and all(f.managed for f in known)


def confidence_of(report: Report) -> Confidence:
    """How sure a report about a context is: by the choices on its way that were not resolved."""
    if report.sleep.uncertain > 1:
        return Confidence.LOW
    return Confidence.MEDIUM if report.sleep.uncertain else Confidence.HIGH


def titles(view: View, holds: Iterable[Hold]) -> str:
    """The contexts as a message names them."""
    texts = []
    for hold in holds:
        title = view.kernel.kinds[hold.kind].title
        text = f"{title} {hold.lock}".strip() if view.kernel.kinds[hold.kind].lock else title
        if text not in texts:
            texts.append(text)
    return ", ".join(texts)


_SIBLINGS = {
    "object": "; other objects of its kind are charged",
    "wrapper": "; other calls of {callee}() charge it",
    "function": "; the same function charges other memory",
    "holder": "; the object that it hangs off is charged",
    "owner": "; the object that it hangs off is charged",
    "member": "; other memory of the same object is charged",
    "operation": "; others charge what they keep for the same operation",
    "convention": "; the subsystem's rule is to charge what it keeps",
    "file": "; the same file charges other memory",
    "temporary": "; the same file charges what it frees again",
}
#: Evidence that an allocation's like is charged, by how much it says.
_STRONG = ("object", "wrapper", "function", "holder")
_WEAK = ("file", "owner", "operation", "entry")
#: Functions on the way from an entry point beyond which it depends on too much that no text shows. Those of the
#: subsystem itself, which knows what it does, count up to _OWN.
_FAR, _NEAR, _OWN = 6, 4, 3


def accounting_evidence(site: Unaccounted) -> str:
    """What speaks for charging an allocation, as the end of a message; "" where only the way there does.

    What is charged is named there, and is no step: nothing leads from it to the allocation.
    """
    text = _SIBLINGS.get(site.evidence, "").format(callee=site.callee)
    sibling = site.sibling
    return f"{text}: {sibling.message} in {sibling.function}(), {sibling.path}" if sibling is not None else text


def accounting_confidence(site: Unaccounted) -> Confidence:
    """How sure it is that an allocation should be charged."""
    if not site.evidence or site.transient or site.indirect > 1:
        return Confidence.LOW
    if site.fate == "handed" and site.evidence not in _STRONG:
        return Confidence.LOW
    length = site.far + min(len(site.chain) - site.far, _OWN)
    if length > (_NEAR if site.evidence in _WEAK else _FAR):
        return Confidence.LOW
    if site.evidence == "owner" and site.privilege == "device-node":
        return Confidence.LOW  # who may open the device is not known
    sure = site.evidence in _STRONG and not site.indirect and site.fate != "handed"
    return Confidence.HIGH if sure else Confidence.MEDIUM


def legacy_scope(site: AllocSite) -> str:
    """The scope that a mask of an allocation stands for, ``nofs`` or ``noio``; "" where it is no such mask."""
    for mask in site.masks:
        if mask is None or mask.base or not blocking(mask) or mask.has(FS):
            continue
        return "nofs" if mask.has(IO) else "noio"
    return ""
