"""One viewer: a queue of 20 read by keys and by mouse; every decision is in the journal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_pathoai.opening.open_review import add_review
from napari_pathoai.session import ReviewSession
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.review.model_proposals import holds_centre
from pathoai_annotations.review.reading_plan import ReadingPlan
from pathoai_annotations.review.region_queue import RegionToRead
from tests.annotations.review.queue.queue_study import (
    MODEL,
    OTHER_SLIDE,
    SETTINGS,
    SLIDE,
    SLIDE_MPP,
    lesion_centre,
    lesion_class,
    make_queue_study,
)

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget

    from napari_pathoai.panels.reading_panel import ReadingPanel
    from napari_pathoai.panels.review_widget import ReviewWidget
    from napari_pathoai.panels.worklist_panel import WorklistPanel
    from pathoai_annotations.review.region_review import RegionReview
    from tests.viewer_plugin.screen import Screen

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]
LESION_RGB = (90, 50, 130)
REJECTED, CORRECTED, UNSURE = 2, 4, 5
"""Places of costly regions in which something else than accepting is done."""


class Reader:
    """A reader at the window, and the journal as another program sees it."""

    def __init__(self, viewer: napari.Viewer, study: Study) -> None:
        from napari_pathoai.panels.review_widget import ReviewWidget
        from tests.viewer_plugin.screen import Screen

        self.study = study
        viewer.window.resize(1366, 768)
        add_review(viewer, ReviewSession(study, SLIDE, "R1", plan=ReadingPlan(SETTINGS)))
        self.screen: Screen = Screen(viewer, SLIDE_MPP)
        self.widget: ReviewWidget = viewer.window._qt_window.findChild(ReviewWidget)
        self.screen.settle()

    @property
    def panel(self) -> ReadingPanel:
        return self.widget.reading

    @property
    def worklist(self) -> WorklistPanel:
        return self.widget.worklist

    @property
    def slide(self) -> str:
        assert self.widget.review.session is not None
        return self.widget.review.session.slide_id

    @property
    def regions(self) -> RegionReview:
        assert self.panel.regions is not None
        return self.panel.regions

    @property
    def here(self) -> RegionToRead:
        assert self.regions.current is not None
        return self.regions.current

    @property
    def shapes(self) -> int:
        assert self.widget.review.annotations is not None
        return len(self.widget.review.annotations.layer.data)

    def keyboard(self) -> QWidget | None:
        """What hears the keys; without a window manager no window is active, but one would be."""
        return self.widget.window().focusWidget()

    def model_is_hidden(self) -> bool:
        return self.widget.review.model_is_hidden

    def in_region(self, one: RegionToRead) -> list[Annotation]:
        with Journal.open(self.study) as journal:
            found = journal.annotations(SLIDE, region=one.region)
        return [a for a in found if holds_centre(one.region, a.geometry)]

    def is_in_view(self, one: RegionToRead) -> bool:
        camera = self.widget.review.viewer.scene.camera
        _, y, x = camera.center
        middle = (one.region.x + one.region.width / 2, one.region.y + one.region.height / 2)
        return bool(np.allclose((x, y), np.array(middle) * SLIDE_MPP.x, atol=0.5))

    def lesion_is_bare(self, number: int) -> bool:
        """Whether nothing lies over a lesion but the slide's own colour."""
        picture = self.screen.picture()
        colour = self.screen.colour(picture, lesion_centre(self.here.region, number))
        return bool(np.abs(np.subtract(colour, LESION_RGB)).max() < 12)

    def click(self, widget: QWidget) -> None:
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
        self.screen.settle()


def middle_of(reader: Reader) -> float:
    """y of the middle of the region, level-0 pixels."""
    return reader.here.region.y + reader.here.region.height / 2


def nothing_is_read_before_one_begins(reader: Reader) -> None:
    assert "1 of 20" in reader.panel.place.text()
    assert reader.panel.regions_list.rowCount() == 20
    assert "2 with the model hidden" in reader.panel.mix.text()
    reader.screen.press("y")
    assert reader.regions.counts.left == 20, "the first key shows the region, it decides nothing"
    assert reader.is_in_view(reader.here)
    assert reader.shapes == 2
    frame = reader.screen.colour(reader.screen.picture(), (reader.here.region.x, middle_of(reader)))
    assert max(frame) < 120, "the region is framed"


def controls_are_covered_from_afar(reader: Reader) -> None:
    """With all of the slide in view, what the model says is seen but in controls."""
    reader.widget.review.viewer.reset_view()
    reader.screen.settle()
    picture = reader.screen.picture()
    bare = {
        at
        for at, one in enumerate(reader.regions.queue.regions)
        if np.abs(
            np.subtract(reader.screen.colour(picture, lesion_centre(one.region, 0)), LESION_RGB)
        ).max()
        < 12
    }
    controls = {
        at for at, one in enumerate(reader.regions.queue.regions) if one.kind is RegionKind.CONTROL
    }
    assert len(controls) == 2
    assert bare == {at for at in controls if reader.regions.outcome(at) is None}


