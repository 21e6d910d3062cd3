"""Layers of a label: its classes, the probability of one, and how unsure a model is."""

from __future__ import annotations

import difflib

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.heatmap.label_samples import ClassAreas, LabelSamples, class_areas
from pathoai.heatmap.layer import ColourScale, Layer, LegendEntry, Scene, Tint, rounded_up
from pathoai.heatmap.words import Words
from pathoai.inference.slide_grade import ATTENTION
from pathoai.ontology import NOT_ASSESSED, LabelClass, Ontology
from pathoai.quality.artefacts import ARTEFACTS
from pathoai.quality.artefacts import LABEL as ARTEFACT_LABEL
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import TISSUE

_CERTAIN = 255
PROBABILITY_COLOURS, UNCERTAINTY_COLOURS, ATTENTION_COLOURS = "viridis", "magma", "inferno"


def classes_of(label: LabelImage, ontology: Ontology) -> tuple[LabelClass, ...]:
    """The classes of a label: as the ontology has them where it does, else as the label does."""
    known = {c.key: c for c in ARTEFACTS} if label.name == ARTEFACT_LABEL else {}
    if not known:
        known = {c.key: c for c in ontology.classes}
    own = {c.key: c for c in label.shown_classes}
    same = {key for key, c in own.items() if key in known and known[key].index == c.index}
    return tuple(known[key] if key in same else own[key] for key in own)


def class_of(label: LabelImage, ontology: Ontology, key: str) -> LabelClass:
    """A class of a label by its key.

    Raises:
        InvalidValueError: It has none of that key; the remedy is the nearest.
    """
    classes = {c.key: c for c in classes_of(label, ontology)}
    if key not in classes:
        near = difflib.get_close_matches(key, classes, n=1)
        raise InvalidValueError(
            "the map has no such class",
            where=f"--class, map {label.name}",
            found=repr(key),
            allowed=", ".join(classes),
            remedy=f"did you mean {near[0]!r}?" if near else None,
        )
    return classes[key]


def class_layer(scene: Scene, label: LabelImage, key: str | None) -> Layer:
    """The classes of a label in their colours, or only one; the legend has the area of each."""
    wanted = classes_of(label, scene.ontology)
    if key is not None:
        wanted = (class_of(label, scene.ontology, key),)
    areas = class_areas(label, scene.view.region)
    shown = [c for c in wanted if c.index in areas.mm2 or key is not None]
    tissue_mm2 = scene.tissue_mm2
    legend = (
        LegendEntry(c.colour, scene.words.name(c), _area(areas, c.index, tissue_mm2, scene.words))
        for c in shown
    )
    samples = LabelSamples.of(label, scene.view)

    def tint(band: slice) -> Tint:
        return _class_tint(samples.class_map(band), shown)

    notes = () if areas.exact else (scene.words.areas.format(scene.words.plain(areas.mpp)),)
    return Layer(_heading(label, scene.words), tint, tuple(legend), notes=notes)


def _heading(label: LabelImage, words: Words) -> str:
    kind = label.name.partition("/")[0]
    if label.name == TISSUE:
        return words.tissue
    if label.name == ARTEFACT_LABEL:
        return words.artefacts
    return {"prediction": words.predicted, "annotation": words.annotated}.get(kind, words.labelled)


def _area(areas: ClassAreas, value: int, tissue_mm2: float, words: Words) -> str:
    area = areas.mm2.get(value, 0.0)
    # Three digits that count, whether it is a lobe or a nucleus.
    digits = int(np.clip(2 - np.floor(np.log10(area)), 0, 6)) if area else 0
    text = f"{words.number(area, digits)} mm²"
    if not tissue_mm2:
        return text
    return f"{text} ({words.number(100 * area / tissue_mm2, 1)} % {words.of_tissue})"


