"""Which memory a mask gets: zones, contiguous areas, high memory; and what hardware may be given of it."""

from __future__ import annotations

import pytest

from gfplint.simulator.observe import observe
from gfplint.simulator.zones import has_no_address, takes_cma, zone_of
from tests.simulator.marked import LTS, check

#: BUG() says that the program's own checks fail.
HEAD = "static void expect(int holds) { if (!holds) BUG(); }\n"

ZONES = {
    (): ("Normal", "Normal"),
    ("__GFP_DMA",): ("DMA", "DMA"),
    ("__GFP_DMA32",): ("DMA32", "DMA32"),
    ("__GFP_HIGHMEM",): ("Normal", "HighMem"),
    ("__GFP_MOVABLE",): ("Normal", "Normal"),
    ("__GFP_HIGHMEM", "__GFP_MOVABLE"): ("Movable", "Movable"),
    ("__GFP_DMA32", "__GFP_MOVABLE"): ("DMA32", "DMA32"),
}


@pytest.mark.parametrize("bits", ZONES)
def test_zones(bits: tuple[str, ...]) -> None:
    assert (zone_of(frozenset(bits)), zone_of(frozenset(bits), highmem=True)) == ZONES[bits]


@pytest.mark.parametrize("bits", [("__GFP_DMA", "__GFP_DMA32"), ("__GFP_DMA", "__GFP_HIGHMEM")])
def test_zones_that_exclude_each_other(bits: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="exclude"):
        zone_of(frozenset(bits))
    text = f"void f(void) {{ __free_page(alloc_page({' | '.join(('GFP_KERNEL', *bits))})); }}"
    assert "bug-on" in {seen.kind for seen in observe(text.encode(), version=LTS)}


def test_only_high_pages_have_no_address() -> None:
    movable, high = frozenset({"__GFP_MOVABLE"}), frozenset({"__GFP_HIGHMEM"})
    assert [has_no_address(mask, True) for mask in (movable, high, movable | high)] == [False, True, True]
    assert not has_no_address(high, False)
    assert takes_cma(movable) and not takes_cma(high)


def kinds(body: str) -> set[str]:
    found = observe((HEAD + body).encode(), "f", version=LTS, failures=False)
    return {seen.kind for seen in found} - {"leak", "uncharged"}


@pytest.mark.parametrize(
    ("mask", "left", "comes"),
    [
        ("GFP_HIGHUSER_MOVABLE", "only CMA pages", True),
        ("GFP_NOWAIT | __GFP_MOVABLE", "only CMA pages", True),
        ("GFP_NOWAIT", "only CMA pages", False),
        ("GFP_NOWAIT | __GFP_HIGHMEM", "only CMA pages", False),
        ("GFP_NOWAIT | __GFP_HIGHMEM", "only high memory", True),
        ("GFP_NOWAIT | __GFP_MOVABLE", "only high memory", False),
        ("GFP_NOWAIT | __GFP_DMA32", "only high memory", False),
    ],
)
def test_what_is_left_serves_those_whose_mask_allows_it(mask: str, left: str, comes: bool) -> None:
    body = f"""
void f(void)
{{
	sim_exhaust(1, "{left}");
	expect((alloc_pages({mask}, 0) != NULL) == {int(comes)});
}}
"""
    assert not kinds(body) - {"alloc-failure"}


def test_pages_that_are_to_be_pinned_are_not_taken_from_contiguous_areas() -> None:
    assert not kinds("""
void f(void)
{
	unsigned int flags = memalloc_pin_save();

	sim_exhaust(1, "only CMA pages");
	expect(alloc_pages(GFP_NOWAIT | __GFP_MOVABLE, 0) == NULL);
	memalloc_pin_restore(flags);
	expect(alloc_pages(GFP_NOWAIT | __GFP_MOVABLE, 0) != NULL);
}
""")


def test_high_pages_are_mapped_before_they_are_used() -> None:
    check("""
void f(struct device *dev)
{
	struct page *page = alloc_page(GFP_HIGHUSER);
	int *text;

	if (!page)
		return;
	text = kmap_local_page(page);
	text[0] = 1;
	kunmap_local(text);
	if (!PageHighMem(page))
		text = page_address(page);
	text = page_address(page); /* sees: highmem-address */
	__free_page(page);
}
void low(void)
{
	struct page *page = alloc_page(GFP_USER);
	int *text;

	if (!page)
		return;
	text = page_address(page);
	text[0] = 1;
	__free_page(page);
}
""")


def test_hardware_gets_no_movable_page() -> None:
    check("""
void f(struct device *dev)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

	if (!page)
		return;
	dma_map_page(dev, page, 0, 4096, 1); /* sees: movable-pinned */
	__free_page(page);
	page = alloc_page(GFP_HIGHUSER);
	if (!page)
		return;
	dma_map_page(dev, page, 0, 4096, 1);
	__free_page(page);
}
""")


def test_hardware_gets_memory_of_the_linear_map() -> None:
    check(
        """
void f(struct device *dev, struct scatterlist *sg)
{
	void *large = vmalloc(8192), *small = kmalloc(64, GFP_KERNEL), *either = kvmalloc(1 << 20, GFP_KERNEL);

	if (large)
		dma_map_single(dev, large, 8192, 1); /* sees: outside-linear-map */
	if (small)
		dma_map_single(dev, small, 64, 1);
	if (either)
		sg_init_one(sg, either, 1 << 20); /* sees: outside-linear-map */
	if (either && !is_vmalloc_addr(either))
		sg_set_buf(sg, either, 1 << 20);
	vfree(large);
	kfree(small);
	kvfree(either);
}
""",
        failures=True,
    )
