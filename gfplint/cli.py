"""The command line: commands and options, and nothing else.

Each command hands its options to the engine, a report or the simulator. Only what a command needs is imported, so
that ``gfplint --version`` and the shell's completion answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

from gfplint import __version__
from gfplint.errors import CLEAN, FAILED, INTERRUPTED
from gfplint.escape import printable

Options = argparse.Namespace

#: The values of ``--format``; a test holds them to gfplint.report.FORMATS, whose import would cost more than a start.
_FORMATS = ("text", "gcc", "json", "sarif", "github", "gitlab", "junit", "rdjson")
_TWO_FORMATS = ("text", "json")
#: What the simulator knows (simulator/task.py), written out: the parser loads nothing.
_CONTEXTS = (
    *("plain", "process", "sleepable", "kthread", "workqueue", "threaded-irq", "softirq", "timer", "tasklet", "rcu"),
    *("bh-workqueue", "timer-irqsafe", "bh-disabled", "hardirq", "hrtimer", "ipi", "stopper", "atomic", "irqs-off"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. No input and no interruption makes it raise."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options = _parse(arguments)
        from gfplint import commands

        return commands.run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return FAILED
    except Exception as error:
        return _failed(error) if arguments[:1] != ["kbuild"] else _passed_over(error)


def parser() -> argparse.ArgumentParser:
    """All commands and options; the man page and the completions are written from it."""
    top = _Parser(
        prog="gfplint",
        description="Lints memory allocation in Linux kernel code against the kernel's Memory Allocation Guide.",
        epilog="Exit status: 0 nothing shown, 1 findings shown, 2 the run failed or was incomplete.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"gfplint {__version__}", help="print the version and exit")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Command)
    for add in (_add_scan, _add_explain, _add_rules, _add_simulate, _add_sites, _add_summary, _add_baseline):
        add(commands)
    for add in (_add_index, _add_kbuild, _add_completion):
        add(commands)
    return top


def _parse(arguments: Sequence[str]) -> Options:
    if arguments[:1] == ["kbuild"] and arguments[1:] not in (["-h"], ["--help"]):
        # What follows is a compiler's command line, not ours.
        return Options(command="kbuild", arguments=list(arguments[1:]))
    return parser().parse_args(arguments)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {printable(message)}\n")


class _Command(_Parser):
    """Takes options and names in any order: argparse alone takes all names together."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        if self._mixing or "--" in args:  # by what is called below; or the user has put the names apart
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


_Commands: TypeAlias = "argparse._SubParsersAction[_Command]"


# ---- commands ------------------------------------------------------------------------------------------------


def _add_scan(commands: _Commands) -> None:
    command = _command(commands, "scan", "lint files and trees")
    _paths(command, "files and folders to lint (default: the current folder)")
    group = command.add_argument_group("what to report")
    _selection(group)
    group.add_argument("--exit-zero", action="store_true", help="exit with 0 even where findings are shown")
    group = command.add_argument_group("only what is new")
    state = group.add_mutually_exclusive_group()
    state.add_argument(
        "--diff", metavar="REV", help="only what the work tree adds since this git revision; A..B: what B adds"
    )
    state.add_argument("--staged", action="store_true", help="only what the staged changes add")
    state.add_argument(
        "--patch", type=_name, metavar="FILE", help="only what this patch or mail series adds ('-': standard input)"
    )
    group.add_argument("--baseline", type=_name, metavar="FILE", help="leave out the findings that this baseline lists")
    group = command.add_argument_group("output")
    group.add_argument("--format", choices=_FORMATS, default="text", help="format of the report (default: text)")
    _output(group)
    _colour(group)
    group.add_argument("--statistics", action="store_true", help="count findings by rule; with -v time the phases")
    fixes = group.add_mutually_exclusive_group()
    fixes.add_argument("--fix", action="store_true", help="apply the safe fixes")
    fixes.add_argument("--fix-diff", action="store_true", help="print the safe fixes as a patch for 'git apply'")
    _running(command, linting=True)


def _add_explain(commands: _Commands) -> None:
    command = _command(commands, "explain", "explain a rule: what, why, bad and good, what the simulator shows")
    command.add_argument("code", metavar="CODE", help="a rule's code or name")
    _output(command)


def _add_rules(commands: _Commands) -> None:
    command = _command(commands, "rules", "list all rules, a line each")
    _version_option(command)
    command.add_argument("--facts", action="store_true", help="list the facts that only the kernel's source confirms")
    command.add_argument("--format", choices=_TWO_FORMATS, default="text", help="format of the list (default: text)")
    _output(command)


def _add_simulate(commands: _Commands) -> None:
    command = _command(commands, "simulate", "run a C function in the reference simulator")
    command.add_argument("file", type=_name, metavar="FILE.c", nargs="?", help="the program to run")
    command.add_argument("--function", metavar="NAME", help="the function to run (default: all that no other calls)")
    known = ", ".join(_CONTEXTS)
    command.add_argument(
        "--context",
        choices=_CONTEXTS,
        default="plain",
        metavar="NAME",
        help=f"context to run it in (default: plain): {known}",
    )
    command.add_argument("--pressure", action="store_true", help="let memory be short: explore failures and reclaim")
    command.add_argument(
        "--oracle", type=_name, metavar="FILE.csv", help="replay the rows of an oracle and predict their classes"
    )
    _version_option(command)
    command.add_argument("--format", choices=_TWO_FORMATS, default="text", help="format of the trace (default: text)")
    _output(command)


