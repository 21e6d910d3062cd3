from __future__ import annotations

from pathlib import Path

import pytest

from pathoai.errors import AnnotationError, StudyError
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.readers.assignment import AssignmentTable, Role, assign
from pathoai_annotations.readers.tables_lock import tables_locked

BLIND = {"R1": Role.BLIND_READER, "R2": Role.BLIND_READER}


@pytest.fixture
def slides(study: Study, tmp_path: Path) -> list[str]:
    source = tmp_path / "other.svs"
    source.write_bytes(b"another")
    study.add([IncomingSlide(source)])
    return [row.slide_id for row in study.cohort]


def test_the_last_line_counts_and_every_change_stays(study: Study, slides: list[str]) -> None:
    assert AssignmentTable(study).current == ()
    assert assign(study, slides, BLIND) == 4
    assert assign(study, slides, BLIND) == 0
    assert assign(study, slides[:1], {"R2": Role.NONE}) == 1
    assert assign(study, slides[:1], {"R2": Role.READER, "R3": Role.ADJUDICATOR}) == 2
    assert assign(study, slides[1:], {"R1": Role.NONE}) == 1
    table = AssignmentTable(study)
    assert table.of_slide(slides[0]) == {
        "R1": Role.BLIND_READER,
        "R2": Role.READER,
        "R3": Role.ADJUDICATOR,
    }
    assert table.readers_of(slides[0]) == ("R1", "R2")
    assert table.of_slide(slides[1]) == {"R2": Role.BLIND_READER}
    assert table.of_reader("R1") == {slides[0]: Role.BLIND_READER}
    assert len(table.history) == 8
    text = (study.readers_path / "assignments.csv").read_text("utf8")
    assert text.splitlines()[0] == "at,slide_id,reader,role"


def test_nobody_judges_in_his_own_case(study: Study, slides: list[str]) -> None:
    assign(study, slides, BLIND)
    with pytest.raises(StudyError, match="cannot settle it as well"):
        assign(study, slides, {"R9": Role.READER, "R1": Role.ADJUDICATOR})
    assert AssignmentTable(study).of_reader("R9") == {}
    assign(study, slides, {"R3": Role.ADJUDICATOR})
    with pytest.raises(StudyError, match="cannot settle it as well"):
        assign(study, slides[:1], {"R3": Role.READER})


def test_a_forgotten_word_does_not_end_a_blind_reading(study: Study, slides: list[str]) -> None:
    assign(study, slides, BLIND)
    with pytest.raises(StudyError, match="blind no more"):
        assign(study, slides, {"R1": Role.READER})
    assert len(AssignmentTable(study).history) == 4


def test_names_and_unknown_slides_are_refused(study: Study, slides: list[str]) -> None:
    with pytest.raises(AnnotationError, match="short codes"):
        assign(study, slides, {"Jane Doe": Role.READER})
    with pytest.raises(StudyError, match="no such slide"):
        assign(study, ["FEDCBA9876543210"], BLIND)
    assert AssignmentTable(study).history == ()


def test_a_damaged_table_is_told_with_its_line(study: Study, slides: list[str]) -> None:
    assign(study, slides, BLIND)
    path = study.readers_path / "assignments.csv"
    good = path.read_text("utf8")
    for damage, message in {
        good.replace("blind-reader", "boss", 1): "line 2",
        good.replace("reader,role", "name,role"): "other columns",
        good + "2026,,R1,reader\n": "by code",
    }.items():
        path.write_text(damage, "utf8")
        with pytest.raises(StudyError, match=message):
            AssignmentTable(study)


def test_two_programs_take_turns(study: Study, slides: list[str]) -> None:
    with tables_locked(study):
        assert (study.readers_path / ".tables.lock").exists()
    assert assign(study, slides, BLIND) == 4
