"""What the texts of functions say of memory, and in which members it may meet a wrong free."""

from __future__ import annotations

import pytest

from gfplint.analysis.bases import Bases
from gfplint.analysis.evidence import Freeing, Reader
from gfplint.analysis.file_environment import FileEnvironment
from gfplint.analysis.meeting import Meetings, MemberEvidence
from gfplint.analysis.summary import Summary
from gfplint.analysis.worth import Worth
from gfplint.linting import Wanted, whole_of
from gfplint.rules import catalogue
from tests.rules.harness import program_of

HEAD = "struct x { void *buf; };\nstruct y { int n; };\n"


def _evidence(*functions: str, rule: str = "GFP401") -> tuple[Worth, list[bool], list[MemberEvidence]]:
    """The functions that their texts alone make worth a body, and what the others do to members."""
    program, linker = program_of({"drivers/a/a.c": HEAD + "\n".join(functions) + "\n"}, (6, 12))
    rules = tuple(one for one in catalogue() if one.code == rule)
    worth = Wanted(linker, rules, whole_of(program, linker, lambda _: True, rules, [0]), [0]).worth
    wanted: list[bool] = []
    members: list[MemberEvidence] = []
    for index, function in enumerate(program.facts[0].functions):
        callees, code = frozenset(function.callees), linker.code((0, index))
        doubtful, found = worth.by_text((0, index), function, callees, code, linker.environment(0))
        wanted.append(doubtful)
        members += found
    return worth, wanted, members


@pytest.mark.parametrize(
    ("body", "doubtful"),
    [
        ("char *p = vmalloc(8); kfree(p);", True),
        ("char *p, *q; p = vmalloc(8); q = p; kfree(q);", True),
        ("char *p, *q; q = p; p = vmalloc(8); kfree(q);", True),
        ("x->buf = vmalloc(8); kfree(x->buf);", True),
        ("char *p; x->buf = vmalloc(8); p = x->buf; kfree(p);", True),
        ("char *p, *q; p = kmalloc(8, GFP_KERNEL); q = vmalloc(8); x->buf = p; x->buf = q; kfree(p); vfree(q);", False),
        ("char *buf = kmalloc(8, GFP_KERNEL); x->buf = vmalloc(8); kfree(buf);", False),
        ("char *p = kvmalloc(8, GFP_KERNEL); kvfree(p);", False),
        ("char *p = vmalloc(8), *q; q = x->n ? other(p) : p; kfree(q);", True),
        ("char *p = vmalloc(8), *q; q = p ?: other(x); kfree(q);", True),
        ("char *p = vmalloc(8), *q; q = other(x) ? p : NULL; kfree(q);", True),
        ("char *p = vmalloc(8), *q; q = p + other(x); kfree(q);", True),
        ("char *p = vmalloc(8), *q; if ((q = p)) kfree(q);", True),
        ("char *p = vmalloc(8), *q; q = ({ other(x); p; }); kfree(q);", True),
        ("char *p = vmalloc(8); kfree(x->n ? p : other(x));", True),
        ("char *p = vmalloc(8); kfree(x->n ? p : NULL);", True),
        ("char *p = vmalloc(8), *q; q = other(p); kfree(q);", False),
    ],
)
def test_memory_goes_the_way_of_assignments(body: str, doubtful: bool) -> None:
    assert _evidence(f"void f(struct x *x)\n{{\n{body}\n}}")[1] == [doubtful]


def _meeting(*functions: str, rule: str = "GFP401") -> set[str]:
    worth, _, members = _evidence(*functions, rule=rule)
    return set(Meetings(lambda _: "drivers/a/a.c", worth.kernel, worth.reader).members([(0, members)]))


MADE = "struct y *f(void)\n{\nstruct y *y;\ny = kmalloc(sizeof(*y), GFP_KERNEL);\nreturn y;\n}"
FREED = "void g(struct y *y)\n{\nvfree(y);\n}"


def test_objects_that_are_freed_otherwise_than_they_are_made() -> None:
    assert _meeting(MADE, FREED) == {"*drivers/a/a.c:y"}


