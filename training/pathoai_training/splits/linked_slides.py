"""Slides that must stay together: of one patient, block or centre, or of the same content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from pathoai.study.cohort import CohortRow


class Link(StrEnum):
    """What makes two slides belong together."""

    PATIENT = "patient"
    BLOCK = "block"
    CENTRE = "centre"

    def of(self, row: CohortRow) -> str:
        """The code that a slide has for it; empty where not known."""
        return str(getattr(row, f"{self}_id"))


def is_placed(row: CohortRow, by: Iterable[Link]) -> bool:
    """True where all that keeps the slide apart from others is known.

    A block lies within a patient, so it may be unknown where the patient is asked for and known.
    """
    wanted = set(by)
    if Link.PATIENT in wanted:
        wanted.discard(Link.BLOCK)
    return all(link.of(row) for link in wanted)


def linked_groups(
    rows: Sequence[CohortRow],
    by: Iterable[Link],
    contents: Mapping[str, str] | None = None,
) -> list[tuple[CohortRow, ...]]:
    """Groups of slides connected, perhaps through others, by a shared code or the same content.

    Args:
        rows: The slides.
        by: Which codes connect.
        contents: Slide id → hash of its pixels, where known: the same scan in another file.

    Returns:
        The groups, each sorted by slide id, sorted by their first slide id.
    """
    leader = {row.slide_id: row.slide_id for row in rows}

    def find(slide_id: str) -> str:
        while leader[slide_id] != slide_id:
            leader[slide_id] = leader[leader[slide_id]]  # halving keeps paths short
            slide_id = leader[slide_id]
        return slide_id

    links = tuple(by)
    first: dict[tuple[str, str], str] = {}
    for row in rows:
        keys = [(str(link), link.of(row)) for link in links]
        keys += [("file", row.source_sha256), ("pixels", (contents or {}).get(row.slide_id, ""))]
        for key in keys:
            if key[1]:
                one, other = find(row.slide_id), find(first.setdefault(key, row.slide_id))
                leader[max(one, other)] = min(one, other)
    groups: dict[str, list[CohortRow]] = {}
    for row in sorted(rows, key=lambda r: r.slide_id):
        groups.setdefault(find(row.slide_id), []).append(row)
    return [tuple(group) for _, group in sorted(groups.items())]
