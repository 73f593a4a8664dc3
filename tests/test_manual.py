"""The man page and the completions: complete, current, and taken by their readers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gfplint import __version__, cli, commands, manual

_TOP = Path(__file__).resolve().parent.parent


def test_the_man_page_is_current() -> None:
    written = (_TOP / "docs/gfplint.1").read_text("utf-8")
    assert written == manual.man_page(cli.parser(), __version__), "run scripts/update-docs"


def test_the_man_page_names_every_command_and_option() -> None:
    page = manual.man_page(cli.parser(), "1")
    for name in commands._COMMANDS:
        assert f"\\fB{name}\\fR" in page
    for option in ("\\-\\-kernel\\-version", "\\-\\-fix\\-diff", "\\-\\-export", "\\-\\-oracle"):
        assert option in page


def test_groff_takes_the_man_page_without_a_warning() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    page = manual.man_page(cli.parser(), __version__)
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tascii"], input=page, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    assert "Nothing was shown." in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_knows_every_command_and_option(shell: str) -> None:
    script = manual.completion(cli.parser(), shell)
    for name in commands._COMMANDS:
        assert name in script
    for option in ("kernel-version", "fix-diff", "min-confidence"):
        assert option in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_parses_its_completion(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = manual.completion(cli.parser(), shell)
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sc"], {"scan"}),
        (["scan", "--fix"], {"--fix", "--fix-diff"}),
        (["scan", "--format", "g"], {"gcc", "github", "gitlab"}),
        (["simulate", "--format", ""], {"text", "json"}),
        (["completion", "z"], {"zsh"}),
        (["scan", "--output", ""], set()),
    ],
)
def test_bash_completes(words: list[str], expected: set[str]) -> None:
    script = manual.completion(cli.parser(), "bash")
    line = " ".join(f"'{word}'" for word in ["gfplint", *words])
    script += f'COMP_WORDS=({line}); COMP_CWORD={len(words)}; _gfplint; printf "%s\\n" "${{COMPREPLY[@]}}"\n'
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) == expected
