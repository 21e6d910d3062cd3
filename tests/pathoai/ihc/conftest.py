"""A generated H&E slide and its restained twin as stores, with the true transform."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.registration.saved_registration import Registration
from pathoai.slide.open_slide import open_slide
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth
from pathoai.testing.ihc_twin import TwinTruth, generate_ihc_twin
from pathoai.testing.true_registration import true_registration
from pathoai.tiling.spec import TileSpec

TWIN_ID = "FEDCBA9876543210"


@dataclass(frozen=True, eq=False)
class Pair:
    """Both stores, and what is true of them."""

    fixed: SlideStore
    moving: SlideStore
    truth: TwinTruth
    registration: Registration

    def copy(self, folder: Path) -> Pair:
        """With an H&E store of one's own to write labels into."""
        store = SlideStore(Path(shutil.copytree(self.fixed.path, folder / self.fixed.path.name)))
        return Pair(store, self.moving, self.truth, self.registration)


MakePair = Callable[..., Pair]


def stored(slide: Path, path: Path, slide_id: str, tissue: str = "h-and-e") -> SlideStore:
    spec = TileSpec(size_px=128, mpp=0.5)
    settings = TilingSettings(spec, mpp=0.5, compression="blosc-zstd", tissue_method=tissue)
    tile_slide(SlideSource(lambda: open_slide(slide, slide_id=slide_id), slide), path, settings)
    return SlideStore(path)


@pytest.fixture(scope="session")
def make_pair(
    generated: tuple[Path, SlideTruth],
    tiled_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> MakePair:
    """A twin of the breast slide for a marker, made once for each."""
    made: dict[str, Pair] = {}

    def make(marker: str) -> Pair:
        if marker not in made:
            folder = tmp_path_factory.mktemp(f"twin-{marker}")
            truth = generate_ihc_twin(folder / "twin.svs", generated[1], marker=marker)
            moving = stored(folder / "twin.svs", folder / f"{TWIN_ID}.zarr", TWIN_ID, "ihc")
            fixed = SlideStore(Path(shutil.copytree(tiled_store, folder / tiled_store.name)))
            made[marker] = Pair(fixed, moving, truth, true_registration(fixed, moving, truth))
        return made[marker]

    return make


def dice(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Of two masks, counted where a third one says."""
    both = int((found & truth & where).sum())
    return 2 * both / max(1, int((found & where).sum()) + int((truth & where).sum()))
