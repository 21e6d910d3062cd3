"""One picture of a slide at work: tissue, tiles, prediction, and how far to believe it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Grid, Size
from pathoai.models.bundle import ModelBundle
from pathoai.ontology import NOT_ASSESSED, Ontology
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec

if TYPE_CHECKING:  # matplotlib is heavy, and needed only once a picture is drawn
    from matplotlib.axes import Axes

_PANEL_PX = 900
_CLOSE_UP_PX = 400
_COARSEST_CLOSE_UP_MPP = 4.0
"""Coarser labels, such as squares of 300 µm, have no outlines to look at closely."""


@dataclass(frozen=True, slots=True)
class OverviewSubject:
    """What the picture shows.

    Args:
        store: The slide.
        spec: The tiles to outline.
        ontology: Colours and names of the classes.
        bundle: The model whose prediction is laid over; None before there is one.
    """

    store: SlideStore
    spec: TileSpec
    ontology: Ontology
    bundle: ModelBundle | None = None


def draw_overview(subject: OverviewSubject) -> bytes:
    """Draw the picture.

    Returns:
        A PNG: thumbnail with tissue and tiles, prediction over the slide, a close-up of it at the
        store's scale, and the reliability of the model's probabilities.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 13), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2)
    level = _panel_level(subject.store)
    _draw_tissue(panels[0, 0], subject, level)
    if subject.bundle is None:
        for panel in (panels[0, 1], panels[1, 0], panels[1, 1]):
            panel.set_axis_off()
    else:
        label = subject.store.label(f"prediction/{subject.bundle.name}")
        _draw_prediction(panels[0, 1], subject, label, level)
        if label.mpp <= _COARSEST_CLOSE_UP_MPP:
            _draw_close_up(panels[1, 0], subject, label)
        else:
            panels[1, 0].set_axis_off()
        _draw_reliability(panels[1, 1], subject.bundle)
    figure.suptitle(_title(subject), fontsize=12)
    picture = io.BytesIO()
    # Fixed metadata: the same data give the same bytes.
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": "pathoai"})
    return picture.getvalue()


def _title(subject: OverviewSubject) -> str:
    lines = [f"Slide {subject.store.slide_id}, {subject.store.mpp:g} µm per pixel"]
    if subject.bundle is not None:
        labels = subject.bundle.training.get("label_statement", "labels: unknown")
        lines.append(f"Model {subject.bundle.name}; {labels}")
        lines.append("A prediction, not a diagnosis: the doctor decides.")
    return "\n".join(lines)


def _panel_level(store: SlideStore) -> int:
    sides = [max(store.array(i).shape[1:]) for i in range(len(store.factors))]
    return next((i for i, side in enumerate(sides) if side <= _PANEL_PX), len(sides) - 1)


def _thumbnail(store: SlideStore, level: int) -> NDArray[np.uint8]:
    size = store.grid(level).size_px
    return store.read(level, 0, 0, Size(size.width, size.height))


def _draw_tissue(panel: Axes, subject: OverviewSubject, level: int) -> None:
    store, grid = subject.store, subject.store.grid(level)
    size = grid.size_px
    extent = (0, size.width, size.height, 0)
    panel.imshow(_thumbnail(store, level), extent=extent)
    tissue = store.tissue
    padded = np.pad(tissue.mask.astype(float), 1)
    step = tissue.grid.downsample_x / grid.downsample_x
    x = (np.arange(padded.shape[1]) - 0.5) * step
    y = (np.arange(padded.shape[0]) - 0.5) * step
    panel.contour(x, y, padded, levels=[0.5], colors=["#0072b2"], linewidths=1.5)
    tiles = store.tiles(subject.spec)
    _outline_tiles(panel, tiles.origins_px, tiles.grid, grid, subject.spec.size_px)
    panel.set_title(f"Tissue {tissue.area_mm2:.2f} mm² (blue), {len(tiles)} tiles (orange)")
    panel.set_axis_off()


