"""The twin as a pyramid over the slide: read lazily, within a limit of memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_pathoai.picture.layers import METADATA
from napari_pathoai.picture.twin import may_be_registered
from napari_pathoai.picture.twin_picture import twin_layer
from pathoai.geometry import Size
from pathoai.registration.passage import passage_between
from pathoai.registration.warped_slide import WarpedSlide
from pathoai.store.slide_store import SlideStore
from tests.registered_pair import HE_ID, IHC_ID, make_pair


def test_levels_are_those_of_the_slide_and_show_the_twin(tmp_path: Path) -> None:
    study = make_pair(tmp_path / "study")
    store, twin = (SlideStore(study.store_path(slide_id)) for slide_id in (HE_ID, IHC_ID))
    passage, row = passage_between(study, HE_ID, IHC_ID), study.cohort[IHC_ID]
    levels, settings, kind = twin_layer(store, twin, row, passage)
    assert (kind, settings["rgb"], settings["metadata"][METADATA]["kind"]) == (
        "image",
        True,
        "twin",
    )
    assert settings["name"] == f"AE1AE3 {IHC_ID}"
    assert len(levels) == len(store.factors)
    warped = WarpedSlide(twin, passage.transform)
    for number, level in enumerate(levels):
        size = store.grid(number).size_px
        assert level.shape[0] >= size.height
        assert level.shape[2] == 4
        chunk = level[:200, :300]
        assert np.array_equal(chunk[..., 3] == 0, chunk.sum(axis=2) == 0)
        direct = warped.read_grid(store.grid(number), 0, 0, Size(256, 256))
        # Chunks are warped in blocks: the same but for the rounding of a grey level.
        assert np.abs(chunk[:200, :256].astype(int) - direct[:200]).max() <= 1
    assert may_be_registered(study, HE_ID, row)
    assert may_be_registered(study, IHC_ID, study.cohort[HE_ID])
    study.registration_path(HE_ID, IHC_ID).unlink()
    assert not may_be_registered(study, HE_ID, row)
