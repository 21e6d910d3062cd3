"""The tiles of an audit as a queue for ``pathoai review``: a label is judged, and no proposal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from pathoai.errors import StudyError
from pathoai.ihc.audit_sample import AuditSample, label_identity
from pathoai.ihc.saved_audit import load_audit
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.journal.region_reading import RegionKind
from pathoai_annotations.queue_table import QueuedRegion, write_regions
from pathoai_annotations.review.region_queue import RegionQueue

TILES = "tiles.json"
_TABLE = re.compile(r"ihc\.(.+)")
_DIGITS = 12
"""Of a label's hash: enough to tell its versions apart, and short enough to be read."""


def audited_work(marker: str, identity: str) -> str:
    """What the journal calls the label that was judged: its name and its version.

    Args:
        marker: Key of the marker.
        identity: Of the label of one slide.
    """
    return f"ihc/{marker}@{identity[:_DIGITS]}"


def tiles_path(study: Study, marker: str) -> Path:
    """Where the sample of a marker's audit lies or will lie."""
    return study.audit_path(marker) / TILES


def audit_table(study: Study, marker: str) -> Path:
    """Where the queue of a marker's audit lies or will lie."""
    return study.queue_path(f"ihc.{marker}")


def audited_marker(study: Study, table: Path) -> str:
    """The marker whose labels a table asks to judge; empty where it is another queue."""
    named = _TABLE.fullmatch(table.stem)
    return named[1] if named and tiles_path(study, named[1]).is_file() else ""


def write_audit_queue(study: Study, sample: AuditSample) -> None:
    """Write the tiles as a table for ``pathoai review --queue``; an old one is replaced."""
    rows = [
        QueuedRegion(rank, tile.slide_id, tile.region, "", 0.0, 0.0, 0.0, random=True)
        for rank, tile in enumerate(sample.tiles, start=1)
    ]
    path = audit_table(study, sample.marker)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_regions(path, rows)


def audit_queue(study: Study, store: SlideStore, table: Path, marker: str) -> RegionQueue:
    """The tiles of one slide.

    Args:
        study: The study.
        store: The slide's.
        table: As `write_audit_queue` wrote it.
        marker: Whose labels are judged.

    Raises:
        StudyError: The table or the sample is damaged, or the label was made anew since.
        StoreError: The slide has no such label any more.
    """
    identity = label_identity(store.label(f"ihc/{marker}"))
    sample = load_audit(tiles_path(study, marker))
    check_same_label(sample, store.slide_id, identity)
    queue = RegionQueue.of_file(table, store.slide_id, model=audited_work(marker, identity))
    regions = tuple(replace(one, kind=RegionKind.AUDIT) for one in queue.regions)
    return replace(queue, regions=regions)


def check_same_label(sample: AuditSample, slide_id: str, identity: str) -> None:
    """Refuse to judge, or to count, tiles of a label that is no longer there.

    Raises:
        StudyError: The slide's label is another one, or was not in the sample.
    """
    if sample.labels.get(slide_id) != identity:
        raise StudyError(
            "the label was made anew since its audit was drawn",
            where=f"{slide_id} ihc/{sample.marker}",
            remedy=f"draw it again: `pathoai label STUDY --marker {sample.marker} "
            f"--audit {sample.settings.tiles}`",
        )
