"""Writing all that follows from a finished label: objects, regions, and the report on the slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pathoai.inference.find_objects import objects_of
from pathoai.inference.summary.known_in_study import KnownInStudy, predicted_slide
from pathoai.inference.write_summary import SummaryFiles, write_summary
from pathoai.store.objects import write_object_batches
from pathoai.store.slide_store import SlideStore
from pathoai.study.slide_place import SlidePlace


@dataclass(frozen=True)
class FinishedLabel:
    """A label whose pixels are all there; another process can open it.

    Args:
        place: Of the slide.
        name: Of the label.
        classes: Values in its class map, in the order of its probability channels.
        known: What else is known of the slide.
        report: What is said of the prediction so far.
    """

    place: SlidePlace
    name: str
    classes: tuple[int, ...]
    known: KnownInStudy
    report: dict[str, Any]


def write_results(finished: FinishedLabel) -> tuple[int, SummaryFiles]:
    """Write the table of objects, the table of regions and the report.

    Returns:
        How many objects there are, and the other two.

    Raises:
        StoreError: A shard is damaged.
    """
    place = finished.place
    store = SlideStore(place.store_path)
    label = store.label(finished.name)
    objects = objects_of(label, classes=finished.classes)
    count = write_object_batches(place.objects_path(label.name), objects)
    slide = predicted_slide(place, store, label, finished.known)
    return count, write_summary(slide, finished.report)
