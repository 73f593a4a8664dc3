"""What is shown: selection, suppression, fingerprints, baselines."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfplint.config import ConfigError, PerPath, Settings
from gfplint.facts import Suppression
from gfplint.findings import Confidence, Finding, Severity, Step
from gfplint.select import (
    Accepted,
    Baseline,
    Chosen,
    RuleStatus,
    apply_baseline,
    apply_suppressions,
    choose_rules,
    encode_baseline,
    glob_matches,
    make_baseline,
    new_findings,
    read_baseline,
    shown,
    with_fingerprints,
)

RULES = (
    RuleStatus("GFP101"),
    RuleStatus("GFP102"),
    RuleStatus("GFP105", preview=True),
    RuleStatus("GFP401"),
    RuleStatus("GFP606", off=True),
)
KNOWN = tuple(rule.code for rule in RULES)


def _finding(rule: str = "GFP101", line: int = 10, **changes: object) -> Finding:
    finding = Finding(
        rule=rule,
        name="a-rule",
        severity=Severity.ERROR,
        confidence=Confidence.HIGH,
        path="drivers/x.c",
        line=line,
        column=2,
        end_line=line,
        end_column=9,
        function="probe",
        message="no",
    )
    return msgspec.structs.replace(finding, **changes)


# ---- selection -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("select", "ignore", "preview", "codes", "explicit"),
    [
        ("GFP", "", False, "101 102 401", ""),
        ("ALL", "", False, "101 102 401", ""),
        ("GFP", "", True, "101 102 105 401", ""),
        ("GFP1", "", False, "101 102", ""),
        ("GFP105", "", False, "105", "105"),
        ("GFP606 GFP4", "", False, "401 606", "606"),
        ("GFP6", "", True, "", ""),
        ("GFP", "GFP1", False, "401", ""),
        ("GFP101 GFP4", "GFP1", False, "101 401", "101"),
        ("GFP", "GFP1 GFP101", False, "401", ""),
        ("GFP1", "GFP1", False, "", ""),
        ("GFP101", "GFP101", False, "", ""),
        ("ALL", "GFP", False, "", ""),
        ("GFP1", "ALL", False, "101 102", ""),
    ],
)
def test_choice_of_rules(select: str, ignore: str, preview: bool, codes: str, explicit: str) -> None:
    settings = Settings(select=tuple(select.split()), ignore=tuple(ignore.split()), preview=preview)
    chosen = choose_rules(RULES, settings)
    assert chosen.codes == {f"GFP{code}" for code in codes.split()}
    assert chosen.explicit == {f"GFP{code}" for code in explicit.split()}


def _shown(
    finding: Finding, settings: Settings, explicit: bool = False, added: dict[str, set[int]] | None = None
) -> bool:
    chosen = Chosen(frozenset(KNOWN), frozenset(KNOWN if explicit else ()))
    return bool(shown([finding], chosen, settings, Path("/tree"), added))


def test_rules_that_were_not_chosen_are_not_shown() -> None:
    assert not shown([_finding("GFP999")], Chosen(frozenset(KNOWN), frozenset()), Settings(), Path("/tree"))


@pytest.mark.parametrize("confidence", Confidence)
@pytest.mark.parametrize("least", Confidence)
def test_least_confidence(confidence: Confidence, least: Confidence) -> None:
    order = [Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH]
    wanted = order.index(confidence) >= order.index(least)
    assert _shown(_finding(confidence=confidence), Settings(min_confidence=least)) is wanted


def test_advice_is_shown_when_asked_for_and_on_added_lines() -> None:
    advice = _finding(severity=Severity.ADVICE)
    assert not _shown(advice, Settings())
    assert _shown(advice, Settings(advice=True))
    assert _shown(advice, Settings(), explicit=True)
    assert _shown(advice, Settings(), added={"drivers/x.c": {10}})
    assert not _shown(advice, Settings(), added={"drivers/x.c": {11}, "drivers/y.c": {10}})
    assert _shown(_finding(), Settings(), added={})


def test_settings_of_a_path() -> None:
    low = _finding(confidence=Confidence.LOW)
    per_path = (
        PerPath(("drivers/**",), ("GFP1",)),
        PerPath(("x.c",), (), Confidence.LOW),
    )
    settings = Settings(per_path=per_path, base=Path("/tree"))
    assert not _shown(_finding(), settings)
    assert _shown(_finding("GFP401"), settings)
    assert _shown(_finding("GFP401", confidence=Confidence.LOW), settings)
    assert not _shown(msgspec.structs.replace(low, path="mm/y.c"), settings)
    assert not _shown(
        _finding(), msgspec.structs.replace(settings, base=Path("/"), per_path=(PerPath(("tree/drivers",), ("ALL",)),))
    )
    assert _shown(_finding(), msgspec.structs.replace(settings, base=Path("/other")))


def test_globs_of_a_configuration_below_the_root() -> None:
    settings = Settings(per_path=(PerPath(("x.c", "sub/*.c"), ("GFP1",)),), base=Path("/tree/drivers"))
    assert not _shown(_finding(), settings)
    assert not _shown(_finding(path="drivers/sub/y.c"), settings)
    assert _shown(_finding(path="sub/y.c"), settings)
    assert _shown(_finding(path="mm/x.c"), settings)


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("drivers/**", "drivers/net/x.c", True),
        ("drivers/**", "drivers/x.c", True),
        ("drivers/**", "sound/drivers/x.c", False),
        ("drivers/", "drivers/net/x.c", True),
        ("drivers/net", "drivers/net/x.c", True),
        ("drivers/net", "drivers/network/x.c", False),
        ("drivers", "sound/drivers/x.c", True),
        ("*.h", "include/linux/x.h", True),
        ("/*.h", "include/linux/x.h", False),
        ("/*.h", "x.h", True),
        ("./x.h", "x.h", True),
        ("drivers/*.c", "drivers/net/x.c", False),
        ("drivers/*/x.c", "drivers/net/x.c", True),
        ("drivers/**/x.c", "drivers/a/b/x.c", True),
        ("drivers/**/x.c", "drivers/x.c", True),
        ("**/net/*.c", "drivers/net/x.c", True),
        ("dr?vers/**/[x].c", "drivers/x.c", False),
        ("dr?vers/x.c", "drivers/x.c", True),
        ("**", "a/b.c", True),
        ("", "a.c", False),
        ("/", "a.c", False),
    ],
)
def test_globs(glob: str, path: str, matches: bool) -> None:
    assert glob_matches(glob, path) is matches


def test_globs_do_not_explode() -> None:
    assert not glob_matches("*a" * 500 + "b", "a" * 2000)
    assert not glob_matches("**/a/" * 300 + "b", "a/" * 1000 + "c")


@given(st.text("ab/", min_size=1, max_size=12).filter(lambda path: path.strip("/") == path and "//" not in path))
def test_a_path_matches_itself(path: str) -> None:
    assert glob_matches("/" + path, path)
    assert glob_matches(path, path)
    assert glob_matches("/" + path, path + "/x.c")


# ---- fingerprints ----------------------------------------------------------------------------------------------

LINES = ["spin_lock(&x->lock);", "p = my_alloc(x);", "", "\tq = kmalloc(8, GFP_KERNEL);"]


def _line(path: str, line: int) -> str:
    return LINES[line - 1] if 0 < line <= len(LINES) else ""


def _traced(line: int, last: int, **changes: object) -> Finding:
    step = Step("drivers/x.c", last, 6, "my_alloc", "allocates")
    return msgspec.structs.replace(_finding(line=line, trace=(step,)), **changes)


def _print(finding: Finding, lines: list[str] = LINES, renamed: dict[str, str] | None = None) -> str:
    def line(path: str, number: int) -> str:
        return lines[number - 1] if 0 < number <= len(lines) else ""

    return with_fingerprints([finding], line, renamed)[0].fingerprint


def test_fingerprint_survives_moved_and_reformatted_lines() -> None:
    first = _print(_traced(2, 4))
    moved = ["/* more */", *LINES]
    spaced = [line.replace(" = ", "  =\t") for line in LINES]
    commented = ["", "p = my_alloc(x); /* gfplint: ignore[GFP401] why */ // x", "", LINES[3]]
    assert _print(_traced(3, 5), moved) == first
    assert _print(msgspec.structs.replace(_traced(2, 4), column=20, message="other")) == first
    assert _print(_traced(2, 4), [*spaced[:3], LINES[3]]) == first
    assert _print(_traced(2, 4), commented) == first


def test_fingerprint_tells_findings_apart() -> None:
    first = _traced(2, 4)
    others = [
        _traced(1, 4),
        _traced(2, 1),
        _traced(2, 4, rule="GFP102"),
        _traced(2, 4, function="remove"),
        _traced(2, 4, path="drivers/y.c"),
        _finding(line=2),
    ]
    assert len({_print(finding) for finding in (first, *others)}) == 7


def test_fingerprint_follows_a_renamed_file() -> None:
    before, after = _traced(2, 4), _traced(2, 4, path="drivers/new.c")
    assert _print(before, renamed={"drivers/x.c": "drivers/new.c"}) == _print(after)


def test_equal_findings_have_prints_of_their_own() -> None:
    result = with_fingerprints([_finding(line=9), _finding(line=8), _finding(line=7)], lambda path, line: "same")
    assert [finding.line for finding in result] == [7, 8, 9]
    assert len({finding.fingerprint for finding in result}) == 3


def test_hostile_positions_and_text_have_prints() -> None:
    odd = _finding(line=0, path="\ud800\n", trace=(Step("", -5, -7, "", ""),))
    assert len(_print(odd, ["\x00\x1b"])) == 32
    assert _print(_traced(2, 4), ["", "/* " * 9, "", ""])


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_new_findings_are_a_difference_of_multisets(before: list[str], after: list[str]) -> None:
    old, new = ([_finding(line=n, fingerprint=text) for n, text in enumerate(texts)] for texts in (before, after))
    result = [finding.fingerprint for finding in new_findings(old, new)]
    for letter in "abc":
        assert result.count(letter) == max(0, after.count(letter) - before.count(letter))


@given(st.integers(0, 20), st.lists(st.integers(1, 30), unique=True, max_size=6))
def test_nothing_is_new_after_lines_moved(shift: int, lines: list[int]) -> None:
    before = with_fingerprints((_finding(line=n) for n in lines), lambda path, n: f"text {n % 3}")
    after = with_fingerprints((_finding(line=n + shift) for n in lines), lambda path, n: f"text {(n - shift) % 3}")
    assert new_findings(before, after) == ()
    more = with_fingerprints(
        [*(_finding(line=n + shift) for n in lines), _finding(line=99)], lambda path, n: f"text {(n - shift) % 3}"
    )
    assert len(new_findings(before, more)) == 1


# ---- suppression -----------------------------------------------------------------------------------------------


def _silence(
    findings: list[Finding], *comments: Suppression, ran: tuple[str, ...] = KNOWN
) -> tuple[list[int], list[tuple[int, str, str]]]:
    result = apply_suppressions(findings, {"drivers/x.c": comments}, ran, KNOWN)
    assert result.count == len(findings) - len(result.findings)
    unused = [(item.suppression.line, item.code, item.why) for item in result.unused]
    return [finding.line for finding in result.findings], unused


def _comment(line: int, *codes: str, reason: str = "because", column: int = 1) -> Suppression:
    return Suppression(codes=codes, reason=reason, line=line, column=column)


def test_comment_on_the_line_or_above() -> None:
    findings = [_finding(line=10)]
    for line in (9, 10):
        assert _silence(findings, _comment(line, "GFP101")) == ([], [])
    for line in (8, 11):
        assert _silence(findings, _comment(line, "GFP101")) == ([10], [(line, "GFP101", "unused")])


def test_comment_on_any_line_of_the_call() -> None:
    findings = [_finding(line=10, end_line=12)]
    assert _silence(findings, _comment(12, "GFP101")) == ([], [])
    assert _silence(findings, _comment(13, "GFP101"))[0] == [10]


def test_comment_behind_one_statement_is_not_about_the_next() -> None:
    findings = [_finding(line=10), _finding(line=11)]
    assert _silence(findings, _comment(10, "GFP101")) == ([11], [])
    assert _silence([_finding("GFP102", line=10), _finding(line=11)], _comment(10, "GFP101")) == ([10], [])


def test_codes_prefixes_and_none() -> None:
    findings = [_finding("GFP101"), _finding("GFP102"), _finding("GFP401")]
    assert _silence(findings, _comment(10, "GFP1")) == ([10], [])
    assert _silence(findings, _comment(10, "GFP101", "GFP401")) == ([10], [])
    assert _silence(findings, _comment(10)) == ([10, 10, 10], [(10, "", "unknown")])
    assert _silence(findings, _comment(10, "GFP1", "GFP105")) == ([10], [(10, "GFP105", "unused")])


def test_another_file_is_not_silenced() -> None:
    assert _silence([_finding(path="drivers/y.c")], _comment(10, "GFP101")) == ([10], [(10, "GFP101", "unused")])


def test_faults_of_comments() -> None:
    findings = [_finding()]
    assert _silence(findings, _comment(10, "GFP101", reason=" ")) == ([], [(10, "", "unreasoned")])
    assert _silence(findings, _comment(10, "GFP777")) == ([10], [(10, "GFP777", "unknown")])
    assert _silence(findings, _comment(10, "101")) == ([10], [(10, "101", "unknown")])
    assert _silence(findings, _comment(20)) == ([10], [(20, "", "unknown")])
    assert _silence(findings, _comment(20, reason="")) == ([10], [(20, "", "unknown"), (20, "", "unreasoned")])


def test_use_is_unknown_where_the_rule_did_not_run() -> None:
    assert _silence([], _comment(10, "GFP101"), ran=("GFP401",)) == ([], [])
    assert _silence([], _comment(10, "GFP1"), ran=("GFP101",)) == ([], [])
    assert _silence([], _comment(10, "GFP101"), ran=("GFP101",)) == ([], [(10, "GFP101", "unused")])


def test_two_comments_share_a_finding() -> None:
    comments = (_comment(9, "GFP101"), _comment(10, "GFP101", column=30))
    assert _silence([_finding()], *comments) == ([], [])


def test_a_hostile_extent_costs_nothing() -> None:
    assert _silence([_finding(end_line=10**12)], _comment(5, "GFP101"))[0] == [10]


# ---- baseline --------------------------------------------------------------------------------------------------


def _printed(*lines: int) -> tuple[Finding, ...]:
    return with_fingerprints((_finding(line=line) for line in lines), lambda path, line: f"text {line}")


def test_baseline_there_and_back(tmp_path: Path) -> None:
    old = _printed(3, 1, 2)
    baseline = make_baseline(old, reason="before our time")
    place = tmp_path / "b.json"
    place.write_bytes(encode_baseline(baseline))
    assert read_baseline(place) == baseline
    assert {item.reason for item in baseline.findings} == {"before our time"}
    known = apply_baseline(_printed(1, 3, 4), read_baseline(place))
    assert [finding.line for finding in known.findings] == [4]
    assert [item.fingerprint for item in known.gone] == [finding.fingerprint for finding in old if finding.line == 2]


def test_baseline_is_sorted_and_keeps_reasons() -> None:
    first = make_baseline(_printed(1, 2), reason="old")
    again = make_baseline(_printed(1, 2, 3)[::-1], first)
    assert encode_baseline(again) == encode_baseline(make_baseline(_printed(1, 2, 3), first))
    assert sorted(item.reason for item in again.findings) == ["", "old", "old"]


def test_baseline_follows_a_file_to_its_new_name() -> None:
    first = make_baseline(_printed(1, 2), reason="old")
    moved = with_fingerprints(
        (msgspec.structs.replace(_finding(line=line), path="new.c") for line in (1, 2, 3)), lambda path, line: f"{line}"
    )
    assert apply_baseline(moved, first).findings == moved  # its file is still there: these are others
    known = apply_baseline(moved, first, lambda path: path == "new.c")
    assert [finding.line for finding in known.findings] == [3]
    assert known.gone == ()
    again = make_baseline(moved, first, "new", lambda path: path == "new.c")
    assert [(item.path, item.reason) for item in sorted(again.findings, key=lambda item: item.reason)] == [
        ("new.c", "new"),
        ("new.c", "old"),
        ("new.c", "old"),
    ]


def test_baseline_keeps_what_was_not_asked_for() -> None:
    first = make_baseline(_printed(1, 2), reason="old")
    assert make_baseline((), first, asked=lambda item: False) == first
    assert make_baseline(_printed(2), first, asked=lambda item: item.fingerprint != _printed(1)[0].fingerprint) == first
    assert make_baseline((), first).findings == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"version": 2, "findings": []}',
        b'{"version": 1, "findings": [{"rule": "GFP101"}]}',
        b'{"version": 1, "findings": [{"fingerprint": 3, "rule": "GFP101", "path": "x.c"}]}',
        b"[" * 100000,
    ],
)
def test_files_that_are_no_baseline(tmp_path: Path, text: bytes) -> None:
    place = tmp_path / "b.json"
    place.write_bytes(text)
    with pytest.raises(ConfigError, match="baseline"):
        read_baseline(place)


def test_baseline_that_can_not_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "fifo", "a\0b"):
        with pytest.raises(ConfigError):
            read_baseline(tmp_path / name)


def test_baseline_of_a_hostile_path_is_written_and_read(tmp_path: Path) -> None:
    place = tmp_path / "b.json"
    baseline = Baseline(findings=(Accepted(fingerprint="f", rule="GFP101", path="a\n\x1b\u2028.c"),))
    place.write_bytes(encode_baseline(baseline))
    assert read_baseline(place) == baseline
