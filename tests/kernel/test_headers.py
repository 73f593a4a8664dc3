"""Masks read from headers: both spellings, what is no mask, hostile input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfplint.kernel.headers import read_masks
from gfplint.kernel.masks import blocking, built_in_masks
from gfplint.kernel.probe import probes_of
from tests.kernel.headers import ENUM, NUMBERS

RECLAIM = frozenset({"__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM"})


def test_numbers() -> None:
    masks = read_masks([NUMBERS])
    assert masks["GFP_ATOMIC"] == {"__GFP_HIGH", "__GFP_ATOMIC", "__GFP_KSWAPD_RECLAIM"}
    assert masks["GFP_NOWAIT"] == {"__GFP_KSWAPD_RECLAIM"}
    assert masks["GFP_KERNEL"] == RECLAIM | {"__GFP_IO", "__GFP_FS"}
    assert masks["GFP_KERNEL_ACCOUNT"] - masks["GFP_KERNEL"] == {"__GFP_ACCOUNT"}
    assert masks["GFP_DMA"] == {"__GFP_DMA"}


def test_enum_and_bit() -> None:
    masks = read_masks([ENUM])
    assert masks["GFP_ATOMIC"] == {"__GFP_HIGH", "__GFP_KSWAPD_RECLAIM"}
    assert masks["GFP_NOWAIT"] == {"__GFP_KSWAPD_RECLAIM", "__GFP_NOWARN"}
    assert masks["__GFP_RECLAIM"] == RECLAIM
    assert "__GFP_ATOMIC" not in masks


@pytest.mark.parametrize("text", [NUMBERS, ENUM])
def test_configured_bit_keeps_its_name(text: str) -> None:
    assert read_masks([text])["__GFP_NOLOCKDEP"] == {"__GFP_NOLOCKDEP"}


def test_complement_takes_bits_away() -> None:
    masks = read_masks([NUMBERS])
    assert not blocking(masks["GFP_TRANSHUGE_LIGHT"])
    assert masks["GFP_TRANSHUGE"] == masks["GFP_TRANSHUGE_LIGHT"] | {"__GFP_DIRECT_RECLAIM"}
    assert "__GFP_COMP" in masks["GFP_TRANSHUGE_LIGHT"]


@pytest.mark.parametrize("text", [NUMBERS, ENUM])
def test_what_is_no_mask_is_left_out(text: str) -> None:
    masks = read_masks([text])
    assert not {"__GFP_BITS_SHIFT", "__GFP_BITS_MASK"} & set(masks)
    assert not [name for name in masks if name.startswith("___")]


def test_headers_may_refer_to_each_other() -> None:
    split = NUMBERS.index("#define GFP_KERNEL_ACCOUNT")
    assert read_masks([NUMBERS[split:], NUMBERS[:split]]) == read_masks([NUMBERS])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#define GFP_A GFP_B\n#define GFP_B GFP_A\n",
        "#define GFP_A GFP_A\n",
        "#define GFP_A (GFP_B\n",
        "#define GFP_A )(\n",
        "#define GFP_A 08\n",
        "#define GFP_A 99999999999999999999999999999999999999999999999999\n",
        "#define GFP_A(x) x\n",
        "#define GFP_A sizeof(int) ? 1 : 2\n",
        '#define GFP_A "text"\n',
        "#define GFP_A ~__GFP_B\n#define __GFP_B ((__force gfp_t)___GFP_B)\n",
        f"#define GFP_A {'(' * 5000}1{')' * 5000}\n",
        f"#define GFP_A {'~' * 100000}1\n",
        "#define GFP_A BIT BIT | |\n",
    ],
)
def test_definitions_without_value(text: str) -> None:
    assert read_masks([text]) == {}


def test_a_bad_definition_spoils_no_other() -> None:
    masks = read_masks([NUMBERS + "#define GFP_BAD | |\n#define GFP_WORSE ( )\n"])
    assert masks == read_masks([NUMBERS])


@given(st.text(alphabet="#define GFP_AB_()|&~012x\n\\/*\"'", max_size=200))
def test_any_text_is_read(text: str) -> None:
    for name, mask in read_masks([text]).items():
        assert "GFP_" in name
        assert all(bit.startswith("__GFP_") for bit in mask)


@given(st.lists(st.sampled_from(["__GFP_IO", "__GFP_FS", "__GFP_HIGH", "__GFP_NOWARN"]), min_size=1))
def test_or_is_union(bits: list[str]) -> None:
    masks = read_masks([ENUM + f"#define GFP_MINE ({' | '.join(bits)})\n"])
    assert masks["GFP_MINE"] == frozenset(bits)


_NAMES = ("__GFP_IO", "__GFP_FS", "__GFP_HIGH", "__GFP_NOWARN")
_EXPRESSIONS = st.recursive(
    st.sampled_from(_NAMES),
    lambda inner: st.one_of(st.tuples(st.just("~"), inner), st.tuples(st.sampled_from("|&"), inner, inner)),
    max_leaves=12,
)


@given(_EXPRESSIONS)
def test_the_algebra_agrees_with_numbers(expression: object) -> None:
    """An expression over masks means the same as over the numbers that the bits could have."""
    text, number = _spell(expression)
    masks = read_masks([ENUM + f"#define GFP_MINE ({text})\n"])
    if number < 0:
        assert "GFP_MINE" not in masks
    else:
        assert masks["GFP_MINE"] == {name for bit, name in enumerate(_NAMES) if number >> bit & 1}


def _spell(expression: object) -> tuple[str, int]:
    if isinstance(expression, str):
        return expression, 1 << _NAMES.index(expression)
    assert isinstance(expression, tuple)
    if expression[0] == "~":
        text, number = _spell(expression[1])
        return f"~({text})", ~number
    (left, a), (right, b) = _spell(expression[1]), _spell(expression[2])
    return f"(({left}) {expression[0]} ({right}))", a | b if expression[0] == "|" else a & b


def test_built_in_masks_agree_with_the_spellings() -> None:
    for version, text in (((6, 1), NUMBERS), ((6, 12), ENUM)):
        built_in = built_in_masks(version, probes_of(version))
        read = read_masks([text])
        for name in ("GFP_ATOMIC", "GFP_NOWAIT", "GFP_KERNEL", "__GFP_RECLAIM"):
            assert built_in[name] == read[name], (version, name)
