"""The command line with a fake engine: options, exit statuses, messages, what goes where."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gfplint
from gfplint import cli, commands, config, console, report
from gfplint.config import Settings
from gfplint.findings import Edit, Fix, ScanResult, Severity
from gfplint.phases import Phases
from gfplint.report.presentation import Presentation
from gfplint.rules import catalogue
from gfplint.simulator.observe import OBSERVABLES
from gfplint.tree import Root
from tests.report.samples import RULES, SAFE, SOURCE, finding, result

Run = Callable[..., int]


class Engine(types.ModuleType):
    """What the command line asks of the engine; answers with ``result`` and remembers the settings."""

    def __init__(self, top: Path) -> None:
        super().__init__("gfplint.engine")
        self.top = top
        self.answer: ScanResult | Exception = result()
        self.asked: Settings | None = None

    def scan(
        self,
        settings: Settings,
        progress: Callable[[int, int], None] | None = None,
        phases: Phases | None = None,
    ) -> ScanResult:
        self.asked = settings
        if isinstance(self.answer, Exception):
            raise self.answer
        if progress is not None:
            progress(1, 1)
        if phases is not None:
            with phases("linking"):
                pass
        return self.answer

    def root(self, settings: Settings) -> Root:
        return Root(self.top)

    def looks_for(self, settings: Settings) -> Callable[[str, str], bool]:
        return lambda code, path: True

    def reader(self, settings: Settings) -> Callable[[str], bytes]:
        return lambda path: (self.top / path).read_bytes()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A fake engine for a tree with the sample driver, which is also the current folder."""
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers/ring.c").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    rules = types.ModuleType("gfplint.rules")
    vars(rules)["catalogue"] = lambda: tuple(RULES.values())
    fake = Engine(tmp_path)
    for name, module in (("engine", fake), ("rules", rules)):
        monkeypatch.setitem(sys.modules, f"gfplint.{name}", module)
        monkeypatch.setattr(gfplint, name, module, raising=False)
    return fake


def run(*arguments: str) -> int:
    """The exit status of a command line, whether argparse or the command ended it."""
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


# ---- exit status ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "options", "status"),
    [
        (result(), (), 0),
        (result(finding()), (), 1),
        (result(finding()), ("--exit-zero",), 0),
        (result(failed=True), (), 2),
        (result(finding(), failed=True), ("--exit-zero",), 2),
        (config.ConfigError("no"), (), 2),
        (FileNotFoundError(2, "No such file or directory", "x.c"), (), 2),
        (RecursionError("deep"), (), 2),
        (KeyboardInterrupt(), (), 130),
    ],
)
def test_exit_status(engine: Engine, answer: Any, options: tuple[str, ...], status: int) -> None:
    engine.answer = answer
    if isinstance(answer, KeyboardInterrupt):
        engine.scan = _interrupted  # type: ignore[method-assign]
    assert run("scan", *options) == status


