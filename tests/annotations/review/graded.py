"""What a model that grades slides leaves of one, made by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from shapely import box

from pathoai.inference.slide_grade import SlideGrade
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study

GRADER = "grader"
CLASSES = ("benign", "lsil", "hsil", "invasive_scc")
SHARES = (0.05, 0.15, 0.7, 0.1)
PLACES = ((100.0, 60.0, 0.5), (300.0, 200.0, 0.25))
"""Centre and weight of the regions where it looked."""


def grade(study: Study, slide_id: str, *, decision: str = "hsil", report: bool = True) -> None:
    """Write the table of tiles, with the grade, and the report beside it."""
    store = SlideStore(study.store_path(slide_id))
    said = SlideGrade(
        slide_id, CLASSES, SHARES, decision, ("lsil", "hsil"), 0.4, ("a note of the model",), 8
    )
    about: dict[str, Any] = {
        "origin": "model",
        "model": GRADER,
        "model_sha256": "cd" * 32,
        "store_sha256": store.identity,
    }
    tiles = np.array([box(x - 32, y - 32, x + 32, y + 32) for x, y, _ in PLACES], object)
    weights = np.array([weight for *_, weight in PLACES], np.float32)
    index = np.full(2, study.ontology["hsil"].index, np.uint8)
    table = ObjectTable(
        tiles, index, weights, np.full(2, 256, np.float32), about | {"grade": said.to_dict()}
    )
    path = study.objects_path(slide_id, f"grade/{GRADER}")
    write_objects(path, table)
    if report:
        regions = [
            {"rank": rank, "x": x, "y": y, "width": 64, "height": 64, "weight": weight}
            for rank, (x, y, weight) in enumerate(PLACES, start=1)
        ]
        text = {"top_regions": regions, "warnings": [*said.notes, "unusual stain"], "about": about}
        path.with_suffix(".json").write_text(json.dumps(text), "utf8")
