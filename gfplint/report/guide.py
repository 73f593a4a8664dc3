"""Documents of the project that are written from the rules: the README's table and the page of all rules."""

from __future__ import annotations

from collections.abc import Sequence

from gfplint.report import catalogue
from gfplint.report.presentation import Rule

_BEGIN = "<!-- rules: begin (scripts/update-docs writes this table) -->\n"
_END = "<!-- rules: end -->\n"


def with_table(readme: str, rules: Sequence[Rule]) -> str:
    """The README with the table of rules between its marks. Raises ValueError where the marks are missing."""
    head, begin, rest = readme.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the README has no marks for the table of rules")
    return head + _BEGIN + "".join(catalogue.table(rules)) + _END + tail


def all_pages(rules: Sequence[Rule]) -> str:
    """One Markdown document with every rule's page."""
    pages = ("".join(catalogue.page(rule)).replace("\n## ", "\n### ").replace("# ", "## ", 1) for rule in rules)
    return "# Rules\n\n" + "\n".join(pages)
