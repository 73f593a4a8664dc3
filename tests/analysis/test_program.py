"""Which definition a name means in which file, and what follows from it across files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gfplint.analysis.program import Calling, ids_of
from gfplint.facts import FileFacts, Function
from tests.rules.harness import lint_all, program_of

_CALLER = "void f(struct s *s) {\n\tspin_lock(&s->lock);\n\ts->p = helper(s);\n\tspin_unlock(&s->lock);\n}\n"
_SLEEPS = "void *helper(struct s *s) { s->n++; return kmalloc(64, GFP_KERNEL); }\n"
_ATOMIC = "void *helper(struct s *s) { s->n++; return kmalloc(64, GFP_ATOMIC); }\n"


def _resolved(files: dict[str, str], caller: str = "drivers/a/main.c") -> str | None:
    """The path of the file whose ``helper`` the caller's means."""
    program, _ = program_of(files)
    found = program.resolve("helper", program.number[caller])
    return program.paths[found[0]] if found is not None else None


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, None),
        ({"drivers/a/other.c": _SLEEPS}, "drivers/a/other.c"),
        ({"drivers/a/other.c": "static " + _SLEEPS}, None),
        ({"lib/helper.c": _SLEEPS}, "lib/helper.c"),
        ({"include/linux/helper.h": "static inline " + _SLEEPS}, "include/linux/helper.h"),
        ({"fs/b/private.h": "static inline " + _SLEEPS}, None),
        ({"drivers/a/private.h": "static inline " + _SLEEPS}, "drivers/a/private.h"),
        ({"drivers/a/other.c": _SLEEPS, "drivers/b/other.c": _ATOMIC}, "drivers/a/other.c"),
        ({"drivers/b/one.c": _SLEEPS, "drivers/c/two.c": _ATOMIC}, None),
        ({"kernel/h.c": _SLEEPS, "arch/x86/kernel/h.c": _ATOMIC}, "kernel/h.c"),
        (
            {"lib/h.c": _SLEEPS, "include/linux/h.h": "static inline void *helper(struct s *s) { return NULL; }\n"},
            "lib/h.c",
        ),
        ({"lib/h.c": _SLEEPS, "tools/lib/h.c": _ATOMIC}, "lib/h.c"),
    ],
)
def test_resolution(others: dict[str, str], expected: str | None) -> None:
    assert _resolved({"drivers/a/main.c": _CALLER, **others}) == expected


def test_the_files_own_definition_comes_first() -> None:
    files = {"drivers/a/main.c": "static " + _ATOMIC + _CALLER, "drivers/a/other.c": _SLEEPS}
    assert _resolved(files) == "drivers/a/main.c"
    assert lint_all(files) == []


def test_arch_code_means_its_own_arch() -> None:
    files = {
        "arch/arm/mm/main.c": _CALLER,
        "arch/arm/lib/h.c": _SLEEPS,
        "arch/x86/lib/h.c": _ATOMIC,
    }
    assert _resolved(files, "arch/arm/mm/main.c") == "arch/arm/lib/h.c"


def test_architectures_are_never_linked_together() -> None:
    assert _resolved({"arch/arm/mm/main.c": _CALLER, "arch/x86/lib/h.c": _SLEEPS}, "arch/arm/mm/main.c") is None


def test_a_finding_leads_through_files() -> None:
    files = {"drivers/a/main.c": _CALLER, "drivers/a/other.c": _SLEEPS}
    (finding,) = lint_all(files)
    assert (finding.rule, finding.path, finding.line) == ("GFP101", "drivers/a/main.c", 3)
    assert [step.path for step in finding.trace] == ["drivers/a/main.c", "drivers/a/main.c", "drivers/a/other.c"]


def test_an_ambiguous_name_is_no_finding() -> None:
    files = {"drivers/a/main.c": _CALLER, "drivers/b/one.c": _SLEEPS, "drivers/c/two.c": _ATOMIC}
    assert lint_all(files) == []


