"""What each derived form of the annotations lost against the GeoJSON, slide by slide.

Forms are masks (OME-Zarr labels) and three kinds of DICOM files. Of a form that was not made the
report says why. In a package that leaves the institution it says what was lost, and not how often:
losses of a slide are counts of its annotations, and those may be too small to be published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pathoai.errors import PackageError
from pathoai.strict_json import read_json
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.package import layout
from pathoai_annotations.package.tier import Tier


class Form(StrEnum):
    """A form of a slide's annotations beside the GeoJSON."""

    MASK = "mask"
    """OME-Zarr 0.5 labels: classes, and numbers of annotations."""
    ANN = "ann"
    """DICOM bulk annotations: outlines."""
    SEG = "seg"
    """DICOM segmentation: a raster for each class and maker."""
    SR = "sr"
    """DICOM structured report: areas of classes, and regions of the largest annotations."""


DICOM_FORMS = (Form.ANN, Form.SEG, Form.SR)
NOT_TILED = "the slide was not tiled: its size and scale are not known"
NO_TRACE = "no annotation leaves a trace on the raster"
NO_DICOM = "highdicom was not installed where the package was made"
_NOT_SHOWN = "not shown"

FormLosses = dict[str, Any]
"""Of one form of one slide, as JSON has it."""
Losses = dict[str, FormLosses]
"""Of one slide, by form."""


def derived_name(slide_id: str, form: Form) -> str:
    """The payload name of a form of a slide's annotations."""
    if form is Form.MASK:
        return layout.mask_name(slide_id)
    return f"{layout.DICOM_FOLDER}/{slide_id}.{form.value}.dcm"


def lost_by(report: ExchangeReport, tier: Tier) -> FormLosses:
    """What a form that was written lost.

    Args:
        report: Filled by its writer, or by whoever checks it.
        tier: Of the package.
    """
    lost = {str(what): _NOT_SHOWN if tier.is_published else n for what, n in report.lost.items()}
    return {"written": True, "lost": lost, "notes": report.to_dict()["notes"]}


def not_written(why: str) -> FormLosses:
    """Said of a form that could not be written."""
    return {"written": False, "why": why}


def write_loss_report(payload: Path, losses: Mapping[str, Losses]) -> None:
    """Write the report.

    Args:
        payload: The payload's folder.
        losses: By slide.
    """
    content = {"authority": layout.GEOJSON_FOLDER, "slides": dict(losses)}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    path = payload / layout.LOSSES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", "utf8", newline="\n")


def read_loss_report(root: Path) -> dict[str, Losses]:
    """The losses of a package by slide.

    Args:
        root: The bag's folder.

    Raises:
        PackageError: It is absent, or no such report.
    """
    try:
        content = read_json(root / layout.PAYLOAD / layout.LOSSES)
        if set(content) != {"authority", "slides"}:
            raise ValueError("other parts than a report has")
        return {
            str(s): {str(f): dict(one) for f, one in content["slides"][s].items()}
            for s in content["slides"]
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise PackageError("the loss report cannot be read", where=layout.LOSSES) from error
