"""``pathoai label --marker``: what a restained slide shows becomes a label of the H&E slide."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pathoai.cli.main import main
from pathoai.ontology import NOT_ASSESSED, LabelClass, load_ontology
from pathoai.quality.artefacts import ARTEFACTS, LABEL
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState, tile_grid
from pathoai.registration.transform import PlacedSlide, SlideTransform
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study

HE, IHC, SECOND = (f"{letter}{0:015d}" for letter in "ABC")
SIDE = 512
# (x, y, radius) of what the antibody binds, in pixels of 0.5 µm.
DISCS = [(120, 130, 30), (300, 250, 50), (420, 100, 20)]
Capture = pytest.CaptureFixture[str]


def _discs() -> NDArray[np.bool_]:
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.asarray(np.any([(x - a) ** 2 + (y - b) ** 2 < r**2 for a, b, r in DISCS], axis=0))


def _store(study: Study, slide_id: str, outside: tuple[int, ...], inside: tuple[int, ...]) -> None:
    header = StoreHeader(slide_id, SIDE, SIDE, 0.5, 0.5, 0.5)
    noise = np.random.default_rng(0).integers(-6, 7, (3, SIDE, SIDE))
    colour = np.where(_discs(), np.array(inside)[:, None, None], np.array(outside)[:, None, None])
    image = ImageWriter(study.store_path(slide_id), header)
    image.finest.write((0, 0), np.clip(colour + noise, 0, 255).astype(np.uint8))
    kind = LabelClass(1, "tissue", "Tissue", "Tissu", "#56b4e9")
    tissue = LabelWriter(study.store_path(slide_id), header, LabelRecipe("tissue", (kind,), {}))
    tissue.class_map.write((0, 0), np.ones((SIDE, SIDE), np.uint8))
    tissue.finish()
    # Painted tissue has no texture to be in focus: what is there is used, not made again.
    about = {"origin": "method", "not_assessed": []}
    quality = LabelWriter(
        study.store_path(slide_id), header, LabelRecipe(LABEL, ARTEFACTS, about, factor=32)
    )
    quality.class_map.write((0, 0), np.zeros((SIDE // 32, SIDE // 32), np.uint8))
    quality.finish()
    image.finish()


@pytest.fixture
def restained(study: Study) -> Study:
    """A study of one section: pink in H&E, and with brown discs."""
    rows = [
        CohortRow(HE, pair="one"),
        CohortRow(IHC, stain="IHC", pair="one", marker="AE1-AE3"),
    ]
    Cohort(rows).write(study.path / "cohort.csv")
    _store(study, HE, (225, 160, 200), (205, 140, 190))
    _store(study, IHC, (215, 218, 232), (140, 100, 70))
    return study


def _register(study: Study) -> None:
    here, there = (PlacedSlide.of_store(SlideStore(study.store_path(c))) for c in (HE, IHC))
    grid = tile_grid(here, 64.0)
    shape = (grid.size_px.height, grid.size_px.width)
    quality = RegistrationQuality(
        64.0,
        grid,
        np.ones(shape, np.float32),
        np.zeros(shape, np.float32),
        np.full(shape, np.uint8(TileState.BELIEVABLE)),
    )
    transform = SlideTransform(here, there, np.eye(2, 3))
    Registration(transform, quality).save(study.registration_path(HE, IHC))


def _label(study: Study, *words: str) -> int:
    return main(["label", str(study.path), *words, "--device", "cpu"])


def _error(capsys: Capture) -> str:
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pathoai: error: ")]
    assert "bug" not in line
    return line


def test_the_label_is_where_the_brown_is(restained: Study, capsys: Capture) -> None:
    _register(restained)
    for _ in range(2):
        assert _label(restained, "--marker", "AE1AE3") == 0
        said = capsys.readouterr().out
        assert said.startswith(f"{HE}: label ihc/AE1AE3: ")
        assert "epithelial cell" in said
    found = SlideStore(restained.store_path(HE)).label("ihc/AE1AE3").read_all()
    known = found != NOT_ASSESSED
    assert known.mean() > 0.9
    index = load_ontology("breast")["epithelial_cell"].index
    np.testing.assert_array_equal((found == index)[known], _discs()[known])


def test_the_record_names_what_the_label_rests_on(restained: Study) -> None:
    _register(restained)
    assert _label(restained, "--marker", "AE1AE3") == 0
    records = [json.loads(f.read_text("utf8")) for f in restained.provenance_path.glob("*.json")]
    (record,) = [r for r in records if r["command"] == "label"]
    assert set(record["inputs"]) == {f"store/{HE}", f"store/{IHC}", f"registration/{HE}--{IHC}"}
    assert set(record["outputs"]) == {f"label/{HE}/ihc/AE1AE3", f"label/{HE}/trust/AE1AE3"}
    assert str(restained.path) not in json.dumps(record)


def test_without_a_registration_the_remedy_is_to_register(
    restained: Study, capsys: Capture
) -> None:
    assert _label(restained, "--marker", "AE1AE3") == 1
    assert "pathoai register" in _error(capsys)
    assert "ihc/AE1AE3" not in SlideStore(restained.store_path(HE)).labels


def test_a_recipe_of_ones_own(restained: Study, tmp_path: Path, capsys: Capture) -> None:
    _register(restained)
    recipe = tmp_path / "strict.yaml"
    text = (
        "key: STRICT\ntitle: only the darkest\nnames: [AE1-AE3]\ntargets:\n  - {class: cell, "
        "chromogen: dab, compartment: cytoplasm, lowest_od: 0.3, highest_od: 0.9}\n"
    )
    recipe.write_text(text, "utf8")
    assert _label(restained, "--marker", "AE1-AE3", "--recipe", str(recipe)) == 0
    assert "ihc/STRICT" in SlideStore(restained.store_path(HE)).labels
    recipe.write_text(text.replace("title", "titel"), "utf8")
    assert _label(restained, "--marker", "AE1-AE3", "--recipe", str(recipe)) == 1
    assert "did you mean 'title'" in _error(capsys)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--marker", "AE1AE"), "did you mean 'AE1AE3'"),
        (("--marker", "PHH3"), "no pair of the cohort shows this marker.*AE1-AE3"),
        (("--method", "hematoxylin", "--recipe", "x.yaml"), "a recipe is for a marker"),
    ],
)
def test_mistakes_end_in_one_line(
    restained: Study, words: tuple[str, ...], says: str, capsys: Capture
) -> None:
    assert _label(restained, *words) == 1
    assert re.search(says, _error(capsys))


def test_two_twins_of_one_marker_are_refused(restained: Study, capsys: Capture) -> None:
    rows = [*restained.cohort, CohortRow(SECOND, stain="AE1AE3", pair="one")]
    Cohort(rows).write(restained.path / "cohort.csv")
    assert _label(restained, "--marker", "AE1AE3") == 1
    assert "two slides were restained" in _error(capsys)
    assert _label(restained, "--marker", "AE1AE3", "--slides", IHC) == 1
    assert "pathoai register" in _error(capsys)
