"""Scans from selection to exit status, on small trees, through the engine and the command line."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gfplint import cli, engine
from gfplint.config import Options, load_settings
from gfplint.errors import GfplintError
from gfplint.findings import Finding, ScanResult
from tests.tree.repositories import Repository, kernel_tree, write

_LOCKED = """\
struct ring { spinlock_t lock; void *p; };

int ring_grow(struct ring *ring)
{
	spin_lock(&ring->lock);
	ring->p = kmalloc(64, GFP_KERNEL);
	spin_unlock(&ring->lock);
	return 0;
}
"""
_MISMATCHED = """\
int copy(unsigned long size)
{
	void *p = vmalloc(size);

	if (!p)
		return -ENOMEM;
	kfree(p);
	return 0;
}
"""
_CLEAN = "int nothing(void *p)\n{\n\tkfree(p);\n\treturn 0;\n}\n"


class Ran(NamedTuple):
    """What one command did."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command line in a folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.delenv("GFPLINT_DEBUG", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def command(folder: Path, *arguments: str) -> Ran:
        monkeypatch.chdir(folder)
        capfd.readouterr()
        try:
            status = cli.main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        return Ran(status, *capfd.readouterr())

    return command


def scan(top: Path, paths: Sequence[Path] = (), **options: Any) -> ScanResult:
    """What the engine says of a folder."""
    named = tuple(map(str, paths or [top]))
    return engine.scan(load_settings(Options(paths=named, jobs=options.pop("jobs", 1), **options), top))


def places(found: Sequence[Finding]) -> list[tuple[str, str, int]]:
    return [(f.rule, f.path, f.line) for f in found]


# ---- what is scanned


def test_a_file(tmp_path: Path) -> None:
    write(tmp_path, "other.c", _LOCKED)
    result = scan(tmp_path, [write(tmp_path, "ring.c", _LOCKED)])
    assert [(f.rule, Path(f.path).name, f.line) for f in result.findings] == [("GFP101", "ring.c", 6)]
    assert result.files_scanned == 1
    assert result.kernel_version == "7.0"


def test_a_folder(tmp_path: Path) -> None:
    for path, text in {
        "ring.c": _LOCKED,
        "deep/er/copy.c": _MISMATCHED,
        "clean.c": _CLEAN,
        "notes.txt": _LOCKED,
    }.items():
        write(tmp_path, path, text)
    result = scan(tmp_path)
    assert places(result.findings) == [("GFP401", "deep/er/copy.c", 7), ("GFP101", "ring.c", 6)]
    assert result.files_scanned == 3


def test_an_empty_folder(tmp_path: Path, run: Run) -> None:
    assert scan(tmp_path).findings == ()
    assert run(tmp_path, "scan").status == 0


def test_a_kernel_tree_says_its_version_and_paths_count_from_its_root(tmp_path: Path) -> None:
    tree = kernel_tree(tmp_path / "linux")
    write(tree, "drivers/ring/ring.c", _LOCKED)
    result = scan(tree / "drivers/ring")
    assert result.kernel_version == "6.12"
    assert places(result.findings) == [("GFP101", "drivers/ring/ring.c", 6)]


def test_an_option_overrides_the_trees_version(tmp_path: Path) -> None:
    slab = "void f(struct kmem_cache *c)\n{\n\tvoid *p = kmem_cache_alloc(c, GFP_KERNEL);\n\n\tkfree(p);\n}\n"
    tree = kernel_tree(tmp_path / "linux")
    write(tree, "drivers/slab.c", slab)
    assert scan(tree, kernel_version="6.12").findings == ()
    assert places(scan(tree, kernel_version="6.1").findings) == [("GFP401", "drivers/slab.c", 5)]


def test_the_trees_own_masks_count(tmp_path: Path) -> None:
    tree = kernel_tree(tmp_path / "linux")
    write(tree, "drivers/ring.c", _LOCKED.replace("GFP_KERNEL", "GFP_RING"))
    write(tree, "include/linux/ring.h", "#define GFP_RING (GFP_KERNEL | __GFP_NOWARN)\n")
    assert places(scan(tree).findings) == [("GFP101", "drivers/ring.c", 6)]
    write(tree, "include/linux/ring.h", "#define GFP_RING (GFP_ATOMIC | __GFP_NOWARN)\n")
    assert scan(tree).findings == ()


