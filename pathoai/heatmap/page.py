"""Where everything lies on the page: picture, key beside it, caption below; journal widths.

Two columns of a journal are about 180 mm. Sizes on paper depend on the picture's shape only; the
resolution says how many pixels that makes.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from pathoai.errors import InvalidValueError
from pathoai.geometry import Region, Size
from pathoai.heatmap.layer import Layer

MM_PER_INCH = 25.4
KEY_MM = 52.0
MARGIN_MM, GAP_MM = 2.0, 4.0
LARGEST_PICTURE_MM = (120.0, 165.0)
HEADING_LINE_MM, LINE_MM, CAPTION_LINE_MM = 3.9, 3.2, 2.9
HEADING_LETTERS, NAME_LETTERS = 30, 31
ENTRY_GAP_MM, BAR_MM, LOCATOR_MM = 1.6, 42.0, 40.0
_CAPTION_LETTER_MM = 1.14
_LEAST_DPI, _MOST_DPI = 50, 1200


@dataclass(frozen=True, slots=True)
class Resolution:
    """How many pixels a figure has; one of the three, 300 dpi without any.

    Args:
        dpi: Pixels per inch on paper.
        width_px: Of the whole figure.
        mpp: Of the picture, µm per pixel.
    """

    dpi: float | None = None
    width_px: int | None = None
    mpp: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Sizes on paper, mm from the top left.

    Args:
        picture_mm: Width and height of the picture.
        key_height_mm: Of what stands beside it.
        caption: Its lines.
    """

    picture_mm: tuple[float, float]
    key_height_mm: float
    caption: tuple[str, ...]

    @classmethod
    def of(
        cls, shape_um: tuple[float, float], layer: Layer, caption: str, locator_mm: float
    ) -> Page:
        """Lay out a figure.

        Args:
            shape_um: Width and height of what the picture shows.
            layer: What is drawn.
            caption: Below it.
            locator_mm: Height of the small picture of the whole slide; 0 for none.
        """
        picture = picture_mm(shape_um)
        key = heading_height_mm(layer) + legend_height_mm(layer)
        key += (BAR_MM + GAP_MM) if layer.scale is not None else 0.0
        key += (locator_mm + GAP_MM) if locator_mm else 0.0
        letters = int((picture[0] + GAP_MM + KEY_MM) / _CAPTION_LETTER_MM)
        return cls(picture, key, tuple(textwrap.wrap(caption, letters)))

    @property
    def width_mm(self) -> float:
        """Of the figure."""
        return page_width_mm(self.picture_mm[0])

    @property
    def height_mm(self) -> float:
        """Of the figure."""
        body = max(self.picture_mm[1], self.key_height_mm)
        return 2 * MARGIN_MM + body + GAP_MM / 2 + len(self.caption) * CAPTION_LINE_MM


def picture_mm(shape_um: tuple[float, float]) -> tuple[float, float]:
    """The largest picture of a shape that leaves room for key and caption."""
    width, height = LARGEST_PICTURE_MM
    scale = min(width / shape_um[0], height / shape_um[1])
    return (shape_um[0] * scale, shape_um[1] * scale)


def page_width_mm(picture_width_mm: float) -> float:
    """Width of the figure around a picture."""
    return 2 * MARGIN_MM + picture_width_mm + GAP_MM + KEY_MM


def heading_lines(layer: Layer) -> list[str]:
    """The heading, broken to the width of the key."""
    return textwrap.wrap(layer.heading, HEADING_LETTERS)


def name_lines(name: str) -> list[str]:
    """A name of a class, broken to the width of the key."""
    return textwrap.wrap(name, NAME_LETTERS)


def heading_height_mm(layer: Layer) -> float:
    """Of the heading and the gap beneath."""
    return len(heading_lines(layer)) * HEADING_LINE_MM + 1.5


def legend_height_mm(layer: Layer) -> float:
    """Of all entries, or of the words that stand where there is none."""
    entries = layer.legend
    if not entries:
        return 0.0 if layer.scale is not None else LINE_MM + ENTRY_GAP_MM
    lines = sum(len(name_lines(entry.name)) + bool(entry.number) for entry in entries)
    return lines * LINE_MM + len(entries) * ENTRY_GAP_MM


def dpi_of(resolution: Resolution, region: Region, shape_um: tuple[float, float]) -> float:
    """Pixels per inch that a resolution means for a picture.

    Raises:
        InvalidValueError: Fewer than 50 or more than 1200; the message has the limits of what was
            asked for.
    """
    width_mm = picture_mm(shape_um)[0]
    page_inches, picture_inches = page_width_mm(width_mm) / MM_PER_INCH, width_mm / MM_PER_INCH
    found: float
    if resolution.width_px is not None:
        found, dpi = resolution.width_px, resolution.width_px / page_inches
        name, low, high = "--width-px", _LEAST_DPI * page_inches, _MOST_DPI * page_inches
    elif resolution.mpp is not None:
        found = resolution.mpp
        dpi = shape_um[0] / found / picture_inches if found > 0 else 0.0
        low, high = (shape_um[0] / picture_inches / limit for limit in (_MOST_DPI, _LEAST_DPI))
        name = "--mpp"
    else:
        found = dpi = 300.0 if resolution.dpi is None else resolution.dpi
        name, low, high = "--dpi", _LEAST_DPI, _MOST_DPI
    if not _LEAST_DPI <= dpi <= _MOST_DPI:
        raise InvalidValueError(
            "resolution of the figure",
            where=name,
            found=f"{found:g}",
            allowed=f"{low:.4g} to {high:.4g} for this region "
            f"({_LEAST_DPI} to {_MOST_DPI} pixels per inch on paper)",
        )
    return dpi


def picture_px(shape_um: tuple[float, float], dpi: float) -> Size:
    """Size of the picture in pixels."""
    width, height = (side * dpi / MM_PER_INCH for side in picture_mm(shape_um))
    return Size(max(1, round(width)), max(1, round(height)))
