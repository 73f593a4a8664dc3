"""The simulator judges the rules: each fixture of a rule with a ``sim`` entry is run on every path.

It shows that observable on the lines marked for such a rule, and nowhere else.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from gfplint.rules import catalogue
from gfplint.simulator.observe import OBSERVABLES, Observation, Options, explore_program
from gfplint.simulator.program import parse
from tests.rules.harness import FIXTURES, lint_fixture, marks, version_of

SIM = {rule.code: rule.sim for rule in catalogue() if rule.sim}
FILES = sorted(path for code in SIM for path in (FIXTURES / code).glob("*.c"))

#: Observables that show only when memory is short.
NEEDS_PRESSURE = frozenset({"warn"})

#: What a rule reports that no checker of the kernel prints: lines of this form, and why.
UNSEEN = {
    # A run enters what tables name as they are written, and nothing behind a pointer that no function of the file sets.
    "GFP101": re.compile(r"under task_lock\(\)|with the mask that it is given"),
    "GFP501": re.compile(
        r"GFP_DMA\b"
    ),  # a zone mask alone is a warning: the allocation neither sleeps nor fails by itself
    "GFP401": re.compile(r"what the array held before|others may have filled it"),  # no run knows what another one does
    "GFP402": re.compile(r"allocated in another run"),  # where the object is of another cache than what a run is given
    # The caller's order is 0 in a run; pages found by address and sizes of structs are not laid out as in a kernel.
    "GFP403": re.compile(r"an order that the caller chooses|found by its address|counted in structs"),
    # lockdep has a map for reclaim with __GFP_FS alone; the simulator has neither fences nor devices that are reset.
    "GFP205": re.compile(r"without __GFP_FS|wait for the (fence|reset)"),
    # A CPU mask is memory only with CPUMASK_OFFSTACK; what is freed again no run shows at its end.
    "GFP301": re.compile(r"handed out into the object|freed again"),
    "GFP302": re.compile(r"KMEM_CACHE|kmem_cache_create"),  # it sees the objects, not the cache that they are of
    # Below the maximum a request only fails more often, or wastes memory.
    "GFP603": re.compile(r"^(?!.*(8 << 20|16 \* 1024 \* 1024))"),
    # A run knows no member that another has filled; the second of two small sizes fits into the first object.
    "GFP607": re.compile(r"list->items|\*items|seen, i \+ 1"),
}
#: Rules that speak of the allocation, which a run sees where the memory is used: a step of the finding.
TRACED = frozenset({"GFP506", "GFP701"})
#: A test that does not see the failure is a finding by itself; a run shows it where the memory is used afterwards.
UNTESTED = "the test does not see it"
#: What a checker prints though the rule lets it pass: the reason on the line's mark, and why.
LET_PASS = frozenset(
    {
        "the struct's owner ends it",  # the flags do differ at return, and are meant to
        "the caller ends it",
        "a second try follows",  # the author chose not to wait at first
        "a failure is expected",
        "the caller may be atomic",  # the simulator calls what nothing calls where it may sleep
        "one for all",  # not repeatable
        "at start, once",
        # Who may get there, and what bounds it, no run shows.
        "for root of the machine alone",
        "allowed() asks for privilege",
        "not in the task that triggered it",
        "bounded by RLIMIT_MEMLOCK",
        "user space does not get here",
        "its cache charges",  # the cache is created in another run
        "the cache is what to change",  # the line of the cache is marked
        "after split_page()",  # which the simulator does not have
        "evict_inode has an object that nobody else has",  # classes of locks do not tell objects apart
        "reclaim keeps inodes that have a link",  # the same: an inode without a link goes another way
        "may be either",  # the condition that chose it tells its users, too
        "who opened it may have asked",
        "anybody may call it through the pointer",  # a run knows the callers that the file has
        "its commands may block",  # a run enters the callback without reading what stands beside it in the table
        "nothing is freed",  # vfree(NULL) says might_sleep() too, but there is nothing to mend in the free
    }
)


@cache
def observed(path: Path, sim: str) -> tuple[Observation, ...]:
    text = path.read_text(encoding="utf-8")
    pressure = sim in NEEDS_PRESSURE
    options = Options(pressure=pressure, max_paths=512 if pressure else 128)
    runs = explore_program(parse(text.encode()), options, None, version_of(text))
    return tuple(seen for run in runs for seen in run.observations if not seen.mask_given)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_fixture_shows_its_observable(path: Path) -> None:
    code, text = path.parent.name, path.read_text(encoding="utf-8")
    lines, found = text.split("\n"), marks(text)
    sim = SIM[code]
    seen = [item for item in observed(path, sim) if item.kind in OBSERVABLES[sim]]
    own = {mark.line for mark in found if mark.code == code and mark.word == "expect"}
    related = {m.line for m in found if SIM.get(m.code) == sim and m.word in ("expect", "wanted")}
    passed = {mark.line for mark in found if mark.reason in LET_PASS}
    places = {line for item in seen for _, line in item.stack}
    if code in TRACED:
        traced = [f for f in lint_fixture(text, version_of(text)) if f.rule == code]
        related |= {step.line for f in traced for step in f.trace}
        seen_there = {f.line for f in traced if places.intersection(step.line for step in f.trace)}
        own -= seen_there | {f.line for f in traced if f.message.endswith(UNTESTED)}
    missing = {n for n in own - places if code not in UNSEEN or not UNSEEN[code].search(lines[n - 1])}
    extra = {(item.line, item.kind) for item in seen if not {line for _, line in item.stack} & (related | passed)}
    assert not missing, [lines[n - 1].strip() for n in sorted(missing)]
    assert not extra, [(kind, lines[n - 1].strip()) for n, kind in sorted(extra)]


def test_every_sim_entry_is_an_observable() -> None:
    assert set(SIM.values()) <= set(OBSERVABLES)
