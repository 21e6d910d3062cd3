"""The scale of a slide is stated and plausible, or the slide is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import ImplausibleMppError, MissingMppError
from pathoai.geometry import Mpp, Size
from pathoai.slide.mpp_gate import check_extent, check_mpp


@pytest.mark.parametrize(
    "stated", [(None, None), ("", ""), ("  ", "0.25"), ("0.25", None), (None, "0.25")]
)
def test_a_missing_scale_is_never_guessed(stated: tuple[str | None, str | None]) -> None:
    with pytest.raises(MissingMppError, match=r"mpp column .* --mpp"):
        check_mpp(stated, None)


@pytest.mark.parametrize(
    "text",
    ["0,25", "0", "0.0", "-0.25", "nan", "inf", "0.00499", "25", "0.049", "20.01", "1e9", "µm"],
)
def test_an_implausible_scale_is_refused_with_its_remedy(text: str) -> None:
    with pytest.raises(ImplausibleMppError, match=r"mpp column .* --mpp"):
        check_mpp((text, text), None)


def test_pixels_that_are_not_square_are_refused() -> None:
    assert check_mpp(("0.25", "0.26"), None) == Mpp(0.25, 0.26)
    for x, y in (("0.25", "0.264"), ("0.264", "0.25"), ("0.25", "0.5")):
        with pytest.raises(ImplausibleMppError, match=r"not square.*--mpp"):
            check_mpp((x, y), None)


@given(st.floats(0.05, 20))
def test_any_plausible_scale_passes(value: float) -> None:
    assert check_mpp((repr(value), f" {value!r} "), None) == Mpp.square(value)


@pytest.mark.parametrize("stated", [(None, None), ("0", "0"), ("0,25", "0,25"), ("0.25", "0.25")])
def test_what_the_user_states_wins(stated: tuple[str | None, str | None]) -> None:
    assert check_mpp(stated, Mpp.square(0.5)) == Mpp.square(0.5)


def test_the_largest_glass_passes_and_a_larger_one_does_not() -> None:
    check_extent(Size(800_000, 600_000), Mpp.square(0.25))
    for size in (Size(2_000_000, 9), Size(9, 2_000_000)):
        with pytest.raises(ImplausibleMppError, match=r"larger than any glass.*Remedy"):
            check_extent(size, Mpp.square(0.25))