def test_a_macro_of_a_header_is_followed() -> None:
    header = "#define helper(s) ({ void *_p; _p = helper_sized(s, 64, GFP_KERNEL); _p; })\n"
    source = "void *helper_sized(struct s *s, int n, gfp_t gfp) { s->n++; return kmalloc(n, gfp); }\n"
    main = '#include "private.h"\n' + _CALLER
    findings = lint_all({"drivers/a/main.c": main, "drivers/a/private.h": header, "drivers/a/other.c": source})
    assert [(f.path, f.line) for f in findings if f.rule == "GFP101"] == [("drivers/a/main.c", 4)]


def test_a_macro_of_another_folder_is_not() -> None:
    header = "#define helper(s) helper_sized(s, 64, GFP_KERNEL)\n"
    source = "void *helper_sized(struct s *s, int n, gfp_t gfp) { s->n++; return kmalloc(n, gfp); }\n"
    assert lint_all({"drivers/a/main.c": _CALLER, "fs/b/private.h": header, "fs/b/other.c": source}) == []


def test_a_mask_macro_of_a_header_is_read() -> None:
    main = '#include "private.h"\n' + _CALLER.replace("helper(s)", "kmalloc(8, A_GFP)")
    for mask, count in (("(GFP_KERNEL | __GFP_NOWARN)", 1), ("(GFP_ATOMIC | __GFP_NOWARN)", 0)):
        header = f"#define A_GFP {mask}\n"
        assert len(lint_all({"drivers/a/main.c": main, "drivers/a/private.h": header})) == count


def test_a_lock_helper_of_a_header_counts() -> None:
    header = "static inline void s_lock(struct s *s) { spin_lock(&s->lock); }\n"
    main = '#include "private.h"\nvoid f(struct s *s) {\n\ts_lock(s);\n\ts->p = kmalloc(8, GFP_KERNEL);\n}\n'
    findings = lint_all({"drivers/a/main.c": main, "drivers/a/private.h": header})
    assert [(f.rule, f.line) for f in findings] == [("GFP101", 4)]


def _chain(length: int) -> str:
    """A call chain from ``f0``, which holds a lock, to an allocation ``length`` calls away."""
    links = [f"static void f{n}(struct s *s) {{ f{n + 1}(s); }}\n" for n in range(length - 1, 0, -1)]
    last = f"static void f{length}(struct s *s) {{ s->p = kmalloc(8, GFP_KERNEL); }}\n"
    return last + "".join(links) + "void f0(struct s *s) { spin_lock(&s->lock); f1(s); spin_unlock(&s->lock); }\n"


@pytest.mark.parametrize("length", [1, 2, 3])
def test_chains_are_followed(length: int) -> None:
    (finding,) = lint_all({"drivers/a/main.c": _chain(length)})
    assert len(finding.trace) == length + 2


def test_very_long_chains_end() -> None:
    assert lint_all({"drivers/a/main.c": _chain(300)}) == []


def test_files_that_are_compiled_as_one_share_their_static_functions() -> None:
    files = {"drivers/a/main.c": '#include "part.c"\n' + _CALLER, "drivers/a/part.c": "static " + _SLEEPS}
    assert _resolved(files) == "drivers/a/part.c"
    assert [f.rule for f in lint_all(files)] == ["GFP101"]


def test_members_are_joined_over_files() -> None:
    header = "struct s { void *p; };\n"
    one = '#include "s.h"\nint fill(struct s *s) { s->p = vmalloc(64); return s->p ? 0 : -1; }\n'
    two = '#include "s.h"\nvoid clear(struct s *s) {\n\tkfree(s->p);\n}\n'
    findings = lint_all({"drivers/a/s.h": header, "drivers/a/one.c": one, "drivers/a/two.c": two})
    assert [(f.rule, f.path, f.line) for f in findings] == [("GFP401", "drivers/a/two.c", 3)]


def test_members_of_structs_that_share_a_name_are_not_joined() -> None:
    one = "struct s { void *p; };\nint fill(struct s *s) { s->p = vmalloc(64); return s->p ? 0 : -1; }\n"
    two = "struct s { void *p; };\nvoid clear(struct s *s) { kfree(s->p); }\n"
    assert lint_all({"drivers/a/one.c": one, "drivers/b/two.c": two}) == []