def _interrupted(settings: Settings, progress: object = None, phases: object = None) -> ScanResult:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("lint",),
        ("scan", "--format", "yaml"),
        ("scan", "--jobs", "0"),
        ("scan", "--jobs", "many"),
        ("scan", "--diff", "HEAD", "--staged"),
        ("scan", "--fix", "--fix-diff"),
        ("scan", "--fix", "--staged"),
        ("scan", "--fix", "--patch", "x.patch"),
        ("scan", "--sel", "GFP1"),
        ("scan", "--select", "E501"),
        ("scan", "--select", "GFP999"),
        ("scan", "--kernel-version", "new"),
        ("rules", "--kernel-version", "new"),
        ("scan", "--config", "gone.toml"),
        ("scan", ""),
        ("scan", "--output", ""),
        ("scan", "--cache-dir", ""),
        ("index", "--export", ""),
        ("index", "--kernel-index", "x.gfplint"),
        ("sites", "--kernel-index", "x.gfplint"),
        ("explain", "GFP999"),
        ("simulate",),
        ("simulate", "x.c", "--oracle", "y.csv"),
    ],
)
def test_bad_usage_is_told_on_stderr(
    engine: Engine, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "gfplint" in err
    assert "Traceback" not in err


def test_what_was_not_linted_is_named(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.answer = result(failed=True)
    run("scan", "-q")
    assert capsys.readouterr().err == "gfplint: drivers/huge.c: too large\n"


def test_messages_are_safe_to_show(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.answer = config.ConfigError("a\x1b]0;owned\x07\u202eb")
    run("scan")
    assert capsys.readouterr().err == "gfplint: a\\x1b]0;owned\\x07\\u202eb\n"


def test_an_unexpected_error_is_no_traceback(
    engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GFPLINT_DEBUG", raising=False)
    engine.answer = ZeroDivisionError("division by zero")
    assert run("scan") == 2
    err = capsys.readouterr().err
    assert err == "gfplint: internal error: ZeroDivisionError: division by zero (GFPLINT_DEBUG=1 shows where)\n"


# ---- scan ----------------------------------------------------------------------------------------------------


def test_options_reach_the_engine(engine: Engine) -> None:
    run(
        *("scan", "drivers", "--select", "GFP1,GFP601", "--ignore", "GFP601", "--min-confidence", "low", "--advice"),
        *("--preview", "--kernel-version", "6.1", "--jobs", "3", "--diff", "HEAD~1", "--no-cache", "-q"),
    )
    asked = engine.asked
    assert asked is not None
    assert asked.paths == ("drivers",)
    assert asked.select == ("GFP1", "GFP601")
    assert asked.ignore == ("GFP601",)
    assert (asked.min_confidence, asked.advice, asked.preview) == ("low", True, True)
    assert (asked.kernel_version, asked.jobs, asked.diff) == ((6, 1), 3, "HEAD~1")
    assert (asked.cache, asked.quiet) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        (("a.c", "-q", "b.c"), ("a.c", "b.c")),
        (("-q", "a.c", "--select", "GFP1", "b.c"), ("a.c", "b.c")),
        (("-q", "--", "a.c", "-b.c"), ("a.c", "-b.c")),
        (("a.c", "--", "-q"), ("a.c", "-q")),
    ],
)
def test_options_stand_anywhere_among_the_paths(
    engine: Engine, arguments: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    assert run("scan", *arguments) == 0
    assert engine.asked is not None
    assert engine.asked.paths == paths


def test_the_configuration_file_holds_where_no_option_is_given(engine: Engine) -> None:
    (engine.top / ".gfplint.toml").write_text('advice = true\nselect = ["GFP1"]\n')
    run("scan", "drivers")
    assert engine.asked is not None
    assert engine.asked.advice
    assert engine.asked.select == ("GFP1",)


@pytest.mark.parametrize("form", config.FORMATS)
def test_every_format_is_written(engine: Engine, capsys: pytest.CaptureFixture[str], form: str) -> None:
    engine.answer = result(finding())
    assert run("scan", "--format", form) == 1
    assert "GFP101" in capsys.readouterr().out


def test_the_parser_knows_the_formats_and_the_colours() -> None:
    scan = cli.parser().parse_args(["scan"])
    assert cli._FORMATS == config.FORMATS
    assert scan.color in config.COLORS
    assert all(list(report.render(form, result(), Presentation("1"))) is not None for form in config.FORMATS)


def test_code_is_shown_in_colour_when_asked(
    engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.answer = result(finding())
    run("scan", "--color", "always")
    assert "\x1b[" in capsys.readouterr().out
    run("scan")
    plain = capsys.readouterr().out
    assert "\x1b[" not in plain
    assert "kmalloc(n, GFP_KERNEL)" in plain


def test_output_goes_to_a_file_whole(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.answer = result(finding())
    target = engine.top / "out.json"
    target.write_text("old")
    assert run("scan", "--format", "json", "--output", str(target), "--color", "always") == 1
    assert json.loads(target.read_text())["findings"][0]["rule"] == "GFP101"
    assert capsys.readouterr().out == ""
    assert [path.name for path in engine.top.iterdir() if "out" in path.name] == ["out.json"]


def test_output_into_no_folder_fails(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("scan", "--output", "gone/out.txt") == 2
    assert capsys.readouterr().err == "gfplint: gone/out.txt: No such file or directory\n"
    assert engine.asked is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_output_to_where_no_room_is_fails(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("scan", "--output", "/dev/full") == 2
    assert capsys.readouterr().err == "gfplint: /dev/full: No space left on device\n"


def test_phases_are_told_to_who_asks_for_statistics_and_details(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    run("scan", "--statistics")
    assert "linking" not in capsys.readouterr().err
    run("scan", "--statistics", "-v")
    shown = capsys.readouterr()
    assert " s  linking (CPU " in shown.err and "linking" not in shown.out


def test_statistics_stay_out_of_documents(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.answer = result(finding())
    run("scan", "--format", "json", "--statistics")
    out, err = capsys.readouterr()
    json.loads(out)
    assert "1  GFP101" in err
    run("scan", "--statistics")
    assert "1  GFP101" in capsys.readouterr().out


# ---- fixes ---------------------------------------------------------------------------------------------------


def test_fix_applies_safe_fixes_and_shows_the_rest(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    unsafe = Fix(safe=False, edits=(Edit("drivers/ring.c", (1, 1), (1, 7), "x"),))
    engine.answer = result(finding(1, fix=SAFE), finding(2, Severity.WARNING, fix=unsafe))
    assert run("scan", "--fix") == 1
    assert (engine.top / "drivers/ring.c").read_text() == SOURCE.replace("GFP_KERNEL", "GFP_NOWAIT")
    out, err = capsys.readouterr()
    assert "1 warning" in out
    assert "1 fixed, 1 left" in err


def test_fix_diff_is_a_patch_that_git_applies(engine: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    engine.answer = result(finding(1, fix=SAFE))
    assert run("scan", "--fix-diff") == 1
    subprocess.run(["git", "apply", "-"], input=capfd.readouterr().out, text=True, check=True, cwd=engine.top)
    assert (engine.top / "drivers/ring.c").read_text() == SOURCE.replace("GFP_KERNEL", "GFP_NOWAIT")


def test_fix_diff_names_files_as_the_current_folder_has_them(
    engine: Engine, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.answer = result(finding(1, fix=SAFE))
    for folder, named in ((engine.top.parent, f"{engine.top.name}/drivers/ring.c"), (engine.top / "drivers", "ring.c")):
        monkeypatch.chdir(folder)
        assert run("scan", "--fix-diff") == 1
        patch = capfd.readouterr().out
        assert patch.startswith(f"--- a/{named}\n+++ b/{named}\n")
        subprocess.run(["git", "apply", "--check", "-"], input=patch, text=True, check=True, cwd=folder)
    monkeypatch.chdir("/usr")
    assert run("scan", "--fix-diff") == 1
    assert capfd.readouterr().out.startswith("--- a/drivers/ring.c\n")


def test_a_fix_that_fails_tells_what_is_fixed(
    engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (engine.top / "drivers/stuck.c").write_text(SOURCE)
    stuck = Fix(safe=True, edits=(Edit("drivers/stuck.c", (6, 17), (6, 27), "GFP_NOWAIT"),))
    engine.answer = result(finding(1, fix=SAFE), finding(2, path="drivers/stuck.c", fix=stuck))
    replace = console.replace

    def failing(path: Path, data: bytes) -> None:
        if path.name == "stuck.c":
            raise PermissionError(13, "Permission denied", "drivers/stuck.c")
        replace(path, data)

    monkeypatch.setattr(console, "replace", failing)
    assert run("scan", "--fix", "-q") == 2
    assert (engine.top / "drivers/ring.c").read_text() == SOURCE.replace("GFP_KERNEL", "GFP_NOWAIT")
    err = capsys.readouterr().err
    assert err == "gfplint: drivers/ring.c: fixed\ngfplint: drivers/stuck.c: Permission denied\n"


# ---- the other commands ----------------------------------------------------------------------------------------


def test_baseline_keeps_the_reasons_of_the_one_before(engine: Engine) -> None:
    engine.answer = result(finding(1))
    assert run("baseline", "-q", "--reason", "before the rule") == 0
    engine.answer = result(finding(1), finding(2))
    assert run("baseline", "-q", "--reason", "later") == 0
    written = json.loads((engine.top / ".gfplint-baseline.json").read_text())
    assert [row["reason"] for row in written["findings"]] == ["before the rule", "later"]


def test_baseline_of_an_incomplete_run_takes_nothing_away(engine: Engine) -> None:
    engine.answer = result(finding(1), finding(2))
    assert run("baseline", "-q", "--reason", "before the rule") == 0
    engine.answer = result(finding(2), failed=True)
    assert run("baseline", "-q", "--reason", "later") == 2
    written = json.loads((engine.top / ".gfplint-baseline.json").read_text())
    assert [row["reason"] for row in written["findings"]] == ["before the rule"] * 2
    engine.answer = result(finding(2))
    assert run("baseline", "-q") == 0
    assert len(json.loads((engine.top / ".gfplint-baseline.json").read_text())["findings"]) == 1


def test_kbuild_lints_the_last_argument_and_never_fails(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    compiler = (
        "-D__linux__",
        "-Iinclude",
        "-include",
        "kconfig.h",
        "-Wno-x",
        "--param=a=b",
        "--version",
        "drivers/ring.c",
    )
    engine.answer = result(finding())
    assert run("kbuild", *compiler) == 0
    assert engine.asked is not None
    assert engine.asked.paths == ("drivers/ring.c",)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("drivers/ring.c:6:6: error: ")
    for failure in (ZeroDivisionError("x"), OSError(5, "Input/output error"), config.ConfigError("bad")):
        engine.answer = failure
        assert run("kbuild", *compiler) == 0
        assert capsys.readouterr().err.startswith("gfplint: ")
    assert run("kbuild") == 0
    assert "expects the arguments of a compiler" in capsys.readouterr().err


def test_kbuild_says_what_it_could_not_lint(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.answer = result(finding(), failed=True)
    assert run("kbuild", "-O2", "drivers/ring.c") == 0
    assert capsys.readouterr().err.startswith("gfplint: drivers/huge.c: too large\ndrivers/ring.c:6:6: ")


def test_kbuild_breaks_no_build_where_gfplint_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gfplint.commands", None)
    assert run("kbuild", "x.c") == 0
    assert capsys.readouterr().err.startswith("gfplint: ")
    monkeypatch.setattr(sys, "stderr", None)
    assert run("kbuild", "x.c") == 0


def test_kbuild_names_files_from_the_folder_that_make_runs_in(
    engine: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (engine.top / "build").mkdir()
    monkeypatch.chdir(engine.top / "build")
    engine.answer = result(finding())
    assert run("kbuild", "-O2", "../drivers/ring.c") == 0
    assert capsys.readouterr().err.startswith("../drivers/ring.c:6:6: ")


def test_rules_are_listed(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rules") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RULES)
    assert lines[1].endswith("(preview)")
    assert run("rules", "--format", "json") == 0
    assert [rule["code"] for rule in json.loads(capsys.readouterr().out)] == list(RULES)


@pytest.mark.parametrize("name", ["GFP101", "gfp101", "blocking-allocation-in-atomic-context"])
def test_explain(engine: Engine, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run("explain", name) == 0
    out = capsys.readouterr().out
    assert out.startswith("# GFP101 blocking-allocation-in-atomic-context (error)\n")
    assert "## What it does" in out


@pytest.mark.parametrize("code", [rule.code for rule in catalogue() if rule.sim])
def test_explain_shows_a_run_of_the_example(capsys: pytest.CaptureFixture[str], code: str) -> None:
    sim = next(rule.sim for rule in catalogue() if rule.code == code)
    assert run("explain", code) == 0
    shown = capsys.readouterr().out.partition("## What the simulator shows\n")[2]
    kinds = re.findall(r"^ {4}example\.c:\d+: \w+\(\): ([\w-]+): ", shown, re.MULTILINE)
    told = re.findall(r"^ {6}example\.c:\d+ in \w+\(\): ([\w-]+): ", shown, re.MULTILINE)
    assert set(kinds) & OBSERVABLES[sim]
    assert set(kinds) <= OBSERVABLES[sim]
    assert set(kinds) <= set(told) | {"uncharged-cache"}  # of that, two runs tell together


def test_explain_names_the_nearest_rule(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "GFP611") == 2
    assert "did you mean GFP601?" in capsys.readouterr().err


# ---- as a program --------------------------------------------------------------------------------------------


def _program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gfplint", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def test_version_imports_nothing_heavy() -> None:
    code = "import sys; from gfplint import cli\ntry: cli.main(['--version'])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"gfplint {gfplint.__version__}\n")
    # These take longer to load than a start may last.
    assert not {"msgspec", "tree_sitter", "pycparser", "multiprocessing", "tempfile", "traceback"} & set(
        done.stdout.split()
    )


def test_help_of_every_command_is_printed() -> None:
    done = _program("--help")
    assert done.returncode == 0
    for name in commands._COMMANDS:
        assert name in done.stdout
        assert _program(name, "--help").returncode == 0


def test_a_reader_that_goes_away_is_no_crash() -> None:
    command = f"{sys.executable} -m gfplint completion zsh | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "closed", "status", "said"),
    [
        ("scan -q --no-cache .", ">&-", 2, "gfplint: the standard output is closed\n"),
        ("scan -q --no-cache --output out.txt .", ">&-", 1, ""),
        ("explain GFP101", ">&-", 2, "gfplint: the standard output is closed\n"),
        ("scan --no-cache --output out.txt .", "2>&-", 1, ""),
        ("scan --no-cache --patch -", "<&-", 2, "gfplint: the standard input is closed\n"),
    ],
)
def test_a_closed_stream_is_no_crash(tmp_path: Path, arguments: str, closed: str, status: int, said: str) -> None:
    (tmp_path / "ring.c").write_text(SOURCE)
    command = f"{sys.executable} -m gfplint {arguments} {closed}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (status, said)


def test_a_narrow_encoding_is_no_crash(engine: Engine) -> None:
    done = _program("explain", "\u6f22", env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_findings_sort_nothing_themselves(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine.answer = result(finding(path="z.c"), finding(path="a.c"))
    run("scan", "--format", "json")
    paths = [found["path"] for found in json.loads(capsys.readouterr().out)["findings"]]
    assert paths == ["z.c", "a.c"]  # the engine has put them in order


_LOADED = """
import os, signal, sys
module, sys.argv[1:] = sys.argv[1], ["rules"]
class Finder:
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from gfplint.__main__ import main
sys.exit(main())
"""


_CALLS = """
import resource
from gfplint.__main__ import _with_room
def called():
    pass
def faults(depth):
    if depth:
        return faults(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(1000):
        called()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(_with_room(lambda: max(map(faults, range(300)))))
"""


def test_calls_map_no_memory_at_any_depth() -> None:
    done = subprocess.run([sys.executable, "-c", _CALLS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 500


_ENDED = """
import atexit, sys
atexit.register(lambda: sys.stderr.write("taken apart"))
import gfplint.cli
gfplint.cli.main = lambda: print("kept", end="") or 1
from gfplint.__main__ import run
"""


def test_a_run_ends_without_being_taken_apart() -> None:
    code = _ENDED + "sys.exit(run())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "kept", "")


def test_a_stream_that_fails_in_the_end_is_left_to_the_interpreter() -> None:
    failing = "class Full:\n    def flush(self):\n        raise OSError\n"
    replaced = "stdout, sys.stdout = sys.stdout, Full()\ngfplint.cli.main = lambda: 1\n"
    code = f"{_ENDED}{failing}{replaced}status = run()\nsys.stdout = stdout\nsys.exit(status)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "taken apart")


@pytest.mark.parametrize("module", ["gfplint.cli", "argparse", "gfplint.commands", "gfplint.rules"])
def test_an_interruption_while_modules_are_loaded(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED, module], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_an_interruption_that_is_to_be_ignored() -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + _LOADED
    done = subprocess.run([sys.executable, "-c", code, "argparse"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
