"""What each command does: from its options to the engine, and from the engine's answer to a report.

The engine, the rules and the simulator are imported by the commands that need them: they are most of the start.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from gfplint import __version__, cli, config, console, fixes, manual, report, select
from gfplint.config import Settings
from gfplint.errors import CLEAN, FAILED, FOUND, GfplintError
from gfplint.findings import ScanResult, Skipped
from gfplint.kernel.model import Version
from gfplint.phases import Phases
from gfplint.report import catalogue, facts, gcc, lines, sites, summaries, text
from gfplint.report.presentation import Presentation, as_is
from gfplint.tree import read_patch


def run(options: Namespace) -> int:
    """Run the command that ``options.command`` names; returns the exit status."""
    return _COMMANDS[options.command](options)


# ---- scans ---------------------------------------------------------------------------------------------------


def _scan(options: Namespace) -> int:
    with _patch_in_a_file(_settings(options)) as settings:
        return _scan_with(settings, options)


@contextlib.contextmanager
def _patch_in_a_file(settings: Settings) -> Iterator[Settings]:
    """A patch on standard input can be read once only, and is needed again for the lines that the report shows."""
    if settings.patch != "-":
        yield settings
        return
    data = read_patch("-")
    with tempfile.NamedTemporaryFile(prefix="gfplint-") as file:
        file.write(data)
        file.flush()
        yield msgspec.structs.replace(settings, patch=file.name)


def _scan_with(settings: Settings, options: Namespace) -> int:
    if options.output not in (None, "-") and not Path(options.output).parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), options.output)  # not after a long scan
    result = _scanned(settings)
    if settings.fix:
        result = _fixed(settings, result)
    if settings.fix_diff:
        console.write(_fix_diff(settings, result), options.output, "surrogateescape")
    else:
        console.write(report.render(settings.format, result, _presentation(settings)), options.output)
    if settings.statistics:
        _write_statistics(settings, result)
    return _status(result.skipped, bool(result.findings) and not settings.exit_zero)


def _scanned(settings: Settings) -> ScanResult:
    from gfplint import engine

    phases = Phases()
    with console.Progress(settings.quiet) as progress:
        result = engine.scan(settings, progress=progress, phases=phases)
    if settings.statistics and settings.verbose:  # never the same twice: no part of the output
        console.write_to(sys.stderr, phases.lines())
    for note in result.notes if not settings.quiet else ():
        console.complain(note)
    _name(result.skipped)
    return result


def _name(skipped: Iterable[Skipped]) -> None:
    """Name what could not be read or linted on stderr."""
    for item in skipped:
        if item.failed:
            console.complain(f"{item.path}: {item.reason}")


def _status(skipped: Iterable[Skipped], findings: bool = False) -> int:
    if any(item.failed for item in skipped):
        return FAILED
    return FOUND if findings else CLEAN


def _fixed(settings: Settings, result: ScanResult) -> ScanResult:
    """Apply the safe fixes to the work tree; what is left of the result."""
    from gfplint import engine

    chosen = fixes.choose(result.findings)
    root = engine.root(settings).path
    written: list[str] = []
    try:
        for path, data in fixes.apply(chosen, engine.reader(settings)).items():
            console.replace(root / path, data)
            written.append(path)
    except OSError:
        for path in written:
            console.complain(f"{path}: fixed")
        raise
    if not settings.quiet:
        console.complain(f"{len(chosen)} fixed, {len(result.findings) - len(chosen)} left")
    done = {id(finding) for finding in chosen}
    return msgspec.structs.replace(result, findings=tuple(f for f in result.findings if id(f) not in done))


def _fix_diff(settings: Settings, result: ScanResult) -> Iterable[str]:
    from gfplint import engine

    root = engine.root(settings).path

    def shown(path: str) -> str:
        """``git apply`` takes names as the current folder has them, and none outside of it."""
        here = os.path.relpath(root / path)
        return path if here.startswith("..") else here

    return fixes.patch(fixes.choose(result.findings), engine.reader(settings), shown)


def _write_statistics(settings: Settings, result: ScanResult) -> None:
    # Beside a document for programs the counts would spoil it.
    beside_text = settings.format == "text" and settings.output is None and not settings.fix_diff
    console.write_to(sys.stdout if beside_text else sys.stderr, text.statistics(result))


def _baseline(options: Namespace) -> int:
    from gfplint import engine

    settings = _settings(options)
    output = options.output or str(settings.baseline or select.BASELINE)
    before = select.read_baseline(Path(output)) if output != "-" and Path(output).exists() else None
    # What is listed already is found again, or it would go.
    settings = msgspec.structs.replace(settings, baseline=None)
    result = _scanned(settings)
    looks_for = engine.looks_for(settings)
    complete = not any(skipped.failed for skipped in result.skipped)  # else what is not found may still be there
    baseline = select.make_baseline(
        result.findings,
        before,
        options.reason,
        engine.root(settings).has,
        lambda item: complete and looks_for(item.rule, item.path),
    )
    console.write([select.encode_baseline(baseline).decode()], output)
    if not settings.quiet:
        count = len(baseline.findings)
        console.complain(f"{count} {'finding' if count == 1 else 'findings'} in {output}")
    return _status(result.skipped)


def _kbuild(options: Namespace) -> int:
    """Lint the file that the last argument names; the build goes on whatever happens."""
    try:
        if not options.arguments:
            raise GfplintError('kbuild expects the arguments of a compiler: make C=1 CHECK="gfplint kbuild"')
        console.write_to(sys.stderr, _kbuild_report(options.arguments[-1]))
    except Exception as error:
        console.complain(console.describe(error))
    return CLEAN


def _kbuild_report(source: str) -> Iterable[str]:
    from gfplint import engine

    options = config.Options(paths=(source,), jobs=1, quiet=True)
    settings = config.load_settings(options, Path(source), _codes())
    root = engine.root(settings).path
    # kbuild may run elsewhere (O=, M=): editors and make's log need paths from its folder.
    how = Presentation(__version__, shown=lambda path: os.path.relpath(root / path))
    return gcc.render(_scanned(settings), how)


# ---- questions -----------------------------------------------------------------------------------------------


def _explain(options: Namespace) -> int:
    from gfplint import rules

    rule = catalogue.find(rules.catalogue(), options.code)
    console.write([*catalogue.page(rule), *_shown_by_the_simulator(rule.page, rule.sim)], options.output)
    return CLEAN


def _shown_by_the_simulator(page: str, sim: str) -> Iterator[str]:
    """What happens when the page's bad example runs; nothing for rules without an observable."""
    example = page.partition("## Example")[2].partition("```c\n")[2].partition("```")[0]
    if not sim or not example:
        return
    from gfplint.simulator import command
    from gfplint.simulator.observe import OBSERVABLES

    if "\n{" not in example:
        example = f"int example(void)\n{{\n{example}\treturn 0;\n}}\n"
    try:
        # What an allocator prints of a mask it can't honour, it prints when memory is short.
        only, short = OBSERVABLES[sim], sim == "warn"
        text, _ = command.simulate_file(example.encode(), "example.c", only=only, pressure=short)
    except GfplintError:
        return
    yield "\n## What the simulator shows\n\n"
    yield from (f"    {line}\n" if line else "\n" for line in text.rstrip().split("\n"))


