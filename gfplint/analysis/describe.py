"""A summary in words, for ``gfplint summary``."""

from __future__ import annotations

from collections.abc import Iterator

from gfplint.analysis.summary import Effect, Lock, Sleep, Summary
from gfplint.kernel.model import Kernel


def described(summary: Summary, kernel: Kernel) -> Iterator[str]:
    """Lines that say what a function does to its caller's context, what it may allocate there, and why."""
    yield f"{summary.name}({', '.join(summary.params)})  {summary.path}\n"
    if not summary.effects:
        yield "  context: left as it was\n"
    for effect in summary.effects:
        yield f"  context: {_effect(effect, kernel)}\n"
    for sleep in summary.sleeps:
        yield from _sleep(sleep, kernel)
    if not summary.sleeps:
        yield "  sleeps: no allocation or free that may sleep is known, but for what its own context forbids\n"
    for memory in summary.returns:
        yield f"  returns: memory from {memory.allocator}() ({memory.path}:{memory.place.line})\n"
    for freed in summary.frees_params:
        yield f"  frees: its argument {freed.number + 1} with {freed.free}()\n"
    for reason in summary.degraded:
        yield f"  understood in part: {reason}\n"


def _effect(effect: Effect, kernel: Kernel) -> str:
    when = {"always": "", "zero": " when it returns zero", "nonzero": " when it does not return zero"}[effect.when]
    parts = []
    if effect.enters:
        parts.append("enters " + _locks(effect.enters, kernel))
    if effect.leaves:
        parts.append("leaves " + _locks(effect.leaves, kernel))
    return " and ".join(parts) + when


def _locks(locks: tuple[Lock, ...], kernel: Kernel) -> str:
    return ", ".join(f"{kernel.kinds[kind].title} {lock}".strip() for kind, lock in locks)


def _sleep(sleep: Sleep, kernel: Kernel) -> Iterator[str]:
    what = "may allocate with the mask that it is given" if sleep.mask is not None and sleep.mask.base else "may sleep"
    yield f"  sleeps: {what}, in {sleep.how}()\n"
    for kind, text, truth in sleep.guards:
        condition = f"{text} blocks" if kind == "blocking" else text
        yield f"    only if {'' if truth else 'not '}{condition}\n"
    if sleep.dropped:
        yield f"    without {_locks(sleep.dropped, kernel)} of its caller\n"
    if sleep.inner:
        yield f"    under {_locks(sleep.inner, kernel)} of its own\n"
    for step in (*sleep.steps, *sleep.also):
        yield f"    {step.path}:{step.line}: {step.message}\n"
