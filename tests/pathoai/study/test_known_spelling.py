"""A study from before identifiers had one spelling goes on with the codes that it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pathoai.errors import StudyError
from pathoai.privacy.pseudonym import codes_of_all_spellings, load_or_create_key
from pathoai.privacy.tombstones import TABLE, Reason, TombstoneKind, Tombstones
from pathoai.study.cohort import Cohort, IncomingSlide
from pathoai.study.import_columns import import_columns
from pathoai.study.known_spelling import refuse_other_spellings
from pathoai.study.study import Study

_COMPOSED, _APART = "\u00c9lo\u00efse", "E\u0301loi\u0308se"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "study", ontology="breast")
    for name in "ab":
        (tmp_path / f"{name}.svs").write_bytes(name.encode())
    study.add(IncomingSlide(tmp_path / f"{name}.svs") for name in "ab")
    return study


@pytest.fixture
def earlier(study: Study) -> str:
    """The code that the name had as macOS writes it."""
    key = load_or_create_key(study.vault)
    (code,) = codes_of_all_spellings(key, "patient", _COMPOSED)[1:]
    return code


def _given_to_the_first(study: Study, code: str) -> None:
    first, second = study.cohort
    Cohort([replace(first, patient_id=code), second]).write(study.path / "cohort.csv")


@pytest.mark.parametrize("typed", [_COMPOSED, _APART])
def test_a_table_gives_the_code_that_the_study_has(study: Study, earlier: str, typed: str) -> None:
    _given_to_the_first(study, earlier)
    table = study.path.parent / "table.csv"
    ids = [row.slide_id for row in study.cohort]
    table.write_text("slide_id,patient\n" + "".join(f"{one},{typed}\n" for one in ids), "utf8")
    assert {row.patient_id for row in import_columns(study, table)} == {earlier}


@pytest.mark.parametrize("typed", [_COMPOSED, _APART])
def test_nobody_gets_a_second_code_by_add(study: Study, earlier: str, typed: str) -> None:
    folder = study.path.parent
    (folder / "c.svs").write_bytes(b"c")
    slides = [IncomingSlide(folder / "c.svs"), IncomingSlide(folder / "b.svs", patient=typed)]
    refuse_other_spellings(study, slides)  # a new patient as yet
    _given_to_the_first(study, earlier)
    before = study.cohort
    with pytest.raises(StudyError, match=f"slide 2.*patient {earlier}.*cohort import") as caught:
        study.add(slides)
    assert typed not in str(caught.value)
    assert list(study.cohort) == list(before)


def test_who_left_under_an_earlier_code_does_not_come_in(study: Study, earlier: str) -> None:
    stones = Tombstones().added([earlier], TombstoneKind.PATIENT, Reason.OPPOSITION)
    stones.write(study.path / TABLE)
    slide = IncomingSlide(study.path.parent / "b.svs", patient=_COMPOSED)
    with pytest.raises(StudyError, match=r"slide 1.*taken out of the study"):
        study.add([slide])
    assert all(not row.patient_id for row in study.cohort)
