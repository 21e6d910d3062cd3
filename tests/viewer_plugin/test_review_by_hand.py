"""One viewer, used with mouse and keys: every edit is in the journal, and a restart shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely

from napari_pathoai.opening.open_review import add_review
from napari_pathoai.session import ReviewSession
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.journal import Journal
from tests.viewer_plugin.small_study import SLIDE, square

if TYPE_CHECKING:
    import napari

    from napari_pathoai.panels.review_widget import ReviewWidget
    from tests.viewer_plugin.screen import Screen

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]
PLACE = (1200.0, 1300.0)
"""Empty glass, level-0 pixels."""


class Hand:
    """A reader at the window, and the journal as another program sees it."""

    def __init__(self, viewer: napari.Viewer, study: Study) -> None:
        from napari_pathoai.panels.review_widget import ReviewWidget
        from tests.viewer_plugin.screen import Screen

        self.study = study
        viewer.window.resize(1000, 650)
        add_review(viewer, ReviewSession(study, SLIDE, "R1"))
        self.screen: Screen = Screen(viewer)
        self.widget: ReviewWidget = viewer.window._qt_window.findChild(ReviewWidget)
        self.screen.settle()

    def journal(self, *, rejected: bool = False) -> list[Annotation]:
        with Journal.open(self.study) as journal:
            states = journal.annotations(SLIDE)
        return [a for a in states if rejected or a.status is not Status.REJECTED]

    @property
    def shapes(self) -> int:
        assert self.widget.review.annotations is not None
        return len(self.widget.review.annotations.layer.data)


def draw(hand: Hand) -> Annotation:
    """Choose the second class by its key and draw around a place with the lasso."""
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)
    hand.screen.press("2")
    hand.widget.annotate.tools.take("tool_lasso")
    turn = np.linspace(0, 2 * np.pi, 24)
    x, y = PLACE
    hand.screen.drag([(x + 120 * np.cos(t), y + 90 * np.sin(t)) for t in turn])
    (drawn,) = hand.journal()
    assert (drawn.label, drawn.status, drawn.origin) == (
        "lsil",
        Status.VALIDATED,
        Origin.PATHOLOGIST,
    )
    assert drawn.author == "R1"
    assert drawn.geometry.area == pytest.approx(np.pi * 120 * 90, rel=0.1)
    assert drawn.geometry.centroid.distance(shapely.Point(PLACE)) < 6
    assert "saved: 1 edit" in hand.widget.status.saved.text()
    return drawn


def move_a_vertex(hand: Hand, drawn: Annotation) -> Annotation:
    """Drag one vertex outward; all others stay exactly where they were."""
    hand.widget.annotate.tools.take("tool_edit")
    hand.screen.click(PLACE)
    corner = max(drawn.geometry.exterior.coords, key=lambda point: point[0])
    target = (corner[0] + 60, corner[1] + 10)
    hand.screen.drag([corner, (corner[0] + 20, corner[1]), (corner[0] + 40, corner[1]), target])
    (moved,) = hand.journal()
    assert (moved.id, moved.status) == (drawn.id, Status.CORRECTED)
    before, after = set(drawn.geometry.exterior.coords), set(moved.geometry.exterior.coords)
    assert len(after - before) == 1
    assert shapely.Point(*(after - before)).distance(shapely.Point(target)) < 4
    return moved


def change_class(hand: Hand, state: Annotation) -> None:
    """The selected annotation takes the class of the key that is pressed."""
    hand.screen.press("3")
    (changed,) = hand.journal()
    assert (changed.id, changed.label) == (state.id, "hsil")
    assert changed.geometry.wkb == state.geometry.wkb


def restart_shows(hand: Hand) -> None:
    """Another session of the same study shows exactly what the journal holds."""
    hand.widget.open_session(ReviewSession(hand.study, SLIDE, "R2"))
    hand.screen.settle()
    (state,) = hand.journal()
    layer = hand.widget.review.annotations.layer  # type: ignore[union-attr] # a session was just opened
    assert list(layer.features["id"]) == [str(state.id)]
    seen = np.asarray(layer.data[0])[:, ::-1]
    assert np.array_equal(seen, np.asarray(state.geometry.exterior.coords[:-1], np.float32))
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)
    picture = hand.screen.picture().astype(int)
    hsil = np.array(hand.widget.review.session.ontology["hsil"].rgb)  # type: ignore[union-attr] # likewise
    assert (np.abs(picture - hsil).sum(axis=2) < 90).sum() > 200, "the outline is on the screen"


def judge_proposals(hand: Hand) -> None:
    """Propose from the prediction, jump by key, accept one, reject the one that comes then."""
    from qtpy.QtCore import Qt

    hand.screen.look_at((900.0, 700.0), screen_px_per_px=0.4)
    hand.widget.annotate.propose()
    assert hand.shapes == 3
    hand.screen.press_special(Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    (uncertain,) = hand.widget.review.annotations.selected  # type: ignore[union-attr] # still open
    states = {a.id: a for a in hand.journal()}
    assert states[uncertain].confidence == pytest.approx(0.6)
    hand.screen.press("y")
    hand.screen.press("x")
    after = {a.id: a for a in hand.journal(rejected=True)}
    assert after[uncertain].status is Status.VALIDATED
    assert sorted(a.status for a in after.values()) == ["corrected", "rejected", "validated"]
    assert hand.shapes == 2
    assert "1 validated" in hand.widget.status.counts.text()
    assert "1 rejected" in hand.widget.status.counts.text()


def delete_by_key(hand: Hand) -> None:
    """Deleting the shape in napari rejects the annotation."""
    hand.widget.annotate.tools.take("tool_select")
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)
    hand.screen.click(PLACE)
    from qtpy.QtCore import Qt

    hand.screen.press_special(Qt.Key.Key_Delete)
    assert hand.shapes == 1
    assert all(not a.geometry.contains(shapely.Point(PLACE)) for a in hand.journal())
    assert len(hand.journal(rejected=True)) == 3


def holes_survive_or_refuse(hand: Hand) -> None:
    """An outline that would lose a hole is put back, and the reader is told."""
    session = hand.widget.review.session
    annotations = hand.widget.review.annotations
    assert session is not None
    assert annotations is not None
    for state in session.annotations().annotations:
        session.reject([state.id])
    ring = session.add("ais", square(0))
    annotations.reload()
    assert len(annotations.layers[1].data) == 1, "the hole is shown"
    outline = annotations.layer.data[0]
    annotations.layer.data = [outline[[0, 1, 2]] * 0.2]
    (state,) = hand.journal()
    assert state.geometry.wkb == ring.geometry.wkb
    assert "hole" in hand.widget.status.message.text()
    assert np.array_equal(annotations.layer.data[0], outline)


def test_a_reader_draws_corrects_judges_and_comes_back(
    make_napari_viewer: Callable[..., napari.Viewer], study: Study
) -> None:
    hand = Hand(make_napari_viewer(show=True), study)
    drawn = draw(hand)
    moved = move_a_vertex(hand, drawn)
    change_class(hand, moved)
    restart_shows(hand)
    judge_proposals(hand)
    delete_by_key(hand)
    holes_survive_or_refuse(hand)
