"""What a reader is told of the queue, of the region that he looks at, and of a control. No Qt."""

from __future__ import annotations

from napari_pathoai.texts.texts import language, text
from pathoai.ontology import Ontology
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.review.model_comparison import ModelComparison
from pathoai_annotations.review.region_queue import QueueSource, RegionQueue
from pathoai_annotations.review.region_review import RegionReview

_MIXED = (RegionKind.COSTLY, RegionKind.RANDOM, RegionKind.CONTROL)


def mix(queue: RegionQueue) -> str:
    """What the queue is made of, so that its shares are stated; and what it was made without."""
    return f"{_mix(queue)}\n{text('reading_no_tissue')}" if queue.misses_tissue else _mix(queue)


def _mix(queue: RegionQueue) -> str:
    if queue.source is QueueSource.TISSUE:
        return text("reading_fields")
    kinds = queue.kinds
    counts = {
        kind.value: kinds[kind]
        for kind in (RegionKind.COSTLY, RegionKind.RANDOM, RegionKind.CONTROL)
    }
    mixed = text("reading_mix", **counts) if any(counts.values()) else ""
    if queue.source is QueueSource.FILE:
        return f"{text('reading_table')}{': ' if mixed else ''}{mixed}"
    return mixed


def place_and_kind(regions: RegionReview) -> str:
    """Where one is, why the region is shown, and what was decided of it; not in an empty queue."""
    here = regions.current
    assert here is not None  # the caller asked
    parts = [
        text("reading_place", place=regions.position + 1, total=len(regions.queue)),
        text(f"kind_{here.kind.value}"),
    ]
    if word := outcome_word(regions, regions.position):
        parts.append(word)
    return " · ".join(parts)


def outcome_word(regions: RegionReview, place: int) -> str:
    """What was decided of a region; in a control nothing was there to be corrected."""
    outcome = regions.outcome(place)
    if outcome is None:
        return ""
    is_control = regions.queue.regions[place].kind is RegionKind.CONTROL
    is_done = is_control and outcome is not Outcome.UNSURE
    return text("outcome_done" if is_done else f"outcome_{outcome.value}")


def described(regions: RegionReview, ontology: Ontology) -> str:
    """What the model sees in the region; of a control, that this is hidden."""
    here = regions.current
    if here is None or regions.hides_model:
        return "" if here is None else text("reading_hidden")
    if not here.label:
        return ""
    return text("reading_label_cost", label=_name(here.label, ontology), cost=here.cost)


def compared(found: ModelComparison) -> str:
    """What the reader did in a control, beside what the model says."""
    if found.by_area:
        return text("reading_compared_areas", agreement=found.agreement)
    return text(
        "reading_compared_objects",
        same=found.same,
        other=found.other_class,
        reader=found.reader_only,
        model=found.model_only,
    )


def _name(key: str, ontology: Ontology) -> str:
    if key not in ontology:
        return key
    label = ontology[key]
    return label.name_fr if language() == "fr" else label.name
