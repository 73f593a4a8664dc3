"""What is shown of what was found: selection, suppression, confidence, baseline, and what is new.

The one place where this is decided; rules find and reports print. A finding's fingerprint stands for it across
versions of a file: it holds no line number.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from gfplint.config import ConfigError, PerPath, Settings
from gfplint.facts import Suppression
from gfplint.findings import Confidence, Finding, Severity
from gfplint.tree import UnreadableError, read_regular

#: The text of line ``line`` (from 1) of the file ``path``; "" where there is none.
LineReader = Callable[[str, int], str]

_RANK = {Confidence.HIGH: 2, Confidence.MEDIUM: 1, Confidence.LOW: 0}


# ---- selection -------------------------------------------------------------------------------------------------


class RuleStatus(msgspec.Struct, frozen=True):
    """What the selection needs to know of a rule. ``off``: runs only when selected by its whole code."""

    code: str
    preview: bool = False
    off: bool = False


class Chosen(msgspec.Struct, frozen=True):
    """The rules to run; ``explicit``: those selected by their whole code, whose advice is always shown."""

    codes: frozenset[str]
    explicit: frozenset[str]


def choose_rules(rules: Iterable[RuleStatus], settings: Settings) -> Chosen:
    """Which rules run. The longest matching code decides, ``ignore`` on a tie; ``ALL`` is the shortest prefix.

    A whole code includes preview rules and those that are off by default; a prefix includes preview rules only with
    ``settings.preview``, the others never.
    """
    codes: set[str] = set()
    explicit: set[str] = set()
    for rule in rules:
        selected, ignored = _match(rule.code, settings.select), _match(rule.code, settings.ignore)
        if selected < 0 or ignored >= selected:
            continue
        whole = rule.code in settings.select
        if whole or not (rule.off or (rule.preview and not settings.preview)):
            codes.add(rule.code)
        if whole:
            explicit.add(rule.code)
    return Chosen(frozenset(codes), frozenset(explicit))


def _match(code: str, prefixes: Iterable[str]) -> int:
    """The length of the longest of the prefixes that ``code`` has, or -1."""
    lengths = (
        0 if prefix == "ALL" else len(prefix) for prefix in prefixes if prefix == "ALL" or code.startswith(prefix)
    )
    return max(lengths, default=-1)


# ---- fingerprints ----------------------------------------------------------------------------------------------

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//.*")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def with_fingerprints(
    findings: Iterable[Finding], line: LineReader, renamed: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """The findings, sorted, with their fingerprints set.

    A fingerprint is a hash of rule, path, function, the text of the flagged line without blanks and comments, and the
    name at the last step (the allocation); equal ones are told apart by their order. ``renamed`` maps a path
    to the one that the file has in the other state of a comparison.
    """
    seen: Counter[str] = Counter()
    result = []
    for finding in sorted(findings, key=sort_key):
        key = _fingerprint_key(finding, line, renamed or {})
        result.append(msgspec.structs.replace(finding, fingerprint=_digest(f"{key}\0{seen[key]}")))
        seen[key] += 1
    return tuple(result)


def sort_key(finding: Finding) -> tuple[object, ...]:
    """The order in which findings are shown."""
    return (finding.path, finding.line, finding.column, finding.rule, finding.function, finding.message)


def _fingerprint_key(finding: Finding, line: LineReader, renamed: Mapping[str, str]) -> str:
    text = " ".join(_COMMENT.sub(" ", line(finding.path, finding.line)).split())
    path = renamed.get(finding.path, finding.path)
    return "\0".join((finding.rule, path, finding.function, text, _last_name(finding, line)))


def _last_name(finding: Finding, line: LineReader) -> str:
    """The identifier at which the trace ends."""
    if not finding.trace:
        return ""
    last = finding.trace[-1]
    found = _IDENTIFIER.match(line(last.path, last.line), max(last.column - 1, 0))
    return found[0] if found else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def new_findings(before: Iterable[Finding], after: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of ``after`` that ``before`` has not, as multisets of fingerprints."""
    left = Counter(finding.fingerprint for finding in before)
    new = []
    for finding in after:
        if left[finding.fingerprint] > 0:
            left[finding.fingerprint] -= 1
        else:
            new.append(finding)
    return tuple(new)


