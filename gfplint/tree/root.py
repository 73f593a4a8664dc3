"""Where the tree of the named paths starts, and which kernel it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from gfplint.tree.errors import TreeError
from gfplint.tree.layout import is_kernel_code, is_source_path
from gfplint.tree.state import escaped, is_file, is_folder, is_utf8

_ASSIGNMENT = re.compile(rb"^(VERSION|PATCHLEVEL|SUBLEVEL)[ \t]*=[ \t]*(\d{1,4})[ \t]*$", re.MULTILINE)
_MAKEFILE_HEAD = 16 << 10


class Root(msgspec.Struct, frozen=True):
    """The root of a scanned tree.

    ``path`` is absolute, without symbolic links. ``version`` is (major, minor) of a kernel tree, None outside of
    one; ``release`` is the version in full ("6.12.117"), or "". ``git``: the top of the git work tree around it,
    or None.
    """

    path: Path
    version: tuple[int, int] | None = None
    release: str = ""
    git: Path | None = None

    def has(self, path: str) -> bool:
        """True if there is a file of this path, relative to the root, on disk."""
        return is_file(self.path / path)

    def linted(self, path: str) -> bool:
        """True if the file (relative to the root) is linted, False if it is only read (see ``layout``)."""
        return self.version is None or is_kernel_code(path)


class Selection(msgspec.Struct, frozen=True):
    """What the user named: the root, and the named files and folders relative to it ("" for the root itself).

    ``scope`` holds the files and folders that make up the program around them ("" for all of the root); a scope
    that ends with ``/.`` is a folder without its subfolders.
    """

    root: Root
    paths: tuple[str, ...]
    scope: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """True if a file, relative to the root, was named or stands in a named folder."""
        return any(not named or path == named or path.startswith(named + "/") for named in self.paths)


def find_root(path: str | Path) -> Root:
    """The root of the tree in which a file or folder stands.

    The nearest kernel tree above it; else the top of the git work tree around it; else the folder itself (the folder
    of a file). Raises TreeError if there is no such path.
    """
    return _root_of(_folder_of(_real(path)))


def select(paths: Sequence[str | Path]) -> Selection:
    """The root and the selection for the paths of one command line (none: the current folder).

    Raises TreeError for a path that does not exist, and for paths of different trees.
    """
    places = [_real(path) for path in paths or (".",)]
    roots = {_root_of(_folder_of(place)) for place in places}
    root = roots.pop() if len(roots) == 1 else _common_root(roots, places)
    # A state skips what is not UTF-8, and names it.
    relative = (_relative(root, place) for place in places)
    named = tuple(sorted({name if is_utf8(name) else escaped(name) for name in relative}))
    return Selection(root=root, paths=named, scope=_scope(root, places))


def kernel_version(makefile: bytes) -> tuple[tuple[int, int], str] | None:
    """((major, minor), release) that a kernel's top Makefile states, or None if it is no such Makefile."""
    values = {name: int(number) for name, number in _ASSIGNMENT.findall(makefile[:_MAKEFILE_HEAD])}
    # Version 1 and years as versions are other projects that took the kernel's build system.
    if not {b"VERSION", b"PATCHLEVEL"} <= values.keys() or not 2 <= values[b"VERSION"] < 100:
        return None
    major, minor, sub = values[b"VERSION"], values[b"PATCHLEVEL"], values.get(b"SUBLEVEL", 0)
    return (major, minor), f"{major}.{minor}.{sub}"


def _real(path: str | Path) -> Path:
    try:
        return Path(os.path.realpath(path, strict=True))
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "not a path"
        raise TreeError(f"{path}: {reason}") from error


def _folder_of(place: Path) -> Path:
    return place if is_folder(place) else place.parent


def _root_of(folder: Path) -> Root:
    git = next((above for above in (folder, *folder.parents) if _is_git_top(above)), None)
    for above in (folder, *folder.parents):
        version = _version_of(above)
        if version is not None:
            git_above = git if git is not None and above.is_relative_to(git) else None
            return Root(path=above, version=version[0], release=version[1], git=git_above)
    return Root(path=git or folder, git=git)


def _is_git_top(folder: Path) -> bool:
    dot_git = folder / ".git"
    return is_file(dot_git) or is_file(dot_git / "HEAD")


def _version_of(folder: Path) -> tuple[tuple[int, int], str] | None:
    makefile = folder / "Makefile"
    if not is_file(makefile) or not _has_kernel_layout(folder):
        return None
    try:
        with makefile.open("rb") as stream:
            return kernel_version(stream.read(_MAKEFILE_HEAD))
    except OSError:
        return None


def _has_kernel_layout(folder: Path) -> bool:
    if is_file(folder / "include/linux/gfp.h"):
        return True
    return all(is_folder(folder / name) for name in ("init", "kernel", "mm"))


def _common_root(roots: Iterable[Root], places: Sequence[Path]) -> Root:
    kernels = sorted(str(root.path) for root in roots if root.version is not None)
    if kernels:
        raise TreeError(f"the paths belong to different trees ({', '.join(kernels)} and another): scan one at a time")
    top = Path(os.path.commonpath([_folder_of(place) for place in places]))
    return Root(path=top)


def _relative(root: Root, place: Path) -> str:
    relative = place.relative_to(root.path).as_posix()
    return "" if relative == "." else relative


def _scope(root: Root, places: Sequence[Path]) -> tuple[str, ...]:
    """A tree or repository is one program; loose files see the folder that they stand in.

    What the user names is read even where a walk does not lead to it (build output, hidden folders).
    """
    whole = root.version is not None or root.git is not None
    scope = {""} if whole else set()
    for place in places:
        relative = _relative(root, place)
        if not is_folder(place):
            scope |= {relative} if whole else {relative, f"{_relative(root, place.parent)}/.".lstrip("/")}
        elif not whole or (relative and not is_source_path(relative + "/x.c")):
            scope.add(relative)
    return tuple(sorted(scope))
