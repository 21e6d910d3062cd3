"""One viewer: a verdict is given, signed, locked, reopened; an adjudicator settles a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from shapely import box

from pathoai.study.study import Study
from pathoai_annotations.annotation import Status
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.review.verdict import SEEN
from tests.annotations.readers.read_study import read
from tests.annotations.review.graded import GRADER, PLACES, grade
from tests.viewer_plugin.small_study import SLIDE, square

if TYPE_CHECKING:
    import napari

    from tests.viewer_plugin.panel_hand import PanelHand

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]


def own_grade_comes_first(hand: PanelHand) -> None:
    """Nothing of a model's verdict is shown until the reader has chosen."""
    panel = hand.widget.verdict
    hand.show(panel)
    assert panel.boxes == []
    hand.press(hand.screen.canvas, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert hand.message == "choose a grade first"
    assert not any(e.comment for e in hand.events())
    hand.click(panel.grades.button("lsil"))
    assert [box.title() for box in panel.boxes] == [GRADER]
    assert hand.misfits() == []
    assert [e.comment for e in hand.events() if e.comment] == [f"{SEEN}; own grade before it: lsil"]


def reasons_are_a_click_and_a_key_away(hand: PanelHand) -> None:
    """The view goes to the regions that weighed most."""
    panel = hand.widget.verdict
    hand.click_row(panel.boxes[0].reasons, 1)
    for (x, y, _), step in ((PLACES[1], None), (PLACES[0], 1), (PLACES[1], 1)):
        if step is not None:
            hand.press(hand.screen.canvas, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
        seen = hand.widget.review.region_in_view()
        middle = (seen.x + seen.width / 2, seen.y + seen.height / 2)
        assert middle == pytest.approx((x, y), abs=0.5)


def signing_locks_and_reopening_unlocks(hand: PanelHand) -> None:
    """A locked slide refuses every edit in one line."""
    panel, session = hand.widget.verdict, hand.widget.review.session
    assert session is not None
    hand.click(panel.grades.button("hsil"))
    panel.comment.setText("two fragments")
    hand.click(panel.sign_button)
    *_, signed = [e for e in hand.events() if e.operation is Operation.SIGN_OFF]
    assert signed.author == "R1"
    assert (signed.grade, signed.with_model, signed.comment) == ("hsil", True, "two fragments")
    assert not panel.sign_button.isEnabled()
    assert "Signed off" in panel.state.text()
    before = len(hand.events())
    layer = hand.widget.review.annotations
    assert layer is not None
    shown = len(layer.layer.data)
    layer.layer.add([[100, 100], [100, 200], [200, 200]], shape_type="polygon")
    hand.screen.settle()
    assert len(hand.events()) == before
    assert len(layer.layer.data) == shown
    assert "reopen it in the tab Verdict" in hand.message
    hand.click(panel.reopen_button)
    assert "open again" in hand.message
    assert panel.sign_button.isEnabled()
    assert [e.operation for e in hand.events()][-1] is Operation.REOPEN
    drawn = session.add("hsil", box(100, 100, 200, 200))
    assert drawn.status is Status.VALIDATED
    session.reject([drawn.id])
    hand.click(panel.sign_button)
    assert [e.operation for e in hand.events()][-1] is Operation.SIGN_OFF


def beside_each_other(hand: PanelHand) -> None:
    """B's outline is in the second canvas alone, at the same place."""
    panel, layers = hand.widget.adjudicate, hand.screen.viewer.layers
    hand.press(hand.screen.canvas, Qt.Key.Key_F6)
    second = panel.second.view
    assert second is not None
    assert (layers["A"].visible, layers["B"].visible) == (True, False)
    assert [one.name for one in second.model.layers][1:] == ["B", "B…"]
    assert len(second.model.layers["B"].data) > 3
    camera = second.model.scene.camera
    assert camera.center == pytest.approx(hand.screen.viewer.scene.camera.center)
    assert hand.misfits() == []
    hand.press(hand.screen.canvas, Qt.Key.Key_F6)
    assert panel.second.view is None
    assert layers["B"].visible


def the_adjudicator_settles(hand: PanelHand) -> None:
    """Two outlines in two colours; one is taken by key."""
    panel = hand.widget.adjudicate
    hand.show(panel)
    assert "does not settle the slide" in panel.why_not.text()
    hand.open("J1")
    hand.show(panel)
    assert panel.why_not.text() == ""
    hand.click(panel.load_button)
    assert panel.list.count() == 2
    assert hand.misfits() == []
    (row,) = [i for i, case in enumerate(panel.cases) if not case.is_grade]
    hand.click_row(panel.list, row)
    hand.press(hand.screen.canvas, Qt.Key.Key_F2)
    layers = hand.screen.viewer.layers
    assert (layers["A"].visible, layers["B"].visible) == (False, True)
    hand.press(hand.screen.canvas, Qt.Key.Key_F2)
    assert layers["A"].visible
    beside_each_other(hand)
    hand.press(hand.screen.canvas, Qt.Key.Key_F3, Qt.KeyboardModifier.ShiftModifier)
    states = {a.label: a for a in hand.journal() if a.author == "J1"}
    assert states["lsil"].status is Status.VALIDATED
    assert states["hsil"].status is Status.REJECTED
    (case,) = panel.cases
    assert case.is_grade
    hand.click(panel.grades.button("lsil"))
    last = hand.events()[-1]
    assert (last.operation, last.grade, last.author) == (Operation.ADJUDICATE, "lsil", "J1")
    assert panel.cases == []


def test_a_verdict_and_its_adjudication(
    make_napari_viewer: Callable[..., napari.Viewer], study: Study
) -> None:
    from tests.viewer_plugin.panel_hand import PanelHand

    grade(study, SLIDE)
    assign(study, [SLIDE], {"R1": Role.READER, "R2": Role.READER, "J1": Role.ADJUDICATOR})
    left, top, right, bottom = square(2).bounds
    read(study, SLIDE, "R2", "lsil", outlines=[("lsil", box(left + 8, top, right, bottom))])
    hand = PanelHand(make_napari_viewer(show=True), study, "R1")
    own_grade_comes_first(hand)
    reasons_are_a_click_and_a_key_away(hand)
    session = hand.widget.review.session
    assert session is not None
    session.add("hsil", square(2))
    hand.widget.review.reload()
    signing_locks_and_reopening_unlocks(hand)
    the_adjudicator_settles(hand)
