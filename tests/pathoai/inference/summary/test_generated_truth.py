"""A prediction that is a generated slide's truth gives the densities that its recipe put there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.inference.summary.summarise import summarise
from pathoai.ontology import load_ontology
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth
from pathoai.vector.rasterise import rasterise
from tests.pathoai.inference.summary.known_slide import predicted


def test_densities_of_the_truth_on_the_tissue_that_was_found(
    generated: tuple[Path, SlideTruth], tiled_store: Path, tmp_path: Path
) -> None:
    """The mask's own edge is all that differs from the truth's outline."""
    truth, breast = generated[1], load_ontology("breast")
    store = SlideStore(Path(shutil.copytree(tiled_store, tmp_path / tiled_store.name)))
    keys = tuple(dict.fromkeys((*(r.class_key for r in truth.regions), *truth.nuclei.class_keys)))
    grid = store.grid()
    class_map = rasterise([(r.polygon, breast[r.class_key].index) for r in truth.regions], grid)
    nuclei = truth.nuclei
    indices = np.array([breast[key].index for key in nuclei.class_keys], np.uint8)
    painted = truth.nuclei_classes(0, 0, grid.size_px.width, grid.size_px.height)
    class_map = np.where(painted > 0, indices[np.maximum(painted, 1) - 1], class_map)
    centres = np.stack([nuclei.x, nuclei.y], axis=1)
    values = indices[nuclei.class_index]
    slide = predicted(store, tmp_path, class_map, centres, values, keys)
    summary = summarise(slide)
    tissue, *_ = summary.rows
    mm2 = shapely.area(truth.tissue) * truth.recipe.mpp**2 / 1e6
    assert tissue["area_mm2"] == pytest.approx(mm2, rel=0.1)
    assert tissue["objects"] >= 0.98 * len(nuclei)
    for at, key in enumerate(nuclei.class_keys):
        density = (nuclei.class_index == at).sum() / mm2
        assert tissue[f"{key}_per_mm2"] == pytest.approx(density, rel=0.12)
    found = {one["key"]: one for one in summary.said["findings"]}
    tumour = sum(
        shapely.area(r.polygon) for r in truth.regions if r.class_key.startswith("invasive")
    )
    assert found["tumour_area"]["value"] == pytest.approx(
        tumour * truth.recipe.mpp**2 / 1e6, rel=0.1
    )
    assert found["til_density"]["numerator"]["value"] <= tissue["nucleus_lymphocyte_count"]
    assert 0 < found["til_stromal_share"]["value"] < found["stroma_share"]["value"] < 100
