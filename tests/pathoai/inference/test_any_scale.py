"""Slides of any scale are seen at the model's own: what it finds lies where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
import zarr
from numpy.typing import NDArray
from ome_zarr_models import v04, v05
from torch import nn

from pathoai.geometry import Mpp, Region, Size
from pathoai.heatmap.label_samples import class_areas
from pathoai.inference.find_objects import find_objects
from pathoai.inference.predict_slide import predict_slide
from pathoai.inference.predictor import Predictor
from pathoai.models.bundle import ModelBundle, Normalisation
from pathoai.ontology import load_ontology
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.export_ome_zarr import export_ome_zarr
from pathoai.store.label_tiles import label_tiles
from pathoai.store.slide_store import SlideStore
from pathoai.store.verify_store import find_damage
from pathoai.tiling.spec import TileSpec

RADIUS_UM = 7.0
MODEL_MPP = 0.5
SIDE_UM = 1150.0  # 2300 px of the model: more than one shard


class DarkIsNucleus(nn.Module):
    """A network whose answer is known: dark pixels are nuclei, half way to pink is the border."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = x[:, :1]
        return torch.cat([torch.zeros_like(red), 40 * (0.5 - red)], dim=1)


@pytest.fixture(scope="module")
def centres_um() -> NDArray[np.float64]:
    """Nuclei that do not touch; some on the border of two shards, some at the slide's edge."""
    grid = np.stack(np.meshgrid(np.arange(12, 1140, 47), np.arange(12, 60, 23)), -1).reshape(-1, 2)
    return grid + np.random.default_rng(4).uniform(-4, 4, grid.shape)


def _slide(centres_um: NDArray[np.float64], mpp: float) -> NDArray[np.uint8]:
    """Pink tissue with dark discs, antialiased."""
    width, height = round(SIDE_UM / mpp), round(70 / mpp)
    pixels = np.empty((height, width, 3), np.float64)
    pixels[:] = (255, 150, 200)
    reach = int(RADIUS_UM / mpp) + 3
    for x_um, y_um in centres_um:
        left, top = max(0, int(x_um / mpp) - reach), max(0, int(y_um / mpp) - reach)
        part = pixels[top : top + 2 * reach, left : left + 2 * reach]
        rows, columns = np.indices(part.shape[:2]) + 0.5
        distance = np.hypot(columns + left - x_um / mpp, rows + top - y_um / mpp)
        inside = np.clip(RADIUS_UM / mpp - distance + 0.5, 0, 1)[..., None]
        part[:] = part * (1 - inside) + np.array([0.0, 20, 60]) * inside
    return np.rint(pixels).astype(np.uint8)


@pytest.fixture(scope="module", params=[0.37, 0.25, 0.74])
def store(
    request: pytest.FixtureRequest,
    centres_um: NDArray[np.float64],
    tmp_path_factory: pytest.TempPathFactory,
) -> SlideStore:
    """Scales of no whole fraction, of half, and coarser than the model's."""
    mpp = float(request.param)
    reader = MemoryReader(_slide(centres_um, mpp), mpp=Mpp.square(mpp), slide_id="A")
    path = tmp_path_factory.mktemp("any-scale") / "A.zarr"
    settings = TilingSettings(
        TileSpec(128, mpp), mpp=mpp, compression="blosc-zstd", tissue_method="whole"
    )
    return tile_slide(SlideSource(lambda: reader), path, settings)


@pytest.fixture(scope="module")
def predicted(store: SlideStore) -> SlideStore:
    ontology = load_ontology("breast")
    classes = ("background", ontology.classes[1].key)
    bundle = ModelBundle(
        "dark",
        "unet",
        {},
        ontology.key,
        ontology.version,
        classes,
        TileSpec(128, MODEL_MPP),
        normalisation=Normalisation((0, 0, 0), (1, 1, 1)),
    )
    predict_slide(store, Predictor(bundle, DarkIsNucleus(), ontology, torch.device("cpu")))
    return store


def test_objects_lie_where_the_truth_is(
    predicted: SlideStore, centres_um: NDArray[np.float64]
) -> None:
    label = predicted.label("prediction/dark")
    assert label.mpp == pytest.approx(MODEL_MPP)
    found = find_objects(label, classes=tuple(label.classes.values()))
    assert len(found) == len(centres_um)
    places = shapely.get_coordinates(shapely.centroid(found.geometry)) * predicted.mpp
    distances = np.linalg.norm(places[:, None] - centres_um[None], axis=2)
    assert distances.min(axis=0).max() < 0.5 * max(MODEL_MPP, predicted.mpp)
    assert len(set(distances.argmin(axis=1).tolist())) == len(centres_um)
    np.testing.assert_allclose(found.area_um2, np.pi * RADIUS_UM**2, rtol=0.06)
    outlined = shapely.area(found.geometry) * predicted.mpp**2
    np.testing.assert_allclose(outlined, found.area_um2, rtol=1e-4)


def test_areas_and_overlays_are_those_of_the_slide(
    predicted: SlideStore, centres_um: NDArray[np.float64]
) -> None:
    label = predicted.label("prediction/dark")
    slide = predicted.header
    areas = class_areas(label, Region(0, 0, slide.slide_width, slide.slide_height))
    (value,) = label.classes.values()
    truth_mm2 = len(centres_um) * np.pi * RADIUS_UM**2 / 1e6
    assert areas.mm2[value] == pytest.approx(truth_mm2, rel=0.05)
    # The label's classes under the store's own pixels are dark where these are.
    size = Size(slide.slide_width, slide.slide_height)
    side = max(size.width, size.height)
    named = label_tiles(label, predicted.grid(), np.zeros((1, 2), np.int64), side)[0]
    dark = predicted.read(0, 0, 0, size)[..., 0] < 128
    assert (dark == (named[: size.height, : size.width] == value)).mean() > 0.985
    for level in range(1, len(label.factors)):
        assert label.grid(level).size_px == label.grid().coarser(2**level).size_px
        assert label.array(level).shape[::-1] == (
            label.grid(level).size_px.width,
            label.grid(level).size_px.height,
        )


def test_other_programs_read_it(predicted: SlideStore, tmp_path: Path) -> None:
    assert not find_damage(predicted.path)
    path = predicted.path / "labels" / "prediction.dark"
    image = v05.ImageLabel.from_zarr(zarr.open_group(path, mode="r", zarr_format=3))
    first = image.attributes.ome.multiscales[0].datasets[0].model_dump()
    scale, translation = first["coordinateTransformations"]
    assert scale["scale"] == pytest.approx([MODEL_MPP, MODEL_MPP])
    # The centre of the first pixel: half of it, less half of one of the store's.
    shift = (MODEL_MPP - predicted.mpp) / 2
    assert translation["translation"] == pytest.approx([shift, shift])
    export_ome_zarr(predicted, tmp_path / "out.zarr")
    exported = zarr.open_group(tmp_path / "out.zarr/labels/prediction.dark", mode="r")
    assert v04.ImageLabel.from_zarr(exported)
