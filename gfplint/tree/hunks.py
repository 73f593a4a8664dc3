"""Places the hunks of a diff in a file, as patch(1) does.

At their line, else at the nearest place that matches, else with up to two lines of outer context ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from gfplint.tree.diff import Hunk
from gfplint.tree.errors import PatchError

#: Lines of outer context that may differ, as patch(1).
MAX_FUZZ = 2

#: Line comparisons that one file's hunks may take; far more than any honest patch needs.
_BUDGET = 20_000_000

#: A line of a file being patched, and whether the patch added it.
Line = tuple[bytes, bool]


class Placed(msgspec.Struct, frozen=True):
    """A file after its hunks, and what to tell the user of their placing."""

    lines: list[Line]
    notes: tuple[str, ...]


def apply_hunks(lines: Sequence[Line], hunks: Sequence[Hunk]) -> Placed:
    """The lines of a file with hunks applied. Raises PatchError that names the first one that does not fit."""
    try:
        return _apply(lines, hunks)
    except PatchError:
        if not any(line.endswith(b"\r\n") for line, _ in lines[:1]):
            raise
        # Mails lose the carriage returns of files that have them.
        return _apply(lines, [_with_carriage_returns(hunk) for hunk in hunks])


def _with_carriage_returns(hunk: Hunk) -> Hunk:
    lines = ((sign, re.sub(rb"\r?\n\Z", b"\r\n", line)) for sign, line in hunk.lines)
    return msgspec.structs.replace(hunk, lines=tuple(lines))


def _apply(lines: Sequence[Line], hunks: Sequence[Hunk]) -> Placed:
    place = _Placer([line for line, _ in lines])
    result: list[Line] = []
    notes: list[str] = []
    done = drift = 0
    for hunk in hunks:
        start, fuzz_before, fuzz_after, wanted = place.find(hunk, drift, done)
        result.extend(lines[done:start])
        done = start
        for sign, added in hunk.lines[fuzz_before : len(hunk.lines) - fuzz_after]:
            if sign == b"+":
                result.append((added, True))
                continue
            if sign == b" ":
                result.append(lines[done])
            done += 1
        drift += start - wanted
        if start != wanted or fuzz_before or fuzz_after:
            fuzz = f", fuzz {max(fuzz_before, fuzz_after)}" if fuzz_before or fuzz_after else ""
            notes.append(f"hunk {hunk.number} applied with offset {start - wanted:+d}{fuzz}")
    result.extend(lines[done:])
    return Placed(result, tuple(notes))


class _Placer:
    """Finds where hunks fit in one file."""

    def __init__(self, text: list[bytes]) -> None:
        self.text = text
        self.budget = _BUDGET
        self._index: dict[bytes, list[int]] | None = None

    def find(self, hunk: Hunk, drift: int, floor: int) -> tuple[int, int, int, int]:
        """(line index, lines of fuzz before and after, index where it was expected), not before ``floor``."""
        old = [text for sign, text in hunk.lines if sign != b"+"]
        expected = hunk.old_start - (1 if hunk.old_count else 0) + drift
        before, after = _context(hunk.lines), _context(hunk.lines[::-1])
        for fuzz in range(MAX_FUZZ + 1):
            # The side with less context ends at the file's edge: it gives way last.
            cut_before = min(before, max(0, fuzz + before - max(before, after)))
            cut_after = min(after, max(0, fuzz + after - max(before, after)))
            wanted = old[cut_before : len(old) - cut_after]
            if not wanted and (fuzz or old):
                break
            start = self._nearest(wanted, expected + cut_before, floor)
            if start is not None:
                return start, cut_before, cut_after, expected + cut_before
        new = [text for sign, text in hunk.lines if sign != b"-"]
        done = bool(new) and new != old and self._nearest(new, expected, 0) is not None
        hint = "; it seems to be applied already" if done else ""
        raise PatchError(f"hunk {hunk.number} ({hunk.header}) does not apply{hint}")

    def _nearest(self, wanted: list[bytes], expected: int, floor: int) -> int | None:
        last = len(self.text) - len(wanted)
        if floor <= expected <= last and self._fits(wanted, expected):
            return expected
        if not wanted:
            return None
        index = self._positions()
        rarest = min(range(len(wanted)), key=lambda at: len(index.get(wanted[at], ())))
        candidates = (position - rarest for position in index.get(wanted[rarest], ()))
        for start in sorted((at for at in candidates if floor <= at <= last), key=lambda at: abs(at - expected)):
            if self._fits(wanted, start):
                return start
        return None

    def _fits(self, wanted: list[bytes], start: int) -> bool:
        self.budget -= len(wanted)
        if self.budget < 0:
            raise PatchError("the patch takes too long to place: too many places look alike")
        return self.text[start : start + len(wanted)] == wanted

    def _positions(self) -> dict[bytes, list[int]]:
        if self._index is None:
            self._index = {}
            for number, line in enumerate(self.text):
                self._index.setdefault(line, []).append(number)
        return self._index


def _context(lines: Sequence[tuple[bytes, bytes]]) -> int:
    """The number of context lines with which they start."""
    return next((number for number, (sign, _) in enumerate(lines) if sign != b" "), len(lines))
