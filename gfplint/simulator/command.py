"""``gfplint simulate``: runs a C function, or replays an oracle file, and prints what was observed."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from gfplint import console
from gfplint.errors import CLEAN, FOUND, GfplintError
from gfplint.kernel.model import Version
from gfplint.kernel.tables import TableError, parse_version
from gfplint.simulator.events import NOTES, Event
from gfplint.simulator.observe import (
    ADVICE,
    DEFAULT_VERSION,
    Observation,
    Options,
    Run,
    explore_program,
    roots,
    trace_of,
)
from gfplint.simulator.oracle import OracleError, read_rows
from gfplint.simulator.oracle import replay as replay_rows
from gfplint.simulator.program import Program, ProgramError, parse

#: The form of the JSON that ``simulate FILE.c --format json`` prints.
FORMAT_VERSION = 1
#: Files larger than this are refused: an oracle file, a program (see frontend/normalise.py).
MAX_ORACLE_BYTES = 1 << 28
#: Lines of one trace.
MAX_TRACE = 200


def run(options: Namespace) -> int:
    """What the command line asks for; returns the exit status. Raises GfplintError for input that can't be used."""
    if options.oracle is not None:
        oracle = _read(options.oracle, MAX_ORACLE_BYTES).decode("utf-8", "replace")
        text, status = replay(oracle, options.format, options.oracle)
    else:
        version = getattr(options, "kernel_version", None)
        text, status = simulate_file(
            _read(options.file, MAX_ORACLE_BYTES),
            options.file,
            function=options.function,
            context=options.context,
            pressure=options.pressure,
            version=_version(version),
            form=options.format,
        )
    console.write([text], getattr(options, "output", None))
    return status


def simulate_file(
    source: bytes,
    name: str,
    *,
    function: str | None = None,
    context: str = "plain",
    pressure: bool = False,
    version: Version = DEFAULT_VERSION,
    form: str = "text",
    only: Collection[str] = (),
) -> tuple[str, int]:
    """Run a function of a program (without a name: every function that nothing in it calls) and describe what was seen.

    ``form``: ``text`` or ``json``; ``only``: the kinds to tell of, where not all are.

    The status is FOUND where a fault was seen. Raises GfplintError where the source is
    no program that can be run.
    """
    options = Options(context=context, pressure=pressure)
    try:
        program = parse(source)
        if function is not None and function not in program.functions:
            known = ", ".join(program.order[:8]) or "none"
            raise GfplintError(f"{name}: no function {function!r} (functions: {known})")
        if not program.functions:
            raise GfplintError(f"{name}: no function to run")
        chosen = (function,) if function is not None else tuple(roots(program))
        runs = list(explore_program(program, options, chosen if context != "plain" or function else None, version))
        if only:
            runs = [_about(run, only) for run in runs]
        text = (
            _json(name, program, runs, options, version)
            if form == "json"
            else _text(name, program, runs, options, version)
        )
    except ProgramError as error:
        raise GfplintError(f"{name}: {error}") from None
    return text, FOUND if any(not _advice(o) for run in runs for o in run.observations) else CLEAN


def _about(run: Run, kinds: Collection[str]) -> Run:
    """A run with the observations of these kinds alone."""
    kept = [n for n, seen in enumerate(run.observations) if seen.kind in kinds]
    return replace(
        run,
        observations=tuple(run.observations[n] for n in kept),
        scripts=tuple(run.scripts[n] for n in kept),
    )


def replay(text: str, form: str = "text", name: str = "oracle") -> tuple[str, int]:
    """Replay the rows of an oracle file. Raises GfplintError where it is none."""
    try:
        rows = read_rows(text.splitlines(keepends=True))
    except OracleError as error:
        raise GfplintError(_clean(f"{name}: {error}")) from None
    result = replay_rows(rows).as_json()
    if form == "json":
        return json.dumps(result, indent=1) + "\n", CLEAN
    lines = [f"{result['rows']} rows, {result['scored']} scored, {result['agree']} agree"]
    if result["inexpressible"]:
        lines.append(f"{len(result['inexpressible'])} rows can't be expressed")
    for group, counts in result["groups"].items():
        lines.append(_clean(f"group {group}: {counts['agree']} of {counts['scored']}"))
    for row in result["disagreements"]:
        case = f"{row['case']}: {row['context']} x {row['call']} {row['mask']}"
        lines.append(_clean(f"{case}: {row['class']}, predicted {row['predicted']}"))
    return "\n".join(lines) + "\n", CLEAN


