"""Predictions: shards leave no trace, a killed run goes on, models that do not fit are refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, ModelError
from pathoai.geometry import Size
from pathoai.inference.blending import blending_window
from pathoai.inference.predict_slide import predict_slide
from pathoai.inference.predictor import Predictor
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec
from tests.pathoai.inference.killed_prediction import KilledError, kill_after_one_shard


@pytest.fixture
def store(two_shard_store: Path, tmp_path: Path) -> SlideStore:
    path = tmp_path / "a" / two_shard_store.name
    return SlideStore(Path(shutil.copytree(two_shard_store, path)))


def _whole_blend(
    store: SlideStore, predictor: Predictor
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """All tiles over the whole slide at once, float64, tile by tile: the definition."""
    size, overlap = 64, 16
    height, width = store.array(0).shape[1:]
    tissue = store.tissue.on_grid(store.grid(), slice(0, height), slice(0, width))
    total = np.zeros((3, height, width))
    weight = np.zeros((height, width))
    window = blending_window(size).astype(np.float64)
    edge = [(size, size), (size, size), (0, 0)]
    mirrored = np.pad(store.read(0, 0, 0, Size(width, height)), edge, mode="symmetric")
    for y in range(-overlap // 2, height, size - overlap):
        for x in range(-overlap // 2, width, size - overlap):
            inside = np.s_[max(y, 0) : min(y + size, height), max(x, 0) : min(x + size, width)]
            if not tissue[inside].any():
                continue
            tile = mirrored[y + size : y + 2 * size, x + size : x + 2 * size]
            found = predictor.probabilities(tile[None])[0].astype(np.float64)
            part = np.s_[
                inside[0].start - y : inside[0].stop - y, inside[1].start - x : inside[1].stop - x
            ]
            total[:, inside[0], inside[1]] += found[:, part[0], part[1]] * window[part]
            weight[inside] += window[part]
    seen = weight > 0
    return total / np.where(seen, weight, 1), seen


def test_shards_leave_no_trace(store: SlideStore, predictor: Predictor) -> None:
    label = predict_slide(store, predictor)
    expected, seen = _whole_blend(store, predictor)
    probability = np.asarray(label.probability())
    assert np.abs(probability - expected[1:] * 255).max() <= 0.51 + 1e-2
    found = label.read_all()
    np.testing.assert_array_equal(found != NOT_ASSESSED, seen)
    ranked = np.sort(expected, axis=0)
    clear = seen & (ranked[-1] - ranked[-2] > 1e-4)
    assert clear.sum() > 0.9 * seen.sum()
    values = np.array(predictor.bundle.class_indices(predictor.ontology))
    np.testing.assert_array_equal(found[clear], values[expected.argmax(axis=0)][clear])
    assert len(set(np.unique(found[clear]))) > 1
    # The border between shards lies in the tissue, where all this was compared.
    assert clear[:, 2040:2056].any()


def test_the_prediction_says_what_made_it(store: SlideStore, predictor: Predictor) -> None:
    label = predict_slide(store, predictor)
    assert label.name == "prediction/tiny"
    assert label.about["origin"] == "model"
    assert label.about["status"] == "proposed"
    assert label.about["model_sha256"] == predictor.bundle.identity
    assert label.about["store_sha256"] == store.identity
    assert label.probability_channels == predictor.bundle.classes[1:]


def test_a_second_run_writes_nothing(store: SlideStore, predictor: Predictor) -> None:
    predict_slide(store, predictor)
    before = {f: f.stat().st_mtime_ns for f in store.path.rglob("*")}
    predict_slide(store, predictor)
    assert {f: f.stat().st_mtime_ns for f in store.path.rglob("*")} == before


def test_a_killed_run_goes_on_to_the_same_bytes(
    store: SlideStore, predictor: Predictor, tmp_path: Path
) -> None:
    other = SlideStore(Path(shutil.copytree(store.path, tmp_path / "b" / store.path.name)))
    predict_slide(store, predictor)
    done_by_second_run: list[int] = []
    with pytest.raises(KilledError):
        predict_slide(other, predictor, advance=kill_after_one_shard(other, predictor))
    (first,) = (other.path / "labels" / "prediction.tiny" / "0" / "c").rglob("*/0")
    before = first.stat().st_mtime_ns
    predict_slide(other, predictor, advance=lambda done, total: done_by_second_run.append(done))
    assert first.stat().st_mtime_ns == before
    assert sorted(set(done_by_second_run)) == [1, 2]
    files = {
        name: {f.relative_to(folder): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
        for name, folder in (("a", tmp_path / "a"), ("b", tmp_path / "b"))
    }
    assert files["a"] == files["b"]


def test_batches_make_no_difference(
    store: SlideStore, predictor: Predictor, two_shard_store: Path, tmp_path: Path
) -> None:
    other = SlideStore(Path(shutil.copytree(two_shard_store, tmp_path / "b" / "x.zarr")))
    one = np.asarray(predict_slide(store, replace(predictor, batch_size=1)).probability())
    many = np.asarray(predict_slide(other, replace(predictor, batch_size=32)).probability())
    assert np.abs(one.astype(int) - many).max() <= 1


def test_a_model_of_a_coarser_scale_uses_the_coarser_level(
    store: SlideStore, predictor: Predictor
) -> None:
    bundle = replace(predictor.bundle, spec=TileSpec(64, 1.0))
    label = predict_slide(store, replace(predictor, bundle=bundle))
    assert label.mpp == 1.0
    assert label.array().shape == store.array(1).shape[1:]


def test_a_model_of_another_ontology_is_refused(store: SlideStore, predictor: Predictor) -> None:
    with pytest.raises(ModelError, match=r"another ontology.*cervix.*breast"):
        predict_slide(store, replace(predictor, ontology=load_ontology("cervix")))


def test_batches_without_tiles_are_refused(predictor: Predictor) -> None:
    with pytest.raises(InvalidValueError, match="batch size"):
        replace(predictor, batch_size=0)
