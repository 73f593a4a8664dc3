"""Frees written anew, so that they take what the allocation in the same function was given.

A fix has to be right whatever stands around it: what the allocation names must mean the same at the free, and the free
must get nothing else there. Where that is not plain from the text, there is no fix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gfplint.analysis.measures import is_constant
from gfplint.analysis.summary import FreeSite
from gfplint.analysis.values import Memory
from gfplint.findings import Edit, Fix
from gfplint.frontend.blank import Source
from gfplint.frontend.spans import CallText, call_text, has_directive, is_plain
from gfplint.kernel.model import Free
from gfplint.ruleset import View

#: What may be written twice, beside constants: an access path, or its address.
_PLAIN = re.compile(r"&?\s*[A-Za-z_]\w*(?:\s*(?:->|\.)\s*\w+)*")
_ROOT = re.compile(r"[A-Za-z_]\w*")
_BRACE = re.compile(r"[{}]")


def freed_by(view: View, site: FreeSite, row: Free, others: Mapping[int, str]) -> Fix | None:
    """The free ``row`` in the place of the one at ``site``: its pointer stays, ``others`` are its other arguments.

    None where it can't be put there, or where something else arrives there, too.
    """
    text = _free_text(view, site)
    written = view.kernel.freeing(site.callee).arg
    if text is None or view.source is None or written >= len(text.args):
        return None
    source = view.source()
    count = max([row.arg, *others]) + 1
    pointer = source.code[slice(*text.args[written])]
    args = [pointer if at == row.arg else others.get(at, "") for at in range(count)]
    if not all(args):
        return None
    start, end = source.position(text.whole.start), source.position(text.whole.end)
    return Fix(True, (Edit(view.summary.path, start, end, f"{row.name}({', '.join(args)})"),))


def freed_with(view: View, site: FreeSite, number: int | None, text: str) -> Fix | None:
    """The same free with another argument, as ``freed_by``."""
    call = _free_text(view, site)
    if call is None or view.source is None or not text or number is None or number >= len(call.args):
        return None
    source, span = view.source(), call.args[number]
    return Fix(True, (Edit(view.summary.path, source.position(span.start), source.position(span.end), text),))


def argument(view: View, site: FreeSite, number: int | None) -> str:
    """An argument of the allocation as written, where it means the same at the free; "" where that is not sure."""
    memory = site.memory
    if memory is None or number is None or view.source is None or memory.function != view.summary.name:
        return ""
    source = view.source()
    free, allocation = _free_text(view, site), _text(source, view, memory)
    if free is None or allocation is None or number >= len(allocation.args):
        return ""
    if free.whole.start < allocation.whole.end:
        return ""
    found = allocation.args[number]
    between = source.code[allocation.whole.end : free.whole.start]
    text = source.code[found.start : found.end]
    known = _PLAIN.fullmatch(text) or is_constant(text)
    return text if known and is_plain(source, found) and _same(text, between) else ""


def _text(source: Source, view: View, memory: Memory) -> CallText | None:
    return call_text(source, memory.place) if memory.path == view.summary.path else None


def _free_text(view: View, site: FreeSite) -> CallText | None:
    """The free as written, where nothing but the memory arrives there and nothing but code stands in it."""
    memory = site.memory
    if site.doubt or site.steps or site.scope_exit or (memory is not None and memory.offset):
        return None
    here = [s for s in view.summary.frees if s.place == site.place and not s.empty]
    if view.source is None or memory is None or any(s.memory is None or s.memory.place != memory.place for s in here):
        return None
    source = view.source()
    text = call_text(source, site.place)
    if text is None or has_directive(source, text.whole) or not is_plain(source, text.whole):
        return None
    name = source.code[text.name.start : text.name.end]
    return text if name == site.callee else None


def _same(text: str, between: str) -> bool:
    """Whether a path means the same behind some code: its block is not left, and nothing in it gets another value."""
    depth = 0
    for brace in _BRACE.finditer(between):
        depth += 1 if brace.group() == "{" else -1
        if depth < 0:
            return False
    names = _ROOT.findall(text)
    given = re.compile(rf"\b(?:{'|'.join(names)})\b\s*(?:(?:[-+*/|&^%]|<<|>>)?=(?!=)|\+\+|--)") if names else None
    return given is None or given.search(between) is None
