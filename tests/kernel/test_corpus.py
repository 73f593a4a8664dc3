"""The tables against a real kernel tree (GFPLINT_CORPUS names it; any version that the tables know)."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest

from gfplint.kernel.callbacks import with_callbacks
from gfplint.kernel.headers import MASK_HEADERS, read_masks
from gfplint.kernel.load import load
from gfplint.kernel.masks import built_in_masks
from gfplint.kernel.model import Kernel, Row, Version
from gfplint.kernel.probe import probe

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif("GFPLINT_CORPUS" not in os.environ, reason="GFPLINT_CORPUS names no tree"),
]


def root() -> Path:
    return Path(os.environ["GFPLINT_CORPUS"])


def read(path: str) -> bytes | None:
    file = root() / path
    return file.read_bytes() if file.is_file() else None


@cache
def text(path: str) -> str | None:
    data = read(path)
    return None if data is None else data.decode("utf-8", "replace")


def version() -> Version:
    makefile = text("Makefile") or ""
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL) = (\d+)$", makefile, re.MULTILINE))
    return int(found["VERSION"]), int(found["PATCHLEVEL"])


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return load(version(), probe(read, version()))


def test_built_in_masks_are_those_of_the_tree(kernel: Kernel) -> None:
    headers = read_masks([content for path in MASK_HEADERS if (content := text(path)) is not None])
    built_in = built_in_masks(kernel.version, kernel.probes)
    assert len(headers) > 35
    assert {name: headers[name] for name in built_in if headers.get(name) != built_in[name]} == {}


def test_rows_name_what_their_source_declares(kernel: Kernel) -> None:
    """Rows that hold for older or newer kernels too need not show here; nine in ten must."""
    rows: list[Row] = [*kernel.frees.values(), *kernel.context_ops.values(), *kernel.sleepers.values()]
    rows += [row for row in kernel.allocators.values() if not row.name.endswith("_noprof")]
    missing = [row for row in rows if not re.search(rf"\b{row.name}(?:_noprof)?\b", text(row.source) or "")]  # type: ignore[attr-defined]
    assert len(missing) < len(rows) / 10, missing


def test_callbacks_name_structures_of_the_tree(kernel: Kernel) -> None:
    headers = "\n".join(path.read_text(errors="replace") for path in (root() / "include").rglob("*.h"))
    structs = set(re.findall(r"\b(?:struct|union)\s+(\w+)\s*\{", headers))
    named = {name for name, _ in with_callbacks(kernel).callbacks}
    # The others stand in headers of subsystems outside include/.
    assert len(named & structs) > len(named) / 2
