from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_pathoai.picture.thumbnail import thumbnail
from pathoai.store.level_reader import LevelReader
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import SLIDE, SQUARE_RGB, SQUARES, noise_store


def test_a_thumbnail_shows_the_whole_slide_at_its_place(study: Study) -> None:
    store = SlideStore(study.store_path(SLIDE))
    picture = thumbnail(store, 250)
    height, width = picture.shape[:2]
    assert width == 250
    assert picture.dtype == np.uint8
    size = store.header.layout[0].size_px
    assert height == pytest.approx(250 * size.height / size.width, abs=1)
    left, top, right, bottom = SQUARES[1]
    x, y = ((left + right) / 2 * 250 / size.width, (top + bottom) / 2 * 250 / size.width)
    assert np.abs(picture[int(y), int(x)].astype(int) - SQUARE_RGB).max() < 12


def test_a_thumbnail_is_made_once_and_again_when_the_store_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []
    block = LevelReader.block

    def counted(self: LevelReader, rows: slice, columns: slice) -> object:
        reads.append(self.layout.size_px)
        return block(self, rows, columns)

    monkeypatch.setattr(LevelReader, "block", counted)
    store = noise_store(tmp_path / f"{SLIDE}.zarr")
    first = thumbnail(store, 100)
    assert thumbnail(store, 100) is first
    assert not first.flags.writeable
    assert reads == [store.header.layout[-1].size_px], "the coarsest level, once"
    os.utime(store.path / "zarr.json", ns=(1, 1))
    assert np.array_equal(thumbnail(store, 100), first)
    assert len(reads) == 2


def test_a_slide_smaller_than_asked_for_is_not_enlarged(study: Study) -> None:
    store = SlideStore(study.store_path(SLIDE))
    assert thumbnail(store, 5000).shape[1] == store.header.layout[0].size_px.width
