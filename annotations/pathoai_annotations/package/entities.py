"""What follows from the table of slides alone: cases, specimens, blocks and stains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pathoai.study.stain import HE, HES
from pathoai_annotations.package.csv_file import Row
from pathoai_annotations.package.shown_counts import stain_counts
from pathoai_annotations.package.table import BLOCKS, CASES, SPECIMENS, STAINS, Table
from pathoai_annotations.package.tier import Tier

_ROUTINE = {HE: "haematoxylin and eosin", HES: "haematoxylin, eosin and saffron"}


def entity_rows(slides: Sequence[Mapping[str, str]], tier: Tier) -> list[tuple[Table, list[Row]]]:
    """Each table and its rows, by their ids.

    Args:
        slides: Rows of the table of slides.
        tier: Of the package: says whether small counts are shown.
    """
    centres = _first(slides, "case_id", "centre_id")
    cases = [{"case_id": case, "centre_id": centre} for case, centre in centres.items()]
    blocks = _first(slides, "block_id", "case_id")
    shown = stain_counts((row["stain"] for row in slides), tier)
    specimens = [{"specimen_id": row["case_id"], "case_id": row["case_id"]} for row in cases]
    stains = [
        {"stain": stain, "description": _in_words(stain), "slides": count}
        for parts in shown.divisions.values()
        for stain, count in sorted(parts.items())
    ]
    return [
        (CASES, cases),
        (SPECIMENS, specimens),
        (BLOCKS, [{"block_id": block, "specimen_id": case} for block, case in blocks.items()]),
        (STAINS, stains),
    ]


def _first(rows: Iterable[Mapping[str, str]], key: str, value: str) -> dict[str, str]:
    """Key → the first value beside it that is not empty, sorted; rows without key are left out."""
    found: dict[str, str] = {}
    for row in rows:
        if row[key]:
            found[row[key]] = found.get(row[key]) or row[value]
    return dict(sorted(found.items()))


def _in_words(stain: str) -> str:
    return _ROUTINE.get(stain, f"immunohistochemistry: {stain}")
