"""From training to a warning: a bundle knows its training data; a prediction says what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from pathoai.cli.main import main
from pathoai.inference.report_file import read_report
from pathoai.models.bundle import load_bundle, load_network, save_bundle
from pathoai.models.reference_statistics import ReferenceStatistics
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from tests.training.conftest import code, painted, write_store

NAME = "breast-tissue-segmentation"
StudyMaker = Callable[..., Study]


def _darker(seed: int, side_px: int = 512) -> tuple[np.ndarray, np.ndarray]:
    image, values = painted(seed, side_px)
    return (255 * (image / 255.0) ** 2).astype(np.uint8), values


@pytest.fixture
def trained(make_study: StudyMaker, small: list[str], monkeypatch: pytest.MonkeyPatch) -> Study:
    """Eight patients, two models of the same weights, and two slides more: usual, and darker."""
    study = make_study(*(code("P", i) for i in range(8)))
    words = [word for override in small for word in ("--set", override)]
    line = ["train", str(study.path), "--recipe", NAME, "--name", "one", "--device", "cpu"]
    assert main([*line, *words]) == 0
    bundle = load_bundle(folder := study.model_path("one"))
    network = load_network(folder, bundle, torch.device("cpu"))
    save_bundle(study.model_path("two"), replace(bundle, name="two"), network)
    rows = [CohortRow(code("S", i), patient_id=code("P", i)) for i in range(10)]
    Cohort(rows).write(study.path / "cohort.csv")
    write_store(study.store_path(code("S", 8)), code("S", 8), seed=50)
    monkeypatch.setattr("tests.training.conftest.painted", _darker)
    write_store(study.store_path(code("S", 9)), code("S", 9), seed=50)
    return study


def test_an_unusual_slide_is_named_in_its_result(
    trained: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, darker = code("S", 8), code("S", 9)
    reference = load_bundle(trained.model_path("one")).reference
    subsets = load_bundle(trained.model_path("one")).training["split"]["tiles"]
    stain, tiles = (ReferenceStatistics.from_dict(reference[k]) for k in ("stain", "tiles"))
    assert 3 <= len(stain.distances) < 8
    assert len(tiles.distances) == min(1000, subsets["train"])
    assert not any(code("S", i) in json.dumps(reference) for i in range(8))

    words = ["predict", str(trained.path), "--model", "one", "--device", "cpu"]
    capsys.readouterr()
    assert main([*words, "--ensemble", "two", "--tta", "--slides", usual, darker]) == 0
    printed = capsys.readouterr().out
    label = "prediction/one"
    found = {key: read_report(trained.report_path(key, label)) for key in (usual, darker)}
    assert found[usual]["warnings"] == []
    assert [w.split(":")[0] for w in found[darker]["warnings"]] == [
        "unusual stain",
        "unusual tissue",
    ]
    assert printed.count("unusual stain") == 1
    assert found[darker]["stain"]["percentile"] == found[darker]["stain"]["highest_percentile"]
    assert found[usual]["tiles"]["share_beyond_95"] < 0.3
    assert found[darker]["tiles"]["share_beyond_95"] > 0.9
    for report in found.values():
        assert set(report["uncertainty"]) == {"entropy", "mutual_information"}
        assert 0 < report["uncertainty"]["entropy"]["mean"] < 1
        assert set(report["about"]["members"]) == {"one", "two"}
        assert (
            report["about"] == SlideStore(trained.store_path(report["slide_id"])).label(label).about
        )
    assert trained.report_path(usual, label).parent in trained.derived_copies(usual)
    record = json.loads(sorted(trained.provenance_path.glob("predict-*"))[-1].read_text("utf8"))
    assert record["parameters"]["test_time_augmentation"] == "D4"

    before = trained.report_path(darker, label).read_bytes()
    assert main([*words, "--ensemble", "two", "--tta", "--slides", darker]) == 0
    assert trained.report_path(darker, label).read_bytes() == before
    assert main([*words, "--ensemble", "one"]) == 1
    assert "twice" in capsys.readouterr().err
