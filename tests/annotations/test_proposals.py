"""What a model or a method found enters under its true origin, the same object once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import Polygon, box

from pathoai.errors import OntologyError
from pathoai.ontology import load_ontology
from pathoai.store.objects import ObjectTable, read_objects, write_objects
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.proposals import proposals_of

SLIDES = ("0123456789ABCDEF", "FEDCBA9876543210")
BREAST = load_ontology("breast")
MODEL = {"label": "prediction/unet", "origin": "model", "model": "unet", "model_sha256": "ab" * 32}
METHOD = {"label": "import/hematoxylin", "origin": "import", "method": "hematoxylin"}
OUTLINES = [
    Polygon(box(0, 0, 9, 9).exterior, [box(2, 2, 4, 4).exterior]),
    box(20, 0, 29, 9),
    box(20, 0, 29, 9),
]


def _table(source: dict[str, Any], *keys: str) -> ObjectTable:
    keys = keys or ("nucleus", "nucleus", "mitosis")
    geometry = np.empty(len(keys), dtype=object)
    geometry[:] = OUTLINES[: len(keys)]
    return ObjectTable(
        geometry,
        np.array([BREAST[k].index for k in keys], np.uint8),
        np.array([0.25, 0.5, 1.0][: len(keys)], np.float32),
        np.ones(len(keys), np.float32),
        source,
    )


def _proposals(
    source: dict[str, Any], slide_id: str = SLIDES[0], origin: Origin = Origin.MODEL
) -> list[Annotation]:
    author = "model" if origin is Origin.MODEL else "hematoxylin"
    return list(proposals_of(_table(source), slide_id, BREAST, origin=origin, author=author))


def test_a_prediction_names_its_model_and_the_hash_of_its_weights() -> None:
    for proposal, outline, probability in zip(
        _proposals(MODEL), OUTLINES, (0.25, 0.5, 1.0), strict=True
    ):
        assert proposal.derived_from == "model:unet@" + "ab" * 32
        assert (proposal.origin, proposal.status) == (Origin.MODEL, Status.PROPOSED)
        assert (proposal.geometry, proposal.confidence) == (outline, probability)
    assert [p.label for p in _proposals(MODEL)] == ["nucleus", "nucleus", "mitosis"]


def test_what_colour_alone_found_is_an_import_without_a_probability() -> None:
    for proposal in _proposals(METHOD, origin=Origin.IMPORT):
        assert proposal.derived_from == "method:hematoxylin"
        assert (proposal.origin, proposal.author) == (Origin.IMPORT, "hematoxylin")
        assert proposal.confidence is None


def test_the_same_object_gets_the_same_id_and_no_two_objects_share_one() -> None:
    first = [p.id for p in _proposals(MODEL)]
    assert first == [p.id for p in _proposals(MODEL)]
    others = [
        _proposals(MODEL, SLIDES[1]),
        _proposals(MODEL | {"model_sha256": "cd" * 32}),
        _proposals(MODEL | {"model": "unet-2"}),
        _proposals(METHOD, origin=Origin.IMPORT),
    ]
    ids = [*first, *(p.id for proposals in others for p in proposals)]
    assert len(set(ids)) == len(ids)


def test_a_table_from_disk_gives_the_same_proposals(tmp_path: Path) -> None:
    path = tmp_path / "objects.parquet"
    write_objects(path, _table(MODEL))
    read = proposals_of(read_objects(path), SLIDES[0], BREAST, origin=Origin.MODEL, author="model")
    assert list(read) == _proposals(MODEL)


def test_proposing_twice_enters_once(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert journal.propose(_proposals(MODEL)) == 3
        journal.reject([_proposals(MODEL)[0].id], author="R1")
        assert journal.propose(_proposals(MODEL)) == 0
        assert journal.counts()[Status.REJECTED] == 1


def test_a_class_of_another_ontology_is_refused_with_a_remedy() -> None:
    table = _table(MODEL, "mitosis")
    table.class_index[0] = 200
    found = proposals_of(table, SLIDES[0], BREAST, origin=Origin.MODEL, author="model")
    with pytest.raises(OntologyError, match=r"index 200.*20 nucleus.*another ontology"):
        list(found)


def test_no_objects_are_no_proposals() -> None:
    none = np.empty(0, np.float32)
    empty = ObjectTable(np.empty(0, object), np.empty(0, np.uint8), none, none, MODEL)
    assert list(proposals_of(empty, SLIDES[0], BREAST, origin=Origin.MODEL, author="m")) == []
