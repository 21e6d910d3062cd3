"""Masks of a slide's annotations: OME-Zarr 0.5 labels, each a store of many files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.ome_zarr_labels import FORMAT
from pathoai_annotations.package.loss_report import Form, FormLosses, derived_name, lost_by
from pathoai_annotations.package.tier import Tier


def write_mask(
    payload: Path, annotations: Sequence[Annotation], context: WritingContext, tier: Tier
) -> FormLosses:
    """Write the mask of a slide, half a micrometre a pixel.

    Args:
        payload: The payload's folder, in which no mask of the slide lies.
        annotations: Of the slide.
        context: The slide, which must be known, and the classes.
        tier: Of the package.

    Returns:
        What the mask lost.
    """
    report = ExchangeReport(Form.MASK)
    path = payload / derived_name(context.slide_id, Form.MASK)
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMAT.write(path, annotations, context, report)
    return lost_by(report, tier)