def test_objects_that_are_made_in_two_ways_are_none_to_look_for() -> None:
    other = MADE.replace("f(void)", "h(void)").replace("kmalloc(sizeof(*y), GFP_KERNEL)", "vmalloc(sizeof(*y))")
    assert _meeting(MADE, other, FREED) == set()


@pytest.mark.parametrize(
    ("parameters", "body", "freed"),
    [
        ("struct x *x, struct y *y", "vfree(y);", True),
        ("struct x *x", "struct y *one = x->y, *y;\nvfree(y);", True),
        ("struct y **ys", "vfree(ys[0]);", True),
        ("struct y **ys", "vfree(*ys);", True),
        ("struct y **ys", "struct y *y = ys[0];\nvfree((void *)y);", True),
        ("struct y **ys", "vfree(ys);", False),
        ("struct y *y, char *p", "vfree(p);", False),
        ("struct y *y, x_t *p", "vfree(p);", False),
        ("struct y *y", "int n = 2, *p;\nvfree(p);", False),
        ("struct y *y", "vfree(around(y));", False),
        ("struct y *y", "vfree((void *)around(y));", False),
        ("struct y *y", "y = krealloc(y, 8, GFP_KERNEL);", False),
    ],
)
def test_what_is_freed_is_an_object_of_a_struct(parameters: str, body: str, freed: bool) -> None:
    _, wanted, members = _evidence(f"void g({parameters})\n{{\n{body}\n}}")
    assert wanted == [False]
    assert ("*drivers/a/a.c:y" in [m.member for m in members if m.free]) is freed


def test_members_that_are_freed_otherwise_than_they_are_filled() -> None:
    filled = "void f(struct x *x)\n{\nx->buf = vmalloc(8);\n}"
    assert _meeting(filled, "void g(struct x *x)\n{\nkfree(x->buf);\n}") == {"drivers/a/a.c:x.buf", "buf"}
    assert _meeting(filled, "void g(struct x *x)\n{\nvfree(x->buf);\n}") == set()


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ("struct x *a = one(1, (2)), *b = two(), *c;\nc->buf = vmalloc(8);", "drivers/a/a.c:x.buf"),
        ("struct x *c = kmalloc(sizeof(struct c), GFP_KERNEL);\nc->buf = vmalloc(8);", "drivers/a/a.c:x.buf"),
        ("printk(HEAD * 2, y);\ny->buf = vmalloc(8);", "drivers/a/a.c:y.buf"),
        ("y->unheard.of = vmalloc(8);", None),
        ("y = other->y;\ny->unheard.of = vmalloc(8);", "of"),
        ("unheard.of = vmalloc(8);", None),
        ("struct odd {\nvoid *of; } unheard;\nunheard.of = vmalloc(8);", "of"),
    ],
)
def test_members_are_of_the_struct_that_declarations_tell(body: str, member: str | None) -> None:
    _, _, members = _evidence(f"void f(struct y *y)\n{{\n{body}\n}}")
    assert [m.member for m in members if m.families == ("vmalloc",)] == ([] if member is None else [member])


def test_the_struct_of_a_c_file_is_unknown_elsewhere() -> None:
    worth, _, members = _evidence("void g(struct x *x)\n{\nkfree(x->buf);\n}")
    away = [MemberEvidence(0, "buf", ("vmalloc",))]
    for path, met in (("drivers/a/b.c", {"drivers/a/a.c:x.buf", "buf"}), ("drivers/b/b.c", set())):
        meetings = Meetings(["drivers/a/a.c", path].__getitem__, worth.kernel, worth.reader)
        assert set(meetings.members([(0, members), (1, away)])) == met