def _class_tint(samples: NDArray[np.uint8], classes: list[LabelClass]) -> Tint:
    """Each pixel by the classes of its points: small objects fade instead of flickering."""
    height, _, width, _ = samples.shape
    colour, cover = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    for label in classes:
        found = samples == label.index
        if found.any():
            share = found.mean(axis=(1, 3), dtype=np.float32)
            cover += share
            colour += share[..., None] * np.array(label.rgb, np.float32)
    return Tint(colour, np.minimum(cover, 1))


def probability_layer(scene: Scene, label: LabelImage, key: str) -> Layer:
    """How probable one class is, wherever it was asked."""
    shown = class_of(label, scene.ontology, key)
    if key not in label.probability_channels:
        raise InvalidValueError(
            "the map holds no probability of that class",
            where=f"--class, map {label.name}",
            found=repr(key),
            allowed=", ".join(label.probability_channels) or "none: it has no probabilities",
            remedy="say --show classes to colour where the class is",
        )
    channel = label.probability_channels.index(key)
    samples, scale = LabelSamples.of(label, scene.view), ColourScale(1.0, PROBABILITY_COLOURS)

    def tint(band: slice) -> Tint:
        return _mean_tint(scale, samples.probability(channel, band), samples.class_map(band))

    heading = scene.words.probability.format(scene.words.name(shown))
    return Layer(heading, tint, scale=scale, on_tissue=True)


def uncertainty_layer(scene: Scene, label: LabelImage, measure: str) -> Layer:
    """One measure of how unsure the model is.

    Raises:
        InvalidValueError: The label does not hold it.
    """
    if measure not in label.uncertainty_channels:
        raise InvalidValueError(
            "the map holds no such uncertainty",
            where=f"--show, map {label.name}",
            found=measure,
            allowed=", ".join(label.uncertainty_channels) or "none: no model made it",
            remedy="mutual_information needs `pathoai predict` with --ensemble or --tta",
        )
    channel = label.uncertainty_channels.index(measure)
    samples, scale = LabelSamples.of(label, scene.view), ColourScale(1.0, UNCERTAINTY_COLOURS)

    def tint(band: slice) -> Tint:
        return _mean_tint(scale, samples.uncertainty(channel, band), samples.class_map(band))

    headings = {
        "entropy": scene.words.entropy,
        "mutual_information": scene.words.mutual_information,
    }
    return Layer(headings.get(measure, measure), tint, scale=scale, on_tissue=True)


def attention_map_layer(scene: Scene, label: LabelImage) -> Layer:
    """How much each place weighed in the grade of the slide.

    Raises:
        InvalidValueError: The label is of a model that grades no slides.
    """
    if ATTENTION not in label.probability_channels:
        raise InvalidValueError(
            "the map holds no attention",
            where=f"--show, map {label.name}",
            allowed="maps of models that grade slides",
        )
    channel = label.probability_channels.index(ATTENTION)
    percent = 100 * float(label.about[ATTENTION]["largest_weight"])
    scale = ColourScale(rounded_up(percent), ATTENTION_COLOURS)
    samples = LabelSamples.of(label, scene.view)

    def tint(band: slice) -> Tint:
        values = samples.probability(channel, band)
        return _mean_tint(scale, values, samples.class_map(band), full=percent)

    return Layer(scene.words.attention_map, tint, scale=scale, on_tissue=True)


def _mean_tint(
    scale: ColourScale,
    values: NDArray[np.uint8],
    class_map: NDArray[np.uint8],
    *,
    full: float = 1.0,
) -> Tint:
    """The mean of the points that were assessed; what nobody assessed has no colour.

    ``full`` is what 255 stands for.
    """
    assessed = class_map != NOT_ASSESSED
    count = assessed.sum(axis=(1, 3), dtype=np.float32)
    total = np.where(assessed, values, np.uint8(0)).sum(axis=(1, 3), dtype=np.float32)
    points = class_map.shape[1] * class_map.shape[3]
    return scale.tint(total / np.maximum(count, 1) * (full / _CERTAIN), count / points)
