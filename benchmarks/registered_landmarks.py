"""pathoai's part of registration_landmarks.py: images become stores, and stores are registered."""

from __future__ import annotations

import functools
import re
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from landmark_line import serve
from numpy.typing import NDArray
from PIL import Image

from pathoai.geometry import Mpp
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.registration.register_pair import RegistrationSettings, register_pair
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec

# A twentieth of scans of the lung at 0.174 µm; the kidney's scale is near that.
_MPP = 3.48
_HE = re.compile(r"[_-]he(-|$)", re.IGNORECASE)
_FOLDER = tempfile.TemporaryDirectory(prefix="pathoai-landmarks-")


@functools.cache
def store_of(image: str) -> SlideStore:
    """The store of an image, as `pathoai tile` would make it, without loss."""
    pixels = np.asarray(Image.open(image).convert("RGB"))
    slide_id = f"IMAGE{store_of.cache_info().misses:02d}"
    reader = MemoryReader(pixels, mpp=Mpp.square(_MPP), slide_id=slide_id)
    tissue = "h-and-e" if _HE.search(Path(image).stem) else "ihc"
    settings = TilingSettings(
        TileSpec(mpp=_MPP), mpp=_MPP, compression="blosc-zstd", tissue_method=tissue
    )
    path = Path(_FOLDER.name) / f"{slide_id}.zarr"
    return tile_slide(SlideSource(lambda: reader), path, settings)


def carry(fixed: str, moving: str, points: NDArray[np.float64], _: str) -> NDArray[np.float64]:
    """Register two images and carry points."""
    settings = RegistrationSettings.of_neighbours()
    slides = store_of(fixed), store_of(moving)
    found = register_pair(*slides, settings=settings, device=torch.device("cpu"))
    return found.transform.to_moving_px(points)


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(carry, f"pathoai {version('pathoai')}", store_of)
