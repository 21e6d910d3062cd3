"""From signed readings to the report and the adjudicator's worklist, by the commands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shapely import box
from sklearn.metrics import cohen_kappa_score

from pathoai.cli.main import main
from pathoai.errors import StudyError
from pathoai.models.architecture import build_network
from pathoai.models.bundle import SEMANTIC_SEGMENTATION, ModelBundle, save_bundle
from pathoai.store.objects import read_objects, write_objects
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.agreement.agree_study import agree_study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.queue_table import read_queue
from pathoai_annotations.readers.assignment import Role, assign
from tests.annotations.readers.read_study import LESION, MODEL, draw, made_study, read, slide_ids

Capture = pytest.CaptureFixture[str]
GRADES = {
    "R1": ["benign", "hsil", "hsil", "invasive", "lsil", "benign"],
    "R2": ["benign", "lsil", "hsil", "hsil", "lsil", "hsil"],
}
RANK = {"benign": 0, "lsil": 1, "hsil": 2, "invasive": 3}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Six slides of three patients, read by two; R2 saw the model on half of them."""
    made = made_study(tmp_path / "study", slides=7)
    ids = slide_ids(made)
    assign(made, ids, {"R1": Role.READER, "R2": Role.READER, "R3": Role.ADJUDICATOR})
    shifted = box(110, 40, 190, 120)
    for at, slide_id in enumerate(ids[:6]):
        lesion = [("hsil", LESION)] if at in (1, 2) else []
        other = [("cin3", shifted)] if at == 2 else []
        for reader, drawn in (("R1", lesion), ("R2", other)):
            read(
                made,
                slide_id,
                reader,
                GRADES[reader][at],
                outlines=drawn,
                seconds=100 + 10 * at,
                with_model=reader == "R2" and at % 2 == 1,
            )
    draw(made, ids[6], "R1", [("invasive", LESION)])  # begun, never signed off
    return made


