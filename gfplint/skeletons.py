"""The skeletons of files: made in worker processes, in the order of the files."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import msgspec

from gfplint import workers
from gfplint.facts import FileFacts
from gfplint.findings import Skipped
from gfplint.frontend.skeleton import skeleton
from gfplint.target import BATCH, Progress
from gfplint.tree import State, UnreadableError


def gather(
    state: State, files: Sequence[str], jobs: int, progress: Progress | None
) -> tuple[list[str], list[FileFacts], list[Skipped]]:
    """The skeletons of files, in their order, and those that have none."""
    encode = msgspec.msgpack.Encoder().encode

    def work(at: int) -> bytes:
        try:
            return encode(skeleton(state.read(files[at])))
        except UnreadableError as error:
            raise RuntimeError(error.reason if hasattr(error, "reason") else str(error)) from error

    decode = msgspec.msgpack.Decoder(FileFacts).decode
    names: dict[str, str] = {}
    found: dict[int, FileFacts] = {}
    failed: list[Skipped] = []
    gc.disable()
    for at, data in workers.run(len(files), work, jobs, BATCH):
        if isinstance(data, workers.Failure):
            failed.append(Skipped(files[at], data.reason.removeprefix("RuntimeError: "), failed=True))
        else:
            found[at] = _interned(decode(data), names)
        if progress is not None:
            progress(len(found), 2 * len(files))
    gc.enable()
    order = sorted(found)
    return [files[at] for at in order], [found[at] for at in order], failed


def _interned(facts: FileFacts, names: dict[str, str]) -> FileFacts:
    """Share the strings that most files have in common: a tree has millions of calls and few names."""
    share = names.setdefault
    for function in facts.functions:
        msgspec.structs.force_setattr(function, "callees", tuple([share(c, c) for c in function.callees]))
    return facts
