"""OME-Zarr 0.5 metadata (https://ngff.openmicroscopy.org/0.5/), as plain dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pathoai.geometry import Mpp
from pathoai.ontology import BACKGROUND_INDEX, NOT_ASSESSED, LabelClass

VERSION = "0.5"


def multiscales(name: str, factors: Sequence[float], mpp: Mpp, *, channels: bool) -> dict[str, Any]:
    """The ``multiscales`` entry of an image or label.

    Args:
        name: Shown by viewers.
        factors: Of each level, store pixels per pixel; level ``i`` is the array ``str(i)``.
        mpp: Scale of the store.
        channels: True for an image of axes c, y, x; False for a label of axes y, x.
    """
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in ("y", "x")]
    if channels:
        axes.insert(0, {"name": "c", "type": "channel"})
    lead, origin = ([1.0], [0.0]) if channels else ([], [])
    datasets = []
    for level, factor in enumerate(factors):
        # Positions are those of pixel centres: a pixel of 2 × 2 has its centre half a pixel on.
        shift = (factor - 1) / 2
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [*lead, factor * mpp.y, factor * mpp.x]},
                    {"type": "translation", "translation": [*origin, shift * mpp.y, shift * mpp.x]},
                ],
            }
        )
    return {"name": name, "axes": axes, "datasets": datasets}


def image_attributes(name: str, factors: Sequence[float], mpp: Mpp) -> dict[str, Any]:
    """The ``ome`` attribute of an RGB image."""
    channels = [
        {
            "label": label,
            "color": colour,
            "active": True,
            "window": {"min": 0, "max": 255, "start": 0, "end": 255},
        }
        for label, colour in (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
    ]
    return {
        "version": VERSION,
        "multiscales": [multiscales(name, factors, mpp, channels=True)],
        "omero": {"channels": channels, "rdefs": {"model": "color"}},
    }


def label_attributes(
    name: str, factors: Sequence[float], mpp: Mpp, classes: Sequence[LabelClass]
) -> dict[str, Any]:
    """The ``ome`` attribute of a label that lies in the group ``labels`` of its image."""
    shown = {c.index: (c.key, c.name, [*c.rgb, 255]) for c in classes}
    # Neither background nor what nobody assessed may hide the slide.
    shown[BACKGROUND_INDEX] = ("background", "Background", [0, 0, 0, 0])
    shown[NOT_ASSESSED] = ("not_assessed", "Not assessed", [0, 0, 0, 0])
    values = sorted(shown)
    colours = [{"label-value": v, "rgba": shown[v][2]} for v in values]
    properties = [{"label-value": v, "class": shown[v][0], "name": shown[v][1]} for v in values]
    return {
        "version": VERSION,
        "multiscales": [multiscales(name, factors, mpp, channels=False)],
        "image-label": {
            "colors": colours,
            "properties": properties,
            "source": {"image": "../../"},
        },
    }
