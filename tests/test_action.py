"""The steps of ``action.yml``, run as GitHub runs those of a composite action, with friendly and hostile inputs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.tree.repositories import Repository

_TOP = Path(__file__).resolve().parent.parent
_EXPRESSION = re.compile(r"\$\{\{ *(\S+) *\}\}")
_CLEAN = "static DEFINE_SPINLOCK(lock);\n\nvoid *entry(size_t size)\n{\n\treturn kmalloc(size, GFP_KERNEL);\n}\n"
_DEFECT = """
void *locked_entry(size_t size)
{
	void *entry;

	spin_lock(&lock);
	entry = kmalloc(size, GFP_KERNEL);
	spin_unlock(&lock);
	return entry;
}
"""

#: Stands for the Python that the action is told to use: its virtual environment runs this checkout.
_PYTHON = f"""#!/bin/sh
[ "$1 $2" = "-m venv" ] || exit 9
mkdir -p "$3/bin"
printf '#!/bin/sh\\n[ "$1 $4" = "install {_TOP}" ]\\n' > "$3/bin/pip"
printf '#!/bin/sh\\nexec "{sys.executable}" -m gfplint "$@"\\n' > "$3/bin/gfplint"
chmod +x "$3/bin/pip" "$3/bin/gfplint"
"""


class Ran(NamedTuple):
    """What the action did: the exit status of the step that ended it, its outputs, the log."""

    status: int
    outputs: Mapping[str, str]
    log: list[str]


class Runner:
    """A job on a runner whose workspace is a checkout of ``repository``."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.action: Any = yaml.safe_load((_TOP / "action.yml").read_text())
        self.repository = repository
        self.temp = folder / "runner temp"
        self.temp.mkdir()
        self.python = self.temp / "python"
        self.python.write_text(_PYTHON)
        self.python.chmod(0o755)

    def run(self, **given: str) -> Ran:
        assert given.keys() <= self.action["inputs"].keys()
        values = {f"inputs.{name}": str(about["default"]) for name, about in self.action["inputs"].items()}
        values |= {"inputs.python": str(self.python)} | {f"inputs.{name}": value for name, value in given.items()}
        log: list[str] = []
        status = 0
        for step in self.action["runs"]["steps"]:
            done = self._step(step, values)
            log += done.stdout.splitlines() + done.stderr.splitlines()
            status = status or done.returncode
            if status:
                break
        outputs = {name: _filled(about["value"], values) for name, about in self.action["outputs"].items()}
        return Ran(status, outputs, log)

    def _step(self, step: Any, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """One step, as the runner's documentation says ``shell: bash`` is called."""
        assert step["shell"] == "bash"
        output = self.temp / "output"
        output.write_text("")
        script = self.temp / "step.sh"
        script.write_text(_filled(step["run"], values))
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=self.repository.top,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.temp),
                "PYTHONPATH": str(_TOP),
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(_TOP),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_WORKSPACE": str(self.repository.top),
                "RUNNER_TEMP": str(self.temp),
                **{name: _filled(text, values) for name, text in step.get("env", {}).items()},
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if "id" in step:
            written = (line.partition("=") for line in output.read_text().splitlines())
            values |= {f"steps.{step['id']}.outputs.{name}": value for name, _, value in written}
        return done


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its expressions as the runner puts them in: wherever they stand, whatever they hold."""
    return _EXPRESSION.sub(lambda found: values.get(found[1], ""), text)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A checkout of a branch that adds a defect to main."""
    repository = Repository(tmp_path / "work space")
    repository.commit(old_c=_CLEAN + _DEFECT)
    repository.git("checkout", "-q", "-b", "topic")
    repository.commit(new_c=_CLEAN + _DEFECT)
    return Runner(tmp_path, repository)


def _annotated(ran: Ran) -> list[str]:
    return [line.partition("file=")[2].partition(",line=")[0] for line in ran.log if line.startswith("::")]


def test_what_a_branch_adds_is_annotated_and_fails_the_job(runner: Runner) -> None:
    ran = runner.run(diff="main")
    assert _annotated(ran) == ["new.c"]
    assert (ran.status, ran.outputs) == (1, {"status": "1"})
    assert ran.log[-1] == "gfplint: 1 finding in 1 file: 1 error"


def test_sarif_is_written_beside_the_annotations(runner: Runner) -> None:
    ran = runner.run(sarif="out put.sarif", arguments="--select GFP1 --exit-zero")
    assert sorted(_annotated(ran)) == ["new.c", "old.c"]
    assert (ran.status, ran.outputs) == (0, {"status": "0"})
    log = json.loads((runner.repository.top / "out put.sarif").read_text())
    assert len(log["runs"][0]["results"]) == 2


def test_an_incomplete_run_fails_and_uploads_what_it_found(runner: Runner) -> None:
    runner.repository.write("odd.c", b"\0")
    ran = runner.run(sarif="x.sarif")
    assert (ran.status, ran.outputs) == (2, {"status": "2"})
    (run,) = json.loads((runner.repository.top / "x.sarif").read_text())["runs"]
    assert len(run["results"]) == 2
    assert run["invocations"][0]["executionSuccessful"] is False


def test_paths_are_separated_by_blanks(runner: Runner) -> None:
    ran = runner.run(paths="old.c\nnew.c", arguments="--select GFP101")
    assert sorted(_annotated(ran)) == ["new.c", "old.c"]


_HOSTILE = ("$(touch owned)", '"; touch owned; "', "x\ntouch owned\n", "-x", "*")


@pytest.mark.parametrize("value", _HOSTILE)
def test_inputs_are_never_commands(runner: Runner, value: str) -> None:
    for ran in (
        runner.run(diff=value),
        runner.run(paths=value, sarif=value, arguments="--exit-zero"),
        runner.run(python=value),
        runner.run(arguments=value),
    ):
        assert not (runner.repository.top / "owned").exists()
        assert not any("Traceback" in line for line in ran.log)
        assert ran.status != 0


def test_names_of_files_are_never_commands(runner: Runner) -> None:
    names = ["$(touch owned).c", "a\n::error::x.c", "b,c:d%0A.c", "-e.c", "`touch owned`.c"]
    for name in names:
        runner.repository.write(name, _CLEAN + _DEFECT)
    ran = runner.run(diff="HEAD", sarif="x.sarif")
    assert not (runner.repository.top / "owned").exists()
    assert sorted(_annotated(ran)) == [
        "$(touch owned).c",
        "-e.c",
        "`touch owned`.c",
        "a%0A%3A%3Aerror%3A%3Ax.c",
        "b%2Cc%3Ad%250A.c",
    ]
    assert sum(line.startswith("::") for line in ran.log) == 5


def test_no_expression_stands_in_a_script(runner: Runner) -> None:
    for step in runner.action["runs"]["steps"]:
        assert "${{" not in step["run"]
