"""Drawing a figure: a raster picture; lines, words and legend stay vectors in a PDF."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathoai import __version__
from pathoai.geometry import Size
from pathoai.heatmap import page as paper
from pathoai.heatmap.layer import ColourScale, Layer
from pathoai.heatmap.page import Page
from pathoai.heatmap.scale_bar import ScaleBar
from pathoai.heatmap.words import Words

if TYPE_CHECKING:  # matplotlib is heavy, and needed only once a figure is drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEADING_PT, _NAME_PT, _SMALL_PT, _CAPTION_PT = 8.0, 7.0, 6.5, 5.8
_INK, _FAINT, _LOCATOR = "#1a1a1a", "#555555", "#d55e00"
_SWATCH_MM = 3.0
_BAR_WIDTH_MM = 4.0
_LINE_PT = 0.8
_NUDGE = 1e-4
"""Of a pixel: a canvas is as many whole pixels as fit."""


@dataclass(frozen=True)
class Locator:
    """The whole slide, small, and where the picture lies on it.

    Args:
        pixels: ``(h, w, 3)`` uint8.
        box: Left, top, right and bottom of the picture, 0 to 1 of the slide.
    """

    pixels: NDArray[np.uint8]
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class PageContent:
    """All that is drawn.

    Args:
        page: Where.
        dpi: Pixels per inch.
        picture: ``(h, w, 3)`` uint8: the slide with its map.
        layer: The map.
        opacity: With which it was laid over.
        mpp: Of the picture, µm per pixel.
        words: The language.
        locator: Of a region.
    """

    page: Page
    dpi: float
    picture: NDArray[np.uint8]
    layer: Layer
    opacity: float
    mpp: float
    words: Words
    locator: Locator | None = None

    def px(self, mm: float) -> int:
        """A length on paper in whole pixels."""
        return round(mm * self.dpi / paper.MM_PER_INCH)

    @property
    def size_px(self) -> Size:
        """Of the figure."""
        return Size(self.px(self.page.width_mm), self.px(self.page.height_mm))

    @property
    def corner_px(self) -> int:
        """Both x and y of the picture's top left."""
        return self.px(paper.MARGIN_MM)


def draw_page(content: PageContent, kind: str) -> bytes:
    """Draw a figure.

    Args:
        content: Of the figure.
        kind: ``png`` or ``pdf``.

    Returns:
        The file; the same content gives the same bytes.
    """
    from matplotlib.figure import Figure

    with _style():
        size = content.size_px
        inches = ((size.width + _NUDGE) / content.dpi, (size.height + _NUDGE) / content.dpi)
        figure = Figure(figsize=inches, dpi=content.dpi, facecolor="white")
        panel = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        panel.set_xlim(0, size.width)
        panel.set_ylim(size.height, 0)
        panel.set_axis_off()
        _draw_picture(panel, content)
        _draw_key(panel, content)
        _draw_caption(panel, content)
        return _saved(figure, content.dpi, kind)


@contextmanager
def _style() -> Iterator[None]:
    """Of our own, whatever the user's configuration of matplotlib says."""
    from matplotlib import style

    # Type 42: journals refuse the Type 3 fonts that matplotlib writes by itself.
    fonts: dict[Any, Any] = {"pdf.fonttype": 42, "font.family": ["DejaVu Sans"]}
    with style.context(["default", fonts]):
        yield


