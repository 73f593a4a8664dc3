"""``gfplint summary`` in its two formats."""

from __future__ import annotations

import json

from gfplint.report import summaries
from tests.rules.harness import program_of

TEXT = """
void *fill(struct ring *r, gfp_t gfp)
{
	spin_lock(&r->lock);
	return kmalloc(64, gfp);
}
"""


def test_json_says_what_the_text_says() -> None:
    program, linker = program_of({"driver.c": TEXT})
    summary = linker.summary(program.functions["fill"][0], 1)
    assert summary is not None
    (document,) = summaries.listing([summary], linker.kernel)
    (found,) = json.loads(document)["summaries"]
    assert found["function"] == "fill"
    assert found["parameters"] == ["r", "gfp"]
    assert found["context"] == [{"when": "always", "enters": [{"kind": "spin", "lock": "r.lock"}], "leaves": []}]
    (sleep,) = found["sleeps"]
    assert sleep["mask"]["from"] == "gfp"
    assert sleep["held"] == [{"kind": "spin", "lock": "r.lock"}]
    assert sleep["trace"][0]["line"] == 5
    assert "enters spin lock r.lock" in "".join(summaries.lines([summary], linker.kernel))


def test_what_a_function_does_in_its_own_context_is_not_called_unknown() -> None:
    program, linker = program_of({"driver.c": TEXT.replace("gfp_t gfp", "int n").replace("gfp)", "GFP_KERNEL)")})
    summary = linker.summary(program.functions["fill"][0], 1)
    assert summary is not None
    assert not summary.sleeps
    assert "but for what its own context forbids" in "".join(summaries.lines([summary], linker.kernel))
