"""One spoiled slide as a store, for the tests that write beside its pixels."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec
from tests.pathoai.quality.judged_slides import MPP, reader_of, slide


@pytest.fixture(scope="session")
def inked_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide with pen on it, as a store at its own 1 µm."""
    path = tmp_path_factory.mktemp("inked") / "JUDGED0123456789.zarr"
    settings = TilingSettings(TileSpec(mpp=MPP), mpp=MPP)
    tile_slide(SlideSource(lambda: reader_of(slide("pen").pixels)), path, settings)
    return path


@pytest.fixture
def store(inked_store: Path, tmp_path: Path) -> SlideStore:
    """A copy of it that a test may write to."""
    return SlideStore(Path(shutil.copytree(inked_store, tmp_path / inked_store.name)))
