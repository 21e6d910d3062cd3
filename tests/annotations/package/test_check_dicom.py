"""DICOM files are compared with outlines pixel by pixel, and what was written by us is the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import shapely

from pathoai.geometry import Mpp, Region, Size
from pathoai.ontology import load_ontology
from pathoai_annotations.annotation import Annotation, Origin
from pathoai_annotations.formats.annotation_format import WritingContext, format_named
from pathoai_annotations.formats.exchange_report import ExchangeReport
from pathoai_annotations.package.check_dicom import DicomCheck
from pathoai_annotations.package.loss_report import Form
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.slide_frame import SlideFrame

SLIDE = "0123456789ABCDEF"
# Its first edge runs through the centre of a pixel: which side that is on is decided by rounding,
# and by the corner from which a raster counts.
_THROUGH_A_CENTRE = shapely.Polygon([(812.1, 834.3), (800.9, 828.7), (800, 832.57)])


@pytest.mark.parametrize("moved", [0.0, 20.0])
def test_an_edge_through_the_centre_of_a_pixel_is_as_it_was_written(
    tmp_path: Path, moved: float
) -> None:
    pytest.importorskip("highdicom")
    frame = SlideFrame(Size(1200, 1200), Mpp.square(0.5), Region(0, 0, 1200, 1200))
    context = WritingContext(
        SLIDE, load_ontology("breast"), frame, made=datetime(2026, 1, 2, tzinfo=UTC)
    )
    drawn = Annotation(uuid4(), SLIDE, "stroma", _THROUGH_A_CENTRE, Origin.PATHOLOGIST, "R1")
    path = tmp_path / "a.seg.dcm"
    format_named("dicom-seg").write(path, [drawn], context, ExchangeReport("dicom-seg"))
    outline = shapely.transform(_THROUGH_A_CENTRE, lambda points: points + moved)
    said = replace(drawn, geometry=outline)
    found = [f.what for f in DicomCheck([said], context, Tier.INTERNAL).run(Form.SEG, path, "a")]
    assert found == (["the DICOM file does not say what the outlines say"] if moved else [])
