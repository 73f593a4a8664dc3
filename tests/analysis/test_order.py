"""Answers about functions that call each other in circles do not depend on what was asked before."""

from __future__ import annotations

import random

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
