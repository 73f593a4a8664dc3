"""Rules that read code run where they are asked for, and cost nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gfplint import engine
from gfplint.analysis.interprocedural import Linker
from gfplint.config import Settings
from gfplint.facts import Function
from gfplint.findings import Finding
from gfplint.kernel.model import Kernel
from gfplint.reading import Readers
from gfplint.rules import catalogue
from gfplint.target import NEWEST
from tests.rules.harness import kernel_of

_TEXT = """
void *f(int n)
{
	void *p = kmalloc(n * sizeof(int), GFP_KERNEL);

	if (!p)
		return NULL;
	memset(p, 0, n * sizeof(int));
	return p;
}
"""


def _function(*callees: str) -> Function:
    return Function("f", 1, 0, 0, 0, False, "", callees, ("GFP_KERNEL",))


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return kernel_of(NEWEST)


def _rules(*codes: str) -> Readers:
    return Readers([r for r in catalogue() if r.code in codes], kernel_of(NEWEST))


def test_only_functions_of_interest_are_read() -> None:
    assert _rules("GFP601").of(_function("memset"), bytes)
    assert not _rules("GFP601").of(_function("kfree"), bytes)
    assert _rules("GFP602").of(_function("kmalloc"), bytes)
    assert not _rules("GFP101").of(_function("kmalloc"), bytes)
    assert _rules("GFP502").of(_function(), bytes)
    assert not _rules("GFP505").of(_function(), bytes)
    assert not _rules("GFP503").of(_function(), bytes)
    assert not _rules("GFP407").of(_function("devm_kzalloc"), lambda: b"struct i2c_client *c;")
    assert _rules("GFP407").of(_function("devm_kzalloc"), lambda: b"struct usb_interface *intf;")


def test_advice_is_given_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(_TEXT)

    def codes(**options: object) -> set[str]:
        return {f.rule for f in engine.scan(Settings(paths=(str(tmp_path),), **options)).findings}  # type: ignore[arg-type]

    assert codes() == set()
    assert codes(advice=True) == {"GFP601", "GFP602"}
    assert codes(select=("GFP602",)) == {"GFP602"}
    assert codes(select=("GFP6",)) == set()


def test_advice_that_is_not_shown_is_not_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.c").write_text(_TEXT)
    read: list[str] = []

    def findings(readers: Readers, file: int, linker: Linker) -> Iterator[Finding]:
        read.extend(rule.code for rule, _ in readers.rules)
        return iter(())

    monkeypatch.setattr(Readers, "findings", findings)
    engine.scan(Settings(paths=(str(tmp_path),), jobs=1))
    assert not {"GFP601", "GFP602"} & set(read)
