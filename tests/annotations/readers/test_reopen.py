"""A sign-off that is taken back counts nowhere, until the slide is signed off again."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.errors import AnnotationError, StudyError
from pathoai_annotations.agreement.agree_study import disagreements
from pathoai_annotations.agreement.grade_scale import GradeScale
from pathoai_annotations.agreement.study_readings import gather_readings
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.blindness import check_may_work
from pathoai_annotations.readers.progress import is_read, readings
from pathoai_annotations.readers.sign_off import adjudicate_slide, reopen_slide, sign_off_slide
from tests.annotations.readers.read_study import LESION, made_study, read, slide_ids

Capture = pytest.CaptureFixture[str]


def test_what_was_reopened_is_unread_for_everybody(tmp_path: Path, capsys: Capture) -> None:
    study = made_study(tmp_path / "study", slides=2)
    first, second = slide_ids(study)
    assign(study, [first, second], {"R1": Role.READER, "R2": Role.READER, "R3": Role.ADJUDICATOR})
    assign(study, [first], {"R4": Role.BLIND_READER})
    read(study, first, "R1", "hsil", outlines=[("hsil", LESION)])
    read(study, first, "R2", "lsil")
    with Journal.open(study) as journal:  # as his room was collected
        journal.sign_off(first, author="R4", grade="lsil")
    check_may_work(study, "R4", [first])
    words = ["--reader", "R1", "--slide", first]
    assert main(["readers", "reopen", str(study.path), *words, "--comment", "one more focus"]) == 0
    assert "reopened by R1" in capsys.readouterr().out
    assert not is_read(readings(study), first)
    assert main(["readers", "status", str(study.path)]) == 0
    shown = {tuple(line.split()[:2]): line for line in capsys.readouterr().out.splitlines()}
    assert shown[first, "R1"].endswith("no, reopened")
    assert shown[first, "R2"].endswith("yes")
    with pytest.raises(StudyError, match="still to sign off: R1"):
        adjudicate_slide(study, first, adjudicator="R3", grade="hsil")
    with pytest.raises(AnnotationError, match="not all readers have signed off"):
        check_may_work(study, "R4", [first])
    scale = GradeScale.of(study.ontology)
    work = gather_readings(study, scale)
    assert ("R1", first) in {(one.reader, one.slide_id) for one in work.missing}
    assert list(disagreements(work)) == []
    assert main(["readers", "reopen", str(study.path), *words]) == 1
    assert "no sign-off to be taken back" in capsys.readouterr().err
    with pytest.raises(AnnotationError, match="short codes"):
        reopen_slide(study, first, reader="Jane Doe")
    sign_off_slide(study, first, reader="R1", grade="hsil")
    assert is_read(readings(study), first)
    assert len(list(disagreements(gather_readings(study, scale)))) > 0


def test_where_nobody_was_asked_to_read_whoever_did_signs_off(tmp_path: Path) -> None:
    study = made_study(tmp_path / "study", slides=2)
    first, second = slide_ids(study)
    sign_off_slide(study, first, reader="R9")
    assign(study, [second], {"R1": Role.READER})
    with pytest.raises(AnnotationError, match="this person is not to read the slide"):
        sign_off_slide(study, second, reader="R9")
    assert [(one.reader, one.role) for one in readings(study) if one.signed] == [("R9", Role.NONE)]


def test_the_same_word_again_adds_nothing_until_something_was_done(tmp_path: Path) -> None:
    study = made_study(tmp_path / "study", slides=1)
    (slide,) = slide_ids(study)

    def signed(
        reader: str, *, grade: str, with_model: bool = False, seconds: float | None = None
    ) -> int:
        sign_off_slide(
            study, slide, reader=reader, grade=grade, with_model=with_model, seconds=seconds
        )
        with Journal.open(study) as journal:
            return len(journal.sign_offs(slide))

    assert [signed("R1", grade="hsil") for _ in range(2)] == [1, 1]
    assert signed("R2", grade="hsil") == 2
    assert signed("R1", grade="hsil") == 2
    assert signed("R1", grade="lsil") == 3
    assert signed("R1", grade="lsil", with_model=True) == 4
    assert signed("R1", grade="lsil", with_model=True, seconds=3.0) == 5
    reopen_slide(study, slide, reader="R1")
    assert signed("R1", grade="lsil", with_model=True) == 6
    with Journal.open(study) as journal:
        outline = Annotation(uuid.uuid4(), slide, "hsil", LESION, Origin.PATHOLOGIST, "R2")
        journal.propose([outline])
    assert signed("R1", grade="lsil", with_model=True) == 7
