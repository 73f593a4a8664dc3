"""Memory that one file stores and another frees."""

from __future__ import annotations

import pytest

from tests.rules.harness import lint_all

_EVERYBODYS = "struct dam {\n\tstruct device *dev;\n\tchar *name;\n};\n"
_STORES = "void dam_name(struct dam *d)\n{\n\td->name = devm_kstrdup(d->dev, d->text, GFP_KERNEL);\n}\n"
_PLAIN = (
    "int dam_call(struct dam *d)\n{\n\td->name = kstrdup(d->text, GFP_KERNEL);\n\treturn d->name ? 0 : -ENOMEM;\n}\n"
)
_FREES = "void dam_free(struct dam *d)\n{\n\tif (d->name)\n\t\tkfree(d->name);\n}\n"


@pytest.mark.parametrize(
    ("others", "home", "found"),
    [
        ({"drivers/dam/sluice.c": _STORES}, "linux/dam/dam.h", ["GFP404"]),
        ({"drivers/dam/sluice.c": _STORES}, "linux/river.h", []),  # who knows who else stores there
        ({"drivers/dam/sluice.c": _STORES}, "", []),  # nor where the struct is not even in view
        ({"drivers/weir/sluice.c": _STORES}, "linux/dam/dam.h", []),  # what strangers store is theirs
        ({"drivers/dam/sluice.c": _STORES, "drivers/weir/gate.c": _PLAIN}, "linux/dam/dam.h", []),
        ({"drivers/dam/sluice.c": _PLAIN}, "linux/dam/dam.h", []),
    ],
)
def test_a_struct_of_the_whole_tree_is_the_folders_where_nobody_else_stores(
    others: dict[str, str], home: str, found: list[str]
) -> None:
    header = {f"include/{home}": _EVERYBODYS} if home else {}
    files = {**header, "drivers/dam/core.c": _FREES, **others}
    assert [f.rule for f in lint_all(files)] == found


_TRACKS = """struct track {
	struct list_head list;
	int id;
};
void two_walks(struct device *dev, int n, struct list_head *add, struct list_head *del)
{
	struct track *t, *next;

	while (n--) {
		t = devm_kzalloc(dev, sizeof(*t), GFP_KERNEL);
		if (!t)
			break;
		list_add(&t->list, n & 1 ? add : del);
	}
"""
_WALK = "\tlist_for_each_entry_safe(t, next, del, list) {\n"
_APART = _TRACKS + _WALK + "\t\tkfree(t);\n\t}\n" + _WALK + "\t\tdevm_kfree(dev, t);\n\t}\n}\n"
_ONE = _TRACKS + _WALK + "\t\tif (t->id)\n\t\t\tkfree(t);\n\t\telse\n\t\t\tdevm_kfree(dev, t);\n\t}\n}\n"


def test_what_one_walk_frees_rightly_says_nothing_of_another() -> None:
    assert [f.rule for f in lint_all({"drivers/a.c": _APART})] == ["GFP404"]


def test_a_choice_between_two_frees_within_one_walk_tells_two_sorts_apart() -> None:
    assert lint_all({"drivers/a.c": _ONE}) == []


_ORDERS = """struct ring {
\tunsigned long pages;
\tvoid *cells;
\tdma_addr_t dma;
};
int ring_init(struct ring *r, struct device *dev)
{
\tr->pages = __get_free_pages(GFP_KERNEL, RING_ORDER);
\tr->cells = dma_alloc_coherent(dev, 4 * sizeof(struct cell), &r->dma, GFP_KERNEL);
\treturn r->pages && r->cells ? 0 : -ENOMEM;
}
"""
_HOME = "#define RING_ORDER 2\n"


@pytest.mark.parametrize(
    ("free", "found"),
    [
        ("free_page(r->pages)", ["GFP403"]),
        ("free_pages(r->pages, 3)", ["GFP403"]),
        ("free_pages(r->pages, RING_ORDER)", []),
        ("free_pages(r->pages, r->order)", []),
        ("dma_free_coherent(dev, 5 * sizeof(struct cell), r->cells, r->dma)", ["GFP403"]),
        ("dma_free_coherent(dev, sizeof(struct cell) * 4, r->cells, r->dma)", []),
    ],
)
def test_orders_and_sizes_alone_make_functions_worth_a_look(free: str, found: list[str]) -> None:
    text = f"{_HOME}{_ORDERS}void ring_exit(struct ring *r, struct device *dev)\n{{\n\t{free};\n}}\n"
    assert [f.rule for f in lint_all({"drivers/ring.c": text}, only=("GFP403",))] == found


