"""How two calls stand to each other in the text of a body: whether the second always follows the first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

from gfplint.analysis.written import is_word, places
from gfplint.kernel.model import ContextOp

#: What may lead out of a region, or around one of its ends.
_JUMP = re.compile(r"\b(?:return|goto|continue|break)\b", re.ASCII)
#: What leads from one place to another: a jump to a label, or one out of a loop or a ``switch``; a brace.
_AWAY = re.compile(r"\bgoto\b\s*+(\w*+)|\b(?:break|continue)\b|[{}]", re.ASCII)
#: How a loop or a ``switch`` begins, up to its brace.
_HEAD = re.compile(
    r"\b(?:for|while|switch|(?=\w*each)\w++)\s*+\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\)\s*+\Z|\bdo\s*+\Z",
    re.ASCII,
)
_LABEL = re.compile(r"[;{}:]\s*+(\w++)\s*+(?=:(?!:))", re.ASCII)
#: A call, of what stands in brackets as well, or a brace.
_CALLED = re.compile(r"[{}]|\b[A-Za-z_]\w*+(?=\s*+(?:\)\s*+)?+\()", re.ASCII)
#: Labels before a statement.
_LABELS = re.compile(r"\s*+(?:(?:case\b[^?;{}:]*+|\w++)\s*+:(?!:)\s*+)*+", re.ASCII)
#: What may lead back to an earlier place: a loop, or a label.
_LOOP = re.compile(r"\b(?:for|while|do)\b|each|EACH|[;{}]\s*+\w++\s*+:(?!:)", re.ASCII)
#: A name with what may be its arguments, and a block behind it.
_HEADED = re.compile(
    r"\b([A-Za-z_]\w*+)\s*+\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\))*+\))*+\)\s*+\{",
    re.ASCII,
)
#: Of these, what runs its block once at most.
_ONCE = frozenset(("if", "switch", "scoped_guard", "scoped_cond_guard"))
#: How a statement begins behind another: what is behind a condition does not always run.
_STARTS = re.compile(r"[;{}:]\s*+(?:\w++\s*+=\s*+)?\Z", re.ASCII)
_BRACE = re.compile(r"[{}]")
#: How the value of statements begins.
_INNER = re.compile(r"\(\s*+\{")
#: White space and an assigned name before a call.
_BEFORE = 120
#: The head of a ``for`` is not longer.
_HEAD_LENGTH = 400
#: What is entered at a time, at most.
_MAX_ENTERED = 8


def straight(code: str, first: str, last: str) -> bool:
    """Whether the last call of ``last`` ends what the first of ``first`` begins, on every way that does not return."""
    start, end = first_of(code, first), last_of(code, last)
    return 0 <= start <= end and _same_block(code, start, end) and _is_statement(code, end)


def even(code: str, first: str, last: str, ops: Mapping[str, ContextOp | None]) -> bool:
    """Whether what is entered between two calls is left there by calls that are made on every way to the second.

    ``ops``: the names of what changes the context there; None for what it does is not known.
    """
    start, end = first_of(code, first), last_of(code, last) + len(last)
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
    return _JUMP.search(code, first_of(code, first), last_of(code, last)) is not None


def leads_away(code: str, first: str, last: str) -> bool:
    """Whether a jump from between two calls, that is no return, may lead elsewhere than to the second."""
    return _leads_away(code, first_of(code, first), last_of(code, last))


def _leads_away(code: str, start: int, end: int) -> bool:
    labels = frozenset(_LABEL.findall(code, start, end))
    blocks: list[str] = []  # those that are open, each with how it begins that a ``break`` leads out of
    begin = start
    for match in _AWAY.finditer(code, start, end):
        found = match.group()
        if found == "{":
            head = _HEAD.search(code, begin, match.start())
            blocks.append(head.group() if head is not None else "")
        elif found == "}":
            del blocks[-1:]
        elif match.group(1) is None:
            if not any(head and (found == "break" or not head.startswith("switch")) for head in blocks):
                return True
        elif match.group(1) not in labels:
            return True
        if found in "{}":
            begin = match.end()
    return False


def apart(code: str, ops: Mapping[str, ContextOp], vague: Set[str], names: Set[str], *, plain: bool = False) -> bool:
    """Whether every context is entered by a statement, and left by one in the same block that no way between the two
    leads around, while none of ``names`` is called between them; False where that does not show. Directives don't: they
    are blanked (``Linker.conditional``).

    ``ops``: what changes the context; ``vague``: names of what may change it in another way. ``plain``: whether nothing
    else is left either, nothing is entered twice, and no way ends between the two.
    """
    depth = 0
    entered: list[tuple[int, ContextOp, int]] = []  # what is not left yet, with the depth of its block, and where
    for match in _CALLED.finditer(code):
        name, at = match.group(), match.start()
        op = ops.get(name)
        if name == "{":
            depth += 1
        elif name == "}":
            depth -= 1
            if entered and entered[-1][0] > depth:
                return False
        elif name in vague or (entered and name in names):
            return False
        elif op is not None and op.effect == "enter":
            if op.when != "always" or op.typed or len(entered) == _MAX_ENTERED or not _always_runs(code, at):
                return False
            if plain and any(one[1].kinds[0] == op.kinds[0] for one in entered):
                return False
            entered.append((depth, op, at))
        elif op is not None and (entered or plain):
            here = [one for one in entered if one[0] == depth and one[1].kinds[0] == op.kinds[0]]
            if here and not op.typed and _always_runs(code, at):
                begin = here[-1][2]
                if not set(here[-1][1].kinds) <= set(op.kinds) or _leads_away(code, begin, at):
                    return False
                if plain and _JUMP.search(code, begin, at) is not None:
                    return False
                entered.remove(here[-1])
            elif plain:
                return False
    return not entered


def loops_before(code: str, first: str) -> bool:
    """Whether what stands before a call may run again behind it."""
    return _loops(code, first_of(code, first))


def evaluated_with(code: str, first: str, names: Set[str]) -> bool:
    """Whether one of some names stands before a call in its statement: what is an argument of it is evaluated first."""
    at = first_of(code, first)
    begin = max(code.rfind(char, 0, at) for char in ";{}")
    return any(name in code[begin + 1 : at] for name in names)


def leading(code: str, names: Set[str]) -> str:
    """What of a body may run before the last call of one of some names: up to the end of that statement, and all where
    something may run again, or where a statement is part of another.
    """
    last = max(map(code.rfind, names))
    if last < 0:
        return ""
    end = code.find(";", last)
    if end < 0 or _INNER.search(code) is not None or _loops(code, len(code)):
        return code
    return code[:end]


def first_of(code: str, name: str) -> int:
    """The offset where a name first stands as a word; -1 where it does not."""
    return next(places(code, name), -1)


def last_of(code: str, name: str) -> int:
    """The offset where a name last stands as a word; -1 where it does not."""
    at = code.rfind(name)
    while at >= 0 and not is_word(code, at, len(name)):
        at = code.rfind(name, 0, at)
    return at


def _loops(code: str, end: int) -> bool:
    if _LOOP.search(code, 0, end) is not None:
        return True
    return any(found.group(1) not in _ONCE for found in _HEADED.finditer(code, 0, end))


def _is_statement(code: str, at: int) -> bool:
    return _STARTS.search(code, max(at - _BEFORE, 0), at) is not None


def _always_runs(code: str, at: int) -> bool:
    """Whether a call is a statement that runs whenever its block does: no part of another, nor behind a condition."""
    near = max(at - _HEAD_LENGTH, 0)
    brace = max(code.rfind("{", near, at), code.rfind("}", near, at))
    last = max(brace, code.rfind(";", near, at))
    if last < 0 or _LABELS.fullmatch(code, last + 1, at) is None:
        return False
    begin = max(brace, code.find(";", near, at) if near else 0)
    return code.count("(", begin, at) == code.count(")", begin, at)  # else it stands in the head of a ``for``


def _same_block(code: str, start: int, end: int) -> bool:
    depth = 0
    for match in _BRACE.finditer(code, start, end):
        depth += 1 if match.group() == "{" else -1
        if depth < 0:
            return False
    return depth == 0
