"""What stands around the program: the package's contents, the README's commands, the scripts."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

_TOP = Path(__file__).resolve().parent.parent


def _command(name: str) -> str:
    """The code block of the README that follows the mark of ``name``, as .ci/run finds it."""
    found = re.search(rf"^<!-- command: {name} -->\n```sh\n(.*?)^```$", (_TOP / "README.md").read_text(), re.M | re.S)
    assert found, f"no command {name!r}"
    return found[1]


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((_TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(_TOP) for path in (_TOP / "gfplint").rglob("__init__.py")}
    assert set(listed) == {".".join(folder.parts) for folder in folders} | {"gfplint.rules"}


def test_tables_and_programs_are_package_data() -> None:
    data = tomllib.loads((_TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    shipped = {
        path
        for package, globs in data.items()
        for glob in globs
        for path in (_TOP / package.replace(".", "/")).glob(glob)
    }
    top = _TOP / "gfplint"
    files = {path for path in top.rglob("*") if path.is_file() and not {"rules", "__pycache__"} & set(path.parts)}
    assert shipped == {path for path in files if path.suffix != ".py"}


def test_rules_are_found_as_a_package_without_an_installation() -> None:
    assert (_TOP / "gfplint/rules").resolve() == _TOP / "rules"


@pytest.mark.parametrize("name", ["example", "tests"])
def test_the_commands_of_the_readme_are_one_line_each(name: str) -> None:
    command = _command(name)
    assert command.count("\n") == 1
    assert subprocess.run(["bash", "-n"], input=command, text=True, check=False).returncode == 0


def test_the_documents_that_the_readme_names_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (_TOP / "README.md").read_text())
    assert links
    assert [link for link in links if not (_TOP / link).exists()] == []


@pytest.mark.parametrize("script", [".ci/run", "scripts/get-corpus"])
def test_scripts_parse_and_can_be_run(script: str) -> None:
    assert os.access(_TOP / script, os.X_OK)
    assert subprocess.run(["bash", "-n", _TOP / script], check=False).returncode == 0


@pytest.mark.parametrize("arguments", [[], ["6.12"], ["new", "x"], ["../6.12", "x"], ["6.12;true", "x"]])
def test_get_corpus_refuses_bad_arguments(arguments: list[str], tmp_path: Path) -> None:
    script = _TOP / "scripts/get-corpus"
    done = subprocess.run([script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "get-corpus" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_get_corpus_never_replaces_a_folder_of_someone_else(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    done = subprocess.run([_TOP / "scripts/get-corpus", "6.12", tmp_path], capture_output=True, check=False)
    assert done.returncode == 2
    assert (tmp_path / "mine").read_text() == "kept"