def _read(path: str, limit: int) -> bytes:
    place = Path(path)
    try:
        if place.exists() and not place.is_file():  # nobody may write to a FIFO, and a terminal has no end
            raise GfplintError(f"{path}: not a regular file")
        with place.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise GfplintError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > limit:
        raise GfplintError(f"{path}: larger than {limit} bytes")
    return data


def _version(text: Any) -> Version:
    if text is None:
        return DEFAULT_VERSION
    if isinstance(text, tuple):
        return text
    try:
        return parse_version(text)
    except TableError as error:
        raise GfplintError(str(error)) from None


def _advice(seen: Observation) -> bool:
    """Whether an observation is no fault: advice, or what depends on a mask that a caller gives."""
    return seen.kind in ADVICE or seen.mask_given


def _clean(text: str) -> str:
    """Text from the program, without control characters."""
    return "".join(ch if ch.isprintable() else f"\\x{ord(ch):02x}" for ch in text)


def _text(name: str, program: Program, runs: list[Run], options: Options, version: Version) -> str:
    lines: list[str] = []
    for run in runs:
        for index in range(len(run.observations)):
            lines += _describe(name, program, run, index, options, version)
            lines.append("")
        if not run.observations:
            lines.append(f"{_clean(name)}: {run.root}() in context {run.context}: nothing observed")
        lines.append(_summary(run))
    return "\n".join(lines) + "\n"


def _summary(run: Run) -> str:
    text = f"{run.root}(): {run.paths} path{'s' if run.paths != 1 else ''} run"
    if run.abandoned:
        text += f", {run.abandoned} given up at a bound"
    return text + (", more not run" if run.truncated else "")


def _describe(name: str, program: Program, run: Run, index: int, options: Options, version: Version) -> list[str]:
    """One observation: where and what, what the path assumed, and its events."""
    seen = run.observations[index]
    note = " (with some of the masks that a caller may pass)" if seen.mask_given else ""
    lines = [f"{_clean(name)}:{seen.line}: {seen.function}(): {seen.kind}: {_clean(seen.message)}{note}"]
    if seen.assumptions:
        lines.append(f"  assuming {_clean('; '.join(seen.assumptions))}")
    lines += [f"  {_step(name, event)}" for event in _events(program, run, index, options, version)]
    return lines


def _events(program: Program, run: Run, index: int, options: Options, version: Version) -> list[Event]:
    """The path's events up to the observation."""
    seen = run.observations[index]
    events = []
    for event in trace_of(program, run, index, options, version)[:MAX_TRACE]:
        events.append(event)
        if event.kind == seen.kind and event.stack == seen.stack:
            break
    return events


def _step(name: str, event: Event) -> str:
    function, line = event.stack[-1] if event.stack else ("", 0)
    what = event.message if event.kind in NOTES else f"{event.kind}: {event.message}"
    return f"{_clean(name)}:{line} in {function}(): {_clean(what)}"


def _json(name: str, program: Program, runs: list[Run], options: Options, version: Version) -> str:
    document = {
        "version": FORMAT_VERSION,
        "path": name,
        "kernel_version": f"{version[0]}.{version[1]}",
        "runs": [
            {
                "function": run.root,
                "context": run.context,
                "paths": run.paths,
                "abandoned": run.abandoned,
                "truncated": run.truncated,
                "observations": [
                    {
                        "line": seen.line,
                        "function": seen.function,
                        "kind": seen.kind,
                        "message": seen.message,
                        "mask_given": seen.mask_given,
                        "stack": [{"function": f, "line": n} for f, n in seen.stack],
                        "assumptions": list(seen.assumptions),
                        "trace": [
                            {
                                "function": e.stack[-1][0] if e.stack else "",
                                "line": e.stack[-1][1] if e.stack else 0,
                                "kind": e.kind,
                                "message": e.message,
                            }
                            for e in _events(program, run, index, options, version)
                        ],
                    }
                    for index, seen in enumerate(run.observations)
                ],
            }
            for run in runs
        ],
    }
    return json.dumps(document, indent=1) + "\n"
