"""The truth is written in QuPath's dialect."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import shapely
import shapely.geometry

from pathoai.testing.generated_slide import SlideRecipe, plan_slide
from pathoai.testing.slide_truth import Organ
from pathoai.testing.truth_geojson import CLASS_COLOURS, write_truth_geojson


@pytest.mark.parametrize("organ", ["breast", "cervix"])
def test_every_nucleus_and_region_is_written(tmp_path: Path, organ: Organ) -> None:
    truth = plan_slide(SlideRecipe(width=1500, height=1400, organ=organ, seed=2))
    write_truth_geojson(tmp_path / "truth.geojson", truth)
    data = json.loads((tmp_path / "truth.geojson").read_text())
    assert data["type"] == "FeatureCollection"
    kinds = [feature["properties"]["objectType"] for feature in data["features"]]
    assert kinds.count("annotation") == len(truth.regions)
    assert kinds.count("detection") == len(truth.nuclei)
    assert len({UUID(feature["id"]) for feature in data["features"]}) == len(kinds)
    for feature in data["features"]:
        name = feature["properties"]["classification"]["name"]
        assert feature["properties"]["classification"]["color"] == list(CLASS_COLOURS[name])
        assert feature["properties"]["measurements"] == {}
        assert shapely.geometry.shape(feature["geometry"]).is_valid


def test_areas_survive_and_two_writes_are_equal(tmp_path: Path) -> None:
    truth = plan_slide(SlideRecipe(width=1200, height=900, seed=8))
    for name in ("a", "b"):
        write_truth_geojson(tmp_path / name, truth)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    features = json.loads((tmp_path / "a").read_text())["features"][len(truth.regions) :]
    areas = [shapely.geometry.shape(feature["geometry"]).area for feature in features]
    np.testing.assert_allclose(areas, truth.nuclei.area_px, rtol=0.01)
