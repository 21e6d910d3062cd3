"""Artefacts show where their outline lies, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from pathoai.testing.artefacts import ARTEFACT_KINDS
from pathoai.testing.generated_slide import SlideRecipe, paint_region, plan_slide

SIDE = 1100


@pytest.mark.parametrize("kind", ARTEFACT_KINDS)
def test_artefact_changes_pixels_inside_its_outline_only(kind: str) -> None:
    recipe = SlideRecipe(width=SIDE, height=SIDE, seed=5)
    clean = plan_slide(recipe)
    dirty = plan_slide(replace(recipe, artefacts=(kind,)))
    ((found, outline),) = dirty.artefacts
    assert found == kind
    assert outline.is_valid
    assert outline.area > 0
    assert outline.intersects(dirty.tissue)
    pictures = [paint_region(truth, 0, 0, SIDE, SIDE).astype(int) for truth in (clean, dirty)]
    changed = np.abs(pictures[0] - pictures[1]).max(axis=2)
    rows, columns = np.indices(changed.shape) + 0.5
    outside = ~shapely.contains_xy(outline.buffer(4), columns, rows)
    assert changed[outside].max() <= 1
    on_tissue = outline.intersection(dirty.tissue).buffer(-3)
    inside = shapely.contains_xy(on_tissue, columns, rows)
    assert inside.sum() > 100
    assert (changed[inside] > 4).mean() > 0.5


def test_blur_lowers_contrast_and_pen_is_blue() -> None:
    recipe = SlideRecipe(width=SIDE, height=SIDE, seed=5)
    clean = paint_region(plan_slide(recipe), 0, 0, SIDE, SIDE).astype(float)
    for kind in ("blur", "pen"):
        truth = plan_slide(replace(recipe, artefacts=(kind,)))
        outline = truth.artefacts[0][1].intersection(truth.tissue).buffer(-12)
        rows, columns = np.indices((SIDE, SIDE)) + 0.5
        inside = shapely.contains_xy(outline, columns, rows)
        picture = paint_region(truth, 0, 0, SIDE, SIDE).astype(float)
        if kind == "blur":
            step = [
                np.abs(np.diff(one[..., 1], axis=1))[inside[:, 1:]].mean()
                for one in (picture, clean)
            ]
            assert step[0] < 0.5 * step[1]
        else:
            assert (picture[inside][:, 2] > picture[inside][:, 0] + 30).mean() > 0.9


def test_artefacts_do_not_move_tissue_or_nuclei() -> None:
    recipe = SlideRecipe(width=800, height=800, seed=2)
    clean, dirty = plan_slide(recipe), plan_slide(replace(recipe, artefacts=ARTEFACT_KINDS))
    np.testing.assert_array_equal(clean.nuclei.x, dirty.nuclei.x)
    assert clean.tissue.equals(dirty.tissue)
    assert tuple(kind for kind, _ in dirty.artefacts) == ARTEFACT_KINDS
