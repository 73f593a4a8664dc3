"""How two calls stand to each other in the text of a body: whether the second always follows the first."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gfplint.kernel.model import ContextOp

#: What may lead out of a region, or around one of its ends.
_JUMP = re.compile(r"\b(?:return|goto|continue|break)\b")
#: What leads from one place to another: a jump to a label, or one out of a loop or a ``switch``; a brace.
_AWAY = re.compile(r"\bgoto\b\s*+(\w*+)|\b(?:break|continue)\b|[{}]")
#: How a loop or a ``switch`` begins, up to its brace.
_HEAD = re.compile(
    r"(?:\b(?:for|while|switch)|each\w*+)\s*+\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\)\s*+\Z|\bdo\s*+\Z"
)
_LABEL = re.compile(r"[;{}:]\s*+(\w++)\s*+(?=:(?!:))")
#: A call, or a brace.
_CALLED = re.compile(r"[{}]|\b[A-Za-z_]\w*+(?=\s*+\()")
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


def even(code: str, first: str, last: str, ops: Mapping[str, ContextOp | None]) -> bool:
    """Whether what is entered between two calls is left there by calls that are made on every way to the second.

    ``ops``: the names of what changes the context there; None for what it does is not known.
    """
    start, end = code.find(first), code.rfind(last) + len(last)
    held: dict[str, int] = {}
    depth = 0
    for match in _CALLED.finditer(code, start, end + 1):
        name = match.group()
        if name in "{}":
            depth += 1 if name == "{" else -1
        elif name in ops:
            op = ops[name]
            if op is None or op.typed:
                return False
            if op.effect == "enter":
                held.update([(kind, held.get(kind, 0) + 1) for kind in op.kinds])
            elif not depth and _is_statement(code, match.start()):
                held.update([(kind, held.get(kind, 0) - 1) for kind in op.kinds])
    return all(count <= 0 for count in held.values())


def leaves_between(code: str, first: str, last: str) -> bool:
    """Whether a jump of any kind stands between two calls."""
    return _JUMP.search(code, code.find(first), code.rfind(last)) is not None


def leads_away(code: str, first: str, last: str) -> bool:
    """Whether a jump from between two calls, that is no return, may lead elsewhere than to the second."""
    start, end = code.find(first), code.rfind(last)
    labels = frozenset(_LABEL.findall(code, start, end))
    blocks: list[bool] = []  # those that are open, each with whether a ``break`` leads out of it alone
    begin = start
    for match in _AWAY.finditer(code, start, end):
        found = match.group()
        if found == "{":
            blocks.append(_HEAD.search(code, begin, match.start()) is not None)
        elif found == "}":
            del blocks[-1:]
        elif match.group(1) is None:
            if True not in blocks:
                return True
        elif match.group(1) not in labels:
            return True
        if found in "{}":
            begin = match.end()
    return False


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
