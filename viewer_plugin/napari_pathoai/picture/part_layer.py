"""What a model said of the region in view, as a layer: it lies nowhere but in memory."""

from __future__ import annotations

from napari_pathoai.picture.layers import METADATA, PREDICTION, LayerData, Rgba
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from pathoai.geometry import Mpp
from pathoai.ontology import BACKGROUND_INDEX
from pathoai_annotations.review.predict_here import PredictedPart

_TRANSPARENT: Rgba = (0.0, 0.0, 0.0, 0.0)


def part_layer(part: PredictedPart, model: str, session: ReviewSession) -> LayerData:
    """A class map in the ontology's colours, in its place on the slide.

    Args:
        part: What was predicted.
        model: Name of the model.
        session: Of the slide.
    """
    from napari.utils.colormaps import DirectLabelColormap

    slide = session.store.header.slide_mpp
    pixel = Mpp(part.downsample_x * slide.x, part.downsample_y * slide.y)
    colours: dict[int | None, Rgba] = {None: _TRANSPARENT, BACKGROUND_INDEX: _TRANSPARENT}
    for label in session.classes:
        red, green, blue = (channel / 255 for channel in label.rgb)
        colours[label.index] = (red, green, blue, 1.0)
    settings = {
        "name": text("part_layer", model=model),
        "opacity": 0.45,
        "colormap": DirectLabelColormap(color_dict=colours),
        "metadata": {METADATA: {"kind": "part", "label": f"{PREDICTION}{model}", "of_model": True}},
        "scale": (pixel.y, pixel.x),
        # napari puts the centre of a pixel at the translate, and its edge belongs there.
        "translate": (part.y * slide.y + pixel.y / 2, part.x * slide.x + pixel.x / 2),
        "units": ("um", "um"),
    }
    return part.class_map, settings, "labels"
