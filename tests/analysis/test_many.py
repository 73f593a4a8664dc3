"""What there is very much of costs no more for each than what there is little of."""

from __future__ import annotations

import pytest

from gfplint.analysis.evidence import Families, Reader
from gfplint.analysis.program import FunctionId, Program
from gfplint.analysis.scopes import CallerScopes
from gfplint.facts import Function
from gfplint.frontend.blank import Part
from tests.rules.harness import lint_all, program_of


def test_functions_of_one_name_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    fullest = Program._fullest

    def counted(program: Program, found: list[FunctionId]) -> FunctionId:
        asked.append(len(found))
        return fullest(program, found)

    monkeypatch.setattr(Program, "_fullest", counted)
    both = "void take(struct r *r) { spin_lock(&r->lock); }\nvoid use(struct r *r) { take(r); vmalloc(8); }\n"
    found = lint_all({"drivers/a/a.c": both * 60})
    assert len(found) == 60
    assert sum(asked) < 10 * 120


def test_timers_of_one_function_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    number = 60
    ticks = "".join(f"static void t{i}(struct timer_list *t) {{ vmalloc(8); }}\n" for i in range(number))
    calls = "".join(f"timer_setup(&d->timer{i}, t{i}, 0);\n" for i in range(number))
    _, linker = program_of({"drivers/a/a.c": f"{ticks}void f(struct d *d)\n{{\n{calls}}}\n"})
    read: list[int] = []
    part = linker.sources.part

    def parts(file: int, function: Function) -> Part:
        read.append(file)
        return part(file, function)

    monkeypatch.setattr(linker.sources, "part", parts)
    roots = list(linker.forbidding.of_file(0, linker.sources))
    assert len(roots) == number
    assert not any(linker.forbidding.contested(root, linker.sources) for root in roots)
    assert len(read) < 10


def test_a_timer_that_is_given_two_functions_is_contested() -> None:
    text = """
static void one(struct timer_list *t) { vmalloc(8); }
static void two(struct timer_list *t) { vmalloc(8); }
void f(struct d *d)
{
	timer_setup(&d->timer, one, 0);
	timer_setup(&d->other, two, 0);
}
void g(struct d *e)
{
	timer_setup(&e->timer, two, 0);
}
"""
    _, linker = program_of({"drivers/a/a.c": text})
    roots = list(linker.forbidding.of_file(0, linker.sources))
    assert [linker.forbidding.contested(root, linker.sources) for root in roots] == [True, False, True]


def test_givers_of_one_name_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    conflicting = Reader.conflicting

    def counted(reader: Reader, families: Families, free: str) -> bool:
        asked.append(free)
        return conflicting(reader, families, free)

    monkeypatch.setattr(Reader, "conflicting", counted)
    number = 60
    both = "".join(
        f"void g{i}(void *p) {{ kfree(p); }}\nvoid *h{i}(void) {{ return vmalloc(8); }}\n" for i in range(number)
    )
    body = "".join(f"p = h{i}();\ng{i}(p);\n" for i in range(number))
    found = lint_all({"drivers/a/a.c": f"{both}void f(void)\n{{\nvoid *p;\n{body}}}\n"}, only=("GFP401",))
    assert len(found) == number
    assert len(asked) < 20 * number


def test_who_hands_out_a_function_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[FunctionId] = []
    mentioned = CallerScopes._is_mentioned

    def counted(scopes: CallerScopes, fid: FunctionId) -> bool:
        asked.append(fid)
        return mentioned(scopes, fid)

    monkeypatch.setattr(CallerScopes, "_is_mentioned", counted)
    functions = "".join(f"static void g{i}(void) {{ g{i + 1}(); vmalloc(8); }}\n" for i in range(20))
    lint_all({"drivers/a/a.c": f"{functions}void f(void) {{ memalloc_nofs_save(); g0(); }}\n"})
    assert len(asked) > 1
    assert len(asked) == len(set(asked))
