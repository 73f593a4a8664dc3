"""Which files a scan reads, and which of them are the kernel: rules of layout alone, no file is named.

A kernel tree carries programs that are not the kernel (tools/, scripts/, samples/, usr/, boot loaders, purgatory,
selftests). They are read, since kernel code includes some of their headers, and never linted: tools/ defines a
kmalloc of its own.
"""

from __future__ import annotations

import re

#: Suffixes of the files that a scan reads.
SUFFIXES = (".c", ".h")

#: Nothing in a kernel tree that is written by hand comes near (its largest register headers are 24 MB).
MAX_BYTES = 32 << 20

_NOT_KERNEL = re.compile(
    r"""^(?:tools|scripts|samples|usr)/     # programs that run elsewhere, selftests among them, and examples
      | ^arch/[^/]+/(?:boot|tools)/         # run before the kernel, or build it
      | ^arch/(?:[^/]+/)+purgatory/         # runs between two kernels
    """,
    re.VERBOSE,
)
_BUILT_NAME = re.compile(r"\.mod\.[ch]$|\.tab\.[ch]$|\.lex\.c$|\.asn1\.[ch]$")
_BUILT_DIRECTORY = re.compile(r"^(?:include/(?:generated|config)|arch/[^/]+/include/generated|debian/build)$")


def is_source(name: str) -> bool:
    """True for the base name of a file that a scan reads; hidden files are editors' and kbuild's own."""
    return name.endswith(SUFFIXES) and not name.startswith(".") and not _BUILT_NAME.search(name)


def is_source_path(path: str) -> bool:
    """As :func:`is_source`, for a path relative to the root: no folder of it is hidden or holds build output."""
    folders = path.split("/")
    name = folders.pop()
    return is_source(name) and not any(
        enters_not("/".join(folders[: depth + 1]), folder) for depth, folder in enumerate(folders)
    )


def enters_not(path: str, name: str) -> bool:
    """True for a folder (``path`` relative to the root, ``name`` its last part) that a scan does not enter."""
    return name.startswith(".") or _BUILT_DIRECTORY.match(path) is not None


def is_kernel_code(path: str) -> bool:
    """True for a path of a kernel tree, relative to its root, that belongs to the kernel itself."""
    return _NOT_KERNEL.match(path) is None