def test_a_member_with_several_families_is_open() -> None:
    text = (
        "struct s { void *p; };\n"
        "int fill(struct s *s) { s->p = vmalloc(64); return 0; }\n"
        "int fill_small(struct s *s) { s->p = kmalloc(64, GFP_KERNEL); return 0; }\n"
        "void clear(struct s *s) { kfree(s->p); }\n"
    )
    assert lint_all({"drivers/a/one.c": text}) == []


def test_the_order_of_files_does_not_matter() -> None:
    files = {"drivers/a/main.c": _CALLER, "drivers/a/other.c": _SLEEPS, "lib/h.c": _ATOMIC}
    assert lint_all(files) == lint_all(dict(reversed(files.items())))


_COMMAND = (
    "static int board_queuecommand(struct Scsi_Host *h, struct scsi_cmnd *c)\n"
    "{\n\tc->host_scribble = kmalloc(64, GFP_KERNEL);\n\treturn 0;\n}\n"
    "static const struct scsi_host_template board = {\n\t.queuecommand = board_queuecommand,\n};\n"
)


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("drivers/scsi/board/other.c", "void f(struct Scsi_Host *h) { h->n = 1; }\n", 1),
        ("drivers/scsi/board/other.c", "void f(struct Scsi_Host *h) { h->queuecommand_may_block = 1; }\n", 0),
        ("drivers/scsi/board/other.c", "int f(struct Scsi_Host *h) { return h->queuecommand_may_block == 1; }\n", 1),
        (
            "drivers/scsi/board/other.c",
            "void f(struct s *h, struct s *o) { h->queuecommand_may_block = o->queuecommand_may_block; }\n",
            1,
        ),
        ("drivers/scsi/hosts.c", "void f(struct Scsi_Host *h) { h->queuecommand_may_block = 1; }\n", 1),
    ],
)
def test_a_field_that_changes_the_context_is_set_in_the_same_folder(path: str, text: str, found: int) -> None:
    assert [f.rule for f in lint_all({"drivers/scsi/board/main.c": _COMMAND, path: text})] == ["GFP101"] * found


_CALLEES = st.lists(st.sampled_from("abcd"), max_size=5).map(tuple)
_FILES = st.lists(st.tuples(st.booleans(), st.lists(_CALLEES, max_size=4)), max_size=6)


@given(_FILES)
@settings(deadline=None)
def test_each_function_is_noted_once_for_what_it_calls(files: list[tuple[bool, list[tuple[str, ...]]]]) -> None:
    calling = Calling()
    expected: dict[str, list[tuple[int, int]]] = {}
    for at, (counts, bodies) in enumerate(files):
        functions = tuple([Function("f", 1, 0, 0, 0, False, "void f(void)", callees, ()) for callees in bodies])
        facts = FileFacts(functions, (), (), (), (), (), (), (), ())
        calling.add(at, ids_of(at, facts), facts, counts=counts)
        for index, callees in enumerate(bodies):
            for callee in dict.fromkeys(callees) if counts else ():
                expected.setdefault(callee, []).append((at, index))
    assert {name: list(callers) for name, callers in calling.callers.items()} == expected
    assert not calling.telling


_HEADERS = st.sampled_from(("void f(void)", "void f(gfp_t gfp)", "void f(void) __must_hold(&a)", "__init f(gfp)"))
_SAID = st.tuples(_HEADERS, st.sampled_from(((), ("GFP_KERNEL",))))


@given(st.lists(_SAID, max_size=4))
@settings(deadline=None)
def test_functions_are_noted_of_which_masks_or_the_header_tell(said: list[tuple[str, tuple[str, ...]]]) -> None:
    functions = tuple([Function("f", 1, 0, 0, 0, False, header, (), words) for header, words in said])
    facts = FileFacts(functions, (), (), (), (), (), (), (), ())
    calling = Calling()
    calling.add(0, ids_of(0, facts), facts, counts=False)
    told = [i for i, (header, words) in enumerate(said) if words or "gfp_t" in header or "__must_hold" in header]
    assert calling.telling.get(0, []) == told
