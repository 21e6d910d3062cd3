"""One viewer: sixty proposals in a grid, judged ten at once; then a model is asked, and stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from shapely import box

from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status, deterministic_id
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from tests.annotations.review.square_model import NAME, save_square_model
from tests.viewer_plugin.mouse import move_mouse
from tests.viewer_plugin.small_study import BACKGROUND_RGB, SLIDE, SQUARE_RGB, square

if TYPE_CHECKING:
    import napari

    from tests.viewer_plugin.panel_hand import PanelHand

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]
PROPOSALS, SHIFT = 60, Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier


def proposals() -> list[Annotation]:
    """Small squares over the slide, each surer than the one before."""
    return [
        Annotation(
            deterministic_id(SLIDE, str(number)),
            SLIDE,
            "hsil",
            box(x := 40 * number + 10, 900, x + 30, 930),
            Origin.MODEL,
            "m",
            confidence=number / PROPOSALS,
        )
        for number in range(PROPOSALS)
    ]


def judged(hand: PanelHand, operation: Operation) -> int:
    return sum(event.operation is operation for event in hand.events())


def statuses(hand: PanelHand) -> dict[Status, int]:
    found = [a.status for a in hand.journal()]
    return {status: found.count(status) for status in set(found)}


def thumbnails_come_into_sight(hand: PanelHand) -> None:
    """The surest first, each with its picture."""
    panel = hand.widget.grid
    hand.show(panel)
    assert panel.view.model().rowCount() == PROPOSALS
    assert panel.model is not None
    assert panel.model.at(0).confidence == pytest.approx(59 / 60)
    for _ in range(200):
        if BACKGROUND_RGB in (colours := across(hand, 0)):
            break
        QTest.qWait(50)
    assert hand.misfits() == []
    # Only those in sight were asked for.
    assert 6 <= panel.model.pictures < PROPOSALS
    assert BACKGROUND_RGB in colours
    assert (255, 220, 0) in colours


def across(hand: PanelHand, row: int) -> set[tuple[int, ...]]:
    """Colours along the middle of a thumbnail."""
    index = hand.widget.grid.view.model().index(row, 0)
    picture = index.data(Qt.ItemDataRole.DecorationRole).toImage()
    return {picture.pixelColor(x, 40).getRgb()[:3] for x in range(80)}


def ten_are_accepted_once_and_undone_once(hand: PanelHand) -> None:
    panel, view = hand.widget.grid, hand.widget.grid.view
    hand.click_row(view, 0)
    hand.click_row(view, 8, SHIFT)
    hand.click_row(view, 10, CONTROL)
    chosen = panel.selected
    assert len(chosen) == 10
    hand.press(view, Qt.Key.Key_Y)
    events = [e for e in hand.events() if e.operation is Operation.VALIDATE]
    assert {e.annotation_id for e in events} == {one.id for one in chosen}
    assert len({e.action for e in events}) == 1
    assert events[0].action is not None
    assert view.model().rowCount() == PROPOSALS - 10
    assert hand.message == "10 judged at once"
    hand.press(view, Qt.Key.Key_Z, CONTROL)
    assert statuses(hand) == {Status.PROPOSED: PROPOSALS}
    assert view.model().rowCount() == PROPOSALS, "they are seen again"
    hand.press(view, Qt.Key.Key_Z, CONTROL | SHIFT)
    assert statuses(hand) == {Status.PROPOSED: PROPOSALS - 10, Status.VALIDATED: 10}
    hand.press(hand.widget.worklist.list, Qt.Key.Key_Z, CONTROL)
    assert statuses(hand) == {Status.PROPOSED: PROPOSALS}
    words = hand.widget.reading.comment
    QTest.keyClicks(words, "pale")
    hand.press(words, Qt.Key.Key_Z, CONTROL | SHIFT)
    hand.press(words, Qt.Key.Key_Z, CONTROL)
    assert words.text() == "", "in a line of text it is the line's own"
    assert statuses(hand) == {Status.PROPOSED: PROPOSALS}


def a_rectangle_selects_and_a_number_relabels(hand: PanelHand) -> None:
    panel, view = hand.widget.grid, hand.widget.grid.view
    panel.load()
    hand.screen.settle()
    viewport = view.viewport()
    last = view.visualRect(view.model().index(4, 0))
    # From the free right margin of the first row to within the second.
    start = QPoint(viewport.width() - 3, 3)
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start)
    for place in (QPoint(viewport.width() // 2, 60), last.center()):
        move_mouse(viewport, place, down=Qt.MouseButton.LeftButton)
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=last.center())
    hand.screen.settle()
    chosen = panel.selected
    assert 2 <= len(chosen) < 10
    hand.press(view, Qt.Key.Key_2)
    second = hand.widget.review.session.classes[1].key  # type: ignore[union-attr] # a session is open
    changed = [a for a in hand.journal() if a.label == second]
    assert {a.id for a in changed} == {one.id for one in chosen}
    assert {a.status for a in changed} == {Status.CORRECTED}
    hand.press(view, Qt.Key.Key_A, CONTROL)
    assert len(panel.selected) == PROPOSALS - len(chosen)
    hand.press(view, Qt.Key.Key_X)
    assert judged(hand, Operation.REJECT) == PROPOSALS - len(chosen)


def a_double_click_goes_there(hand: PanelHand) -> None:
    view = hand.widget.grid.view
    one = hand.widget.grid.model.at(3)  # type: ignore[union-attr] # a session is open
    place = view.visualRect(view.model().index(3, 0)).center()
    hand.click_row(view, 3)
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    hand.screen.settle()
    seen = hand.widget.review.region_in_view()
    x, y = one.geometry.centroid.coords[0]
    assert (seen.x + seen.width / 2, seen.y + seen.height / 2) == pytest.approx((x, y), abs=0.5)


def a_region_is_predicted(hand: PanelHand) -> None:
    """A layer in its colours, in its place, and a proposal."""
    panel = hand.widget.model
    hand.show(panel)
    assert "Tests of the viewer." in panel.card.text()
    left, top, right, bottom = square(1).bounds
    place = ((left + right) / 2, (top + bottom) / 2)
    hand.screen.look_at(place, screen_px_per_px=0.8)
    hand.click(panel.controls.view_button)
    assert panel.controls.bar.isVisible()
    finish(hand)
    assert "objects found: 1, new proposals: 1" in panel.controls.message.text()
    layer = hand.screen.viewer.layers[f"Predicted here: {NAME}"]
    hsil = hand.study.ontology["hsil"]
    assert layer.get_value((place[1] * 0.252, place[0] * 0.25), world=True) == hsil.index
    (found,) = [a for a in hand.journal() if a.author == NAME]
    assert found.geometry.intersection(square(1)).area > 0.85 * square(1).area
    assert found.status is Status.PROPOSED


def another_is_cancelled(hand: PanelHand) -> None:
    """Nothing of it is seen."""
    controls = hand.widget.model.controls
    layers, before = len(hand.screen.viewer.layers), len(hand.events())
    hand.click(controls.slide_button)
    assert controls.run is not None
    hand.click(controls.cancel_button)
    finish(hand)
    assert controls.message.text().startswith("cancelled")
    assert len(hand.screen.viewer.layers) == layers
    assert len(hand.events()) == before
    session = hand.widget.review.session
    assert session is not None
    assert NAME not in session.predictions


def finish(hand: PanelHand) -> None:
    for _ in range(1200):
        if hand.widget.model.controls.run is None:
            break
        QTest.qWait(50)
    assert hand.widget.model.controls.run is None
    hand.screen.settle()


def what_was_read_is_learnt_from(hand: PanelHand) -> None:
    """The two commands are ready to copy."""
    from pathoai.geometry import Region

    box_of_model = hand.widget.model.improve
    hand.click(box_of_model.gather_button)
    assert "No region was read" in box_of_model.said.text()
    with Journal.open(hand.study) as journal:
        region = Region(0, 800, 2500, 300)
        how = {"kind": RegionKind.CHOSEN, "with_model": True, "author": "R1"}
        journal.read_region(SLIDE, region, Outcome.CORRECTED, **how)  # type: ignore[arg-type] # by keyword
    hand.click(box_of_model.gather_button)
    assert "Regions read to the end: 1, on slides: 1" in box_of_model.said.text()
    assert hand.misfits() == []
    hand.click(box_of_model.copy_buttons[0])
    copied = QApplication.clipboard().text()
    assert "--method annotations --read-regions" in copied
    assert "--recipe breast-tissue-segmentation" in box_of_model.lines[1].text()


def test_many_at_once_and_a_model_asked(
    make_napari_viewer: Callable[..., napari.Viewer], study: Study
) -> None:
    from tests.viewer_plugin.panel_hand import PanelHand

    folder = study.model_path(NAME)
    save_square_model(folder, study.ontology, dark=SQUARE_RGB, light=BACKGROUND_RGB)
    with Journal.open(study) as journal:
        journal.propose(proposals())
    hand = PanelHand(make_napari_viewer(show=True), study, "R1")
    thumbnails_come_into_sight(hand)
    a_double_click_goes_there(hand)
    ten_are_accepted_once_and_undone_once(hand)
    a_rectangle_selects_and_a_number_relabels(hand)
    a_region_is_predicted(hand)
    another_is_cancelled(hand)
    what_was_read_is_learnt_from(hand)
