"""Of ordinal classes: how much of the slide is of which grade, and which is the worst."""

from __future__ import annotations

from typing import Any

from pathoai.inference.summary.region_areas import RegionAreas
from pathoai.inference.summary.told_classes import ToldClasses


def lesion_grades(told: ToldClasses, areas: RegionAreas) -> dict[str, Any] | None:
    """Areas by grade, from the class map.

    Args:
        told: The model's classes, and the ontology that ranks them.
        areas: Of the class map.

    Returns:
        ``areas``: of each grade that the model tells, mm² and share of the assessed tissue (None
        where there is none); ``worst``: the highest of which there is at least
        ``least_worst_mm2``, or None with a ``reason``. None where the model ranks nothing.
    """
    graded: dict[int, dict[str, int]] = {}
    for key, value in told.classes.items():
        grade = told.ontology[key].grade if key in told.ontology else None
        if grade is not None:
            graded.setdefault(grade, {})[key] = value
    if not graded:
        return None
    tissue = float(areas.assessed_mm2(areas.tissue))
    found: list[dict[str, Any]] = []
    for grade, classes in sorted(graded.items()):
        mm2 = areas.mm2(frozenset(classes.values()))
        share = round(mm2 / tissue, 6) if tissue else None
        found.append(
            {"grade": grade, "classes": sorted(classes), "mm2": round(mm2, 6), "share": share}
        )
    least = told.ontology.summary.least_worst_mm2
    worst = [one for one in found if one["mm2"] >= least and one["mm2"] > 0]
    said: dict[str, Any] = {"areas": found, "least_worst_mm2": least, "worst": None}
    if worst:
        return said | {"worst": worst[-1]}
    return said | {"reason": f"no grade covers {least:g} mm² or more"}
