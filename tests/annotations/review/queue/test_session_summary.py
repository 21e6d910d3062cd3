"""The summary says what was done, as it stands, and how far the model sways the reader."""

from __future__ import annotations

import uuid

import shapely

from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.review.session_summary import ModelAgreement, summarise
from tests.annotations.review.queue.queue_study import SLIDE
from tests.annotations.review.queue.test_region_review import begin


def test_a_session_and_the_slide_are_told_apart(
    study: Study, store: SlideStore, journal: Journal
) -> None:
    regions = begin(study, store, journal)
    regions.enter()
    regions.accept()
    since = max(e.seq for e in journal.events(SLIDE))
    regions.next()
    regions.enter()
    one, other = [a for a in journal.annotations(SLIDE) if a.status == "proposed"]
    action = uuid.uuid4()
    journal.correct(one.id, author="R1", label="benign", action=action)
    here = regions.queue.regions[1].region
    drawn = Annotation(
        uuid.uuid4(),
        SLIDE,
        "hsil",
        shapely.box(here.x + 5, here.y + 5, here.x + 45, here.y + 45),
        Origin.PATHOLOGIST,
        "R1",
    )
    journal.propose([drawn])
    journal.validate([drawn.id], author="R1", action=uuid.uuid4())
    journal.reject([other.id], author="R1", action=uuid.uuid4())
    regions.correct()
    regions.next()
    regions.enter()
    regions.unsure()
    summary = summarise(journal, regions, 2.0, since_seq=since)
    session, slide = summary.session, summary.slide
    assert session.regions == {
        (RegionKind.COSTLY, Outcome.CORRECTED): 1,
        (RegionKind.COSTLY, Outcome.UNSURE): 1,
    }
    assert (session.accepted, session.corrected, session.rejected, session.drawn) == (0, 1, 1, 1)
    assert (slide.accepted, slide.corrected, slide.rejected, slide.drawn) == (2, 1, 1, 1)
    assert (slide.read, slide.of_outcome(Outcome.ACCEPTED)) == (3, 1)
    assert slide.of_kind(RegionKind.COSTLY) == 3
    assert summary.actions == 5
    assert summary.seconds == 2.0
    assert summary.queue.left == 17


def test_what_was_undone_is_not_in_it(study: Study, store: SlideStore, journal: Journal) -> None:
    regions = begin(study, store, journal)
    regions.enter()
    regions.accept()
    journal.undo(SLIDE, author="R1")
    regions.refresh()
    session = summarise(journal, regions, 0.0, since_seq=0).session
    assert (session.read, session.accepted) == (0, 0)


def test_agreement_where_the_model_was_hidden_and_where_it_was_shown(
    study: Study, store: SlideStore, journal: Journal
) -> None:
    regions = begin(study, store, journal)
    for at, one in enumerate(regions.queue.regions):
        if one.kind is RegionKind.COSTLY:
            continue
        regions.jump(at)
        regions.enter()
        regions.accept()  # in random regions all that is shown; in controls nothing is drawn
    summary = summarise(journal, regions, 0.0, since_seq=0)
    assert summary.hidden == ModelAgreement(2, 0.0)
    assert summary.shown == ModelAgreement(2, 1.0)
    assert ModelAgreement.of([]) == ModelAgreement(0, None)
