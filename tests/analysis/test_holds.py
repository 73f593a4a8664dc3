"""The flow of contexts alone: what may be held where something is called, and what a body leaves behind."""

from __future__ import annotations

import pytest

from gfplint.analysis.holds import UNCHANGED, Ways
from gfplint.analysis.program import FunctionId
from gfplint.facts import Body
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


#: One that ends a context of its caller, as far as contexts alone tell perhaps, and one that takes it again.
DROPS = (
    "static void my_drop(struct x *x)\n{\nif (x->n) spin_unlock(&x->lock);\nif (!x->n) spin_unlock(&x->lock);\n}\n",
    "static void my_pause(struct x *x)\n{\nif (x->n) spin_unlock(&x->lock);\nif (x->n) spin_lock(&x->lock);\n}\n",
)


@pytest.mark.parametrize(
    ("body", "met", "read"),
    [
        ("my_drop(x); rest();", False, False),
        ("rest(); spin_lock(&x->lock); my_drop(x); spin_unlock(&x->lock); rest();", False, False),
        ("spin_lock(&x->lock); my_drop(x); rest();", True, True),
        ("rest(); my_pause(x);", False, False),
        ("spin_lock(&x->lock); my_pause(x); rest(); spin_unlock(&x->lock);", True, True),
        ("while (x->n) { rest(); my_pause(x); }", False, False),
    ],
)
def test_what_a_callee_leaves_brings_nothing_into_a_context(body: str, met: bool, read: bool) -> None:
    """``read``: whether the body itself has to be looked at."""
    text = f"{HEAD}{''.join(DROPS)}int f(struct x *x)\n{{\n{body}\nreturn 0;\n}}\n"
    program, linker = program_of({"drivers/a/a.c": text}, (6, 12))
    fid = program.resolve("f", 0)
    assert fid is not None
    bodies: list[FunctionId] = []
    of = linker.body

    def noted(fid: FunctionId) -> Body:
        bodies.append(fid)
        return of(fid)

    linker.body = noted  # type: ignore[method-assign]
    assert linker.meets(fid, frozenset(("rest",))) is met
    assert (fid in bodies) is read


def test_flags_say_what_was_off_before() -> None:
    unlock = "static void my_unlock(struct x *x, long f) { spin_unlock_irqrestore(&x->lock, f); }\n"
    locked = "long f, g; local_irq_save(f); spin_lock_irqsave(&x->lock, g); my_unlock(x, g);"
    assert _meets(f"{locked} rest(); local_irq_restore(f);", unlock)
    assert not _meets(f"{locked} local_irq_restore(f); rest();", unlock)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("spin_lock(&x->lock); if (x->n) { spin_unlock(&x->lock); return; } spin_unlock(&x->lock);", UNCHANGED.all),
        ("spin_unlock(&x->lock); rest(); spin_lock(&x->lock);", UNCHANGED.all),
        ("spin_lock(&x->lock);", frozenset([("spin",)])),
        ("spin_unlock(&x->lock);", frozenset([("-spin",)])),
        ("if (x->n) spin_lock(&x->lock);", frozenset([(), ("spin",)])),
        ("while (x->n) spin_lock(&x->lock);", frozenset([(), ("spin",), ("spin",) * 2, ("spin",) * 3])),
        ("while (x->n) spin_unlock(&x->lock);", frozenset([(), ("-spin",), ("-spin",) * 2])),
        ("lockdep_assert_held(&x->lock); spin_unlock(&x->lock);", frozenset([("-spin",)])),
        ("spin_lock(&x->lock); spin_lock(&x->lock); spin_unlock(&x->lock); spin_unlock(&x->lock);", UNCHANGED.all),
    ],
)
def test_what_is_left_behind(body: str, expected: frozenset[tuple[str, ...]]) -> None:
    text = f"{HEAD}static void f(struct x *x)\n{{\n{body}\n}}\n"
    _, linker = program_of({"drivers/a/a.c": text}, (6, 12))
    assert linker.outcomes("f", 0) == Ways(expected, expected)


def test_a_lock_that_is_taken_twice_may_be_one() -> None:
    body = "spin_lock(&x->lock); spin_lock(&x->lock); spin_unlock(&x->lock); spin_unlock(&x->lock);"
    program, linker = program_of({"drivers/a/a.c": f"{HEAD}void f(struct x *x)\n{{\n{body}\n}}\n"}, (6, 12))
    fid = program.resolve("f", 0)
    assert fid is not None
    assert not linker.balanced(fid)


@pytest.mark.parametrize(
    ("body", "zero", "nonzero"),
    [
        ("return spin_trylock(&x->lock);", (), ("spin",)),
        ("if (!spin_trylock(&x->lock)) return 0; x->n++; return 1;", (), ("spin",)),
        ("if (x->n || likely(spin_trylock(&x->lock))) return -EBUSY; return 0;", (), None),
        ("spin_lock(&x->lock); if (x->n) { spin_unlock(&x->lock); return true; } return false;", ("spin",), ()),
        ("spin_lock(&x->lock); if (x->n) return rest(); spin_unlock(&x->lock); return 0;", None, ("spin",)),
    ],
)
def test_results_tell_what_is_left_behind(body: str, zero: object, nonzero: object) -> None:
    """None stands for both, where something else than the result decides."""
    text = f"{HEAD}static int f(struct x *x)\n{{\n{body}\n}}\n"
    _, linker = program_of({"drivers/a/a.c": text}, (6, 12))
    ways = linker.outcomes("f", 0)
    assert ways is not None
    for found, expected in ((ways.zero, zero), (ways.nonzero, nonzero)):
        assert found == (frozenset([(), ("spin",)]) if expected is None else frozenset([expected]))


