"""The images of a package as Croissant names them: sets of files."""

from __future__ import annotations

from typing import Any

from pathoai_annotations.package import layout
from pathoai_annotations.package.summary import PackageSummary


def image_sets(summary: PackageSummary) -> list[dict[str, Any]]:
    """The slides' images and their small pictures; none where the package holds none."""
    kinds = sorted({image.media_type for image in summary.images if image.path})
    if not kinds:
        return []
    return [
        {
            "@type": "cr:FileSet",
            "@id": "image-files",
            "name": "images",
            "description": "De-identified copies of the slides, a folder each; tables/images.csv "
            "lists their files",
            "encodingFormat": kinds,
            "includes": f"{layout.IMAGE_FOLDER}/*",
        },
        {
            "@type": "cr:FileSet",
            "@id": "picture-files",
            "name": "pictures",
            "description": "Each slide at a glance, with its annotations drawn in",
            "encodingFormat": [layout.media_type("x.png")],
            "includes": f"{layout.PICTURE_FOLDER}/*.png",
        },
    ]
