"""``gfplint sites``: the allocation and free calls of a tree, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from gfplint.escape import printable
from gfplint.report.encode import document


class Site(Protocol):
    """One call that allocates or frees; ``mask`` and ``size`` as written, ``mask_values`` every mask it may be."""

    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def function(self) -> str: ...
    @property
    def callee(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def mask(self) -> str | None: ...
    @property
    def mask_values(self) -> Sequence[str]: ...
    @property
    def size(self) -> str: ...


def lines(sites: Sequence[Site]) -> Iterator[str]:
    """A line a site; the columns are separated by tabs, for cut and awk."""
    yield "place\tfunction\tcallee\tkind\tfamily\tmask\tsize\n"
    for site in sites:
        place = f"{site.path}:{site.line}:{site.column}"
        cells = (place, site.function, site.callee, site.kind, site.family, site.mask or "-", site.size or "-")
        yield "\t".join(printable(cell) for cell in cells) + "\n"


def listing(sites: Sequence[Site]) -> Iterator[str]:
    """The same as one JSON object."""
    yield document(
        {
            "sites": [
                {
                    "path": site.path,
                    "line": site.line,
                    "column": site.column,
                    "function": site.function,
                    "callee": site.callee,
                    "kind": site.kind,
                    "family": site.family,
                    "mask": site.mask,
                    "mask_values": list(site.mask_values),
                    "size": site.size,
                }
                for site in sites
            ]
        }
    )
