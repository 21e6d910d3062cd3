"""Outlines that are given up, cross themselves or lie beside the slide, and layers that go away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import shapely
from shapely import MultiPolygon, Polygon

from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from tests.viewer_plugin.drawing_hand import PLACE, Hand, key, line, wait
from tests.viewer_plugin.small_study import HEIGHT, SLIDE, WIDTH

if TYPE_CHECKING:
    import napari

    from tests.viewer_plugin.screen import Place

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]
X, Y = PLACE
CORNERS = ((X + 50, Y - 100), (X + 150, Y - 100), (X + 150, Y), (X + 50, Y))
BOWTIE = tuple(CORNERS[i] for i in (0, 2, 1, 3))


@pytest.fixture
def hand(make_napari_viewer: Callable[..., napari.Viewer], study: Study) -> Hand:
    """A reader to whom the model's one proposal is shown."""
    reader = Hand(make_napari_viewer(show=True), study)
    reader.screen.press("n")
    # Drawn in software, what is not looked at costs much.
    reader.review.viewer.window.resize(1000, 600)
    assert reader.review.annotations is not None
    for layer in reader.review.viewer.layers:
        layer.visible = layer is reader.review.annotations.layer
    reader.screen.look_at(PLACE, screen_px_per_px=1.0)
    return reader


def start_polygon(hand: Hand, corners: Sequence[Place]) -> None:
    hand.screen.press("l")
    for corner in corners:
        hand.screen.click(corner)


def through(*corners: Place) -> list[Place]:
    return [place for ends in pairwise(corners) for place in line(*ends, steps=4)]


def drawn(hand: Hand) -> list[Annotation]:
    """What the reader stands behind; the model's proposal is still one, and is shown as one."""
    proposed = [a for a in hand.journal() if a.status is Status.PROPOSED]
    assert [a.origin for a in proposed] == [Origin.MODEL]
    annotations = hand.review.annotations
    assert annotations is not None
    assert not annotations.is_drawing
    rows = [str(a.id) for a in annotations.shown for _ in shapely.get_parts(a.geometry)]
    assert list(annotations.layer.features["id"]) == rows
    assert len(annotations.layer.data) == len(rows)
    return [a for a in hand.journal() if a.status is not Status.PROPOSED]


def takes_back(hand: Hand) -> None:
    annotations = hand.review.annotations
    assert annotations is not None
    annotations.reject([a.id for a in drawn(hand)])
    annotations.select_all([])


def draws_as_before(hand: Hand) -> None:
    """The next rectangle is the only thing that is saved."""
    hand.screen.press("r")
    hand.screen.drag(through((X - 150, Y - 100), (X - 50, Y)))
    (state,) = drawn(hand)
    assert state.geometry.area == pytest.approx(100**2, rel=0.05)
    takes_back(hand)


def gives_up_with_escape(hand: Hand) -> None:
    for count in (2, 3):
        start_polygon(hand, CORNERS[:count])
        hand.screen.press_special(key("Key_Escape"))
        assert drawn(hand) == []
        assert "given up" in hand.message
    draws_as_before(hand)


def ends_without_an_area(hand: Hand) -> None:
    start_polygon(hand, CORNERS[:2])
    hand.screen.press_special(key("Key_Return"))
    assert drawn(hand) == []
    assert "too little" in hand.message
    hand.screen.press("f")
    hand.screen.drag(through(PLACE, (X + 90, Y)))
    assert drawn(hand) == []
    assert "too little" in hand.message
    draws_as_before(hand)


