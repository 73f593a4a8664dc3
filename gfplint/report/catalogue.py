"""The rules for reading: the list, one rule's page, the table of the README."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from gfplint.errors import GfplintError
from gfplint.report.encode import document
from gfplint.report.presentation import Rule


def lines(rules: Sequence[Rule]) -> Iterator[str]:
    """One line a rule: code, severity, name, and whether it is in preview."""
    longest = max((len(rule.name) for rule in rules), default=0)
    for rule in rules:
        preview = " (preview)" if rule.preview else ""
        yield f"{rule.code}  {rule.severity.value:7}  {rule.name:{longest}}  {rule.summary}{preview}\n"


def listing(rules: Sequence[Rule]) -> Iterator[str]:
    """The same as JSON: an array of objects."""
    yield document(
        [
            {
                "code": rule.code,
                "name": rule.name,
                "severity": rule.severity.value,
                "summary": rule.summary,
                "preview": rule.preview,
            }
            for rule in rules
        ]
    )


def table(rules: Sequence[Rule]) -> Iterator[str]:
    """The same as a Markdown table."""
    yield "| code | name | severity | what it reports |\n|---|---|---|---|\n"
    for rule in rules:
        preview = " *(preview)*" if rule.preview else ""
        summary = rule.summary.replace("|", "\\|")
        yield f"| {rule.code} | `{rule.name}` | {rule.severity.value} | {summary}{preview} |\n"


def find(rules: Sequence[Rule], wanted: str) -> Rule:
    """The rule of that code or name, in any case. Raises GfplintError and names the nearest where there is none."""
    by_word = {word.lower(): rule for rule in rules for word in (rule.code, rule.name)}
    if rule := by_word.get(wanted.lower()):
        return rule
    near = difflib.get_close_matches(wanted.lower(), by_word, n=1)
    hint = f"; did you mean {by_word[near[0]].code}?" if near else ""
    raise GfplintError(f"there is no rule {wanted!r}{hint} ('gfplint rules' lists them)")


def page(rule: Rule) -> Iterator[str]:
    """A rule's page, under a heading with its code, name and severity."""
    preview = ", in preview" if rule.preview else ""
    yield f"# {rule.code} {rule.name} ({rule.severity.value}{preview})\n\n{rule.summary}\n\n{rule.page.strip()}\n"
