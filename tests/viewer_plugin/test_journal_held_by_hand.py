"""Another program holds the journal: the window waits a moment, says so, and keeps what was drawn.

Then the same key saves it, once.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from shapely import Polygon

from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from tests.viewer_plugin.drawing_hand import PLACE, Hand, held, key, line
from tests.viewer_plugin.small_study import SLIDE

if TYPE_CHECKING:
    import napari

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]
X, Y = PLACE
CORNERS = ((X + 50, Y - 100), (X + 150, Y - 100), (X + 150, Y), (X + 50, Y))
_HOLDS = """
import sqlite3, sys
journal = sqlite3.connect(sys.argv[1], isolation_level=None)
journal.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
_LONGEST_S = 10
"""On a slow machine; the command line waits for a minute."""


@contextmanager
def journal_held(path: Path) -> Iterator[None]:
    """Another program writes to the journal all the while."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield
        other.stdin.close()


@contextmanager
def quick() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < _LONGEST_S


@pytest.fixture
def hand(make_napari_viewer: Callable[..., napari.Viewer], study: Study) -> Hand:
    reader = Hand(make_napari_viewer(show=True), study)
    reader.screen.press("n")
    assert reader.review.session is not None
    journal = reader.review.session.journal.database
    assert journal.wait_s <= 3, "the window is frozen meanwhile"
    journal.wait_at_most(0.5)
    reader.screen.look_at(PLACE, screen_px_per_px=1.0)
    return reader


def drawn(hand: Hand) -> list[Annotation]:
    return [a for a in hand.journal() if a.status is not Status.PROPOSED]


def draws_a_polygon(hand: Hand) -> None:
    hand.screen.press("l")
    for corner in CORNERS:
        hand.screen.click(corner)
    with quick():
        hand.screen.press_special(key("Key_Return"))


def keeps_a_polygon_that_enter_saves(hand: Hand) -> None:
    with journal_held(hand.study.journal_path):
        draws_a_polygon(hand)
        assert "another program holds the journal" in hand.message
        assert "Enter saves" in hand.message
        assert "Not saved yet" in hand.review.viewer.layers
        assert hand.seen((X + 100, Y)), "it is still on the screen"
        with quick():
            hand.screen.press_special(key("Key_Return"))
        assert "another program holds the journal" in hand.message
        assert drawn(hand) == []
    hand.screen.press_special(key("Key_Return"))
    (state,) = drawn(hand)
    assert state.geometry.symmetric_difference(Polygon(CORNERS)).area < 500
    assert "Not saved yet" not in hand.review.viewer.layers
    hand.screen.press_special(key("Key_Return"))
    assert len(drawn(hand)) == 1
    hand.screen.press_special(key("Key_Z"), held=held("Control"))
    assert drawn(hand) == [], "one undo takes it back"


def saves_strokes_with_the_next_one(hand: Hand) -> None:
    """In their order: the first is a new annotation, and each is its own to undo."""
    hand.screen.press("b")
    with journal_held(hand.study.journal_path):
        for down in (0, 60):
            with quick():
                hand.screen.drag(line((X - 150, Y + down), (X - 50, Y + down)))
        assert drawn(hand) == []
    hand.screen.press("t")
    hand.screen.click((X, Y + 100))
    assert [a.geometry.geom_type for a in drawn(hand)] == ["Polygon", "Polygon", "Point"]
    for left in (2, 1, 0):
        hand.screen.press_special(key("Key_Z"), held=held("Control"))
        assert len(drawn(hand)) == left


def changes_nothing_by_key(hand: Hand) -> None:
    """A decision is whole or not at all, and the same key says it again."""
    before = hand.journal()
    hand.screen.press("v")
    with journal_held(hand.study.journal_path):
        with quick():
            hand.screen.press("y")
        assert "nothing was changed" in hand.message
        assert hand.journal() == before
        with quick():
            hand.widget.verdict.choose("hsil")
            hand.widget.verdict.sign_off()
        assert "nothing was changed" in hand.message
    hand.screen.press("y")
    assert [a.status for a in hand.journal() if a.id == before[0].id] == [Status.VALIDATED]
    hand.screen.press_special(key("Key_Z"), held=held("Control"))


def stays_open_with_what_is_not_saved(hand: Hand) -> None:
    """Another slide, and the window's cross: neither loses it unsaid."""
    from napari_pathoai.session import ReviewSession

    session, window = hand.review.session, hand.review.viewer.window._qt_window
    with journal_held(hand.study.journal_path):
        draws_a_polygon(hand)
        hand.widget.open_session(ReviewSession(hand.study, SLIDE, "R1"))
        assert hand.review.session is session
        assert "not saved yet" in hand.message
        with quick():
            assert not window.close()
        assert "close again" in hand.message
        assert window.isVisible()
    hand.screen.press_special(key("Key_Return"))
    assert len(drawn(hand)) == 1


def test_what_is_drawn_while_another_program_holds_the_journal_is_kept(hand: Hand) -> None:
    keeps_a_polygon_that_enter_saves(hand)
    saves_strokes_with_the_next_one(hand)
    changes_nothing_by_key(hand)
    stays_open_with_what_is_not_saved(hand)
