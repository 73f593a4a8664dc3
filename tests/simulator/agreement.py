"""What the linter says of programs against what the simulator sees, place by place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from gfplint.findings import Finding
from gfplint.simulator.observe import OBSERVABLES, Options, explore_program
from gfplint.simulator.program import parse
from tests.rules.harness import lint_all
from tests.simulator.generated import GENERAL, Profile, Seeded, program
from tests.simulator.profiles import PROFILES

VERSION = (6, 12)
PATHS = 256

#: Frees, and what reports a wrong one.
FREES = re.compile(
    r"\b(?:kfree|kfree_sensitive|kvfree|vfree|kmem_cache_free|free_pages?|__free_pages|free_pages_exact|free_percpu"
    r"|mempool_free|devm_kfree)\("
)
#: Taking these where sleeping is a defect is one, but none of memory allocation.
SLEEPING_LOCK = re.compile(
    r"\b(?:(?:mutex_lock|down_read|down_write|request_irq)\(|(?:scoped_)?guard\((?:mutex|rwsem_))"
)


class Seen(NamedTuple):
    """What one run of a program showed: for each group the places, outermost line first, with the kind."""

    places: dict[str, dict[tuple[int, ...], str]]
    complete: bool


def observed(text: str, profile: Profile = GENERAL) -> Seen:
    """All that the simulator sees of the profile's groups."""
    lines = text.split("\n")
    places: dict[str, dict[tuple[int, ...], str]] = {group: {} for group in profile.groups}
    options = Options(failures=profile.failures, pressure=profile.pressure, survive=True, max_paths=PATHS)
    for run in explore_program(parse(text.encode()), options, None, VERSION):
        if run.truncated or run.abandoned:
            return Seen(places, False)
        for item in run.observations:
            line, stack = lines[item.line - 1], tuple(line for _, line in item.stack)
            for group in profile.groups:
                if item.kind not in OBSERVABLES[group] or not about(group, item.kind, line, profile):
                    continue
                if places[group].get(stack) in (None, *profile.excuses):
                    places[group][stack] = item.kind
    return Seen(places, True)


def about(group: str, kind: str, line: str, profile: Profile) -> bool:
    """Whether an observation at this line is one of the group's: the kinds of groups overlap."""
    if profile.about:
        return bool(re.search(profile.about, line))
    if group == "bad-free":
        return kind != "bug-on" and bool(FREES.search(line))
    return not SLEEPING_LOCK.search(line)


class Verdict(NamedTuple):
    """Where linter and simulator differ on a program; ``why`` is "" where they agree. ``complete``: all its paths
    were run; where not, nothing is compared."""

    why: str
    complete: bool = True


def findings_of(texts: Mapping[str, str], rules: Collection[str]) -> dict[str, list[Finding]]:
    """The findings of these rules in files that are linted together, by path."""
    found: dict[str, list[Finding]] = {path: [] for path in texts}
    for finding in lint_all(dict(texts), VERSION, rules, only=rules):
        found[finding.path].append(finding)
    return found


def compare(text: str, findings: Collection[Finding], profile: Profile = GENERAL) -> Verdict:
    """Findings against what a run shows."""
    seen = observed(text, profile)
    if not seen.complete:
        return Verdict("", False)
    for group, rules in profile.groups.items():
        steps = {f: {step.line for step in f.trace} if profile.traced else set() for f in findings}
        found = [(f.rule, f.line, {f.line, *steps[f]}) for f in findings if f.rule in rules]
        if why := _difference(found, seen.places[group], text.split("\n"), profile.excuses):
            return Verdict(why)
    return Verdict("")


def _difference(
    found: list[tuple[str, int, set[int]]],
    seen: dict[tuple[int, ...], str],
    lines: list[str],
    excuses: frozenset[str],
) -> str:
    for stack, kind in seen.items():
        if kind not in excuses and not any(places.intersection(stack) for _, _, places in found):
            return f"{kind} at {' > '.join(f'{n}: {lines[n - 1].strip()}' for n in stack)}, no finding"
    for rule, line, places in found:
        if not any(places.intersection(stack) for stack in seen):
            return f"{rule} at {line}: {lines[line - 1].strip()}, nothing observed"
    return ""


def disagreement(text: str, profile: Profile = GENERAL) -> str:
    """Where linter and simulator differ on a program that stands alone; "" where they agree."""
    path = "driver.c"
    return compare(text, findings_of({path: text}, profile.rules)[path], profile).why


class Tried(NamedTuple):
    """One program of a long run: the seed that makes it again."""

    seed: int
    profile: Profile
    text: str
    verdict: Verdict


#: Programs that are linted together: what the linter prepares for a scan is then prepared once.
TOGETHER = 40


def try_many(start: int, count: int, profiles: tuple[Profile, ...] = PROFILES) -> Iterator[Tried]:
    """Programs from ``count`` seeds, the profiles in turn. A program on which the two differ is tried alone again:
    what others in the scan cause is said."""
    for first in range(start, start + count, TOGETHER):
        seeds = range(first, min(first + TOGETHER, start + count))
        made = {seed: (program(Seeded(seed), profiles[seed % len(profiles)], str(seed))) for seed in seeds}
        rules = frozenset().union(*(profile.rules for profile in profiles))
        found = findings_of({f"p{seed}.c": text for seed, text in made.items()}, rules)
        for seed, text in made.items():
            profile = profiles[seed % len(profiles)]
            verdict = compare(text, found[f"p{seed}.c"], profile)
            if verdict.why and not disagreement(text, profile):
                verdict = Verdict(f"only beside other programs: {verdict.why}")
            yield Tried(seed, profile, text, verdict)
