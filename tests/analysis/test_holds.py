"""The flow of contexts alone: what may be held where something is called, and what a body leaves behind."""

from __future__ import annotations

import pytest

from gfplint.analysis.holds import UNCHANGED
from tests.rules.harness import program_of

HEAD = "struct x { spinlock_t lock; int n; };\nint rest(void);\n"


def _meets(body: str, more: str = "") -> bool:
    text = f"{HEAD}{more}int f(struct x *x)\n{{\n{body}\n}}\n"
    program, linker = program_of({"drivers/a/a.c": text}, (6, 12))
    fid = program.resolve("f", 0)
    assert fid is not None
    return linker.meets(fid, frozenset(("rest",)))


@pytest.mark.parametrize(
    "body",
    [
        "spin_lock(&x->lock); rest(); spin_unlock(&x->lock); return 0;",
        "if (x->n) spin_lock(&x->lock); rest(); if (x->n) spin_unlock(&x->lock); return 0;",
        "spin_lock(&x->lock); if (x->n) goto out; spin_unlock(&x->lock); return 0; out: rest(); return 1;",
        "for (;;) { if (x->n) rest(); spin_lock(&x->lock); if (x->n) continue; spin_unlock(&x->lock); }",
        "if (!spin_trylock(&x->lock)) return 0; rest(); spin_unlock(&x->lock); return 0;",
        "again: rest(); spin_lock(&x->lock); if (x->n) goto again; spin_unlock(&x->lock); return 0;",
        "spin_lock(&x->lock); return x->n && rest();",
        "guard(spinlock)(&x->lock); rest(); return 0;",
        "switch (x->n) { case 1: spin_lock(&x->lock); case 2: rest(); } return 0;",
        "lockdep_assert_held(&x->lock); rest(); return 0;",
        "long f, g; local_irq_save(f); spin_lock_irqsave(&x->lock, g); spin_unlock_irqrestore(&x->lock, g); rest();",
    ],
)
def test_what_may_be_held(body: str) -> None:
    assert _meets(body)


@pytest.mark.parametrize(
    "body",
    [
        "spin_lock(&x->lock); x->n++; spin_unlock(&x->lock); rest(); spin_lock(&x->lock); spin_unlock(&x->lock);",
        "spin_lock(&x->lock); if (x->n) { spin_unlock(&x->lock); return rest(); } spin_unlock(&x->lock); return 0;",
        "spin_lock(&x->lock); if (x->n) goto out; out: spin_unlock(&x->lock); rest(); return 0;",
        "do { spin_lock(&x->lock); x->n++; spin_unlock(&x->lock); rest(); } while (x->n);",
        "switch (x->n) { case 1: spin_lock(&x->lock); spin_unlock(&x->lock); break; default: rest(); } return 0;",
    ],
)
def test_what_is_never_held(body: str) -> None:
    assert not _meets(body)


def test_callees_that_lock() -> None:
    lock = "static void my_lock(struct x *x) { spin_lock(&x->lock); }\n"
    unlock = "static void my_unlock(struct x *x) { spin_unlock(&x->lock); }\n"
    assert _meets("my_lock(x); rest(); my_unlock(x); return 0;", lock + unlock)
    assert not _meets("my_lock(x); my_unlock(x); rest(); return 0;", lock + unlock)


def test_flags_say_what_was_off_before() -> None:
    unlock = "static void my_unlock(struct x *x, long f) { spin_unlock_irqrestore(&x->lock, f); }\n"
    locked = "long f, g; local_irq_save(f); spin_lock_irqsave(&x->lock, g); my_unlock(x, g);"
    assert _meets(f"{locked} rest(); local_irq_restore(f);", unlock)
    assert not _meets(f"{locked} local_irq_restore(f); rest();", unlock)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("spin_lock(&x->lock); if (x->n) { spin_unlock(&x->lock); return; } spin_unlock(&x->lock);", UNCHANGED),
        ("spin_unlock(&x->lock); rest(); spin_lock(&x->lock);", UNCHANGED),
        ("spin_lock(&x->lock);", frozenset([("spin",)])),
        ("spin_unlock(&x->lock);", frozenset([("-spin",)])),
        ("if (x->n) spin_lock(&x->lock);", frozenset([(), ("spin",)])),
        ("while (x->n) spin_lock(&x->lock);", frozenset([(), ("spin",), ("spin",) * 2, ("spin",) * 3])),
        ("while (x->n) spin_unlock(&x->lock);", frozenset([(), ("-spin",), ("-spin",) * 2])),
        ("lockdep_assert_held(&x->lock); spin_unlock(&x->lock);", frozenset([("-spin",)])),
        ("spin_lock(&x->lock); spin_lock(&x->lock); spin_unlock(&x->lock); spin_unlock(&x->lock);", UNCHANGED),
    ],
)
def test_what_is_left_behind(body: str, expected: object) -> None:
    text = f"{HEAD}static void f(struct x *x)\n{{\n{body}\n}}\n"
    _, linker = program_of({"drivers/a/a.c": text}, (6, 12))
    assert linker.outcomes("f", 0) == expected


def test_a_lock_that_is_taken_twice_may_be_one() -> None:
    body = "spin_lock(&x->lock); spin_lock(&x->lock); spin_unlock(&x->lock); spin_unlock(&x->lock);"
    program, linker = program_of({"drivers/a/a.c": f"{HEAD}void f(struct x *x)\n{{\n{body}\n}}\n"}, (6, 12))
    fid = program.resolve("f", 0)
    assert fid is not None
    assert not linker.balanced(fid)
