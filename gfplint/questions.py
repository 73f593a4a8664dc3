"""What the analysis knows, asked for outside of a scan: allocation and free sites, the summary of a function."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from gfplint.analysis.interprocedural import Linker
from gfplint.analysis.program import Program
from gfplint.analysis.summary import Summary
from gfplint.analysis.values import MaskValue
from gfplint.config import Settings
from gfplint.errors import GfplintError
from gfplint.findings import Skipped
from gfplint.kernel.model import Kernel, Mask
from gfplint.linting import DEPTH, relevance_of
from gfplint.skeletons import Gatherer
from gfplint.target import Progress, kernel_of, program_files
from gfplint.tree import select as select_paths
from gfplint.tree import work_tree


class Site(msgspec.Struct, frozen=True):
    """One call that allocates or frees. ``mask`` and ``size`` as written; ``mask_values``: every mask that it may
    be.
    """

    path: str
    line: int
    column: int
    function: str
    callee: str
    kind: str
    family: str
    mask: str | None
    mask_values: tuple[str, ...]
    size: str


def sites(settings: Settings, progress: Progress | None = None) -> tuple[tuple[Site, ...], tuple[Skipped, ...]]:
    """The allocation and free call sites of what the settings name, by place, and what could not be read of it."""
    linker, subjects, skipped = _linker(settings, progress)
    found: dict[Site, None] = {}
    for at in subjects:
        for index, function in enumerate(linker.program.facts[at].functions):
            if linker.tabled.isdisjoint(function.callees):
                continue
            summary = linker.summary((at, index), 0)
            if summary is not None:
                found.update(dict.fromkeys(_sites_of(summary, linker.kernel)))
    return tuple(sorted(found, key=lambda s: (s.path, s.line, s.column, s.callee))), skipped


def _sites_of(summary: Summary, kernel: Kernel) -> Iterator[Site]:
    names = {mask: name for name, mask in sorted(kernel.masks.items(), reverse=True) if name.startswith("GFP_")}
    for site in summary.allocs:
        values = tuple(_mask_text(mask, names) for mask in site.masks if mask is not None)
        yield Site(
            path=summary.path,
            line=site.place.line,
            column=site.place.column,
            function=summary.name,
            callee=site.callee,
            kind="alloc",
            family=site.family,
            mask=site.mask_text or None,
            mask_values=tuple(sorted(set(values))),
            size=site.size,
        )
    for free in summary.frees:
        if not free.scope_exit:
            family = free.memory.family if free.memory is not None else ""
            yield Site(
                path=summary.path,
                line=free.place.line,
                column=free.place.column,
                function=summary.name,
                callee=free.callee,
                kind="free",
                family=family,
                mask=None,
                mask_values=(),
                size=free.size,
            )


def _mask_text(mask: MaskValue, names: dict[Mask, str]) -> str:
    """A mask by its name, or by its bits; a symbolic one by where it comes from."""
    known = names.get(mask.plus) or "|".join(sorted(mask.plus))
    if not mask.base:
        return known or "0"
    text = mask.base + (f"|{known}" if known else "")
    return f"{text}&~({'|'.join(sorted(mask.minus))})" if mask.minus else text


def summary(
    settings: Settings, name: str, progress: Progress | None = None
) -> tuple[tuple[Summary, ...], Kernel, tuple[Skipped, ...]]:
    """What the analysis knows of the functions called ``name``, the kernel that the answer is about, and what could not
    be read.
    """
    linker, subjects, skipped = _linker(settings, progress)
    chosen = set(subjects)
    found = tuple(
        known
        for fid in linker.program.functions.get(name, ())
        if fid[0] in chosen and (known := linker.summary(fid, DEPTH)) is not None
    )
    if not found:
        unread = "".join(f"\n{skip.path}: {skip.reason}" for skip in skipped if skip.failed)
        raise GfplintError(f"no function {name!r} is defined there{unread}")
    return found, linker.kernel, skipped


def _linker(settings: Settings, progress: Progress | None) -> tuple[Linker, list[int], tuple[Skipped, ...]]:
    """The linked program of what the settings name, the numbers of the files that were named, and what of all could not
    be read.
    """
    selected = select_paths(settings.paths)
    state = work_tree(selected)
    jobs = settings.jobs or os.cpu_count() or 1
    gatherer = Gatherer(state, None, "", jobs, progress)
    found = gatherer.gather(program_files(state, selected, None))
    paths = found.paths
    facts = gatherer.facts(found, paths)
    kernel = kernel_of(state, selected, settings)
    program = Program(paths, facts)
    relevance = relevance_of(program, kernel, selected)
    linker = Linker(program, kernel, relevance, lambda at: state.read(paths[at]))
    skipped = sorted((*state.skipped(), *found.failed), key=lambda skip: skip.path)
    return linker, [at for at, path in enumerate(paths) if selected.covers(path)], tuple(skipped)
