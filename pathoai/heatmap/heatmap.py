"""A figure of one slide with one of its maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai import __version__
from pathoai.errors import InvalidValueError
from pathoai.geometry import Region, Size
from pathoai.heatmap import page as paper
from pathoai.heatmap.draw_page import Locator, PageContent, draw_page
from pathoai.heatmap.layer import Layer, Scene
from pathoai.heatmap.map_choice import MapChoice
from pathoai.heatmap.page import Page, Resolution
from pathoai.heatmap.slide_picture import (
    GLASS_FADES_UM,
    MAP_FADES_UM,
    Surroundings,
    bands_of,
    grey,
    slide_pixels,
)
from pathoai.heatmap.view import View, region_within
from pathoai.heatmap.words import LANGUAGES
from pathoai.progress import Advance, silent
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study

KINDS = ("png", "pdf")
_HASH_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Heatmap:
    """What a figure shows, and how.

    Args:
        choice: The map.
        region: The part of the slide; None for all of it.
        resolution: How many pixels.
        opacity: Of the map over the slide, 0 to 1.
        language: ``en`` or ``fr``.
        keep_glass: Show the glass around the tissue as it was scanned, not white.
        grey_slide: Show the slide without its colours.
        with_locator: A region gets a small picture of the whole slide beside it.
    """

    choice: MapChoice
    region: Region | None = None
    resolution: Resolution = field(default_factory=Resolution)
    opacity: float = 0.5
    language: str = "en"
    keep_glass: bool = False
    grey_slide: bool = False
    with_locator: bool = True

    def __post_init__(self) -> None:
        """Refuse an opacity that is none, and languages nobody wrote."""
        if not 0 <= self.opacity <= 1:
            raise InvalidValueError(
                "opacity", where="--opacity", found=f"{self.opacity:g}", allowed="0 to 1"
            )
        if self.language not in LANGUAGES:
            raise InvalidValueError(
                "language", found=repr(self.language), allowed=", ".join(LANGUAGES)
            )


def draw_heatmap(
    study: Study, store: SlideStore, heatmap: Heatmap, kind: str, *, advance: Advance = silent
) -> bytes:
    """Draw a figure; memory depends on its pixels, not on the slide's.

    Args:
        study: Its ontology names the classes, and objects lie in it.
        store: The slide.
        heatmap: What to draw.
        kind: ``png`` or ``pdf``.
        advance: Told of rows done and rows in all.

    Returns:
        The file; the same store, map and settings give the same bytes.

    Raises:
        InvalidValueError: The region reaches past the slide, the resolution is out of range, or
            the map has no such class or plane.
        StoreError: The map is not complete, or its objects are not of it.
    """
    if kind not in KINDS:
        raise InvalidValueError("kind of figure", found=repr(kind), allowed=", ".join(KINDS))
    content = page_content(study, store, heatmap, advance=advance)
    return draw_page(content, kind)


def page_content(
    study: Study, store: SlideStore, heatmap: Heatmap, *, advance: Advance = silent
) -> PageContent:
    """All that is drawn; arguments and errors are those of `draw_heatmap`."""
    region, scale = region_within(heatmap.region, store.slide.size), store.header.slide_mpp
    shape_um = (region.width * scale.x, region.height * scale.y)
    dpi = paper.dpi_of(heatmap.resolution, region, shape_um)
    view = View(region, paper.picture_px(shape_um, dpi), scale)
    words = LANGUAGES[heatmap.language]
    scene = Scene(store, study.ontology, view, words)
    layer = heatmap.choice.layer(scene, study.objects_path(store.slide_id, heatmap.choice.name))
    shown = None if heatmap.keep_glass else Surroundings.of(store.tissue, GLASS_FADES_UM)
    locator = None
    if heatmap.region is not None and heatmap.with_locator:
        locator = _locator(store, region, dpi, shown)
    caption = _caption(study, scene, heatmap, layer)
    locator_mm = 0.0 if locator is None else len(locator.pixels) * paper.MM_PER_INCH / dpi
    return PageContent(
        Page.of(shape_um, layer, caption, locator_mm),
        dpi,
        _picture(scene, layer, heatmap, shown, advance),
        layer,
        heatmap.opacity,
        view.mpp,
        words,
        locator,
    )


def _picture(
    scene: Scene, layer: Layer, heatmap: Heatmap, shown: Surroundings | None, advance: Advance
) -> NDArray[np.uint8]:
    size = scene.view.size_px
    tissue = Surroundings.of(scene.store.tissue, MAP_FADES_UM) if layer.on_tissue else None
    out = np.empty((size.height, size.width, 3), np.uint8)
    for band in bands_of(scene.store, scene.view):
        pixels = slide_pixels(scene.store, scene.view, band, shown)
        out[band] = grey(pixels) if heatmap.grey_slide else pixels
        if layer.tint is not None:
            tint = layer.tint(band)
            if tissue is not None:
                tint = tint.within(tissue.under(scene.view, band))
            out[band] = tint.over(out[band], heatmap.opacity)
        advance(band.stop, size.height)
    return out


def _locator(store: SlideStore, region: Region, dpi: float, shown: Surroundings | None) -> Locator:
    slide, scale = store.slide.size, store.header.slide_mpp
    width, height = slide.width * scale.x, slide.height * scale.y
    per_um = min(paper.KEY_MM / width, paper.LOCATOR_MM / height) * dpi / paper.MM_PER_INCH
    size = Size(max(1, round(width * per_um)), max(1, round(height * per_um)))
    view = View(Region(0, 0, slide.width, slide.height), size, scale)
    bands = [slide_pixels(store, view, band, shown) for band in bands_of(store, view)]
    box = (
        region.x / slide.width,
        region.y / slide.height,
        region.right / slide.width,
        region.bottom / slide.height,
    )
    return Locator(np.concatenate(bands), box)


def map_source(study: Study, store: SlideStore, choice: MapChoice) -> dict[str, Any]:
    """Where a map comes from, as its label or its table of objects says."""
    if choice.is_grade:
        return read_objects(study.objects_path(store.slide_id, choice.name)).source
    return store.label(choice.name).about


def _caption(study: Study, scene: Scene, heatmap: Heatmap, layer: Layer) -> str:
    words, store = scene.words, scene.store
    about = map_source(study, store, heatmap.choice)
    parts = [words.slide.format(store.slide_id), words.map.format(heatmap.choice.name)]
    if "model" in about:
        identity = str(about.get("model_sha256", ""))[:_HASH_LETTERS]
        parts.append(words.model.format(about["model"], identity))
    parts += [words.store.format(store.identity[:_HASH_LETTERS])]
    parts += [words.scale.format(words.plain(scene.view.mpp)), *layer.notes]
    if not heatmap.keep_glass:
        parts.append(words.glass)
    end = f" {words.proposal}" if about.get("origin") == "model" else ""
    return "; ".join((*parts, f"pathoai {__version__}")) + "." + end