def test_tools_of_a_kernel_tree_are_no_kernel(tmp_path: Path) -> None:
    tree = kernel_tree(tmp_path / "linux")
    write(tree, "tools/lib/kmalloc.c", "void *ring_new(void *p)\n{\n\tp = 0;\n\treturn malloc(64);\n}\n")
    write(tree, "drivers/new.c", "void *ring_new(void *p)\n{\n\tp = 0;\n\treturn kmalloc(64, GFP_KERNEL);\n}\n")
    write(tree, "net/ring.c", _LOCKED.replace("kmalloc(64, GFP_KERNEL)", "ring_new(ring)"))
    assert places(scan(tree).findings) == [("GFP101", "net/ring.c", 6)]


def test_findings_lead_through_the_files_of_a_tree(tmp_path: Path) -> None:
    tree = kernel_tree(tmp_path / "linux")
    write(tree, "drivers/r/new.c", "void *ring_new(int n)\n{\n\tn++;\n\treturn kmalloc(n, GFP_KERNEL);\n}\n")
    write(tree, "drivers/r/ring.c", _LOCKED.replace("kmalloc(64, GFP_KERNEL)", "ring_new(64)"))
    (finding,) = scan(tree).findings
    assert [(step.path, step.line) for step in finding.trace] == [
        ("drivers/r/ring.c", 5),
        ("drivers/r/ring.c", 6),
        ("drivers/r/new.c", 4),
    ]


# ---- what is shown


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """A folder with one finding of two rules."""
    folder = tmp_path / "driver"
    write(folder, "ring.c", _LOCKED)
    write(folder, "copy.c", _MISMATCHED)
    return folder


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ((), ["GFP401", "GFP101"]),
        (("--select", "GFP1"), ["GFP101"]),
        (("--select", "GFP401"), ["GFP401"]),
        (("--select", "GFP101,GFP401"), ["GFP401", "GFP101"]),
        (("--ignore", "GFP4"), ["GFP101"]),
        (("--select", "GFP1", "--ignore", "GFP101"), []),
        (("--min-confidence", "high"), ["GFP401", "GFP101"]),
    ],
)
def test_selection(driver: Path, run: Run, options: tuple[str, ...], codes: list[str]) -> None:
    ran = run(driver, "scan", "--format", "json", *options)
    assert [f["rule"] for f in json.loads(ran.out)["findings"]] == codes
    assert ran.status == (1 if codes else 0)


def test_exit_zero(driver: Path, run: Run) -> None:
    assert run(driver, "scan", "--exit-zero").status == 0


@pytest.mark.parametrize("above", [True, False])
def test_a_suppression_with_a_reason_silences(driver: Path, run: Run, above: bool) -> None:
    comment = "/* gfplint: ignore[GFP101] the lock is only taken at probe time */"
    call = "\tring->p = kmalloc(64, GFP_KERNEL);\n"
    write(driver, "ring.c", _LOCKED.replace(call, f"\t{comment}\n{call}" if above else call[:-1] + f" {comment}\n"))
    ran = run(driver, "scan", "ring.c", "--format", "json")
    assert (ran.status, json.loads(ran.out)["findings"]) == (0, [])


def test_a_suppression_of_another_rule_does_not(driver: Path, run: Run) -> None:
    write(driver, "ring.c", _LOCKED.replace("GFP_KERNEL);", "GFP_KERNEL); /* gfplint: ignore[GFP401] why */"))
    found = json.loads(run(driver, "scan", "ring.c", "--format", "json").out)["findings"]
    assert "GFP101" in [f["rule"] for f in found]


def test_a_baseline_silences_what_it_lists_and_nothing_new(driver: Path, run: Run) -> None:
    assert run(driver, "baseline", "--output", "known.json").status == 0
    assert run(driver, "scan", "--baseline", "known.json").status == 0
    write(driver, "ring.c", "\n\n\n" + _LOCKED)  # moved lines are no news
    assert run(driver, "scan", "--baseline", "known.json").status == 0
    write(driver, "ring.c", _LOCKED + _LOCKED.replace("ring_grow", "ring_more"))
    ran = run(driver, "scan", "--baseline", "known.json", "--format", "json")
    assert [f["function"] for f in json.loads(ran.out)["findings"]] == ["ring_more"]


