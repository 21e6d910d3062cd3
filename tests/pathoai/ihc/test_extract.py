"""From amounts of stain to areas, by the rules of a recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pathoai.ihc.extract import extract
from pathoai.ihc.recipe import MarkerRecipe, MarkerTarget
from pathoai.ihc.threshold import StainThreshold

DAB = MarkerTarget(
    class_key="nucleus", chromogen="dab", compartment="nucleus", lowest_od=0.3, highest_od=0.9
)
RED = replace(DAB, class_key="stroma", chromogen="permanent_red", compartment="stroma")
AT = StainThreshold(0.6, 0.45, 0.75, 0.05, 1.2, 0.1, seen=True)
MPP = 0.5


def _recipe(*targets: MarkerTarget) -> MarkerRecipe:
    return MarkerRecipe(key="MINE", title="of our own", targets=targets)


def _disc(radius: float, centre: tuple[float, float] = (40, 40)) -> NDArray[np.bool_]:
    y, x = np.mgrid[:80, :80]
    return np.asarray((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2)


def _amounts(*masks: NDArray[np.bool_], level: float = 1.2) -> NDArray[np.float32]:
    return np.stack([np.where(mask, level, 0.05) for mask in masks]).astype(np.float32)


def test_plain_stain_is_its_mask() -> None:
    found = extract(_amounts(_disc(10)), _recipe(DAB), (AT,), MPP)
    np.testing.assert_array_equal(found.positive > 0, _disc(10))
    assert not found.doubtful.any()


def test_stain_near_the_threshold_is_in_doubt_on_both_sides() -> None:
    for level, positive in ((0.5, False), (0.7, True)):
        found = extract(_amounts(_disc(10), level=level), _recipe(DAB), (AT,), MPP)
        assert bool(found.positive[40, 40]) == positive
        np.testing.assert_array_equal(found.doubtful, _disc(10))


def test_small_areas_go_and_are_in_doubt_and_small_holes_are_filled() -> None:
    target = replace(DAB, smallest_um2=10.0, largest_hole_um2=5.0)
    ring = _disc(12) & ~_disc(2)
    speck = _disc(2, (70, 10))
    found = extract(_amounts(ring | speck), _recipe(target), (AT,), MPP)
    np.testing.assert_array_equal(found.positive > 0, _disc(12))
    np.testing.assert_array_equal(found.doubtful, speck)


def test_gaps_are_closed_as_far_as_the_recipe_says() -> None:
    stain = np.zeros((80, 80), bool)
    stain[30:50, 10:70] = True
    stain[:, 38:42] = False
    stain[:, 55:65] = False
    found = extract(_amounts(stain), _recipe(replace(DAB, closing_um=1.5)), (AT,), MPP)
    closed = stain.copy()
    closed[30:50, 38:42] = True
    assert (found.positive > 0)[32:48].tolist() == closed[32:48].tolist()


def test_of_two_chromogens_the_stronger_one_counts_and_both_are_doubt() -> None:
    amounts = np.zeros((2, 10, 30), np.float32)
    amounts[0, :, :20], amounts[1, :, 10:] = 1.5, 1.0
    found = extract(amounts, _recipe(DAB, RED), (AT, AT), MPP)
    np.testing.assert_array_equal(found.positive[0], [1] * 20 + [2] * 10)
    np.testing.assert_array_equal(found.doubtful[0], [False] * 10 + [True] * 10 + [False] * 10)


def test_a_little_of_the_other_chromogen_is_doubt() -> None:
    """The nucleus of a thin cell: its brown is a rest beside the red that blurs over it."""
    amounts = np.zeros((2, 10, 30), np.float32)
    amounts[1], amounts[0, :, 10:20], amounts[0, :, 20:] = 1.0, 0.25, 0.2
    found = extract(amounts, _recipe(DAB, RED), (AT, AT), MPP)
    assert (found.positive == 2).all()
    np.testing.assert_array_equal(found.doubtful[0], [False] * 10 + [True] * 10 + [False] * 10)


def test_what_is_broader_than_a_membrane_is_doubt_within() -> None:
    found = extract(_amounts(_disc(10)), _recipe(replace(DAB, widest_um=4.0)), (AT,), MPP)
    np.testing.assert_array_equal(found.positive > 0, _disc(10))
    inner = _disc(5)
    assert found.doubtful[inner].all()
    assert not found.doubtful[~_disc(7)].any()


def test_whole_nuclei_are_labelled_where_enough_of_them_is_stained() -> None:
    target = replace(DAB, snap_to_nuclei=True, least_share=0.5)
    centres = [(15, 15), (45, 15), (15, 60)]
    nuclei = np.any([_disc(8, c) for c in centres], axis=0)
    # The first is stained with a shift, the second hardly, the third not at all.
    stain = _disc(8, (17, 16)) | _disc(3, (45, 15)) | _disc(6, (62, 62))
    found = extract(_amounts(stain), _recipe(target), (AT,), MPP, nuclei)
    np.testing.assert_array_equal(found.positive > 0, _disc(8, (15, 15)))
    assert not found.doubtful[15, 15]
    assert found.doubtful[62, 62], "stain without a nucleus"
    assert not found.doubtful[60, 15]
