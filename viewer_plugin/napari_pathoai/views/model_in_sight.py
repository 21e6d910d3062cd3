"""Whether the reader sees what a model says: a reading with a model's help must say so."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer

from napari_pathoai.picture.layers import METADATA, PREDICTION
from napari_pathoai.review import Review
from pathoai_annotations.annotation import Origin


def model_in_sight(review: Review) -> bool:
    """True where a prediction is on the screen, or an outline that a model drew."""
    session, annotations = review.session, review.annotations
    if session is None or annotations is None:
        return False
    if any(_tells(layer, session.predictions) for layer in review.viewer.layers):
        return True
    shown = annotations.layer
    return bool(shown.visible and (shown.features["origin"] == Origin.MODEL.value).any())


def _tells(layer: Layer, predictions: tuple[str, ...]) -> bool:
    """The class map of a model that grades slides is transparent: it tells nothing."""
    about: dict[str, Any] = layer.metadata.get(METADATA, {})
    if not (layer.visible and about.get("of_model")):
        return False
    model = str(about.get("label", "")).removeprefix(PREDICTION)
    return about.get("kind") != "label" or model in predictions
