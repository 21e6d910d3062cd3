"""Layers of a slide as napari takes them: data, keyword arguments and type.

Frames: the world of the viewer is in micrometres: level-0 pixels times the slide's mpp, zero at the
top left EDGE of the canvas. napari puts the CENTRE of pixel (0, 0) at a layer's translate, so a
raster of pixels of ``s`` µm is translated by ``s / 2``; the coarser levels of a pyramid are aligned
by their edges by napari itself. Polygons have no pixels: their layer is scaled, never translated.
"""

from __future__ import annotations

from typing import Any

import zarr

from napari_pathoai.picture.label_levels import (
    DamageNotice,
    label_levels,
    probability_levels,
)
from napari_pathoai.picture.pyramid import slide_levels, store_levels
from napari_pathoai.texts.texts import text
from pathoai.geometry import Mpp
from pathoai.inference.slide_grade import ATTENTION
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED
from pathoai.slide.reader import SlideReader
from pathoai.store.label_image import LabelImage, group_name
from pathoai.store.slide_store import TISSUE, SlideStore
from pathoai_annotations.slide_frame import SlideFrame

PREDICTION = "prediction/"
IHC, REGISTRATION = "ihc/", "registration/"
_FROM_TWIN = {IHC: "ihc_label", "trust/": "trust", REGISTRATION: "registration"}
"""Labels that came by registration, by their kind: the text of their names, and its field."""
METADATA = "pathoai"
"""Key in a layer's metadata: what the layer shows, for the review widget."""
FRAME = "frame"
"""In that of a slide: its level 0, as a `SlideFrame`."""

LayerData = tuple[Any, dict[str, Any], str]
Rgba = tuple[float, float, float, float]

_TRANSPARENT: Rgba = (0.0, 0.0, 0.0, 0.0)
_UNITS = ("um", "um")


def raster_frame(pixel_um: Mpp) -> dict[str, Any]:
    """Scale and translate, in µm along y and x, that put a raster's top left edge at zero."""
    return _frame(pixel_um.y, pixel_um.x)


def _label_frame(store: SlideStore, label: LabelImage) -> dict[str, Any]:
    """The same of a label, whose pixels may be tiles: larger than those of any scan."""
    pixel, factor = store.header.pixel_mpp, label.factors[0]
    return _frame(pixel.y * factor, pixel.x * factor)


def _frame(height_um: float, width_um: float) -> dict[str, Any]:
    return {
        "scale": (height_um, width_um),
        "translate": (height_um / 2, width_um / 2),
        "units": _UNITS,
    }


def vector_frame(slide_mpp: Mpp) -> dict[str, Any]:
    """Scale of a layer whose data are level-0 pixels with edges at integers (y, x)."""
    return {"scale": (slide_mpp.y, slide_mpp.x), "translate": (0.0, 0.0), "units": _UNITS}


def store_layers(store: SlideStore) -> list[LayerData]:
    """Image, tissue (hidden), predictions, other labels and probabilities (hidden) of a store."""
    return [image_layer(store), *layers_over_image(store)]


def layers_over_image(store: SlideStore) -> list[LayerData]:
    """The same without the image."""
    layers: list[LayerData] = []
    for name in _in_order(store.labels):
        label, notice = store.label(name), DamageNotice()
        layers.append(label_layer(store, label, notice))
        layers.extend(_probability_layers(store, label, notice))
    return layers


def slide_layers(reader: SlideReader, *, name: str) -> list[LayerData]:
    """A raw slide, read from its file on demand; it is closed when its layer is gone."""
    info = reader.info
    frame = SlideFrame(info.size, info.mpp, info.bounds, info.quickhash)
    settings = {
        "name": name,
        "rgb": True,
        "multiscale": True,
        "metadata": {METADATA: {"kind": "slide", "slide_id": info.slide_id, FRAME: frame}},
        **raster_frame(info.mpp),
    }
    return [(slide_levels(reader), settings, "image")]


