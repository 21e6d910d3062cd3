"""The scale of a slide is stated and plausible, or the slide is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import ImplausibleMppError, MissingMppError, SlideError
from pathoai.geometry import Mpp, Size
from pathoai.slide.mpp_gate import (
    LARGEST_SENSOR_UM,
    SMALLEST_SENSOR_UM,
    check_extent,
    check_mpp,
)
from pathoai.slide.open_slide import describe_slide


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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0,25", "comma; a decimal point is needed"),
        ("1,000.5", "comma"),
        ("0", "is zero"),
        ("0.0", "is zero"),
        ("-0.25", "is negative"),
        ("nan", "not a finite number"),
        ("inf", "not a finite number"),
        ("1e999", "not a finite number"),
        ("0_25", "not a finite number"),
        ("0.25 µm", "not a finite number"),
        ("0.00499", "finer than any slide scan.*unit"),
        ("0.0025", "finer than any slide scan.*unit"),
        ("1e-300", "finer than any slide scan"),
        ("250", "coarser than any slide scan.*unit"),
    ],
)
@pytest.mark.parametrize("axis", ["x", "y"])
def test_each_refusal_says_its_reason_its_axis_and_what_was_found(
    text: str, reason: str, axis: str
) -> None:
    stated = (text, "0.25") if axis == "x" else ("0.25", text)
    with pytest.raises(ImplausibleMppError, match=reason) as raised:
        check_mpp(stated, None)
    assert f"mpp along {axis}" in str(raised.value)
    assert repr(text) in str(raised.value)


@given(st.text(max_size=12), st.text(max_size=12), st.none() | st.text(max_size=5))
def test_any_texts_give_a_scale_or_our_error(x: str, y: str, power: str | None) -> None:
    try:
        found = check_mpp((x, y), None, power)
    except (MissingMppError, ImplausibleMppError):
        return
    assert found == Mpp(float(x), float(y))


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(0.05, 20))
def test_any_numbers_give_a_plausible_scale_or_our_error(x: float, y: float) -> None:
    plausible = 0.05 <= x <= 20 and abs(x / y - 1) <= 0.05
    try:
        found = check_mpp((repr(x), repr(y)), None)
    except ImplausibleMppError:
        assert not plausible
    else:
        assert plausible
        assert found == Mpp(x, y)


SCANNERS = [
    ("Aperio AT2", 40, 0.2527),
    ("Aperio AT2 at half", 20, 0.499),
    ("Leica GT 450", 40, 0.2628),
    ("Hamamatsu", 40, 0.2208),
    ("Hamamatsu", 20, 0.4532),
    ("Ventana", 40, 0.2325),
    ("3DHISTECH behind 1.6×", 20, 0.2337),
    ("Zeiss, pixels of 4.4 µm", 20, 0.22),
    ("Zeiss, pixels of 3.45 µm", 20, 0.1725),
    ("Evident", 20, 0.274),
    ("6.5 µm behind a half-size adapter", 20, 0.65),
    ("macro objective", 1.25, 8.0),
]


@pytest.mark.parametrize(("scanner", "power", "mpp"), SCANNERS)
def test_scanners_that_exist_pass_and_ten_times_their_scale_does_not(
    scanner: str, power: float, mpp: float
) -> None:
    assert check_mpp((str(mpp), str(mpp)), None, str(power)) == Mpp.square(mpp), scanner
    for wrong in (10 * mpp, mpp / 10, mpp / 100):
        with pytest.raises(ImplausibleMppError, match=r"contradicts|scan"):
            check_mpp((repr(wrong), repr(wrong)), None, str(power))


@given(st.floats(0.05, 20), st.floats(0.5, 200))
def test_scale_and_objective_agree_within_the_range_of_sensors(mpp: float, power: float) -> None:
    stated = repr(mpp)
    if SMALLEST_SENSOR_UM <= mpp * power <= LARGEST_SENSOR_UM:
        # Never mended by the objective: the scale is the one that was stated.
        assert check_mpp((stated, stated), None, repr(power)) == Mpp.square(mpp)
    else:
        with pytest.raises(ImplausibleMppError, match=r"contradicts the objective.*--mpp"):
            check_mpp((stated, stated), None, repr(power))


def test_a_contradiction_names_both_numbers_and_what_scanners_give() -> None:
    with pytest.raises(
        ImplausibleMppError, match=r"0\.5 µm per pixel at 40×.*scanners give about 0\.25.*--mpp"
    ):
        check_mpp(("0.5", "0.5"), None, "40")


@pytest.mark.parametrize("power", [None, "", "0", "-20", "nan", "inf", "20x", "unknown"])
def test_an_objective_that_is_no_positive_number_is_passed_over(power: str | None) -> None:
    assert check_mpp(("0.25", "0.25"), None, power) == Mpp.square(0.25)


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
    assert check_mpp(stated, Mpp.square(0.5), "400") == Mpp.square(0.5)


def test_the_largest_glass_passes_and_a_larger_one_does_not() -> None:
    check_extent(Size(800_000, 600_000), Mpp.square(0.25))
    for size in (Size(2_000_000, 9), Size(9, 2_000_000)):
        with pytest.raises(ImplausibleMppError, match=r"larger than any glass.*Remedy"):
            check_extent(size, Mpp.square(0.25))


def test_every_real_slide_passes_but_the_ones_whose_tags_are_wrong(real_data: Path) -> None:
    """The gate refuses what should be refused, and nothing that a scanner wrote."""
    refused, passed = set(), 0
    for path in sorted((real_data / "wsi").rglob("*")):
        try:
            found = describe_slide(path)
        except SlideError:
            continue
        try:
            scale = check_mpp(found.stated_mpp, None, found.objective_power)
        except (ImplausibleMppError, MissingMppError):
            refused.add(path.name)
        else:
            assert 0.1 < scale.x < 1.1, path.name
            passed += 1
    assert passed >= 4
    assert {"CMU-1-Small-Region.jpeg.tiff", "boxes.tiff", "boxes.png"} <= refused
    assert "cmu-1-small-region.svs" not in refused
