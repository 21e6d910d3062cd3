"""What is left for the adjudicator: the disagreements that nobody has settled, as a worklist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pathoai.geometry import Region
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.study import Study
from pathoai_annotations.agreement.agree_study import disagreements
from pathoai_annotations.agreement.disagreements import Disagreement
from pathoai_annotations.agreement.grade_scale import GradeScale
from pathoai_annotations.agreement.study_readings import gather_readings
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.undone import without_undone
from pathoai_annotations.queue_table import QueuedRegion, write_regions

NAME = "adjudication"


def open_cases(study: Study) -> list[Disagreement]:
    """Where readers differ and no adjudicator has spoken, the costliest first.

    A slide is settled by the grade that an adjudicator gave it, a region by his word on either
    reader's outline; what an adjudicator grades or outlines himself is not compared.

    Raises:
        StudyError: Nobody signed anything off.
    """
    work = gather_readings(study, GradeScale.of(study.ontology))
    cases = disagreements(work)
    with Journal.open(study) as journal:
        settled = {
            i for slide_id in {c.slide_id for c in cases} for i in _settled(journal, slide_id)
        }
    return [
        case for case in cases if not settled.intersection(case.annotation_ids or [case.slide_id])
    ]


def _settled(journal: Journal, slide_id: str) -> Iterator[str]:
    """Codes of the slides, and ids of the annotations, on which an adjudicator spoke."""
    for event in without_undone(list(journal.events(slide_id))):
        if event.operation is Operation.ADJUDICATE:
            yield str(event.annotation_id or slide_id)


def write_adjudication_queue(path: Path, study: Study, cases: Sequence[Disagreement]) -> None:
    """Write the cases as a worklist in the columns of every other queue.

    Rarity and diversity mean nothing here and are 0. A slide whose grade is to be settled is one
    region: all of it.

    Args:
        path: The CSV file.
        study: Whose slides they are.
        cases: In their order.
    """
    rows = [
        QueuedRegion(
            rank,
            case.slide_id,
            case.region or _whole(study, case.slide_id),
            case.label,
            case.cost,
            diversity=0.0,
            rarity=0.0,
            random=False,
        )
        for rank, case in enumerate(cases, start=1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_regions(path, rows)


def _whole(study: Study, slide_id: str) -> Region:
    """All of a slide; of one that is not tiled nothing is known but that it has a corner."""
    path = study.store_path(slide_id)
    if not is_complete(path):
        return Region(0, 0, 1, 1)
    size = SlideStore(path).slide.size
    return Region(0, 0, size.width, size.height)
