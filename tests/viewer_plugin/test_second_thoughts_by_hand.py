"""One viewer: who goes back and decides otherwise, and what he wrote where, by key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from pathoai.study.study import Study
from pathoai_annotations.annotation import Origin, Status
from pathoai_annotations.journal.event import Operation
from pathoai_annotations.journal.region_reading import Outcome
from tests.viewer_plugin.small_study import BACKGROUND_RGB, MODEL, SLIDE

if TYPE_CHECKING:
    import napari

    from pathoai_annotations.review.region_review import RegionReview
    from tests.viewer_plugin.panel_hand import PanelHand

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]
CONTROL = Qt.KeyboardModifier.ControlModifier


def regions_of(hand: PanelHand) -> RegionReview:
    assert hand.widget.reading.regions is not None
    return hand.widget.reading.regions


def of_model(hand: PanelHand) -> list[Status]:
    return [a.status for a in hand.journal() if a.origin is Origin.MODEL]


def comments(hand: PanelHand) -> list[tuple[int | None, str]]:
    """Places of regions, from 0, and what was said of them; in the order of the journal."""
    places = {one.region: at for at, one in enumerate(regions_of(hand).queue.regions)}
    return [(places.get(e.region), e.comment) for e in hand.events() if e.comment]  # type: ignore[arg-type] # a comment may be on no region


def write(hand: PanelHand, words: str) -> None:
    """M, and the words; the keyboard stays in the line."""
    hand.screen.press("m")
    assert hand.widget.window().focusWidget() is hand.widget.reading.comment
    QTest.keyClicks(hand.widget.reading.comment, words)


def what_was_accepted_is_rejected(hand: PanelHand) -> None:
    """N, Y, P, X: the proposal is rejected as the list says; one undo takes it back."""
    for key in "ny":
        hand.screen.press(key)
    accepted = of_model(hand)
    assert Status.VALIDATED in accepted
    first = next(at for at in range(9) if regions_of(hand).outcome(at) is Outcome.ACCEPTED)
    hand.screen.press("p")
    assert regions_of(hand).position == first
    hand.screen.press("x")
    assert Status.VALIDATED not in of_model(hand)
    assert of_model(hand).count(Status.REJECTED) == accepted.count(Status.VALIDATED)
    assert regions_of(hand).outcome(first) is Outcome.REJECTED
    hand.press(hand.screen.canvas, Qt.Key.Key_Z, CONTROL)
    assert of_model(hand).count(Status.VALIDATED) == accepted.count(Status.VALIDATED)
    assert regions_of(hand).outcome(first) is Outcome.ACCEPTED


def a_comment_stays_with_its_region(hand: PanelHand) -> None:
    """Kept at Enter; or, unsent, when one leaves; what may not be kept keeps one here."""
    panel = hand.widget.reading
    panel.jump(1)
    write(hand, "a fold")
    hand.press(panel.comment, Qt.Key.Key_Return)
    assert comments(hand) == [(1, "a fold")]
    assert panel.comment.text() == ""
    assert hand.widget.window().focusWidget() is hand.screen.canvas
    panel.jump(2)
    write(hand, "pale")
    hand.press(panel.comment, Qt.Key.Key_Escape)
    hand.screen.press("n")
    hand.screen.press("u")
    assert comments(hand)[1:] == [(2, "pale")]
    here = regions_of(hand).position
    assert here != 2
    write(hand, "call 0612345678")
    hand.press(panel.comment, Qt.Key.Key_Escape)
    hand.screen.press("p")
    assert regions_of(hand).position == here
    assert "identified a person" in hand.message
    assert panel.comment.text(), "he can write it otherwise"
    panel.comment.clear()


def a_window_that_closes_keeps_what_is_written(hand: PanelHand) -> None:
    here = regions_of(hand).position
    write(hand, "see again")
    before = comments(hand)
    hand.screen.viewer.close()
    assert comments(hand) == [*before, (here, "see again")]
    assert all(
        e.operation is Operation.COMMENT and e.slide_id == SLIDE for e in hand.events() if e.comment
    )


def a_damaged_label_is_told_and_the_slide_is_shown(
    hand: PanelHand, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the prediction nothing is seen; the image, the annotations and the queue are there."""
    from napari.utils.notifications import notification_manager

    for plane in ("0/c/0/0", "1/c/0/0", "2/c/0/0"):
        shard = hand.study.store_path(SLIDE) / "labels" / f"prediction.{MODEL}" / plane
        shard.write_bytes(shard.read_bytes()[:100])
    notification_manager.records.clear()
    hand.open("R2")
    hand.screen.press("n")
    said = [one.message for one in notification_manager.records]
    assert len([one for one in said if f"prediction/{MODEL}: the label is damaged" in one]) == 1
    assert hand.widget.review.annotations is not None
    assert len(hand.widget.review.annotations.layer.data) > 0
    assert BACKGROUND_RGB in {
        tuple(pixel) for pixel in hand.screen.picture()[::9, ::9].reshape(-1, 3)
    }
    assert caplog.records == []


def a_damaged_tissue_leaves_the_queue(hand: PanelHand) -> None:
    """All fields are to be read, and the dock says why, and what mends it."""
    before = len(regions_of(hand).queue)
    for shard in (hand.study.store_path(SLIDE) / "labels" / "tissue").glob("*/c/**/*"):
        if shard.is_file():
            shard.write_bytes(shard.read_bytes()[:20])
    hand.open("R3")
    assert len(regions_of(hand).queue) >= before
    assert "Le tissu de la lame est illisible" in hand.widget.reading.mix.text()
    assert "pathoai tile" in hand.widget.reading.mix.text()


def in_french_all_is_french(hand: PanelHand) -> None:
    assert "Relecture" in hand.screen.viewer.window.dock_widgets
    assert hand.widget.adjudicate.why_not.text().startswith("R1 n'arbitre pas cette lame.")


def test_who_goes_back_and_who_writes(
    make_napari_viewer: Callable[..., napari.Viewer],
    study: Study,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.viewer_plugin.panel_hand import PanelHand

    monkeypatch.setenv("PATHOAI_LANGUAGE", "fr")
    hand = PanelHand(make_napari_viewer(show=True), study, "R1")
    in_french_all_is_french(hand)
    what_was_accepted_is_rejected(hand)
    a_comment_stays_with_its_region(hand)
    a_damaged_tissue_leaves_the_queue(hand)
    a_damaged_label_is_told_and_the_slide_is_shown(hand, caplog)
    a_window_that_closes_keeps_what_is_written(hand)
