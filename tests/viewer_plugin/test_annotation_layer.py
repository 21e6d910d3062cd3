"""The layer without a window: napari's layer models need no screen."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import numpy as np
import pytest
import shapely
from shapely import MultiPolygon, Point, Polygon

from napari_pathoai import session as session_module
from napari_pathoai.drawing.annotation_layer import AnnotationLayer
from napari_pathoai.session import ReviewSession
from pathoai.geometry import Region
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.drawing.brush_stroke import Intent
from tests.viewer_plugin.small_study import SLIDE, square

FINE = Polygon(np.random.default_rng(0).uniform(0, 1, (12, 2)) + 1234.1).convex_hull
"""Vertices that single precision cannot hold."""


class Desk:
    """A session with its layer, and what the reader was told."""

    def __init__(self, study: Study) -> None:
        self.session = ReviewSession(study, SLIDE, "R1")
        self.told: list[str] = []
        self.changes = 0
        self.annotations = AnnotationLayer(
            self.session,
            say=self.told.append,
            tell=self.told.append,
            changed=self._on_change,
        )
        self.layer = self.annotations.layer

    def _on_change(self) -> None:
        self.changes += 1

    def enter(self, *geometries: object, label: str = "lsil") -> list[uuid.UUID]:
        """Put annotations into the journal and show them."""
        ids = [self.session.add(label, geometry).id for geometry in geometries]
        self.annotations.show(None)
        return ids

    def states(self) -> list[Annotation]:
        return list(self.session.annotations().annotations)


@pytest.fixture
def desk(study: Study) -> Iterator[Desk]:
    opened = Desk(study)
    opened.annotations.show(None)
    yield opened
    opened.session.close()


def test_showing_changes_nothing(desk: Desk) -> None:
    desk.enter(FINE, square(0))
    edits = desk.session.saved.edits
    desk.annotations.reload()
    desk.annotations.set_zoom(7.0)
    desk.annotations.set_zoom(0.1)
    desk.layer.events.features()
    assert desk.session.saved.edits == edits
    assert not desk.told


def test_moving_one_vertex_leaves_the_others_exact(desk: Desk) -> None:
    desk.enter(FINE)
    outline = desk.layer.data[0].copy()
    outline[0] -= 5
    desk.layer.data = [outline]
    (state,) = desk.states()
    assert state.status is Status.CORRECTED
    before, after = set(FINE.exterior.coords), set(state.geometry.exterior.coords)
    assert len(after & before) == len(before) - 1


def test_a_drawn_ellipse_becomes_a_polygon(desk: Desk) -> None:
    corners = np.array([[100, 100], [100, 300], [200, 300], [200, 100]], float)
    desk.annotations.set_class("hsil")
    desk.layer.add(corners, shape_type="ellipse")
    (state,) = desk.states()
    assert state.label == "hsil"
    assert state.geometry.bounds == pytest.approx((100, 100, 300, 200), abs=0.1)
    assert list(desk.layer.shape_type) == ["polygon"]


def test_a_line_is_refused_and_said(desk: Desk) -> None:
    desk.layer.add(np.array([[0, 0], [50, 50]], float), shape_type="line")
    assert desk.states() == []
    assert len(desk.layer.data) == 0
    assert "only areas" in desk.told[0]


def test_an_edit_that_is_refused_loses_no_other(desk: Desk) -> None:
    ring, other = desk.enter(square(0), square(1))
    inside = desk.layer.data[0] * 0.1
    desk.layer.data = [inside, desk.layer.data[1] + np.array([0, 40], np.float32)]
    states = {a.id: a for a in desk.states()}
    assert states[ring].geometry.wkb == square(0).wkb
    assert states[other].status is Status.CORRECTED
    assert states[other].geometry.bounds[0] == pytest.approx(square(1).bounds[0] + 40)
    assert "hole" in desk.told[0]


def test_deleting_rejects_and_keeps_the_others(desk: Desk) -> None:
    first, second, third = desk.enter(square(0), square(1), square(2))
    desk.layer.selected_data = {1}
    desk.layer.remove_selected()
    assert [a.id for a in desk.states()] == [first, third]
    assert desk.session.get(second).status is Status.REJECTED
    assert list(desk.layer.features["id"]) == [str(first), str(third)]


def test_deleting_one_part_keeps_the_other(desk: Desk) -> None:
    both = MultiPolygon([square(1), square(2)])
    (only,) = desk.enter(both)
    assert len(desk.layer.data) == 2
    desk.layer.selected_data = {0}
    desk.layer.remove_selected()
    assert desk.session.get(only).geometry.equals(square(2))
    assert len(desk.layer.data) == 1


def test_a_class_written_into_the_table_is_saved(desk: Desk) -> None:
    (only,) = desk.enter(square(0))
    features = desk.layer.features.copy()
    features["label"] = ["ais"]
    desk.layer.features = features
    state = desk.session.get(only)
    assert (state.label, state.geometry.wkb) == ("ais", square(0).wkb)
    features["label"] = ["no_such_class"]
    desk.layer.features = features
    assert desk.session.get(only).label == "ais"
    assert "unknown class" in desk.told[0]
    assert list(desk.layer.features["label"]) == ["ais"]


def test_a_pasted_copy_is_a_new_annotation(desk: Desk) -> None:
    (only,) = desk.enter(square(1), label="ais")
    desk.layer.selected_data = {0}
    desk.layer._copy_data()
    desk.layer._paste_data()
    states = desk.states()
    assert [a.label for a in states] == ["ais", "ais"]
    assert states[0].id == only
    assert len({*desk.layer.features["id"]}) == 2


def test_a_shape_that_lost_its_last_vertex_is_put_back(desk: Desk) -> None:
    (only,) = desk.enter(shapely.box(10, 10, 60, 60))
    # What napari does when the last but two vertices are removed: the features keep the row.
    desk.layer._data_view.remove(0)
    desk.layer.events.data(value=[], action="changed", data_indices=(0,), vertex_indices=((0,),))
    assert desk.session.get(only).status is Status.VALIDATED
    assert len(desk.layer.data) == 1
    assert "three points" in desk.told[0]


def test_judging_recolours_and_removes(desk: Desk) -> None:
    outlines = (square(1), square(2))
    proposed = [
        Annotation(uuid.uuid4(), SLIDE, "hsil", o, Origin.MODEL, "m", confidence=0.5)
        for o in outlines
    ]
    desk.session.journal.propose(proposed)
    desk.annotations.show(None)
    assert (desk.layer.face_color[:, 3] > 0.2).all()
    desk.annotations.accept([proposed[0].id])
    assert desk.layer.face_color[0, 3] == 0
    desk.annotations.reject([proposed[1].id])
    assert list(desk.layer.features["status"]) == ["validated"]
    assert desk.annotations.total == 1
    assert desk.changes > 2


def test_choosing_a_class_changes_what_is_selected(desk: Desk) -> None:
    first, second = desk.enter(square(0), square(1))
    desk.annotations.select(second)
    desk.annotations.set_class("ais")
    assert [desk.session.get(i).label for i in (first, second)] == ["lsil", "ais"]
    expected = np.array(desk.session.ontology["ais"].rgb) / 255
    assert desk.layer.edge_color[1, :3] == pytest.approx(expected, abs=1e-3)


def test_holes_and_points_are_shown_beside(desk: Desk) -> None:
    desk.enter(square(0), Point(700, 500))
    _, holes, points, editable = desk.annotations.layers
    assert [len(layer.data) for layer in (holes, points, editable)] == [1, 1, 1]
    assert np.array_equal(np.asarray(points.data)[0], [500, 700])
    assert not holes.editable
    assert not points.editable


def test_only_what_is_in_view_is_shown_of_too_many(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "MOST_AT_ONCE", 3)
    boxes = [shapely.box(x, 0, x + 10, 10) for x in range(0, 500, 100)]
    ids = desk.enter(*boxes)
    desk.annotations.show(Region(0, 0, 120, 50))
    assert (desk.annotations.shown_count, desk.annotations.total) == (2, 5)
    assert desk.session.annotations().total == 5
    desk.annotations.select(ids[4])
    assert desk.annotations.selected == [ids[4]]
    desk.layer.selected_data = set()
    desk.annotations.reload()
    assert len(desk.states()) == 3


def test_a_class_that_left_the_ontology_is_still_shown(desk: Desk) -> None:
    odd = Annotation(uuid.uuid4(), SLIDE, "old_class", square(2), Origin.IMPORT, "x")
    desk.session.journal.propose([odd])
    desk.annotations.show(None)
    assert desk.layer.edge_color[0] == pytest.approx([1, 0, 1, 1])


def test_strokes_are_shown_without_filling_the_layer_anew(desk: Desk) -> None:
    desk.annotations.set_class("hsil")
    desk.annotations.apply(shapely.box(0, 0, 100, 100), Intent.NEW)
    (first,) = desk.annotations.selected
    other = desk.session.add("lsil", square(2)).id
    desk.annotations.apply(shapely.box(50, 0, 200, 100), Intent.ADD)
    desk.annotations.apply(shapely.box(80, -10, 90, 110), Intent.SUBTRACT)
    assert len(desk.layer.data) == 2, "two parts, and what nobody reloaded is not there"
    assert list(desk.layer.features["id"]) == [str(first)] * 2
    assert desk.session.get(first).geometry.area == pytest.approx(19_000)
    assert desk.annotations.total == 1
    desk.annotations.reload()
    assert {a.id for a in desk.annotations.shown} == {first, other}
    assert desk.annotations.selected == [first]
    desk.annotations.apply(shapely.box(-10, -10, 300, 300), Intent.SUBTRACT)
    assert list(desk.layer.features["id"]) == [str(other)]
    assert desk.annotations.selected == []


def test_a_subtraction_from_nothing_is_said(desk: Desk) -> None:
    desk.annotations.apply(square(1), Intent.SUBTRACT)
    assert desk.states() == []
    assert "select an annotation" in desk.told[0]


def test_what_is_drawn_in_the_layer_adds_where_it_is_meant_to(desk: Desk) -> None:
    desk.annotations.apply(shapely.box(0, 0, 100, 100), Intent.NEW)
    desk.annotations.intent = Intent.ADD
    desk.layer.add(np.array([[0, 100], [0, 200], [50, 200], [50, 100]], float))
    (state,) = desk.states()
    assert state.geometry.area == pytest.approx(15_000)
    assert len(desk.layer.data) == 1
    desk.layer.add(np.array([[400, 0], [400, 50], [450, 50]], float), shape_type="polygon")
    assert len(desk.states()) == 2, "one outline is meant to add, and the next is new again"


def test_a_split_and_a_merge_are_shown(desk: Desk) -> None:
    desk.annotations.apply(shapely.box(0, 0, 100, 100), Intent.NEW)
    (first,) = desk.annotations.selected
    line = shapely.LineString([(40, -5), (40, 105)])
    desk.annotations.change(lambda hand: hand.split(first, line))
    ids = [a.id for a in desk.states()]
    assert sorted(desk.layer.features["id"]) == sorted(map(str, ids))
    desk.annotations.change(lambda hand: hand.merge([first, *(i for i in ids if i != first)]))
    assert list(desk.layer.features["id"]) == [str(first)]
    assert desk.annotations.total == 1


def test_what_is_selected_has_a_halo_with_any_tool(desk: Desk) -> None:
    halo = desk.annotations.layers[0]
    ids = desk.enter(square(0), Point(700, 500))
    desk.annotations.select_all(ids)
    assert len(halo.data) == 3, "outline, hole and point"
    desk.layer.mode = "add_polygon"
    assert desk.annotations.selected == ids
    desk.annotations.select_all([])
    assert len(halo.data) == 0
    assert not halo.editable


def test_what_is_left_over_in_the_layer_is_validated_by_nobody(desk: Desk) -> None:
    proposed = Annotation(uuid.uuid4(), SLIDE, "hsil", square(1), Origin.MODEL, "m", confidence=0.5)
    desk.session.journal.propose([proposed])
    desk.annotations.show(None)
    desk.annotations._shapes.shown = []
    desk.layer.events.data(value=[], action="added", data_indices=(-1,), vertex_indices=((),))
    (state,) = desk.states()
    assert (state.id, state.status) == (proposed.id, Status.PROPOSED)
    assert len(desk.layer.data) == 1
    assert "no longer shown" in desk.told[0]


def test_what_reaches_over_the_edge_of_the_slide_is_cut(desk: Desk) -> None:
    (only,) = desk.enter(shapely.box(10, 10, 60, 60))
    desk.layer.data = [desk.layer.data[0] - np.array([0, 30], np.float32)]
    assert desk.session.get(only).geometry.bounds == (0, 10, 30, 60)
    assert len(desk.layer.data) == 1
    desk.layer.data = [desk.layer.data[0] - np.array([0, 300], np.float32)]
    assert desk.session.get(only).geometry.bounds == (0, 10, 30, 60)
    assert "beside the slide" in desk.told[0]