def _saved(figure: Figure, dpi: float, kind: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    file = io.BytesIO()
    # No dates: the same content gives the same bytes.
    if kind == "pdf":
        metadata = {"Creator": f"pathoai {__version__}", "CreationDate": None}
        FigureCanvasPdf(figure).print_figure(file, format="pdf", dpi=dpi, metadata=metadata)
    else:
        metadata = {"Software": f"pathoai {__version__}"}
        FigureCanvasAgg(figure).print_figure(file, format="png", dpi=dpi, metadata=metadata)
    return file.getvalue()


def _image(panel: Axes, pixels: NDArray[np.uint8], box: tuple[float, ...]) -> None:
    """Pixels in a box (left, right, bottom, top): each as it is, none smoothed."""
    left, right, bottom, top = box
    panel.imshow(
        pixels, extent=(left, right, bottom, top), interpolation="none", aspect="auto", zorder=1
    )


def _draw_picture(panel: Axes, content: PageContent) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    left = top = content.corner_px
    height, width = content.picture.shape[:2]
    limits = panel.get_xlim(), panel.get_ylim()
    _image(panel, content.picture, (left, left + width, top + height, top))
    lines = content.layer.outlines
    if lines:
        # A white line beneath: classes must show on dark nuclei as on pale stroma.
        for colours, width_pt in (
            (["#ffffff"], 2 * _LINE_PT),
            ([n.colour for n in lines], _LINE_PT),
        ):
            drawn = LineCollection(
                [n.xy_px + np.array([left, top]) for n in lines],
                colors=colours,
                linewidths=width_pt,
                zorder=2,
            )
            panel.add_collection(drawn, autolim=False)
            drawn.set_clip_path(Rectangle((left, top), width, height, transform=panel.transData))
    panel.set_xlim(*limits[0])
    panel.set_ylim(*limits[1])
    _draw_scale_bar(panel, content)


def _draw_scale_bar(panel: Axes, content: PageContent) -> None:
    from matplotlib.patches import Rectangle

    height, width = content.picture.shape[:2]
    bar = ScaleBar.within(width, content.mpp)
    pad, thick = content.px(1.3), max(1, content.px(0.9))
    plate_height = thick + 2 * pad + content.px(3.0)
    left = content.corner_px + content.px(2.0)
    bottom = content.corner_px + height - content.px(2.0)
    plate_width = max(bar.length_px, content.px(11.0)) + 2 * pad
    plate = Rectangle(
        (left, bottom - plate_height), plate_width, plate_height, color="white", alpha=0.85, lw=0
    )
    panel.add_patch(plate).set_zorder(3)
    start = left + round((plate_width - bar.length_px) / 2)
    rule = Rectangle((start, bottom - pad - thick), bar.length_px, thick, facecolor="black", lw=0)
    panel.add_patch(rule).set_zorder(4)
    panel.text(
        left + plate_width / 2,
        bottom - pad - thick - content.px(0.6),
        bar.text(content.words),
        ha="center",
        va="bottom",
        fontsize=_NAME_PT,
        color="black",
        zorder=4,
    )


def _draw_key(panel: Axes, content: PageContent) -> None:
    layer = content.layer
    left = content.corner_px + content.picture.shape[1] + content.px(paper.GAP_MM)
    y_mm = paper.MARGIN_MM
    for line in paper.heading_lines(layer):
        _write(panel, content, (left, y_mm), line, size=_HEADING_PT, weight="bold")
        y_mm += paper.HEADING_LINE_MM
    y_mm += 1.5
    y_mm = _draw_legend(panel, content, left, y_mm)
    if layer.scale is not None:
        _draw_scale(panel, content, layer.scale, (left, y_mm))
        y_mm += paper.BAR_MM + paper.GAP_MM
    if content.locator is not None:
        _draw_locator(panel, content, content.locator, (left, y_mm))


def _write(
    panel: Axes, content: PageContent, at: tuple[float, float], text: str, **font: str | float
) -> None:
    """A line whose top left lies at x px, y mm."""
    settings: Any = {"color": _INK} | font
    panel.text(at[0], content.px(at[1]), text, va="top", **settings)


def _draw_legend(panel: Axes, content: PageContent, left: int, y_mm: float) -> float:
    from matplotlib.patches import Rectangle

    layer, side = content.layer, content.px(_SWATCH_MM)
    if not layer.legend and layer.scale is None:
        text = content.words.none_here
        _write(panel, content, (left, y_mm), text, size=_NAME_PT, color=_FAINT)
        return y_mm + paper.LINE_MM + paper.ENTRY_GAP_MM
    indent = left + content.px(_SWATCH_MM + 2)
    for entry in layer.legend:
        # As it looks over white: the reader compares it with what lies in the picture.
        filled = layer.tint is not None
        swatch = Rectangle((left, content.px(y_mm)), side, side, linewidth=_LINE_PT)
        swatch.set_facecolor((entry.colour, content.opacity) if filled else "white")
        swatch.set_edgecolor(_FAINT if filled else entry.colour)
        panel.add_patch(swatch)
        for line in paper.name_lines(entry.name):
            _write(panel, content, (indent, y_mm), line, size=_NAME_PT)
            y_mm += paper.LINE_MM
        if entry.number:
            _write(panel, content, (indent, y_mm), entry.number, size=_SMALL_PT, color=_FAINT)
            y_mm += paper.LINE_MM
        y_mm += paper.ENTRY_GAP_MM
    return y_mm


def _draw_scale(
    panel: Axes, content: PageContent, scale: ColourScale, at: tuple[float, float]
) -> None:
    from matplotlib.patches import Rectangle

    left, top = at[0], content.px(at[1])
    width, height = content.px(_BAR_WIDTH_MM), content.px(paper.BAR_MM - 3)
    over_white = 255 * (1 - content.opacity) + content.opacity * scale.shades()
    shades = np.rint(over_white[::-1, None, :]).astype(np.uint8)
    limits = panel.get_xlim(), panel.get_ylim()
    _image(panel, shades, (left, left + width, top + height, top))
    panel.set_xlim(*limits[0])
    panel.set_ylim(*limits[1])
    frame = Rectangle((left, top), width, height, facecolor="none", edgecolor=_FAINT, lw=0.5)
    panel.add_patch(frame).set_zorder(2)
    tick = content.px(0.9)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = top + height * (1 - share)
        panel.plot([left + width, left + width + tick], [y, y], color=_FAINT, linewidth=0.5)
        text = content.words.plain(share * scale.largest)
        panel.text(left + width + 2 * tick, y, text, va="center", fontsize=_NAME_PT, color=_INK)


def _draw_locator(
    panel: Axes, content: PageContent, locator: Locator, at: tuple[float, float]
) -> None:
    from matplotlib.patches import Rectangle

    height, width = locator.pixels.shape[:2]
    left, top = at[0], content.px(at[1])
    limits = panel.get_xlim(), panel.get_ylim()
    _image(panel, locator.pixels, (left, left + width, top + height, top))
    panel.set_xlim(*limits[0])
    panel.set_ylim(*limits[1])
    x0, y0, x1, y1 = locator.box
    for corner, span, colour, line in (
        ((left, top), (width, height), _FAINT, 0.5),
        (
            (left + x0 * width, top + y0 * height),
            ((x1 - x0) * width, (y1 - y0) * height),
            _LOCATOR,
            1.2,
        ),
    ):
        frame = Rectangle(corner, *span, facecolor="none", edgecolor=colour, linewidth=line)
        panel.add_patch(frame).set_zorder(2)


def _draw_caption(panel: Axes, content: PageContent) -> None:
    page = content.page
    y_mm = page.height_mm - paper.MARGIN_MM - len(page.caption) * paper.CAPTION_LINE_MM
    for line in page.caption:
        _write(panel, content, (content.corner_px, y_mm), line, size=_CAPTION_PT, color=_FAINT)
        y_mm += paper.CAPTION_LINE_MM
