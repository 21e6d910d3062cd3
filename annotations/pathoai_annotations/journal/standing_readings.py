"""Which readings of regions stand: the last of each region and reader that was not taken back."""

from __future__ import annotations

from collections.abc import Sequence

from pathoai.geometry import Region
from pathoai_annotations.journal.event import Event
from pathoai_annotations.journal.region_reading import Outcome, RegionKind, RegionReading
from pathoai_annotations.journal.undone import without_undone


def standing_readings(found: Sequence[Event]) -> list[RegionReading]:
    """The readings that stand, oldest first.

    Args:
        found: Every entry about a region, oldest first; one without an outcome takes others back.
    """
    last: dict[tuple[str, str, Region], RegionReading] = {}
    for event in without_undone(found):
        if event.region is not None and event.outcome is not None and event.kind is not None:
            key = (event.slide_id, event.author, event.region)
            last[key] = _reading(event, event.region, event.outcome, event.kind)
    return sorted(last.values(), key=lambda reading: reading.seq)


def _reading(event: Event, region: Region, outcome: Outcome, kind: RegionKind) -> RegionReading:
    return RegionReading(
        event.seq,
        event.at,
        event.slide_id,
        region,
        outcome,
        kind,
        event.model or "",
        bool(event.with_model),
        event.seconds,
        event.comment,
        event.author,
    )
