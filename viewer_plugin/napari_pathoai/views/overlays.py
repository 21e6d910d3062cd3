"""All that lies over the slide, out of sight at a key and back again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_pathoai.keys.actions import ReviewAction
from napari_pathoai.picture.layers import METADATA
from napari_pathoai.review import Review, is_of_model

if TYPE_CHECKING:
    from napari.layers import Layer

_SLIDE_KINDS = ("image", "slide")


class Overlays:
    """The layers over the slide.

    Args:
        review: Whose layers.
    """

    def __init__(self, review: Review) -> None:
        """Nothing is hidden."""
        self._review = review
        self._hidden: list[Layer] = []
        self.review_actions = (
            ReviewAction("reading_overlays", ("H",), "group_reading", self.toggle),
        )
        review.closing.connect(self._on_closing)

    def toggle(self) -> None:
        """Hide what is in sight; show again what was hidden."""
        if self._hidden:
            self.show()
            return
        layers = [one for one in self._review.viewer.layers if _is_overlay(one) and one.visible]
        self._hidden = layers
        for layer in layers:
            layer.visible = False

    def show(self) -> None:
        """Show again what was hidden, but not the model where a control hides it."""
        hidden, self._hidden = self._hidden, []
        for layer in hidden:
            if not (self._review.model_is_hidden and is_of_model(layer)):
                layer.visible = True

    def _on_closing(self) -> None:
        self._hidden = []


def _is_overlay(layer: Layer) -> bool:
    about = layer.metadata.get(METADATA)
    return about is not None and about.get("kind") not in _SLIDE_KINDS
