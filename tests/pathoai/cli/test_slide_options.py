"""Slides are named by their codes, or by how only one of them begins."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from pathoai.cli.each_slide import chosen_slides
from pathoai.cli.main import main
from pathoai.cli.slide_options import add_slides, complete_codes
from pathoai.errors import StudyError
from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, save_bundle
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec

ONE, TWO, THREE = "AB" + "0" * 14, "AC" + "0" * 14, "D" + "0" * 15
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study.create(tmp_path / "study", ontology="breast")
    Cohort(map(CohortRow, (ONE, TWO, THREE))).write(made.path / "cohort.csv")
    return made


def test_a_start_is_enough_where_only_one_begins_so(study: Study) -> None:
    assert [row.slide_id for row in chosen_slides(study, ["ac", "D", ONE])] == [TWO, THREE, ONE]
    with pytest.raises(
        StudyError, match=f"several slides begin so; found A; allowed: {ONE}, {TWO}"
    ):
        chosen_slides(study, ["A"])
    for unknown in ("B", ""):
        with pytest.raises(StudyError, match=f"no such slide.*allowed: {ONE}, {TWO}, {THREE}"):
            chosen_slides(study, [unknown])


def test_options_get_whole_codes_and_what_is_not_given_stays(study: Study) -> None:
    parser = ArgumentParser()
    add_slides(parser)
    options = parser.parse_args(["--slides", "ab", "d"])
    complete_codes(study, options)
    assert options == Namespace(slides=[ONE, THREE])
    for options in (Namespace(slides=None, slide=None), Namespace()):
        before = Namespace(**vars(options))
        complete_codes(study, options)
        assert options == before


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "STUDY", "--model", "tiny", "--device", "cpu", "--slides"],
        ["tile", "STUDY", "--slides"],
        ["qc", "STUDY", "--slides"],
        ["overview", "STUDY", "--slides"],
        ["objects", "STUDY", "--label", "tissue", "--slides"],
        ["register", "STUDY", "--slides"],
        ["store", "info", "STUDY", "--slides"],
        ["label", "STUDY", "--method", "annotations", "--slides"],
        ["label", "STUDY", "--marker", "AE1AE3", "--counts", "--slides"],
        ["readers", "assign", "STUDY", "--readers", "R1", "--slides"],
        ["readers", "room", "STUDY", "--reader", "R1", "--out", "room", "--slides"],
        ["readers", "sign-off", "STUDY", "--reader", "R1", "--slide"],
        ["annotations", "log", "STUDY", "--slide"],
        ["annotations", "export", "STUDY", "out.geojson", "--slide"],
        ["annotations", "validate", "STUDY", "--author", "R1", "--slide"],
        ["annotations", "transfer", "STUDY", "--from", "D", "--to"],
    ],
)
def test_every_command_takes_a_start_and_refuses_what_could_be_two(
    study: Study, words: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.path.parent)
    described = ModelBundle(
        "tiny",
        "unet",
        {"width": 2, "depth": 1},
        "breast",
        study.ontology.version,
        ("background", study.ontology.classes[1].key),
        TileSpec(64, 0.5),
    )
    network = build_network("unet", classes=2, arguments=described.arguments)
    save_bundle(study.model_path("tiny"), described, network)
    given = [str(study.path) if word == "STUDY" else word for word in words]
    assert main([*given, "A"]) == 1
    said = capsys.readouterr().err
    assert f"several slides begin so; found A; allowed: {ONE}, {TWO}" in said
    # What is done for it may fail: it is not tiled. But the slide was found.
    main([*given, "ac"])
    assert "no such slide" not in capsys.readouterr().err