# ---- suppression -----------------------------------------------------------------------------------------------


class Unused(msgspec.Struct, frozen=True):
    """A suppression comment that GFP901 reports. ``code``: the part of it that is at fault, "" for all of it.

    ``why``: ``unused``, ``unreasoned`` or ``unknown`` (no such rule).
    """

    path: str
    suppression: Suppression
    code: str
    why: str


class Silenced(msgspec.Struct, frozen=True):
    """What suppression comments leave over, how many they silenced, and the comments to report."""

    findings: tuple[Finding, ...]
    count: int
    unused: tuple[Unused, ...]


def apply_suppressions(
    findings: Sequence[Finding],
    suppressions: Mapping[str, Sequence[Suppression]],
    ran: Collection[str],
    known: Collection[str],
) -> Silenced:
    """Drop the findings that a comment silences: on the lines of the call, or on the line above it.

    A comment counts for the line above only if it silences nothing on its own line: the comment behind one statement is
    not about the next. ``suppressions`` by path; ``ran``: the rules that ran (of the others, nobody knows whether a
    comment is used); ``known``: the codes of all rules.
    """
    table: dict[tuple[str, int], list[Suppression]] = {}
    for path, items in suppressions.items():
        for suppression in items:
            table.setdefault((path, suppression.line), []).append(suppression)
    beside = [_silencers(finding, table, range(finding.line, _last_line(finding) + 1)) for finding in findings]
    busy = {
        (finding.path, where.line, where.column)
        for finding, found in zip(findings, beside, strict=True)
        for where, _ in found
    }
    over = [
        [
            item
            for item in _silencers(finding, table, (finding.line - 1,))
            if (finding.path, item[0].line, item[0].column) not in busy
        ]
        for finding in findings
    ]
    used: dict[tuple[str, int, int], set[str]] = {}
    left = []
    for finding, first, second in zip(findings, beside, over, strict=True):
        for suppression, codes in (*first, *second):
            used.setdefault((finding.path, suppression.line, suppression.column), set()).update(codes)
        if not first and not second:
            left.append(finding)
    unused = [
        item
        for path in sorted(suppressions)
        for suppression in suppressions[path]
        for item in _faults(path, suppression, used.get((path, suppression.line, suppression.column)), ran, known)
    ]
    return Silenced(tuple(left), len(findings) - len(left), tuple(unused))


#: A call is not longer than this; a hostile extent must not cost more.
_CALL_LINES = 200


def _last_line(finding: Finding) -> int:
    return max(finding.line, min(finding.end_line, finding.line + _CALL_LINES))


def _silencers(
    finding: Finding, table: Mapping[tuple[str, int], Sequence[Suppression]], lines: Iterable[int]
) -> list[tuple[Suppression, tuple[str, ...]]]:
    """The comments on these lines that are about the finding, each with its codes that cover the finding's rule."""
    result = []
    for line in lines:
        for suppression in table.get((finding.path, line), ()):
            codes = tuple(code for code in suppression.codes if _covers(code, finding.rule))
            if codes:
                result.append((suppression, codes))
    return result


def _covers(code: str, rule: str) -> bool:
    return code == rule or (len(code) < len(rule) and rule.startswith(code) and code.startswith("GFP"))


def _faults(
    path: str, suppression: Suppression, used: Collection[str] | None, ran: Collection[str], known: Collection[str]
) -> Iterable[Unused]:
    if not suppression.codes:
        yield Unused(path, suppression, "", "unknown")
    for code in suppression.codes:
        covered = {rule for rule in known if _covers(code, rule)}
        if not covered:
            yield Unused(path, suppression, code, "unknown")
        elif code not in (used or ()) and covered <= set(ran):
            yield Unused(path, suppression, code, "unused")
    if not suppression.reason.strip():
        yield Unused(path, suppression, "", "unreasoned")


