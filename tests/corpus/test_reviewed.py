"""The reviewed findings of Linux 6.12.117: all that a default scan shows, random samples of advice and previews.

Those of 6.1.192 are all that a default scan showed.

The two readers did not see each other's verdicts. ``reviewed.jsonl`` holds tree, rule, path, function and both
verdicts, and no source. The figures here are recomputed from it. What was read once is there too (``unread``) and does
not count.
"""

from __future__ import annotations

import json
from collections import Counter
from math import sqrt
from pathlib import Path

from gfplint.rules import catalogue

_ROWS = [json.loads(line) for line in (Path(__file__).parent / "reviewed.jsonl").read_text("utf-8").splitlines()]
_VERDICTS = {"right", "wrong", "unsure"}
_TWICE = [row for row in _ROWS if row["second"] != "unread"]
#: Wilson's lower bound of the precision over all rules that was reached; it may only be raised.
_REACHED = 0.9


def wilson_lower(right: int, total: int, z: float = 1.96) -> float:
    """The lower bound of Wilson's score interval for ``right`` of ``total``."""
    if total == 0:
        return 0.0
    share = right / total
    centre = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (centre - spread) / (1 + z * z / total)


def _right(row: dict[str, str]) -> bool:
    """Both readers agreed that the report is right."""
    return row["first"] == row["second"] == "right"


def test_every_row_is_of_a_rule_and_was_read() -> None:
    codes = {rule.code for rule in catalogue()}
    for row in _ROWS:
        assert row["rule"] in codes
        assert row["first"] in _VERDICTS
        assert row["second"] in _VERDICTS | {"unread"}


def test_the_precision_that_was_reached_stands() -> None:
    right = sum(map(_right, _TWICE))
    assert wilson_lower(right, len(_TWICE)) >= _REACHED
    by_rule = Counter((row["tree"], row["rule"]) for row in _TWICE)
    good = Counter((row["tree"], row["rule"]) for row in _TWICE if _right(row))
    for (tree, code), total in sorted(by_rule.items()):
        count = good[tree, code]
        print(f"{tree} {code}: {count} of {total} right, at least {wilson_lower(count, total):.0%}")


def test_the_lower_bound_is_wilsons() -> None:
    assert round(wilson_lower(9, 10), 3) == 0.596
    assert wilson_lower(0, 0) == 0.0