def _outline_tiles(
    panel: Axes, origins_px: NDArray[np.int64], tile_grid: Grid, grid: Grid, size_px: int
) -> None:
    from matplotlib.collections import PolyCollection

    scale = tile_grid.downsample_x / grid.downsample_x
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size_px
    outlines: Sequence[Any] = list((origins_px[:, None, :] + corners[None]) * scale)
    panel.add_collection(
        PolyCollection(outlines, facecolors="none", edgecolors="#e69f00", linewidths=0.5)
    )


def _coloured(class_map: NDArray[np.uint8], ontology: Ontology, alpha: int) -> NDArray[np.uint8]:
    table = np.zeros((256, 4), np.uint8)
    for label in ontology.classes[1:]:
        table[label.index] = (*label.rgb, alpha)
    table[NOT_ASSESSED] = 0
    return np.asarray(table[class_map])


def _draw_prediction(panel: Axes, subject: OverviewSubject, label: LabelImage, level: int) -> None:
    size = subject.store.grid(level).size_px
    extent = (0, size.width, size.height, 0)
    panel.imshow(_thumbnail(subject.store, level), extent=extent)
    wanted = subject.store.factors[level]
    nearest = max((i for i, f in enumerate(label.factors) if f <= wanted), default=0)
    overlay = _coloured(label.read_all(nearest), subject.ontology, 170)
    covered = label.factors[nearest] / wanted
    panel.imshow(
        overlay,
        extent=(0, overlay.shape[1] * covered, overlay.shape[0] * covered, 0),
        interpolation="nearest",
    )
    panel.set_xlim(0, size.width)
    panel.set_ylim(size.height, 0)
    panel.set_title("Prediction over the slide")
    panel.set_axis_off()


def _draw_close_up(panel: Axes, subject: OverviewSubject, label: LabelImage) -> None:
    """The part of the slide where most was predicted, at the label's own scale."""
    x, y = _busiest_corner(label)
    size = Size(_CLOSE_UP_PX, _CLOSE_UP_PX)
    region = label.grid().region(x, y, size.width, size.height)
    panel.imshow(subject.store.read_region(region, size))
    class_map = label.read(x, y, size)
    for value in sorted(set(np.unique(class_map).tolist()) - {0, NOT_ASSESSED}):
        colour = subject.ontology.by_index[value].colour
        panel.contour(class_map == value, levels=[0.5], colors=[colour], linewidths=1.2)
        panel.plot([], [], color=colour, label=subject.ontology.by_index[value].name)
    if panel.get_legend_handles_labels()[0]:
        panel.legend(loc="lower right")
    bar_um = 50
    panel.plot([10, 10 + bar_um / label.mpp], [_CLOSE_UP_PX - 12] * 2, color="black", linewidth=4)
    panel.text(10, _CLOSE_UP_PX - 20, f"{bar_um} µm", fontsize=10)
    panel.set_xlim(0, _CLOSE_UP_PX)
    panel.set_ylim(_CLOSE_UP_PX, 0)
    panel.set_title("Close-up, outlines of the prediction")
    panel.set_axis_off()


def _busiest_corner(label: LabelImage) -> tuple[int, int]:
    from scipy import ndimage

    coarse = label.read_all(len(label.factors) - 1)
    found = ((coarse > 0) & (coarse < NOT_ASSESSED)).astype(float)
    factor = round(label.factors[-1] / label.factors[0])
    side = max(1, _CLOSE_UP_PX // factor)
    row, column = np.unravel_index(int(ndimage.uniform_filter(found, side).argmax()), found.shape)
    return (
        max(0, (int(column) - side // 2) * factor),
        max(0, (int(row) - side // 2) * factor),
    )


def _draw_reliability(panel: Axes, bundle: ModelBundle) -> None:
    measured = bundle.calibration.reliability
    panel.plot([0, 1], [0, 1], color="#777777", linestyle="--", label="perfect")
    if measured.count:
        panel.plot(measured.confidence, measured.accuracy, "o-", color="#0072b2", label=bundle.name)
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1)
    panel.set_xlabel("probability of the winning class")
    panel.set_ylabel("share of pixels where it is right")
    panel.legend(loc="upper left")
    panel.set_title(
        f"Reliability on held-out pixels: expected error {measured.expected_error:.3f}, "
        f"temperature {bundle.calibration.temperature:.2f}"
    )
