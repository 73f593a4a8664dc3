"""The formats that services read: what each of them demands."""

from __future__ import annotations

import dataclasses
import json
import os
import xml.etree.ElementTree as ET
from typing import Any

import msgspec
import pytest

from gfplint import report
from gfplint.findings import Confidence, Edit, Fix, ScanResult, Severity, Step
from gfplint.report import sarif
from tests.report.samples import HOW, SAFE, finding, result


def _document(form: str, scanned: ScanResult) -> str:
    return "".join(report.render(form, scanned, HOW))


def _json(form: str, scanned: ScanResult) -> Any:
    return json.loads(_document(form, scanned))


# ---- gcc, json ---------------------------------------------------------------------------------------------


def test_gcc() -> None:
    assert _document("gcc", result(finding(), finding(1, Severity.ADVICE))).splitlines() == [
        "drivers/ring.c:6:6: error: GFP_KERNEL may sleep, but a spin lock is held [GFP101]",
        "drivers/ring.c:5:2: note: spin lock taken here",
        "drivers/ring.c:6:6: note: may sleep here",
        "drivers/ring.c:6:6: note: GFP_KERNEL may sleep, but a spin lock is held [GFP601]",
        "drivers/ring.c:5:2: note: spin lock taken here",
        "drivers/ring.c:6:6: note: may sleep here",
    ]


def test_json_has_exactly_the_documented_keys() -> None:
    assert _json("json", result(finding(7, fix=SAFE))) == {
        "version": 1,
        "tool": {"name": "gfplint", "version": "1.2.3"},
        "kernel_version": "6.12",
        "files_scanned": 3,
        "skipped": [{"path": "drivers/huge.c", "reason": "too large"}],
        "degraded": [{"path": "drivers/ring.c", "function": "ring_odd", "reason": "did not parse"}],
        "findings": [
            {
                "rule": "GFP101",
                "name": "blocking-allocation-in-atomic-context",
                "severity": "error",
                "confidence": "high",
                "path": "drivers/ring.c",
                "line": 6,
                "column": 6,
                "end_line": 6,
                "end_column": 28,
                "function": "ring_grow",
                "message": "GFP_KERNEL may sleep, but a spin lock is held",
                "trace": [
                    {
                        "path": "drivers/ring.c",
                        "line": 5,
                        "column": 2,
                        "function": "ring_grow",
                        "message": "spin lock taken here",
                    },
                    {
                        "path": "drivers/ring.c",
                        "line": 6,
                        "column": 6,
                        "function": "ring_grow",
                        "message": "may sleep here",
                    },
                ],
                "fingerprint": "00000000000000000000000000000007",
                "needs": ["CONFIG_RING"],
                "fix": {
                    "safe": True,
                    "edits": [{"path": "drivers/ring.c", "start": [6, 17], "end": [6, 27], "text": "GFP_NOWAIT"}],
                },
            }
        ],
    }


def test_json_says_null_where_there_is_no_fix() -> None:
    assert _json("json", result(finding()))["findings"][0]["fix"] is None


# ---- github ------------------------------------------------------------------------------------------------


def test_github_annotates_the_ten_worst_and_counts_the_rest() -> None:
    advice = [finding(number, Severity.ADVICE) for number in range(6)]
    warnings = [finding(number, Severity.WARNING) for number in range(6)]
    unsure = msgspec.structs.replace(finding(), confidence=Confidence.LOW, path="a.c")
    errors = [unsure, *(finding(number) for number in range(3))]
    lines = _document("github", result(*advice, *warnings, *errors)).splitlines()
    assert [line.split(" ")[0] for line in lines[:-1]] == ["::error"] * 4 + ["::warning"] * 6
    assert lines[3].startswith("::error file=a.c,")
    assert lines[-1] == (
        "gfplint: 16 findings in 3 files: 4 errors, 6 warnings, 6 advice; the 10 worst are annotated, 6 more are not"
    )


def test_github_escapes_values() -> None:
    odd = msgspec.structs.replace(finding(path="a,b:c%d\n.c"), message="100%\r\n::error::x", trace=())
    assert _document("github", result(odd)).splitlines()[0] == (
        "::error file=a%2Cb%3Ac%25d%0A.c,line=6,endLine=6,col=6,endColumn=28,"
        "title=GFP101 blocking-allocation-in-atomic-context::100%25\\r\\n::error::x"
    )


