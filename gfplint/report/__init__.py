"""Reports: a scan's result as text for people, and as the formats that other tools read.

One module a format, each with ``render(result, how) -> Iterator[str]``: pieces of one document, the same bytes for
the same result. What is shown has been decided before; a report leaves nothing out except where a format's reader
would refuse it, and then says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from gfplint.findings import ScanResult
from gfplint.report.presentation import Presentation

# A module of a format has the format's name, but must not shadow the standard library's.
_MODULES = {"json": "json_"}


def render(form: str, result: ScanResult, how: Presentation) -> Iterator[str]:
    """The document of ``result`` in format ``form`` (one of config.FORMATS), piece by piece."""
    module = importlib.import_module(f"gfplint.report.{_MODULES.get(form, form)}")
    pieces: Iterator[str] = module.render(result, how)
    return pieces
