"""What the code itself is: digests that change with it, so that what another version found out is never taken for own.

They are over the bytes of the sources and tables, and over the versions of what parses C. A version number alone would
not do: it changes less often than the code.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

_LIBRARIES = ("msgspec-", "tree_sitter-", "tree_sitter_c-", "pycparser-")


@cache
def tool_digest() -> bytes:
    """Stands for all of gfplint: sources, rules and tables."""
    top = Path(__file__).parent.parent
    rules = importlib.util.find_spec("gfplint.rules")
    folders = [top, *map(Path, (rules.submodule_search_locations or ()) if rules is not None else ())]
    return _digest([path for folder in folders for path in _sources(folder)])


@cache
def frontend_digest() -> bytes:
    """Stands for what makes a file's skeleton from its bytes."""
    top = Path(__file__).parent.parent
    return _digest([top / "facts.py", *_sources(top / "frontend")])


def _sources(folder: Path) -> list[Path]:
    return sorted([*folder.rglob("*.py"), *folder.rglob("*.toml")])


def _digest(paths: list[Path]) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    found.update(sys.version.encode())
    found.update(_libraries().encode())
    for path in paths:
        data = path.read_bytes()
        found.update(f"{path.name} {len(data)}\n".encode())
        found.update(data)
    return found.digest()


@cache
def _libraries() -> str:
    """The names of the installed distributions of the libraries, which hold their versions."""
    spec = importlib.util.find_spec("msgspec")
    if spec is None or spec.origin is None:
        return ""
    beside = Path(spec.origin).parent.parent
    return " ".join(sorted(p.name for p in beside.iterdir() if p.name.startswith(_LIBRARIES)))
