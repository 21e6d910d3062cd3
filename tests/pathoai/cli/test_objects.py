"""``pathoai objects``: the regions of any label, as a table that other programs open."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.cli.main import main
from pathoai.ontology import LabelClass
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import read_objects
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study

SLIDE_ID, SIDE_PX = "S000000000000000", 96
CLASSES = (
    LabelClass(3, "pen", "Pen", "Feutre", "#0000ff"),
    LabelClass(7, "fold", "Fold", "Pli", "#00ff00"),
)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """One slide with a label of pixels of 2 × 2: a ring of ink, a fold, a speck."""
    study = Study.create(tmp_path / "study", ontology="breast")
    Cohort([CohortRow(SLIDE_ID)]).write(study.path / "cohort.csv")
    path = study.store_path(SLIDE_ID)
    header = StoreHeader(SLIDE_ID, SIDE_PX, SIDE_PX, 0.5, 0.5, 0.5)
    image = ImageWriter(path, header)
    for shard in image.finest.shards:
        image.finest.write(shard, np.full((3, SIDE_PX, SIDE_PX), 200, np.uint8))
    image.finish()
    values = np.zeros((SIDE_PX // 2, SIDE_PX // 2), np.uint8)
    values[4:20, 6:30] = 3
    values[8:12, 10:20] = 0
    values[30:40, 5:9] = 7
    values[45, 45] = 7
    recipe = LabelRecipe("quality/artefacts", CLASSES, {"origin": "method"}, factor=2)
    label = LabelWriter(path, header, recipe)
    label.class_map.write((0, 0), values)
    label.finish()
    return study


def _run(study: Study, *words: str) -> int:
    return main(["objects", str(study.path), "--label", "quality/artefacts", *words])


def test_regions_of_a_label_become_a_table(study: Study) -> None:
    assert _run(study) == 0
    found = read_objects(study.objects_path(SLIDE_ID, "quality/artefacts"))
    assert found.class_index.tolist() == [3, 7, 7]
    assert shapely.area(found.geometry).tolist() == [4 * 344, 4 * 40, 4 * 1]
    assert found.area_um2.tolist() == [344.0, 40.0, 1.0]
    assert found.probability.tolist() == [1.0] * 3
    assert found.geometry[0].bounds == (12.0, 8.0, 60.0, 40.0)
    assert found.geometry[0].interiors[0].bounds == (20.0, 16.0, 40.0, 24.0)
    assert found.source["label"] == "quality/artefacts"
    (record,) = study.provenance_path.glob("objects-*.json")
    assert str(study.path) not in record.read_text("utf8")
    assert json.loads(record.read_text("utf8"))["parameters"]["classes"] == [3, 7]


def test_classes_and_specks_can_be_left_out(study: Study) -> None:
    assert _run(study, "--classes", "fold", "--smallest-um2", "2") == 0
    found = read_objects(study.objects_path(SLIDE_ID, "quality/artefacts"))
    assert found.class_index.tolist() == [7]
    assert found.area_um2.tolist() == [40.0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--classes", "ink"], "allowed: pen, fold"),
        (["--smallest-um2", "-1"], "0 or more"),
        (["--smallest-um2", "nan"], "0 or more"),
        (["--label", "annotation/all"], "quality/artefacts"),
        (["--label", "prediction/nuclei"], "pathoai predict"),
    ],
)
def test_mistakes_end_in_one_line(
    study: Study, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(study, *words) == 1
    said = capsys.readouterr()
    assert says in said.err + said.out
    assert "Traceback" not in said.err
    assert not study.objects_path(SLIDE_ID, "quality/artefacts").exists()