CONDITIONAL = (
    "static int my_trylock(struct x *x)\n{\nspin_lock(&x->lock);\n"
    "if (x->n) { spin_unlock(&x->lock); return 0; }\nreturn 1;\n}\n"
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("if (!my_trylock(x)) { rest(); return 0; } spin_unlock(&x->lock); return 1;", False),
        ("if (my_trylock(x) == 0) { rest(); return 0; } spin_unlock(&x->lock); return 1;", False),
        ("if (my_trylock(x) && x->n) spin_unlock(&x->lock); else rest(); return 1;", True),
        ("if (my_trylock(x)) { rest(); spin_unlock(&x->lock); } return 1;", True),
        ("int got = my_trylock(x); rest(); if (got) spin_unlock(&x->lock); return 1;", True),
    ],
)
def test_callees_that_lock_by_their_result(body: str, expected: bool) -> None:
    assert _meets(body, CONDITIONAL) is expected


def test_callees_that_do_not_sleep() -> None:
    text = (
        f"{HEAD}static void *plain(gfp_t gfp) {{ return kmalloc(8, gfp); }}\n"
        "static void *lazy(gfp_t gfp, bool now) { return now ? 0 : kmalloc(8, GFP_KERNEL); }\n"
        "void %s(struct x *x) { spin_lock(&x->lock); %s; spin_unlock(&x->lock); }\n"
    )
    for call, expected in (
        ("plain(GFP_ATOMIC)", False),
        ("plain(GFP_KERNEL)", True),
        ("kmalloc(8, GFP_NOWAIT)", False),
    ):
        program, linker = program_of({"drivers/a/a.c": text % ("f", call)}, (6, 12))
        fid = program.resolve("f", 0)
        assert fid is not None
        assert linker.meets(fid, frozenset(("plain", "kmalloc"))) is expected, call


RING = (
    "static void lock_one(struct x *x, int n)\n{\nspin_lock(&x->lock); %s\nif (n) lock_two(x, n - 1);\n}\n"
    "static void lock_two(struct x *x, int n)\n{\nspin_lock(&x->lock); spin_unlock(&x->lock); lock_one(x, n);\n}\n"
)


@pytest.mark.parametrize("first", ["lock_one", "lock_two"])
@pytest.mark.parametrize(("end", "clear"), [("spin_unlock(&x->lock);", True), ("", False)])
def test_functions_that_call_each_other_are_told_together(first: str, end: str, clear: bool) -> None:
    _, linker = program_of({"drivers/a/a.c": HEAD + RING % end}, (6, 12))
    assert (linker.outcomes(first, 0) == UNCHANGED) is clear
    more = frozenset([("spin",) * count for count in range(4)])
    for name in ("lock_one", "lock_two"):
        assert linker.outcomes(name, 0) == (UNCHANGED if clear else Ways(more, more))


def test_headers_say_what_is_dropped() -> None:
    drop = (
        "static void drop(struct x *x) __releases(&x->lock)\n{\nif (x->n) { spin_unlock(&x->lock); "
        "spin_lock(&x->other); spin_unlock(&x->other); } else spin_unlock(&x->lock);\n}\n"
    )
    assert not _meets("spin_lock(&x->lock); drop(x); rest(); return 0;", drop)


def test_headers_that_drop_and_retake_leave_the_context_as_it_was() -> None:
    pause = (
        "static void pause(struct x *x) __releases(&x->lock) __acquires(&x->lock)\n{\n"
        "spin_unlock_irq(&x->lock); spin_lock_irq(&x->lock);\n}\n"
    )
    assert _meets("spin_lock(&x->lock); pause(x); rest(); spin_unlock(&x->lock); return 0;", pause)


def test_long_chains_of_locking_functions_are_followed_to_their_ends() -> None:
    count = 1_000
    chain = "".join(
        f"void lock_{n}(struct x *x)\n{{\nif (x->n > {n}) spin_lock(&x->lock);\nlock_{n + 1}(x);\n}}\n"
        for n in range(count)
    )
    text = f"{HEAD}{chain}void lock_{count}(struct x *x) {{ }}\n"
    _, linker = program_of({"drivers/a/a.c": text}, (6, 12))
    first = linker.outcomes("lock_0", 0)
    assert first is not None
    _, other = program_of({"drivers/a/a.c": text}, (6, 12))
    assert [other.outcomes(f"lock_{n}", 0) for n in range(count - 1, -1, -1)][-1] == first


def test_statement_expressions_with_and_without_jumps() -> None:
    jump = "x->n = ({ spin_lock(&x->lock); if (x->n) goto out; spin_unlock(&x->lock); 1; }); return 0; out: rest();"
    assert _meets(jump)
    assert not _meets("x->n = ({ x->n++; 1; }); spin_lock(&x->lock); spin_unlock(&x->lock); rest(); return 0;")
