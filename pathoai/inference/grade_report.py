"""The report on a slide's grade: what was said, where the model looked, and what to beware of.

It lies beside the table of tiles, ``objects/<slide>/grade.<model>.json``.
"""

from __future__ import annotations

from typing import Any

from pathoai.inference.attention_map import WeighedTiles
from pathoai.inference.grade_slide import SlideGrader, grade_name
from pathoai.inference.report_file import SCHEMA
from pathoai.inference.slide_grade import ATTENTION, SlideGrade
from pathoai.inference.stain_shift import STAIN, stain_shift, stain_warnings
from pathoai.inference.top_regions import HEAVY, top_regions
from pathoai.provenance import result_software
from pathoai.store.slide_store import SlideStore


def report_on_grade(
    store: SlideStore, grader: SlideGrader, grade: SlideGrade, tiles: WeighedTiles
) -> dict[str, Any]:
    """Summarise a grade, ready for JSON.

    Args:
        store: The slide.
        grader: What graded it.
        grade: What it said.
        tiles: All tiles that it saw.

    Returns:
        ``grade``; ``attention``: the largest weight of a tile, and which tiles count as heavy;
        ``top_regions``: where these lie, the heaviest first; ``stain``; ``warnings``: sentences;
        ``software``: versions.
    """
    regions = top_regions(tiles, store.header.slide_mpp)
    stain = stain_shift(store, grader.bundle)
    return {
        "schema": SCHEMA,
        "slide_id": store.slide_id,
        "label": grade_name(grader.bundle.name),
        "about": grader.about(store),
        "grade": grade.to_dict(),
        ATTENTION: {"largest_weight": tiles.largest, "heavy_from": HEAVY * tiles.largest},
        "top_regions": [{"rank": r} | one.to_dict() for r, one in enumerate(regions, start=1)],
        STAIN: stain,
        "warnings": [*grade.notes, *stain_warnings(stain)],
        "software": result_software(),
    }
