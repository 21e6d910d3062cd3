"""The slides of a package at a glance: small pictures with their annotations, and a legend."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from pathoai_annotations.package import layout
from pathoai_annotations.package.slides import PackagedSlide
from pathoai_annotations.package.table import IMAGES


def slide_gallery(
    payload: Path, slides: Sequence[PackagedSlide], classes: Sequence[tuple[str, str]]
) -> str:
    """A figure for each slide that has a picture in the payload, in HTML.

    Args:
        payload: The payload's folder.
        slides: Of the package.
        classes: Name and colour (``#rrggbb``) of each class that was drawn.

    Returns:
        Empty where no slide has a picture.
    """
    there = [s for s in slides if (payload / layout.picture_name(s.slide_id)).is_file()]
    if not there:
        return ""
    figures = "\n".join(map(_figure, there))
    keys = "\n".join(
        f'<li><span class="key" style="background: {colour}"></span>{escape(name)}</li>'
        for name, colour in classes
    )
    return (
        "<h2>The slides at a glance</h2>\n"
        "<p>Annotations are drawn in the colours of their classes; the slides themselves, at full "
        f'resolution, are listed in <a href="{IMAGES.path}">{IMAGES.path}</a>.</p>\n'
        f'<ul class="legend">\n{keys}\n</ul>\n<div class="gallery">\n{figures}\n</div>\n'
    )


def _figure(slide: PackagedSlide) -> str:
    said = f"Slide {slide.slide_id}, {slide.stain}"
    picture = layout.picture_name(slide.slide_id)
    return (
        f'<figure><a href="{picture}"><img src="{picture}" loading="lazy" '
        f'alt="{escape(said)}, with its annotations"></a>'
        f"<figcaption>{escape(said)}</figcaption></figure>"
    )
