"""Which slide a viewer shows: what is laid over it, or drawn on it, is in its pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_pathoai.picture.layers import FRAME, METADATA
from pathoai.errors import AnnotationError
from pathoai_annotations.slide_frame import SlideFrame

if TYPE_CHECKING:
    from napari.layers import Layer


@dataclass(frozen=True, slots=True)
class ShownSlide:
    """A slide in a viewer.

    Args:
        slide_id: Its code; empty for a slide outside any study.
        frame: Its level 0.
    """

    slide_id: str
    frame: SlideFrame


def shown_slide(layers: Iterable[Layer]) -> ShownSlide | None:
    """The lowest slide among layers; None where there is none."""
    for layer in layers:
        about = layer.metadata.get(METADATA, {})
        if FRAME in about:
            return ShownSlide(about["slide_id"], about[FRAME])
    return None


def slide_of_window(where: str) -> ShownSlide:
    """The slide that the window in front shows.

    Args:
        where: The file that needs one, for the message.

    Raises:
        AnnotationError: There is none.
    """
    import napari

    viewer = napari.current_viewer()
    found = None if viewer is None else shown_slide(viewer.layers)
    if found is None:
        raise AnnotationError(
            "outlines have no place without their slide, and none is open",
            where=where,
            remedy="open the slide, then this file again",
        )
    return found
