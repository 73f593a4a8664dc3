"""``--format junit``: JUnit's XML, for services that know test results alone.

A finding is a failed test case of the suite ``gfplint``; an input that could not be linted is an error; a scan
with neither is one case that passed.
"""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.escape import printable
from gfplint.findings import Finding, ScanResult
from gfplint.report.presentation import Presentation


def render(result: ScanResult, how: Presentation) -> Iterator[str]:
    """One ``testsuites`` document."""
    failed = [skipped for skipped in result.skipped if skipped.failed]
    cases = len(result.findings) + len(failed)
    counts = f'tests="{cases or 1}" failures="{len(result.findings)}" errors="{len(failed)}"'
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield f'<testsuites name="gfplint" {counts}>\n  <testsuite name="gfplint" {counts}>\n'
    for finding in result.findings:
        yield from _failure(finding, how)
    for skipped in failed:
        yield f'    <testcase classname="{_attribute(how.shown(skipped.path))}" name="lint">\n'
        yield f'      <error message="{_attribute(skipped.reason)}"/>\n    </testcase>\n'
    if not cases:
        yield '    <testcase classname="gfplint" name="no findings"/>\n'
    yield "  </testsuite>\n</testsuites>\n"


def _failure(finding: Finding, how: Presentation) -> Iterator[str]:
    path = how.shown(finding.path)
    name = f"{finding.rule} {finding.name} line {finding.line} column {finding.column}"
    # No file and line: the schema that Jenkins holds reports to knows neither, and the text has both.
    yield f'    <testcase classname="{_attribute(path)}" name="{_attribute(name)}">\n'
    yield f'      <failure type="{finding.severity.value}" message="{_attribute(finding.message)}">'
    lines = [f"{printable(path)}:{finding.line}:{finding.column}: {printable(finding.message)}"]
    lines += [
        f"{number}. {printable(how.shown(step.path))}:{step.line}: {printable(step.message)}"
        for number, step in enumerate(finding.trace, 1)
    ]
    yield _content("\n".join(lines)) + "</failure>\n    </testcase>\n"


def _attribute(text: str) -> str:
    return _content(printable(text)).replace('"', "&quot;")


def _content(text: str) -> str:
    # Whatever the encoding of the output, ASCII is what the document says that it is.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.encode("ascii", "xmlcharrefreplace").decode()
