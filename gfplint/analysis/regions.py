"""How two calls stand to each other in the text of a body: whether the second always follows the first."""

from __future__ import annotations

import re

#: What may lead out of a region, or around one of its ends.
_JUMP = re.compile(r"\b(?:return|goto|continue|break)\b")
_BACK = re.compile(r"\b(?:goto|continue)\b")
#: What may lead back to an earlier place: a loop, or a label.
_LOOP = re.compile(r"\b(?:for|while|do)\b|each|[;{}]\s*+\w++\s*+:(?!:)")
#: How a statement begins behind another: what is behind a condition does not always run.
_STARTS = re.compile(r"[;{}:]\s*+(?:\w++\s*+=\s*+)?\Z")
_BRACE = re.compile(r"[{}]")
#: White space and an assigned name before a call.
_BEFORE = 120


def straight(code: str, first: str, last: str) -> bool:
    """Whether the last call of ``last`` ends what the first of ``first`` begins, on every way that does not return."""
    start, end = code.find(first), code.rfind(last)
    return 0 <= start <= end and _same_block(code, start, end) and _is_statement(code, end)


def leaves_between(code: str, first: str, last: str) -> bool:
    """Whether a jump of any kind stands between two calls."""
    return _JUMP.search(code, code.find(first), code.rfind(last)) is not None


def comes_back(code: str, first: str, last: str) -> bool:
    """Whether a way from between two calls may lead to what stands before them."""
    start, end = code.find(first), code.rfind(last)
    return _LOOP.search(code, 0, start) is not None and _BACK.search(code, start, end) is not None


def loops_before(code: str, first: str) -> bool:
    """Whether what stands before a call may run again behind it."""
    return _LOOP.search(code, 0, code.find(first)) is not None


def _is_statement(code: str, at: int) -> bool:
    return _STARTS.search(code, max(at - _BEFORE, 0), at) is not None


def _same_block(code: str, start: int, end: int) -> bool:
    depth = 0
    for match in _BRACE.finditer(code, start, end):
        depth += 1 if match.group() == "{" else -1
        if depth < 0:
            return False
    return depth == 0