def test_a_baseline_that_the_configuration_names_is_kept_up_to_date(driver: Path, run: Run) -> None:
    write(driver, ".gfplint.toml", 'baseline = "known.json"\n')
    assert run(driver, "baseline", "--reason", "old").status == 0  # there is none yet, and it goes where it belongs
    assert run(driver, "scan").status == 0
    before = (driver / "known.json").read_text()
    assert before.count('"old"') == before.count("fingerprint") > 1
    assert run(driver, "baseline").status == 0
    assert (driver / "known.json").read_text() == before
    (driver / "ring.c").rename(driver / "round.c")
    assert run(driver, "scan").status == 0
    assert run(driver, "baseline", "round.c").status == 0  # a part of the tree, of which the reasons follow
    after = (driver / "known.json").read_text()
    assert after.count('"old"') == after.count("fingerprint") == before.count("fingerprint")
    assert "ring.c" not in after
    write(driver, "round.c", _CLEAN)
    assert run(driver, "baseline").status == 0
    assert "round.c" not in (driver / "known.json").read_text()


def test_json_has_the_stated_shape(driver: Path, run: Run) -> None:
    document = json.loads(run(driver, "scan", "--format", "json").out)
    assert set(document) == {"version", "tool", "kernel_version", "files_scanned", "skipped", "degraded", "findings"}
    assert (document["version"], document["tool"]["name"], document["files_scanned"]) == (1, "gfplint", 2)
    for finding in document["findings"]:
        assert set(finding) == {
            *("rule", "name", "severity", "confidence", "path", "line", "column", "end_line", "end_column"),
            *("function", "message", "trace", "fingerprint", "needs", "fix"),
        }
        assert finding["severity"] in ("error", "warning", "advice")
        assert finding["confidence"] in ("high", "medium", "low")
        assert re.fullmatch(r"[0-9a-f]{16,}", finding["fingerprint"])
        for step in finding["trace"]:
            assert set(step) == {"path", "line", "column", "function", "message"}
    (locked,) = (f for f in document["findings"] if f["rule"] == "GFP101")
    assert (locked["path"], locked["line"], locked["column"], locked["function"]) == ("ring.c", 6, 12, "ring_grow")
    assert [(step["line"], step["column"]) for step in locked["trace"]] == [(5, 2), (6, 12)]


def test_fingerprints_differ_and_survive_moved_lines(driver: Path) -> None:
    before = {f.fingerprint for f in scan(driver).findings}
    assert len(before) == 2
    for name, text in (("ring.c", _LOCKED), ("copy.c", _MISMATCHED)):
        write(driver, name, "/* a comment */\n\n" + text)
    assert {f.fingerprint for f in scan(driver).findings} == before


def test_columns_count_characters(tmp_path: Path) -> None:
    write(tmp_path, "ring.c", _LOCKED.replace("\tring->p", '\tlog("ü€𝄞"); ring->p'))
    (finding,) = scan(tmp_path).findings
    assert finding.column == len('\tlog("ü€𝄞"); ring->p = ') + 1


def test_needed_configuration_is_named(tmp_path: Path) -> None:
    call = "\tring->p = kmalloc(64, GFP_KERNEL);\n"
    write(tmp_path, "ring.c", _LOCKED.replace(call, f"#ifdef CONFIG_RING_DEBUG\n{call}#endif\n"))
    (finding,) = scan(tmp_path).findings
    assert finding.needs == ("CONFIG_RING_DEBUG",)


