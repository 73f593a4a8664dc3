"""How calls stand to each other in the text of a body."""

from __future__ import annotations

import signal

import pytest

from gfplint.analysis.regions import apart, even, leading, leads_away
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
        ("for (;;) { spin_lock(a); switch (n) { case 1: continue; } spin_unlock(a); }", True),
        ("spin_lock(a); for (;;) { switch (n) { case 1: continue; } } spin_unlock(a);", False),
    ],
)
def test_jumps_out_of_a_region(body: str, away: bool) -> None:
    assert leads_away("{" + body + "}", "spin_lock", "spin_unlock") is away


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a(); rest(b()); c();", "{a(); rest(b())"),
        ("rest(); if (rest()) a(); b();", "{rest(); if (rest()) a()"),
        ("if (n) goto out; rest(); a(); out: b();", None),
        ("again: rest(); a(); goto again;", None),
        ("while (rest()) a();", None),
        ("a(); list_for_each_entry(p, head, node) rest(); b();", None),
        ("FOREACH(p, q) { rest(); a(); }", None),
        ("for_all_ports(p, f(g(q))) { rest(); a(); }", None),
        ("scoped_guard(mutex, &m) { if (f(p)) { rest(); } a(); }", "{scoped_guard(mutex, &m) { if (f(p)) { rest()"),
        ("p = rest(({ n++; a(); 8; })); b();", None),
        ("a(rest())", None),
        ("a(); b();", ""),
    ],
)
def test_what_may_run_before_the_last_call(body: str, expected: str | None) -> None:
    """None: all of it."""
    code = "{" + body + "}"
    assert leading(code, {"rest", "build"}) == (code if expected is None else expected)


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


_NAMES = (
    "spin_lock spin_unlock spin_lock_irqsave spin_unlock_irqrestore local_irq_save local_irq_restore spin_trylock "
    "local_bh_disable local_bh_enable"
)
OPS = {name: kernel_of(NEWEST).context_ops[name] for name in _NAMES.split()}
VAGUE, SLEEPING, NONE = frozenset(("helper", "guard")), frozenset(("rest",)), frozenset[str]()


@pytest.mark.parametrize(
    ("body", "sleeps", "plain"),
    [
        ("rest(); spin_lock(a); spin_unlock(a); rest(); spin_lock(a); x(); spin_unlock(a); rest();", True, True),
        (
            "if (n) { spin_lock(a); x(); spin_unlock(a); goto out; } rest(); out: spin_lock(b); spin_unlock(b);",
            True,
            True,
        ),
        ("spin_lock(a); rest(); spin_unlock(a);", False, True),
        ("spin_lock(a); (*p->rest)(); spin_unlock(a);", False, True),
        ("spin_lock(a); (p->rest) (); spin_unlock(a);", False, True),
        ("spin_lock(a); if (n) { rest(); } spin_unlock(a);", False, True),
        ("spin_lock(a); if (n) { spin_unlock(a); return; } spin_unlock(a); rest();", True, False),
        ("spin_lock(a); if (n) return; spin_unlock(a); rest();", True, False),
        ("spin_lock(a); if (n) goto out; spin_unlock(a); return; out: rest();", False, False),
        ("for (;;) { spin_lock(a); if (n) break; spin_unlock(a); } rest();", False, False),
        ("for (;;) { spin_lock(a); switch (n) { case 1: continue; } spin_unlock(a); rest(); }", False, False),
        ("if (n) spin_lock(a); spin_unlock(a); rest();", False, False),
        ("spin_lock(a); if (n) spin_unlock(a); rest();", False, False),
        ("spin_lock(a); if (n) { spin_unlock(a); } rest();", False, False),
        ("if (n) { spin_lock(a); } spin_unlock(a); rest();", False, False),
        ("if (n) { spin_lock(a); } else { spin_unlock(a); } rest();", False, False),
        ("spin_lock(a); y = n ? x() : spin_unlock(a); rest();", False, False),
        ("spin_lock(a); for (; n; spin_unlock(a)) x(); rest();", False, False),
        ("spin_lock(a); for (;; spin_unlock(a)) x(); rest();", False, False),
        ("if (spin_trylock(a)) { spin_unlock(a); } rest();", False, False),
        ("spin_lock(a); helper(); spin_unlock(a); rest();", False, False),
        ("guard(spinlock)(a); rest();", False, False),
        ("spin_unlock(a); rest(); spin_lock(a); spin_unlock(a);", True, False),
        ("spin_lock(a); spin_lock(b); spin_unlock(a); rest(); spin_unlock(b);", False, False),
        ("spin_lock(a); spin_lock(b); spin_unlock(b); spin_unlock(a); rest();", True, False),
        ("spin_lock_irqsave(a, f); spin_unlock(a); rest();", False, False),
        ("local_irq_save(f); spin_lock(a); spin_unlock_irqrestore(a, f); rest();", False, False),
        (
            "local_irq_save(f); spin_lock_irqsave(a, g); spin_unlock_irqrestore(a, g); rest(); local_irq_restore(f);",
            False,
            True,
        ),
        ("local_bh_disable(); spin_lock(a); spin_unlock(a); local_bh_enable(); rest();", True, True),
        ("switch (n) { case 1: spin_lock(a); break; case 2: spin_unlock(a); } rest();", False, False),
        ("switch (n) { case 1: spin_lock(a); case 2: spin_unlock(a); } rest();", True, True),
        ("spin_lock(a); out: spin_unlock(a); rest(); if (n) goto out;", True, True),
    ],
)
def test_regions_that_stand_apart(body: str, sleeps: bool, plain: bool) -> None:
    """``sleeps``: whether it shows that what sleeps is called outside of them; ``plain``: that nothing is left or
    entered for the caller.
    """
    assert apart("{" + body + "}", OPS, VAGUE, SLEEPING) is sleeps
    assert apart("{" + body + "}", OPS, VAGUE, NONE, plain=True) is plain