def read_one(reader: Reader, place: int) -> None:
    """Decide one region by a key, as the script says, and check the journal."""
    assert reader.regions.position == place
    one = reader.here
    assert reader.is_in_view(one)
    if one.kind is RegionKind.CONTROL:
        read_a_control(reader, one)
    elif place == REJECTED:
        reader.screen.press("x")
        assert {a.status for a in reader.in_region(one)} == {Status.REJECTED}
    elif place == CORRECTED:
        correct_one(reader, one)
    elif place == UNSURE:
        refer_with_a_comment(reader, one)
    else:
        assert not reader.lesion_is_bare(0), "the prediction is seen"
        reader.screen.press("y")
        assert {a.status for a in reader.in_region(one)} == {Status.VALIDATED}


def read_a_control(reader: Reader, one: RegionToRead) -> None:
    """The model is out of sight; the reader draws one lesion of two, and is then told."""
    assert reader.model_is_hidden()
    assert "hidden" in reader.panel.about.text()
    assert reader.in_region(one) == []
    assert reader.lesion_is_bare(0)
    reader.screen.press("h")
    reader.screen.press("h")
    assert reader.lesion_is_bare(0), "the key for overlays does not bring the model back"
    session, annotations = reader.widget.review.session, reader.widget.review.annotations
    assert session is not None
    assert annotations is not None
    classes = [one.key for one in session.classes]
    reader.screen.press(str(1 + classes.index(lesion_class(one.region, 0))))
    annotations.layer.mode = "add_polygon_lasso"
    x, y = lesion_centre(one.region, 0)
    corners = [(-30, -30), (30, -30), (30, 30), (-30, 30), (-30, -20)]
    reader.screen.drag([(x + dx, y + dy) for dx, dy in corners])
    reader.screen.press("c")
    (drawn,) = reader.in_region(one)
    assert (drawn.status, drawn.origin) == (Status.VALIDATED, Origin.PATHOLOGIST)
    assert not reader.model_is_hidden()
    assert "1 as the model has them" in reader.panel.told.text()
    assert "1 only the model's" in reader.panel.told.text()
    assert reader.here == one, "he sees what the model says before he goes on"
    assert not reader.lesion_is_bare(1)
    annotations.layer.mode = "pan_zoom"
    reader.screen.press("n")


def correct_one(reader: Reader, one: RegionToRead) -> None:
    """One proposal is selected and rejected; then the region is done."""
    annotations = reader.widget.review.annotations
    assert annotations is not None
    first, second = reader.in_region(one)
    annotations.select(first.id)
    reader.screen.press("x")
    assert [a.status for a in reader.in_region(one)] == [Status.REJECTED, Status.PROPOSED]
    assert reader.here == one
    reader.screen.press("c")
    states = {a.id: a.status for a in reader.in_region(one)}
    assert states == {first.id: Status.REJECTED, second.id: Status.VALIDATED}