def test_github_gives_columns_on_one_line_alone() -> None:
    long = msgspec.structs.replace(finding(), end_line=8)
    assert "col=" not in _document("github", result(long))


# ---- gitlab, junit, rdjson -----------------------------------------------------------------------------------


def test_gitlab_fingerprints_are_unique_and_stable() -> None:
    issues = _json("gitlab", result(finding(1), finding(1), finding(2)))
    fingerprints = [issue["fingerprint"] for issue in issues]
    assert len(set(fingerprints)) == 3
    assert fingerprints[0] == _json("gitlab", result(finding(1)))[0]["fingerprint"]


def test_gitlab_issue() -> None:
    (issue,) = _json("gitlab", result(finding(1, Severity.WARNING)))
    del issue["fingerprint"]
    assert issue == {
        "type": "issue",
        "check_name": "GFP101",
        "description": "GFP101 blocking-allocation-in-atomic-context: GFP_KERNEL may sleep, but a spin lock is held",
        "categories": ["Bug Risk"],
        "severity": "minor",
        "location": {"path": "drivers/ring.c", "lines": {"begin": 6, "end": 6}},
    }


def test_junit_counts_failures_and_errors() -> None:
    root = ET.fromstring(_document("junit", result(finding(), finding(1), failed=True)))
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "2", "1")
    assert len(suite.findall("testcase")) == 3


def test_junit_is_the_same_in_every_encoding() -> None:
    document = _document("junit", result(finding(path="drivers/unié.c")))
    assert document.isascii()
    names = [case.get("classname") for case in ET.fromstring(document).iter("testcase")]
    assert "drivers/unié.c" in names


def test_junit_has_no_attributes_that_the_schema_lacks() -> None:
    root = ET.fromstring(_document("junit", result(finding(), failed=True)))
    allowed = {
        "testsuites": {"name", "tests", "failures", "errors"},
        "testsuite": {"name", "tests", "failures", "errors"},
        "testcase": {"classname", "name"},
        "failure": {"type", "message"},
        "error": {"type", "message"},
    }
    assert {element.tag for element in root.iter()} == allowed.keys()
    assert all(set(element.attrib) <= allowed[element.tag] for element in root.iter())


def test_junit_without_findings_is_a_test_that_passed() -> None:
    root = ET.fromstring(_document("junit", result()))
    (case,) = root.iter("testcase")
    assert len(case) == 0


def test_rdjson_counts_bytes() -> None:
    line = "\u00fc\U00010400 kmalloc(n);"  # characters of two and of four bytes before the call
    one = msgspec.structs.replace(finding(), line=1, end_line=1, column=4, end_column=14, trace=())
    how = dataclasses.replace(HOW, read_lines=lambda path: [line])
    document = "".join(report.render("rdjson", result(one), how))
    (diagnostic,) = json.loads(document)["diagnostics"]
    assert diagnostic["location"]["range"] == {"start": {"line": 1, "column": 8}, "end": {"line": 1, "column": 18}}


def test_rdjson_suggests_no_half_of_a_fix_and_none_to_read_first() -> None:
    assert SAFE is not None
    two = Fix(True, (*SAFE.edits, Edit("drivers/ring.c", (7, 1), (7, 1), "x")))
    for fix in (two, Fix(False, SAFE.edits), Fix(True, (msgspec.structs.replace(SAFE.edits[0], path="other.h"),))):
        (diagnostic,) = _json("rdjson", result(finding(fix=fix)))["diagnostics"]
        assert diagnostic["suggestions"] == []


@pytest.mark.parametrize("form", ["sarif", "github", "gitlab", "junit", "rdjson"])
def test_services_get_paths_from_the_top_of_the_repository(form: str) -> None:
    how = dataclasses.replace(HOW, shown=lambda path: f"linux/{path}")
    document = "".join(report.render(form, result(finding(fix=SAFE), failed=True), how))
    assert document.count("drivers/ring.c") == document.count("linux/drivers/ring.c") > 0