@pytest.mark.parametrize(
    ("many", "shows"),
    [
        ("spin_lock(a); spin_unlock(a);\n" * 20_000, True),
        ("spin_lock(a);\n" * 20_000 + "spin_unlock(a);\n" * 20_000, False),
        ("{ spin_lock(a);\n" * 20_000 + "spin_unlock(a); }\n" * 20_000, False),
        ("spin_lock(a); if (n) goto out;\n" * 20_000 + "out: spin_unlock(a);\n", False),
    ],
)
def test_many_regions_end(many: str, shows: bool) -> None:
    assert apart("{" + many + "}", OPS, VAGUE, SLEEPING) is shows
    assert apart("{" + many + "}", OPS, VAGUE, NONE, plain=True) is shows


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


_HEAD = "struct x { spinlock_t lock; int n; void *p; };\n"
_TAKES = "static int size(struct x *x) { spin_lock(&x->lock); return x->n; }\n"
_HOLD = "static void hold(struct x *x) { spin_lock(&x->lock); }\n"
_ENDS = "static void finish(struct x *x) { x->p = kmalloc(8, GFP_KERNEL); spin_unlock(&x->lock); }\n"
_ALLOCATES = "x->p = kmalloc(8, GFP_KERNEL);"


@pytest.mark.parametrize(
    ("more", "body"),
    [
        (_ENDS, "spin_lock(&x->lock); x->n++; finish(x);"),
        (_TAKES, "x->p = kmalloc(size(x), GFP_KERNEL); spin_unlock(&x->lock);"),
        ("", "x->p = kmalloc(spin_trylock(&x->lock) ? 8 : 16, GFP_KERNEL);"),
        (_HOLD, "x->p = kmalloc(({ x->n++; hold(x); 8; }), GFP_KERNEL); spin_unlock(&x->lock);"),
        (_HOLD, f"FOREACH(y, x) {{ {_ALLOCATES} hold(x); }}"),
        (_HOLD, f"for_all_ports(y, x) {{ {_ALLOCATES} hold(x); }}"),
        ("", f"FOREACH(y, x) {{ {_ALLOCATES} spin_lock(&x->lock); if (x->n) continue; spin_unlock(&x->lock); }}"),
        (
            "",
            f"spin_lock_init(&x->l); do {{ {_ALLOCATES} spin_lock(&x->lock); }} while (x->n); spin_unlock(&x->lock);",
        ),
    ],
)
def test_whatever_the_order_of_the_text_says(more: str, body: str) -> None:
    """What sleeps in who ends a context, in who gets what takes a lock, in a loop of any name, behind a longer word."""
    files = {"drivers/a/a.c": f"{_HEAD}{more}void f(struct x *x)\n{{\n\t{body}\n}}\n"}
    assert [f.rule for f in lint_all(files, only=("GFP101",))] == ["GFP101"]


_NESTED = "while (x->n) { local_irq_enable(); " * 30 + "x->n--; " + "local_irq_disable(); } " * 30
#: Seconds: what takes longer does not end.
_HANGS = 60


@pytest.mark.parametrize(
    "text",
    [
        f"if (x->n) {_ALLOCATES} {_NESTED} local_irq_enable(); {_ALLOCATES}",
        f"spin_lock(&x->lock); {'each' * 200_000} {{ }} spin_unlock(&x->lock); {_ALLOCATES}",
    ],
    ids=["loops in loops", "one long word"],
)
def test_hostile_texts_end(text: str) -> None:
    def late(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_HANGS)
    try:
        lint_all({"drivers/a/a.c": f"{_HEAD}void f(struct x *x)\n{{\n\t{text}\n}}\n"})
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