def _rules(options: Namespace) -> int:
    asked = config.load_settings(config.Options(kernel_version=options.kernel_version), Path())
    if options.facts:
        return _facts(options, asked.kernel_version)
    from gfplint import rules

    render = catalogue.listing if options.format == "json" else catalogue.lines
    console.write(render(rules.catalogue()), options.output)
    return CLEAN


def _facts(options: Namespace, asked: Version | None) -> int:
    from gfplint.kernel.callbacks import with_callbacks
    from gfplint.kernel.load import load
    from gfplint.kernel.probe import probes_of
    from gfplint.target import NEWEST

    version = asked or NEWEST
    kernel = with_callbacks(load(version, probes_of(version)))
    render = facts.listing if options.format == "json" else facts.lines
    console.write(render(kernel), options.output)
    return CLEAN


def _sites(options: Namespace) -> int:
    from gfplint import questions

    settings = _settings(options)
    with console.Progress(settings.quiet) as progress:
        found, skipped = questions.sites(settings, progress=progress)
    _name(skipped)
    render = sites.listing if options.format == "json" else sites.lines
    console.write(render(found), options.output)
    return _status(skipped)


def _summary(options: Namespace) -> int:
    from gfplint import questions

    settings = _settings(options)
    with console.Progress(settings.quiet) as progress:
        found, kernel, skipped = questions.summary(settings, options.name, progress=progress)
    _name(skipped)
    render = summaries.listing if options.format == "json" else summaries.lines
    console.write(render(found, kernel), options.output)
    return _status(skipped)


def _simulate(options: Namespace) -> int:
    from gfplint.simulator import command

    if (options.file is None) == (options.oracle is None):
        raise GfplintError("simulate takes either a program or --oracle FILE.csv")
    return command.run(options)


def _index(options: Namespace) -> int:
    from gfplint import engine

    settings = _settings(options)
    with console.Progress(settings.quiet) as progress:
        result = engine.index(settings, export=options.export, progress=progress)
    _name(result.skipped)
    if not settings.quiet:
        count = result.statistics.get("files", 0)
        console.complain(f"{count} {'file' if count == 1 else 'files'} indexed")
    return _status(result.skipped)


def _completion(options: Namespace) -> int:
    console.write([manual.completion(cli.parser(), options.shell)], options.output)
    return CLEAN


# ---- shared --------------------------------------------------------------------------------------------------


def _settings(options: Namespace) -> Settings:
    given = {field: getattr(options, field) for field in config.Options.__struct_fields__ if field in options}
    for field in ("paths", "select", "ignore"):
        if given.get(field) is not None:
            given[field] = tuple(given[field])
    start = Path(options.paths[0] if options.paths else ".")
    return config.load_settings(config.Options(**given), start, _codes())


def _codes() -> list[str]:
    from gfplint import rules

    return [rule.code for rule in rules.catalogue()]


def _presentation(settings: Settings) -> Presentation:
    from gfplint import engine, rules

    return Presentation(
        version=__version__,
        shown=_from_the_top(settings) if settings.format in _FOR_SERVICES else as_is,
        read_lines=lines.reader(engine.reader(settings)),
        rules={rule.code: rule for rule in rules.catalogue()},
        colour=settings.output is None and console.wants_colour(settings.color, sys.stdout),
        quiet=settings.quiet,
        verbose=settings.verbose,
    )


#: Formats of services that show a finding beside a file of the repository.
_FOR_SERVICES = frozenset({"sarif", "github", "gitlab", "junit", "rdjson"})


def _from_the_top(settings: Settings) -> Callable[[str], str]:
    """A path as the top of the repository sees it: a kernel may stand in a folder of it."""
    from gfplint import engine

    root = engine.root(settings)
    if root.git is None or root.git == root.path:
        return as_is
    folder = root.path.relative_to(root.git).as_posix()
    return lambda path: f"{folder}/{path}"


_COMMANDS: Mapping[str, Callable[[Namespace], int]] = {
    "scan": _scan,
    "explain": _explain,
    "rules": _rules,
    "simulate": _simulate,
    "sites": _sites,
    "summary": _summary,
    "baseline": _baseline,
    "index": _index,
    "kbuild": _kbuild,
    "completion": _completion,
}
