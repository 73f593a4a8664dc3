"""The hash by which GitHub knows a line again: what its upload action computes where a report brings none.

A report that brings another gets a warning for each result; one that brings none, and is uploaded without the action,
has its alerts doubled. From src/fingerprints.ts of github/codeql-action: over the 100 characters from the start of a
line on, blanks and tabs left out, and which of several equal ones in its file it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

_BLOCK, _FACTOR, _MASK = 100, 37, (1 << 64) - 1
_SHIFT = pow(_FACTOR, _BLOCK, 1 << 64)
_END = 0xFFFF  # what stands for the end of the file
_SKIPPED = str.maketrans("", "", " \t")


def line_hashes(lines: Sequence[str], wanted: Collection[int]) -> Mapping[int, str]:
    """The hashes of the lines with the numbers ``wanted`` (from 1) in a file of these lines."""
    codes, starts = _characters(lines)
    sums = [0]
    for code in codes:
        sums.append((sums[-1] * _FACTOR + code) & _MASK)
    seen: dict[int, int] = {}
    found = {}
    for number, start in enumerate(starts, 1):
        value = (sums[start + _BLOCK] - sums[start] * _SHIFT) & _MASK
        seen[value] = seen.get(value, 0) + 1
        if number in wanted:
            found[number] = f"{value:x}:{seen[value]}"
    return found


def _characters(lines: Sequence[str]) -> tuple[list[int], list[int]]:
    """The units of UTF-16 that count, with what is added at the end, and where in them each line starts."""
    codes: list[int] = []
    starts = []
    for number, line in enumerate(lines):
        starts.append(len(codes))
        text = line.translate(_SKIPPED)
        if text.isascii():
            codes += text.encode()
        else:
            data = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode("utf-16-le")
            codes += (data[at] | data[at + 1] << 8 for at in range(0, len(data), 2))
        if number < len(lines) - 1:
            codes.append(ord("\n"))
    return [*codes, _END, *[0] * _BLOCK], starts
