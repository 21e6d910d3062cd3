"""The same bits whatever the threads, batches and interruptions; and what may change them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pathoai.inference.predict_slide import (
    begun_elsewhere,
    predict_shards,
    predict_slide,
    tile_computing,
    tile_plan,
)
from pathoai.inference.predictor import Predictor
from pathoai.inference.tile_outputs import TileComputing
from pathoai.inference.tile_plan import TilePlan
from pathoai.preprocess.torch_threads import all_threads
from pathoai.store.label_image import label_names
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from tests.pathoai.inference.killed_prediction import KilledError, kill_after_one_shard

NewStore = Callable[[], SlideStore]


@pytest.fixture
def new_store(two_shard_store: Path, tmp_path: Path) -> NewStore:
    def new() -> SlideStore:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return SlideStore(Path(shutil.copytree(two_shard_store, folder / two_shard_store.name)))

    return new


def _files(store: SlideStore) -> dict[str, bytes]:
    """All that lies in the store and beside it, but for what is there while it is written."""
    found = (f for f in store.path.parent.rglob("*") if f.is_file())
    return {f.relative_to(store.path.parent).as_posix(): f.read_bytes() for f in found}


def test_threads_and_batches_leave_no_trace(new_store: NewStore, predictor: Predictor) -> None:
    before = torch.get_num_threads()
    made = {}
    for threads, batch in ((1, 1), (2, 4), (3, 32), (2, 8)):
        store = new_store()
        predict_slide(store, replace(predictor, batch_size=batch), threads=threads)
        made[threads, batch] = _files(store)
    assert torch.get_num_threads() == before
    first = made.pop((1, 1))
    assert any("probability/0" in name for name in first)
    assert all(files == first for files in made.values())


def _computed_by(
    store: SlideStore, predictor: Predictor, computing: TileComputing, plan: TilePlan
) -> dict[str, bytes]:
    classes = predictor.bundle.channel_classes(predictor.ontology)
    recipe = LabelRecipe(
        "prediction/tiny",
        classes,
        predictor.about(store),
        probability_channels=tuple(c.key for c in classes[1:]),
        uncertainty_channels=predictor.uncertainty_channels,
        made_on=predictor.made_on,
    )
    writer = LabelWriter(store.path, store.header, recipe)
    predict_shards(predictor, writer, plan, computing)
    writer.finish()
    return _files(store)


@pytest.mark.parametrize("batch", [1, 7])
def test_one_thread_that_computes_for_readers_gives_the_same(
    new_store: NewStore, predictor: Predictor, batch: int
) -> None:
    """As on a GPU: batches are read ahead and filled up, and one thread computes them."""
    stores = new_store(), new_store()
    own = replace(predictor, batch_size=batch)
    predict_slide(stores[0], own)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    computing = replace(tile_computing(stores[1], own, 2), in_threads=False)
    found = _computed_by(stores[1], own, computing, tile_plan(stores[1], own))
    torch.set_num_threads(threads)
    expected = {k: v for k, v in _files(stores[0]).items() if not k.startswith(".")}
    assert {k: v for k, v in found.items() if not k.startswith(".")} == expected


def test_narrow_stripes_give_the_same(new_store: NewStore, predictor: Predictor) -> None:
    stores = new_store(), new_store()
    predict_slide(stores[0], predictor)
    plan = replace(tile_plan(stores[1], predictor), most_kept=1)
    assert plan.stripe_shards == 1
    computing = tile_computing(stores[1], predictor, 1)
    found = _computed_by(stores[1], predictor, computing, plan)
    expected = {k: v for k, v in _files(stores[0]).items() if not k.startswith(".")}
    assert {k: v for k, v in found.items() if not k.startswith(".")} == expected


def test_a_run_that_was_killed_may_go_on_with_other_threads(
    new_store: NewStore, predictor: Predictor
) -> None:
    whole, killed = new_store(), new_store()
    predict_slide(whole, predictor, threads=1)
    with pytest.raises(KilledError):
        predict_slide(killed, predictor, threads=3, advance=kill_after_one_shard(killed, predictor))
    assert not begun_elsewhere(killed, predictor)
    predict_slide(killed, replace(predictor, batch_size=1), threads=2)
    assert _files(killed) == _files(whole)


def test_what_was_begun_elsewhere_is_begun_anew(new_store: NewStore, predictor: Predictor) -> None:
    """A change of device may change bits: half a label of each would be like neither."""
    whole, killed = new_store(), new_store()
    label = predict_slide(whole, predictor)
    assert label.made_on == predictor.made_on
    assert label.made_on["device"] == "cpu"
    assert label.made_on["precision"] == "float32"
    assert "batch_size" not in label.made_on
    other = replace(predictor, precision="bfloat16")
    with pytest.raises(KilledError):
        predict_slide(killed, other, advance=kill_after_one_shard(killed, other))
    assert begun_elsewhere(killed, predictor)
    assert label_names(killed.path) == ("tissue",)
    predict_slide(killed, predictor)
    assert _files(killed) == _files(whole)


def test_a_finished_prediction_counts_whatever_made_it(
    new_store: NewStore, predictor: Predictor
) -> None:
    store = new_store()
    other = replace(predictor, precision="bfloat16")
    label = predict_slide(store, other)
    assert not begun_elsewhere(store, predictor)
    before = _files(store)
    assert predict_slide(store, predictor).made_on == label.made_on == other.made_on
    assert _files(store) == before


def test_bfloat16_is_near_float32(new_store: NewStore, predictor: Predictor) -> None:
    stores = new_store(), new_store()
    exact = np.asarray(predict_slide(stores[0], predictor).probability()).astype(int)
    other = replace(predictor, precision="bfloat16")
    found = np.asarray(predict_slide(stores[1], other).probability()).astype(int)
    difference = np.abs(found - exact)
    assert 0 < difference.max() < 40
    assert difference.mean() < 1.5


def test_slides_side_by_side_are_those_alone(new_store: NewStore, predictor: Predictor) -> None:
    """They take turns at computing, and leave torch as it was."""
    alone, *others = (new_store() for _ in range(4))
    predict_slide(alone, predictor)
    before = all_threads()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda store: predict_slide(store, predictor, threads=2), others))
    assert all_threads() == before
    expected = _files(alone)
    assert all(_files(store) == expected for store in others)
