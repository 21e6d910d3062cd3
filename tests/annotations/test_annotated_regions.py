"""The journal's annotations as regions: which ones, and each place once."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pathoai.errors import OntologyError
from pathoai.geometry import Mpp
from pathoai.models.bundle import REGION_CLASSIFICATION, ModelBundle
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.annotated_regions import OTHER_CLASS, annotated_regions
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal

SLIDE = "0123456789ABCDEF"


def bundle(*classes: str, ontology: str = "breast") -> ModelBundle:
    return ModelBundle(
        "cells",
        "region-classifier",
        {},
        ontology,
        "0.1",
        classes,
        TileSpec(24, 0.5),
        task=REGION_CLASSIFICATION,
        decision={"turns": 1},
    )


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", ontology="breast")


@pytest.fixture
def store(study: Study) -> SlideStore:
    pixels: NDArray[np.uint8] = np.full((128, 128, 3), (180, 90, 160), np.uint8)
    reader = MemoryReader(pixels, mpp=Mpp.square(0.5), slide_id=SLIDE)
    settings = TilingSettings(TileSpec(64, 0.5), mpp=0.5, tissue_method="whole")
    tile_slide(SlideSource(lambda: reader), study.store_path(SLIDE), settings)
    return SlideStore(study.store_path(SLIDE))


def proposal(label: str, shape: BaseGeometry) -> Annotation:
    return Annotation(uuid.uuid4(), SLIDE, label, shape, Origin.IMPORT, "import")


def test_all_kinds_of_the_parent_count_once_each_and_rejected_ones_do_not(
    study: Study, store: SlideStore
) -> None:
    model = bundle("nucleus_lymphocyte", "nucleus_stromal")
    nothing = annotated_regions(study.place(store.slide_id), store, model)
    assert len(nothing) == 0
    assert not study.journal_path.exists()
    point, disc = shapely.Point(20, 30), shapely.Point(60, 60).buffer(7)
    nucleus, mitosis = proposal("nucleus", point), proposal("mitosis", disc)
    stroma = proposal("stroma", shapely.box(0, 0, 90, 90))
    wrong, again = proposal("nucleus", shapely.Point(1, 1)), proposal("nucleus_stromal", disc)
    with Journal.open(study) as journal:
        journal.propose([nucleus, mitosis, stroma, wrong, again])
        journal.reject([wrong.id], author="R1")
    found = annotated_regions(study.place(store.slide_id), store, model)
    assert found.ids is not None
    assert found.ids.tolist() == [str(nucleus.id), str(mitosis.id)]
    assert found.outlines.tolist() == [point, disc]
    np.testing.assert_allclose(found.centres, [[20, 30], [60, 60]])
    assert found.left_out == {OTHER_CLASS: 1}
    assert found.squares is None
    assert "of class nucleus or a kind of it" in found.about["source"]
    # What is said of a place does not change where it is: nothing need be predicted again.
    with Journal.open(study) as journal:
        journal.validate([nucleus.id], author="R1")
        journal.correct(mitosis.id, author="R1", label="nucleus_lymphocyte")
    assert annotated_regions(study.place(store.slide_id), store, model).about == found.about
    with Journal.open(study) as journal:
        journal.correct(mitosis.id, author="R1", geometry=disc.buffer(1))
    assert annotated_regions(study.place(store.slide_id), store, model).about != found.about


def test_classes_without_a_parent_mean_themselves_and_what_is_below(
    study: Study, store: SlideStore
) -> None:
    with Journal.open(study) as journal:
        journal.propose(
            [proposal(k, shapely.Point(9, 9)) for k in ("stroma", "nucleus", "necrosis")]
        )
    found = annotated_regions(study.place(store.slide_id), store, bundle("stroma", "adipose"))
    assert len(found) == 1
    assert "of class stroma or adipose or a kind of it" in found.about["source"]
    with pytest.raises(OntologyError, match="unknown class"):
        annotated_regions(study.place(store.slide_id), store, bundle("benign", "stroma"))
