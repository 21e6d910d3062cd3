"""Going through a queue: what each decision does to the journal, and where one comes back to."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import shapely

from pathoai.errors import AnnotationError
from pathoai.geometry import Region
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.review import region_review
from pathoai_annotations.review.model_proposals import ModelProposals, holds_centre
from pathoai_annotations.review.reading_clock import ReadingClock
from pathoai_annotations.review.reading_plan import ReadingPlan
from pathoai_annotations.review.region_review import QueueCounts, RegionReview
from tests.annotations.review.queue.queue_study import MODEL, SETTINGS, SLIDE


@pytest.fixture
def regions(study: Study, store: SlideStore, journal: Journal) -> RegionReview:
    return begin(study, store, journal)


def begin(study: Study, store: SlideStore, journal: Journal) -> RegionReview:
    """A reader who needs a second for all he does."""
    queue = ReadingPlan(SETTINGS).queue(study, store, "R1")
    seconds = itertools.count()
    return RegionReview(
        journal,
        queue,
        "R1",
        proposals=ModelProposals(study, store, MODEL),
        clock=ReadingClock(0),
        now=lambda: float(next(seconds)),
    )


def states(journal: Journal, region: Region) -> list[Status]:
    found = journal.annotations(SLIDE, region=region)
    return [a.status for a in found if holds_centre(region, a.geometry)]


def go_to(regions: RegionReview, kind: RegionKind) -> Region:
    """The first region of a kind."""
    at = next(i for i, one in enumerate(regions.queue.regions) if one.kind is kind)
    regions.enter()
    return regions.jump(at).region


def hides_model(regions: RegionReview) -> bool:
    """Asked anew each time."""
    return regions.hides_model


def draw(journal: Journal, shape: shapely.Polygon, label: str = "hsil") -> Annotation:
    drawn = Annotation(uuid.uuid4(), SLIDE, label, shape, Origin.PATHOLOGIST, "R1")
    journal.propose([drawn])
    journal.validate([drawn.id], author="R1")
    return drawn


def test_entering_brings_in_what_the_model_found(regions: RegionReview, journal: Journal) -> None:
    assert not journal.annotations(SLIDE), "nothing is entered before a region is"
    here = go_to(regions, RegionKind.COSTLY)
    assert regions.enter() == 2
    assert regions.enter() == 2, "once more, and nothing is new"
    assert states(journal, here) == [Status.PROPOSED] * 2
    assert len(journal.annotations(SLIDE)) == 2


def test_accepting_validates_all_that_is_open_here_in_one_action(
    regions: RegionReview, journal: Journal
) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    regions.jump(1)
    regions.enter()
    there = regions.queue.regions[1].region
    regions.jump(0)
    done = regions.accept()
    assert (done.outcome, done.judged, done.comparison) == (Outcome.ACCEPTED, 2, None)
    assert states(journal, here) == [Status.VALIDATED] * 2
    assert states(journal, there) == [Status.PROPOSED] * 2, "the next region is untouched"
    (reading,) = journal.region_readings(SLIDE, "R1")
    assert (reading.region, reading.outcome, reading.kind) == (here, Outcome.ACCEPTED, "costly")
    assert (reading.model, reading.with_model, reading.seconds) == (MODEL, True, 2.0)
    own = [e for e in journal.events(SLIDE) if e.author == "R1"]
    assert [e.operation.value for e in own] == ["validate", "validate", "read_region"]
    assert len({e.action for e in own}) == 1
    assert regions.counts == QueueCounts(20, decided=1, unsure=0)


def test_undo_takes_a_decision_back_whole(regions: RegionReview, journal: Journal) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    regions.reject()
    assert states(journal, here) == [Status.REJECTED] * 2
    journal.undo(SLIDE, author="R1")
    assert regions.refresh() == [0], "the region is open again"
    assert states(journal, here) == [Status.PROPOSED] * 2
    assert regions.counts.left == 20
    journal.redo(SLIDE, author="R1")
    assert regions.refresh() == []
    assert states(journal, here) == [Status.REJECTED] * 2
    assert regions.outcome(0) is Outcome.REJECTED


def test_correcting_keeps_ones_own_changes_and_validates_the_rest(
    regions: RegionReview, journal: Journal
) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    one, other = journal.annotations(SLIDE)
    journal.reject([one.id], author="R1")
    drawn = draw(journal, shapely.box(here.x + 5, here.y + 5, here.x + 45, here.y + 45))
    done = regions.correct("a second look at the left one")
    assert (done.outcome, done.judged) == (Outcome.CORRECTED, 1)
    assert journal.get(one.id).status is Status.REJECTED
    assert journal.get(other.id).status is Status.VALIDATED
    assert journal.get(drawn.id).status is Status.VALIDATED
    (reading,) = journal.region_readings(SLIDE)
    assert reading.comment == "a second look at the left one"


def test_unsure_judges_nothing_and_comes_again_at_the_end(
    regions: RegionReview, journal: Journal
) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    regions.unsure("ask R2")
    assert states(journal, here) == [Status.PROPOSED] * 2
    visited = []
    while (one := regions.next()) is not None and regions.counts.left:
        visited.append(regions.position)
        assert one == regions.current
        regions.enter()
        regions.accept()
    assert visited == list(range(1, 20))
    assert regions.counts == QueueCounts(20, decided=19, unsure=1)
    assert (regions.position, regions.current) == (0, regions.queue.regions[0])
    assert regions.accept().judged == 2
    assert regions.next() is None, "all is read"
    assert regions.counts.decided == 20


def test_one_can_go_back_jump_and_decide_anew(regions: RegionReview) -> None:
    assert regions.previous() is None
    regions.enter()
    regions.accept()
    regions.next()
    assert regions.previous() == regions.queue.regions[0]
    regions.correct()
    assert regions.outcome(0) is Outcome.CORRECTED
    assert regions.counts.decided == 1
    regions.jump(7)
    assert regions.next() == regions.queue.regions[8]
    assert regions.position == 8
    for place in (-1, 20):
        with pytest.raises(AnnotationError, match="1 to 20"):
            regions.jump(place)


def test_who_rejects_what_he_accepted_takes_it_back_and_one_undo_brings_it_again(
    regions: RegionReview, journal: Journal
) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    drawn = draw(journal, shapely.box(here.x + 5, here.y + 5, here.x + 45, here.y + 45))
    regions.accept()
    done = regions.reject()
    assert (done.outcome, done.judged) == (Outcome.REJECTED, 2)
    of_model = [a for a in journal.annotations(SLIDE) if a.id != drawn.id]
    assert {a.status for a in of_model} == {Status.REJECTED}
    assert journal.get(drawn.id).status is Status.VALIDATED, "what he drew is his"
    journal.undo(SLIDE, author="R1")
    regions.refresh()
    assert regions.outcome(0) is Outcome.ACCEPTED
    assert states(journal, here) == [Status.VALIDATED] * 3
    journal.redo(SLIDE, author="R1")
    regions.refresh()
    assert regions.accept().judged == 2, "and the other way round"
    assert states(journal, here) == [Status.VALIDATED] * 3


def test_what_he_changed_or_accepted_alone_stays_and_the_region_is_corrected(
    regions: RegionReview, journal: Journal
) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    one, other = journal.annotations(SLIDE)
    journal.validate([one.id], author="R1")
    done = regions.reject()
    assert (done.outcome, regions.outcome(0)) == (Outcome.CORRECTED, Outcome.CORRECTED)
    assert states(journal, here) == [Status.VALIDATED, Status.REJECTED]
    journal.correct(other.id, label="lsil", author="R1")
    assert regions.reject().outcome is Outcome.CORRECTED
    assert journal.get(one.id).status is Status.REJECTED
    assert journal.get(other.id).status is Status.CORRECTED


def test_what_another_reader_stands_behind_is_not_taken_back(
    regions: RegionReview, journal: Journal
) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    one, _ = journal.annotations(SLIDE)
    journal.validate([one.id], author="R2")
    regions.accept()
    assert regions.reject().outcome is Outcome.REJECTED
    assert states(journal, here) == [Status.VALIDATED, Status.REJECTED]


def test_in_a_control_the_model_is_hidden_until_one_has_decided(
    regions: RegionReview, journal: Journal, study: Study, store: SlideStore
) -> None:
    here = go_to(regions, RegionKind.CONTROL)
    assert hides_model(regions)
    assert regions.enter() == 0
    assert states(journal, here) == []
    with pytest.raises(AnnotationError, match="hidden"):
        regions.reject()
    proposed = ModelProposals(study, store, MODEL).in_region(here)
    draw(journal, proposed[0].geometry.buffer(2), proposed[0].label)
    done = regions.accept()
    assert done.outcome is Outcome.CORRECTED
    assert done.comparison is not None
    found = done.comparison
    assert (found.same, found.model_only, found.reader_only) == (1, 1, 0)
    assert found.agreement == pytest.approx(2 / 3)
    assert not hides_model(regions)
    (reading,) = journal.region_readings(SLIDE)
    assert (reading.kind, reading.with_model) == (RegionKind.CONTROL, False)
    # What is drawn once the model was seen does not count.
    draw(journal, proposed[1].geometry, proposed[1].label)
    assert regions.comparison(regions.position) == found


def test_a_control_is_decided_once(regions: RegionReview, journal: Journal) -> None:
    go_to(regions, RegionKind.CONTROL)
    regions.correct()
    for decide in (regions.accept, regions.reject, regions.correct, regions.unsure):
        with pytest.raises(AnnotationError, match="decided"):
            decide()
    (reading,) = journal.region_readings(SLIDE)
    assert not reading.with_model
    journal.undo(SLIDE, author="R1")
    regions.refresh()
    assert hides_model(regions), "who undoes it decides it anew, without the model"
    regions.unsure()


def test_what_is_hidden_is_not_judged(
    regions: RegionReview, journal: Journal, study: Study, store: SlideStore
) -> None:
    here = go_to(regions, RegionKind.CONTROL)
    journal.propose(ModelProposals(study, store, MODEL).in_region(here))
    regions.unsure()
    assert regions.hides_model, "he has not decided"
    assert regions.correct().judged == 0
    assert states(journal, here) == [Status.PROPOSED] * 2


def test_a_comment_that_may_not_be_kept_decides_nothing(
    regions: RegionReview, journal: Journal
) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    with pytest.raises(AnnotationError, match="identified"):
        regions.accept("call 0612345678")
    assert states(journal, here) == [Status.PROPOSED] * 2
    assert journal.region_readings(SLIDE) == []


def test_a_slide_that_is_signed_off_is_locked(regions: RegionReview, journal: Journal) -> None:
    here = go_to(regions, RegionKind.COSTLY)
    regions.enter()
    journal.sign_off(SLIDE, author="R1")
    with pytest.raises(AnnotationError, match="locked"):
        regions.accept()
    assert states(journal, here) == [Status.PROPOSED] * 2
    journal.reopen(SLIDE, author="R1")
    assert regions.accept().judged == 2


def test_nobody_judges_more_than_he_is_shown(
    regions: RegionReview, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(region_review, "MOST_AT_ONCE", 1)
    with pytest.raises(AnnotationError, match="smaller regions"):
        regions.enter()
    assert regions.accept().judged == 0
    assert journal.annotations(SLIDE) == []


def test_an_empty_queue_has_nothing_to_decide(regions: RegionReview, journal: Journal) -> None:
    empty = RegionReview(journal, replace(regions.queue, regions=()), "R1")
    assert (empty.current, empty.next(), empty.previous(), empty.enter()) == (None, None, None, 0)
    with pytest.raises(AnnotationError, match="empty"):
        empty.accept()


def test_other_readers_and_other_models_have_queues_of_their_own(
    regions: RegionReview, study: Study, store: SlideStore, journal: Journal
) -> None:
    regions.enter()
    regions.accept()
    queue = ReadingPlan(SETTINGS).queue(study, store, "R2")
    assert RegionReview(journal, queue, "R2").counts.decided == 0


_READER = """
import sys
from pathlib import Path
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.journal.journal import Journal
from tests.annotations.review.queue.queue_study import SLIDE
from tests.annotations.review.queue.test_region_review import begin

study = Study(Path(sys.argv[1]))
with Journal.open(study) as journal:
    regions = begin(study, SlideStore(study.store_path(SLIDE)), journal)
    print(regions.position, flush=True)
    while True:
        regions.enter()
        sys.stdin.readline()
        regions.accept()
        regions.next()
        print(regions.position, flush=True)
"""


def test_who_was_killed_goes_on_where_he_was(study: Study, store: SlideStore) -> None:
    root = Path(__file__).parents[3]
    paths = [root, root / "annotations"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    for first, last in ((0, 7), (7, 9)):
        with subprocess.Popen(
            [sys.executable, "-c", _READER, str(study.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            assert int(reader.stdout.readline()) == first
            for place in range(first + 1, last + 1):
                reader.stdin.write("\n")
                reader.stdin.flush()
                assert int(reader.stdout.readline()) == place
            reader.send_signal(signal.SIGKILL)
    with Journal.open(study) as journal:
        regions = begin(study, store, journal)
        assert regions.position == 9
        assert regions.counts == QueueCounts(20, decided=9, unsure=0)
        assert journal.differences_from_log() == []