# ---- what is shown ---------------------------------------------------------------------------------------------


def shown(
    findings: Iterable[Finding],
    chosen: Chosen,
    settings: Settings,
    root: Path,
    added: Mapping[str, Collection[int]] | None = None,
) -> tuple[Finding, ...]:
    """The findings that the settings let through, in their order.

    Advice is shown where it is asked for (``advice``, or the rule's whole code) and, in a comparison, on added lines:
    ``added`` maps a path to them. ``root``: the folder to which the findings' paths are relative.
    """
    return tuple(
        finding
        for finding in findings
        if finding.rule in chosen.codes
        and _severe(finding, chosen, settings, added)
        and _allowed(finding, settings, root)
    )


def _severe(finding: Finding, chosen: Chosen, settings: Settings, added: Mapping[str, Collection[int]] | None) -> bool:
    if finding.severity is not Severity.ADVICE or settings.advice or finding.rule in chosen.explicit:
        return True
    return added is not None and finding.line in added.get(finding.path, ())


def _allowed(finding: Finding, settings: Settings, root: Path) -> bool:
    """Confidence and per-path settings; of several that match, the last one's confidence counts."""
    least = settings.min_confidence
    path = _from_base(finding.path, root, settings.base) if settings.per_path else None
    for entry in settings.per_path:
        if path is None or not _matches(entry, path):
            continue
        if _match(finding.rule, entry.ignore) >= 0:
            return False
        least = entry.min_confidence or least
    return _RANK[finding.confidence] >= _RANK[least]


def _from_base(path: str, root: Path, base: Path) -> str | None:
    """A path of the tree as seen from the configuration's folder; None for a path that is not in that folder."""
    if root.is_relative_to(base):
        return (root.relative_to(base) / path).as_posix()
    below = base.relative_to(root).as_posix() + "/" if base.is_relative_to(root) else None
    return path[len(below) :] if below is not None and path.startswith(below) else None


def _matches(entry: PerPath, path: str) -> bool:
    return any(glob_matches(glob, path) for glob in entry.paths)


def glob_matches(glob: str, path: str) -> bool:
    """True if a glob matches a path: ``*`` and ``?`` inside a name, ``**`` any number of folders.

    A glob without a slash matches a file or folder of that name anywhere; one that names a folder, all that is in it.
    Takes at most len(glob) * len(path) steps, whatever the glob.
    """
    parts = [part for part in glob.split("/") if part not in ("", ".")]
    if not parts:
        return False
    if "/" not in glob.rstrip("/"):
        parts.insert(0, "**")
    names = path.split("/")
    return _wild(parts, names, "**", _name_matches) or _wild([*parts, "**"], names, "**", _name_matches)


def _name_matches(pattern: str, name: str) -> bool:
    return _wild(pattern, name, "*", lambda want, have: want in ("?", have))


def _wild(pattern: Sequence[str], items: Sequence[str], star: str, same: Callable[[str, str], bool]) -> bool:
    """Match with one kind of star: on a mismatch, only the last star seen takes one item more."""
    at = item = 0
    star_at, star_item = -1, 0
    while item < len(items):
        if at < len(pattern) and pattern[at] == star:
            star_at, star_item = at, item
            at += 1
        elif at < len(pattern) and same(pattern[at], items[item]):
            at, item = at + 1, item + 1
        elif star_at >= 0:
            star_item += 1
            at, item = star_at + 1, star_item
        else:
            return False
    return all(rest == star for rest in pattern[at:])


