"""What a package says of its slides: codes, hash, scale and size, but no pixel."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study
from pathoai_annotations.package.csv_file import Row, text
from pathoai_annotations.package.table import SLIDES
from pathoai_annotations.package.tier import Tier

SLIDE_COLUMNS = SLIDES.header


@dataclass(frozen=True, slots=True)
class PackagedSlide:
    """One slide, by reference.

    Args:
        slide_id: Its code.
        case_id: Its patient's code; empty where not known.
        block_id: Its block's code; empty where not known.
        centre_id: Its centre's code; empty where not known.
        stain: ``HE``, ``HES`` or a marker.
        marker: What an IHC stain shows, where ``stain`` does not say it.
        scanner: Model of the scanner; empty where not known.
        grade: Class that stands for the whole slide; empty where not known.
        source_sha256: SHA-256 of the file the slide came in; empty where the package leaves the
            institution.
        mpp_x: Scale of level 0 along x, µm per pixel; None where the study does not know it.
        mpp_y: The same along y.
        width_px: Level-0 width of the full canvas; None where the slide was not tiled.
        height_px: Level-0 height.
        annotations: Packaged annotations on it, as they may be shown.
    """

    slide_id: str
    case_id: str
    block_id: str
    centre_id: str
    stain: str
    marker: str
    scanner: str
    grade: str
    source_sha256: str
    mpp_x: float | None
    mpp_y: float | None
    width_px: int | None
    height_px: int | None
    annotations: str

    def row(self) -> Row:
        """As it stands in the table of slides."""
        return {column: text(getattr(self, column)) for column in SLIDE_COLUMNS}


def describe_slide(study: Study, row: CohortRow, annotations: str, tier: Tier) -> PackagedSlide:
    """A slide of the study, with scale and size where its store is complete.

    Raises:
        StoreError: Something that is no store lies in its place.
    """
    from pathoai.store.slide_store import SlideStore, is_complete

    mpp_x = mpp_y = row.mpp
    width = height = None
    path = study.store_path(row.slide_id)
    if is_complete(path):
        header = SlideStore(path).header
        mpp_x, mpp_y = header.slide_mpp_x, header.slide_mpp_y
        width, height = header.slide_width, header.slide_height
    return PackagedSlide(
        row.slide_id,
        row.patient_id,
        row.block_id,
        row.centre_id,
        row.stain,
        row.marker,
        row.scanner,
        row.grade,
        "" if tier.is_published else row.source_sha256,
        mpp_x,
        mpp_y,
        width,
        height,
        annotations,
    )