def refer_with_a_comment(reader: Reader, one: RegionToRead) -> None:
    """What is typed into the line is no key of the review."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    reader.screen.press("m")
    assert reader.keyboard() is reader.panel.comment
    QTest.keyClicks(reader.panel.comment, "nuxy? see R2")
    QTest.keyClick(reader.panel.comment, Qt.Key.Key_Escape)
    reader.screen.settle()
    assert reader.keyboard() is reader.screen.canvas
    assert reader.here == one
    reader.screen.press("u")
    assert {a.status for a in reader.in_region(one)} == {Status.PROPOSED}
    assert reader.panel.comment.text() == ""


def all_is_in_the_journal(reader: Reader) -> None:
    queue = reader.regions.queue
    with Journal.open(reader.study) as journal:
        found = {at: one for at, one in queue.places_of(journal.region_readings()).items()}
    assert sorted(found) == list(range(20))
    special = {REJECTED: Outcome.REJECTED, CORRECTED: Outcome.CORRECTED, UNSURE: Outcome.UNSURE}
    for at, reading in found.items():
        is_control = queue.regions[at].kind is RegionKind.CONTROL
        other = Outcome.CORRECTED if is_control else Outcome.ACCEPTED
        assert reading.outcome is special.get(at, other)
        assert (reading.kind, reading.model) == (queue.regions[at].kind, MODEL)
        assert reading.with_model is not is_control
        assert reading.author == "R1"
        assert reading.seconds is not None
        assert reading.seconds > 0
    assert found[UNSURE].comment == "nuxy? see R2"


def the_unsure_one_comes_again(reader: Reader) -> None:
    assert reader.regions.position == UNSURE
    reader.click(reader.panel._buttons[0])
    assert reader.regions.counts.decided == 20
    reader.screen.press("n")
    assert "All regions" in reader.widget.status.message.text()


def an_undone_decision_is_open_again(reader: Reader) -> None:
    session = reader.widget.review.session
    assert session is not None
    session.journal.undo(SLIDE, author="R1")
    reader.widget.review.reload()
    reader.screen.settle()
    assert reader.regions.position == UNSURE
    assert reader.regions.counts.decided == 19


def a_click_in_the_list_goes_there(reader: Reader) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    table = reader.panel.regions_list
    row = table.model().index(3, 1)
    table.scrollTo(row)
    QTest.mouseClick(
        table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(row).center()
    )
    reader.screen.settle()
    assert reader.regions.position == 3
    assert reader.is_in_view(reader.here)
    reader.screen.press("p")
    assert reader.regions.position == 2


def who_comes_back_is_where_he_was(reader: Reader) -> None:
    """A new session shows the region behind the last decision, without a key."""
    again = ReviewSession(reader.study, SLIDE, "R1", plan=ReadingPlan(SETTINGS))
    reader.widget.open_session(again)
    reader.screen.settle()
    assert reader.regions.position == UNSURE
    assert reader.is_in_view(reader.here)


def slides_are_listed_and_opened(reader: Reader) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    reader.widget.show_panel(reader.worklist)
    reader.worklist.refresh()
    reader.screen.rest()
    assert [one.slide_id for one in reader.worklist.slides] == [OTHER_SLIDE, SLIDE]
    rows = [reader.worklist.list.item(row) for row in range(2)]
    assert "unread" in rows[0].text()
    assert "begun, 19 of 20" in rows[1].text()
    assert all("costliest area" in row.text() for row in rows)
    picture = rows[0].icon().pixmap(72, 72).toImage()
    assert picture.pixelColor(36, 36).alpha() == 255, "the slide's picture is there"
    reader.screen.press_special(Qt.Key.Key_PageUp)
    assert reader.slide == OTHER_SLIDE
    reader.screen.press_special(Qt.Key.Key_PageUp)
    assert "first slide" in reader.widget.status.message.text()
    reader.screen.press("n")
    reader.screen.press("y")
    reader.worklist.list.setCurrentRow(1)
    QTest.keyClick(reader.worklist.list, Qt.Key.Key_Return)
    reader.screen.settle()
    assert reader.slide == SLIDE
    assert reader.keyboard() is reader.screen.canvas
    assert "begun, 1 of 20" in reader.worklist.list.item(0).text(), "what was left is told anew"
    reader.screen.press_special(Qt.Key.Key_PageDown)
    assert reader.slide == SLIDE


def time_stands_still_without_the_focus(reader: Reader) -> None:
    import time

    from qtpy.QtCore import QEvent
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    session, window = reader.widget.review.session, reader.widget.window()
    assert session is not None
    QApplication.sendEvent(window, QEvent(QEvent.Type.WindowDeactivate))
    before = session.clock.slide_seconds(time.monotonic())
    QTest.qWait(30)
    assert session.clock.slide_seconds(time.monotonic()) == before
    QApplication.sendEvent(window, QEvent(QEvent.Type.WindowActivate))
    QTest.qWait(30)
    assert session.clock.slide_seconds(time.monotonic()) > before


def the_summary_says_what_was_read(reader: Reader) -> None:
    from napari_pathoai.panels.summary_dialog import SummaryDialog

    reader.panel.show_summary()
    reader.screen.settle()
    (dialog,) = reader.widget.window().findChildren(SummaryDialog)
    words = dialog.words.text()
    assert "In this session: 0 regions" in words, "he has just come back"
    assert "On this slide in all: 20 regions" in words
    assert "15 accepted, 1 rejected, 3 corrected, 1 unsure" in words
    assert "Agreement with the model where it was hidden: 67% (2 regions)" in words
    dialog.reject()


def test_a_queue_of_twenty_by_keys_and_by_mouse(
    make_napari_viewer: Callable[..., napari.Viewer], tmp_path: Path
) -> None:
    study = make_queue_study(tmp_path / "study")
    reader = Reader(make_napari_viewer(show=True), study)
    reader.screen.rest()
    controls_are_covered_from_afar(reader)
    nothing_is_read_before_one_begins(reader)
    for place in range(20):
        read_one(reader, place)
    all_is_in_the_journal(reader)
    controls_are_covered_from_afar(reader)
    the_unsure_one_comes_again(reader)
    an_undone_decision_is_open_again(reader)
    a_click_in_the_list_goes_there(reader)
    who_comes_back_is_where_he_was(reader)
    time_stands_still_without_the_focus(reader)
    the_summary_says_what_was_read(reader)
    slides_are_listed_and_opened(reader)
