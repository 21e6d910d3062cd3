"""The areas that objects are counted in: what people stand behind, and larger than cells."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.geometry import Mpp
from pathoai.inference.summary.known_in_study import KnownInStudy, known_in_study
from pathoai.inference.summary.summarise import PredictedSlide, summarise
from pathoai.models.bundle import ModelBundle
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.slide_place import SlidePlace
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.annotated_areas import TOO_SMALL, annotated_areas
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal

SLIDE = "0123456789ABCDEF"
BUNDLE = ModelBundle(
    "cells", "unet", {}, "breast", "0.2", ("background", "nucleus"), TileSpec(64, 0.5)
)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "study", ontology="breast")
    Cohort([CohortRow(SLIDE, stain="Ki-67")]).write(study.path / "cohort.csv")
    pixels = np.full((1024, 1024, 3), (180, 90, 160), np.uint8)
    reader = MemoryReader(pixels, mpp=Mpp.square(0.5), slide_id=SLIDE)
    settings = TilingSettings(TileSpec(64, 0.5), mpp=0.5, tissue_method="whole")
    tile_slide(SlideSource(lambda: reader), study.store_path(SLIDE), settings)
    return study


def square(label: str, x: float, side: float) -> Annotation:
    box = shapely.box(x, x, x + side, x + side)
    return Annotation(uuid.uuid4(), SLIDE, label, box, Origin.IMPORT, "import")


def test_areas_are_of_record_and_larger_than_cells(study: Study) -> None:
    store = SlideStore(study.store_path(SLIDE))
    large, proposed, small = (
        square("stroma", 100, 400),
        square("stroma", 200, 400),
        square("nucleus", 300, 20),
    )
    rejected = square("stroma", 0, 500)
    with Journal.open(study) as journal:
        journal.propose([large, proposed, small, rejected])
        journal.validate([large.id, small.id], author="R1")
        journal.reject([rejected.id], author="R1")
    found = annotated_areas(study.place(SLIDE), store, BUNDLE)
    assert found.ids is not None
    assert found.labels is not None
    assert (found.ids.tolist(), found.labels.tolist()) == ([str(large.id)], ["stroma"])
    assert found.left_out[TOO_SMALL] == 1
    points = np.asarray(shapely.points([[150.0, 150], [450, 450], [550, 550]]))
    ones = np.ones(3, np.float32)
    path = study.objects_path(SLIDE, "prediction/cells")
    values = np.full(3, study.ontology["nucleus"].index, np.uint8)
    write_objects(path, ObjectTable(points, values, ones, ones, {"origin": "model"}))
    known = known_in_study(study.place(SLIDE), store, BUNDLE)
    assert known.stain == "Ki-67"
    classes = {"nucleus": study.ontology["nucleus"].index}
    slide = PredictedSlide(store, study.ontology, classes, {}, path, annotated=known.annotated)
    summary = summarise(slide)
    *_, row = summary.rows
    assert (row["kind"], row["class"], row["objects"]) == ("annotation", "stroma", 2)
    assert row["area_mm2"] == 0.04
    assert row["nucleus_per_mm2"] == 50
    assert summary.to_report()["annotated_areas"] == dict(found.about)


def test_cells_change_nothing(study: Study) -> None:
    """A journal of nuclei says what no journal says; a nucleus more leaves areas as they are."""
    store = SlideStore(study.store_path(SLIDE))
    nucleus, area, another = (
        square("nucleus", 300, 20),
        square("stroma", 100, 400),
        square("nucleus", 500, 20),
    )
    with Journal.open(study) as journal:
        journal.propose([nucleus, area, another])
        journal.validate([nucleus.id], author="R1")
        assert known_in_study(study.place(SLIDE), store, BUNDLE).annotated is None
        journal.validate([area.id], author="R1")
        before = annotated_areas(study.place(SLIDE), store, BUNDLE).about
        journal.validate([another.id], author="R1")
    assert annotated_areas(study.place(SLIDE), store, BUNDLE).about == before


def test_asking_leaves_no_journal_behind(study: Study) -> None:
    store = SlideStore(study.store_path(SLIDE))
    assert len(annotated_areas(study.place(SLIDE), store, BUNDLE)) == 0
    assert known_in_study(study.place(SLIDE), store, BUNDLE).annotated is None
    assert not study.journal_path.exists()


def test_a_store_that_stands_alone_knows_neither_areas_nor_stain(study: Study) -> None:
    path = study.store_path(SLIDE)
    place = SlidePlace.beside(path, SLIDE, study.ontology)
    assert known_in_study(place, SlideStore(path), BUNDLE) == KnownInStudy()
