"""A kernel in a file, and modules that are linted against it."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gfplint import engine
from gfplint.config import Options, load_settings
from gfplint.errors import GfplintError
from gfplint.findings import Finding, ScanResult
from tests.index.trees import make
from tests.tree.repositories import write

MODULE = """\
#include <linux/ring.h>
static int probe(struct ring *r)
{
	spin_lock(&r->lock);
	r->p = ring_new(4);
	spin_unlock(&r->lock);
	return 0;
}
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    tree = make(tmp_path / "linux")
    new = tree / "drivers/core/new.c"
    new.write_text(new.read_text() + "EXPORT_SYMBOL(ring_new);\nEXPORT_SYMBOL_GPL(ring_free);\n")
    deep = tree / "drivers/core/deep.c"
    deep.write_text("/* words, words */\n" + deep.read_text() + "EXPORT_SYMBOL_GPL(ring_deep);\n")
    for name in ("deep.c", "loop.c"):
        file = tree / "drivers/core" / name
        file.write_text(file.read_text() + f"EXPORT_SYMBOL(ring_loop_{'a' if name == 'deep.c' else 'b'});\n")
    return tree


@pytest.fixture
def exported(kernel: Path, tmp_path: Path) -> Path:
    file = tmp_path / "kernel.gfplint"
    engine.index(load_settings(_options(kernel), kernel), export=str(file))
    shutil.rmtree(kernel)
    return file


def _options(path: Path, **options: object) -> Options:
    return Options(paths=(str(path),), jobs=1, no_cache=True, **options)  # type: ignore[arg-type]


def _scan(path: Path, file: Path, **options: object) -> ScanResult:
    return engine.scan(load_settings(_options(path, kernel_index=str(file), **options), path))


def test_a_module_is_told_what_sleeps_in_the_kernel(exported: Path, tmp_path: Path) -> None:
    module = write(tmp_path / "module", "mod.c", MODULE)
    result = _scan(module.parent, exported)
    finding = next(f for f in result.findings if f.rule == "GFP101")
    assert (finding.path, finding.line, finding.function) == ("mod.c", 5, "probe")
    assert [(s.path, s.function) for s in finding.trace] == [
        ("mod.c", "probe"),
        ("mod.c", "probe"),
        ("drivers/core/new.c", "ring_new"),
        ("include/linux/ring.h", "ring_zalloc"),
    ]
    assert result.kernel_version == "6.12"
    lines = engine.reader(load_settings(_options(module.parent, kernel_index=str(exported)), module.parent))
    assert b"return ring_zalloc(n);" in lines("drivers/core/new.c").split(b"\n")[4]


def test_macros_and_members_of_headers_count(exported: Path, tmp_path: Path) -> None:
    text = MODULE.replace("spin_lock(&r->lock)", "ring_lock(r)").replace("ring_new(4)", "kmalloc(4, RING_GFP)")
    module = write(tmp_path / "module", "mod.c", text)
    assert [(f.rule, f.line) for f in _scan(module.parent, exported).findings] == [("GFP101", 5)]


def test_what_the_tree_says_of_a_folder_is_what_its_file_says(kernel: Path, tmp_path: Path) -> None:
    inside = engine.scan(load_settings(_options(kernel), kernel))
    file = tmp_path / "kernel.gfplint"
    engine.index(load_settings(_options(kernel), kernel), export=str(file))
    for folder in ("drivers/one", "drivers/two", "drivers/three"):
        copy = tmp_path / "copy" / folder
        shutil.copytree(kernel / folder, copy)
        expected = [f for f in inside.findings if f.path.startswith(folder)]
        assert expected
        assert [_told(f, "") for f in _scan(copy, file).findings] == [_told(f, folder + "/") for f in expected]


def _told(finding: Finding, prefix: str) -> object:
    steps = [(s.path.removeprefix(prefix), s.line, s.column, s.message) for s in finding.trace]
    return finding.rule, finding.path.removeprefix(prefix), finding.line, finding.confidence, finding.message, steps


