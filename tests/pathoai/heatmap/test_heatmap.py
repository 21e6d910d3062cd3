"""Figures: colours at known places, lengths and areas that are true, bytes that do not change."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from pathoai.errors import InvalidValueError, StoreError
from pathoai.geometry import Region
from pathoai.heatmap.draw_page import PageContent
from pathoai.heatmap.heatmap import Heatmap, draw_heatmap, page_content
from pathoai.heatmap.map_choice import MapChoice, chosen_map, map_names
from pathoai.heatmap.page import Resolution
from pathoai.heatmap.words import ENGLISH, FRENCH
from tests.pathoai.heatmap.mapped_study import (
    GRADE,
    INVASIVE,
    MODEL,
    NUCLEI,
    OBJECTS,
    STROMA,
    TILES,
    Mapped,
    write_table,
)
from tests.pathoai.store.made_stores import SLIDE_ID

Picture = NDArray[np.uint8]


def _heatmap(name: str, way: str | None = None, key: str | None = None) -> Heatmap:
    """At the store's own scale, the map opaque, glass as it is."""
    whole = Heatmap(MapChoice(name, way, key), opacity=1.0, keep_glass=True)
    return replace(whole, resolution=Resolution(mpp=0.5))


def _content(mapped: Mapped, heatmap: Heatmap) -> PageContent:
    return page_content(mapped.study, mapped.store, heatmap)


def _figure(mapped: Mapped, heatmap: Heatmap) -> Picture:
    """The PNG, decoded."""
    data = draw_heatmap(mapped.study, mapped.store, heatmap, "png")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_classes_have_the_colours_of_the_ontology_where_they_lie(mapped: Mapped) -> None:
    content = _content(mapped, _heatmap(MODEL))
    picture, ontology = _figure(mapped, _heatmap(MODEL)), mapped.study.ontology
    assert content.picture.shape == (1200, 1500, 3)
    corner = content.corner_px
    inside = picture[corner : corner + 1200, corner : corner + 1500]
    for key, (left, top, right, bottom) in (("invasive_nst", INVASIVE), ("stroma", STROMA)):
        box = content.picture[top:bottom, left:right]
        assert (box == ontology[key].rgb).all()
        for y, x in ((top, left), (top, right - 1), (bottom - 1, left)):
            np.testing.assert_array_equal(inside[y, x], ontology[key].rgb)
    slide = mapped.store.read(0, 0, 0, mapped.store.grid().size_px)
    np.testing.assert_array_equal(content.picture[:190], slide[:190])


def test_opacity_mixes_map_and_slide(mapped: Mapped) -> None:
    content = _content(mapped, replace(_heatmap(MODEL), opacity=0.25))
    slide = mapped.store.read(0, 0, 0, mapped.store.grid().size_px).astype(float)
    left, top, right, bottom = INVASIVE
    colour = np.array(mapped.study.ontology["invasive_nst"].rgb)
    expected = 0.75 * slide[top:bottom, left:right] + 0.25 * colour
    assert np.abs(content.picture[top:bottom, left:right] - expected).max() <= 0.5


def test_a_coarse_picture_shows_the_share_of_each_pixel(mapped: Mapped) -> None:
    """What small objects cover is neither lost nor grown: sixteen points are asked per pixel."""
    heatmap = replace(_heatmap(NUCLEI, "classes", "nucleus"), resolution=Resolution(mpp=2.0))
    scene_layer = _content(mapped, heatmap).layer
    assert scene_layer.tint is not None
    cover = scene_layer.tint(slice(0, 300)).cover
    assert cover.shape == (300, 375)
    assert cover.sum() == pytest.approx(2 * 400 / 16)
    assert cover.max() == 1
    assert ((cover > 0) & (cover < 1)).any()