_SPARE = """struct page_of {
\tvoid *data;
\tint order;
};
struct reader {
\tvoid *spare;
\tint order;
};
struct page_of *page_get(struct reader *r, struct page_of *p)
{
\tstruct page *page;

\tif (r->spare) {
\t\tp->data = r->spare;
\t\tr->spare = NULL;
\t\treturn p;
\t}
\tpage = alloc_pages(GFP_KERNEL, r->order);
\tif (page)
\t\tp->data = page_address(page);
\treturn p;
}
void page_put(struct reader *r, struct page_of *p)
{
\tif (!r->spare)
\t\tr->spare = p->data;
\telse
\t\tfree_pages((unsigned long)p->data, p->order);
}
"""


@pytest.mark.parametrize(
    ("free", "found"),
    [
        ("free_page((unsigned long)r->spare)", ["GFP403"]),
        ("free_pages((unsigned long)r->spare, r->order)", []),
    ],
)
def test_copies_that_come_back_bring_nothing_new(free: str, found: list[str]) -> None:
    text = f"{_SPARE}void reader_free(struct reader *r)\n{{\n\t{free};\n}}\n"
    assert [f.rule for f in lint_all({"drivers/reader.c": text}, only=("GFP403",))] == found


_TREE = """struct leaf {
	int id;
};
struct leaf *leaf_new(void)
{
	return kzalloc(sizeof(struct leaf), GFP_KERNEL);
}
int leaf_add(struct leaf **table, int i)
{
	struct leaf *l = kzalloc(sizeof(*l), GFP_KERNEL);

	table[i] = l;
	return l ? 0 : -ENOMEM;
}
void level_free(struct leaf **table)
{
	int i;

	for (i = 0; i < 512; i++)
		if (table[i])
			%s;
}
"""


@pytest.mark.parametrize(
    ("free", "found"), [("free_page((unsigned long)table[i])", []), ("vfree(table[i])", ["GFP401"])]
)
def test_elements_may_be_pages_of_further_pointers(free: str, found: list[str]) -> None:
    assert [f.rule for f in lint_all({"drivers/leaf.c": _TREE % free}, only=("GFP401",))] == found


_VALVE = "struct valve {\n\tvoid *seat, *old_seat;\n};\n"
_SWAP = "void valve_swap(struct valve *v)\n{\n\tv->old_seat = v->seat;\n\tv->seat = kmalloc(8, GFP_KERNEL);\n}\n"
_SEATS = """int valve_init(struct valve *v)
{
	v->seat = vmalloc(8);
	return v->seat ? 0 : -ENOMEM;
}
void valve_back(struct valve *v)
{
	kfree(v->seat);
	v->seat = %s;
}
"""


@pytest.mark.parametrize(("back", "found"), [("v->old_seat", []), ("NULL", ["GFP401"])])
def test_what_is_put_back_makes_room_for_memory_of_others(back: str, found: list[str]) -> None:
    head = '#include "valve.h"\n'
    files = {"valve.h": _VALVE, "swap.c": head + _SWAP, "valve.c": head + _SEATS % back}
    assert [f.rule for f in lint_all({f"drivers/valve/{n}": t for n, t in files.items()}, only=("GFP401",))] == found


_MODULE = "struct module {\n\tint slots;\n\tstruct mod_arch arch;\n};\n"
_ARCH = "struct mod_arch {\n\tvoid *info;\n};\n"
_LOADS = """int load(struct module *m)
{
	m->arch.info = vmalloc(SLOTS * m->slots);
	return m->arch.info ? 0 : -ENOMEM;
}
"""
_ENDS = "void end(struct module *m)\n{\n\tkfree(m->arch.info);\n}\n"


def test_a_struct_of_an_architecture_s_headers_is_all_of_the_architecture_s() -> None:
    files = {
        "include/linux/module.h": _MODULE,
        "arch/one/include/asm/module.h": _ARCH,
        "arch/two/include/asm/module.h": _ARCH,
        "arch/one/kernel/module.c": f"#include <linux/module.h>\n#include <asm/module.h>\n{_LOADS}{_ENDS}",
    }
    assert [f.rule for f in lint_all(files, only=("GFP401",))] == ["GFP401"]
