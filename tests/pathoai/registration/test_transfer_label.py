"""Masks go both ways, pixel by pixel, and nothing is said where the alignment is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.errors import AlignmentError
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.registration.passage import passage_between
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import TileState
from pathoai.registration.transfer_label import transfer_label
from pathoai.store.label_image import LabelImage
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from tests.registered_pair import HE_ID, IHC_ID, make_pair

NUCLEUS = load_ontology("breast")["nucleus"]


def write_label(store: SlideStore, name: str, factor: int) -> LabelImage:
    """Random blocks of a class, of background and of nothing."""
    about = {"origin": "model", "status": "proposed", "method": "squares"}
    writer = LabelWriter(store.path, store.header, LabelRecipe(name, (NUCLEUS,), about, factor))
    height, width = writer.class_map.array.shape
    draws = np.random.default_rng(2).choice([0, NUCLEUS.index, NOT_ASSESSED], (height, width))
    blocks = draws[: -(-height // 16), : -(-width // 16)].repeat(16, 0).repeat(16, 1)
    writer.class_map.write((0, 0), np.ascontiguousarray(blocks[:height, :width], np.uint8))
    writer.finish()
    return store.label(name)


def by_definition(
    label: LabelImage, target: SlideStore, carried: LabelImage, study: Study, ends: tuple[str, str]
) -> NDArray[np.uint8]:
    """Every pixel on its own: the class under its centre."""
    passage, grid, own = passage_between(study, *ends), carried.grid(), label.grid()
    values, out = label.read_all(), np.full(carried.array().shape, NOT_ASSESSED, np.uint8)
    rows, columns = np.indices(out.shape)
    points = np.stack([columns + 0.5, rows + 0.5], axis=-1) * (grid.downsample_x, grid.downsample_y)
    states = passage.state_at(points)
    places = np.floor(passage.to_far_px(points) / (own.downsample_x, own.downsample_y)).astype(int)
    for row, column in np.argwhere(states == TileState.BELIEVABLE):
        x, y = places[row, column]
        if 0 <= y < values.shape[0] and 0 <= x < values.shape[1]:
            out[row, column] = values[y, x]
    return out


@pytest.mark.parametrize(("near", "far"), [(HE_ID, IHC_ID), (IHC_ID, HE_ID)])
def test_a_label_is_carried_pixel_by_pixel(tmp_path: Path, near: str, far: str) -> None:
    study = make_pair(tmp_path / "study")
    source, target = (SlideStore(study.store_path(slide_id)) for slide_id in (near, far))
    label = write_label(source, "prediction/squares", 2)
    passage = passage_between(study, far, near)

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer_label(label, source, target, passage, advance=interrupt)
    assert "transfer/prediction.squares" not in target.labels
    carried = transfer_label(label, source, target, passage)
    assert carried.name == "transfer/prediction.squares"
    assert carried.mpp == pytest.approx(label.mpp, rel=0.3)
    found = carried.read_all()
    assert np.array_equal(found, by_definition(label, target, carried, study, (far, near)))
    assert {0, NUCLEUS.index, NOT_ASSESSED} == set(np.unique(found).tolist())
    assert (carried.about["origin"], carried.about["status"]) == ("model", "proposed")
    assert carried.classes == label.classes
    before = {p: p.stat().st_mtime_ns for p in target.path.rglob("*") if p.is_file()}
    transfer_label(label, source, target, passage)
    assert before == {p: p.stat().st_mtime_ns for p in target.path.rglob("*") if p.is_file()}
    SlideStore(target.path).verify()


def test_neighbouring_sections_get_no_labels(tmp_path: Path) -> None:
    study = make_pair(tmp_path / "study")
    path = study.registration_path(HE_ID, IHC_ID)
    dataclasses.replace(Registration.load(path), about={"settings": {"neighbouring": True}}).save(
        path
    )
    source, target = (SlideStore(study.store_path(slide_id)) for slide_id in (HE_ID, IHC_ID))
    label = write_label(source, "prediction/squares", 2)
    with pytest.raises(AlignmentError, match=r"not carried between neighbouring.*annotations"):
        transfer_label(label, source, target, passage_between(study, IHC_ID, HE_ID))
    assert not any(name.startswith("transfer/") for name in target.labels)
