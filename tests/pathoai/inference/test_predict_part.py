"""A part says of its pixels and objects what the whole slide's prediction says."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.errors import InvalidValueError
from pathoai.geometry import Region
from pathoai.inference import predict_part as module
from pathoai.inference.find_objects import find_objects
from pathoai.inference.predict_part import predict_part
from pathoai.inference.predict_slide import predict_slide
from pathoai.inference.predictor import Predictor
from pathoai.store.slide_store import SlideStore


@pytest.fixture(scope="module")
def store(two_shard_store: Path, tmp_path_factory: pytest.TempPathFactory) -> SlideStore:
    path = tmp_path_factory.mktemp("part") / two_shard_store.name
    return SlideStore(Path(shutil.copytree(two_shard_store, path)))


@pytest.mark.parametrize(
    "region",
    [Region(1990.5, 10, 130, 60.2), Region(1900, -40, 700, 400), Region(0, 0, 2300, 100)],
    ids=["across shards", "beyond the edge", "all of it"],
)
def test_pixels_and_objects_are_those_of_the_slide(
    store: SlideStore, predictor: Predictor, region: Region
) -> None:
    label = predict_slide(store, predictor)
    part = predict_part(store, predictor, region)
    height, width = part.class_map.shape
    at = np.s_[part.y_px : part.y_px + height, part.x_px : part.x_px + width]
    np.testing.assert_array_equal(part.class_map, label.read_all()[at])
    np.testing.assert_array_equal(part.probability, np.asarray(label.probability())[:, *at])
    whole = find_objects(
        label, classes=tuple(predictor.bundle.class_indices(predictor.ontology)[1:])
    )
    left, top, right, bottom = shapely.bounds(whole.geometry).T
    x, y, own = (left + right) / 2, (top + bottom) / 2, part.region
    inside = (own.x <= x) & (x < own.right) & (own.y <= y) & (y < own.bottom)
    # What reaches beyond the margin is cut there, as the part knows no more of it.
    seen = own.expanded(64)
    uncut = (left > seen.x) & (right < seen.right) & (top > seen.y) & (bottom < seen.bottom)
    expected = {g.wkb: i for i, g in enumerate(whole.geometry) if inside[i] and uncut[i]}
    found = {g.wkb: i for i, g in enumerate(part.objects.geometry)}
    assert expected.keys() <= found.keys()
    assert len(expected) > 3
    for wkb, row in expected.items():
        at_part = found[wkb]
        assert part.objects.class_index[at_part] == whole.class_index[row]
        assert part.objects.probability[at_part] == pytest.approx(whole.probability[row], abs=1e-6)
        assert part.objects.area_um2[at_part] == pytest.approx(whole.area_um2[row])
    assert part.objects.source["model_sha256"] == predictor.bundle.identity
    assert part.objects.source == whole.source


def test_progress_is_told_and_can_stop_it(store: SlideStore, predictor: Predictor) -> None:
    told: list[tuple[int, int]] = []
    predict_part(store, predictor, Region(1990, 10, 200, 60), advance=lambda *at: told.append(at))
    total = told[0][1]
    assert total > 2
    assert told == [(done, total) for done in range(total + 1)]

    class StoppedError(Exception):
        pass

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        predict_part(store, predictor, Region(1990, 10, 200, 60), advance=stop)


def test_nothing_and_too_much_are_refused(
    store: SlideStore, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidValueError, match="does not lie on the slide"):
        predict_part(store, predictor, Region(5000, 5000, 10, 10))
    monkeypatch.setattr(module, "MOST_PIXELS", 1000)
    with pytest.raises(InvalidValueError, match=r"too large.*predict the whole slide"):
        predict_part(store, predictor, Region(0, 0, 200, 60))
