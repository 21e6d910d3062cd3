"""``pathoai predict`` with models that name regions: through the command, on small studies."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Sequence

import pytest
import torch

from pathoai.cli.main import main
from pathoai.inference.report_file import read_report
from pathoai.models.architecture import build_network
from pathoai.models.bundle import REGION_CLASSIFICATION, ModelBundle, save_bundle
from pathoai.models.region_decision import RegionDecision
from pathoai.ontology import NOT_ASSESSED
from pathoai.provenance import sha256_of_file
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
from pathoai_annotations.annotation import Origin, Status
from pathoai_annotations.journal.journal import Journal
from tests.training.conftest import CELLS, code
from tests.training.graded_study import GRADES, graded_study

StudyMaker = Callable[..., Study]
Capture = pytest.CaptureFixture[str]
NAME = "cells"
PATIENTS = ("P000000000000000", "P000000000000001")


def put_model(
    study: Study, classes: Sequence[str], decision: RegionDecision, name: str = NAME
) -> ModelBundle:
    """A model of random weights; the proof that trained ones name rightly lies elsewhere."""
    torch.manual_seed(0)
    arguments = {"arguments": {"width": 4}, "context": [2]}
    network = build_network("region-classifier", classes=len(classes), arguments=arguments)
    bundle = ModelBundle(
        name,
        "region-classifier",
        arguments,
        study.ontology.key,
        study.ontology.version,
        tuple(classes),
        TileSpec(24, 0.5),
        task=REGION_CLASSIFICATION,
        decision=decision.to_dict(),
    )
    return save_bundle(study.model_path(name), bundle, network)


def words(study: Study, *more: str, name: str = NAME) -> list[str]:
    return ["predict", str(study.path), "--model", name, "--device", "cpu", *more]


def test_every_annotation_gets_a_class_once_and_a_bad_slide_stops_nothing(
    make_cells: StudyMaker, capsys: Capture
) -> None:
    study = make_cells(*PATIENTS, "P000000000000002")
    bundle = put_model(study, CELLS, RegionDecision(2))
    shutil.rmtree(study.store_path(code("S", 1)) / "0" / "c")
    (study.store_path(code("S", 1)) / "zarr.json").unlink()
    assert main(words(study)) == 1
    told = capsys.readouterr()
    assert "of 25 regions (annotations of the journal, of class nucleus or a kind" in told.out
    assert code("S", 1) in told.err
    for number in (0, 2):
        slide_id = code("S", number)
        path = study.objects_path(slide_id, f"prediction/{NAME}")
        table = read_objects(path)
        with Journal.open(study) as journal:
            drawn = {str(a.id): a.geometry for a in journal.annotations(slide_id)}
        ids = table.columns["annotation_id"].tolist()
        assert [drawn[one] for one in ids] == table.geometry.tolist()
        assert len(ids) == 25
        assert f"prediction/{NAME}" not in SlideStore(study.store_path(slide_id)).labels
        beside = {f"prediction.{NAME}{end}" for end in (".json", ".regions.csv", ".seal")}
        assert {f.name for f in path.parent.iterdir()} == {path.name, *beside}
    records = [json.loads(p.read_text()) for p in study.provenance_path.glob("predict-*.json")]
    assert len(records) == 2
    for record in records:
        assert record["inputs"]["model"] == bundle.identity
        said = record["parameters"]
        assert (said["model"], said["regions"]) == (NAME, "annotations")
        assert said["runtime"].startswith("onnxruntime ")
        assert said["precision"] == "float32"
    assert {sha256_of_file(path)} <= {h for r in records for h in r["outputs"].values()}
    # Nothing is done twice.
    assert main(words(study, "--slides", code("S", 0))) == 0
    assert "complete before this run" in capsys.readouterr().out
    assert len(list(study.provenance_path.glob("predict-*.json"))) == 2


def test_its_classes_become_proposals_and_no_regions_of_their_own(
    make_cells: StudyMaker, capsys: Capture
) -> None:
    study = make_cells(PATIENTS[0])
    put_model(study, CELLS, RegionDecision())
    assert main(words(study)) == 0
    before = read_objects(study.objects_path(code("S", 0), f"prediction/{NAME}")).source
    assert main(["annotations", "propose", str(study.path), "--model", NAME]) == 0
    assert "25 objects proposed, 25 new" in capsys.readouterr().out
    with Journal.open(study) as journal:
        proposed = journal.annotations(status={Status.PROPOSED})
    assert {a.origin for a in proposed} == {Origin.MODEL}
    assert {a.label for a in proposed} <= set(CELLS)
    assert all(a.confidence is not None for a in proposed)
    assert main(words(study)) == 0
    assert "complete before this run" in capsys.readouterr().out
    assert read_objects(study.objects_path(code("S", 0), f"prediction/{NAME}")).source == before
    # One more nucleus makes it another prediction; what another model outlined can be named, too.
    main(["annotations", "validate", str(study.path), "--author", "R1"])
    assert main(words(study, "--regions", f"prediction/{NAME}")) == 0
    assert f"objects of prediction/{NAME}" in capsys.readouterr().out


def test_squares_over_the_tissue_lie_in_the_store_and_feed_the_queue(
    tmp_path_factory: pytest.TempPathFactory, capsys: Capture
) -> None:
    study = graded_study(tmp_path_factory.mktemp("squares") / "study", GRADES[:2])
    put_model(study, GRADES, RegionDecision(1, None, "tissue"))
    assert main(words(study)) == 0
    assert "of 25 regions (squares of 12 µm over the tissue)" in capsys.readouterr().out
    store = SlideStore(study.store_path(code("S", 0)))
    label = store.label(f"prediction/{NAME}")
    class_map = label.read_all()
    assert (class_map != NOT_ASSESSED).sum() == 25
    table = read_objects(study.objects_path(code("S", 0), label.name))
    assert sorted(class_map[class_map != NOT_ASSESSED]) == sorted(table.class_index)
    report = read_report(study.report_path(code("S", 0), label.name))
    areas = {one["grade"]: one["mm2"] for one in report["summary"]["grades"]["areas"]}
    for key in GRADES:
        found = (table.class_index == study.ontology[key].index).sum() * 12**2 / 1e6
        assert areas[study.ontology[key].grade] == pytest.approx(found)
    assert report["regions"][0]["objects"] == 25
    assert report["about"] == table.source
    assert main(words(study)) == 0
    assert "complete before this run" in capsys.readouterr().out
    # The label alone, or the table alone, is no finished prediction.
    study.objects_path(code("S", 0), label.name).unlink()
    assert main(words(study, "--slides", code("S", 0))) == 0
    assert "complete before this run" not in capsys.readouterr().out
    queue = ["queue", str(study.path), "--model", NAME, "--n", "5", "--side", "16"]
    assert main(queue) == 0
    with study.queue_path(NAME).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert {row["class"] for row in rows} <= set(GRADES)
    assert main(["overview", str(study.path), "--model", NAME]) == 0
    assert main(["store", "verify", str(study.path)]) == 0


def test_several_opinions_are_asked_and_named(make_cells: StudyMaker, capsys: Capture) -> None:
    study = make_cells(PATIENTS[0])
    bundle = put_model(study, CELLS, RegionDecision())
    other = put_model(study, CELLS, RegionDecision(2), "other")
    assert main(words(study, "--ensemble", "other", "--tta", "--runtime", "torch")) == 0
    table = read_objects(study.objects_path(code("S", 0), f"prediction/{NAME}"))
    assert table.columns["mutual_information"].max() > 0
    members = {NAME: bundle.identity, "other": other.identity}
    assert table.source["members"] == members
    assert table.source["test_time_augmentation"] == "D4"
    (record,) = study.provenance_path.glob("predict-*.json")
    assert json.loads(record.read_text())["parameters"]["members"] == members
    capsys.readouterr()
    assert main(words(study, "--ensemble", "other", "--tta", "--runtime", "torch")) == 0
    assert "complete before this run" in capsys.readouterr().out
    # Fewer opinions are another prediction.
    assert main(words(study, "--runtime", "torch")) == 0
    assert "complete before this run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            ["--regions", "tisue"],
            "--regions.*found 'tisue'.*annotations, areas, tissue, or a label",
        ),
        (["--ensemble", "other"], "unknown model; found 'other'"),
        (["--ensemble", "mirrored"], "models of an ensemble must have the same classes"),
        (["--batch-size", "0"], "batch size"),
        (["--regions", "prediction/none"], "no objects of that label"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    make_cells: StudyMaker, capsys: Capture, more: list[str], says: str
) -> None:
    study = make_cells(PATIENTS[0])
    put_model(study, CELLS, RegionDecision())
    put_model(study, CELLS[::-1], RegionDecision(), "mirrored")
    assert main(words(study, *more)) == 1
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pathoai: error")]
    assert len(lines) == 1
    assert re.search(says, lines[0])


def test_a_slide_without_annotations_says_what_to_do(
    make_cells: StudyMaker, capsys: Capture
) -> None:
    study = make_cells(PATIENTS[0])
    put_model(study, CELLS, RegionDecision())
    study.journal_path.unlink()
    assert main(words(study)) == 1
    error = capsys.readouterr().err
    assert "there is no region that the model could name" in error
    assert "--regions" in error
    assert not study.journal_path.exists()


def test_other_models_take_no_regions(make_cells: StudyMaker, capsys: Capture) -> None:
    study = make_cells(PATIENTS[0])
    network = build_network("unet", classes=2, arguments={"width": 4, "depth": 1})
    bundle = ModelBundle(
        "pixels",
        "unet",
        {"width": 4, "depth": 1},
        "breast",
        study.ontology.version,
        ("background", "nucleus"),
        TileSpec(32, 0.5),
    )
    save_bundle(study.model_path("pixels"), bundle, network)
    assert main(words(study, "--regions", "tissue", name="pixels")) == 1
    assert "--regions is for models that name regions" in capsys.readouterr().err