def test_objects_that_go_back_to_another_cache_than_they_come_from() -> None:
    made = "struct y *f(void)\n{\nstruct y *y;\ny = kmem_cache_alloc(ys, GFP_KERNEL);\nreturn y;\n}"
    returned = "struct y *f(void)\n{\nreturn kmem_cache_alloc(ys, GFP_KERNEL);\n}"
    created = 'void f(void)\n{\nys = kmem_cache_create("y", sizeof(struct y), 0, 0, NULL);\n}'
    freed = "void g(struct y *y)\n{\nkmem_cache_free(%s, y);\n}"
    for one in (made, returned, created):
        assert _meeting(one, freed % "xs", rule="GFP402") == {"*drivers/a/a.c:y"}
        assert _meeting(one, freed % "ys", rule="GFP402") == set()
        assert _meeting(one, freed % "xs") == set()  # nobody asks which cache it is


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Takes the names of the callees whose summaries are asked for."""
    names: list[str] = []
    summary = FileEnvironment.summary

    def noted(self: FileEnvironment, name: str, depth: int) -> Summary | None:
        names.append(name)
        return summary(self, name, depth)

    monkeypatch.setattr(FileEnvironment, "summary", noted)
    return names


FREES = "void f(void)\n{\nchar *p = kmalloc(8, GFP_KERNEL);\nc(p);\nkfree(p);\n}"


@pytest.mark.parametrize(
    ("body", "left_open"),
    [
        ("vfree(p);", True),
        ("char *q; q = p; vfree(q);", True),
        ("struct x *x; x->buf = p; vfree(x->buf);", True),
        ("char *q = vmalloc(8); d(p); vfree(q);", True),
        ("char *q = vmalloc(8); use(p); vfree(q);", False),
        ("struct x *x = (struct x *)p; vfree(x->buf);", False),
        ("char *q = vmalloc(8); e(p); vfree(q);", False),
        ("char *q = vmalloc(8); around(p); vfree(q);", True),
    ],
)
def test_callees_that_free_something_else(body: str, left_open: bool, asked: list[str]) -> None:
    functions = (
        "void d(char *p)\n{\nvfree(p);\n}",
        "void e(char *p)\n{\nchar *q = vmalloc(8);\nuse(p);\nvfree(q);\n}",
        "void around(char *p)\n{\nif (p)\nvfree(p);\nelse\nc(p);\n}",
        f"void c(char *p)\n{{\n{body}\n}}",
        FREES,
    )
    doubtful = _evidence(*functions)[1][-1]
    assert ("c" in asked) == left_open  # where the text refutes it, nobody runs the callee
    assert left_open or not doubtful


@pytest.mark.parametrize(
    ("body", "doubtful"),
    [
        ("struct y *y = kmem_cache_alloc(ys, GFP_KERNEL);\nkmem_cache_free(ys, y);", False),
        ("struct y *y = kmem_cache_alloc(ys, GFP_KERNEL);\nkmem_cache_free(xs, y);", True),
        ("struct y *y = kmem_cache_alloc(ys, GFP_KERNEL);\nkmem_cache_free(cache(), y);", True),
        # A variable may have come to be another cache, and two members of one name are of two objects.
        ("struct kmem_cache *c = ys; struct y *y = kmem_cache_alloc(c, GFP_KERNEL);\nkmem_cache_free(c, y);", True),
        ("struct y *y = kmem_cache_alloc(one->c, GFP_KERNEL);\nkmem_cache_free(two->c, y);", True),
        ("struct y *y = made();\nkmem_cache_free(ys, y);", False),
        ("struct y *y = made();\nkmem_cache_free(xs, y);", True),
        ("struct y *y = made();\ndropped(y);", False),
        ("struct y *y = remade();\ndropped(y);", False),
        ("struct y *y = remade();\nkmem_cache_free(xs, y);", True),
        ("struct y *y = made();\nlet_go(y);", False),
        ("struct y *y = made_of(xs);\nlet_go(y);", True),
        ("struct y *y = made_of(xs);\ndropped(y);", True),
        ("struct y *y = big ? made() : kmem_cache_alloc(xs, GFP_KERNEL);\ndropped(y);", True),
    ],
)
def test_objects_that_go_back_to_the_cache_that_they_come_from(body: str, doubtful: bool) -> None:
    made = "struct y *made(void)\n{\nstruct y *y = kmem_cache_alloc(ys, GFP_KERNEL);\nreturn y;\n}"
    made_of = "struct y *made_of(struct kmem_cache *ys)\n{\nreturn kmem_cache_alloc(ys, GFP_KERNEL);\n}"
    dropped = "void dropped(struct y *y)\n{\nkmem_cache_free(ys, y);\n}"
    remade = "struct y *remade(void)\n{\nstruct y *y = made();\nuse(y);\nreturn y;\n}"
    let_go = "void let_go(struct y *y)\n{\nif (y->n)\nkmem_cache_free(ys, y);\nelse\ndropped(y);\n}"
    variables = "static struct kmem_cache *xs, *ys;\n"
    functions = (variables + made, made_of, dropped, remade, let_go, f"void f(void)\n{{\n{body}\n}}")
    assert _evidence(*functions, rule="GFP402")[1][-1] is doubtful


@pytest.mark.parametrize(
    ("body", "left_open"),
    [
        ("char *q = vmalloc(8);\nreturn q;", True),
        ("return vmalloc(8);", True),
        ("struct x *x = new_x();\nx->buf = vmalloc(8);\nreturn x->buf;", True),
        ("char *q = vmalloc(8), *p = kmalloc(8, GFP_KERNEL);\nuse(q);\nreturn p;", False),
        ("struct x *x = kmalloc(8, GFP_KERNEL);\nx->buf = vmalloc(8);\nreturn x;", False),
        ("char *p = big ? vmalloc(8) : kmalloc(8, GFP_KERNEL);\nreturn p;", True),
        ("char *p = kmalloc(8, GFP_KERNEL), *q = vmalloc(8);\nreturn checked(p, q);", True),
    ],
)
def test_callees_that_allocate_something_else(body: str, left_open: bool, asked: list[str]) -> None:
    doubtful = _evidence(f"void *c(int big)\n{{\n{body}\n}}", "void f(void)\n{\nchar *p = c(1);\nkfree(p);\n}")[1][-1]
    assert ("c" in asked) == left_open  # where the text refutes it, nobody runs the callee
    assert left_open or not doubtful


@pytest.mark.parametrize(
    ("body", "doubtful", "wanted"),
    [
        # Nothing can settle what the function does itself.
        ("char *p = vmalloc(8);\nfreeing(p);\nkfree(p);", True, []),
        # Where nothing is freed it is all the same what is given.
        ("char *p = giving();\nkeeping(p);", False, ["keeping"]),
        ("char *p = giving();\nfreeing(p);", True, ["freeing", "giving"]),
        # Who gives other memory than what is doubted is not asked.
        ("char *p = plain();\nif (!p)\np = giving();\nkfree(p);", True, ["giving"]),
    ],
)
def test_who_may_settle_a_doubt_is_asked(body: str, doubtful: bool, wanted: list[str], asked: list[str]) -> None:
    functions = (
        "void *plain(void)\n{\nvoid *q = kmalloc(8, GFP_KERNEL);\nreturn q;\n}",
        "void *giving(void)\n{\nvoid *q = vmalloc(8);\nreturn q;\n}",
        "void freeing(char *p)\n{\nkfree(p);\n}",
        "void keeping(char *p)\n{\nchar *q = p;\nq = kmalloc(8, GFP_KERNEL);\nkfree(q);\n}",
    )
    assert _evidence(*functions, f"void f(void)\n{{\n{body}\n}}")[1][-1] is doubtful
    assert asked == wanted


def test_the_text_of_a_function_is_read_once_for_all_its_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    given_back = Reader.given_back

    def noted(
        self: Reader, header: str, code: str, callees: frozenset[str], freeing: Freeing, bases: Bases
    ) -> frozenset[str] | None:
        read.append(header)
        return given_back(self, header, code, callees, freeing, bases)

    monkeypatch.setattr(Reader, "given_back", noted)
    callers = [FREES.replace("f(void)", f"f{number}(void)") for number in range(5)]
    _, doubtful, _ = _evidence("void c(char *p)\n{\nvfree(p);\n}", *callers)
    assert doubtful == [False, *[True] * 5]
    assert len(read) == 1
