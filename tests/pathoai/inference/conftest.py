"""A small model and a store of more than one shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.geometry import Mpp
from pathoai.inference.predictor import Predictor
from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, load_network, save_bundle
from pathoai.ontology import load_ontology
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.memory_reader import MemoryReader
from pathoai.tiling.spec import TileSpec

SLIDE_ID = "0123456789ABCDEF"


@pytest.fixture(scope="session")
def two_shard_store(
    stained_noise: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store whose tissue crosses the border between its two shards."""
    path = tmp_path_factory.mktemp("two-shards") / f"{SLIDE_ID}.zarr"
    small = stained_noise[30:130, 400:2700]
    reader = MemoryReader(small, mpp=Mpp.square(0.5), slide_id=SLIDE_ID)
    settings = TilingSettings(TileSpec(size_px=64, mpp=0.5), mpp=0.5, compression="blosc-zstd")
    tile_slide(SlideSource(lambda: reader), path, settings)
    return path


def _tissue(pixels: NDArray[np.uint8]) -> torch.Tensor:
    tile = pixels[100:164, 2000:2064]
    return torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1)))[None]


@pytest.fixture(scope="session")
def predictor(
    stained_noise: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> Predictor:
    """A U-Net of random weights, which reacts to its input."""
    ontology = load_ontology("breast")
    classes = ("background", *(c.key for c in ontology.classes[1:3]))
    arguments = {"width": 4, "depth": 2}
    bundle = ModelBundle(
        "tiny", "unet", arguments, ontology.key, ontology.version, classes, TileSpec(64, 0.5)
    )
    torch.manual_seed(0)
    network = build_network("unet", classes=3, arguments=arguments)
    with torch.no_grad():
        # Probabilities must differ from pixel to pixel; scaling all layers would amplify rounding.
        head = network.get_submodule("head")
        assert isinstance(head, torch.nn.Conv2d)
        assert head.bias is not None
        head.weight.mul_(6)
        # Every class must win somewhere.
        head.bias -= network.eval()(bundle.normalisation(_tissue(stained_noise))).mean((0, 2, 3))
    folder = tmp_path_factory.mktemp("models") / "tiny"
    bundle = save_bundle(folder, bundle, network)
    device = torch.device("cpu")
    return Predictor(bundle, load_network(folder, bundle, device), ontology, device)
