"""What to scan: which files, which kernel version, what changed."""

from gfplint.tree.compare import Changes, Comparison, patched, read_patch, since, staged, with_patches, work_tree
from gfplint.tree.errors import MissingError, PatchError, TreeError, UnreadableError
from gfplint.tree.git import Git, GitIndex, GitRevision
from gfplint.tree.layout import MAX_BYTES, SUFFIXES, is_kernel_code, is_source, is_source_path
from gfplint.tree.root import Root, Selection, find_root, kernel_version, select
from gfplint.tree.state import Overlay, State, WorkTree, is_file, is_folder, read_regular

__all__ = [
    "MAX_BYTES",
    "SUFFIXES",
    "Changes",
    "Comparison",
    "Git",
    "GitIndex",
    "GitRevision",
    "MissingError",
    "Overlay",
    "PatchError",
    "Root",
    "Selection",
    "State",
    "TreeError",
    "UnreadableError",
    "WorkTree",
    "find_root",
    "is_file",
    "is_folder",
    "is_kernel_code",
    "is_source",
    "is_source_path",
    "kernel_version",
    "patched",
    "read_patch",
    "read_regular",
    "select",
    "since",
    "staged",
    "with_patches",
    "work_tree",
]