def _add_sites(commands: _Commands) -> None:
    command = _command(commands, "sites", "list the allocation and free call sites")
    _paths(command, "files and folders to read (default: the current folder)")
    command.add_argument("--format", choices=_TWO_FORMATS, default="text", help="format of the list (default: text)")
    _output(command)
    _running(command)


def _add_summary(commands: _Commands) -> None:
    command = _command(commands, "summary", "show what the analysis knows of a function")
    command.add_argument("name", metavar="NAME", help="the function's name")
    _paths(command, "file or tree that defines it (default: the current folder)")
    command.add_argument("--format", choices=_TWO_FORMATS, default="text", help="format of the answer (default: text)")
    _output(command)
    _running(command)


def _add_baseline(commands: _Commands) -> None:
    command = _command(commands, "baseline", "write a baseline of today's findings for scan --baseline")
    _paths(command, "files and folders to lint (default: the current folder)")
    _selection(command)
    command.add_argument("--reason", metavar="TEXT", default="", help="why the findings that are new in it may stay")
    command.add_argument(
        "--output",
        type=_name,
        metavar="FILE",
        help="where to write it, '-' for stdout; the reasons in an older one are kept "
        "(default: the configuration's, or .gfplint-baseline.json)",
    )
    _running(command, linting=True)


def _add_index(commands: _Commands) -> None:
    command = _command(commands, "index", "build the whole-program index of a tree, or export it")
    _paths(command, "tree to index (default: the current folder)")
    command.add_argument(
        "--export", type=_name, metavar="FILE", help="write the tree's summaries for scan --kernel-index"
    )
    _confidence(command, "sure enough for the scans to come: the same as theirs (default: medium)")
    _running(command)


def _add_kbuild(commands: _Commands) -> None:
    command = commands.add_parser(
        "kbuild",
        help='lint one file from kbuild: make C=1 CHECK="gfplint kbuild"',
        description='For make C=1 CHECK="gfplint kbuild". Findings go to stderr as a compiler writes them; '
        "the exit status is 0 whatever is found, and a build never breaks.",
        allow_abbrev=False,
    )
    command.add_argument("arguments", metavar="ARGS", nargs="*", help="the compiler's arguments, the C file last")
    command.set_defaults(command="kbuild")


def _add_completion(commands: _Commands) -> None:
    command = _command(commands, "completion", "print a completion script for a shell")
    command.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to complete in")
    _output(command)


# ---- options that commands share ---------------------------------------------------------------------------


_Target = argparse._ActionsContainer


def _command(commands: _Commands, name: str, summary: str) -> argparse.ArgumentParser:
    description = summary[0].upper() + summary[1:] + "."
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description, allow_abbrev=False
    )
    command.set_defaults(command=name)
    return command


def _paths(command: _Target, meaning: str) -> None:
    command.add_argument("paths", type=_name, metavar="PATH", nargs="*", help=meaning)


def _selection(group: _Target) -> None:
    group.add_argument(
        "--select", metavar="CODES", action="append", help="only these rules: codes or prefixes, by commas"
    )
    group.add_argument(
        "--ignore", metavar="CODES", action="append", help="not these rules: codes or prefixes, by commas"
    )
    _confidence(group, "show only findings as sure as this (default: medium)")
    group.add_argument("--advice", action="store_true", default=None, help="show advice too")
    group.add_argument("--preview", action="store_true", default=None, help="run the rules in preview too")


def _confidence(group: _Target, meaning: str) -> None:
    group.add_argument("--min-confidence", choices=("high", "medium", "low"), help=meaning)


def _output(group: _Target) -> None:
    group.add_argument("--output", type=_name, metavar="FILE", help="write to this file (default: stdout)")


def _colour(group: _Target) -> None:
    group.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colours (default: auto)")


def _version_option(group: _Target, default: str = "the newest known") -> None:
    group.add_argument("--kernel-version", metavar="X.Y", help=f"kernel semantics to assume (default: {default})")


def _running(command: argparse.ArgumentParser, *, linting: bool = False) -> None:
    group = command.add_argument_group("running")
    _version_option(group, "the tree's")
    if linting:
        group.add_argument(
            "--kernel-index", type=_name, metavar="FILE", help="summaries of a kernel whose source is elsewhere"
        )
    group.add_argument("--jobs", metavar="N", type=_count, help="worker processes (default: one for each processor)")
    group.add_argument(
        "--config", type=_name, metavar="FILE", help="configuration file (default: .gfplint.toml of the tree)"
    )
    group.add_argument(
        "--cache-dir", type=_name, metavar="DIR", help="folder of the index (default: the user's cache folder)"
    )
    group.add_argument("--no-cache", action="store_true", help="neither read nor write the index")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, no notes, no word of no findings")
    group.add_argument("-v", "--verbose", action="store_true", help="text: say what was skipped and analysed in part")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 1024):
        raise argparse.ArgumentTypeError(f"a number from 1 to 1024 was expected, not {text!r}")
    return int(text)


def _name(text: str) -> str:
    """A file's name: an empty one is a variable that is not set, and would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("a name was expected, not an empty one")
    return text


# ---- failure -------------------------------------------------------------------------------------------------


def _failed(error: Exception) -> int:
    from gfplint.console import complain, describe

    if os.environ.get("GFPLINT_DEBUG"):
        import traceback

        traceback.print_exc()
    complain(describe(error))
    return FAILED


def _passed_over(error: Exception) -> int:
    """A build goes on, whatever became of its checker."""
    _failed(error)
    return CLEAN


def _abandon_stdout() -> None:
    """The reader has gone: keep the interpreter from complaining about it at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
