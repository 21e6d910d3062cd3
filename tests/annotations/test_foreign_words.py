"""What of a file's free words enters a study, and what of a comment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pathoai.errors import AnnotationError
from pathoai.study.study import Study
from pathoai_annotations.foreign_words import with_known_words
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.journal.edit import words_of_names
from pathoai_annotations.journal.journal import Journal
from tests.annotations.conftest import Draw


@pytest.mark.parametrize(
    "name",
    [
        *("Area µm^2", "Nucleus: Circularity", "Nucleus: DAB OD mean", "Num Positive per mm^2"),
        *("Cell: Hematoxylin OD std dev", "Delaunay: Max triangle area", "Positive %", "n"),
    ],
)
def test_measurements_of_programs_are_kept(draw: Draw, name: str) -> None:
    report = ExchangeReport("geojson")
    one = replace(draw(), measurements={name: 1.0})
    assert with_known_words(one, report, where="a") is one
    assert not report.lost


@pytest.mark.parametrize("name", ["Martineau area", "Area of 22H04417", "Dr Quenneville: score"])
def test_measurements_that_may_name_someone_are_left_out_and_told(draw: Draw, name: str) -> None:
    report = ExchangeReport("geojson")
    one = replace(draw(), measurements={name: 1.0, "Area": 2.0})
    assert dict(with_known_words(one, report, where="a").measurements) == {"Area": 2.0}
    assert sum(report.lost.values()) == 1
    kept = with_known_words(one, ExchangeReport("geojson"), where="a", also=[name])
    assert kept.measurements == one.measurements


def test_a_source_stays_in_the_forms_that_pathoai_writes(draw: Draw) -> None:
    for source, stays in (
        ("model:unet@" + "ab" * 32, True),
        ("method:hematoxylin", True),
        ("annotation:5b0ce1f4-7bd6-5a0c-9d3c-3a5d7f0c9a41", True),
        ("model:odile@hospital.example", False),
        ("reader:Martineau Odile", False),
    ):
        report = ExchangeReport("geojson")
        made = with_known_words(draw(derived_from=source), report, where="a")
        assert (made.derived_from == source, not report.lost) == (stays, stays)


@pytest.mark.parametrize(
    "text",
    [
        "as Dr Quenneville said",
        "Mme Martineau",
        "born 21/03/1947",
        "see the case of Jane",
        "JANE said so",
    ],
)
def test_a_comment_that_names_someone_is_refused_and_not_repeated(
    study: Study, slide_id: str, text: str
) -> None:
    with Journal.open(study) as journal:
        with pytest.raises(AnnotationError, match="identified a person") as caught:
            journal.comment(text, slide_id=slide_id, author="R1")
        assert text not in str(caught.value)
        journal.comment("a fold, drawn around; M1 and Ki67 agree", slide_id=slide_id, author="R1")


def test_words_of_every_laboratory_name_nobody(tmp_path: Path) -> None:
    assert words_of_names(["MARTINEAU_Odile breast biopsy.svs"]) == {"martineau", "odile"}
