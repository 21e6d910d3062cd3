"""A verdict: the reader's grade first, then the models'; signed, locked, reopened, and logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pathoai.errors import AnnotationError, OntologyError
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.reading_room import make_room
from pathoai_annotations.review.slide_lock import check_unlocked
from pathoai_annotations.review.verdict import SEEN, SlideVerdict
from tests.annotations.readers.read_study import made_study, slide_ids
from tests.annotations.review.graded import GRADER, grade


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    made = made_study(tmp_path / "study", slides=1)
    (slide_id,) = slide_ids(made)
    grade(made, slide_id)
    assign(made, [slide_id], {"R1": Role.READER, "R2": Role.READER})
    return made


@pytest.fixture
def slide_id(study: Study) -> str:
    (slide_id,) = slide_ids(study)
    return slide_id


@pytest.fixture
def journal(study: Study) -> Iterator[Journal]:
    with Journal.open(study) as opened:
        yield opened


def opened(
    study: Study, journal: Journal, reader: str = "R1", *, own_first: bool = True
) -> SlideVerdict:
    store = SlideStore(study.store_path(slide_ids(study)[0]))
    return SlideVerdict(study, store, journal, reader, own_grade_first=own_first)


def saw_model(verdict: SlideVerdict) -> bool:
    return verdict.saw_model


def is_locked(verdict: SlideVerdict) -> bool:
    return verdict.is_locked


def test_models_speak_once_the_reader_has_chosen_and_the_journal_says_what_he_chose(
    study: Study, journal: Journal, slide_id: str
) -> None:
    verdict = opened(study, journal)
    assert verdict.awaits_grade(hidden=False)
    assert verdict.models(hidden=False) == ()
    assert not saw_model(verdict)
    with pytest.raises(OntologyError, match="no grade of a slide"):
        verdict.choose("stroma")
    verdict.choose("lsil")
    assert next(iter(verdict.models(hidden=False))).model == GRADER
    assert saw_model(verdict)
    verdict.choose("hsil")
    verdict.models(hidden=False)
    comments = [event.comment for event in journal.events(slide_id) if event.comment]
    assert comments == [f"{SEEN}; own grade before it: lsil"]
    # Another day: what he saw is not forgotten, though he did not sign.
    assert opened(study, journal).saw_model
    verdict.sign_off(seconds=12.5, comment="clear")
    (signed,) = journal.sign_offs(slide_id)
    assert (signed.grade, signed.with_model, signed.seconds) == ("hsil", True, 12.5)
    assert signed.comment == "clear"


def test_who_signs_without_seeing_it_read_without_the_model(
    study: Study, journal: Journal, slide_id: str
) -> None:
    verdict = opened(study, journal)
    verdict.choose("benign")
    assert verdict.models(hidden=True) == ()
    assert not verdict.awaits_grade(hidden=True)
    verdict.sign_off()
    (signed,) = journal.sign_offs(slide_id)
    assert (signed.grade, signed.with_model) == ("benign", False)


def test_whoever_wants_hears_models_first_and_that_is_logged(
    study: Study, journal: Journal, slide_id: str
) -> None:
    verdict = opened(study, journal, own_first=False)
    assert verdict.models(hidden=False)
    (said,) = [event.comment for event in journal.events(slide_id)]
    assert said == f"{SEEN}; own grade before it: none"


def test_signing_locks_the_slide_for_its_reader_until_he_reopens_it(
    study: Study, journal: Journal, slide_id: str
) -> None:
    verdict = opened(study, journal)
    verdict.choose("hsil")
    verdict.sign_off()
    assert is_locked(verdict)
    with pytest.raises(AnnotationError, match=r"locked.*reopen it in the tab Verdict"):
        check_unlocked(journal, [slide_id], "R1")
    check_unlocked(journal, [slide_id], "R2")
    verdict.sign_off()
    assert len(journal.sign_offs(slide_id)) == 1
    verdict.reopen(comment="a second look")
    assert not is_locked(verdict)
    check_unlocked(journal, [slide_id], "R1")
    again = opened(study, journal)
    assert (again.is_locked, again.chosen) == (False, "hsil")
    again.choose("lsil")
    again.sign_off()
    assert [s.stands for s in again.signatures()] == [False, True]
    assert [s.grade for s in again.signatures()] == ["hsil", "lsil"]


def test_others_grades_are_shown_once_the_reader_has_signed(study: Study, journal: Journal) -> None:
    first = opened(study, journal, "R2")
    first.choose("lsil")
    first.sign_off()
    verdict = opened(study, journal)
    assert [(s.reader, s.grade) for s in verdict.signatures()] == [("R2", "")]
    verdict.choose("hsil")
    verdict.sign_off()
    shown = [(s.reader, s.grade) for s in verdict.signatures()]
    assert shown == [("R2", "lsil"), ("R1", "hsil")]


def test_whoever_is_not_to_read_the_slide_cannot_sign_it(study: Study, journal: Journal) -> None:
    verdict = opened(study, journal, "R9")
    verdict.choose("hsil")
    with pytest.raises(AnnotationError, match="not to read the slide"):
        verdict.sign_off()


def test_a_blind_reader_hears_nothing(study: Study, slide_id: str, tmp_path: Path) -> None:
    assign(study, [slide_id], {"R3": Role.BLIND_READER})
    make_room(study, "R3", tmp_path / "room")
    room = Study(tmp_path / "room")
    with Journal.open(room) as journal:
        verdict = opened(room, journal, "R3", own_first=False)
        assert verdict.models(hidden=False) == ()
        verdict.choose("hsil")
        assert verdict.models(hidden=False) == ()
        verdict.sign_off()
        (signed,) = journal.sign_offs(slide_id)
        assert signed.with_model is False
        assert [s.reader for s in verdict.signatures()] == ["R3"]


def test_an_ontology_without_ranks_has_no_grades_unless_a_model_grades_by_its_classes(
    tmp_path: Path, study: Study, slide_id: str, journal: Journal
) -> None:
    breast = Study.create(tmp_path / "breast", ontology="breast")
    Cohort([CohortRow(slide_id)]).write(breast.path / "cohort.csv")
    store = SlideStore(study.store_path(slide_id))
    with Journal.open(breast) as own:
        verdict = SlideVerdict(breast, store, own, "R1")
        assert verdict.grades == ()
        assert verdict.models(hidden=False) == (), "nobody waits for a grade"
        verdict.sign_off()
        assert verdict.is_locked
    assert [c.key for c in opened(study, journal).grades][:2] == ["benign", "lsil"]
