"""Nuclei by colour, held to the truth of a generated slide."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.preprocess.hematoxylin_nuclei import LABEL, label_nuclei, nuclei_of
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.testing.generated_slide import SlideTruth

_NUCLEUS = LabelClass(7, "nucleus", "Nucleus", "Noyau", "#0000ff")


@pytest.fixture(scope="module")
def labelled(
    tiled_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SlideStore, LabelImage]:
    folder = tmp_path_factory.mktemp("labelled")
    store = SlideStore(Path(shutil.copytree(tiled_store, folder / tiled_store.name)))
    return store, label_nuclei(store, _NUCLEUS, torch.device("cpu"))


def test_nuclei_are_found_where_they_are(
    labelled: tuple[SlideStore, LabelImage], generated: tuple[Path, SlideTruth]
) -> None:
    found = labelled[1].read_all()
    truth = generated[1].nuclei_instances(0, 0, found.shape[1], found.shape[0]) > 0
    assessed = found != NOT_ASSESSED
    nuclei = found == _NUCLEUS.index
    dice = 2 * (nuclei & truth).sum() / (nuclei.sum() + (truth & assessed).sum())
    assert dice > 0.8


def test_only_tissue_is_assessed(labelled: tuple[SlideStore, LabelImage]) -> None:
    store, label = labelled
    found = label.read_all()
    height, width = found.shape
    tissue = store.tissue.on_grid(store.grid(), slice(0, height), slice(0, width))
    np.testing.assert_array_equal(found != NOT_ASSESSED, tissue)
    assert set(np.unique(found[tissue])) == {0, _NUCLEUS.index}


def test_the_label_says_that_it_is_no_label_of_record(
    labelled: tuple[SlideStore, LabelImage],
) -> None:
    store, label = labelled
    assert label.name == LABEL
    assert label.about["origin"] == "import"
    assert label.about["status"] == "proposed"
    assert label.about["store_sha256"] == store.identity
    assert LABEL in store.labels


def test_a_second_run_writes_nothing(labelled: tuple[SlideStore, LabelImage]) -> None:
    store = labelled[0]
    before = {f: f.stat().st_mtime_ns for f in store.path.rglob("*")}
    label_nuclei(store, _NUCLEUS, torch.device("cpu"))
    assert {f: f.stat().st_mtime_ns for f in store.path.rglob("*")} == before


def test_touching_nuclei_are_split_and_pale_areas_hold_none() -> None:
    y, x = np.mgrid[:120, :160]
    density = np.zeros((120, 160), np.float32)
    for centre in (60, 76):
        density[(x - centre) ** 2 + (y - 60) ** 2 <= 81] = 1.0
    from scipy import ndimage

    found = nuclei_of(density, 0.3, 0.5)
    assert ndimage.label(found)[1] == 2
    assert not nuclei_of(np.zeros((50, 50), np.float32), 0.3, 0.5).any()
