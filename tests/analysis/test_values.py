"""The algebra of masks, against sets of bits that are computed one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfplint.analysis.values import Constant, MaskValue, blocking, constant, number_of
from gfplint.kernel.model import Mask

_BITS = ("__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM", "__GFP_IO", "__GFP_ZERO")

bits = st.frozensets(st.sampled_from(_BITS))
constants = bits.map(lambda plus: MaskValue("", plus))


@st.composite
def masks(draw: st.DrawFn, base: str | None = None) -> MaskValue:
    """A mask as operations make it: from a parameter or a constant, with bits or-ed in and taken away."""
    mask = MaskValue(draw(st.sampled_from(("", "gfp"))) if base is None else base)
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            mask = mask.without(draw(bits))
        else:
            more = mask.union(draw(constants))
            assert more is not None
            mask = more
    return mask


def value(mask: MaskValue, base: Mask) -> Mask:
    """The bits of a mask whose base has the bits ``base``."""
    return ((base if mask.base else frozenset()) | mask.plus) - mask.minus


@given(masks(), constants, bits)
def test_or_with_a_constant(mask: MaskValue, other: MaskValue, base: Mask) -> None:
    for result in (mask.union(other), other.union(mask)):
        assert result is not None
        assert value(result, base) == value(mask, base) | value(other, base)


@given(masks(), masks(), bits)
def test_or_of_two_masks_is_right_or_not_known(one: MaskValue, two: MaskValue, base: Mask) -> None:
    result = one.union(two)
    if result is not None:
        assert value(result, base) == value(one, base) | value(two, base)


def test_or_of_two_parameters_is_not_known() -> None:
    assert MaskValue("gfp").union(MaskValue("flags")) is None


@given(masks(), bits, bits)
def test_bits_taken_away(mask: MaskValue, gone: Mask, base: Mask) -> None:
    assert value(mask.without(gone), base) == value(mask, base) - gone


@given(masks(), masks(base="flags"), bits)
def test_a_mask_passed_on_is_the_callers(mask: MaskValue, passed: MaskValue, base: Mask) -> None:
    result = mask.rebased(passed) if mask.base else mask
    assert result is not None
    assert result.base in ("", "flags")
    assert value(result, base) == value(mask, value(passed, base))


@given(masks(), constants)
def test_a_constant_passed_on_leaves_a_constant(mask: MaskValue, passed: MaskValue) -> None:
    result = mask.rebased(passed) if mask.base else mask
    assert result is not None
    assert result.bits == value(mask, passed.plus)


@given(masks(), st.sampled_from(_BITS))
def test_has_says_what_every_base_says(mask: MaskValue, bit: str) -> None:
    answers = {bit in value(mask, base) for base in (frozenset(), frozenset(_BITS))}
    assert mask.has(bit) == (answers.pop() if len(answers) == 1 else None)


@given(masks())
def test_bits_are_known_of_constants_alone(mask: MaskValue) -> None:
    assert mask.bits == (None if mask.base else value(mask, frozenset()))


def test_blocking_is_direct_reclaim() -> None:
    assert blocking(MaskValue("", frozenset({"__GFP_DIRECT_RECLAIM"}))) is True
    assert blocking(MaskValue("", frozenset({"__GFP_KSWAPD_RECLAIM", "__GFP_HIGH"}))) is False
    assert blocking(MaskValue("gfp")) is None
    assert blocking(MaskValue("gfp").without(frozenset({"__GFP_DIRECT_RECLAIM"}))) is False


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("12", 12),
        ("0x1F", 31),
        ("010", 8),
        ("4096UL", 4096),
        ("1u", 1),
        ("0b101", 5),
        ("09", None),
        ("", None),
        ("x", None),
        ("1.5", None),
        ("'a'", None),
        ("9" * 40, None),
        ("0x", None),
    ],
)
def test_numbers_as_c_writes_them(text: str, number: int | None) -> None:
    assert number_of(text) == number


@given(st.integers(0, 2**64 - 1), st.sampled_from(("{}", "{:#x}", "{}UL", "{:#x}ull")))
def test_numbers_are_read_back(number: int, form: str) -> None:
    assert number_of(form.format(number)) == number


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_none(text: str) -> None:
    found = number_of(text)
    assert found is None or found >= 0


def test_constants_by_name() -> None:
    assert [constant(n) for n in ("NULL", "false", "true")] == [Constant("0"), Constant("0"), Constant("1")]
    assert constant("RING_FULL") == Constant("RING_FULL")
    assert constant("ring") is None
    assert constant("N") is None  # a loop bound, as likely as a constant


def test_truth_of_constants() -> None:
    assert [Constant(t).truth for t in ("0", "1", "0x0", "4UL", "RING_FULL")] == [False, True, False, True, None]
