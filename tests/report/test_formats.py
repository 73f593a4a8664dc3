"""What holds for every format: safe to show, readable by its readers, the same bytes each time."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings

from gfplint import report
from gfplint.config import FORMATS
from gfplint.findings import ScanResult
from tests.report.samples import HOW, SAFE, finding, hostile_results, result

_JSON = ("json", "sarif", "gitlab", "rdjson")
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def _document(form: str, scanned: ScanResult) -> str:
    return "".join(report.render(form, scanned, HOW))


# Time is not judged, and a few dozen results hold hundreds of hostile texts.
_modest = settings(deadline=None, max_examples=30)


@pytest.mark.parametrize("form", FORMATS)
@_modest
@given(scanned=hostile_results())
def test_no_unsafe_character_reaches_a_terminal(form: str, scanned: ScanResult) -> None:
    document = _document(form, scanned)
    assert not _UNSAFE.search(document)


@pytest.mark.parametrize("form", _JSON)
@_modest
@given(scanned=hostile_results())
def test_hostile_results_give_strict_json(form: str, scanned: ScanResult) -> None:
    document = _document(form, scanned)
    assert document.isascii()
    # A lone surrogate would make strict readers refuse the whole document.
    json.dumps(json.loads(document), ensure_ascii=False).encode("utf-8")


@_modest
@given(scanned=hostile_results())
def test_hostile_results_give_wellformed_xml(scanned: ScanResult) -> None:
    root = ET.fromstring(_document("junit", scanned))
    assert len(root.findall(".//failure")) == len(scanned.findings)


@_modest
@given(scanned=hostile_results())
def test_a_hostile_name_cannot_start_a_line_of_its_own(scanned: ScanResult) -> None:
    lines = _document("gcc", scanned).splitlines()
    assert len(lines) == sum(1 + len(finding.trace) for finding in scanned.findings)
    commands = [line for line in _document("github", scanned).splitlines() if line.startswith("::")]
    assert len(commands) == min(10, len(scanned.findings))


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_result_gives_the_same_bytes(form: str) -> None:
    scanned = result(*(finding(number, fix=SAFE) for number in range(30)), failed=True)
    assert _document(form, scanned) == _document(form, scanned)


@pytest.mark.parametrize("form", FORMATS)
def test_no_findings_is_a_document_too(form: str) -> None:
    document = _document(form, ScanResult("6.12", 1, ()))
    assert document == "" if form == "gcc" else document.endswith("\n")
