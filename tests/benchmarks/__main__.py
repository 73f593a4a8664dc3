"""Measure gfplint on a tree and on parts of it: ``python -m tests.benchmarks TREE``.

For 1/8, 1/4, 1/2 and the whole of the tree's files (chosen by a hash of their paths): a scan from nothing, one of what
did not change, the index, a scan after one file changed, beside a raw parse of the same files; at last, where
Coccinelle is installed, the two of the kernel's own scripts that look for the nearest defects. Times are also given in
times of the raw parse. A machine that others share is faster in one minute than in the next: so the raw parse and the
scan from nothing take turns, and the median of each counts. Everything happens on a copy of the files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.measure import Usage, measured

_TOP = Path(__file__).parents[2]
_SCRIPTS = ("scripts/coccinelle/locks/call_kern.cocci", "scripts/coccinelle/api/kfree_mismatch.cocci")
#: Without these a folder is no kernel tree.
_ALWAYS = frozenset(("Makefile", "include/linux/gfp.h", "include/linux/gfp_types.h", "include/linux/slab.h"))
#: Register tables, a third of the tree's bytes: a parse takes long for them and a scan does not. The parse is spared.
_NOT_PARSED = "drivers/gpu/drm/amd/include"
_CHANGE = b"""
static void *gfplint_benchmark(spinlock_t *lock, int size)
{
	void *p;

	spin_lock(lock);
	p = kmalloc(size, GFP_KERNEL);
	spin_unlock(lock);
	return p;
}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one share (1/``share``) of a tree: ``steps`` by name, the raw parse first."""

    share: int
    files: int
    size: int
    steps: dict[str, Usage]
    cache: int


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--shares", default="8,4,2,1", help="1/N of the files each (default: 8,4,2,1)")
    parser.add_argument("--turns", type=int, default=3, help="of the raw parse and the scan from nothing (default: 3)")
    parser.add_argument("--no-coccinelle", action="store_true", help="even where it is installed: it takes long")
    parser.add_argument("--check", action="store_true", help="compare the last result with one from nothing, too")
    parser.add_argument("--temporary", type=Path, help="where the copies are made")
    options = parser.parse_args(arguments)
    tree = options.tree.resolve()
    if not (tree / "Makefile").is_file():
        parser.error(f"{tree}: no kernel tree")
    print(
        f"{'share':>6} {'files':>6} {'MB':>6} {'step':<22} {'wall s':>8} {'CPU s':>8} {'MiB':>6} {'wall':>7} {'CPU':>7}"
    )
    rows = []
    for share in sorted(map(int, options.shares.split(",")), reverse=True):
        with tempfile.TemporaryDirectory(prefix="gfplint-benchmark-", dir=options.temporary) as folder:
            rows.append(measure(tree, share, Path(folder), max(options.turns, 1), check=options.check))
            show(lines(rows[-1]))
            if share == min(map(int, options.shares.split(","))) and not options.no_coccinelle:
                show(coccinelle(tree, Path(folder) / "tree", rows[-1]))
    show(growth(rows[0], rows[-1]))
    return 0


def show(lines_: Iterator[str]) -> None:
    for line in lines_:
        print(line, flush=True)


def measure(tree: Path, share: int, folder: Path, turns: int, *, check: bool) -> Row:
    """Measure one share of a tree, in a folder of its own."""
    top, cache = folder / "tree", folder / "cache"
    files, size = _part(tree, top, share)
    environment = {"PYTHONPATH": str(_TOP)}

    def scan(*options: str, watched: bool = True) -> Usage:
        command = (sys.executable, "-m", "gfplint", "scan", "--exit-zero", *options, ".")
        return measured(command, top, environment, watched=watched)

    kept = ("--cache-dir", str(cache))
    parse = (sys.executable, "-m", "tests.benchmarks.parse", str(top), _NOT_PARSED)
    parses, colds = [], []
    for turn in range(1, turns + 1):
        watched = turn == turns  # the medians are mostly of runs that nobody looks at
        shutil.rmtree(cache, ignore_errors=True)
        parses.append(measured(parse, _TOP, environment, watched=watched))
        colds.append(scan(*kept, watched=watched))
    steps = {"raw parse": _typical(parses), "cold": _typical(colds)}
    steps["warm, nothing changed"] = scan(*kept)
    if steps["warm, nothing changed"].output != steps["cold"].output:
        raise SystemExit("a warm scan shows something else than a cold one")
    steps["index"] = measured((sys.executable, "-m", "gfplint", "index", *kept, "."), top, environment)
    sources = sorted(top.rglob("*.c"))
    subject = next((p for p in sources if "drivers" in p.parts), sources[0])
    with subject.open("ab") as stream:
        stream.write(_CHANGE)
    steps["warm, one file changed"] = scan(*kept)
    if check and scan("--no-cache").output != steps["warm, one file changed"].output:
        raise SystemExit("after a change, a scan with an index shows something else than one without")
    stored = sum(p.stat().st_size for p in cache.rglob("*") if p.is_file())
    return Row(share, files, size, steps, stored)


def _typical(found: Sequence[Usage]) -> Usage:
    """The medians of several runs of one command; its status where one failed."""
    wall, cpu = statistics.median([u.wall for u in found]), statistics.median([u.cpu for u in found])
    status = max((usage.status for usage in found), key=abs)
    return replace(found[-1], wall=wall, cpu=cpu, memory=max(usage.memory for usage in found), status=status)


def lines(row: Row) -> Iterator[str]:
    """A row as text: each step, and its wall time and CPU in times of the raw parse."""
    for name, usage in row.steps.items():
        yield _line(row, name, usage)
    yield f"{'':20} {row.cache / 1e6:.0f} MB in the cache"


def growth(smallest: Row, largest: Row) -> Iterator[str]:
    """How the cost of a byte grew from the smallest share to the largest; 1 is linear."""
    if smallest is not largest:
        small, large = (row.steps["cold"].cpu / row.size for row in (smallest, largest))
        times = large / max(small, 1e-12)
        yield f"a byte of 1/{largest.share} takes {times:.2f} times the CPU of one of 1/{smallest.share}"


def coccinelle(tree: Path, top: Path, row: Row) -> Iterator[str]:
    """The same for the kernel's own scripts."""
    spatch = shutil.which("spatch")
    if spatch is None:
        yield "Coccinelle is not installed"
        return
    total = 0.0
    for script in _SCRIPTS:
        command = (spatch, "-D", "report", "--no-show-diff", "--very-quiet", "-j", str(os.cpu_count() or 1))
        usage = measured((*command, "--cocci-file", str(tree / script), "--dir", str(top)), top)
        total += usage.cpu
        yield _line(row, Path(script).stem, usage)
    yield f"both take {total / max(row.steps['cold'].cpu, 1e-9):.1f} times the CPU of a cold scan"


def _line(row: Row, name: str, usage: Usage) -> str:
    parse = row.steps["raw parse"]
    failed = "" if usage.status == 0 else f"  status {usage.status}"
    return (
        f"{'1/' + str(row.share):>6} {row.files:6} {row.size / 1e6:6.0f} {name:<22} {usage.wall:8.2f} {usage.cpu:8.2f}"
        f" {usage.memory >> 20:6} {usage.wall / parse.wall:7.2f} {usage.cpu / max(parse.cpu, 1e-9):7.2f}{failed}"
    )


def _part(tree: Path, top: Path, share: int) -> tuple[int, int]:
    """Copy a share of a tree's sources; returns how many files and bytes these are."""
    files = size = 0
    for source in sorted(tree.rglob("*.[ch]")):
        path = source.relative_to(tree)
        chosen = zlib.crc32(str(path).encode()) % share == 0 or str(path) in _ALWAYS
        if not chosen or source.is_symlink() or not source.is_file():
            continue
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        files, size = files + 1, size + source.stat().st_size
    shutil.copyfile(tree / "Makefile", top / "Makefile")
    os.sync()  # else the copy is written to the disk while the first steps are measured
    return files, size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
