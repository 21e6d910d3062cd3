"""The review queue as a table: CSV that a spreadsheet opens, regions in level-0 pixels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import StudyError
from pathoai.geometry import Region
from pathoai_annotations.review_queue import CandidateRegions, Queue

COLUMNS = (
    *("rank", "slide_id", "x", "y", "width", "height"),
    *("class", "cost", "diversity", "rarity", "random"),
)


@dataclass(frozen=True, slots=True)
class QueuedRegion:
    """A row of the table.

    Args:
        rank: Its place, from 1.
        slide_id: The slide's code.
        region: Level-0 pixels.
        label: Key of the class that the model sees most of, but background.
        cost: Relative to the largest of all regions, 0 to 1; likewise the next two.
        diversity: How unlike what was judged, or stands above it in the queue.
        rarity: How seldom its class was judged.
        random: Drawn at random, for figures without bias.
    """

    rank: int
    slide_id: str
    region: Region
    label: str
    cost: float
    diversity: float
    rarity: float
    random: bool


def write_queue(
    path: Path, candidates: CandidateRegions, queue: Queue, channels: tuple[str, ...]
) -> None:
    """Write the table; an old one stays until the new one is whole.

    Args:
        path: The file.
        candidates: That the queue is of.
        queue: What to write.
        channels: Classes after background.
    """
    rows = [
        QueuedRegion(
            place + 1,
            candidates.slide_ids[candidates.slide[at]],
            Region(*candidates.bounds[at].tolist()),
            channels[candidates.channel[at] - 1],
            float(queue.cost[place]),
            float(queue.diversity[place]),
            float(queue.rarity[place]),
            bool(queue.random[place]),
        )
        for place, at in enumerate(queue.region.tolist())
    ]
    write_regions(path, rows)


def write_regions(path: Path, rows: Iterable[QueuedRegion]) -> None:
    """Write rows of any queue; an old file stays until the new one is whole."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        r = row.region
        writer.writerow(
            [
                row.rank,
                row.slide_id,
                *(f"{value:.2f}" for value in (r.x, r.y, r.width, r.height)),
                row.label,
                *(f"{value:.6f}" for value in (row.cost, row.diversity, row.rarity)),
                "yes" if row.random else "no",
            ]
        )
    write_text_atomically(path, text.getvalue())


def read_queue(path: Path) -> list[QueuedRegion]:
    """Read a table back, e.g. for a viewer's worklist.

    Raises:
        StudyError: There is none, or it is no such table.
    """
    remedy = "make it with `pathoai queue STUDY --model NAME`"
    try:
        with path.open(newline="", encoding="utf8") as file:
            header, *rows = [*csv.reader(file, strict=True)] or [[]]
        if header != list(COLUMNS):
            raise ValueError(", ".join(header))
        return [_parse(row) for row in rows]
    except FileNotFoundError:
        raise StudyError("there is no such queue", where=path.name, remedy=remedy) from None
    except (ValueError, csv.Error) as error:
        raise StudyError(
            "damaged queue",
            where=path.name,
            found=str(error),
            allowed=", ".join(COLUMNS),
            remedy=remedy,
        ) from error


def _parse(row: list[str]) -> QueuedRegion:
    rank, slide_id, x, y, width, height, label, cost, diversity, rarity, random = row
    region = Region(float(x), float(y), float(width), float(height))
    parts = (float(cost), float(diversity), float(rarity))
    return QueuedRegion(int(rank), slide_id, region, label, *parts, random == "yes")
