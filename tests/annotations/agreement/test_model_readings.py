from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pathoai.errors import StoreError
from pathoai.inference.slide_grade import REFER, SlideGrade
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.study.study import Study
from pathoai_annotations.agreement.asked_model import AskedModel
from pathoai_annotations.agreement.model_readings import model_grade, model_outlines
from tests.annotations.readers.read_study import LESION, MODEL, made_study, slide_ids


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return made_study(tmp_path / "study", slides=1)


def _grade(study: Study, slide_id: str, decision: str) -> None:
    """As a model of whole slides leaves it: a table of tiles that holds the grade."""
    grade = SlideGrade(slide_id, ("benign", "hsil"), (0.4, 0.6), decision, ("hsil",), 0.5, (), 9)
    empty = np.empty(0, np.float32)
    table = ObjectTable(
        np.empty(0, object), np.empty(0, np.uint8), empty, empty, {"grade": grade.to_dict()}
    )
    write_objects(study.objects_path(slide_id, f"grade/{MODEL}"), table)


def test_a_grade_of_the_whole_slide_goes_before_the_worst_lesion(study: Study) -> None:
    (slide_id,) = slide_ids(study)
    assert model_grade(study, AskedModel(MODEL), slide_id) == "hsil"
    _grade(study, slide_id, "benign")
    assert model_grade(study, AskedModel(MODEL), slide_id) == "benign"
    _grade(study, slide_id, REFER)
    assert model_grade(study, AskedModel(MODEL), slide_id) is None


def test_too_little_of_every_lesion_is_no_grade(study: Study) -> None:
    (slide_id,) = slide_ids(study)
    report = study.report_path(slide_id, f"prediction/{MODEL}")
    for text, expected in (
        ('{"summary": {"grades": {"worst": null}}}', None),
        ('{"summary": {}}', None),
        ('{"summary": {"grades": {"worst": {"grade": 1, "classes": ["lsil"]}}}}', "lsil"),
    ):
        report.write_text(text, "utf8")
        assert model_grade(study, AskedModel(MODEL), slide_id) == expected
    report.write_text('{"summary": ', "utf8")
    with pytest.raises(StoreError, match="damaged report"):
        model_grade(study, AskedModel(MODEL), slide_id)
    assert model_grade(study, AskedModel("other"), slide_id) is None


def test_its_objects_are_outlines_by_their_class(study: Study) -> None:
    (slide_id,) = slide_ids(study)
    found = model_outlines(study, AskedModel(MODEL), slide_id, study.ontology)
    assert found is not None
    ((label, outline),) = found
    assert (label, outline.wkt) == ("hsil", LESION.wkt)
    assert model_outlines(study, AskedModel("other"), slide_id, study.ontology) is None
