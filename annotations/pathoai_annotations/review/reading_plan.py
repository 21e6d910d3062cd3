"""What a reader reads of each slide: the queue that his settings, or a table, make of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from pathoai.inference.slide_grade import ATTENTION
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.audit.audit_queue import audit_queue, audited_marker
from pathoai_annotations.journal.region_reading import RegionKind
from pathoai_annotations.review.queue_settings import QueueSettings
from pathoai_annotations.review.region_queue import (
    QueueSource,
    RegionQueue,
    can_be_ranked,
    slides_of_file,
)

_PREDICTION = "prediction/"


@dataclass(frozen=True)
class ReadingPlan:
    """The same for all slides that a reader goes through.

    Args:
        settings: Of the queues that are made of predictions.
        file: A table of regions that is read instead; None where there is none.
        model: Whose work is judged; where empty or absent, the first that ranks regions.
    """

    settings: QueueSettings = field(default_factory=QueueSettings)
    file: Path | None = None
    model: str = ""

    @cached_property
    def slides(self) -> tuple[str, ...] | None:
        """Codes of the slides of the table, in its order; None where all slides are read.

        Raises:
            StudyError: There is no such table, or it is damaged.
        """
        return None if self.file is None else slides_of_file(self.file)

    def queue(self, study: Study, store: SlideStore, reader: str) -> RegionQueue:
        """The queue of one slide; empty where a table is read that has no region of it.

        Args:
            study: The study or the reading room.
            store: The slide's.
            reader: Code of the reader.

        Raises:
            StudyError: The table is damaged.
        """
        if self.file is not None and (marker := audited_marker(study, self.file)):
            return self._audit(study, store, self.file, marker)
        model = self._model(store)
        if self.file is None:
            return RegionQueue.of_slide(study, store, reader, model=model, settings=self.settings)
        if store.slide_id not in (self.slides or ()):
            return RegionQueue(store.slide_id, "", QueueSource.FILE, ())
        queue = RegionQueue.of_file(self.file, store.slide_id, model=model)
        # What readers differ on is between them: no model has a voice there.
        differ = set(queue.kinds) == {RegionKind.DISAGREEMENT}
        return replace(queue, model="") if differ else queue

    def _audit(self, study: Study, store: SlideStore, file: Path, marker: str) -> RegionQueue:
        if store.slide_id not in (self.slides or ()):
            return RegionQueue(store.slide_id, "", QueueSource.FILE, ())
        return audit_queue(study, store, file, marker)

    def _model(self, store: SlideStore) -> str:
        names = models_of(store)
        wanted = (self.model, self.file.stem if self.file is not None else "")
        ranked = (name for name in names if can_be_ranked(store.label(f"{_PREDICTION}{name}")))
        return next((name for name in wanted if name in names), next(ranked, next(iter(names), "")))


def models_of(store: SlideStore) -> tuple[str, ...]:
    """Names of the models that predicted pixels or objects; not of those that grade the slide."""
    return tuple(
        name.removeprefix(_PREDICTION)
        for name in store.labels
        if name.startswith(_PREDICTION) and ATTENTION not in store.label(name).probability_channels
    )
