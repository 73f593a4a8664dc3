"""What a scan is about: the kernel, and the files that make up the program."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from gfplint.config import ConfigError, Settings
from gfplint.kernel.model import Kernel, Version
from gfplint.tree import MissingError, Selection, State, UnreadableError
from gfplint.user_tables import RowError, with_user_tables

Progress = Callable[[int, int], None]

#: The version whose semantics a file outside any kernel tree gets.
NEWEST: Version = (7, 0)


def kernel_of(state: State, selected: Selection, settings: Settings) -> Kernel:
    """What is known of the scanned kernel: the tree's headers count more than its version."""
    # An index knows it: a start costs what it uses.
    from gfplint.kernel.callbacks import with_callbacks  # noqa: PLC0415
    from gfplint.kernel.headers import MASK_HEADERS, read_masks  # noqa: PLC0415
    from gfplint.kernel.load import load as load_kernel  # noqa: PLC0415
    from gfplint.kernel.probe import probe, probes_of  # noqa: PLC0415

    version = settings.kernel_version or selected.root.version or NEWEST
    if settings.kernel_version is not None or selected.root.version is None:
        return _with_tables(with_callbacks(load_kernel(version, probes_of(version))), settings)

    def read(path: str) -> bytes | None:
        try:
            return state.read(path)
        except (MissingError, UnreadableError):
            return None

    texts = [text.decode("utf-8", "replace") for path in MASK_HEADERS if (text := read(path)) is not None]
    masks = read_masks(texts) if texts else None
    return _with_tables(with_callbacks(load_kernel(version, probe(read, version), masks or None)), settings)


def _with_tables(kernel: Kernel, settings: Settings) -> Kernel:
    """The kernel with the rows of the configuration file, which an error names."""
    try:
        return with_user_tables(kernel, settings.tables)
    except RowError as error:
        raise ConfigError(f"{settings.config}: {error}") from error


def program_files(state: State, selected: Selection, only: frozenset[str] | None) -> list[str]:
    """The files that make up the program.

    The whole root where it was named; else, as there is no index of the rest, what was named with its neighbours
    (for files
    and changes: those in the same folder).
    """
    files = list(state.files())
    if only is None and "" in selected.paths:
        return files
    near = only if only is not None else {f for f in files if f in selected.paths}
    folders = {posixpath.dirname(path) for path in near}
    return [f for f in files if posixpath.dirname(f) in folders or (only is None and selected.covers(f))]
