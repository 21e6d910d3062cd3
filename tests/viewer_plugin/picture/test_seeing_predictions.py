"""One viewer: outlines up close, density from afar, and nothing of a model while it is hidden."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from napari_pathoai.picture.layers import METADATA
from napari_pathoai.picture.prediction_view import Sight, sight_at, tells_objects
from napari_pathoai.session import ReviewSession
from pathoai.store.header import StoreHeader
from pathoai.store.image_writer import ImageWriter
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.objects import ObjectTable, write_objects
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import MODEL as SEGMENTER
from tests.viewer_plugin.small_study import SLIDE, SLIDE_MPP

if TYPE_CHECKING:
    import napari
    from numpy.typing import NDArray

    from napari_pathoai.review import Review
    from tests.viewer_plugin.screen import Screen

MODEL, WIDTH, HEIGHT, STEP, SIDE = "cells", 2400, 1600, 40, 20
GLASS = (230, 200, 215)
OPACITY = 0.45


def study_of_nuclei(folder: Path) -> Study:
    """A slide of one colour, and a square nucleus every 40 pixels over its left half."""
    study = Study.create(folder, ontology="breast")
    Cohort([CohortRow(SLIDE)]).write(folder / "cohort.csv")
    ontology = study.ontology
    index = ontology["nucleus_lymphocyte"].index
    header = StoreHeader(SLIDE, WIDTH, HEIGHT, SLIDE_MPP.x, SLIDE_MPP.x, SLIDE_MPP.x)
    path = study.store_path(SLIDE)
    image = ImageWriter(path, header)
    for shard in shards_of(image.finest.array.shape):
        rows, columns = shard_slices(shard, image.finest.array.shape)
        colour = np.array(GLASS, np.uint8)[:, None, None]
        shape = (3, rows.stop - rows.start, columns.stop - columns.start)
        image.finest.write(shard, np.broadcast_to(colour, shape).copy())
    image.finish()
    classes = np.zeros((HEIGHT, WIDTH), np.uint8)
    corners = [(x, y) for y in range(10, HEIGHT, STEP) for x in range(10, WIDTH // 2, STEP)]
    for x, y in corners:
        classes[y : y + SIDE, x : x + SIDE] = index
    recipe = LabelRecipe(
        f"prediction/{MODEL}", ontology.classes, {"origin": "model"}, with_instances=True
    )
    label = LabelWriter(path, header, recipe)
    for shard in shards_of(classes.shape):
        part = shard_slices(shard, classes.shape)
        label.class_map.write(shard, np.ascontiguousarray(classes[part]))
        numbers = np.zeros(classes[part].shape, np.uint32)
        label.instance.write(shard, numbers)
    label.finish()
    outlines = [shapely.box(x, y, x + SIDE, y + SIDE) for x, y in corners]
    ones = np.ones(len(outlines), np.float32)
    kinds = np.full(len(outlines), index, np.uint8)
    table = ObjectTable(np.asarray(outlines, object), kinds, ones, ones, {"origin": "model"})
    write_objects(study.objects_path(SLIDE, recipe.name), table)
    return study


def test_sight_follows_the_scale_of_the_screen() -> None:
    assert [sight_at(um) for um in (0.25, 1.0, 1.1, 3.9, 4.0, 30.0)] == [
        Sight.OUTLINES,
        Sight.OUTLINES,
        Sight.AREAS,
        Sight.AREAS,
        Sight.DENSITY,
        Sight.DENSITY,
    ]


def test_only_predictions_of_small_objects_have_a_density(study: Study, tmp_path: Path) -> None:
    cells = study_of_nuclei(tmp_path / "cells")
    nuclei = SlideStore(cells.store_path(SLIDE)).label(f"prediction/{MODEL}")
    assert tells_objects(nuclei, cells.ontology)
    lesions = SlideStore(study.store_path(SLIDE)).label(f"prediction/{SEGMENTER}")
    assert not tells_objects(lesions, study.ontology)


def colours_about(screen: Screen) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Colours at the middle of a nucleus and at its border, the row through its middle."""
    picture = screen.picture().astype(float)
    row = picture[picture.shape[0] // 2]
    return row[len(row) // 2], row


def check_outlines(viewer: napari.Viewer, screen: Screen, rgb: tuple[int, int, int]) -> None:
    place = (10 + 10 * STEP + SIDE / 2, 10 + 10 * STEP + SIDE / 2)
    viewer.scene.camera.center = (0.0, place[1] * SLIDE_MPP.x, place[0] * SLIDE_MPP.x)
    viewer.scene.camera.zoom = 8.0
    screen.settle()
    middle, row = colours_about(screen)
    assert np.abs(middle - GLASS).max() <= 3, "the inside is the slide"
    mixed = OPACITY * np.array(rgb) + (1 - OPACITY) * np.array(GLASS)
    is_line = np.abs(row - mixed).max(axis=1) <= 4
    half = SIDE / 2 * SLIDE_MPP.x * 8
    found = np.flatnonzero(is_line) - len(row) // 2
    assert found[(found > 0)].min() == pytest.approx(half, abs=4)
    assert found[(found < 0)].max() == pytest.approx(-half, abs=4)
    viewer.scene.camera.zoom = 0.5
    screen.settle()
    middle, _ = colours_about(screen)
    assert np.abs(middle - mixed).max() <= 4, "filled from farther away"


def check_density(viewer: napari.Viewer, screen: Screen) -> None:
    from qtpy.QtTest import QTest

    viewer.scene.camera.zoom = 0.2
    viewer.scene.camera.center = (0.0, HEIGHT / 2 * SLIDE_MPP.x, WIDTH / 2 * SLIDE_MPP.x)
    end = time.monotonic() + 20
    while not [one for one in viewer.layers if one.metadata[METADATA]["kind"] == "density"]:
        assert time.monotonic() < end, "the density was never counted"
        QTest.qWait(20)
    screen.settle()
    shown = {one.metadata[METADATA]["kind"]: one.visible for one in viewer.layers}
    assert shown["density"]
    assert not shown["label"]
    picture = screen.picture().astype(int)
    y, x = np.array(picture.shape[:2]) // 2
    quarter = int(WIDTH / 4 * SLIDE_MPP.x * 0.2)
    left, right = picture[y, x - quarter], picture[y, x + quarter]
    assert np.abs(right - GLASS).max() <= 3, "no objects, no colour"
    assert np.abs(left - GLASS).max() > 25


def check_hidden(viewer: napari.Viewer, screen: Screen, review: Review) -> None:
    """At each zoom the canvas shows the slide alone; then what was seen comes back."""
    viewer.scene.camera.zoom = 8.0
    screen.settle()
    before = screen.picture()
    review.hide_model(True)
    for zoom in (8.0, 0.5, 0.2, 8.0):
        viewer.scene.camera.zoom = zoom
        screen.settle()
        picture = screen.picture().astype(int)
        y, x = np.array(picture.shape[:2]) // 2
        near = picture[y - 20 : y + 20, x - 20 : x + 20]
        assert np.abs(near - GLASS).max() <= 3, f"something of the model is seen at {zoom}"
    review.hide_model(False)
    screen.settle()
    assert np.array_equal(screen.picture(), before)


@pytest.mark.usefixtures("display")
def test_objects_are_seen_as_fits_the_zoom(
    make_napari_viewer: Callable[..., napari.Viewer], tmp_path: Path
) -> None:
    from napari_pathoai.review import Review
    from tests.viewer_plugin.screen import Screen

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 700)
    review = Review(viewer)
    study = study_of_nuclei(tmp_path / "cells")
    review.open(ReviewSession(study, SLIDE, "R1"))
    screen = Screen(viewer)
    check_outlines(viewer, screen, study.ontology["nucleus_lymphocyte"].rgb)
    check_density(viewer, screen)
    viewer.scene.camera.center = (0.0, HEIGHT / 2 * SLIDE_MPP.x, WIDTH / 4 * SLIDE_MPP.x)
    check_hidden(viewer, screen, review)
    assert review.annotations is not None
    assert viewer.layers.selection.active is review.annotations.layer, "what one works on"
    review.close()
