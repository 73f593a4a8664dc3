"""What the documentation says of the rules is what the rules say, and its examples are what their readers take."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

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


# ---- examples ------------------------------------------------------------------------------------------------


def _blocks(language: str) -> Iterator[tuple[str, str]]:
    """(file, text) of the code blocks of a language in all documents."""
    for path in (_TOP / "README.md", *sorted((_TOP / "docs").glob("*.md"))):
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", path.read_text("utf-8"), re.M | re.S):
            yield path.name, found[1]


def test_examples_parse() -> None:
    assert {name for name, text in _blocks("yaml") if yaml.safe_load(text)} == {"github.md", "gitlab.md", "hooks.md"}
    assert {name for name, text in _blocks("json") if json.loads(text)} == {"editors.md"}
    for name, text in _blocks("sh"):
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), name


def test_the_examples_for_github_hand_over_what_the_action_takes() -> None:
    inputs = yaml.safe_load((_TOP / "action.yml").read_text("utf-8"))["inputs"]
    given = [step["with"] for name, text in _blocks("yaml") if name == "github.md" for step in _steps(text)]
    assert len(given) == 2
    assert all(options.keys() <= inputs.keys() for options in given)


def _steps(text: str) -> Iterator[Any]:
    """The steps of an example that use the action; an example may leave out what stands around them."""
    document = yaml.safe_load(text)
    jobs = document["jobs"].values() if "jobs" in document else ()
    for step in (step for job in jobs for step in job["steps"]):
        if "/gfplint@" in step.get("uses", ""):
            yield step


def test_the_example_for_pre_commit_names_the_hook() -> None:
    (hook,) = yaml.safe_load((_TOP / ".pre-commit-hooks.yaml").read_text("utf-8"))
    (text,) = (text for name, text in _blocks("yaml") if name == "hooks.md")
    assert [entry["id"] for entry in yaml.safe_load(text)["repos"][0]["hooks"]] == [hook["id"]]
