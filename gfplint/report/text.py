"""``--format text``: findings for people, with the code and the steps that lead to the defect.

Every line of a report that comes from a source file is made visible first, tabs as in the kernel's style, and cut
to a window around the place meant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from gfplint.escape import printable, width
from gfplint.findings import Confidence, Finding, ScanResult, Severity, Step
from gfplint.report.presentation import LineReader, Presentation

_TAB = 8
_WINDOW = 160  # characters of a source line that are shown
_LEAD = 60  # of these, at most so many before the place meant where the line is cut
_COLOURS = {Severity.ERROR: "1;31", Severity.WARNING: "1;35", Severity.ADVICE: "1;36"}
_WORD = re.compile(r"\w+")  # what a step points at: the name of the call
_BOLD, _FAINT, _CARET = "1", "2", "1;32"


def render(result: ScanResult, how: Presentation) -> Iterator[str]:
    """Each finding as a block of lines, then one line that counts them; a hook (``quiet``) has no word for none."""
    for finding in result.findings:
        yield from _block(finding, how)
        yield "\n"
    if how.verbose:
        yield from _left_out(result)
    if result.findings or not how.quiet:
        yield count_line(result) + "\n"


def count_line(result: ScanResult) -> str:
    """How many findings of each severity in how many files, as one line."""
    files = _plural(result.files_scanned, "file")
    if not result.findings:
        return f"no findings in {files}"
    by_severity = Counter(finding.severity for finding in result.findings)
    parts = [_plural(by_severity[severity], severity.value) for severity in Severity if by_severity[severity]]
    return f"{_plural(len(result.findings), 'finding')} in {files}: {', '.join(parts)}"


def statistics(result: ScanResult) -> Iterator[str]:
    """``--statistics``: findings by rule, most first, then the engine's own counts, a line each."""
    names = {finding.rule: finding.name for finding in result.findings}
    counts = Counter(finding.rule for finding in result.findings)
    for rule, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"{count:7}  {rule}  {names[rule]}\n"
    for name, value in sorted(result.statistics.items()):
        yield f"{value:7}  {printable(name)}\n"


def _block(finding: Finding, how: Presentation) -> Iterator[str]:
    paint = _painter(how.colour)
    place = f"{printable(finding.path)}:{finding.line}:{finding.column}:"
    severity = paint(finding.severity.value, _COLOURS[finding.severity])
    yield f"{paint(place, _BOLD)} {severity}: {printable(finding.message)} {_tag(finding)}\n"
    if finding.function:
        yield f"  in {printable(finding.function)}()\n"
    end = finding.end_column if finding.end_line == finding.line else None
    yield from _frame(how, finding.path, finding.line, finding.column, end)
    for number, step in enumerate(finding.trace, 1):
        yield from _step(number, step, how)
    if finding.needs:
        yield f"  needs {', '.join(printable(symbol) for symbol in finding.needs)}\n"
    if finding.fix:
        safety = (
            "--fix applies it, --fix-diff shows it" if finding.fix.safe else "read it first: it may change behaviour"
        )
        yield f"  has a fix ({safety})\n"


def _tag(finding: Finding) -> str:
    sure = "" if finding.confidence is Confidence.HIGH else f", {finding.confidence.value} confidence"
    return f"[{finding.rule} {finding.name}{sure}]"


def _step(number: int, step: Step, how: Presentation) -> Iterator[str]:
    where = f", in {printable(step.function)}()" if step.function else ""
    yield f"  {number}. {printable(step.path)}:{step.line}: {printable(step.message)}{where}\n"
    word = _WORD.match(_line(how.read_lines, step.path, step.line), step.column - 1)
    yield from _frame(how, step.path, step.line, step.column, word.end() + 1 if word else step.column + 1)


def _frame(how: Presentation, path: str, line: int, column: int, end: int | None) -> Iterator[str]:
    """The source line and, below it, carets from ``column`` up to ``end`` (None: to the line's end)."""
    text = _line(how.read_lines, path, line)
    if not text.strip():
        return
    paint = _painter(how.colour)
    shown, before, marked = _window(text, column - 1, len(text) if end is None else end - 1)
    yield f"{paint(f'{line:6} | ', _FAINT)}{shown}\n"
    yield f"{paint('       | ', _FAINT)}{' ' * before}{paint('^' * max(1, marked), _CARET)}\n"


def _line(read_lines: LineReader, path: str, line: int) -> str:
    lines = read_lines(path)
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _window(text: str, start: int, end: int) -> tuple[str, int, int]:
    """A line made visible and cut to size, the width before the place and the width of the place."""
    start = max(0, min(start, len(text)))
    end = max(start, min(end, len(text)))
    cut = start - _LEAD if len(text) > _WINDOW and start > _LEAD else 0
    head = "..." if cut else ""
    tail = "..." if len(text) - cut > _WINDOW else ""
    end = min(end, cut + _WINDOW)
    before = _show(text[cut:start], len(head))
    marked = _show(text[start:end], width(head + before))
    after = _show(text[end : cut + _WINDOW], width(head + before + marked))
    return head + before + marked + after + tail, width(head + before), width(marked)


def _show(text: str, column: int) -> str:
    """``text`` made visible, starting at terminal column ``column``; a tab reaches to the next tab stop."""
    if "\t" not in text:
        return printable(text)
    result = ""
    for index, part in enumerate(text.split("\t")):
        if index:
            result += " " * (_TAB - (column + width(result)) % _TAB)
        result += printable(part)
    return result


def _left_out(result: ScanResult) -> Iterator[str]:
    for skipped in result.skipped:
        yield f"skipped {printable(skipped.path)}: {printable(skipped.reason)}\n"
    for degraded in result.degraded:
        where = printable(degraded.path) + (f": {printable(degraded.function)}()" if degraded.function else "")
        yield f"analysed in part {where}: {printable(degraded.reason)}\n"


def _painter(colour: bool) -> Callable[[str, str], str]:
    if not colour:
        return lambda text, style: text
    return lambda text, style: f"\x1b[{style}m{text}\x1b[0m"


def _plural(count: int, noun: str) -> str:
    if noun == "advice":  # has no plural
        return f"{count} advice"
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
