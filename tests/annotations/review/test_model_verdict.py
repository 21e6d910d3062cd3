"""What models left of a slide is shown as they said it, with its places, cost and warnings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from shapely import box

from pathoai.errors import StoreError
from pathoai.metrics.expected_cost import load_costs
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.reading_room import make_room
from pathoai_annotations.review.model_verdict import OUTDATED, ModelVerdict, model_verdicts
from tests.annotations.readers.read_study import MODEL, made_study, slide_ids
from tests.annotations.review.graded import CLASSES, GRADER, PLACES, SHARES, grade


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    return made_study(tmp_path / "study", slides=1)


def verdicts(study: Study) -> tuple[ModelVerdict, ...]:
    return model_verdicts(study, SlideStore(study.store_path(slide_ids(study)[0])))


def test_a_graders_verdict_is_told_with_places_and_costs(study: Study) -> None:
    grade(study, slide_ids(study)[0])
    first, second = verdicts(study)
    assert (first.model, first.decision, first.by_rules) == (GRADER, "hsil", False)
    assert first.probabilities == tuple(zip(CLASSES, SHARES, strict=True))
    assert first.prediction_set == ("lsil", "hsil")
    assert first.warnings == ("a note of the model", "unusual stain")
    assert [(r.x, r.y, r.share) for r in first.reasons] == list(PLACES)
    region = first.reasons[0].region
    assert (region.x, region.y, region.right, region.bottom) == (68, 28, 132, 92)
    expected = load_costs("tissuenet").expected(np.array([SHARES]))[0]
    assert dict(first.expected_costs) == pytest.approx(dict(zip(CLASSES, expected, strict=True)))
    assert second.model == MODEL


def test_rules_grade_by_the_worst_lesion_and_show_the_largest(study: Study) -> None:
    (slide_id,) = slide_ids(study)
    path = study.report_path(slide_id, f"prediction/{MODEL}")
    hsil = study.ontology["hsil"]
    areas = [{"grade": 0, "classes": ["benign"], "mm2": 0.2, "share": 0.5}]
    worst = {"grade": hsil.grade, "classes": ["hsil"], "mm2": 0.4, "share": 0.5}
    said = {"summary": {"grades": {"areas": [*areas, worst], "worst": worst}}}
    about = {"store_sha256": "another"}
    text = said | {"warnings": ["coarse"], "label": f"prediction/{MODEL}", "about": about}
    path.write_text(json.dumps(text), "utf8")
    rng = np.random.default_rng(3)
    area = rng.uniform(10, 100, 30).astype(np.float32)
    outlines = np.array([box(i, i, i + 4, i + 2) for i in range(30)], object)
    index = np.full(30, hsil.index, np.uint8)
    index[:5] = 1
    table = ObjectTable(outlines, index, np.ones(30, np.float32), area, {"label": "l"})
    write_objects(path.with_suffix(".parquet"), table)
    (found,) = verdicts(study)
    assert (found.decision, found.by_rules) == ("hsil", True)
    assert found.areas_mm2 == (("benign", 0.2), ("hsil", 0.4))
    assert found.warnings == ("coarse", OUTDATED)
    order = 5 + np.argsort(-area[5:])
    assert [r.x for r in found.reasons] == [i + 2.0 for i in order[:10]]
    assert found.reasons[0].share == pytest.approx(area[order[0]] / area[5:].sum(), rel=1e-5)
    assert {r.label for r in found.reasons} == {"hsil"}


def test_too_little_of_any_grade_is_no_grade(study: Study) -> None:
    (slide_id,) = slide_ids(study)
    path = study.report_path(slide_id, f"prediction/{MODEL}")
    grades: dict[str, object] = {
        "areas": [],
        "worst": None,
        "reason": "no grade covers 0.01 mm² or more",
    }
    path.write_text(json.dumps({"summary": {"grades": grades}}), "utf8")
    (found,) = verdicts(study)
    assert (found.decision, found.reasons) == ("", ())
    assert found.warnings == ("no grade covers 0.01 mm² or more",)
    path.write_text(json.dumps({"summary": {}}), "utf8")
    assert verdicts(study) == ()


@pytest.mark.parametrize("content", ["[]", "{", '{"summary": {"grades": 3}}'])
def test_a_damaged_report_is_one_line(study: Study, content: str) -> None:
    (slide_id,) = slide_ids(study)
    study.report_path(slide_id, f"prediction/{MODEL}").write_text(content, "utf8")
    with pytest.raises(StoreError, match=r"damaged report.*Remedy: run `pathoai predict` again"):
        verdicts(study)


def test_a_blind_room_holds_no_verdict_and_a_room_with_a_grader_its_own(
    study: Study, tmp_path: Path
) -> None:
    (slide_id,) = slide_ids(study)
    grade(study, slide_id)
    assign(study, [slide_id], {"R1": Role.BLIND_READER})
    make_room(study, "R1", tmp_path / "blind")
    assert verdicts(Study(tmp_path / "blind")) == ()
    # A room's link of the grader's tiles is all that it has: they say where it looked.
    grade(study, slide_id, report=False)
    study.objects_path(slide_id, f"grade/{GRADER}").with_suffix(".json").unlink()
    found = verdicts(study)[0]
    assert [(r.x, r.y, r.share) for r in found.reasons] == list(PLACES)
    assert found.warnings == ("a note of the model",)
