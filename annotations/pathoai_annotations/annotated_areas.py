"""The areas that pathologists outlined, in which a model's objects are counted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import shapely

from pathoai.inference.regions import Regions
from pathoai.models.bundle import ModelBundle
from pathoai.provenance import sha256_of_json
from pathoai.store.slide_store import SlideStore
from pathoai.study.slide_place import SlidePlace
from pathoai.study.study import Study
from pathoai_annotations.annotation import OF_RECORD
from pathoai_annotations.journal.journal import Journal

SMALLEST_AREA_UM2 = 1e4
"""A square of 100 µm: more than any cell, less than any lesion that someone would outline."""
TOO_SMALL = "smaller than 0.01 mm²"


def annotated_areas(place: SlidePlace, store: SlideStore, bundle: ModelBundle) -> Regions:
    """The outlines that readers stand behind, of any class, that are larger than cells.

    What a model proposed and nobody judged is no area to count in; a hot spot that its reader has
    drawn and not signed off yet is one: he counts in it to read the slide. Two readers' outlines of
    one lesion are two areas.

    Args:
        place: Of a study, which has the journal.
        store: The slide's.
        bundle: Not needed: an area is an area whatever the model tells.

    Raises:
        AnnotationError: The journal cannot be read.
    """
    assert place.study_path is not None  # check_source refuses a slide without a study
    return outlined_areas(Study(place.study_path), store)


def outlined_areas(study: Study, store: SlideStore) -> Regions:
    """As `annotated_areas`, of a slide of a study.

    Raises:
        AnnotationError: The journal cannot be read.
    """
    source = "areas that readers stand behind, of 0.01 mm² or more"
    if not study.has_journal:
        # Opening one would make it: a trace of a question.
        return Regions(np.empty(0, object), {"source": source, "sha256": sha256_of_json([])})
    with Journal.open(study) as journal:
        columns = journal.columns(store.slide_id, status=OF_RECORD)
    outlines = np.asarray(shapely.from_wkb(columns.outlines), object).reshape(-1)
    area_um2 = shapely.area(outlines) * store.header.slide_mpp.pixel_area_um2
    large = area_um2 >= SMALLEST_AREA_UM2
    kept = zip(columns.ids[large], columns.outlines[large], strict=True)
    identity = sorted([annotation_id, wkb.hex()] for annotation_id, wkb in kept)
    return Regions(
        outlines[large],
        {"source": source, "sha256": sha256_of_json(identity)},
        ids=columns.ids[large],
        left_out=Counter({TOO_SMALL: int((~large).sum())}),
        labels=columns.labels[large],
    )
