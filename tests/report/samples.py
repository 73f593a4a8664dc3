"""Results for the tests of the reports: a small driver, its findings, and hypothesis strategies for hostile ones."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from gfplint.findings import Confidence, Degraded, Edit, Finding, Fix, ScanResult, Severity, Skipped, Step
from gfplint.report.presentation import Presentation

SOURCE = """\
static int ring_grow(struct ring *r, size_t n)
{
\tvoid *p;

\tspin_lock(&r->lock);
\tp = kmalloc(n, GFP_KERNEL);
\tspin_unlock(&r->lock);
\treturn p ? 0 : -ENOMEM;
}
"""


@dataclass(frozen=True)
class Description:
    """A rule's description, as the catalogue has it."""

    code: str
    name: str
    severity: Severity
    summary: str
    page: str
    preview: bool = False
    sim: str = ""


RULES = {
    "GFP101": Description(
        "GFP101",
        "blocking-allocation-in-atomic-context",
        Severity.ERROR,
        "A mask that may sleep is used where sleeping is a defect.",
        "## What it does\n\nReports it.\n",
    ),
    "GFP601": Description(
        "GFP601",
        "open-coded-zeroing",
        Severity.ADVICE,
        "Memory is zeroed by hand after it was allocated.",
        "## What it does\n\nReports it | so.\n",
        preview=True,
    ),
}


def read_lines(path: str) -> list[str]:
    """The lines of the sample driver, whatever file is asked for, except for one that can't be read."""
    return [] if path == "gone.c" else SOURCE.split("\n")


HOW = Presentation(version="1.2.3", read_lines=read_lines, rules=RULES)


def finding(
    number: int = 0, severity: Severity = Severity.ERROR, path: str = "drivers/ring.c", fix: Fix | None = None
) -> Finding:
    """A finding in the sample driver; ``number`` sets it apart from others."""
    return Finding(
        rule="GFP101" if severity is not Severity.ADVICE else "GFP601",
        name="blocking-allocation-in-atomic-context" if severity is not Severity.ADVICE else "open-coded-zeroing",
        severity=severity,
        confidence=Confidence.HIGH,
        path=path,
        line=6,
        column=6,
        end_line=6,
        end_column=28,
        function="ring_grow",
        message="GFP_KERNEL may sleep, but a spin lock is held",
        trace=(
            Step(path, 5, 2, "ring_grow", "spin lock taken here"),
            Step(path, 6, 6, "ring_grow", "may sleep here"),
        ),
        fingerprint=f"{number:032x}",
        needs=("CONFIG_RING",),
        fix=fix,
    )


SAFE = Fix(safe=True, edits=(Edit("drivers/ring.c", (6, 17), (6, 27), "GFP_NOWAIT"),))


def result(*findings: Finding, failed: bool = False) -> ScanResult:
    """A result with these findings, one skipped input and one function analysed in part."""
    return ScanResult(
        kernel_version="6.12",
        files_scanned=3,
        findings=findings,
        skipped=(Skipped("drivers/huge.c", "too large", failed=failed),),
        degraded=(Degraded("drivers/ring.c", "ring_odd", "did not parse"),),
        statistics={"functions": 12},
    )


# Every kind of character that a name or a message could hide something with.
_hostile = st.text(
    st.one_of(
        st.sampled_from(
            "\x00\x07\x1b\x7f\x9b\n\r\t\u202e\u2066\u200f\u2028\ufeff\U000e0041\udc80\udcff\ud800 :,%]<>&\"'|`\\/"
        ),
        st.characters(),
    ),
    max_size=6,
)


def _steps() -> st.SearchStrategy[Step]:
    place = st.integers(1, 400)
    return st.builds(Step, _hostile, place, place, _hostile, _hostile)


def _edits() -> st.SearchStrategy[Edit]:
    place = st.tuples(st.integers(1, 400), st.integers(1, 400))
    return st.builds(Edit, _hostile, place, place, _hostile)


def hostile_results() -> st.SearchStrategy[ScanResult]:
    """Results in which every text is hostile and every place may lie outside of its file."""
    place = st.integers(1, 400)
    findings = st.builds(
        Finding,
        rule=st.sampled_from(["GFP101", "GFP601", "GFP999"]),
        name=st.just("some-name"),
        severity=st.sampled_from(Severity),
        confidence=st.sampled_from(Confidence),
        path=_hostile,
        line=place,
        column=place,
        end_line=place,
        end_column=place,
        function=_hostile,
        message=_hostile,
        trace=st.lists(_steps(), max_size=3).map(tuple),
        fingerprint=st.sampled_from(["a" * 32, "b" * 32]),
        needs=st.lists(_hostile, max_size=2).map(tuple),
        fix=st.none() | st.builds(Fix, st.booleans(), st.lists(_edits(), max_size=2).map(tuple)),
    )
    return st.builds(
        ScanResult,
        kernel_version=st.just("6.12"),
        files_scanned=st.integers(0, 9),
        findings=st.lists(findings, max_size=3).map(tuple),
        skipped=st.lists(st.builds(Skipped, _hostile, _hostile, st.booleans()), max_size=2).map(tuple),
        degraded=st.lists(st.builds(Degraded, _hostile, _hostile, _hostile), max_size=2).map(tuple),
    )
