"""The page of each rule: its headings, its catalogue row, and that its examples are what they claim to be."""

from __future__ import annotations

import re

import pytest

from gfplint.findings import Severity
from gfplint.kernel.model import Version
from gfplint.rules import catalogue
from gfplint.ruleset import Rule
from gfplint.target import NEWEST
from tests.rules.harness import FIXTURES, lint

_HEADINGS = [
    "What it does",
    "Why is this bad",
    "Known problems",
    "Example",
    "Use instead",
    "Fix safety",
    "References",
]
#: The catalogue: code, name, severity, and what the simulator observes.
_CATALOGUE = {
    "GFP101": ("blocking-allocation-in-atomic-context", Severity.ERROR, "sleep-fault"),
    "GFP102": ("sleeping-allocator-in-atomic-context", Severity.ERROR, "sleep-fault"),
    "GFP103": ("sleeping-free-in-atomic-context", Severity.ERROR, "sleep-fault"),
    "GFP104": ("atomic-mask-in-sleepable-context", Severity.ADVICE, "reserve-used"),
    "GFP105": ("allocation-under-raw-lock", Severity.WARNING, "wait-context"),
    "GFP106": ("ignored-mask-parameter", Severity.WARNING, ""),
    "GFP201": ("nofs-noio-mask", Severity.ADVICE, ""),
    "GFP202": ("redundant-nofs-noio-mask", Severity.ADVICE, "mask-unchanged"),
    "GFP205": ("reclaim-recursion", Severity.ERROR, "recursion"),
    "GFP203": ("unbalanced-scope", Severity.ERROR, "task-flags-differ"),
    "GFP301": ("unaccounted-user-allocation", Severity.ADVICE, "uncharged"),
    "GFP302": ("unaccounted-user-cache", Severity.ADVICE, "uncharged"),
    "GFP401": ("mismatched-free", Severity.ERROR, "bad-free"),
    "GFP402": ("wrong-cache-free", Severity.ERROR, "bad-free"),
    "GFP403": ("wrong-size-free", Severity.ERROR, "bad-free"),
    "GFP404": ("manual-free-of-managed-memory", Severity.ERROR, "bad-free"),
    "GFP405": ("leaked-cache", Severity.WARNING, "cache-leak"),
    "GFP406": ("mismatched-rcu-free", Severity.ERROR, "bad-free"),
    "GFP407": ("managed-by-another-device", Severity.WARNING, ""),
    "GFP501": ("unsupported-mask", Severity.ERROR, "mask-fixed"),
    "GFP502": ("contradictory-mask", Severity.WARNING, ""),
    "GFP503": ("legacy-zone-mask", Severity.ADVICE, ""),
    "GFP505": ("redundant-mask-flag", Severity.ADVICE, ""),
    "GFP504": ("misused-nofail", Severity.ERROR, "warn"),
    "GFP601": ("open-coded-zeroing", Severity.ADVICE, ""),
    "GFP602": ("open-coded-array-size", Severity.ADVICE, ""),
    "GFP603": ("oversized-kmalloc", Severity.ERROR, "null"),
    "GFP604": ("open-coded-kvmalloc", Severity.ADVICE, ""),
    "GFP506": ("misused-userspace-mask", Severity.WARNING, "userspace-page"),
    "GFP605": ("noncontiguous-memory-for-dma", Severity.ERROR, "outside-linear-map"),
    "GFP606": ("untyped-allocation", Severity.ADVICE, ""),
    "GFP607": ("lost-realloc-pointer", Severity.ERROR, "leak"),
    "GFP701": ("unchecked-allocation", Severity.WARNING, "null-deref"),
    "GFP901": ("unused-suppression", Severity.ADVICE, ""),
}
#: Rules about what came with a kernel.
_SINCE: dict[str, Version] = {"GFP606": (7, 0)}
_VERSIONS: tuple[Version, ...] = ((6, 1), (6, 12), NEWEST)
_RULES = catalogue()
#: Rules that look at code; GFP901 looks at what the others left over (see test_unused_suppression.py).
_CODE_RULES = tuple(rule for rule in _RULES if rule.code != "GFP901")


def _code(rule: Rule) -> str:
    return rule.code


def _sections(rule: Rule) -> dict[str, str]:
    """The text below each heading of a rule's page."""
    parts = re.split(r"^## (.*)$", rule.page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


def _program(section: str) -> str:
    """The C blocks of a section as functions of one file: whole functions, or what stands in one."""
    blocks = re.findall(r"^```c\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert blocks, "no C block"
    return "".join(
        block if re.search(r"^\{$", block, flags=re.MULTILINE) else _function(number, block)
        for number, block in enumerate(blocks)
    )


def _function(number: int, block: str) -> str:
    return f"int example_{number}(void)\n{{\n{block}\treturn 0;\n}}\n"


def test_the_catalogue_is_this() -> None:
    assert {rule.code: (rule.name, rule.severity, rule.sim) for rule in _RULES} == _CATALOGUE
    assert [rule.code for rule in _RULES] == sorted(_CATALOGUE)


@pytest.mark.parametrize("rule", _RULES, ids=_code)
def test_the_page_has_the_headings_in_order_and_text_below_each(rule: Rule) -> None:
    assert re.findall(r"^## (.*)$", rule.page, flags=re.MULTILINE) == _HEADINGS
    assert all(len(text) >= 10 for text in _sections(rule).values())
    assert rule.page.isascii()
    assert max(map(len, rule.page.split("\n"))) <= 120


@pytest.mark.parametrize("rule", _RULES, ids=_code)
def test_the_summary_is_a_short_line(rule: Rule) -> None:
    assert 10 <= len(rule.summary) <= 100
    assert "\n" not in rule.summary
    assert not rule.summary.endswith(".")


@pytest.mark.parametrize("version", _VERSIONS, ids=str)
@pytest.mark.parametrize("rule", _CODE_RULES, ids=_code)
def test_the_bad_example_is_reported_once_by_this_rule_alone(rule: Rule, version: Version) -> None:
    program = _program(_sections(rule)["Example"])
    expected = [rule.code] if version >= _SINCE.get(rule.code, version) else []
    assert [finding.rule for finding in lint(program, version, (rule.code,))] == expected, program


@pytest.mark.parametrize("version", _VERSIONS, ids=str)
@pytest.mark.parametrize("rule", _RULES, ids=_code)
def test_the_good_example_is_reported_by_no_rule(rule: Rule, version: Version) -> None:
    program = _program(_sections(rule)["Use instead"])
    assert [(finding.rule, finding.line) for finding in lint(program, version)] == [], program


@pytest.mark.parametrize("rule", _RULES, ids=_code)
def test_the_good_example_does_what_the_bad_one_does(rule: Rule) -> None:
    """It allocates too: an example without the subject would be good for nothing."""
    called = re.compile(r"\b(\w*(?:alloc|free|dup|create)\w*)\(")
    assert called.search(_program(_sections(rule)["Example"]))
    assert called.search(_program(_sections(rule)["Use instead"]))


@pytest.mark.parametrize("rule", _CODE_RULES, ids=_code)
def test_references_name_places_in_the_kernel_tree(rule: Rule) -> None:
    lines = _sections(rule)["References"].split("\n")
    assert all(re.match(r"- (Documentation|include|mm|kernel|drivers|lib|net)/[\w./-]+", line) for line in lines)


@pytest.mark.parametrize("rule", _CODE_RULES, ids=_code)
def test_the_rule_has_fixtures(rule: Rule) -> None:
    assert list((FIXTURES / rule.code).glob("*.c"))
