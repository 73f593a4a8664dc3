"""The yardstick: tree-sitter parses all files, in as many processes as there are processors, and does nothing else."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

import tree_sitter
import tree_sitter_c


def _parse(paths: list[str]) -> int:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))
    size = 0
    for path in paths:
        data = Path(path).read_bytes()
        parser.parse(data)
        size += len(data)
    return size


def main(top: Path, left_out: str) -> None:
    """Print the bytes parsed below a folder; ``left_out``: a folder in it whose files are not."""
    paths = sorted(str(p) for p in top.rglob("*.[ch]") if p.is_file() and top / left_out not in p.parents)
    batches = [paths[at : at + 64] for at in range(0, len(paths), 64)]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        print(sum(pool.imap_unordered(_parse, batches)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
