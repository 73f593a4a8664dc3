"""What the documentation says of the rules is what the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gfplint import rules
from gfplint.report import guide
from tests.report.samples import RULES

_TOP = Path(__file__).resolve().parent.parent


def test_the_table_of_the_readme_is_current() -> None:
    readme = (_TOP / "README.md").read_text("utf-8")
    assert readme == guide.with_table(readme, rules.catalogue()), "run scripts/update-docs"
    assert readme == guide.with_sentences(readme, rules.catalogue()), "run scripts/update-docs"


def test_the_table_of_the_guide_holds_rules_and_what_they_show() -> None:
    readme = "<!-- guide: begin (scripts/update-docs writes this table) -->\n<!-- guide: end -->\n"
    lines = guide.with_sentences(readme, rules.catalogue()).split("\n")
    free = next(line for line in lines if "their own cache" in line)
    assert "| GFP401, GFP402, GFP404 |" in free
    assert "`bad-free`" in free
    assert all(line.count("|") == 4 for line in lines[1:-2])
    with pytest.raises(ValueError, match="no marks"):
        guide.with_sentences("", ())


def test_the_page_of_rules_is_current() -> None:
    assert (_TOP / "docs/rules.md").read_text("utf-8") == guide.all_pages(rules.catalogue()), "run scripts/update-docs"


def test_a_table_holds_every_rule_once() -> None:
    readme = "# A\n\n<!-- rules: begin (scripts/update-docs writes this table) -->\nold\n<!-- rules: end -->\n\nB\n"
    written = guide.with_table(readme, tuple(RULES.values()))
    assert "old" not in written
    assert [written.count(f"| {code} |") for code in RULES] == [1, 1]
    assert guide.with_table(written, tuple(RULES.values())) == written
    with pytest.raises(ValueError, match="no marks"):
        guide.with_table("# A\n", ())


def test_headings_of_pages_are_nested() -> None:
    headings = [line for line in guide.all_pages(tuple(RULES.values())).split("\n") if line.startswith("#")]
    assert [heading.split()[0] for heading in headings] == ["#", "##", "###", "##", "###"]