def gives_up_a_drag(hand: Hand) -> None:
    """Escape while the button is down; what it does afterwards draws nothing."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from tests.viewer_plugin.mouse import move_mouse

    canvas, left = hand.screen.canvas, Qt.MouseButton.LeftButton
    for tool in ("f", "r"):
        hand.screen.press(tool)
        places = [hand.screen._point(p) for p in (PLACE, *CORNERS[:3])]
        move_mouse(canvas, places[0])
        QTest.mousePress(canvas, left, pos=places[0])
        for place in places[1:3]:
            move_mouse(canvas, place, down=left)
        hand.screen.press_special(key("Key_Escape"))
        assert drawn(hand) == []
        move_mouse(canvas, places[3], down=left)
        QTest.mouseRelease(canvas, left, pos=places[3])
        hand.screen.settle()
        assert drawn(hand) == []


def takes_another_tool(hand: Hand) -> None:
    """By key, by button, and by napari's own buttons."""
    annotations = hand.review.annotations
    assert annotations is not None

    def by_mode() -> None:
        annotations.layer.mode = "add_rectangle"

    for take in (by_mode, lambda: hand.screen.press("b")):
        start_polygon(hand, CORNERS[:3])
        take()
        assert drawn(hand) == []
        assert "given up" in hand.message
    assert hand.tools.in_hand == "tool_brush"


def judges_in_the_midst(hand: Hand) -> None:
    """What else changes the annotations gives the outline up, and judges what was meant."""
    annotations = hand.review.annotations
    assert annotations is not None
    (proposal,) = annotations.shown
    start_polygon(hand, CORNERS[:3])
    annotations.select_all([proposal.id])
    hand.widget.annotate._decisions[0].run()
    (state,) = hand.journal()
    assert (state.id, state.status) == (proposal.id, Status.VALIDATED)
    hand.tools.undo()
    assert drawn(hand) == []
    annotations.select_all([])
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)


def moves_the_view_in_the_midst(hand: Hand) -> None:
    """Space lends the mouse to the view; then the same outline goes on."""
    from qtpy.QtTest import QTest

    start_polygon(hand, CORNERS[:2])
    before = hand.screen.viewer.scene.camera.center
    QTest.keyPress(hand.screen.canvas, key("Key_Space"))
    hand.screen.drag(through(PLACE, (X - 40, Y - 30)))
    QTest.keyRelease(hand.screen.canvas, key("Key_Space"))
    hand.screen.settle()
    assert hand.screen.viewer.scene.camera.center != before
    for corner in CORNERS[2:]:
        hand.screen.click(corner)
    hand.screen.press_special(key("Key_Return"))
    (state,) = drawn(hand)
    assert state.geometry.symmetric_difference(Polygon(CORNERS)).area < 500
    takes_back(hand)
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)


def chooses_the_class_in_the_midst(hand: Hand) -> None:
    """By key and by button: of the outline, and not of what is selected. Other keys do nothing."""
    annotations, session = hand.review.annotations, hand.review.session
    assert annotations is not None
    assert session is not None
    (proposal,) = annotations.shown
    before = annotations.label
    start_polygon(hand, CORNERS[:3])
    for letter in "24yxcnpuSIA":
        hand.screen.press(letter)
        assert annotations.is_drawing, letter
    hand.screen.press("3")
    assert annotations.is_drawing
    assert annotations.label == session.classes[2].key != before
    assert annotations.layer.edge_color[-1][:3] * 255 == pytest.approx(hand.rgb), "in its colour"
    hand.screen.click(CORNERS[3])
    hand.screen.press_special(key("Key_Return"))
    (state,) = drawn(hand)
    assert state.label == session.classes[2].key
    assert state.geometry.symmetric_difference(Polygon(CORNERS)).area < 500
    takes_back(hand)
    start_polygon(hand, CORNERS[:3])
    annotations._selected = [proposal.id]
    assert hand.widget.annotate._classes is not None
    hand.widget.annotate._classes.choose(1)
    assert annotations.is_drawing
    hand.screen.press_special(key("Key_Return"))
    (state,) = drawn(hand)
    assert state.label == session.classes[0].key
    assert session.get(proposal.id) == proposal
    takes_back(hand)


