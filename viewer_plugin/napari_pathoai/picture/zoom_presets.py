"""Zoom in the words of a microscope.

A screen has no magnification. By the custom of digital pathology, 10× stands for 1 µm per pixel,
20× for 0.5 µm and 40× for 0.25 µm: magnification times µm per screen pixel is 10, whatever the
scanner's objective was. The viewer's world is in µm, so napari's zoom is screen pixels per µm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel

MAGNIFICATIONS = (1.25, 2.5, 5.0, 10.0, 20.0, 40.0)
_MAGNIFICATION_UM = 10.0
"""Magnification × µm per screen pixel."""


def screen_px_um(magnification: float) -> float:
    """Micrometres that a screen pixel spans at a magnification."""
    return _MAGNIFICATION_UM / magnification


def magnification_at(zoom: float) -> float:
    """The magnification that a zoom, screen pixels per µm, is equivalent to."""
    return _MAGNIFICATION_UM * zoom


def set_magnification(viewer: ViewerModel, magnification: float) -> None:
    """Zoom to a magnification about the middle of the view."""
    viewer.scene.camera.zoom = 1 / screen_px_um(magnification)


def present_screen_px_um(viewer: ViewerModel) -> float:
    """Micrometres that a screen pixel spans now."""
    return 1 / float(viewer.scene.camera.zoom)
