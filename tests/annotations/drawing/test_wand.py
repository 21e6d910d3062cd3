"""The wand on pictures of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.errors import InvalidValueError
from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide
from pathoai_annotations.drawing.wand import NARROW_PX, REACH_PX, wand

SIDE = 200


def disc(radius: float) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    inside: NDArray[np.bool_] = np.hypot(rows - SIDE // 2, columns - SIDE // 2) <= radius
    return inside


def picture(mask: NDArray[np.bool_], noise: float) -> NDArray[np.uint8]:
    """Dark violet on pink, with the noise of a camera."""
    colours = np.where(mask[..., None], [110, 60, 140], [225, 190, 210])
    noisy = colours + np.random.default_rng(0).normal(0, noise, colours.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.parametrize("noise", [0, 4, 15])
def test_the_wand_takes_an_object_and_no_more(noise: float) -> None:
    truth = disc(40)
    found = wand(picture(truth, noise), (SIDE // 2 - 10, SIDE // 2))
    assert dice(found, truth) > 0.93


def test_it_hangs_together_has_no_holes_and_stays_in_reach() -> None:
    found = wand(picture(~disc(20), 10), (30, 100), 2.0)
    assert found[100, 30]
    assert ndimage.label(found)[1] == 1
    assert np.array_equal(found, ndimage.binary_fill_holes(found))
    rows, columns = np.nonzero(found)
    assert np.hypot(rows - 100, columns - 30).max() <= REACH_PX
    narrow = wand(picture(~disc(20), 10), (30, 100), 2.0, reach_px=NARROW_PX)
    assert 0 < narrow.sum() <= np.pi * (NARROW_PX + 1) ** 2
    assert not (narrow & ~found).any()


def test_more_sensitivity_takes_more() -> None:
    shaded = np.repeat(np.linspace(60, 220, SIDE)[None, :, None], SIDE, axis=0).repeat(3, axis=2)
    sizes = [int(wand(shaded.astype(np.uint8), (100, 100), s).sum()) for s in (0.5, 1, 2, 5)]
    assert sizes == sorted(set(sizes))


def test_nuclei_of_a_generated_slide_are_taken() -> None:
    truth = plan_slide(SlideRecipe(width=1024, height=1024, mpp=0.25, seed=3, organ="breast"))
    side = 145
    nuclei = truth.nuclei
    inner = (np.abs(nuclei.x - 512) < 400) & (np.abs(nuclei.y - 512) < 400)
    scores = []
    for row in np.flatnonzero(inner)[:60]:
        left, top = int(nuclei.x[row]) - side // 2, int(nuclei.y[row]) - side // 2
        found = wand(paint_region(truth, left, top, side, side), (side // 2, side // 2))
        own = truth.nuclei_instances(left, top, side, side) == nuclei.instance_id[row]
        scores.append(dice(found, own))
    assert np.median(scores) > 0.75


@pytest.mark.parametrize(("seed", "sensitivity"), [((-1, 5), 1), ((5, SIDE), 1), ((5, 5), 0)])
def test_a_seed_elsewhere_or_no_sensitivity_is_refused(
    seed: tuple[int, int], sensitivity: float
) -> None:
    with pytest.raises(InvalidValueError, match="wand"):
        wand(picture(disc(9), 0), seed, sensitivity)
