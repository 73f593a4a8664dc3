"""Documents of the project that are written from the rules: the README's tables and the page of all rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gfplint.kernel.tables import read_toml
from gfplint.report import catalogue
from gfplint.report.presentation import Rule


def with_table(readme: str, rules: Sequence[Rule]) -> str:
    """The README with the table of rules between its marks. Raises ValueError where the marks are missing."""
    return _between(readme, "rules", "".join(catalogue.table(rules)))


def with_sentences(readme: str, rules: Sequence[Rule]) -> str:
    """The README with the table of what the kernel's guide says. Raises ValueError where the marks are missing."""
    return _between(readme, "guide", "".join(_sentences({rule.code: rule for rule in rules})))


def _between(readme: str, name: str, table: str) -> str:
    opening, closing = f"<!-- {name}: begin (scripts/update-docs writes this table) -->\n", f"<!-- {name}: end -->\n"
    head, begin, rest = readme.partition(opening)
    _, end, tail = rest.partition(closing)
    if not begin or not end:
        raise ValueError(f"the README has no marks for the table of {name}")
    return head + opening + table + closing + tail


def _sentences(rules: dict[str, Rule]) -> Iterator[str]:
    """A line for each sentence: the rules that there are for it, and what the simulator observes for these."""
    yield "| the guide says | rules | simulator |\n|---|---|---|\n"
    for sentence in read_toml("guide")["sentence"]:
        found = [rules[code] for code in sentence["rules"] if code in rules]
        codes = ", ".join(rule.code for rule in found)
        sims = [*(rule.sim for rule in found if rule.sim), *sentence.get("simulator", [])]
        observed = ", ".join(dict.fromkeys(f"`{sim}`" for sim in sims))
        yield f"| {sentence['says']} | {codes} | {observed} |\n"


def all_pages(rules: Sequence[Rule]) -> str:
    """One Markdown document with every rule's page."""
    pages = ("".join(catalogue.page(rule)).replace("\n## ", "\n### ").replace("# ", "## ", 1) for rule in rules)
    return "# Rules\n\n" + "\n".join(pages)
