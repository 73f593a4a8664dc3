"""Configuration and options: what they say, and what is wrong with them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfplint.config import (
    ConfigError,
    Options,
    PerPath,
    Settings,
    as_codes,
    as_options,
    find_config,
    load_settings,
    parse_config,
)
from gfplint.errors import GfplintError
from gfplint.findings import Confidence
from gfplint.kernel.model import Allocator, Callback, ContextOp, EntryPoint, Free
from gfplint.user_tables import UserTables

CODES = ("GFP101", "GFP102", "GFP401", "GFP901")

FULL = """
select = ["GFP1", "GFP401"]
ignore = ["GFP102"]
min-confidence = "low"
advice = true
preview = true
kernel-version = "6.1"
baseline = "ci/baseline.json"

[[per-path]]
paths = ["drivers/old/**"]
ignore = ["GFP4"]
min-confidence = "high"

[[allocators]]
name = "my_alloc"
family = "kmalloc"
size = 0
mask = 1

[[frees]]
name = "my_free"
arg = 0
families = ["kmalloc"]

[[context-ops]]
name = "my_lock"
effect = "enter"
kinds = ["spin"]
lock = 0

[[callbacks]]
struct = "my_ops"
member = "poll"
context = "softirq"

[[entry-points]]
function = "my_register"
arg = 2
trigger = "ioctl"
"""


def _load(folder: Path, text: str | None = None, **options: object) -> Settings:
    if text is not None:
        (folder / ".gfplint.toml").write_text(text)
    return load_settings(as_options(options), folder, CODES)


def test_defaults(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert settings.select == ("GFP",)
    assert (settings.min_confidence, settings.advice, settings.preview) == (Confidence.MEDIUM, False, False)
    assert settings.tables == UserTables()
    assert settings.cache


def test_everything_a_file_can_say(tmp_path: Path) -> None:
    settings = _load(tmp_path, FULL)
    assert (settings.select, settings.ignore) == (("GFP1", "GFP401"), ("GFP102",))
    assert (settings.min_confidence, settings.advice, settings.preview) == (Confidence.LOW, True, True)
    assert settings.kernel_version == (6, 1)
    assert settings.baseline == tmp_path / "ci/baseline.json"
    assert settings.per_path == (PerPath(("drivers/old/**",), ("GFP4",), Confidence.HIGH),)
    assert settings.base == tmp_path
    assert settings.tables.allocators == (Allocator(name="my_alloc", family="kmalloc", size=0, mask=1),)
    assert settings.tables.frees == (Free(name="my_free", arg=0, families=("kmalloc",)),)
    assert settings.tables.context_ops == (ContextOp(name="my_lock", effect="enter", kinds=("spin",), lock=0),)
    assert settings.tables.callbacks == (Callback(struct="my_ops", member="poll", context="softirq"),)
    assert settings.tables.entry_points == (EntryPoint(function="my_register", arg=2, trigger="ioctl"),)


def test_options_replace_the_file(tmp_path: Path) -> None:
    settings = _load(
        tmp_path,
        FULL,
        select=["GFP101,GFP102", "GFP9"],
        ignore=[],
        min_confidence="medium",
        advice=False,
        kernel_version="6.12.117",
        baseline="other.json",
        cache_dir="c",
        no_cache=True,
    )
    assert (settings.select, settings.ignore) == (("GFP101", "GFP102", "GFP9"), ())
    assert (settings.min_confidence, settings.advice, settings.preview) == (Confidence.MEDIUM, False, True)
    assert settings.kernel_version == (6, 12)
    assert (settings.baseline, settings.cache_dir, settings.cache) == (Path("other.json"), Path("c"), False)


def test_options_from_a_command_line() -> None:
    arguments = argparse.Namespace(paths=["a", "b"], select=None, staged=True, jobs=3, command="scan", run=print)
    assert as_options(vars(arguments)) == Options(paths=("a", "b"), staged=True, jobs=3)


def test_the_nearest_file_above_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "a/b/c"
    inner.mkdir(parents=True)
    (inner / "x.c").write_text("")
    (tmp_path / ".gfplint.toml").write_text("advice = true\n")
    assert find_config(inner) == tmp_path / ".gfplint.toml"
    (tmp_path / "a/.gfplint.toml").write_text("")
    assert find_config(inner / "x.c") == tmp_path / "a/.gfplint.toml"
    assert load_settings(Options(), inner).base == tmp_path / "a"
    assert load_settings(Options(config=str(tmp_path / ".gfplint.toml")), inner).advice


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("selct = []", "unknown key 'selct'; did you mean 'select'?"),
        ("min_confidence = 'low'", "unknown key 'min_confidence'; did you mean 'min-confidence'?"),
        ("[[allocator]]", "unknown key 'allocator'; did you mean 'allocators'?"),
        ("[[per-path]]\npath = ['x']", "unknown key 'per-path[0].path'; did you mean 'paths'?"),
        ("[[frees]]\nname = 'f'\nargument = 0", "unknown key 'frees[0].argument'; did you mean 'arg'?"),
        ("zzzzzzzz = 1", "unknown key 'zzzzzzzz'; known are advice, allocators,"),
        ("select = 'GFP1'", "select: expected an array, found a string"),
        ("select = [1]", "select[0]: expected a string, found an integer"),
        ("advice = 'yes'", "advice: expected true or false, found a string"),
        ("kernel-version = 6.12", "kernel-version: expected a string, found a number"),
        ("allocators = 3", "allocators: expected an array, found an integer"),
        ("allocators = ['x']", "allocators[0]: expected a table, found a string"),
        ("min-confidence = 'sure'", "min-confidence: 'sure' is none of high, medium, low"),
        ("[[allocators]]\nname = 'f'", "allocators[0]: 'family' is missing"),
        (
            "[[allocators]]\nname = 'f'\nfamily = 'k'\nmask = 'x'",
            "allocators[0].mask: expected an integer, found a string",
        ),
        ("[[allocators]]\nname = 'f'\nfamily = 'k'\nmask = -1", "allocators[0].mask: -1 is no argument number"),
        (
            "[[allocators]]\nname = 'f'\nfamily = 'k'\nsleeps = 'no'",
            "allocators[0].sleeps: 'no' is none of mask, always",
        ),
        ("[[allocators]]\nname = 'a b'\nfamily = 'k'", "allocators[0].name: 'a b' is no C identifier"),
        ("[[allocators]]\nname = 'f'\nfamily = 'k'\nsince = 'x'", "allocators[0].since: not a kernel version: 'x'"),
        ("[[callbacks]]\nstruct = 's'", "callbacks[0]: expected either 'struct' and 'member' or"),
        ("[[callbacks]]\nstruct = 's'\nmember = 'm'\nfunction = 'f'\narg = 0", "callbacks[0]: expected either"),
        ("[[callbacks]]\nstruct = 's'\nmember = 'm'", "callbacks[0]: 'context' is missing"),
        (
            "[[callbacks]]\nstruct = 's'\nmember = 'm'\ncontext = 'softirq'\nunless = 'near=(:sleepable'",
            "callbacks[0].unless: 'near=(:sleepable' is not of the form",
        ),
        ("[[allocators]]\nname = 'f'\nfamily = 'k'\nresult = 'x'", "allocators[0].result: 'x' is neither 'return' nor"),
        ("[[frees]]\nname = 'f'\narg = 0\nfamilies = []\nprobe = '!kmaloc_obj'", "did you mean 'kmalloc_obj'"),
        ("[[frees]]\nname = 'f'\narg = 0\nfamilies = []\nnull = 'bad'", "frees[0].null: 'bad' is none of ok,"),
        (
            "[[entry-points]]\nstruct = 's'\nmember = 'm'\nprivilege = 'me'",
            "entry-points[0].privilege: 'me' is none of unprivileged,",
        ),
        ("[[per-path]]\npaths = []", "per-path[0].paths: expected at least one glob"),
        ("select = ['gfp101']", "select: 'gfp101' is no rule code"),
        ("ignore = ['GFP1011']", "ignore: 'GFP1011' is no rule code"),
        ("[[per-path]]\npaths = ['x']\nignore = ['*']", "per-path[0].ignore: '*' is no rule code"),
        ("kernel-version = '6'", "kernel-version: '6' is no kernel version"),
        ("select = ['GFP40", "invalid TOML: "),
        ("x = " + "[" * 5000, "invalid TOML: "),
        ("x = " + "9" * 5000, "invalid TOML: "),
        ("a = 1\na = 2\nb = 3", "at line 2"),
        ("baseline = '/etc/passwd'", "baseline: '/etc/passwd' is no path below"),
        ("baseline = '../x.json'", "baseline: '../x.json' is no path below"),
        ("baseline = ''", "baseline: '' is no path below"),
        ("output = 'x'", "unknown key 'output'"),
        ("cache-dir = 'x'", "unknown key 'cache-dir'"),
        ("select = ['GFP7']", "no rule GFP7"),
        ("ignore = ['GFP104']", "no rule GFP104"),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert words in str(caught.value)
    assert ".gfplint.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"select": ["GFP1,foo"]}, "--select: 'foo' is no rule code"),
        ({"select": ["GFP102,GFP1012"]}, "--select: 'GFP1012'"),
        ({"select": ["GFP105"]}, "no rule GFP105"),
        ({"min_confidence": "sure"}, "--min-confidence: 'sure' is none of"),
        ({"kernel_version": "latest"}, "--kernel-version: 'latest' is no kernel version"),
        ({"diff": "HEAD", "staged": True}, "--diff and --staged exclude each other"),
        ({"patch": "-", "diff": ""}, "--diff and --patch exclude each other"),
        ({"patch": "x", "fix": True}, "--fix can't write"),
        ({"fix_diff": True, "fix": True}, "exclude each other"),
        ({"staged": True, "fix": True}, "--fix changes the work tree, not what is staged"),
        ({"diff": "HEAD~1..HEAD", "fix": True}, "--fix changes the work tree, not what a revision holds"),
        ({"diff": "main...", "fix": True}, "--fix changes the work tree, not what a revision holds"),
        ({"jobs": 0}, "--jobs: expected a number from 1"),
        ({"format": "xml"}, "--format: 'xml' is none of text"),
        ({"color": "red"}, "--color: 'red' is none of auto"),
        ({"config": "missing.toml"}, "missing.toml: no such file"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, None, **options)
    assert words in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    place = tmp_path / "c.toml"
    for content in (b"\xff", b"x" * (2 << 20)):
        place.write_bytes(content)
        with pytest.raises(ConfigError):
            load_settings(Options(config=str(place)), tmp_path)
    os.mkfifo(tmp_path / "fifo")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for name in ("fifo", "loop", "a\0b", ""):
        with pytest.raises(ConfigError):
            load_settings(Options(config=str(tmp_path / name)), tmp_path)


def test_errors_carry_no_control_characters(tmp_path: Path) -> None:
    with pytest.raises(GfplintError) as caught:
        _load(tmp_path, '"a\\u001b[31m" = 1')
    assert str(caught.value).isprintable()


@given(st.binary(max_size=60))
def test_any_bytes_are_a_file_or_an_error(text: bytes) -> None:
    try:
        parse_config(text, "c")
    except ConfigError as error:
        assert str(error).startswith("c: ")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 50) | st.sampled_from(["", "GFP1", "x", "6.1", "enter"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "arg", "paths", "x"]), inner),
    max_leaves=6,
)


@given(st.sampled_from(["select", "per-path", "allocators", "frees", "callbacks", "baseline", "advice"]), _VALUES)
def test_any_value_is_right_or_an_error(key: str, value: object) -> None:
    try:
        parse_config(f"{key} = {_toml(value)}".encode(), "c")
    except ConfigError as error:
        assert str(error).startswith("c: ")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return '"none"' if value is None else repr(value) if isinstance(value, int) else f'"{value}"'


def test_codes_of_an_argument() -> None:
    assert as_codes(" GFP1, GFP401\nGFP9,,") == ("GFP1", "GFP401", "GFP9")