def label_layer(
    store: SlideStore, label: LabelImage, notice: DamageNotice | None = None
) -> LayerData:
    """A class map in the colours of its classes; background and not assessed are transparent."""
    from napari.utils.colormaps import DirectLabelColormap

    levels = label_levels(label, notice)
    settings = {
        "name": _label_name(label.name),
        # Labels of one level in a list, as small slides have them, napari takes for one array.
        "multiscale": len(levels) > 1,
        # What training learned from, and tissue, would hide the slide; both are a click away.
        "visible": label.name.startswith((PREDICTION, IHC)),
        "opacity": 0.45,
        "colormap": DirectLabelColormap(color_dict=dict(label_colours(store, label))),
        "metadata": {METADATA: _about("label", label)},
        **_label_frame(store, label),
    }
    return levels if len(levels) > 1 else levels[0], settings, "labels"


def label_colours(store: SlideStore, label: LabelImage) -> dict[int | None, Rgba]:
    """Colours by value as the label itself states them; None stands for every other value."""
    group = zarr.open_group(store.path / "labels" / group_name(label.name), mode="r", zarr_format=3)
    stated: Any = dict(group.attrs)["ome"]
    colours: dict[int | None, Rgba] = {None: _TRANSPARENT}
    for entry in stated["image-label"]["colors"]:
        red, green, blue, alpha = (channel / 255 for channel in entry["rgba"])
        colours[int(entry["label-value"])] = (red, green, blue, alpha)
    colours[BACKGROUND_INDEX] = colours[NOT_ASSESSED] = _TRANSPARENT
    return colours


def image_layer(store: SlideStore) -> LayerData:
    """The pixels of a store."""
    about = {
        "kind": "image",
        "slide_id": store.slide_id,
        "store": str(store.path),
        FRAME: SlideFrame.of(store),
    }
    settings = {
        "name": f"{text('slide')} {store.slide_id}",
        "rgb": True,
        "multiscale": True,
        "metadata": {METADATA: about},
        **raster_frame(store.header.pixel_mpp),
    }
    return store_levels(store), settings, "image"


def _probability_layers(
    store: SlideStore, label: LabelImage, notice: DamageNotice
) -> list[LayerData]:
    layers: list[LayerData] = []
    rgb = {c.key: c.rgb for c in label.shown_classes}
    for channel, key in enumerate(label.probability_channels):
        if key == "background":
            continue
        settings = {
            "name": _plane_name(label.name, key),
            "rgb": False,
            "multiscale": True,
            "visible": False,
            "opacity": 0.6,
            "colormap": _plane_colours(key, rgb.get(key)),
            "contrast_limits": (0, 255),
            "metadata": {METADATA: {**_about("probability", label), "class": key}},
            **_label_frame(store, label),
        }
        layers.append((probability_levels(label, channel, notice), settings, "image"))
    return layers


def _about(kind: str, label: LabelImage) -> dict[str, Any]:
    return {"kind": kind, "label": label.name, "of_model": label.name.startswith(PREDICTION)}


def _plane_colours(key: str, rgb: tuple[int, int, int] | None) -> Any:  # noqa: ANN401
    """From nothing to the class's colour: the slide is seen where the model is unsure."""
    from napari.utils.colormaps import Colormap

    if rgb is None:
        return "inferno"
    red, green, blue = (channel / 255 for channel in rgb)
    return Colormap([(red, green, blue, 0.0), (red, green, blue, 1.0)], name=f"pathoai {key}")


def _plane_name(name: str, key: str) -> str:
    if name.startswith(REGISTRATION):
        return text("similarity", name=name.removeprefix(REGISTRATION))
    model = name.removeprefix(PREDICTION)
    if key == ATTENTION:
        return f"{text('attention')}: {model}"
    return f"{text('probability')}: {model} {key}"


def _in_order(names: tuple[str, ...]) -> list[str]:
    """Tissue lowest, then others, then what the restained twin says, predictions on top."""

    def place(name: str) -> tuple[bool, bool, bool, str]:
        return name != TISSUE, name.startswith(PREDICTION), name.startswith(IHC), name

    return sorted(names, key=place)


def _label_name(name: str) -> str:
    if name == TISSUE:
        return text("tissue")
    if name.startswith(PREDICTION):
        return f"{text('prediction')}: {name.removeprefix(PREDICTION)}"
    for kind, key in _FROM_TWIN.items():
        if name.startswith(kind):
            rest = name.removeprefix(kind)
            return text(key, marker=rest, name=rest)
    return name
