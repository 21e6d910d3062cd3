"""Adding an organ is adding a file: prostate, by commands, from outlines to findings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.cli.main import main
from pathoai.inference.report_file import read_report
from pathoai.models.bundle import load_bundle
from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.grade import severity
from pathoai.study.study import Study
from pathoai_training.data.survey import channels_of
from pathoai_training.evaluation.evaluate import evaluate
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.report.predictions import SegmentationCounts
from pathoai_training.train import train
from tests.training.conftest import code, write_all

PROSTATE = Path(__file__).resolve().parents[1] / "pathoai" / "prostate.yaml"
LABEL, SIDE_PX, BAND_PX = "annotation/all", 320, 64
BANDS = ("benign", "gleason_3", "cribriform", "gleason_5", "stroma")
"""From left to right on every slide; nobody outlines pattern 4 itself, only a kind of it."""
TOLD = ("benign", "gleason_3", "gleason_4")
GRADES = ("benign", "gleason_3", "gleason_4", "gleason_5", "gleason_4")


def _write_store(path: Path, slide_id: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stripes = np.repeat(np.linspace(80, 220, len(BANDS)), BAND_PX)
    image = stripes + rng.integers(-20, 20, (3, SIDE_PX, SIDE_PX))
    header = StoreHeader(slide_id, SIDE_PX, SIDE_PX, 0.5, 0.5, 0.5)
    writer = ImageWriter(path, header)
    write_all(writer.finest, image.clip(0, 255).astype(np.uint8))
    tissue = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    mask = LabelWriter(path, header, LabelRecipe("tissue", (tissue,), {"origin": "method"}))
    write_all(mask.class_map, np.ones((SIDE_PX, SIDE_PX), np.uint8))
    mask.finish()
    writer.finish()


def _features() -> dict[str, object]:
    """Outlines of all bands but the last, as QuPath writes them."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": shapely.box(
                    place * BAND_PX, 0, (place + 1) * BAND_PX, SIDE_PX
                ).__geo_interface__,
                "properties": {"objectType": "annotation", "classification": {"name": key}},
            }
            for place, key in enumerate(BANDS[:-1])
        ],
    }


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Five patients whose slides were outlined elsewhere, imported and validated."""
    path, outlined = tmp_path / "study", tmp_path / "outlined.geojson"
    outlined.write_text(json.dumps(_features()), "utf8")
    assert main(["init", str(path), "--ontology", str(PROSTATE)]) == 0
    study = Study(path)
    rows = [
        CohortRow(code("S", i), patient_id=code("P", i), grade=grade)
        for i, grade in enumerate(GRADES)
    ]
    Cohort(rows).write(path / "cohort.csv")
    for seed, row in enumerate(rows):
        _write_store(study.store_path(row.slide_id), row.slide_id, seed)
        words = [str(path), str(outlined), "--slide", row.slide_id]
        assert main(["annotations", "import", *words]) == 0
    assert main(["annotations", "validate", str(path), "--author", "R1"]) == 0
    for row in rows:
        words = ["--reader", "R1", "--slide", row.slide_id]
        assert main(["readers", "sign-off", str(path), *words]) == 0
    assert main(["label", str(path), "--method", "annotations", "--exhaustive"]) == 0
    return study


def test_the_study_keeps_the_file_and_ranks_by_it(study: Study) -> None:
    ontology = study.ontology
    assert (ontology.key, ontology.is_ordinal) == ("prostate", True)
    assert (study.path / "ontology.yaml").read_bytes() == PROSTATE.read_bytes()
    assert [severity(ontology, row.grade) for row in study.cohort] == [0, 1, 2, 3, 2]
    assert severity(ontology, "cribriform") == severity(ontology, "gleason_4")


def test_annotations_go_out_with_the_classes_they_came_in_with(
    study: Study, tmp_path: Path
) -> None:
    out = tmp_path / "out.geojson"
    words = [str(study.path), str(out), "--slide", code("S", 0)]
    assert main(["annotations", "export", *words]) == 0
    found = json.loads(out.read_text("utf8"))["features"]
    names = {study.ontology[key].name for key in BANDS[:-1]}
    assert {f["properties"]["classification"]["name"] for f in found} in (names, set(BANDS[:-1]))
    areas = [shapely.geometry.shape(f["geometry"]).area for f in found]
    assert areas == [BAND_PX * SIDE_PX] * 4


def test_kinds_are_learnt_and_scored_as_what_they_are_kinds_of(
    study: Study, small: list[str]
) -> None:
    ontology = study.ontology
    label = SlideStore(study.store_path(code("S", 0))).label(LABEL).read_all()
    expected = [ontology[key].index for key in BANDS[:-1]]
    assert label[5, BAND_PX // 2 :: BAND_PX].tolist() == [*expected, 0]
    settings = [
        *small,
        "ontology=prostate",
        f"classes=[{', '.join(TOLD)}]",
        f"data.label={LABEL}",
        "trainer={max_steps: 4, steps_per_epoch: 4}",
    ]
    train(study, read_recipe("breast-tissue-segmentation", settings), name="gleason", device="cpu")
    bundle = load_bundle(study.model_path("gleason"))
    assert (bundle.ontology, bundle.classes) == ("prostate", ("background", *TOLD))
    assert bundle.class_indices(ontology) == [0, 1, 3, 4]

    report = evaluate(study, "gleason", device="cpu")
    assert isinstance(report.predictions, SegmentationCounts)
    of_truth = report.predictions.confusion.sum(axis=(0, 2))
    assert report.context.tiles is not None
    tiles = report.context.tiles * bundle.spec.size_px**2
    # Tiles of one row cover each band alike; pattern 5 and stroma count as background.
    assert of_truth.sum() == tiles
    assert of_truth[3] > 0, "cribriform pattern 4 is pattern 4"
    assert of_truth[0] > 0

    assert main(["predict", str(study.path), "--model", "gleason", "--device", "cpu"]) == 0
    for row in study.cohort:
        found = SlideStore(study.store_path(row.slide_id)).label("prediction/gleason").read_all()
        assert set(np.unique(found)) <= {0, 1, 3, 4, NOT_ASSESSED}
        summary = read_report(study.report_path(row.slide_id, "prediction/gleason"))["summary"]
        assert summary["rules"] == "prostate 0.1"
        told = {one["key"] for one in [*summary["findings"], *summary["left_out"]]}
        assert told == {"high_pattern_share"}


def test_all_patterns_roll_up_to_carcinoma(study: Study) -> None:
    channels = channels_of(study.ontology, ("carcinoma", "benign"))
    assert channels[:8].tolist() == [0, 2, 1, 1, 1, 1, 1, 0]
    assert (channels[8:] == NOT_ASSESSED).all()