def keeps_both_lobes(hand: Hand) -> None:
    start_polygon(hand, BOWTIE)
    hand.screen.press_special(key("Key_Return"))
    (state,) = drawn(hand)
    assert isinstance(state.geometry, MultiPolygon)
    assert state.geometry.area == pytest.approx(5000, rel=0.05)
    takes_back(hand)


def draws_on_the_slide_alone(hand: Hand) -> None:
    hand.screen.look_at((0.0, 0.0), screen_px_per_px=1.0)
    hand.screen.press("r")
    hand.screen.drag(through((-140, -140), (-60, -60)))
    assert drawn(hand) == []
    assert "beside the slide" in hand.message
    hand.screen.press("t")
    hand.screen.click((-60, -60))
    assert drawn(hand) == []
    assert "beside the slide" in hand.message
    hand.screen.press("g")
    hand.screen.click((-60, -60))
    assert not hand.tools.click.is_busy
    assert "beside the slide" in hand.message
    hand.screen.press("r")
    hand.screen.drag(through((-100, -100), (100, 100)))
    (state,) = drawn(hand)
    assert state.geometry.area == pytest.approx(100**2, rel=0.05)
    assert shapely.box(0, 0, WIDTH, HEIGHT).covers(state.geometry)
    takes_back(hand)
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)


def clicks_without_a_drag(hand: Hand) -> None:
    for tool in ("r", "o"):
        hand.screen.press(tool)
        hand.screen.click(PLACE)
        assert drawn(hand) == []
        assert "corner to corner" in hand.message


def gets_removed_layers_back(hand: Hand) -> None:
    """By napari's trash; the next press or tool brings them back, and draws."""
    viewer, annotations = hand.review.viewer, hand.review.annotations
    assert annotations is not None
    hand.screen.press("b")
    for layer in (*annotations.layers, viewer.layers["Stroke"]):
        viewer.layers.remove(layer)
    hand.screen.drag(through((X - 150, Y - 100), (X - 50, Y)))
    assert len(drawn(hand)) == 1
    takes_back(hand)
    viewer.layers.remove(annotations.layer)
    hand.screen.press("r")
    assert "brought back" in hand.message
    draws_as_before(hand)
    viewer.layers.remove(annotations.layer)
    hand.widget.annotate.next_proposal()
    assert annotations.layer in viewer.layers
    annotations.select_all([])


def changes_the_slide(hand: Hand) -> None:
    """Another slide in the midst of an outline: nothing of it is saved."""
    from napari_pathoai.session import ReviewSession

    hand.screen.look_at(PLACE, screen_px_per_px=1.0)
    start_polygon(hand, CORNERS[:3])
    hand.widget.open_session(ReviewSession(hand.study, SLIDE, "R1"))
    hand.screen.settle()
    assert drawn(hand) == []


def outlines_what_cannot_be_read(hand: Hand) -> None:
    """The slide's store is damaged meanwhile: one line says so, and the tool can be used again."""
    store = hand.study.store_path(SLIDE)
    hand.screen.press("g")
    for chunk in sorted(store.rglob("c/**/*")):
        if chunk.is_file():
            chunk.write_bytes(b"damaged")
    hand.screen.click(PLACE)
    wait(hand, lambda: not hand.tools.click.is_busy)
    assert "outlining" not in hand.message
    assert "not saved" in hand.message
    hand.screen.press("v")


def test_nothing_is_saved_that_was_not_drawn_to_its_end(hand: Hand) -> None:
    gives_up_with_escape(hand)
    ends_without_an_area(hand)
    gives_up_a_drag(hand)
    takes_another_tool(hand)
    judges_in_the_midst(hand)
    moves_the_view_in_the_midst(hand)
    chooses_the_class_in_the_midst(hand)
    changes_the_slide(hand)


def test_what_is_drawn_lies_on_the_slide_and_in_layers_that_stay(hand: Hand) -> None:
    keeps_both_lobes(hand)
    draws_on_the_slide_alone(hand)
    clicks_without_a_drag(hand)
    gets_removed_layers_back(hand)
    outlines_what_cannot_be_read(hand)
