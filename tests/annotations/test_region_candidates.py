"""Regions of a prediction: their squares, mixes of classes and costs, and who judged them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shapely import Point, box

from pathoai.errors import InvalidValueError, StoreError
from pathoai.metrics.expected_cost import load_costs
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_image import LabelImage
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.tissue.mask import TissueMask
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.region_candidates import (
    GradeCosts,
    RegionSpec,
    costs_of,
    joined,
    regions_of_slide,
)

SLIDE = "0123456789ABCDEF"
CERVIX = load_ontology("cervix")
GRADES = ("benign", "lsil", "hsil", "invasive_scc")


def _label(folder: Path, *, uncertain: bool = True) -> LabelImage:
    """A prediction of 600 × 500 px at 0.5 µm: smooth, so that means of pixels change little."""
    header = StoreHeader(SLIDE, 1200, 1000, 0.25, 0.25, 0.5)
    path = folder / f"{SLIDE}.zarr"
    image = ImageWriter(path, header)
    image.finest.write((0, 0), np.full((3, 500, 600), 200, np.uint8))
    classes = [CERVIX["background"], *(CERVIX[key] for key in GRADES)]
    recipe = LabelRecipe(
        "prediction/m",
        classes,
        {"origin": "model"},
        probability_channels=GRADES,
        uncertainty_channels=("entropy",) if uncertain else (),
    )
    writer = LabelWriter(path, header, recipe)
    y, x = np.mgrid[:500, :600]
    planes = np.stack([60 + x // 10, 40 + y // 25, 30 + 0 * x, 90 - x // 10]).astype(np.uint8)
    class_map = np.ones((500, 600), np.uint8)
    class_map[:, 540:] = NOT_ASSESSED
    writer.class_map.write((0, 0), class_map)
    writer.probability.write((0, 0), planes)
    if uncertain:
        writer.uncertainty.write((0, 0), (x // 3).astype(np.uint8)[None])
    writer.finish()
    image.finish()
    return SlideStore(path).label("prediction/m")


def _dot(x: float, y: float) -> Annotation:
    name = deterministic_id(f"{x} {y}")
    return Annotation(name, SLIDE, "benign", Point(x, y), Origin.PATHOLOGIST, "R1")


def test_squares_hold_means_of_what_was_assessed(tmp_path: Path) -> None:
    label, costs = _label(tmp_path), costs_of(CERVIX, GRADES)
    assert costs is not None
    found = regions_of_slide(label, SLIDE, RegionSpec(64.0, costs), [])
    # Squares of 128 px: in the fifth column 28 of 128 px are assessed, which is too little.
    assert len(found) == 16
    probability = np.asarray(label.probability()) / 255
    for at in range(16):
        row, column = divmod(at, 4)
        assert found.bounds[at].tolist() == [column * 256, row * 256, 256, 256]
        inside = np.s_[128 * row : 128 * (row + 1), 128 * column : 128 * (column + 1)]
        pixels = probability[:, *inside].reshape(4, -1)
        assert found.shares[at, 1:] == pytest.approx(pixels.mean(axis=1), abs=0.004)
        assert found.shares[at].sum() == pytest.approx(1, abs=1e-5)
        expected = (costs.costs.array.T @ pixels).min(axis=0).mean()
        assert found.cost[at] == pytest.approx(expected, abs=0.004)


def test_without_costs_uncertainty_counts(tmp_path: Path) -> None:
    label = _label(tmp_path)
    found = regions_of_slide(label, SLIDE, RegionSpec(64.0), [])
    stored = np.asarray(label.uncertainty())[0] / 255
    assert found.cost[1] == pytest.approx(stored[:128, 128:256].mean(), abs=0.004)


def test_what_is_said_of_glass_costs_nothing_and_squares_without_tissue_are_none(
    tmp_path: Path,
) -> None:
    label = _label(tmp_path)
    # 25.6 px of the mask make a square of 64 µm: tissue is in half of the second column.
    mask = np.zeros((100, 120), bool)
    mask[:, 26:39] = True
    tissue = TissueMask(mask, label.grid().coarser(5), 2.5, "drawn")
    found = regions_of_slide(label, SLIDE, RegionSpec(64.0), [], tissue)
    assert set(found.bounds[:, 0].tolist()) == {256.0}
    stored = np.asarray(label.uncertainty())[0] / 255
    seen = np.where(np.repeat(np.repeat(mask, 5, 0), 5, 1), stored, 0)
    assert found.cost[0] == pytest.approx(seen[:128, 128:256].mean(), abs=0.02)


def test_judged_squares_are_those_that_an_annotation_touches(tmp_path: Path) -> None:
    label = _label(tmp_path)
    outline = _dot(0, 0)
    outline = Annotation(
        outline.id, SLIDE, "benign", box(500, 500, 530, 530), Origin.PATHOLOGIST, "R1"
    )
    found = regions_of_slide(label, SLIDE, RegionSpec(64.0), [_dot(300, 10), outline])
    # One lies in the second square of the first row; the other across the corner of four.
    assert np.flatnonzero(found.judged).tolist() == [1, 5, 6, 9, 10]
    both = joined([found, found])
    assert (len(both), both.slide_ids) == (32, (SLIDE, SLIDE))
    assert both.slide.tolist() == [0] * 16 + [1] * 16


def test_costs_belong_to_an_ordinal_ontology() -> None:
    costs = costs_of(CERVIX, GRADES)
    assert costs is not None
    assert costs.costs == load_costs("tissuenet")
    assert costs.grades == (0, 1, 2, 3)
    assert costs_of(CERVIX, ("benign",)) is None
    assert costs_of(load_ontology("breast"), ("dcis", "stroma")) is None

    # CIN2 and HSIL are of one grade: their probabilities are one, and a stroma has no cost.
    some = GradeCosts.of(load_costs("tissuenet"), CERVIX, ("cin2", "hsil", "benign", "stroma"))
    assert some.grades == (2, 2, 0, None)
    pixels = np.array([0.2, 0.3, 0.4, 0.1], np.float32).reshape(4, 1, 1)
    assert some.of_pixels(pixels)[0, 0] == pytest.approx(min(0.5 * 0.7, 0.4 * 0.7))
    with pytest.raises(InvalidValueError, match="fewer than two"):
        GradeCosts.of(load_costs("tissuenet"), CERVIX, ("cin2", "hsil"))


def test_a_prediction_without_uncertainty_is_to_be_made_again(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="predict again"):
        regions_of_slide(_label(tmp_path, uncertain=False), SLIDE, RegionSpec(), [])
    for side in (1, float("nan")):
        with pytest.raises(InvalidValueError, match="side of regions"):
            RegionSpec(side)
