"""One page per slide: where its tissue is, what is wrong with it, and what that means."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.ontology import NOT_ASSESSED
from pathoai.quality.artefacts import ARTEFACTS, CLEAN
from pathoai.quality.quality_map import QualityMap
from pathoai.quality.summary import QualitySummary
from pathoai.store.slide_store import SlideStore

if TYPE_CHECKING:  # matplotlib is heavy, and needed only once a sheet is drawn
    from matplotlib.axes import Axes

_PANEL_PX = 1200
_TISSUE_COLOUR = "#009e73"
_GOOD_COLOUR, _BAD_COLOUR = "#007a5a", "#b34700"
_OVERLAY_ALPHA = 190
_DIMMED = 0.45
_BAR_FRACTION = 0.2
"""The scale bar spans at most this share of the picture."""


def draw_quality_sheet(store: SlideStore, quality: QualityMap) -> bytes:
    """Draw the sheet.

    Args:
        store: The slide.
        quality: Its map.

    Returns:
        A PNG; the same slide gives the same bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    summary = QualitySummary.of(store, quality)
    figure = Figure(figsize=(15, 9.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1.15))
    level = _panel_level(store)
    size = store.grid(level).size_px
    thumbnail = store.read(level, 0, 0, size)
    _draw_tissue(figure.add_subplot(grid[0, 0]), store, level, thumbnail)
    _draw_artefacts(figure.add_subplot(grid[0, 1]), store, quality, level, thumbnail)
    _draw_bars(figure.add_subplot(grid[1, 0]), summary)
    _write_words(figure.add_subplot(grid[1, 1]), summary)
    figure.suptitle(
        f"Slide {summary.slide_id}:  {summary.tissue_mm2:.2f} mm² of tissue in "
        f"{summary.fragments} fragment{'s' if summary.fragments != 1 else ''},  "
        f"{summary.clean_share:.1%} without artefact,  {summary.mpp:g} µm per pixel",
        fontsize=14,
    )
    picture = io.BytesIO()
    # Fixed metadata: the same data give the same bytes.
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": "pathoai"})
    return picture.getvalue()


def _panel_level(store: SlideStore) -> int:
    sides = [max(store.array(level).shape[1:]) for level in range(len(store.factors))]
    return next((i for i, side in enumerate(sides) if side <= _PANEL_PX), len(sides) - 1)


def _draw_tissue(panel: Axes, store: SlideStore, level: int, thumbnail: NDArray[np.uint8]) -> None:
    grid, tissue = store.grid(level), store.tissue
    panel.imshow(thumbnail)
    padded = np.pad(tissue.mask.astype(float), 1)
    # Centres of the mask's pixels, in pixels of the picture, whose own centres are whole numbers.
    x = (np.arange(padded.shape[1]) - 0.5) * tissue.grid.downsample_x / grid.downsample_x - 0.5
    y = (np.arange(padded.shape[0]) - 0.5) * tissue.grid.downsample_y / grid.downsample_y - 0.5
    panel.contour(x, y, padded, levels=[0.5], colors=[_TISSUE_COLOUR], linewidths=1.3)
    _draw_scale_bar(panel, thumbnail.shape[1], store.mpp * store.factors[level])
    _frame(panel, grid.size_px)
    panel.set_title(f"Tissue (outlined), found by {tissue.method}")


def _draw_artefacts(
    panel: Axes, store: SlideStore, quality: QualityMap, level: int, thumbnail: NDArray[np.uint8]
) -> None:
    from matplotlib.patches import Patch

    grid = store.grid(level)
    grey = thumbnail.mean(axis=2, keepdims=True).repeat(3, axis=2)
    panel.imshow((255 - _DIMMED * (255 - grey)).astype(np.uint8))
    table = np.zeros((256, 4), np.uint8)
    for artefact in ARTEFACTS:
        table[artefact.index] = (*artefact.rgb, _OVERLAY_ALPHA)
    height, width = quality.class_map.shape
    right = width * quality.grid.downsample_x / grid.downsample_x - 0.5
    bottom = height * quality.grid.downsample_y / grid.downsample_y - 0.5
    panel.imshow(
        table[quality.class_map],
        extent=(-0.5, right, bottom, -0.5),
        interpolation="nearest",
        aspect="equal",
    )
    present = set(np.unique(quality.class_map).tolist()) - {CLEAN, NOT_ASSESSED}
    shown = [Patch(color=a.colour, label=a.name) for a in ARTEFACTS if a.index in present]
    if shown:
        panel.legend(handles=shown, loc="lower right", framealpha=0.9)
    _frame(panel, grid.size_px)
    panel.set_title("Artefacts" if shown else "Artefacts: none found")


def _frame(panel: Axes, size_px: Size) -> None:
    panel.set_xlim(-0.5, size_px.width - 0.5)
    panel.set_ylim(size_px.height - 0.5, -0.5)
    panel.set_xticks([])
    panel.set_yticks([])


def _draw_scale_bar(panel: Axes, width_px: int, mpp: float) -> None:
    room_um = _BAR_FRACTION * width_px * mpp
    length_um = max(
        n for n in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000) if n <= max(room_um, 10)
    )
    text = f"{length_um} µm" if length_um < 1000 else f"{length_um // 1000} mm"
    left, height = 0.02, 0.02
    panel.plot(
        [left, left + length_um / mpp / width_px],
        [height, height],
        transform=panel.transAxes,
        color="black",
        linewidth=4,
        solid_capstyle="butt",
    )
    panel.text(left, height + 0.015, text, transform=panel.transAxes)


def _draw_bars(panel: Axes, summary: QualitySummary) -> None:
    names = [artefact.name for artefact in ARTEFACTS]
    shares = [100 * (summary.shares[artefact] or 0.0) for artefact in ARTEFACTS]
    panel.barh(names, shares, color=[artefact.colour for artefact in ARTEFACTS])
    for row, artefact in enumerate(ARTEFACTS):
        share = summary.shares[artefact]
        text = " not judged" if share is None else f" {100 * share:.1f} %"
        panel.text(shares[row], row, text, va="center")
    panel.invert_yaxis()
    # Never narrower than 10 %: a trace must not look like a disaster.
    panel.set_xlim(0, max(10.0, 1.25 * max(shares)))
    panel.set_xlabel("% of the tissue")
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_title("Share of each artefact", loc="left")


def _write_words(panel: Axes, summary: QualitySummary) -> None:
    panel.set_axis_off()
    warnings = summary.warnings
    verdict = "Look before use" if warnings else "Nothing stands in the way of its use"
    panel.text(
        0.0,
        0.97,
        verdict,
        fontsize=15,
        fontweight="bold",
        color=_BAD_COLOUR if warnings else _GOOD_COLOUR,
        va="top",
    )
    lines = [
        line
        for warning in warnings
        for line in textwrap.wrap(warning, 76, initial_indent="•  ", subsequent_indent="    ")
    ]
    lines += ["", "Nothing was removed: which tiles to leave out is yours to choose."]
    panel.text(0.0, 0.78, "\n".join(lines), fontsize=11, va="top", linespacing=1.5)
