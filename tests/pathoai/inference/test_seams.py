"""Tiles and shards leave no seams: what is constant stays so, what is moved is only moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from pathoai.geometry import Mpp
from pathoai.inference.blending import blending_window
from pathoai.inference.label_raster import tissue_tiles
from pathoai.inference.mirrored_tiles import mirrored_tiles
from pathoai.inference.predict_slide import predict_slide
from pathoai.inference.predictor import Predictor
from pathoai.models.bundle import Normalisation
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec

Pixels = NDArray[np.uint8]
Tile = Callable[[Pixels], SlideStore]
Asked = Callable[..., Predictor]


@pytest.fixture
def tiled(tmp_path: Path) -> Tile:
    """Makes the store of a picture all of which is tissue."""

    def tile(pixels: Pixels) -> SlideStore:
        reader = MemoryReader(pixels, mpp=Mpp.square(0.5), slide_id="A")
        path = tmp_path / str(len(list(tmp_path.iterdir()))) / "A.zarr"
        settings = TilingSettings(
            TileSpec(64, 0.5), mpp=0.5, compression="blosc-zstd", tissue_method="whole"
        )
        return tile_slide(SlideSource(lambda: reader), path, settings)

    return tile


class Constant(nn.Module):
    """Says the same everywhere."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = torch.tensor([0.3, 1.7, -0.4]).view(1, 3, 1, 1)
        return logits.expand(len(x), 3, *x.shape[2:])


class Smooth(nn.Module):
    """Sees five pixels around each; zeros beyond a tile, as networks that pad do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 3, 7, padding=3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 4 * torch.as_tensor(self.layers(x))


def _probability(label: LabelImage) -> NDArray[np.int64]:
    return np.asarray(label.probability()).astype(np.int64)


@pytest.fixture
def asked(predictor: Predictor) -> Asked:
    """A predictor of another network and other tiles."""

    def ask(network: nn.Module, size: int, overlap: int, batch_size: int = 8) -> Predictor:
        bundle = replace(
            predictor.bundle,
            spec=TileSpec(size, 0.5, overlap_px=overlap),
            normalisation=Normalisation((0, 0, 0), (1, 1, 1)),
        )
        return replace(predictor, bundle=bundle, network=network, batch_size=batch_size)

    return ask


def _noise(height: int, width: int, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [32, 64, 160])
@pytest.mark.parametrize(("share", "batch"), [(0.25, 1), (0.5, 3), (0.8, 8)])
def test_a_constant_field_is_exact(
    tiled: Tile, asked: Asked, size: int, share: float, batch: int
) -> None:
    store = tiled(np.full((40, 2100, 3), 120, np.uint8))
    label = predict_slide(store, asked(Constant(), size, round(size * share), batch))
    expected = torch.softmax(torch.tensor([0.3, 1.7, -0.4]), 0).numpy()
    stored = np.rint(expected[1:] * 255)
    np.testing.assert_array_equal(
        _probability(label), np.broadcast_to(stored[:, None, None], (2, 40, 2100))
    )
    assert len(np.unique(np.asarray(label.uncertainty()))) == 1
    assert len(np.unique(label.read_all())) == 1


def test_where_one_tile_was_its_answer_is_kept(tiled: Tile, asked: Asked) -> None:
    """A slide of one tile: Σwp/Σw is p."""
    pixels = _noise(60, 60)
    store = tiled(pixels)
    own = asked(Smooth(), 64, 4)
    label = predict_slide(store, own)
    lattice = tissue_tiles(store, own.bundle)
    assert lattice.wanted.shape == (2, 2)  # the others begin where the slide has two pixels left
    tile = mirrored_tiles(store, store.grid(), np.array([[-2, -2]]), 64)
    answer = own.probabilities(tile)[0, 1:, 2:50, 2:50]
    # Before rounding both differ by 1e-7: only what lies on a half is rounded apart.
    wanted = answer * 255
    clear = np.abs(wanted - np.floor(wanted) - 0.5) > 1e-3
    np.testing.assert_array_equal(_probability(label)[:, :48, :48][clear], np.rint(wanted)[clear])


def test_shards_equal_the_whole_image_blended_in_numpy(tiled: Tile, asked: Asked) -> None:
    """The definition, Σwp/Σw in float32 over the whole image: to the bit, but for its order."""
    store = tiled(_noise(90, 2120, 2))
    own = asked(Smooth(), 64, 24)
    found = _probability(predict_slide(store, own))
    lattice, window = tissue_tiles(store, own.bundle), blending_window(64)
    total = np.zeros((3, 300, 2400), np.float32)
    weight = np.zeros((300, 2400), np.float32)
    for x, y in lattice.origins_px(np.argwhere(lattice.wanted)).tolist():
        tile = mirrored_tiles(store, store.grid(), np.array([[x, y]]), 64)
        here = np.s_[..., y + 100 : y + 164, x + 100 : x + 164]
        total[here] += own.probabilities(tile)[0] * window
        weight[here] += window
    inside = np.s_[..., 100:190, 100:2220]
    expected = np.rint(total[inside][1:] / weight[inside] * 255).astype(np.int64)
    np.testing.assert_array_equal(found, expected)


def test_what_is_moved_by_a_stride_is_moved(tiled: Tile, asked: Asked) -> None:
    """Tiles then see the same pixels: nothing depends on where the slide, or a shard, begins."""
    picture = _noise(100, 2250, 4)
    own = asked(Smooth(), 64, 16)
    stride = 48
    first = _probability(predict_slide(tiled(picture[:, : 2250 - stride]), own))
    moved = _probability(predict_slide(tiled(picture[:, stride:]), own))
    # A tile away from the edges, where other pixels are mirrored.
    np.testing.assert_array_equal(first[:, :, stride + 64 : -64], moved[:, :, 64 : -64 - stride])


def test_what_is_moved_by_any_distance_is_moved_but_for_the_rim_of_tiles(
    tiled: Tile, asked: Asked
) -> None:
    """Networks see zeros beyond a tile; there the window is so low that little of it is left."""
    picture = _noise(200, 900, 5)
    own = asked(Smooth(), 128, 64)
    first = _probability(predict_slide(tiled(picture[:150, :880]), own))
    moved = _probability(predict_slide(tiled(picture[:150, 17:897]), own))
    difference = np.abs(first[:, :, 17 + 128 : -128] - moved[:, :, 128 : -128 - 17])
    assert difference.mean() < 0.5
    assert difference.max() <= 20


def test_borders_of_shards_are_invisible(tiled: Tile, asked: Asked) -> None:
    """Picture and tiles repeat every 96 px, so the answer does, where a border lies or not."""
    picture = np.tile(_noise(96, 96, 6), (1, 23, 1))
    own = asked(Smooth(), 64, 16)
    probability = _probability(predict_slide(tiled(picture), own))
    np.testing.assert_array_equal(probability[:, :, 1920:2016], probability[:, :, 2016:2112])
