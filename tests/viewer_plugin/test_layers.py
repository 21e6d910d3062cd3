from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_pathoai.picture.layers import (
    label_colours,
    raster_frame,
    slide_layers,
    store_layers,
    vector_frame,
)
from napari_pathoai.session import ReviewSession
from napari_pathoai.texts.texts import text
from pathoai.geometry import Mpp
from pathoai.inference.attention_map import WeighedTiles, attention_about, write_attention_map
from pathoai.ontology import LabelClass
from pathoai.slide.memory_reader import MemoryReader
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import MODEL, SLIDE, SLIDE_MPP


@pytest.fixture
def store(study: Study) -> SlideStore:
    return SlideStore(study.store_path(SLIDE))


def edge_in_world(layer: Image | Labels, level: int, edge_px: float, axis: int) -> float:
    """Where napari draws the edge of a pixel of a level, µm.

    A texture's edge 0 lies half a pixel of the FINEST level before the layer's translate, whatever
    its level (napari/_vispy/layers/base.py); test_on_screen proves it by looking.
    """
    scale, translate = layer.scale[axis], layer.translate[axis]
    factor = layer.downsample_factors[level][axis]
    return float(edge_px * factor * scale + translate - scale / 2)


def test_pixel_edges_of_all_levels_lie_where_they_lie_on_the_slide(store: SlideStore) -> None:
    (image_levels, settings, _), _, (label_levels, label_settings, _), *_ = store_layers(store)
    label = store.label(f"prediction/{MODEL}")
    mpp = SLIDE_MPP
    for layer, grids in (
        (Image(image_levels, **settings), [store.grid(i) for i in range(len(store.factors))]),
        (
            Labels(label_levels, **label_settings),
            [label.grid(i) for i in range(len(label.factors))],
        ),
    ):
        for level, grid in enumerate(grids):
            for edge in (0, 1, 17, grid.size_px.height):
                region = grid.region(edge, edge, 1, 1)
                assert edge_in_world(layer, level, edge, 0) == pytest.approx(region.y * mpp.y)
                assert edge_in_world(layer, level, edge, 1) == pytest.approx(region.x * mpp.x)


def test_polygons_share_the_frame_of_pixels() -> None:
    frame = vector_frame(SLIDE_MPP)
    assert frame["scale"] == (SLIDE_MPP.y, SLIDE_MPP.x)
    assert frame["translate"] == (0, 0)
    assert raster_frame(Mpp(0.5, 0.48)) == {
        "scale": (0.48, 0.5),
        "translate": (0.24, 0.25),
        "units": ("um", "um"),
    }


def write_label(store: SlideStore, name: str, channels: tuple[str, ...] = ()) -> None:
    """A label of nothing but its name."""
    kept = LabelClass(1, "kept", "Kept", "Gardé", "#009e73")
    about = {"origin": "ihc"}
    recipe = LabelRecipe(name, (kept,), about, factor=16, probability_channels=channels)
    writer = LabelWriter(store.path, store.header, recipe)
    writer.class_map.write((0, 0), np.ones(writer.class_map.array.shape, np.uint8))
    if recipe.probability_channels:
        writer.probability.write((0, 0), np.zeros((1, *writer.class_map.array.shape), np.uint8))
    writer.finish()


def test_what_a_twin_says_is_named_and_lies_below_predictions(store: SlideStore) -> None:
    for name in ("ihc/AE1AE3", "trust/AE1AE3"):
        write_label(store, name)
    write_label(store, f"registration/{SLIDE}", ("similarity",))
    found = [(kind, s["name"], s.get("visible", True)) for _, s, kind in store_layers(store)]
    assert found == [
        ("image", f"Slide {SLIDE}", True),
        ("labels", "Tissue", False),
        ("labels", f"Registration: {SLIDE}", False),
        ("image", f"Likeness: {SLIDE}", False),
        ("labels", "Trust in IHC label: AE1AE3", False),
        ("labels", "IHC label: AE1AE3", True),
        ("labels", "Prediction: nuclei", True),
        ("image", "Probability: nuclei hsil", False),
    ]


def test_layers_of_a_store_are_in_the_order_a_reader_expects(store: SlideStore) -> None:
    found = [(kind, s["name"], s.get("visible", True)) for _, s, kind in store_layers(store)]
    assert found == [
        ("image", f"Slide {SLIDE}", True),
        ("labels", "Tissue", False),
        ("labels", "Prediction: nuclei", True),
        ("image", "Probability: nuclei hsil", False),
    ]


def test_what_weighed_in_a_grade_is_a_layer_and_no_model_of_objects(study: Study) -> None:
    store = SlideStore(study.store_path(SLIDE))
    tiles = WeighedTiles(np.array([[0.0, 0], [64, 0]]), (64, 64), np.array([0.25, 0.75]))
    write_attention_map(store, "prediction/grading", attention_about({}, 0.75), tiles)
    layers = {settings["name"]: data for data, settings, _ in store_layers(store)}
    finest = np.asarray(layers[f"{text('attention')}: grading"][0])
    assert sorted(set(finest.ravel().tolist())) == [0, 85, 255]
    session = ReviewSession(study, SLIDE, "R1")
    try:
        assert session.predictions == (MODEL,)
    finally:
        session.close()


def test_colours_are_those_of_the_ontology(store: SlideStore, study: Study) -> None:
    colours = label_colours(store, store.label(f"prediction/{MODEL}"))
    hsil = study.ontology["hsil"]
    assert np.allclose(np.array(colours[hsil.index]) * 255, [*hsil.rgb, 255])
    assert colours[0][3] == colours[255][3] == colours[None][3] == 0


def test_a_label_value_is_what_lies_under_the_cursor(store: SlideStore) -> None:
    data, settings, _ = store_layers(store)[2]
    layer = Labels(data, **settings)
    inside_um = (240 * 0.5, 280 * 0.5)
    assert layer.get_value(inside_um, world=True)[1] == 3  # hsil
    assert layer.get_value((5.0, 5.0), world=True)[1] == 0


def test_a_raw_slide_is_shown_in_micrometres() -> None:
    pixels = np.zeros((300, 400, 3), np.uint8)
    ((data, settings, kind),) = slide_layers(MemoryReader(pixels, mpp=Mpp(0.25, 0.26)), name="x")
    layer = Image(data, **settings)
    assert kind == "image"
    assert layer.rgb
    assert layer.extent.world[1] == pytest.approx((300 * 0.26, 400 * 0.25), rel=0.01)


def test_a_moved_store_still_shows_its_layers(study: Study, tmp_path: Path) -> None:
    target = tmp_path / f"{SLIDE}.zarr"
    shutil.copytree(study.store_path(SLIDE), target)
    assert len(store_layers(SlideStore(target))) == 4


def test_a_probability_goes_from_nothing_to_the_colour_of_its_class(
    store: SlideStore, study: Study
) -> None:
    data, settings, _ = store_layers(store)[3]
    layer = Image(data, **settings)
    unsure, certain = layer.colormap.map(np.array([0.0, 1.0]))
    assert unsure[3] == 0
    assert np.allclose(np.array(certain) * 255, [*study.ontology["hsil"].rgb, 255], atol=0.5)
