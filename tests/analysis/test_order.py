"""Answers about functions that call each other in circles do not depend on what was asked before."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint.analysis.callers import Callers
from gfplint.facts import Body
from gfplint.linting import _scopes_of
from tests.rules.harness import program_of

#: Three circles that meet; what each function tells of the others depends on where the circle is entered.
CIRCLES = {
    "a.c": """\
void *a(int n) { if (n) return b(n - 1); return kmalloc(n, GFP_KERNEL); }
void b_lock(struct ring *r) { if (r->n) a_lock(r); else spin_lock(&r->lock); }
""",
    "b.c": """\
void *b(int n) { if (n > 2) return c(n); if (n > 1) return a(n); return vmalloc(n); }
void a_lock(struct ring *r) { if (r->n > 3) b_lock(r); spin_lock(&r->lock); }
""",
    "c.c": """\
void *c(int n) { if (n > 7) return b(n); return d(n); }
void *d(int n) { if (n > 9) return c(n); if (n > 8) return a(n); return kmalloc(n, GFP_ATOMIC); }
""",
}


def test_answers_do_not_depend_on_the_order_of_questions() -> None:
    chance = random.Random(4)
    program, _ = program_of(CIRCLES)
    functions = [(at, index) for at, file in enumerate(program.facts) for index in range(len(file.functions))]
    questions = [(fid, depth) for fid in functions for depth in (0, 3, 6)]
    _, fresh = program_of(CIRCLES)
    alone = {}
    for fid, depth in questions:
        _, fresh = program_of(CIRCLES)
        alone[fid, depth] = fresh.summary(fid, depth)
    for _ in range(12):
        chance.shuffle(questions)
        _, linker = program_of(CIRCLES)
        assert {(fid, depth): linker.summary(fid, depth) for fid, depth in questions} == alone


def _asked(files: dict[str, str], order: list[tuple[int, int]], depths: tuple[int, ...]) -> dict[object, object]:
    """What is told of functions that are asked about in an order, and what else is found out on the way."""
    program, linker = program_of(files)
    found: dict[object, object] = {}
    for fid in order:
        name = program.function(fid).name
        found[fid] = [linker.summary(fid, depth) for depth in depths]
        found[name, fid[0]] = (linker.outcomes(name, fid[0]), linker.balance.name(name, fid[0]))
    return found


def _functions(files: dict[str, str]) -> list[tuple[int, int]]:
    program, _ = program_of(files)
    return [(at, index) for at, file in enumerate(program.facts) for index in range(len(file.functions))]


def _chain(count: int, last: str) -> dict[str, str]:
    """Functions that lock by a condition, and each call the next one."""
    calls = [f"lock_{n + 1}(r);" for n in range(count - 1)] + [last]
    return {
        f"drivers/a/d{n:04}.c": f"void lock_{n}(struct ring *r) {{ if (r->n > {n}) spin_lock(&r->lock); {call} }}\n"
        for n, call in enumerate(calls)
    }


def _circle(count: int, *steps: int) -> dict[str, str]:
    """Functions that lock by a condition, and each call those that stand so many steps behind."""
    called = [[m for step in steps if 0 <= (m := n + step) < count] for n in range(count)]
    text = "".join(
        f"void lock_{n}(struct ring *r)\n{{\nif (r->n > {n}) spin_lock(&r->lock);\n"
        + "".join(f"if (r->to == {m}) lock_{m}(r);\n" for m in others)
        + "if (r->last) vmalloc(8);\n}\n"
        for n, others in enumerate(called)
    )
    return {"drivers/a/a.c": text}


@pytest.mark.parametrize(
    ("files", "depths"),
    [
        (_chain(200, "spin_lock(&r->lock);"), (0,)),
        (_chain(200, "lock_0(r);"), (0,)),
        (_circle(4, *range(-3, 4)), (0, 3)),
        (_circle(10, 1, 2, -1), (0, 2)),
        (_circle(9, *range(-2, 3)), (0,)),
    ],
    ids=["chain", "ring", "small circle", "large circle", "many call many"],
)
def test_answers_do_not_depend_on_the_depth_of_questions(files: dict[str, str], depths: tuple[int, ...]) -> None:
    order = _functions(files)
    alone = _asked(files, order, depths)
    assert _asked(files, order[::-1], depths) == alone
    random.Random(2).shuffle(order)
    assert _asked(files, order, depths) == alone


def test_large_circles_say_that_they_are_not_followed_everywhere() -> None:
    large, small = _circle(10, 1, -1), _circle(3, 1, -1)
    for files, said in ((large, True), (small, False)):
        _, linker = program_of(files)
        for fid in _functions(files):
            summary = linker.summary(fid, 3)
            assert summary is not None
            assert bool(summary.degraded) is said
            assert summary.sleeps


def test_a_failed_question_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    files = _circle(6, 1, -1)
    alone = _asked(files, _functions(files), (0, 3))
    program, linker = program_of(files)
    body, failing = linker.body, iter([False, False, False, True])

    def fails(fid: tuple[int, int]) -> Body:
        if next(failing, False):
            raise MemoryError
        return body(fid)

    monkeypatch.setattr(linker, "body", fails)
    with pytest.raises(MemoryError):
        linker.summary((0, 0), 3)
    for fid in _functions(files):
        name = program.function(fid).name
        assert [linker.summary(fid, depth) for depth in (0, 3)] == alone[fid]
        assert (linker.outcomes(name, 0), linker.balance.name(name, 0)) == alone[name, 0]


def test_a_way_that_is_too_long_is_so_whoever_asks_first() -> None:
    calls = "".join(f"static void f{n}(void) {{ f{n + 1}(); }}\n" for n in range(1, 9))
    text = f"{calls}static void f9(void) {{ }}\nSYSCALL_DEFINE0(enter) {{ f1(); return 0; }}\n"
    program, linker = program_of({"drivers/a/a.c": text})
    order = [(0, index) for index in range(len(program.facts[0].functions))]
    one, two = Callers(linker, frozenset()), Callers(linker, frozenset())
    there = {fid: one.sleepable(fid) for fid in order}
    assert {fid: two.sleepable(fid) for fid in reversed(order)} == there
    assert None in there.values()
    assert there[order[3]] is not None


def test_scopes_of_callers_are_so_whoever_asks_first() -> None:
    calls = "".join(f"static void f{n}(void) {{ f{n + 1}(); }}\n" for n in range(1, 7))
    text = (
        f"{calls}static void f7(void) {{ }}\n"
        "void enter(void) { unsigned int s = memalloc_nofs_save(); f1(); memalloc_nofs_restore(s); }\n"
    )
    found = []
    for turn in (1, -1):
        program, linker = program_of({"drivers/a/a.c": text})
        scopes = _scopes_of(program, linker)
        found.append({index: scopes.around((0, index)) for index in list(range(7))[::turn]})
    assert found[0] == found[1]
    assert found[0][0]
    assert not found[0][6]


#: What stands in the bodies of functions that call each other unevenly; ``{call}``: a call of another one.
STATEMENTS = (
    "{call};",
    "if (n > 3) {call};",
    "if ({call}) return n;",
    "spin_lock(&r->lock);",
    "spin_unlock(&r->lock);",
    "if (r->n) spin_lock(&r->lock);",
    "if (!spin_trylock(&r->lock)) return 0;",
    "r->buf = kmalloc(n, GFP_KERNEL);",
    "guard(ring)(r);",
)
#: What each of two files begins and ends with.
RING = """struct ring { spinlock_t lock; int n; void *buf; };
DEFINE_LOCK_GUARD_1(ring, struct ring, lock_0(_T->lock, 1), )
"""
USES = """#define LOCK_ALL(r, n) do { lock_0(r, n); } while (0)
void use(struct ring *r, int n) { spin_lock(&r->lock); LOCK_ALL(r, n); spin_unlock(&r->lock); vmalloc(n); }
"""


@st.composite
def uneven(draw: st.DrawFn) -> dict[str, str]:
    """Functions in two files that call each other in circles."""
    count = draw(st.integers(2, 4))
    numbers = st.integers(0, count - 1)
    bodies = {"drivers/a/a.c": "", "drivers/a/b.c": USES}
    for at in range(count):
        lines = draw(st.lists(st.tuples(st.sampled_from(STATEMENTS), numbers), min_size=1, max_size=4))
        body = "\n".join(line.format(call=f"lock_{callee}(r, n - 1)") for line, callee in lines)
        text = f"int lock_{at}(struct ring *r, int n)\n{{\n{body}\nlock_{(at + 1) % count}(r, n);\nreturn 1;\n}}\n"
        bodies[draw(st.sampled_from(sorted(bodies)))] += text
    return {path: RING + body for path, body in bodies.items()}


@settings(max_examples=15, deadline=None)
@given(uneven(), st.randoms(use_true_random=False))
def test_answers_about_uneven_circles_do_not_depend_on_the_order(files: dict[str, str], chance: random.Random) -> None:
    order = _functions(files)
    there = _asked(files, order, (0, 3))
    chance.shuffle(order)
    assert _asked(files, order, (0, 3)) == there
