"""The hash of a line: the values that the upload action's own tests give for these texts."""

from __future__ import annotations

import pytest

from gfplint.report.linehash import line_hashes


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        ("", ["c129715d7a2bc9a3:1"]),
        (" a\nb\n  \t\tc\n d", ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"]),
        (
            "Lorem ipsum dolor sit amet.\n" * 10,
            [
                *(f"a7f2ff13bc495cf2:{number}" for number in range(1, 7)),
                *("a7f2ff1481e87703:1", "a9cf91f7bbf1862b:1", "55ec222b86bcae53:1", "cc97dc7b1d7d8f7b:1"),
                "c129715d7a2bc9a3:1",
            ],
        ),
    ],
)
def test_lines(text: str, hashes: list[str]) -> None:
    lines = text.split("\n")
    found = line_hashes(lines, range(1, len(lines) + 1))
    assert list(found) == list(range(1, len(lines) + 1))
    assert list(found.values()) == hashes
    assert line_hashes(lines, [len(lines)]) == {len(lines): found[len(lines)]}


def test_only_the_line_and_what_follows_it_count() -> None:
    lines = [f"int number_{number};" for number in range(40)]
    before = line_hashes(lines, [20])[20]
    assert line_hashes(["/* new */", *lines], [21])[21] == before
    assert line_hashes([*lines, "/* new */"], [20])[20] == before


def test_odd_characters_do_no_harm() -> None:
    assert len(line_hashes(["\udcff\u00e4\U00010400", "b"], [1, 2])) == 2
