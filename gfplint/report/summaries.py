"""``gfplint summary``: what the analysis knows of functions, as text and as one JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gfplint.analysis.describe import described
from gfplint.analysis.summary import Lock, Sleep, Summary
from gfplint.kernel.model import Kernel
from gfplint.report.encode import document


def lines(summaries: Sequence[Summary], kernel: Kernel) -> Iterator[str]:
    """For people."""
    for summary in summaries:
        yield from described(summary, kernel)


def listing(summaries: Sequence[Summary], kernel: Kernel) -> Iterator[str]:
    """The same as one JSON object."""
    yield document({"summaries": [_summary(s) for s in summaries]})


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "function": summary.name,
        "path": summary.path,
        "parameters": list(summary.params),
        "context": [{"when": e.when, "enters": _locks(e.enters), "leaves": _locks(e.leaves)} for e in summary.effects],
        "sleeps": [_sleep(s) for s in summary.sleeps],
        "returns": [
            {"allocator": m.allocator, "family": m.family, "path": m.path, "line": m.place.line}
            for m in summary.returns
        ],
        "frees": [{"argument": f.number, "free": f.free} for f in summary.frees_params],
        "degraded": list(summary.degraded),
    }


def _sleep(sleep: Sleep) -> dict[str, Any]:
    mask = sleep.mask
    return {
        "how": sleep.how,
        "kind": sleep.kind,
        "mask": None if mask is None else {"from": mask.base, "with": sorted(mask.plus), "without": sorted(mask.minus)},
        "conditions": [{"kind": kind, "text": text, "holds": truth} for kind, text, truth in sleep.guards],
        "dropped": _locks(sleep.dropped),
        "held": _locks(sleep.inner),
        "trace": [
            {"path": s.path, "line": s.line, "column": s.column, "function": s.function, "message": s.message}
            for s in (*sleep.steps, *sleep.also)
        ],
    }


def _locks(locks: Sequence[Lock]) -> list[dict[str, str]]:
    return [{"kind": kind, "lock": lock} for kind, lock in locks]