def test_rdjson_suggests_the_fix() -> None:
    (diagnostic,) = _json("rdjson", result(finding(fix=SAFE)))["diagnostics"]
    assert [suggestion["text"] for suggestion in diagnostic["suggestions"]] == ["GFP_NOWAIT"]


# ---- sarif -------------------------------------------------------------------------------------------------


def _run(scanned: ScanResult) -> Any:
    log = _json("sarif", scanned)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    return run


def test_sarif_result() -> None:
    run = _run(result(finding(3, fix=SAFE)))
    (found,) = run["results"]
    assert found["ruleId"] == run["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == "GFP101"
    assert found["level"] == "error"
    place = found["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "drivers/ring.c", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 6, "startColumn": 6, "endLine": 6, "endColumn": 28}
    steps = found["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in steps] == ["spin lock taken here", "may sleep here"]
    (replacement,) = found["fixes"][0]["artifactChanges"][0]["replacements"]
    assert replacement["deletedRegion"] == {"startLine": 6, "startColumn": 17, "endLine": 6, "endColumn": 27}
    assert replacement["insertedContent"] == {"text": "GFP_NOWAIT"}


def test_sarif_describes_every_rule() -> None:
    rules = _run(result())["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["GFP101", "GFP601"]
    assert rules[0]["name"] == "BlockingAllocationInAtomicContext"
    assert rules[0]["help"]["text"]
    assert rules[1]["defaultConfiguration"] == {"level": "note"}


def test_sarif_fingerprints_are_stable_and_unique() -> None:
    prints = [found["partialFingerprints"] for found in _run(result(finding(1), finding(1), finding(2)))["results"]]
    assert [found["gfplint/v1"] for found in prints] == [f"{1:032x}", f"{1:032x}.2", f"{2:032x}"]


def test_sarif_brings_the_hash_of_the_line_that_github_would_compute() -> None:
    prints = [r["partialFingerprints"] for r in _run(result(finding(1), finding(2, path="gone.c")))["results"]]
    assert set(prints[0]) == {"gfplint/v1", "primaryLocationLineHash"}
    assert set(prints[1]) == {"gfplint/v1"}


def test_sarif_paths_are_uris() -> None:
    (found,) = _run(result(finding(path="a b/#?%:\u00e4.c")))["results"]
    uri = found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%20b/%23%3F%25%3A%C3%A4.c"


def test_sarif_names_what_was_not_linted() -> None:
    (invocation,) = _run(result(failed=True))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "too large" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_sarif_keeps_the_worst_within_the_limit_of_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 3)
    findings = [finding(0, Severity.ADVICE), finding(1), finding(2, Severity.WARNING), finding(3)]
    run = _run(result(*findings))
    assert [found["level"] for found in run["results"]] == ["error", "warning", "error"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("1 lesser finding")


def test_sarif_stays_within_the_limit_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_GZIP", 6_000)
    noise = [msgspec.structs.replace(finding(number), message=os.urandom(300).hex()) for number in range(40)]
    run = _run(result(*noise))
    assert 1 <= len(run["results"]) < 40
    assert run["invocations"][0]["toolExecutionNotifications"]


def test_sarif_shortens_a_trace_and_keeps_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_STEPS", 5)
    steps = tuple(Step("a.c", line, 1, "f", f"step {line}") for line in range(1, 20))
    (found,) = _run(result(msgspec.structs.replace(finding(), trace=steps)))["results"]
    messages = [s["location"]["message"]["text"] for s in found["codeFlows"][0]["threadFlows"][0]["locations"]]
    assert messages == ["step 1", "step 2", "step 3", "step 4", "step 19"]


def test_sarif_groups_edits_by_file() -> None:
    edits = (Edit("a.c", (1, 1), (1, 2), "x"), Edit("b.h", (1, 1), (1, 2), "y"), Edit("a.c", (2, 1), (2, 2), "z"))
    (found,) = _run(result(finding(fix=Fix(False, edits))))["results"]
    changes = found["fixes"][0]["artifactChanges"]
    assert [(c["artifactLocation"]["uri"], len(c["replacements"])) for c in changes] == [("a.c", 2), ("b.h", 1)]
