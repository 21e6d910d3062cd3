"""Writes the truth of a generated slide in QuPath's dialect of GeoJSON."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.testing.slide_truth import SlideTruth

_NAMESPACE = uuid.UUID("6f2d7f0e-6c1c-5c0a-9a53-0d2f4c1b7e11")
_BATCH = 5000
CLASS_COLOURS: dict[str, tuple[int, int, int]] = {
    "nucleus_neoplastic": (200, 30, 30),
    "nucleus_normal_epithelium": (40, 140, 60),
    "nucleus_lymphocyte": (40, 70, 200),
    "nucleus_stromal": (220, 160, 40),
    "invasive_nst": (160, 0, 60),
    "dcis": (110, 60, 170),
    "normal_epithelium": (90, 180, 110),
    "stroma": (240, 170, 190),
    "benign": (90, 180, 110),
    "lsil": (240, 200, 60),
    "hsil": (230, 110, 30),
    "invasive_scc": (160, 0, 60),
}


def write_truth_geojson(path: Path, truth: SlideTruth) -> None:
    """Write regions and nuclei as one FeatureCollection, one feature per line.

    Features are streamed, so the file may be far larger than memory. Nuclei are smooth outlines
    that agree with the instance mask to less than a pixel.

    Args:
        path: Where to; an existing file is replaced.
        truth: What is on the slide.
    """
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for number, feature in enumerate(truth_features(truth)):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(feature, separators=(",", ":")))
        file.write("\n]}\n")


def truth_features(truth: SlideTruth) -> Iterator[dict[str, Any]]:
    """Yield every region as an annotation, then every nucleus as a detection."""
    for number, region in enumerate(truth.regions):
        rings = [region.polygon.exterior, *region.polygon.interiors]
        yield _feature(
            _identifier(truth, f"region-{number}"),
            rings=[_ring(np.asarray(ring.coords)[:-1]) for ring in rings],
            object_type="annotation",
            class_key=region.class_key,
        )
    nuclei = truth.nuclei
    for start in range(0, len(nuclei), _BATCH):
        rows = np.arange(start, min(len(nuclei), start + _BATCH))
        for row, outline in zip(rows.tolist(), nuclei.shapes.outlines(rows), strict=True):
            yield _feature(
                _identifier(truth, f"nucleus-{int(nuclei.instance_id[row])}"),
                rings=[_ring(outline)],
                object_type="detection",
                class_key=nuclei.class_keys[int(nuclei.class_index[row])],
            )


def _identifier(truth: SlideTruth, name: str) -> str:
    """A UUID that is the same whenever the same recipe is generated."""
    return str(uuid.uuid5(_NAMESPACE, f"{truth.recipe!r}/{name}"))


def _ring(points: NDArray[np.float64]) -> list[list[float]]:
    """Close a ring of points (n, 2) and round it to a hundredth of a pixel."""
    rounded: list[list[float]] = np.round(points, 2).tolist()
    rounded.append(rounded[0])
    return rounded


def _feature(
    identifier: str, *, rings: list[list[list[float]]], object_type: str, class_key: str
) -> dict[str, Any]:
    """Build one feature."""
    return {
        "type": "Feature",
        "id": identifier,
        "geometry": {"type": "Polygon", "coordinates": rings},
        "properties": {
            "objectType": object_type,
            "classification": {"name": class_key, "color": list(CLASS_COLOURS[class_key])},
            "measurements": {},
        },
    }
