"""``--format sarif``: SARIF 2.1.0, as code scanning services take it.

Traces are code flows, fixes are fixes, the rules' pages travel with the run. GitHub refuses a file with more than
25,000 results or, compressed, 10 MB, and one with a code flow of more than 10,000 places: the worst findings stay
within these limits, and what was left out is stated in the run's notifications.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from gfplint.escape import encodable
from gfplint.findings import Edit, Finding, Fix, ScanResult, Severity, Step
from gfplint.report.encode import Json, document
from gfplint.report.linehash import line_hashes
from gfplint.report.presentation import Presentation, Rule, unique_fingerprints, worst_first

#: There the rules' reasons are.
GUIDE = "https://www.kernel.org/doc/html/latest/core-api/memory-allocation.html"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

#: GitHub's limits: results of a run, bytes of the compressed file, places of a code flow that it shows.
MAX_RESULTS, MAX_GZIP, MAX_STEPS = 25_000, 10_000_000, 1_000

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "note"}
_PROBLEM = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "recommendation"}


def render(result: ScanResult, how: Presentation) -> Iterator[str]:
    """One log with one run."""
    numbered = dict(zip(map(id, result.findings), unique_fingerprints(result.findings), strict=True))
    kept = _kept(result, MAX_RESULTS)
    text = _log(result, kept, numbered, how)
    while len(text) > MAX_GZIP and len(gzip.compress(text.encode(), 6, mtime=0)) > MAX_GZIP and len(kept) > 1:
        kept = _kept(result, len(kept) * 3 // 4)
        text = _log(result, kept, numbered, how)
    yield text


def _kept(result: ScanResult, limit: int) -> list[Finding]:
    """The worst ``limit`` findings, in the scan's order."""
    if len(result.findings) <= limit:
        return list(result.findings)
    worst = {id(finding) for finding in worst_first(result.findings)[:limit]}
    return [finding for finding in result.findings if id(finding) in worst]


def _log(result: ScanResult, kept: list[Finding], numbered: Mapping[int, str], how: Presentation) -> str:
    codes = sorted({finding.rule for finding in kept} | set(how.rules))
    names = {finding.rule: finding.name for finding in kept}
    index = {code: number for number, code in enumerate(codes)}
    hashes = _hashes(kept, how)
    run: Json = {
        "tool": {
            "driver": {
                "name": "gfplint",
                "version": how.version,
                "semanticVersion": how.version,
                "informationUri": GUIDE,
                "rules": [_rule(code, names.get(code, code), how.rules.get(code)) for code in codes],
            }
        },
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The top of the repository, or of the tree."}}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(result, len(result.findings) - len(kept), how)],
        "results": [
            _result(finding, index[finding.rule], _fingerprints(numbered[id(finding)], hashes.get(id(finding))), how)
            for finding in kept
        ],
        "properties": {"kernelVersion": result.kernel_version},
    }
    return document({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str, name: str, rule: Rule | None) -> Json:
    if rule is None:
        return {"id": code, "name": _pascal(name)}
    return {
        "id": code,
        "name": _pascal(rule.name),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "helpUri": GUIDE,
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["kernel", "memory-allocation"], "problem.severity": _PROBLEM[rule.severity]},
    }


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("-"))


def _invocation(result: ScanResult, dropped: int, how: Presentation) -> Json:
    failed = [skipped for skipped in result.skipped if skipped.failed]
    notes: list[Json] = [
        {
            "level": "error",
            "message": {"text": f"not linted: {skipped.reason}"},
            "locations": [{"physicalLocation": {"artifactLocation": _artifact(how.shown(skipped.path))}}],
        }
        for skipped in failed
    ]
    if dropped:
        notes.append({"level": "warning", "message": {"text": f"{dropped} lesser findings left out: size limits."}})
    return {"executionSuccessful": not failed, "toolExecutionNotifications": notes}


def _result(finding: Finding, rule_index: int, fingerprints: Json, how: Presentation) -> Json:
    place = _physical(how.shown(finding.path), (finding.line, finding.column), (finding.end_line, finding.end_column))
    value: dict[str, Json] = {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [_location(place, finding.function)],
        "partialFingerprints": fingerprints,
        "properties": {"confidence": finding.confidence.value, "needs": list(finding.needs)},
    }
    if finding.trace:
        flow: list[Json] = [{"location": _step(step, how)} for step in _shortened(finding.trace)]
        value["codeFlows"] = [{"threadFlows": [{"locations": flow}]}]
    if finding.fix and finding.fix.edits:
        value["fixes"] = [_fix(finding.fix, how)]
    return value


def _fingerprints(own: str, line_hash: str | None) -> Json:
    """``own`` is unique in the run; GitHub matches alerts by a hash of the line, its own, and by nothing else."""
    return {"gfplint/v1": own, **({"primaryLocationLineHash": line_hash} if line_hash is not None else {})}


def _hashes(findings: list[Finding], how: Presentation) -> Mapping[int, str]:
    """GitHub's hash of each finding's line, by the finding's id, where its file can be read."""
    by_path: dict[str, list[Finding]] = {}
    for finding in findings:
        by_path.setdefault(finding.path, []).append(finding)
    found: dict[int, str] = {}
    for path, here in by_path.items():
        hashes = line_hashes(how.read_lines(path), {finding.line for finding in here})
        found |= {id(finding): hashes[finding.line] for finding in here if finding.line in hashes}
    return found


def _shortened(trace: tuple[Step, ...]) -> tuple[Step, ...]:
    """The whole trace, or its start and its last step, the allocation or free."""
    return trace if len(trace) <= MAX_STEPS else (*trace[: MAX_STEPS - 1], trace[-1])


def _step(step: Step, how: Presentation) -> Json:
    place = _physical(how.shown(step.path), (step.line, step.column), None)
    return {**_location(place, step.function), "message": {"text": step.message}}


def _location(place: Json, function: str) -> dict[str, Json]:
    location: dict[str, Json] = {"physicalLocation": place}
    if function:
        location["logicalLocations"] = [{"name": function, "kind": "function"}]
    return location


def _physical(path: str, start: tuple[int, int], end: tuple[int, int] | None) -> Json:
    return {"artifactLocation": _artifact(path), "region": _region(start, end)}


def _region(start: tuple[int, int], end: tuple[int, int] | None) -> Json:
    region: dict[str, Json] = {"startLine": start[0], "startColumn": start[1]}
    if end:
        region |= {"endLine": end[0], "endColumn": end[1]}
    return region


def _artifact(path: str) -> Json:
    uri = quote(encodable(path))
    return {"uri": f"file://{uri}"} if path.startswith("/") else {"uri": uri, "uriBaseId": "SRCROOT"}


def _fix(fix: Fix, how: Presentation) -> Json:
    changes: dict[str, list[Edit]] = {}
    for edit in fix.edits:
        changes.setdefault(edit.path, []).append(edit)
    return {
        "description": {"text": "Safe fix." if fix.safe else "Fix that may change behaviour: read it first."},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(how.shown(path)),
                "replacements": [
                    {"deletedRegion": _region(edit.start, edit.end), "insertedContent": {"text": edit.text}}
                    for edit in edits
                ],
            }
            for path, edits in changes.items()
        ],
    }
