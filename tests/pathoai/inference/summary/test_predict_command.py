"""`pathoai predict` writes what is said of the slide, with identity and versions, twice alike."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pathoai.cli.main import main
from pathoai.inference.predictor import Predictor
from pathoai.inference.report_file import read_report
from pathoai.inference.scale_warning import scale_warnings
from pathoai.models.bundle import load_bundle, save_bundle
from pathoai.ontology import load_ontology
from pathoai.provenance import result_software
from pathoai.store.objects import read_objects, software_of_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study


@pytest.fixture
def predicted_study(two_shard_store: Path, predictor: Predictor, tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "study", ontology="breast")
    slide_id = two_shard_store.stem
    Cohort([CohortRow(slide_id)]).write(study.path / "cohort.csv")
    shutil.copytree(two_shard_store, study.store_path(slide_id))
    save_bundle(study.model_path("tiny"), predictor.bundle, predictor.network)
    assert main(["predict", str(study.path), "--model", "tiny", "--device", "cpu"]) == 0
    return study


def test_every_output_says_what_made_it(predicted_study: Study) -> None:
    (row,) = predicted_study.cohort
    store = SlideStore(predicted_study.store_path(row.slide_id))
    bundle = load_bundle(predicted_study.model_path("tiny"))
    identity = {"model_sha256": bundle.identity, "store_sha256": store.identity}
    path = predicted_study.objects_path(row.slide_id, "prediction/tiny")
    objects = read_objects(path)
    assert len(objects)
    assert {key: objects.source[key] for key in identity} == identity
    assert software_of_objects(path) == result_software()
    assert set(pq.read_schema(path).metadata) >= {b"geo", b"pathoai", b"software"}
    report = read_report(predicted_study.report_path(row.slide_id, "prediction/tiny"))
    assert {key: report["about"][key] for key in identity} == identity
    assert report["software"] == result_software()
    assert report["annotated_areas"] is None
    assert report["summary"]["rules"] == f"breast {load_ontology('breast').version}"
    assert report["summary"]["findings"][0]["key"] == "tumour_area"
    table = path.with_name("prediction.tiny.regions.csv")
    lines = list(csv.DictReader(table.read_text("utf8").splitlines()))
    assert [line["kind"] for line in lines] == [one["kind"] for one in report["regions"]]
    assert all(line["model_sha256"] == bundle.identity for line in lines)
    assert all(line["torch"] == result_software()["torch"] for line in lines)
    of_parts = [one["objects"] for one in report["regions"] if one["kind"] in ("fragment", "glass")]
    assert sum(of_parts) == len(objects)
    (record,) = predicted_study.provenance_path.glob("predict-*.json")
    outputs = json.loads(record.read_text("utf8"))["outputs"]
    assert set(outputs) == {f"{n}/{row.slide_id}" for n in ("objects", "regions", "report")}


def test_a_second_run_writes_the_same_bytes(predicted_study: Study) -> None:
    (row,) = predicted_study.cohort
    folder = predicted_study.objects_path(row.slide_id, "prediction/tiny").parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ends = (".parquet", ".json", ".regions.csv", ".seal")
    assert set(before) == {f"prediction.tiny{end}" for end in ends}
    assert main(["predict", str(predicted_study.path), "--model", "tiny", "--device", "cpu"]) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert folder in predicted_study.derived_copies(row.slide_id)


def test_a_coarser_slide_is_told_beyond_a_tenth() -> None:
    assert scale_warnings(0.5, 0.5) == scale_warnings(0.25, 0.5) == scale_warnings(0.55, 0.5) == []
    (said,) = scale_warnings(0.88, 0.5)
    assert said == (
        "the slide is coarser than the model was trained at (0.88 µm vs 0.5 µm per pixel): "
        "details are missing"
    )
