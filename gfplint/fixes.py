"""Fixes applied: as new bytes of files, or as a patch that ``git apply`` takes.

The edits of one fix are applied together or not at all; where two fixes touch the same text, the one of the earlier
finding wins and the other waits for the next run. Columns count characters as the front end does: bytes that are not
UTF-8 count one each and stay as they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence

from gfplint.errors import GfplintError
from gfplint.findings import Edit, Finding

#: The bytes of a file, by its path as findings name it.
Reader = Callable[[str], bytes]

_Span = tuple[tuple[int, int], tuple[int, int]]


def choose(findings: Sequence[Finding]) -> list[Finding]:
    """The findings whose fix is safe and can be applied together with those before it."""
    taken: dict[str, list[_Span]] = {}
    chosen = []
    for finding in findings:
        if finding.fix is None or not finding.fix.safe:
            continue
        edits = finding.fix.edits
        if any(_overlaps(edit, span) for edit in edits for span in taken.get(edit.path, ())):
            continue
        for edit in edits:
            taken.setdefault(edit.path, []).append((edit.start, edit.end))
        chosen.append(finding)
    return chosen


def apply(findings: Sequence[Finding], read: Reader) -> dict[str, bytes]:
    """The new bytes of every file that the fixes of ``findings`` (chosen before) change, by path.

    Raises GfplintError for an edit that lies outside its file, and what ``read`` raises.
    """
    edits = _by_path(findings)
    return {path: _encode(_edited(path, _decode(read(path)), edits[path])) for path in sorted(edits)}


def patch(findings: Sequence[Finding], read: Reader, shown: Callable[[str], str] = str) -> Iterator[str]:
    """The same as a patch. ``shown``: the name of a file in it, by its path; as it is, the root of the tree is meant.
    Bytes that are not UTF-8 are lone surrogates in it.
    """
    for path, new in apply(findings, read).items():
        yield from _diff(shown(path), _decode(read(path)), _decode(new))


def _overlaps(edit: Edit, span: _Span) -> bool:
    start, end = span
    if edit.start == edit.end or start == end:
        # Where an insertion touches another edit, their order would be arbitrary.
        return edit.start <= end and start <= edit.end
    return edit.start < end and start < edit.end


def _by_path(findings: Sequence[Finding]) -> Mapping[str, list[Edit]]:
    edits: dict[str, list[Edit]] = {}
    for finding in findings:
        for edit in finding.fix.edits if finding.fix else ():
            edits.setdefault(edit.path, []).append(edit)
    return edits


def _edited(path: str, text: str, edits: Sequence[Edit]) -> str:
    starts = _line_starts(text)
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    for edit in reversed(ordered):  # from the end, so that the offsets before it stay true
        start = _offset(path, text, starts, edit.start)
        end = _offset(path, text, starts, edit.end)
        text = text[:start] + edit.text + text[end:]
    return text


def _line_starts(text: str) -> list[int]:
    starts = [0]
    while (newline := text.find("\n", starts[-1])) >= 0:
        starts.append(newline + 1)
    return starts


def _offset(path: str, text: str, starts: Sequence[int], place: tuple[int, int]) -> int:
    line, column = place
    if 1 <= line <= len(starts) and column >= 1:
        end = starts[line] if line < len(starts) else len(text) + 1
        offset = starts[line - 1] + column - 1
        if offset < end:
            return offset
    raise GfplintError(f"{path}:{line}:{column}: a fix lies outside of the file; has it changed meanwhile?")


def _diff(path: str, old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(_lines(old), _lines(new), _name("a/" + path), _name("b/" + path))
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """Lines with their ends; only a newline ends one, as git sees it."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()
    return [*lines, last[:-1]] if last != "\n" else lines


def _name(path: str) -> str:
    """A path as git writes it in a patch's header."""
    quoted = "".join(_quoted(character) for character in path)
    if quoted != path:
        return f'"{quoted}"'
    return f"{path}\t" if " " in path else path


def _quoted(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return f"\\{ord(character):03o}" if character < " " or character == "\x7f" else character


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
