"""``rules --facts``: every fact is on one of two lists."""

from __future__ import annotations

import json
import re

from gfplint.kernel.load import load
from gfplint.kernel.probe import probes_of
from gfplint.report import facts

KERNEL = load((6, 12), probes_of((6, 12)))
CASE = re.compile(r"[\w]+-(A|B|C|D|Ds|E)#\d+$")


def test_the_lists_are_disjoint_and_name_their_proof() -> None:
    listing = json.loads("".join(facts.listing(KERNEL)))
    confirmed = {(fact["table"], fact["name"]) for fact in listing["confirmed"]}
    unconfirmed = {(fact["table"], fact["name"]) for fact in listing["unconfirmed"]}
    assert {("context_ops", "spin_unlock"), ("scopes", "memalloc_nofs_restore"), ("guards", "rcu")} <= confirmed
    assert not confirmed & unconfirmed
    assert all(CASE.match(fact["oracle"]) for fact in listing["confirmed"])
    assert all(fact["source"] for fact in listing["unconfirmed"])


def test_text_counts_what_it_lists() -> None:
    *rows, total = facts.lines(KERNEL)
    assert total.startswith(f"{len(rows)} of ")
    assert all(len(row.split("\t")) == 3 for row in rows)
