"""One page per pair of slides: both, laid over each other, and how far to believe it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import TileState
from pathoai.registration.warped_slide import WarpedSlide
from pathoai.store.slide_store import SlideStore

if TYPE_CHECKING:  # matplotlib is heavy, and needed only once a sheet is drawn
    from matplotlib.axes import Axes

_PANEL_PX = 1200
_SQUARES = 12
_REFUSED_COLOUR = "#d55e00"
_DIMMED = 0.45
_SOURCE = "Source"
"""Under this key of a PNG lies the hash of the file that the sheet shows."""


def registration_words(registration: Registration) -> str:
    """What a person wants to know of an alignment, in one line."""
    transform, quality = registration.transform, registration.quality
    turned = f"rotation {transform.rotation_degrees:.1f}°"
    turned += ", mirrored" if transform.is_mirrored else ", not mirrored"
    if abs(transform.scale - 1) > 0.01:
        turned += f", scale {transform.scale:.3g}"
    median, p90 = _residuals_um(registration)
    tiles = int(np.count_nonzero(quality.state != TileState.NO_TISSUE))
    if registration.is_of_neighbours:
        turned += ", neighbouring sections (areas only)"
    words = f"{turned}; residual median {median:.2f} µm, p90 {p90:.2f} µm; "
    words += f"{np.count_nonzero(quality.believable)} of {tiles} tiles believable"
    if registration.landmarks is not None:
        marks = registration.landmarks
        words += f"; {marks.count} landmarks: TRE median {marks.median_um:.2f} µm, "
        words += f"p90 {marks.p90_um:.2f} µm, rTRE median {marks.median_rtre:.2%}"
    return words


def _residuals_um(registration: Registration) -> tuple[float, float]:
    """Median and 90th percentile of the believable tiles; NaN without any."""
    quality = registration.quality
    found = quality.residual_um[quality.believable & np.isfinite(quality.residual_um)]
    if not len(found):
        return float("nan"), float("nan")
    median, p90 = np.percentile(found, (50, 90)).tolist()
    return median, p90


def draw_registration_sheet(
    fixed: SlideStore, moving: SlideStore, registration: Registration, *, source_sha256: str
) -> bytes:
    """Draw the sheet: the H&E slide, its twin brought over, both as a checkerboard, residuals.

    Args:
        fixed: The H&E slide.
        moving: Its twin.
        registration: Of both.
        source_sha256: Hash of the registration's file; the picture bears it.

    Returns:
        A PNG; the same registration gives the same bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 12), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2).ravel()
    level = _panel_level(fixed)
    grid = fixed.grid(level)
    he = fixed.read(level, 0, 0, grid.size_px)
    rgba = WarpedSlide(moving, registration.transform).read_grid(grid, 0, 0, grid.size_px)
    twin = np.where(rgba[..., 3:] > 0, rgba[..., :3], np.uint8(255))
    _show(panels[0], he, f"H&E {fixed.slide_id}")
    _show(panels[1], twin, f"{moving.slide_id}, brought over")
    _show(panels[2], np.where(_checkerboard(grid.size_px), he, twin), "Both, in squares")
    _draw_residuals(panels[3], he, registration)
    figure.suptitle(_title(fixed, moving, registration), fontsize=13)
    picture = io.BytesIO()
    # Fixed metadata: the same data give the same bytes.
    about = {"Software": "pathoai", _SOURCE: source_sha256}
    figure.savefig(picture, format="png", dpi=100, metadata=about)
    return picture.getvalue()


def is_sheet_of(path: Path, source_sha256: str) -> bool:
    """True where a whole picture lies that shows the registration of that hash."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            picture.load()
            found: Any = picture.info.get(_SOURCE)
    except (OSError, SyntaxError, UnidentifiedImageError):
        return False
    return bool(found == source_sha256)


def _title(fixed: SlideStore, moving: SlideStore, registration: Registration) -> str:
    turn, _, rest = registration_words(registration).partition("; ")
    return f"{fixed.slide_id}--{moving.slide_id}:  {turn}\n{rest}"


def _panel_level(store: SlideStore) -> int:
    sides = [max(store.array(level).shape[1:]) for level in range(len(store.factors))]
    return next((i for i, side in enumerate(sides) if side <= _PANEL_PX), len(sides) - 1)


def _show(panel: Axes, picture: NDArray[np.uint8], title: str) -> None:
    panel.imshow(picture)
    panel.set_title(title)
    panel.set_xticks([])
    panel.set_yticks([])


def _checkerboard(size_px: Size) -> NDArray[np.bool_]:
    """``(h, w, 1)`` bool: squares, twelve along the longer side."""
    side = max(1, -(-max(size_px.width, size_px.height) // _SQUARES))
    rows = np.arange(size_px.height)[:, None, None] // side
    columns = np.arange(size_px.width)[None, :, None] // side
    return np.asarray((rows + columns) % 2 == 0)


def _draw_residuals(panel: Axes, he: NDArray[np.uint8], registration: Registration) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    quality, transform = registration.quality, registration.transform
    grey = he.mean(axis=2, keepdims=True).repeat(3, axis=2)
    _show(panel, (255 - _DIMMED * (255 - grey)).astype(np.uint8), "Residual of believable tiles")
    height, width = he.shape[:2]
    rows, columns = quality.state.shape
    # Tiles and picture both begin at the slide's corner; the last tiles may reach beyond it.
    right = columns * quality.grid.downsample_x / transform.fixed.size_px.width * width
    bottom = rows * quality.grid.downsample_y / transform.fixed.size_px.height * height
    extent = (-0.5, right - 0.5, bottom - 0.5, -0.5)
    shown = np.where(quality.believable, quality.residual_um, np.nan)
    _, p90 = _residuals_um(registration)
    largest = max(1.0, 2 * p90) if np.isfinite(p90) else 1.0
    drawn = panel.imshow(
        shown, extent=extent, cmap="viridis", vmin=0, vmax=largest, alpha=0.8, aspect="equal"
    )
    bar = panel.figure.colorbar(drawn, ax=panel, shrink=0.8)
    bar.set_label("forward-backward residual, µm")
    refused = np.zeros((rows, columns, 4))
    refused[quality.state == TileState.REFUSED] = to_rgba(_REFUSED_COLOUR, 0.7)
    panel.imshow(refused, extent=extent, interpolation="nearest", aspect="equal")
    panel.set_xlim(-0.5, width - 0.5)
    panel.set_ylim(height - 0.5, -0.5)
    panel.legend(handles=[Patch(color=_REFUSED_COLOUR, label="refused")], loc="lower right")
