"""How calls stand to each other in the text of a body."""

from __future__ import annotations

import pytest

from gfplint.analysis.regions import even, leads_away
from gfplint.target import NEWEST
from tests.rules.harness import kernel_of, lint_all


@pytest.mark.parametrize(
    ("body", "away"),
    [
        ("spin_lock(a); x(); spin_unlock(a);", False),
        ("spin_lock(a); if (n) return; spin_unlock(a);", False),
        ("spin_lock(a); if (n) goto out; x(); out: spin_unlock(a);", False),
        ("spin_lock(a); if (n) goto out; spin_unlock(a); out: x();", True),
        ("for (;;) { spin_lock(a); if (n) break; spin_unlock(a); } x();", True),
        ("for (;;) { spin_lock(a); if (n) continue; spin_unlock(a); } x();", True),
        ("spin_lock(a); for (;;) { if (n) break; } spin_unlock(a);", False),
        ("spin_lock(a); switch (n) { case 1: break; } spin_unlock(a);", False),
        ("spin_lock(a); if (n) { break; } spin_unlock(a);", True),
    ],
)
def test_jumps_out_of_a_region(body: str, away: bool) -> None:
    assert leads_away("{" + body + "}", "spin_lock", "spin_unlock") is away


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("spin_lock(a); x(); spin_unlock(a);", True),
        ("spin_lock(a); spin_lock(b); spin_unlock(b); spin_unlock(a);", True),
        ("spin_lock(a); spin_lock(b); spin_unlock(b);", False),
        ("spin_lock(a); if (n) spin_unlock(a); spin_unlock(a);", True),
        ("spin_lock(a); if (n) { spin_lock(b); } spin_unlock(a);", False),
        ("spin_lock(a); helper(); spin_unlock(a);", False),
        ("spin_lock(a); local_bh_disable(); spin_unlock(a);", False),
    ],
)
def test_what_is_entered_is_left(body: str, expected: bool) -> None:
    ops = {n: kernel_of(NEWEST).context_ops[n] for n in ("spin_lock", "spin_unlock", "local_bh_disable")}
    assert even("{" + body + "}", "spin_lock", "spin_unlock", {**ops, "helper": None}) is expected


HEAD = """#include <linux/slab.h>
#include <linux/spinlock.h>
struct d { spinlock_t lock; int n; void *p; };
"""


@pytest.mark.parametrize(
    "body",
    [
        "for (;;) { spin_lock(&d->lock); if (d->n) break; spin_unlock(&d->lock); } d->p = kmalloc(8, GFP_KERNEL);",
        "spin_lock(&d->lock); if (d->n) goto out; spin_unlock(&d->lock); return; out: d->p = kmalloc(8, GFP_KERNEL);",
        "spin_lock(&d->lock); local_bh_disable(); spin_unlock(&d->lock); d->p = kmalloc(8, GFP_KERNEL);",
        "for (;;) { spin_lock(&d->lock); x = ({ if (d->n) break; 1; }); spin_unlock(&d->lock); }\n"
        "d->p = kmalloc(8, GFP_KERNEL);",
    ],
)
def test_what_is_held_behind_a_region_is_seen(body: str) -> None:
    text = f"{HEAD}void f(struct d *d)\n{{\nint x;\n{body}\n}}\n"
    assert [f.rule for f in lint_all({"driver.c": text}, only={"GFP101"})] == ["GFP101"]


def test_many_jumps_in_a_region_end() -> None:
    jumps = "".join(f"if (d->n == {at}) goto l{at};\nl{at}:\n" for at in range(40_000))
    assert not leads_away(f"{{spin_lock(a);\n{jumps}spin_unlock(a);}}", "spin_lock", "spin_unlock")
