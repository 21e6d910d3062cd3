"""``pathoai label --marker``: what a restained slide shows becomes a label of the H&E slide."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pathoai.cli.main import main
from pathoai.ontology import NOT_ASSESSED, load_ontology
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from tests.annotations.restained_discs import HE, IHC, discs, make_pair, register_pair_as_is

SECOND = f"C{0:015d}"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def restained(study: Study) -> Study:
    """A study of one section: pink in H&E, and with brown discs."""
    make_pair(study, "AE1-AE3")
    return study


def _label(study: Study, *words: str) -> int:
    return main(["label", str(study.path), *words, "--device", "cpu"])


def _error(capsys: Capture) -> str:
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pathoai: error: ")]
    assert "bug" not in line
    return line


def test_the_label_is_where_the_brown_is(restained: Study, capsys: Capture) -> None:
    register_pair_as_is(restained)
    for _ in range(2):
        assert _label(restained, "--marker", "AE1AE3") == 0
        said = capsys.readouterr().out
        assert said.startswith(f"{HE}: label ihc/AE1AE3: ")
        assert "epithelial cell" in said
    found = SlideStore(restained.store_path(HE)).label("ihc/AE1AE3").read_all()
    known = found != NOT_ASSESSED
    assert known.mean() > 0.9
    index = load_ontology("breast")["epithelial_cell"].index
    np.testing.assert_array_equal((found == index)[known], discs()[known])


def test_the_record_names_what_the_label_rests_on(restained: Study) -> None:
    register_pair_as_is(restained)
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
    register_pair_as_is(restained)
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


def test_a_pair_that_is_none_stops_only_itself(restained: Study, capsys: Capture) -> None:
    """An H&E slide whose twin is still to come, and a twin whose H&E slide was not entered."""
    register_pair_as_is(restained)
    waiting = CohortRow(SECOND, pair="two")
    Cohort([*restained.cohort, waiting]).write(restained.path / "cohort.csv")
    assert _label(restained, "--marker", "AE1AE3") == 0
    assert f"{HE}: label ihc/AE1AE3: " in capsys.readouterr().out
    assert _label(restained, "--marker", "AE1AE3", "--slides", SECOND) == 1
    assert "found 1 in H&E, 0 restained" in _error(capsys)
    alone = CohortRow(f"D{0:015d}", stain="AE1AE3", pair="three")
    Cohort([*restained.cohort, alone]).write(restained.path / "cohort.csv")
    assert _label(restained, "--marker", "AE1AE3") == 1
    captured = capsys.readouterr()
    assert f"{HE}: label ihc/AE1AE3: " in captured.out
    assert "pair three: a pair is one H&E slide and what was restained of it" in captured.err
