"""The study whose maps are known; tests only read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pathoai.heatmap.mapped_study import Mapped, mapped_study


@pytest.fixture(scope="session")
def mapped(tiled_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    folder = tmp_path_factory.mktemp("mapped")
    copy = Path(shutil.copytree(tiled_store, folder / tiled_store.name))
    return mapped_study(folder, copy)
