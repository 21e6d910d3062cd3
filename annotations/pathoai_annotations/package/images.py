"""The images of a package's slides: named by hash inside the institution, else copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pathoai.study.cohort import CohortRow
from pathoai_annotations.package import layout
from pathoai_annotations.package.csv_file import Row, text
from pathoai_annotations.package.tier import Tier

Report = Mapping[str, Any]
"""What a package says of how one slide was de-identified, as ``pathoai deidentify`` writes it."""


@dataclass(frozen=True, slots=True)
class PackagedImage:
    """An image file of a slide.

    Args:
        image_id: The slide's code, and a number where it has several files.
        slide_id: The slide.
        sha256: Of the copy in the package, else of the slide's own file.
        path: In the payload; empty where it is not in the package.
        media_type: Of the copy.
        size_bytes: Of the copy.
    """

    image_id: str
    slide_id: str
    sha256: str
    path: str = ""
    media_type: str = ""
    size_bytes: int | None = None

    def row(self) -> Row:
        """As it stands in the table of images."""
        return {
            "image_id": self.image_id,
            "slide_id": self.slide_id,
            "path": self.path,
            "media_type": self.media_type,
            "size_bytes": text(self.size_bytes),
            "sha256": self.sha256,
        }


def images_by_reference(row: CohortRow, tier: Tier) -> tuple[PackagedImage, ...]:
    """The file that a slide came in, by its hash; none where the package leaves the institution.

    There the hash could lead back to the file.
    """
    if tier.is_published or not row.source_sha256:
        return ()
    return (PackagedImage(row.slide_id, row.slide_id, row.source_sha256),)


def images_of(slide_id: str, report: Report) -> Iterator[PackagedImage]:
    """The files of a slide's copy, by name.

    Args:
        slide_id: The slide.
        report: On its copy.

    Raises:
        LookupError: A part of the report is missing.
    """
    files = sorted(report["files"].items())
    for number, (name, facts) in enumerate(files, start=1):
        path = f"{layout.image_folder(slide_id)}/{name}"
        yield PackagedImage(
            slide_id if len(files) == 1 else f"{slide_id}-{number}",
            slide_id,
            facts["sha256"],
            path,
            layout.media_type(path),
            facts["bytes"],
        )