def test_probability_is_a_colour_of_the_scale_and_unassessed_stays(mapped: Mapped) -> None:
    heatmap = _heatmap(MODEL, None, "invasive_nst")
    content = _content(mapped, heatmap)
    plain = _content(mapped, replace(heatmap, opacity=0.0)).picture
    shades = np.rint(255 * colormaps["viridis"](np.arange(256))[:, :3])
    tissue = mapped.store.tissue.on_grid(mapped.store.grid(), slice(0, 1200), slice(0, 1500))
    for x in (310, 700, 1100):
        y = int(np.flatnonzero(tissue[:, x])[len(np.flatnonzero(tissue[:, x])) // 2])
        assert np.abs(content.picture[y, x] - shades[x * 255 // 1499]).max() <= 1
    np.testing.assert_array_equal(content.picture[:, 1200:], plain[:, 1200:])
    assert content.layer.scale is not None
    assert content.layer.scale.largest == 1.0
    assert "Invasive carcinoma of no special type" in content.layer.heading


def test_uncertainty_has_its_own_scale(mapped: Mapped) -> None:
    content = _content(mapped, _heatmap(MODEL, "entropy"))
    assert content.layer.scale is not None
    assert content.layer.scale.colour_map == "magma"
    with pytest.raises(InvalidValueError, match=r"no such uncertainty.*allowed: entropy"):
        _content(mapped, _heatmap(MODEL, "mutual_information"))


def test_areas_in_the_legend_are_those_of_the_truth(mapped: Mapped) -> None:
    legend = {e.name: e.number for e in _content(mapped, _heatmap(MODEL)).layer.legend}
    tissue_mm2 = mapped.store.tissue.area_mm2
    for name, (left, top, right, bottom) in (
        ("Invasive carcinoma of no special type", INVASIVE),
        ("Stroma", STROMA),
    ):
        area = (right - left) * (bottom - top) * 0.25e-6
        assert legend[name] == f"{area:.4f} mm² ({100 * area / tissue_mm2:.1f} % of tissue)"
    # The same at any resolution: areas are not counted in the picture.
    coarse = replace(_heatmap(MODEL), resolution=Resolution(dpi=60))
    assert {e.name: e.number for e in _content(mapped, coarse).layer.legend} == legend


def test_areas_of_a_region_are_those_inside_it(mapped: Mapped) -> None:
    region = Region(800, 100, 200, 300)
    heatmap = replace(_heatmap(MODEL), region=region, resolution=Resolution(mpp=0.25))
    content = _content(mapped, heatmap)
    (entry,) = content.layer.legend
    assert entry.number.startswith(f"{100 * 200 * 0.25e-6:.5f} mm²")
    assert content.picture.shape[:2] == (600, 400)
    assert content.locator is not None
    assert content.locator.box == (800 / 1500, 100 / 1200, 1000 / 1500, 400 / 1200)
    assert _content(mapped, replace(heatmap, with_locator=False)).locator is None


def test_one_class_alone_is_shown_also_where_there_is_none(mapped: Mapped) -> None:
    heatmap = Heatmap(MapChoice(MODEL, "classes", "stroma"), Region(0, 0, 200, 200))
    (entry,) = _content(mapped, heatmap).layer.legend
    assert entry.name == "Stroma"
    assert entry.number.startswith("0 mm²")
    everything = replace(heatmap, choice=MapChoice(MODEL, "classes"))
    assert _content(mapped, everything).layer.legend == ()


def test_density_counts_every_object_once(mapped: Mapped) -> None:
    """The kernel spreads an object over the plane and keeps its number."""
    heatmap = _heatmap(NUCLEI, "density", "nucleus")
    content = _content(mapped, heatmap)
    assert content.layer.scale is not None
    # Two objects 50 µm apart: the summit of two Gaussians of 50 µm.
    one = 1e6 / (2 * np.pi * 50**2)
    summit = 2 * one * np.exp(-((25 / 50) ** 2) / 2)
    assert content.layer.scale.largest == pytest.approx(summit, rel=0.25)
    assert content.layer.scale.largest >= 0.97 * summit
    assert content.layer.heading == "Nucleus per mm²"
    everything = _content(mapped, _heatmap(NUCLEI, "density"))
    assert everything.layer.heading == "Objects per mm²"


def test_outlines_are_vectors_where_the_objects_are(mapped: Mapped) -> None:
    region = Region(400, 300, 200, 100)
    resolution = Resolution(mpp=0.25)
    heatmap = replace(_heatmap(NUCLEI, "outlines"), region=region, resolution=resolution)
    layer = _content(mapped, heatmap).layer
    corners = {tuple(outline.xy_px.min(axis=0).round(6)) for outline in layer.outlines}
    assert corners == {(2 * (x - 400), 2 * (y - 300)) for x, y in OBJECTS[:2]}
    area = 100 * 50 / 1e6
    (entry,) = layer.legend
    assert entry.number == f"2 ({2 / area:,.0f} per mm²)"
    nucleus = mapped.study.ontology["nucleus"]
    assert {outline.colour for outline in layer.outlines} == {nucleus.colour}


def test_a_map_without_a_table_is_outlined_from_its_pixels(mapped: Mapped) -> None:
    layer = _content(mapped, _heatmap(MODEL, "outlines")).layer
    boxes = sorted((*o.xy_px.min(axis=0), *o.xy_px.max(axis=0)) for o in layer.outlines)
    assert boxes == sorted(map(tuple, (INVASIVE, STROMA)))


def test_attention_colours_the_heaviest_tiles(mapped: Mapped) -> None:
    content = _content(mapped, _heatmap(GRADE))
    shades = np.rint(255 * colormaps["inferno"](np.arange(256))[:, :3])
    assert content.layer.scale is not None
    assert content.layer.scale.largest == 50.0
    for x, y, weight in TILES:
        expected = shades[round(100 * weight / 50 * 255)]
        assert np.abs(content.picture[y + 5, x + 5] - expected).max() <= 1
    caption = " ".join(content.page.caption)
    assert "the 2 tiles of 5 that weighed most, 80 % of all attention" in caption
    assert "proposed grade: Invasive carcinoma of no special type" in caption


def test_glass_is_white_and_tissue_untouched(mapped: Mapped) -> None:
    heatmap = replace(_heatmap(MODEL), opacity=0.0, keep_glass=False)
    white, kept = (_content(mapped, replace(heatmap, keep_glass=k)).picture for k in (False, True))
    tissue = mapped.store.tissue.on_grid(mapped.store.grid(), slice(0, 1200), slice(0, 1500))
    np.testing.assert_array_equal(white[tissue], kept[tissue])
    far = ~_within(tissue, 160)
    assert far.any()
    assert (white[far] == 255).all()
    assert "glass outside the tissue shown white" in " ".join(
        _content(mapped, heatmap).page.caption
    )


def _within(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """All pixels within so many rows and columns of the mask."""
    from scipy import ndimage

    return np.asarray(ndimage.maximum_filter(mask, 2 * reach + 1))


def test_a_grey_slide_leaves_colour_to_the_map(mapped: Mapped) -> None:
    picture = _content(mapped, replace(_heatmap(MODEL), grey_slide=True)).picture
    left, top, right, bottom = INVASIVE
    coloured = picture.max(axis=2) != picture.min(axis=2)
    assert coloured[top:bottom, left:right].all()
    assert not coloured[:190].any()


def test_numbers_are_written_as_the_language_does() -> None:
    assert ENGLISH.number(12345.678, 1) == "12,345.7"
    assert FRENCH.number(12345.678, 1) == "12\u00a0345,7"
    assert ENGLISH.plain(0.25) == "0.25"
    assert FRENCH.plain(2000) == "2\u00a0000"
    assert ENGLISH.plain(0) == "0"


def test_classes_unknown_to_the_ontology_keep_the_label_s_names(mapped: Mapped) -> None:
    label = mapped.store.label(NUCLEI)
    own = next(c for c in label.shown_classes if c.key == "own_class")
    assert (own.index, own.name, own.colour) == (99, "Of the label", "#123456")
    (entry,) = _content(mapped, _heatmap(NUCLEI, "classes", "own_class")).layer.legend
    assert entry.name == "Of the label"


def test_maps_are_labels_and_grades(mapped: Mapped) -> None:
    assert map_names(mapped.study, mapped.store) == (NUCLEI, MODEL, "tissue", GRADE)
    assert chosen_map(mapped.study, mapped.store, "tissue") == "tissue"


@pytest.mark.parametrize(
    ("heatmap", "expected"),
    [
        (_heatmap(MODEL, None, "strome"), r"no such class.*stroma.*did you mean 'stroma'"),
        (_heatmap(NUCLEI, "probability", "nucleus"), "no probability of that class"),
        (_heatmap(MODEL, "attention"), "no attention.*models that grade"),
        (replace(_heatmap(MODEL), region=Region(1400, 0, 101, 5)), "reaches past the slide"),
        (replace(_heatmap(MODEL), region=Region(-1, 0, 5, 5)), "x 0 to 1500, y 0 to 1200"),
        (replace(_heatmap(MODEL), resolution=Resolution(dpi=2400)), "--dpi: .*50 to 1200"),
        (replace(_heatmap(MODEL), resolution=Resolution(mpp=-1)), "--mpp: .*allowed"),
        (replace(_heatmap(MODEL), resolution=Resolution(width_px=9)), "--width-px: .*found 9"),
    ],
)
def test_what_cannot_be_drawn_is_refused(mapped: Mapped, heatmap: Heatmap, expected: str) -> None:
    with pytest.raises(InvalidValueError, match=expected):
        _content(mapped, heatmap)


def test_settings_that_contradict_each_other_are_refused(mapped: Mapped) -> None:
    for make in (
        lambda: MapChoice(MODEL, "attention", "stroma"),
        lambda: MapChoice(GRADE, "classes"),
        lambda: MapChoice(GRADE, None, "dcis"),
        lambda: MapChoice(MODEL, "entropy", "stroma"),
        lambda: MapChoice(MODEL, "probability"),
        lambda: Heatmap(MapChoice(MODEL), opacity=1.5),
        lambda: Heatmap(MapChoice(MODEL), opacity=float("nan")),
        lambda: Heatmap(MapChoice(MODEL), language="la"),
    ):
        with pytest.raises(InvalidValueError):
            make()
    with pytest.raises(InvalidValueError, match="kind of figure"):
        draw_heatmap(mapped.study, mapped.store, Heatmap(MapChoice(MODEL)), "svg")


def test_objects_of_another_model_are_refused(mapped: Mapped, tmp_path: Path) -> None:
    path = mapped.study.objects_path(SLIDE_ID, NUCLEI)
    kept = path.read_bytes()
    outlines = np.array([shapely.box(0, 0, 9, 9)], dtype=object)
    try:
        for changed in ({"model_sha256": "f" * 64}, {"store_sha256": "f" * 64}):
            write_table(
                mapped.study, mapped.store, NUCLEI, outlines, np.array([20], np.uint8), **changed
            )
            for way in ("outlines", "density"):
                with pytest.raises(
                    StoreError, match=r"before store or model changed.*ffff.*Remedy"
                ):
                    _content(mapped, _heatmap(NUCLEI, way))
    finally:
        path.write_bytes(kept)