# ---- baseline --------------------------------------------------------------------------------------------------


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that the user lives with, and why."""

    fingerprint: str
    rule: str
    path: str
    function: str = ""
    message: str = ""
    reason: str = ""


class Baseline(msgspec.Struct, frozen=True):
    """The findings of one day, as a file."""

    version: int = 1
    findings: tuple[Accepted, ...] = ()


#: Where a baseline is written if nothing else is said.
BASELINE = ".gfplint-baseline.json"
_BASELINE_BYTES = 256 << 20


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises ConfigError."""
    try:
        data = read_regular(path.resolve(), str(path), _BASELINE_BYTES)
        baseline = msgspec.json.decode(data, type=Baseline)
    except UnreadableError as error:
        raise ConfigError(str(error)) from error
    except (OSError, RuntimeError, ValueError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: not a baseline: {error}") from error
    if baseline.version != 1:
        raise ConfigError(f"{path}: a baseline of version {baseline.version}; this gfplint reads version 1")
    return baseline


def make_baseline(
    findings: Sequence[Finding],
    before: Baseline | None = None,
    reason: str = "",
    exists: Callable[[str], bool] = lambda path: True,
    asked: Callable[[Accepted], bool] = lambda item: True,
) -> Baseline:
    """A baseline of the findings; those that ``before`` holds keep their reason, the others get ``reason``.

    ``exists``: as for ``apply_baseline``. ``asked``: whether a finding of ``before`` would have been found again; what
    a scan did not ask for is kept.
    """
    before = before if before is not None else Baseline()
    reasons = {item.fingerprint: item.reason for item in before.findings}
    moved = _moved(findings, before, exists)
    reasons |= {finding.fingerprint: item.reason for finding, item in moved}
    gone = {item.fingerprint for _, item in moved}
    kept = [item for item in before.findings if not asked(item) and item.fingerprint not in gone]
    again = {item.fingerprint for item in kept}
    rows = kept + [
        Accepted(
            fingerprint=finding.fingerprint,
            rule=finding.rule,
            path=finding.path,
            function=finding.function,
            message=finding.message,
            reason=reasons.get(finding.fingerprint, reason),
        )
        for finding in findings
        if finding.fingerprint not in again
    ]
    return Baseline(findings=tuple(sorted(rows, key=lambda row: (row.path, row.rule, row.function, row.fingerprint))))


def encode_baseline(baseline: Baseline) -> bytes:
    """The file of a baseline: JSON, a finding each few lines, so that a change of it reads well in a diff."""
    return msgspec.json.format(msgspec.json.encode(baseline), indent=2) + b"\n"


class Known(msgspec.Struct, frozen=True):
    """What a baseline leaves over, and those of its findings that no longer occur."""

    findings: tuple[Finding, ...]
    gone: tuple[Accepted, ...]


def apply_baseline(
    findings: Sequence[Finding], baseline: Baseline, exists: Callable[[str], bool] = lambda path: True
) -> Known:
    """Drop the findings that the baseline holds.

    ``exists``: whether there is a file of that path. A finding of one that is gone may stand elsewhere now.
    """
    moved = _moved(findings, baseline, exists)
    accepted = {item.fingerprint for item in baseline.findings} | {finding.fingerprint for finding, _ in moved}
    occur = {finding.fingerprint for finding in findings} | {item.fingerprint for _, item in moved}
    left = tuple(finding for finding in findings if finding.fingerprint not in accepted)
    return Known(left, tuple(item for item in baseline.findings if item.fingerprint not in occur))


def _moved(
    findings: Sequence[Finding], baseline: Baseline, exists: Callable[[str], bool]
) -> list[tuple[Finding, Accepted]]:
    """The findings that the baseline knows from a file that was renamed since: the same in all but the path."""
    known = {item.fingerprint for item in baseline.findings}
    occur = {finding.fingerprint for finding in findings}
    lost: dict[tuple[str, str, str], list[Accepted]] = {}
    for item in baseline.findings:
        if item.fingerprint not in occur and not exists(item.path):
            lost.setdefault((item.rule, item.function, item.message), []).append(item)
    found = []
    for finding in findings:
        left = lost.get((finding.rule, finding.function, finding.message))
        if left and finding.fingerprint not in known:
            found.append((finding, left.pop(0)))
    return found
