"""A small model and a store of more than one shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathoai.geometry import Mpp
from pathoai.inference.predict_slide import Predictor
from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, load_network, save_bundle
from pathoai.ontology import load_ontology
from pathoai.preprocess.tile_slide import TilingSettings, tile_slide
from pathoai.slide.memory_reader import MemoryReader
from pathoai.tiling.spec import TileSpec

SLIDE_ID = "0123456789ABCDEF"


@pytest.fixture(scope="session")
def three_shard_store(
    stained_noise: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store whose tissue crosses the border between its first two shards; its slide is 0.25 µm."""
    path = tmp_path_factory.mktemp("three-shards") / f"{SLIDE_ID}.zarr"
    small = stained_noise[:200, :]
    reader = MemoryReader(small, mpp=Mpp.square(0.5), slide_id=SLIDE_ID)
    tile_slide(lambda: reader, path, TilingSettings(TileSpec(size_px=64, mpp=0.5)))
    return path


@pytest.fixture(scope="session")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
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
        for parameter in network.parameters():
            parameter.mul_(3)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    bundle = save_bundle(folder, bundle, network)
    device = torch.device("cpu")
    return Predictor(bundle, load_network(folder, bundle, device), ontology, device)
