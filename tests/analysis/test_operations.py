"""Calls through the members of operation tables, where the caller's context forbids sleeping."""

from __future__ import annotations

import pytest

from gfplint.analysis.operations import Operations, added, coverage
from tests.rules.harness import lint_all, program_of

HEADER = (
    "struct dev; struct ops { int (*fill)(struct dev *d); };\n"
    "struct dev { struct ops *ops; spinlock_t lock; void *p; };"
)
CALLER = """
int run(struct dev *d)
{
	spin_lock(&d->lock);
	d->ops->fill(d);
	spin_unlock(&d->lock);
	return 0;
}
"""
SLEEPS = "static int NAME(struct dev *d)\n{\n\td->p = kmalloc(8, GFP_KERNEL);\n\treturn 0;\n}\n"
ATOMIC = "static int NAME(struct dev *d)\n{\n\td->p = kmalloc(8, GFP_ATOMIC);\n\treturn 0;\n}\n"
DROPS = (
    "static int NAME(struct dev *d)\n{\n\tspin_unlock(&d->lock);\n\td->p = kmalloc(8, GFP_KERNEL);\n"
    "\tspin_lock(&d->lock);\n\treturn 0;\n}\n"
)


def program(*bodies: str, caller: str = CALLER) -> dict[str, str]:
    """Files with one implementation each, and one that calls them."""
    files = {"include/dev.h": HEADER, "core/run.c": caller}
    for at, body in enumerate(bodies):
        table = f"static const struct ops ops_{at} = {{\n\t.fill = fill_{at},\n}};\n"
        files[f"drivers/{at}.c"] = body.replace("NAME", f"fill_{at}") + table
    return files


@pytest.mark.parametrize(
    ("bodies", "count"),
    [
        ((SLEEPS,), 1),
        ((SLEEPS, SLEEPS), 1),
        ((SLEEPS, ATOMIC), 0),
        ((ATOMIC, ATOMIC), 0),
        ((DROPS,), 0),
        ((), 0),
    ],
)
def test_an_operation_sleeps_where_all_its_implementations_do(bodies: tuple[str, ...], count: int) -> None:
    findings = lint_all(program(*bodies))
    assert [(f.path, f.line, f.rule) for f in findings] == [("core/run.c", 5, "GFP101")] * count


def test_the_trace_leads_to_one_implementation() -> None:
    (finding,) = lint_all(program(SLEEPS, SLEEPS))
    assert [(s.path, s.line) for s in finding.trace] == [
        ("core/run.c", 4),
        ("core/run.c", 5),
        ("drivers/0.c", 7),
        ("drivers/0.c", 3),
    ]
    assert "2 of 2 implementations" in finding.trace[2].message


def test_another_struct_of_that_name_says_nothing() -> None:
    files = program(SLEEPS)
    files["core/run.c"] = HEADER + CALLER
    assert lint_all(files) == []


def test_a_pointer_of_unknown_type_is_not_followed() -> None:
    caller = CALLER.replace("d->ops->fill(d)", "ops_of(d)->fill(d)")
    assert lint_all(program(SLEEPS, caller=caller)) == []


def test_without_a_context_nothing_is_asked() -> None:
    caller = "int run(struct dev *d)\n{\n\treturn d->ops->fill(d);\n}\n"
    assert lint_all(program(SLEEPS, caller=caller)) == []


def test_the_share_of_known_operations_is_counted() -> None:
    table = "static const struct net_device_ops n = {\n\t.ndo_start_xmit = f,\n\t.ndo_unknown = f,\n};\n"
    files = {"a.c": f"static int f(void)\n{{\n\treturn 0;\n}}\n{table}", "include/b.h": "struct notifier_block nb;\n"}
    files["b.c"] = "static struct notifier_block nb = {\n\t.notifier_call = f,\n\t.priority = 3,\n};\n"
    known, linker = program_of(files)
    assert added(map(linker.operations.coverage_in, range(3))) == (3, 1, 1)
    assert coverage(known, linker.kernel, [t for _, t in known.tables()]) == (3, 1, 1)


def test_entries_that_name_no_function_are_listed_for_an_index_alone() -> None:
    table = "static const struct ops ops_9 = {\n\t.fill = fill_9,\n\t.flags = OPS_FLAGS,\n\t.size = 8,\n};\n"
    linked, linker = program_of(program(SLEEPS, SLEEPS) | {"drivers/9.c": table})
    every, functions = Operations(linked, linker.kernel), Operations(linked, linker.kernel, every=False)
    assert {value for _, _, (_, value, _, _) in every.entries()} == {"fill_0", "fill_1", "fill_9", "OPS_FLAGS"}
    assert {value for _, _, (_, value, _, _) in functions.entries()} == {"fill_0", "fill_1"}
    assert dict(functions.naming()).items() <= dict(every.naming()).items()
    assert functions.implementations("ops", "fill", 0) == every.implementations("ops", "fill", 0)
    for doubtful in (False, True):
        sleeping = [o.sleeping_members(lambda _: True, doubtful) for o in (every, functions)]
        assert sleeping == [frozenset(("fill",))] * 2
