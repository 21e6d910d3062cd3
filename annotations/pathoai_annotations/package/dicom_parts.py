"""DICOM files of a slide's annotations: bulk annotations, segmentation, structured report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pathoai_annotations.annotation import Annotation
from pathoai_annotations.formats import dicom_ann, dicom_seg
from pathoai_annotations.formats.annotation_format import WritingContext
from pathoai_annotations.formats.dicom_sr import write_sr
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.formats.sr_content import sr_content
from pathoai_annotations.package.loss_report import (
    NO_TRACE,
    Form,
    Losses,
    derived_name,
    lost_by,
    not_written,
)
from pathoai_annotations.package.tier import Tier


def write_dicom(
    payload: Path, annotations: Sequence[Annotation], context: WritingContext, tier: Tier
) -> Losses:
    """Write the DICOM files of a slide.

    Args:
        payload: The payload's folder.
        annotations: Of the slide, one or more.
        context: The slide, which must be known, and the classes.
        tier: Of the package.

    Returns:
        What each lost, or why it could not be written.

    Raises:
        MissingDependencyError: highdicom is not installed.
    """
    losses = dicom_losses(annotations, context, tier)
    paths = {form: payload / derived_name(context.slide_id, form) for form in Form}
    paths[Form.ANN].parent.mkdir(parents=True, exist_ok=True)
    told = ExchangeReport("already told")
    dicom_ann.FORMAT.write(paths[Form.ANN], annotations, context, told)
    if losses[Form.SEG]["written"]:
        dicom_seg.FORMAT.write(paths[Form.SEG], annotations, context, told)
    write_sr(paths[Form.SR], annotations, context, told, shows_counts=not tier.is_published)
    return losses


def dicom_losses(annotations: Sequence[Annotation], context: WritingContext, tier: Tier) -> Losses:
    """What the DICOM files of a slide lose; needs no DICOM library."""
    ann, seg, sr = (ExchangeReport(form) for form in (Form.ANN, Form.SEG, Form.SR))
    dicom_ann.note_shapes(annotations, ann)
    paints, _ = dicom_seg.FORMAT.planned(annotations, context, seg)
    sr_content(annotations, context, sr, shows_counts=not tier.is_published)
    return {
        Form.ANN: lost_by(ann, tier),
        Form.SEG: lost_by(seg, tier) if paints else not_written(NO_TRACE),
        Form.SR: lost_by(sr, tier),
    }
