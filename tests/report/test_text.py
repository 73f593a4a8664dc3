"""The text report: frames, carets, steps, counts."""

from __future__ import annotations

import dataclasses
import re

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint import report
from gfplint.escape import width
from gfplint.findings import Confidence, Finding, ScanResult, Severity
from gfplint.report import text
from tests.report.samples import HOW, RULES, SAFE, finding, result

_GOLDEN = """\
drivers/ring.c:6:6: error: GFP_KERNEL may sleep, but a spin lock is held [GFP101 blocking-allocation-in-atomic-context]
  in ring_grow()
     6 |         p = kmalloc(n, GFP_KERNEL);
       |             ^^^^^^^^^^^^^^^^^^^^^^
  1. drivers/ring.c:5: spin lock taken here, in ring_grow()
     5 |         spin_lock(&r->lock);
       |         ^^^^^^^^^
  2. drivers/ring.c:6: may sleep here, in ring_grow()
     6 |         p = kmalloc(n, GFP_KERNEL);
       |             ^^^^^^^
  needs CONFIG_RING
  has a fix (--fix applies it, --fix-diff shows it)

1 finding in 3 files: 1 error
"""


def _text(scanned: ScanResult) -> str:
    return "".join(report.render("text", scanned, HOW))


def _framed(line: str, column: int, end: int) -> list[str]:
    """The frame of a finding at these columns of a source line."""
    how = dataclasses.replace(HOW, read_lines=lambda path: [line])
    one = msgspec.structs.replace(finding(), line=1, end_line=1, column=column, end_column=end, trace=())
    return "".join(report.render("text", result(one), how)).split("\n")[2:4]


def test_a_finding_is_shown_with_its_code_and_steps() -> None:
    assert _text(result(finding(fix=SAFE))) == _GOLDEN


def test_colours_change_nothing_but_colours() -> None:
    coloured = "".join(report.render("text", result(finding(fix=SAFE)), dataclasses.replace(HOW, colour=True)))
    assert coloured != _GOLDEN
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == _GOLDEN


def test_a_file_that_cannot_be_read_costs_its_frames_alone() -> None:
    shown = _text(result(finding(path="gone.c")))
    assert " | " not in shown
    assert "1. gone.c:5: spin lock taken here, in ring_grow()" in shown


def test_less_sure_findings_say_so() -> None:
    unsure = msgspec.structs.replace(finding(), confidence=Confidence.MEDIUM)
    assert "[GFP101 blocking-allocation-in-atomic-context, medium confidence]" in _text(result(unsure))


def test_what_was_left_out_is_told_when_asked() -> None:
    shown = "".join(report.render("text", result(), dataclasses.replace(HOW, verbose=True)))
    assert "skipped drivers/huge.c: too large" in shown
    assert "analysed in part drivers/ring.c: ring_odd(): did not parse" in shown
    assert "ring_odd" not in _text(result())


def test_counts() -> None:
    findings = [finding(0), finding(1, Severity.WARNING), finding(2, Severity.WARNING), finding(3, Severity.ADVICE)]
    assert text.count_line(result(*findings)) == "4 findings in 3 files: 1 error, 2 warnings, 1 advice"
    assert text.count_line(ScanResult("6.12", 1, ())) == "no findings in 1 file"


def test_statistics_count_rules_most_first() -> None:
    findings = [finding(0, Severity.ADVICE), finding(1), finding(2)]
    assert list(text.statistics(result(*findings))) == [
        f"      2  GFP101  {RULES['GFP101'].name}\n",
        f"      1  GFP601  {RULES['GFP601'].name}\n",
        "     12  functions\n",
    ]


def test_tabs_and_wide_characters_keep_the_caret_below_its_place() -> None:
    code, carets = _framed('\tf("\u6f22\u5b57", kmalloc(1));', 10, 17)
    assert code.index("kmalloc") + 2 == carets.index("^")  # each of the two characters is two columns wide
    assert carets.count("^") == len("kmalloc")


def test_a_long_line_is_cut_around_the_place() -> None:
    code, carets = _framed("x" * 100_000 + "kmalloc(1)" + "y" * 100_000, 100_001, 100_011)
    assert len(code) < 200
    start = carets.index("^")
    assert code[start : start + 10] == "kmalloc(1)"


@settings(deadline=None, max_examples=60)
@given(
    line=st.text(st.sampled_from("\t\x1b\u202ea("), max_size=300), column=st.integers(1, 310), size=st.integers(0, 50)
)
def test_carets_never_leave_the_line(line: str, column: int, size: int) -> None:
    shown = _framed(line + ";", column, column + size)
    code, carets = shown
    assert "^" in carets
    assert width(carets) <= width(code) + 1


def _many(count: int) -> tuple[Finding, ...]:
    return tuple(finding(number) for number in range(count))


def test_every_finding_is_shown_once() -> None:
    assert _text(result(*_many(25))).count("drivers/ring.c:6:6:") == 25
