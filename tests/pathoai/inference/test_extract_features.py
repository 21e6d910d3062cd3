"""Features of a slide: each tile's own vector, whatever batches, levels and kills there were."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, ModelError
from pathoai.geometry import Mpp, Size
from pathoai.inference.extract_features import FeatureExtractor, extract_features
from pathoai.models.encoder_weights import load_encoder
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.features import Precision
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec
from tests.pathoai.made_encoders import tiny_encoder

_CPU = torch.device("cpu")
_ROOT = Path(__file__).resolve().parents[3]
_KILLS = 8


@pytest.fixture
def store(two_shard_store: Path, tmp_path: Path) -> SlideStore:
    return SlideStore(Path(shutil.copytree(two_shard_store, tmp_path / two_shard_store.name)))


def _extractor(
    folder: Path,
    *,
    seed: int = 0,
    spec: TileSpec = TileSpec(16, 0.5),  # noqa: B008 - frozen
    precision: Precision = "float16",
    batch_size: int | None = None,
    **changes: object,
) -> FeatureExtractor:
    """A small encoder, its description changed where asked for."""
    encoder = tiny_encoder(folder, seed=seed, **changes)
    network = load_encoder(encoder, _CPU)
    return FeatureExtractor(encoder, network, _CPU, spec, precision, batch_size)


def _one_by_one(store: SlideStore, extractor: FeatureExtractor) -> NDArray[np.float32]:
    """The vector of each tile alone."""
    tiles = store.tiles(extractor.spec)
    size = Size(extractor.spec.size_px, extractor.spec.size_px)
    found = [
        extractor.vectors(store.read_grid(tiles.grid, int(x), int(y), size)[None])[0]
        for x, y in tiles.origins_px
    ]
    return np.stack(found)


@pytest.mark.parametrize("mpp", [0.5, 1.0, 0.8])
def test_every_tile_gets_the_vector_it_has_alone(
    store: SlideStore, tmp_path: Path, mpp: float
) -> None:
    """At the scale of a level, of a coarser one, and of none."""
    spec = TileSpec(16, mpp, overlap_px=2)
    extractor = _extractor(tmp_path, mpp=None, spec=spec, precision="float32", batch_size=7)
    found = extract_features(store, extractor)
    np.testing.assert_array_equal(found.origins_px, store.tiles(spec).origins_px)
    np.testing.assert_allclose(found.read(), _one_by_one(store, extractor), atol=1e-5)
    assert np.ptp(found.read(), axis=0).max() > 0.1


def test_features_say_where_they_come_from(store: SlideStore, tmp_path: Path) -> None:
    extractor = _extractor(tmp_path, licence="CC-BY-NC-ND-4.0", commercial=False)
    about = extract_features(store, extractor).about
    assert about["accepted_licence"] == about["licence"] == "CC-BY-NC-ND-4.0"
    assert about["commercial"] is False
    assert about["weights_sha256"] == extractor.encoder.sha256
    assert about["store_sha256"] == store.identity
    texts = [f.read_bytes() for f in store.path.rglob("*") if f.is_file()]
    assert not any(str(tmp_path).encode() in text for text in texts)


def test_finished_features_are_not_computed_again(store: SlideStore, tmp_path: Path) -> None:
    extract_features(store, _extractor(tmp_path))
    shard = store.path / "features/tiny/features/c/0/0"
    before = shard.stat().st_mtime_ns
    extract_features(store, _extractor(tmp_path, batch_size=5))
    assert shard.stat().st_mtime_ns == before


def test_features_of_other_weights_are_replaced(store: SlideStore, tmp_path: Path) -> None:
    first = extract_features(store, _extractor(tmp_path)).read()
    other = extract_features(store, _extractor(tmp_path, seed=1))
    assert (other.read() != first).any()
    assert store.features("tiny").about == other.about


def test_an_interrupted_run_keeps_its_batches(store: SlideStore, tmp_path: Path) -> None:
    extractor = _extractor(tmp_path, batch_size=5)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_features(store, extractor, advance=stop)
    assert replace(extractor, batch_size=None).recipe(store) == extractor.recipe(store)
    asked = replace(extractor, batch_size=9).recipe(store)
    assert asked.made_with is not None
    assert asked.made_with["batch_size"] == 9
    done: list[tuple[int, int]] = []
    extract_features(
        store, replace(extractor, batch_size=None), advance=lambda a, b: done.append((a, b))
    )
    count = len(store.features("tiny"))
    assert done[-1] == (count, count)


def test_tiles_of_another_scale_or_size_are_refused(store: SlideStore, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"another scale.*--mpp 0\.5"):
        _extractor(tmp_path, spec=TileSpec(16, 0.6))
    with pytest.raises(InvalidValueError, match=r"another size.*allowed: 16 px"):
        _extractor(tmp_path, spec=TileSpec(32, 0.5))
    with pytest.raises(InvalidValueError, match="batch size"):
        _extractor(tmp_path, batch_size=0)


def test_a_store_coarser_than_the_encoder_is_refused(
    stained_noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    reader = MemoryReader(stained_noise[:, 1400:2400], mpp=Mpp.square(0.5), slide_id="A")
    path = tmp_path / "A.zarr"
    tile_slide(SlideSource(lambda: reader), path, TilingSettings(TileSpec(64, 1.0), mpp=1.0))
    with pytest.raises(ModelError, match=r"coarser than the tiles.*found 1 µm"):
        extract_features(SlideStore(path), _extractor(tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_killed_at_random_moments_it_goes_on_to_identical_bytes(
    four_shard_store: Path, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("killed_extraction.py")
    done = subprocess.run(
        [sys.executable, str(script), str(four_shard_store), str(tmp_path), str(_KILLS)],
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf8"))
    assert found["different"] == []
    assert found["killed"] == _KILLS
    # Kills must fall before, between and after shards, or they prove little.
    assert len(set(found["shards_when_killed"])) > 2