def test_a_file_of_another_kind(exported: Path, tmp_path: Path) -> None:
    module = write(tmp_path / "module", "mod.c", MODULE).parent
    for content in (b"", b"text", exported.read_bytes()[:5000]):
        bad = tmp_path / "bad"
        bad.write_bytes(content)
        with pytest.raises(GfplintError, match="bad"):
            _scan(module, bad)
        assert bad.read_bytes() == content
    with pytest.raises(GfplintError, match="no such file"):
        _scan(module, tmp_path / "none")
    with pytest.raises(GfplintError, match="module: not a regular file"):
        _scan(module, module)
    with pytest.raises(GfplintError, match="changes"):
        _scan(module, exported, diff="HEAD")


@pytest.mark.parametrize("name", ["-", "drivers/one/old.c", "include/linux/ring.h"])
def test_summaries_take_the_place_of_no_source(kernel: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kernel)
    before = sorted(kernel.rglob("*"))
    with pytest.raises(GfplintError, match="expected the name of a file"):
        engine.index(load_settings(_options(kernel), kernel), export=name)
    assert sorted(kernel.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_kernel_that_may_not_be_read(exported: Path, tmp_path: Path) -> None:
    module = write(tmp_path / "module", "mod.c", MODULE).parent
    exported.chmod(0)
    with pytest.raises(GfplintError, match="Permission denied"):
        _scan(module, exported)


def test_a_link_leads_to_a_kernel(exported: Path, tmp_path: Path) -> None:
    module = write(tmp_path / "module", "mod.c", MODULE).parent
    link = tmp_path / "link"
    link.symlink_to(exported.name)
    assert _scan(module, link).findings == _scan(module, exported).findings


def test_a_kernel_for_less_sure_findings(kernel: Path, tmp_path: Path) -> None:
    module = write(tmp_path / "module", "mod.c", MODULE).parent
    file = tmp_path / "kernel.gfplint"
    engine.index(load_settings(_options(kernel, min_confidence="low"), kernel), export=str(file))
    with pytest.raises(GfplintError, match="--min-confidence"):
        _scan(module, file)
    assert _scan(module, file, min_confidence="low").findings


def test_flipped_bits_are_noticed_or_do_not_matter(exported: Path, tmp_path: Path) -> None:
    module = write(tmp_path / "module", "mod.c", MODULE).parent
    good = _scan(module, exported).findings
    sound, chance = exported.read_bytes(), random.Random(7)
    for _ in range(12):
        data = bytearray(sound)
        for _ in range(chance.choice((1, 1, 30))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        exported.write_bytes(data)
        try:
            assert _scan(module, exported).findings == good
        except GfplintError as error:
            assert exported.name in str(error)


def test_another_version_wrote_it(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = write(tmp_path / "module", "mod.c", MODULE).parent
    monkeypatch.setattr("gfplint.index.packed.tool_digest", lambda: b"other")
    with pytest.raises(GfplintError, match="another version"):
        _scan(module, exported)


def test_a_file_in_its_place_is_kept_where_writing_fails(kernel: Path, tmp_path: Path) -> None:
    place = tmp_path / "folder"
    place.mkdir()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for bad, said in ((place, "not a regular file"), (pipe, "not a regular file"), (place / "a/b", "no such folder")):
        with pytest.raises(GfplintError, match=f"^{re.escape(str(bad))}: .*{said}"):
            engine.index(load_settings(_options(kernel), kernel), export=str(bad))
    assert place.is_dir()
    assert pipe.is_fifo()
    assert list(tmp_path.glob(".*")) == []


def test_a_link_in_its_place_stays_one(kernel: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("kernel.gfplint")
    engine.index(load_settings(_options(kernel), kernel), export=str(link))
    assert link.is_symlink()
    assert link.stat().st_size


def test_what_killed_exports_left_is_removed(kernel: Path, tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    file = tmp_path / "kernel[1].gfplint"
    left = [tmp_path / f".{file.name}.{int(gone.stdout)}{suffix}" for suffix in ("", "-journal")]
    kept = [tmp_path / f".{file.name}.{os.getppid()}", tmp_path / ".kernel1.gfplint.12", tmp_path / "other"]
    for path in (*left, *kept):
        path.write_bytes(b"")
    engine.index(load_settings(_options(kernel), kernel), export=str(file))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(p.name for p in (file, *kept))
