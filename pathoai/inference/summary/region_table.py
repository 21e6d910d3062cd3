"""Counts, areas and densities of each region of a slide, as a table for any program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.atomic_file import write_text_atomically
from pathoai.inference.summary.counted_regions import CountedRegions
from pathoai.inference.summary.object_counts import ObjectCounts
from pathoai.inference.summary.region_areas import RegionAreas

TISSUE, FRAGMENT, ANNOTATION, GLASS = "tissue", "fragment", "annotation", "glass"
"""Kinds of regions: all tissue, each of its pieces, each annotated area, and what is no tissue."""
_AREA_DECIMALS, _DENSITY_DECIMALS = 6, 4


def region_rows(
    regions: CountedRegions,
    areas: RegionAreas,
    counts: ObjectCounts,
    classes: Mapping[str, int],
    *,
    has_map: bool,
) -> list[dict[str, Any]]:
    """A row per region, ready for JSON.

    Args:
        regions: The regions.
        areas: Of each.
        counts: Of each.
        classes: Values by their keys.
        has_map: There is a class map, so that classes have areas.

    Returns:
        ``kind``, ``region``, ``class`` (of an annotation), ``x``, ``y``, ``width``, ``height`` in
        level-0 pixels, ``area_mm2`` (assessed tissue), ``objects`` and ``objects_per_mm2``; then
        ``<class>_count``, ``<class>_per_mm2`` and, with a map, ``<class>_mm2``. None where there
        is no tissue to count on. What lies on glass has a count and no area.
    """
    rows = []
    for head, box, pixels, found in _regions(regions, areas, counts):
        mm2 = None if pixels is None else float(areas.assessed_mm2(pixels))
        row: dict[str, Any] = dict(zip(("kind", "region", "class"), head, strict=True))
        row |= {name: round(float(v), 2) for name, v in zip(("x", "y"), box[:2], strict=True)}
        row |= {"width": round(float(box[2] - box[0]), 2)}
        row |= {"height": round(float(box[3] - box[1]), 2)}
        row["area_mm2"] = None if mm2 is None else round(mm2, _AREA_DECIMALS)
        row |= _counted("objects", int(found[sorted(classes.values())].sum()), mm2)
        for key, value in classes.items():
            row |= _counted(f"{key}_count", int(found[value]), mm2, f"{key}_per_mm2")
            if has_map:
                own = None if pixels is None else float(pixels[value] * areas.pixel_mm2)
                row[f"{key}_mm2"] = None if own is None else round(own, _AREA_DECIMALS)
        rows.append(row)
    return rows


_Region = tuple[
    tuple[str, str, str], NDArray[np.float64], NDArray[np.int64] | None, NDArray[np.int64]
]


def _regions(
    regions: CountedRegions, areas: RegionAreas, counts: ObjectCounts
) -> Iterator[_Region]:
    """Kind, name and class; bounds; pixels and objects by class."""
    bounds = regions.fragment_bounds()
    around = np.array([*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0)])
    yield (TISSUE, "all", ""), around, areas.tissue, counts.tissue
    for at, box in enumerate(bounds, start=1):
        yield (FRAGMENT, str(at), ""), box, areas.fragments[at], counts.fragments[at]
    annotated = regions.annotated
    if annotated is not None:
        for at, box in enumerate(regions.annotated_bounds()):
            name = str(at + 1) if annotated.ids is None else str(annotated.ids[at])
            label = "" if annotated.labels is None else str(annotated.labels[at])
            head = (ANNOTATION, name, label)
            yield head, box, areas.annotated[at], counts.annotated[at]
    if counts.fragments[0].any():
        yield (GLASS, "all", ""), np.zeros(4), None, counts.fragments[0]


def _counted(
    name: str, count: int, mm2: float | None, density: str = "objects_per_mm2"
) -> dict[str, Any]:
    return {name: count, density: round(count / mm2, _DENSITY_DECIMALS) if mm2 else None}


def write_region_table(path: Path, rows: list[dict[str, Any]], identity: Mapping[str, str]) -> None:
    """Write a CSV; an old one stays until the new one is whole.

    Args:
        path: The file.
        rows: Of one slide.
        identity: The same columns for every row: slide, model, hashes, versions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*rows[0], *identity], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: "" if v is None else v for k, v in (row | dict(identity)).items()})
    write_text_atomically(path, text.getvalue())