def _report(study: Study, capsys: Capture, *words: str) -> dict[str, Any]:
    assert main(["agree", str(study.path), *words]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads((study.agreement_path / "report.json").read_text("utf8"))
    return found


def _rows(report: dict[str, Any], section: str, table: int = 0) -> list[list[Any]]:
    (found,) = (s for s in report["sections"] if s["key"] == section)
    rows: list[list[Any]] = found["tables"][table]["rows"]
    return rows


def test_the_report_holds_what_can_be_checked(study: Study, capsys: Capture) -> None:
    report = _report(study, capsys)
    ((pair, slides, same, plain, linear, quadratic, score),) = _rows(report, "grades")
    one, other = ([RANK[g] for g in GRADES[r]] for r in ("R1", "R2"))
    assert (pair, slides) == ("R1 and R2", 6)
    assert same["estimate"] == pytest.approx(3 / 6)
    assert plain["estimate"] == pytest.approx(cohen_kappa_score(one, other), abs=1e-6)
    for weights, found in (("linear", linear), ("quadratic", quadratic)):
        expected = cohen_kappa_score(one, other, weights=weights)
        assert found["estimate"] == pytest.approx(expected, abs=1e-6)
    assert score["estimate"] == pytest.approx(1 - (0.3 + 0.3 + 0.7) / 6)
    assert score["low"] <= score["estimate"] <= score["high"]
    regions = {row[0]: row[1:] for row in _rows(report, "regions")}
    # Of R1 alone on the second slide; on the third R2 calls it by its kind, which is another class.
    assert regions["hsil"][-2:] == [2, 0]
    assert regions["cin3"][-2:] == [0, 1]
    (missing,) = (s for s in report["sections"] if s["key"] == "missing")
    assert [row[:2] for row in missing["tables"][0]["rows"]] == [
        ["R1", slide_ids(study)[6]],
        ["R2", slide_ids(study)[6]],
    ]
    assert all(case["slide_id"] != slide_ids(study)[6] for case in report["disagreements"])
    page = (study.agreement_path / "report.html").read_text("utf8")
    text = re.sub(r'src="data:[^"]*"', "", page)
    assert not re.search(r"\bnan\b", text + capsys.readouterr().out, re.IGNORECASE)
    assert "There are 3 patients only" in text
    assert "R1 and R2" in text
    assert study.agreement_path in study.derived_copies(slide_ids(study)[0])
    (record,) = study.provenance_path.glob("agree-*.json")
    assert str(study.path) not in record.read_text("utf8") + page


def test_kinds_roll_up_and_the_model_is_one_more_rater(study: Study, capsys: Capture) -> None:
    report = _report(study, capsys, "--roll-up", "--model", MODEL)
    (found,) = (s for s in report["sections"] if s["key"] == "regions")
    captions = [table["caption"] for table in found["tables"][:-1]]
    assert captions == [
        f"{pair}, 6 slides: {kind}"
        for kind in ("areas and boundaries", "outline by outline")
        for pair in ("R1 and R2", f"R1 and {MODEL}", f"R2 and {MODEL}")
    ]
    label, dice, iou, distance, *outlines = found["tables"][0]["rows"][0]
    _, f1, panoptic, *_ = found["tables"][3]["rows"][0]
    assert (label, outlines) == ("hsil", [2, 1])
    shared, area = 70 * 80, 80 * 80
    assert dice["estimate"] == pytest.approx(2 * shared / (3 * area), abs=1e-6)
    assert iou["estimate"] == pytest.approx(shared / (3 * area - shared), abs=1e-6)
    assert distance["estimate"] == pytest.approx(2.5, abs=0.01)
    assert f1["estimate"] == pytest.approx(2 / 3, abs=1e-6)
    assert panoptic["estimate"] == pytest.approx((70 / 90) / 1.5, abs=1e-6)
    _, f1, _, *outlines = found["tables"][4]["rows"][0]
    assert outlines == [2, 6]
    assert f1["estimate"] == pytest.approx(2 * 2 / 8)
    means = {(row[0], row[1]): row[2:] for row in found["tables"][-1]["rows"]}
    among, against, difference = (one["estimate"] for one in means["hsil", "Dice"])
    by_pair = [table["rows"][0][1]["estimate"] for table in found["tables"][:3]]
    assert (among, against) == pytest.approx((by_pair[0], sum(by_pair[1:]) / 2), abs=1e-6)
    assert difference == pytest.approx(against - among, abs=1e-6)
    assert "that two readers and lesions saw" in found["tables"][-1]["caption"]
    # The model calls every slide high grade: it agrees with nobody beyond chance.
    names, among, against, difference = zip(*_rows(report, "model"), strict=True)
    at = names.index("κ, quadratic weights")
    assert against[at]["estimate"] == pytest.approx(0, abs=1e-6)
    assert difference[at]["estimate"] == pytest.approx(-among[at]["estimate"], abs=1e-6)
    fleiss = [row[3]["estimate"] for row in _rows(report, "group") if row[1] == "Fleiss' κ"]
    assert fleiss[1] < fleiss[0]


def _trained(study: Study, learnt_from: list[str]) -> str:
    """Put a model's bundle into the study, and say who it is."""
    arguments = {"width": 2, "depth": 1}
    bundle = ModelBundle(
        name=MODEL,
        task=SEMANTIC_SEGMENTATION,
        architecture="unet",
        arguments=arguments,
        ontology="cervix",
        ontology_version="1",
        classes=("background", "hsil"),
        spec=TileSpec(64, 0.5),
        training={"split": {"learnt_from": learnt_from}},
    )
    network = build_network("unet", classes=2, arguments=arguments)
    return save_bundle(study.model_path(MODEL), bundle, network).identity


def _predicted_by(study: Study, identity: str) -> None:
    """As if that model had made the predictions that lie there."""
    for slide_id in slide_ids(study):
        path = study.objects_path(slide_id, f"prediction/{MODEL}")
        table = read_objects(path)
        write_objects(path, replace(table, source=table.source | {"model_sha256": identity}))
        report = study.report_path(slide_id, f"prediction/{MODEL}")
        said = json.loads(report.read_text("utf8"))
        report.write_text(json.dumps(said | {"about": {"model_sha256": identity}}), "utf8")


def test_a_model_is_not_held_against_readers_on_patients_it_learnt_from(
    study: Study, capsys: Capture
) -> None:
    ids = slide_ids(study)
    _predicted_by(study, _trained(study, [ids[0]]))
    report = _report(study, capsys, "--model", MODEL)
    # Two slides are of the patient of whom one was learnt from.
    assert [row[:2] for row in _rows(report, "grades")] == [
        ["R1 and R2", 6],
        [f"R1 and model {MODEL}", 4],
        [f"R2 and model {MODEL}", 4],
    ]
    assert report["facts"]["not counted for the model"] == "2 slides of patients it learnt from"
    (regions,) = (s for s in report["sections"] if s["key"] == "regions")
    assert f"R1 and {MODEL}, 4 slides: areas and boundaries" in [
        table["caption"] for table in regions["tables"]
    ]
    _predicted_by(study, _trained(study, ids))
    with pytest.raises(StudyError, match="learnt from the patients of every slide") as error:
        agree_study(study, model=MODEL)
    assert "split's test" in str(error.value)


def test_predictions_of_an_earlier_model_of_that_name_do_not_count(study: Study) -> None:
    _predicted_by(study, _trained(study, []))
    assert agree_study(study, model=MODEL).facts["model"] == MODEL
    _trained(study, [slide_ids(study)[6]])
    with pytest.raises(StudyError, match="as it is now, said nothing") as error:
        agree_study(study, model=MODEL)
    assert f"pathoai predict STUDY --model {MODEL}" in str(error.value)


def test_times_tell_what_was_saved_only_where_both_ways_were_read(
    study: Study, capsys: Capture
) -> None:
    slides, regions = _rows(_report(study, capsys), "times")
    # R2 read lsil without help (slide 4: 140 s) and with (1: 110 s); hsil without (2: 120 s) and
    # with (3: 130 s, 5: 150 s): (30 − 20) / 2.
    assert slides[0] == "slide"
    assert slides[1] == 9
    assert slides[3] == 3
    assert slides[5].startswith("5 s")
    assert slides[6] == 2
    assert regions[:2] == ["region", 3]


def test_the_queue_is_what_nobody_settled(study: Study, capsys: Capture) -> None:
    ids = slide_ids(study)
    assert main(["readers", "queue", str(study.path)]) == 0
    rows = read_queue(study.queue_path("adjudication"))
    graded = [row for row in rows if row.region.width == 512]
    found = [(row.slide_id, row.cost, row.label) for row in graded]
    assert found[0] == (ids[5], 0.7, "hsil")
    assert set(found[1:]) == {(ids[1], 0.3, "hsil"), (ids[3], 0.3, "invasive")}
    assert [row.cost for row in rows] == sorted((row.cost for row in rows), reverse=True)
    drawn = [row for row in rows if row.region.width < 512]
    assert [(row.slide_id, row.cost) for row in drawn] == [(ids[1], 0.7)]
    settle = ["readers", "adjudicate", str(study.path), "--reader", "R3", "--grade", "hsil"]
    assert main([*settle, "--slide", ids[5]]) == 0
    assert main(["readers", "queue", str(study.path), "--n", "1"]) == 0
    (row,) = read_queue(study.queue_path("adjudication"))
    assert row.slide_id == ids[1]
    assert "1 of 3 cases written" in capsys.readouterr().out
    assert main([*settle, "--slide", ids[6]]) == 1
    assert "still to sign off: R1, R2" in capsys.readouterr().err
    assert (
        main(
            [
                "readers",
                "adjudicate",
                str(study.path),
                "--reader",
                "R1",
                "--grade",
                "hsil",
                "--slide",
                ids[1],
            ]
        )
        == 1
    )
    assert "does not settle the slide" in capsys.readouterr().err
    with Journal.open(study) as journal:
        assert [e.author for e in journal.events() if e.operation == "adjudicate"] == ["R3"]


def test_one_patient_gives_no_interval_and_no_nan(tmp_path: Path, capsys: Capture) -> None:
    study = made_study(tmp_path / "study", slides=2)
    assign(study, slide_ids(study), {"R1": Role.READER, "R2": Role.READER})
    for slide_id in slide_ids(study):
        for reader in ("R1", "R2"):
            read(study, slide_id, reader, "benign", seconds=60)
    report = _report(study, capsys)
    row = _rows(report, "grades")[0]
    assert row[3] == "not defined: all said the same"
    text = (study.agreement_path / "report.html").read_text("utf8")
    assert "There is one patient only: no interval can be given." in text
    assert "no interval: one patient" in text
    assert "No two readers differ." in text
    assert "Nobody outlined anything" in text


def test_without_anything_signed_there_is_nothing_to_compare(tmp_path: Path) -> None:
    study = made_study(tmp_path / "study", slides=1)
    with pytest.raises(StudyError, match="no reader has signed off"):
        agree_study(study)
    assert not study.journal_path.exists()
    assign(study, slide_ids(study), {"R1": Role.READER})
    draw(study, slide_ids(study)[0], "R1", [("hsil", LESION)])
    with pytest.raises(StudyError, match="no reader has signed off"):
        agree_study(study)
    withdrawn = ["readers", "withdraw", str(study.path), "--reader", "R8"]
    assert main(withdrawn) == 0  # nothing to take back is no error
    read(study, slide_ids(study)[0], "R1", "")
    with pytest.raises(StudyError, match="as it is now, said nothing"):
        agree_study(study, model="other")
    report = agree_study(study)
    assert "No slide was given a grade by two readers" in str(report.content())


def test_misuse_is_told_in_one_line(study: Study, capsys: Capture) -> None:
    slide = slide_ids(study)[0]
    path = str(study.path)
    for words, message in (
        (["readers", "assign", path], "nobody to assign"),
        (["readers", "assign", path, "--readers", "R7", "--adjudicator", "R7"], "cannot settle"),
        (["readers", "assign", path, "--readers", "Jane Doe"], "short codes"),
        (["readers", "sign-off", path, "--reader", "R9", "--slide", slide], "is not to read"),
        (
            ["readers", "sign-off", path, "--reader", "R1", "--slide", slide, "--grade", "stroma"],
            "no grade of a slide",
        ),
        (["readers", "queue", path, "--n", "0"], "cases wanted"),
        (["readers", "collect", path, path], "not a reading room"),
        (["agree", path, "--costs", "none"], "unknown cost matrix"),
    ):
        assert main(words) == 1, words
        (line,) = (x for x in capsys.readouterr().err.splitlines() if "error" in x)
        assert message in line
