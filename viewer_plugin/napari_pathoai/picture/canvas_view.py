"""What of the slide the canvas shows, and how to bring something into it.

Frames: napari's camera is in the world, micrometres (y, x); regions are level-0 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathoai.geometry import Mpp, Region

if TYPE_CHECKING:
    from napari.components import ViewerModel

_SHARE_OF_CANVAS = 0.35
_LARGEST_ZOOM = 8.0
"""Canvas pixels per level-0 pixel: a small nucleus is enlarged, but not to a blur."""
_FRAMES = 3
_PLACE_UM = 250.0
"""Side of the square about a place that is shown with its surroundings: a tile, or a lesion."""


def region_in_view(viewer: ViewerModel, mpp: Mpp) -> Region:
    """What the canvas shows, level-0 pixels; it may reach beyond the slide.

    Args:
        viewer: The viewer.
        mpp: Scale of the slide's level 0.
    """
    height_px, width_px = viewer.canvas.size
    camera = viewer.scene.camera
    _, y_um, x_um = camera.center
    width_um, height_um = width_px / camera.zoom, height_px / camera.zoom
    return Region(
        (x_um - width_um / 2) / mpp.x,
        (y_um - height_um / 2) / mpp.y,
        width_um / mpp.x,
        height_um / mpp.y,
    )


def bring_into_view(
    viewer: ViewerModel,
    bounds: tuple[float, float, float, float],
    mpp: Mpp,
    *,
    share: float = _SHARE_OF_CANVAS,
) -> None:
    """Centre the camera on a rectangle, large enough to judge it and its surroundings.

    Args:
        viewer: The viewer.
        bounds: Left, top, right and bottom, level-0 pixels.
        mpp: Scale of the slide's level 0.
        share: Of the canvas that it takes, along the side that fits worse.
    """
    left, top, right, bottom = bounds
    height_px, width_px = viewer.canvas.size
    fitting = min(
        share * width_px / max(right - left, 1.0),
        share * height_px / max(bottom - top, 1.0),
    )
    camera = viewer.scene.camera
    camera.center = (0.0, (top + bottom) / 2 * mpp.y, (left + right) / 2 * mpp.x)
    camera.zoom = min(fitting, _LARGEST_ZOOM) / mpp.mean


def centre_on(viewer: ViewerModel, place: tuple[float, float], mpp: Mpp) -> None:
    """Centre the camera on a place, near enough to judge cells and far enough to know where one is.

    Args:
        viewer: The viewer.
        place: x and y, level-0 pixels.
        mpp: Scale of the slide's level 0.
    """
    (x, y), half_x, half_y = place, _PLACE_UM / 2 / mpp.x, _PLACE_UM / 2 / mpp.y
    bring_into_view(viewer, (x - half_x, y - half_y, x + half_x, y + half_y), mpp)


def draw_now() -> None:
    """Bring what was added so far onto the screen, before what takes longer is added.

    napari asks for the pixels of a view while it draws it, and draws again once it has them.
    """
    from qtpy.QtCore import QEventLoop
    from qtpy.QtWidgets import QApplication

    for _ in range(_FRAMES):
        # Clicks and keys wait: what they act on is not there yet.
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
