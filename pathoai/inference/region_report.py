"""The report on the regions that a model named on a slide, beside their table."""

from __future__ import annotations

from typing import Any

from pathoai.inference.predict_regions import RegionPredictor
from pathoai.inference.predict_slide import prediction_name
from pathoai.inference.report_file import SCHEMA
from pathoai.inference.scale_warning import scale_warnings
from pathoai.inference.stain_shift import STAIN, stain_shift, stain_warnings
from pathoai.provenance import result_software
from pathoai.store.objects import ObjectTable
from pathoai.store.slide_store import SlideStore


def report_on_regions(
    store: SlideStore, predictor: RegionPredictor, table: ObjectTable
) -> dict[str, Any]:
    """What is to be known besides the table, ready for JSON.

    Args:
        store: The slide.
        predictor: The model.
        table: What it said of each region.

    Returns:
        ``stain``: how far it is from that of training, None where the bundle does not say;
        ``warnings``: sentences; ``software``: versions.
    """
    stain = stain_shift(store, predictor.bundle)
    return {
        "schema": SCHEMA,
        "slide_id": store.slide_id,
        "label": prediction_name(predictor.bundle.name),
        "about": table.source,
        STAIN: stain,
        "warnings": [
            *scale_warnings(store.mpp, predictor.bundle.spec.mpp),
            *stain_warnings(stain),
        ],
        "software": result_software(),
    }
