"""Git repositories and kernel trees for the tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A U Thor",
    "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "A U Thor",
    "GIT_COMMITTER_EMAIL": "author@example.org",
    "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z",
    "PATH": os.environ["PATH"],
}

MAKEFILE = (
    b"# SPDX-License-Identifier: GPL-2.0\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = x\n"
)


class Repository:
    """A git work tree in a folder."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ("git", *arguments), cwd=self.top, env=_ENVIRONMENT, input=stdin, capture_output=True, check=True
        ).stdout

    def write(self, path: str, content: bytes | str) -> Path:
        return write(self.top, path, content)

    def commit(self, **files: bytes | str) -> str:
        """Write files (``__`` for ``/``, ``_c`` and ``_h`` for the suffix), commit all, and return the commit's id."""
        for name, content in files.items():
            self.write(name.replace("__", "/").replace("_c", ".c").replace("_h", ".h"), content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD").decode().strip()


def write(top: Path, path: str, content: bytes | str) -> Path:
    """Write one file, with its folders."""
    place = top / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def kernel_tree(top: Path) -> Path:
    """The least that is a kernel tree."""
    write(top, "Makefile", MAKEFILE)
    write(top, "include/linux/gfp.h", "")
    return top