# ---- only what is new


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository whose one commit holds a finding."""
    made = Repository(tmp_path / "repository")
    made.commit(ring_c=_LOCKED, clean_c=_CLEAN)
    return made


_NEW = _LOCKED.replace("ring_grow", "ring_more").replace("struct ring { spinlock_t lock; void *p; };\n", "")


def _functions(ran: Ran) -> list[str]:
    return [f["function"] for f in json.loads(ran.out)["findings"]]


def test_diff(repository: Repository, run: Run) -> None:
    assert run(repository.top, "scan", "--diff", "HEAD").status == 0
    repository.write("ring.c", "/* moved */\n" + _LOCKED + _NEW)
    ran = run(repository.top, "scan", "--diff", "HEAD", "--format", "json")
    assert (ran.status, _functions(ran)) == (1, ["ring_more"])
    assert len(_functions(run(repository.top, "scan", "--format", "json"))) == 2


def test_diff_to_an_older_revision(repository: Repository, run: Run) -> None:
    repository.commit(ring_c=_LOCKED + _NEW)
    repository.commit(other_c=_CLEAN)
    assert run(repository.top, "scan", "--diff", "HEAD~1").status == 0
    assert _functions(run(repository.top, "scan", "--diff", "HEAD~2", "--format", "json")) == ["ring_more"]


def test_diff_of_a_new_file(repository: Repository, run: Run) -> None:
    repository.write("more.c", _MISMATCHED)
    repository.git("add", "more.c")
    assert _functions(run(repository.top, "scan", "--diff", "HEAD", "--format", "json")) == ["copy"]


def test_diff_where_a_callee_changes(repository: Repository, run: Run) -> None:
    held = _LOCKED.replace("kmalloc(64, GFP_KERNEL)", "ring_new(64)").replace("ring_grow", "ring_held")
    new = "void *ring_new(int n)\n{\n\tn++;\n\treturn kmalloc(n, GFP_ATOMIC);\n}\n"
    repository.commit(held_c=held, new_c=new)
    repository.write("new.c", new.replace("GFP_ATOMIC", "GFP_KERNEL"))
    repository.write("held.c", held + "\nint ring_idle;\n")
    assert _functions(run(repository.top, "scan", "--diff", "HEAD", "--format", "json")) == ["ring_held"]


@pytest.mark.parametrize("cache", [(), ("--no-cache",)])
def test_a_change_in_a_driver_shows_in_its_other_files(
    repository: Repository, run: Run, tmp_path: Path, cache: tuple[str, ...]
) -> None:
    held = _LOCKED.replace("kmalloc(64, GFP_KERNEL)", "ring_new(64)").replace("ring_grow", "ring_held")
    new = "void *ring_new(int n)\n{\n\tn++;\n\treturn kmalloc(n, GFP_ATOMIC);\n}\n"
    repository.commit(held_c=held, core__new_c=new)
    repository.write("core/new.c", new.replace("GFP_ATOMIC", "GFP_KERNEL"))
    patch = write(tmp_path, "change.patch", repository.git("diff"))
    repository.git("add", "-A")
    for options in (("--diff", "HEAD"), ("--staged",)):
        assert _functions(run(repository.top, "scan", *options, *cache, "--format", "json")) == ["ring_held"]
    repository.git("reset", "-q", "--hard")
    ran = run(repository.top, "scan", "--patch", str(patch), *cache, "--format", "json")
    assert _functions(ran) == ["ring_held"]


def test_staged(repository: Repository, run: Run) -> None:
    repository.write("ring.c", _LOCKED + _NEW)
    assert run(repository.top, "scan", "--staged").status == 0
    repository.git("add", "ring.c")
    repository.write("ring.c", _CLEAN)
    assert _functions(run(repository.top, "scan", "--staged", "--format", "json")) == ["ring_more"]


def test_patch(repository: Repository, run: Run, tmp_path: Path) -> None:
    repository.commit(ring_c=_LOCKED + _NEW)
    mail = repository.git("format-patch", "--stdout", "HEAD~1")
    repository.git("reset", "-q", "--hard", "HEAD~1")
    patch = write(tmp_path, "series.mbox", mail)
    ran = run(repository.top, "scan", "--patch", str(patch), "--format", "json")
    assert (ran.status, _functions(ran)) == (1, ["ring_more"])
    assert (repository.top / "ring.c").read_text() == _LOCKED


@pytest.mark.parametrize(
    "options",
    [
        ("--diff", "no-such-revision"),
        ("--diff", "--output=/tmp/x"),
        ("--patch", "gone.patch"),
        ("--patch", "ring.c"),
        ("--baseline", "gone.json"),
        ("gone.c",),
        ("--config", "gone.toml"),
    ],
)
def test_what_can_t_be_done_is_said_and_is_status_2(repository: Repository, run: Run, options: tuple[str, ...]) -> None:
    ran = run(repository.top, "scan", *options)
    assert ran.status == 2
    assert "gfplint" in ran.err
    assert "Traceback" not in ran.err


# ---- hostile files


def _sparse(place: Path) -> None:
    with place.open("wb") as stream:
        stream.truncate(100 << 20)


def _socket(place: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(place))
    listener.close()


_FAILING: dict[str, Callable[[Path], object]] = {
    "sparse.c": _sparse,
    "nul.c": lambda place: place.write_bytes(b"int a;\0int b;\n"),
    "binary.c": lambda place: place.write_bytes(bytes(range(256)) * 64),
    "fifo.c": os.mkfifo,
    "socket.c": _socket,
    "dangling.c": lambda place: place.symlink_to("gone.c"),
    "loop.c": lambda place: place.symlink_to("loop.c"),
}


@pytest.mark.parametrize("name", sorted(_FAILING))
def test_a_file_that_can_t_be_read_costs_itself_alone(
    driver: Path, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(driver)
    _FAILING[name](driver / name)
    ran = run(driver, "scan", "--format", "json", ".")
    assert ran.status == 2
    assert re.search(rf"^gfplint: {re.escape(name)}: .", ran.err, re.MULTILINE)
    document = json.loads(ran.out)
    assert [f["rule"] for f in document["findings"]] == ["GFP401", "GFP101"]
    assert [skipped["path"] for skipped in document["skipped"]] == [name]
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "command",
    [("sites",), ("summary", "ring_grow"), ("summary", "nobody"), ("index",), ("index", "--export", "kernel.gfplint")],
)
def test_every_command_names_what_it_could_not_read(driver: Path, run: Run, command: tuple[str, ...]) -> None:
    write(driver, "nul.c", b"int a;\0int b;\n")
    (driver / "dangling.c").symlink_to("gone.c")
    ran = run(driver, *command, "-q", "--jobs", "1")
    assert ran.status == 2
    assert "gfplint: nul.c: binary data (NUL bytes)\n" in ran.err
    assert "gfplint: dangling.c: symbolic link that leads nowhere: No such file or directory\n" in ran.err


def test_a_name_that_is_not_utf8_costs_itself_alone(driver: Path, run: Run) -> None:
    (driver / os.fsdecode(b"bad\xff\x1b[2J.c")).write_text(_LOCKED)
    ran = run(driver, "scan", "--format", "gcc", ".")
    assert ran.status == 2
    assert "bad" in ran.err
    assert "\x1b" not in ran.err + ran.out
    assert ran.out.count("GFP101") == 1


_SURVIVED = {
    "parentheses": "int f(void)\n{\n\treturn " + "(" * 100_000 + "1" + ")" * 100_000 + ";\n}\n",
    "braces": "int f(void)\n" + "{" * 100_000 + "}" * 100_000 + "\n",
    "open braces": "int f(void)\n" + "{" * 100_000,
    "close braces": "}" * 100_000,
    "ifs": "int f(int a)\n{\n" + "if (a) " * 100_000 + ";\n}\n",
    "unary": "int f(int a)\n{\n\treturn " + "!" * 100_000 + "a;\n}\n",
    "members": "int f(struct s *a)\n{\n\treturn a" + "->a" * 100_000 + ";\n}\n",
    "calls": "int f(int a)\n{\n\tkmalloc" + "(kmalloc" * 50_000 + "(1)" + ")" * 50_000 + ";\n}\n",
    "or-ed mask": "void *f(void)\n{\n\treturn kmalloc(1, GFP_KERNEL" + " | __GFP_ZERO" * 50_000 + ");\n}\n",
    "directives": "#if A\n" * 50_000 + "#endif\n" * 50_000,
    "open comment": "/* " + "x" * 100_000,
    "open string": 'char *s = "' + "x" * 100_000,
    "long line": "int a; " * 100_000,
    "macro of itself": "#define A_GFP A_GFP\n#define B_GFP C_GFP\n#define C_GFP B_GFP\n"
    "void *f(void)\n{\n\treturn kmalloc(1, A_GFP | B_GFP);\n}\n",
    "else ifs": "int f(int a)\n{\n\t" + "if (a) ; else " * 20_000 + ";\n}\n",
    "gotos": "int f(int a)\n{\n"
    + "".join(f"l{n}: if (a) goto l{n + 1};\n" for n in range(5_000))
    + "l5000: return 0;\n}\n",
}


@pytest.mark.parametrize("shape", sorted(_SURVIVED))
def test_deep_and_broken_shapes_cost_themselves_alone(driver: Path, run: Run, shape: str) -> None:
    held = _SURVIVED[shape]
    write(driver, "hostile.c", held)
    ran = run(driver, "scan", "--format", "json", "--jobs", "1", ".")
    document = json.loads(ran.out)
    assert [f["path"] for f in document["findings"]] == ["copy.c", "ring.c"]
    named = [skipped["path"] for skipped in document["skipped"]]
    assert named in ([], ["hostile.c"])
    assert ran.status == (2 if named else 1)
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "body",
    [
        "x = " + "(" * 500 + "1" + ")" * 500 + ";\n\t%s",
        "{" * 500 + "%s\t" + "}" * 500 + "\n",
        "%s" + "x = 1;\n" * 60_000,
    ],
    ids=["parentheses", "braces", "size"],
)
def test_a_function_beyond_all_bounds_is_listed(driver: Path, run: Run, body: str) -> None:
    held = "spin_lock(&l);\n\tp = kmalloc(4, GFP_KERNEL);\n\tspin_unlock(&l);\n"
    write(driver, "hostile.c", "void *p;\nDEFINE_SPINLOCK(l);\n\nvoid f(int x)\n{\n\t" + body % held + "}\n")
    document = json.loads(run(driver, "scan", "--format", "json", ".").out)
    assert [(d["path"], d["function"]) for d in document["degraded"]] == [("hostile.c", "f")]
    assert [f["path"] for f in document["findings"]] == ["copy.c", "ring.c"]


def test_a_file_beyond_all_bounds_is_listed(driver: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gfplint.frontend.skeleton.MAX_ITEMS", 20)
    write(driver, "large.c", "int n;\n" * 30 + _LOCKED)
    ran = run(driver, "scan", "--format", "json", "--jobs", "1", "--no-cache", ".")
    (degraded,) = json.loads(ran.out)["degraded"]
    assert (degraded["path"], degraded["function"]) == ("large.c", "")
    assert "analysed in part large.c: more than 20 items" in run(driver, "scan", "-v", "--no-cache").out


def test_bytes_that_are_no_utf8_are_read_all_the_same(driver: Path) -> None:
    write(driver, "ring.c", b"/* \xff\xfe caf\xe9 */\n" + _LOCKED.encode())
    assert ("GFP101", "ring.c", 7) in places(scan(driver).findings)


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_line_endings(driver: Path, ending: str) -> None:
    write(driver, "ring.c", _LOCKED.replace("\n", ending))
    assert ("GFP101", "ring.c", 6) in places(scan(driver).findings)


def test_a_folder_named_like_a_source_is_a_folder(driver: Path, run: Run) -> None:
    write(driver, "folder.c/inner.c", _LOCKED)
    ran = run(driver, "scan", "--format", "json", ".")
    assert ran.status == 1
    assert "folder.c/inner.c" in [f["path"] for f in json.loads(ran.out)["findings"]]


def test_a_link_to_a_folder_above_ends(driver: Path, run: Run) -> None:
    (driver / "up").symlink_to("..")
    ran = run(driver, "scan", "--format", "json", ".")
    assert [f["path"] for f in json.loads(ran.out)["findings"]] == ["copy.c", "ring.c"]


# ---- the same bytes every time


def test_output_does_not_depend_on_the_number_of_processes(tmp_path: Path, run: Run) -> None:
    tree = kernel_tree(tmp_path / "linux")
    for n in range(70):
        write(tree, f"drivers/d{n % 7}/ring{n}.c", _LOCKED.replace("ring_grow", f"ring_grow{n}"))
        write(tree, f"net/n{n % 5}/copy{n}.c", _MISMATCHED.replace("copy(", f"copy{n}("))
    (tree / "drivers/d1/nul.c").write_bytes(b"\0")
    outputs = [run(tree, "scan", "--format", "json", "--jobs", jobs, ".") for jobs in ("1", "3", "1")]
    assert len(json.loads(outputs[0].out)["findings"]) == 140
    assert outputs[0] == outputs[1] == outputs[2]
    assert outputs[0].status == 2


def test_a_baseline_that_is_none_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "x.c", "int f(void)\n{\n\treturn 0;\n}\n")
    monkeypatch.setattr(engine, "outcome_of", lambda *_: pytest.fail("a long scan first"))
    with pytest.raises(GfplintError, match="nosuch"):
        engine.scan(load_settings(Options(paths=(str(tmp_path),), baseline="nosuch"), tmp_path))


def test_an_index_needs_no_baseline(tmp_path: Path) -> None:
    kernel_tree(tmp_path)
    options = Options(paths=(str(tmp_path),), jobs=1, baseline="nosuch", cache_dir=str(tmp_path / "cache"))
    assert engine.index(load_settings(options, tmp_path)).findings == ()
