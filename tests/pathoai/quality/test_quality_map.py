"""The map as a label of the store: complete or absent, made once, and read back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pathoai.errors import StoreError
from pathoai.ihc.label_window import Fitness
from pathoai.ontology import NOT_ASSESSED
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.quality.artefacts import ARTEFACTS, BLUR, FOLD, LABEL, PEN
from pathoai.quality.quality_map import assess_quality, read_quality
from pathoai.slide.open_slide import open_slide
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec
from tests.pathoai.quality.judged_slides import reader_of, slide

CPU = torch.device("cpu")


def test_a_store_is_judged_as_the_slide_it_was_made_of(store: SlideStore) -> None:
    inked = slide("pen")
    quality = assess_quality(store, CPU)
    assert quality.class_map.shape == inked.tissue.shape
    assert inked.sensitivity(quality.class_map, PEN) > 0.9
    tissue = quality.class_map != NOT_ASSESSED
    assert (tissue & inked.tissue).sum() / inked.tissue.sum() > 0.97
    others = inked.tissue & tissue & ~inked.spoiled
    assert (quality.class_map[others] > 0).mean() < 0.03
    shares = [quality.share(artefact) for artefact in ARTEFACTS]
    assert sum(shares) == pytest.approx(((quality.class_map > 0) & tissue).sum() / tissue.sum())


def test_the_label_says_what_it_is(store: SlideStore) -> None:
    assess_quality(store, CPU)
    label = store.label(LABEL)
    assert label.about["origin"] == "method"
    assert label.about["store_sha256"] == store.identity
    assert 14 < label.mpp < 18
    store.verify()


def test_a_judged_slide_is_not_judged_again(store: SlideStore) -> None:
    first = assess_quality(store, CPU)
    files = {f: f.stat().st_mtime_ns for f in (store.path / "labels").rglob("*") if f.is_file()}
    steps: list[tuple[int, int]] = []
    second = assess_quality(store, CPU, advance=lambda *step: steps.append(step))
    assert not steps
    np.testing.assert_array_equal(first.class_map, second.class_map)
    assert files == {f: f.stat().st_mtime_ns for f in files}


class _Killed(BaseException):
    """Stands for a signal in the middle of the work."""


def test_a_run_that_was_killed_leaves_nothing_half_done(store: SlideStore) -> None:
    def killed(done: int, total: int) -> None:
        raise _Killed

    with pytest.raises(_Killed):
        assess_quality(store, CPU, advance=killed)
    with pytest.raises(StoreError, match="no such label"):
        read_quality(store)
    assess_quality(store, CPU)
    store.verify()


def _write_wrong(store: SlideStore, about: dict[str, Any], shape: tuple[int, ...]) -> LabelWriter:
    """A label that calls everything pen."""
    factor = round(16 / store.mpp)
    writer = LabelWriter(store.path, store.header, LabelRecipe(LABEL, ARTEFACTS, about, factor))
    writer.class_map.write((0, 0), np.full(shape, PEN.index, np.uint8))
    return writer


def test_a_label_of_another_method_is_made_anew(store: SlideStore) -> None:
    expected = assess_quality(store, CPU).class_map
    about = store.label(LABEL).about | {"method": "of before"}
    _write_wrong(store, about, expected.shape).finish()
    assert (read_quality(store).class_map == PEN.index).all()
    # Labels from restained slides leave artefacts out: not those that an older method named.
    everything = tuple(artefact.key for artefact in ARTEFACTS)
    assert not Fitness.of_slide(store, everything, CPU).refused.all()
    _write_wrong(store, about, expected.shape).finish()
    np.testing.assert_array_equal(assess_quality(store, CPU).class_map, expected)


def test_a_label_that_a_killed_run_left_is_finished(
    store: SlideStore, inked_store: Path, tmp_path: Path
) -> None:
    expected = assess_quality(store, CPU).class_map
    about = store.label(LABEL).about
    path = shutil.copytree(inked_store, tmp_path / "again" / inked_store.name)
    again = SlideStore(Path(path))
    _write_wrong(again, about, expected.shape)
    with pytest.raises(StoreError):
        read_quality(again)
    np.testing.assert_array_equal(assess_quality(again, CPU).class_map, expected)
    again.verify()


def test_quality_removes_no_tissue(store: SlideStore) -> None:
    before = store.tissue.mask.copy()
    tiles = store.tiles(TileSpec(mpp=1.0))
    assess_quality(store, CPU)
    np.testing.assert_array_equal(SlideStore(store.path).tissue.mask, before)
    np.testing.assert_array_equal(
        SlideStore(store.path).tiles(TileSpec(mpp=1.0)).origins_px, tiles.origins_px
    )


def test_a_tiny_biopsy_is_judged_too(tmp_path: Path) -> None:
    """Two cells' worth of tissue: less than half of any cell, and still assessed."""
    pixels = np.full((600, 600, 3), 243, np.uint8)
    pixels[297:317, 297:317] = (190, 110, 160)
    settings = TilingSettings(
        TileSpec(size_px=64, mpp=1.0, min_tissue_fraction=0), mpp=1.0, tissue_method="biopsy"
    )
    source = SlideSource(lambda: reader_of(pixels))
    store = tile_slide(source, tmp_path / "JUDGED0123456789.zarr", settings)
    quality = assess_quality(store, CPU)
    assert (quality.class_map != NOT_ASSESSED).any()
    assert not quality.share(FOLD)


def test_a_store_too_coarse_for_focus_says_so(tmp_path: Path) -> None:
    settings = TilingSettings(TileSpec(size_px=64, mpp=4.0), mpp=4.0)
    source = SlideSource(lambda: reader_of(slide("pen").pixels))
    store = tile_slide(source, tmp_path / "JUDGED0123456789.zarr", settings)
    quality = assess_quality(store, CPU)
    assert quality.not_assessed == (BLUR,)
    assert not quality.share(BLUR)
    assert slide("pen").sensitivity(quality.class_map, PEN) > 0.9


def test_a_real_slide_is_mostly_clean(real_data: Path, tmp_path: Path) -> None:
    """Skin with horn as dense as folds; nothing else on it deserves a name."""
    path = real_data / "wsi" / "cmu-1-small-region.svs"
    source = SlideSource(lambda: open_slide(path, slide_id="JUDGED0123456789"), path)
    store = tile_slide(source, tmp_path / "JUDGED0123456789.zarr", TilingSettings())
    quality = assess_quality(store, CPU)
    shares = {artefact.key: quality.share(artefact) for artefact in ARTEFACTS}
    assert shares.pop("fold") < 0.06
    assert max(shares.values()) < 0.01
