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
_BUILT_FOLDER = re.compile(r"(?:include/generated|arch/[^/]+/include/generated|debian/build)/")


def is_source(name: str) -> bool:
    """True for the base name of a file that a scan reads; hidden files are editors' and kbuild's own."""
    if not name.endswith(SUFFIXES) or name.startswith("."):
        return False
    return name.count(".") < 2 or not _BUILT_NAME.search(name)  # the first is sooner told, and most names have one dot


def is_source_path(path: str) -> bool:
    """As :func:`is_source`, for a path relative to the root: no folder of it is hidden or holds build output."""
    return (
        path.endswith(SUFFIXES)
        and not path.startswith(".")
        and "/." not in path
        and is_source(path.rpartition("/")[2])
        and _BUILT_FOLDER.match(path) is None
    )


def is_entered(folder: str) -> bool:
    """True for a folder (relative to the root) in which a walk looks for sources."""
    return not folder.rpartition("/")[2].startswith(".") and _BUILT_FOLDER.match(folder + "/") is None


def is_kernel_code(path: str) -> bool:
    """True for a path of a kernel tree, relative to its root, that belongs to the kernel itself."""
    return _NOT_KERNEL.match(path) is None
