"""GFP901: comments that silence nothing, through a whole scan."""

from __future__ import annotations

from pathlib import Path

import pytest

from gfplint import engine
from gfplint.config import Settings

_PROGRAM = """void *f(int n)
{
\tspin_lock(&lock);
\t/* gfplint: ignore[GFP101] the lock is taken for show */
\tp = kmalloc(n, GFP_KERNEL);
\tspin_unlock(&lock);
\tCOMMENT
\treturn kmalloc(n, GFP_KERNEL);
}
"""


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("/* gfplint: ignore[GFP101] nobody holds a lock here */", "silences nothing"),
        ("/* gfplint: ignore[GFP999] no such rule */", "names no known rule"),
        ("/* gfplint: ignore GFP101 nobody knows what is meant */", "names no known rule"),
    ],
)
def test_a_comment_that_is_at_fault_is_reported(tmp_path: Path, comment: str, message: str) -> None:
    (tmp_path / "x.c").write_text(_PROGRAM.replace("COMMENT", comment))
    result = engine.scan(Settings(paths=(str(tmp_path),), select=("GFP1", "GFP901"), advice=True, base=tmp_path))
    (finding,) = result.findings
    assert (finding.rule, finding.line) == ("GFP901", 7)
    assert message in finding.message


@pytest.mark.parametrize("comment", ["ignore all of it", "ignore[GFP101 why", "ignored[GFP101] why", "ignore[] why"])
def test_a_comment_without_codes_silences_nothing(tmp_path: Path, comment: str) -> None:
    (tmp_path / "x.c").write_text(_PROGRAM.replace("ignore[GFP101] the lock is taken for show", comment))
    result = engine.scan(Settings(paths=(str(tmp_path),), select=("GFP1",), base=tmp_path))
    assert [(finding.rule, finding.line) for finding in result.findings] == [("GFP101", 5)]


def test_a_comment_that_silences_with_a_reason_is_not(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(_PROGRAM.replace("COMMENT", ""))
    result = engine.scan(Settings(paths=(str(tmp_path),), select=("GFP1", "GFP901"), advice=True, base=tmp_path))
    assert result.findings == ()
