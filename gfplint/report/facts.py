"""``gfplint rules --facts``: which facts behind the rules a run of a real kernel has confirmed, and which rest on its
source alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gfplint.kernel.model import Kernel, Row
from gfplint.report.encode import Json, document


def lines(kernel: Kernel) -> Iterator[str]:
    """A line a fact: table, name, where it was read; then how many of how many there are."""
    unconfirmed = list(_unconfirmed(kernel))
    for table, name, row in unconfirmed:
        yield f"{table}\t{name}\t{row.source}\n"
    total = sum(len(rows) for rows in _tables(kernel).values())
    yield f"{len(unconfirmed)} of {total} facts for {_release(kernel)} rest on the kernel's source alone\n"


def listing(kernel: Kernel) -> Iterator[str]:
    """The same as one JSON object, with the confirmed facts and the runs that confirm them."""
    facts: list[Json] = [
        {"table": table, "name": name, "source": row.source} for table, name, row in _unconfirmed(kernel)
    ]
    confirmed: list[Json] = [
        {"table": table, "name": name, "source": row.source, "oracle": row.oracle}
        for table, name, row in every(kernel)
        if row.oracle
    ]
    yield document({"kernel_version": _release(kernel), "unconfirmed": facts, "confirmed": confirmed})


def _unconfirmed(kernel: Kernel) -> Iterator[tuple[str, str, Row]]:
    return (fact for fact in every(kernel) if not fact[2].oracle)


def every(kernel: Kernel) -> Iterator[tuple[str, str, Row]]:
    """Every fact: its table, its name and its row."""
    for table, rows in _tables(kernel).items():
        for name, row in sorted(rows.items()):
            yield table, name if isinstance(name, str) else ".".join(map(str, name)), row


def _tables(kernel: Kernel) -> Mapping[str, Mapping[Any, Row]]:
    """The tables whose rows state what a call does, or where the core calls a function, which a run can confirm."""
    return {
        "callbacks": kernel.callbacks,
        "registrars": kernel.registrars,
        "queries": kernel.queries,
        "allocators": kernel.allocators,
        "frees": kernel.frees,
        "contexts": kernel.kinds,
        "context_ops": kernel.context_ops,
        "guards": kernel.guards,
        "scopes": kernel.scopes,
        "sleepers": kernel.sleepers,
    }


def _release(kernel: Kernel) -> str:
    return f"{kernel.version[0]}.{kernel.version[1]}"
