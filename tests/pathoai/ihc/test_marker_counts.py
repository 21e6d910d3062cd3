"""What is counted of a marker, held to plain definitions and to the truth of a twin."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.ihc.codes import REPORT_CODES
from pathoai.ihc.intensity_bins import IntensityBins, h_score
from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.recipe import load_recipe, recipe_keys
from pathoai.ihc.stained_nuclei import COUNTED, StainedNuclei, find_stained_nuclei
from pathoai.ihc.write_labels import label_marker
from pathoai.inference.marker_counts import MarkedSlide, MarkerCounts, count_marker
from pathoai.inference.regions import Regions
from pathoai.metrics.wilson_interval import wilson_interval
from pathoai.ontology import load_ontology
from pathoai.vector.rasterise import rasterise
from tests.pathoai.ihc.conftest import MakePair, Pair

CPU = torch.device("cpu")
BREAST = load_ontology("breast")
AREAS = [shapely.box(200.5, 300.2, 700, 800), shapely.Point(900, 600).buffer(250)]


def _labelled(pair: Pair, marker: str) -> tuple[MarkedPair, MarkedSlide]:
    recipe = load_recipe(marker)
    seen = MarkedPair.seen(pair.fixed, pair.moving, pair.registration, recipe, BREAST)
    label = label_marker(seen, device=CPU)
    trust = pair.fixed.label(recipe.trust_label)
    nuclei = find_stained_nuclei(seen, trust, device=CPU)
    areas = Regions(np.array(AREAS, object), {"source": "test", "sha256": "0"})
    return seen, MarkedSlide(pair.fixed, label, trust, nuclei, areas)


@pytest.fixture(scope="module")
def ki67(make_pair: MakePair) -> tuple[Pair, MarkedPair, MarkedSlide]:
    pair = make_pair("MKI67")
    return pair, *_labelled(pair, "MKI67")


@pytest.fixture(scope="module")
def counts(ki67: tuple[Pair, MarkedPair, MarkedSlide]) -> MarkerCounts:
    return count_marker(ki67[2])


def test_the_index_is_near_the_truth_of_the_twin(
    ki67: tuple[Pair, MarkedPair, MarkedSlide], counts: MarkerCounts
) -> None:
    """Of nuclei that lie where they are counted, as the twin was painted."""
    pair, _, slide = ki67
    truth = pair.truth
    table = truth.source.nuclei
    trust = slide.trust.read_all()
    centres = np.stack([table.x, table.y], axis=1)
    grid = slide.trust.grid()
    column, row = np.floor(centres / [grid.downsample_x, grid.downsample_y]).astype(int).T
    inside = (row >= 0) & (row < trust.shape[0]) & (column >= 0) & (column < trust.shape[1])
    inside[inside] = np.isin(trust[row[inside], column[inside]], COUNTED)
    positive = truth.positive[inside]
    expected = 100 * positive.mean()
    row_of_all = counts.rows[0]
    assert row_of_all["index_percent"] == pytest.approx(expected, abs=4)
    assert row_of_all["nuclei"] == pytest.approx(inside.sum(), rel=0.2)
    assert row_of_all["positive_cells"] == pytest.approx(positive.sum(), rel=0.2)


def test_every_number_is_what_its_definition_says(
    ki67: tuple[Pair, MarkedPair, MarkedSlide], counts: MarkerCounts
) -> None:
    _, seen, slide = ki67
    label, trust, nuclei = slide.label.read_all(), slide.trust.read_all(), slide.nuclei
    assert nuclei is not None
    grid, pixel = slide.label.grid(), slide.label.pixel_mpp.pixel_area_um2 / 1e6
    rows, columns = (slice(0, length) for length in label.shape)
    tissue = slide.store.tissue.on_grid(grid, rows, columns)
    masks: dict[str, NDArray[np.bool_]] = {"all": tissue}
    for number, outline in enumerate(AREAS, start=1):
        masks[str(number)] = tissue & (rasterise([(outline, 1)], grid) == 1)
    found = {row["region"]: row for row in counts.rows if row["kind"] != "fragment"}
    assert set(found) == {"all", "1", "2"}
    for name, mask in masks.items():
        row = found[name]
        assessed = int((mask & (label != 255)).sum())
        positive = int((mask & (label != 255) & (label != 0)).sum())
        counted = int((mask & np.isin(trust, COUNTED)).sum())
        assert row["trusted_mm2"] == pytest.approx(assessed * pixel, abs=1e-6)
        assert row["positive_mm2"] == pytest.approx(positive * pixel, abs=1e-6)
        assert row["positive_mm2_per_mm2"] == pytest.approx(positive / assessed, abs=1e-6)
        assert row["counted_mm2"] == pytest.approx(counted * pixel, abs=1e-6)
        own = _inside(nuclei, name, slide)
        amounts = nuclei.amount[own]
        bins = IntensityBins.of_threshold(seen.thresholds[0].od)
        by_hand = [
            int((amounts < bins.weak).sum()),
            int(((amounts >= bins.weak) & (amounts < bins.moderate)).sum()),
            int(((amounts >= bins.moderate) & (amounts < bins.strong)).sum()),
            int((amounts >= bins.strong).sum()),
        ]
        names = ("negative", "weak", "moderate", "strong")
        assert [row[f"{step}_nuclei"] for step in names] == by_hand
        total, stained = sum(by_hand), sum(by_hand[1:])
        assert (row["nuclei"], row["positive_cells"]) == (total, stained)
        assert row["index_percent"] == pytest.approx(100 * stained / total, abs=1e-4)
        limits = wilson_interval(stained, total)
        shown = (row["index_low_95"], row["index_high_95"])
        assert shown == pytest.approx([100 * limit for limit in limits], abs=1e-4)
        assert row["positive_cells_per_mm2"] == pytest.approx(stained / (counted * pixel), rel=1e-4)
        score = sum(100 * step * n / total for step, n in enumerate(by_hand))
        assert row["h_score"] == pytest.approx(score, abs=1e-4)


def _inside(nuclei: StainedNuclei, name: str, slide: MarkedSlide) -> NDArray[np.bool_]:
    tissue = slide.store.tissue
    column, row = (
        np.floor(nuclei.xy / [tissue.grid.downsample_x, tissue.grid.downsample_y]).astype(int).T
    )
    on_tissue = tissue.mask[row, column]
    if name == "all":
        return np.asarray(on_tissue)
    return np.asarray(on_tissue & shapely.contains_xy(AREAS[int(name) - 1], nuclei.xy))


def test_blocks_leave_no_trace(ki67: tuple[Pair, MarkedPair, MarkedSlide]) -> None:
    """The same nuclei whether a window is looked at whole or in parts."""
    from pathoai.ihc.stained_nuclei import _Finder

    _, seen, slide = ki67
    bins = IntensityBins.of_threshold(seen.thresholds[0].od)
    finder = _Finder(seen, slide.trust, bins, CPU)
    whole = finder.in_block(slice(200, 496), slice(304, 704))
    parts = [
        finder.in_block(rows, columns)
        for rows in (slice(200, 336), slice(336, 496))
        for columns in (slice(304, 512), slice(512, 704))
    ]
    xy = np.concatenate([part[0] for part in parts])
    assert len(whole[0]) > 20
    order, other = (np.lexsort(np.round(p, 3).T) for p in (whole[0], xy))
    np.testing.assert_allclose(whole[0][order], xy[other], atol=0.05)
    np.testing.assert_array_equal(
        whole[2][order], np.concatenate([part[2] for part in parts])[other]
    )


def test_table_and_file_say_the_same_and_that_it_is_no_diagnosis(
    counts: MarkerCounts, tmp_path: Path
) -> None:
    counts.write(tmp_path / "c.csv", tmp_path / "c.json")
    raw = json.loads((tmp_path / "c.json").read_text("utf8"))
    with (tmp_path / "c.csv").open(newline="", encoding="utf8") as file:
        table = list(csv.DictReader(file))
    assert "no diagnosis" in raw["warning"]
    assert raw["loinc"] == {"result": None, "index_percent": "85330-9"}
    assert "all nuclei of the region" in raw["about"]["note"]
    assert len(table) == len(raw["regions"])
    for line, row in zip(table, raw["regions"], strict=True):
        assert line["loinc_index_percent"] == "85330-9"
        assert line["warning"] == raw["warning"]
        for key, value in row.items():
            assert line[key] == ("" if value is None else str(value))


def test_rings_decide_of_markers_outside_nuclei(make_pair: MakePair) -> None:
    pair = make_pair("CD3CD20")
    _, slide = _labelled(pair, "CD3CD20")
    nuclei = slide.nuclei
    assert nuclei is not None
    truth = pair.truth
    table = truth.source.nuclei
    tree = shapely.STRtree(shapely.points(table.x, table.y))
    nearest, distance = tree.query_nearest(
        shapely.points(nuclei.xy), return_distance=True, all_matches=False
    )
    near = distance < 4
    is_positive = truth.positive[nearest[1][near]]
    found = nuclei.grade[near] > 0
    right = (found == is_positive).mean()
    assert right > 0.9
    both = (found & is_positive).sum()
    assert 2 * both / (found.sum() + is_positive.sum()) > 0.75
    row = count_marker(slide).rows[0]
    assert "h_score" not in row
    assert row["positive_cells"] > 0


def test_of_vessels_and_stroma_no_cells_are_counted(
    ki67: tuple[Pair, MarkedPair, MarkedSlide],
) -> None:
    from dataclasses import replace

    _, seen, slide = ki67
    stroma = replace(seen.recipe.targets[0], compartment="stroma")
    other = replace(seen, recipe=replace(seen.recipe, targets=(stroma,)))
    with pytest.raises(InvalidValueError, match="no cells can be counted"):
        find_stained_nuclei(other, slide.trust, device=CPU)
    row = count_marker(replace(slide, nuclei=None)).rows[0]
    assert "nuclei" not in row
    assert row["positive_mm2"] > 0


def test_h_score_by_its_definition() -> None:
    assert h_score(np.array([10, 20, 30, 40])) == pytest.approx(20 + 60 + 120)
    assert h_score(np.array([0, 0, 0, 5])) == 300
    assert np.isnan(h_score(np.zeros(4, np.int64)))
    bins = IntensityBins.of_threshold(0.3)
    assert (bins.weak, bins.moderate, bins.strong) == pytest.approx((0.3, 0.6, 0.9))
    assert bins.of(np.array([0.29, 0.3, 0.6, 0.9, 2.0])).tolist() == [0, 1, 2, 3, 3]
    for wrong in ((0, 1, 2), (1, 1, 2), (1, 3, 2)):
        with pytest.raises(InvalidValueError, match="bins"):
            IntensityBins(*wrong)


def test_codes_are_of_recipes_that_exist() -> None:
    assert set(REPORT_CODES) <= set(recipe_keys())
    assert REPORT_CODES["ER"].result == "85337-4"
    assert REPORT_CODES["ER"].percent == "85329-1"
