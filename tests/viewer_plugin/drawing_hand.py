"""A reader drawing with mouse and keys in one viewer, for tests of tools."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from napari_pathoai.opening.open_review import add_review
from napari_pathoai.session import ReviewSession
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.journal.journal import Journal
from tests.viewer_plugin.small_study import SLIDE

if TYPE_CHECKING:
    import napari
    from qtpy.QtCore import Qt

    from napari_pathoai.review import Review
    from napari_pathoai.tools.drawing_tools import DrawingTools
    from tests.viewer_plugin.screen import Place, Screen

PLACE = (1200.0, 1300.0)
"""Empty glass, level-0 pixels."""


class Hand:
    """A reader at the window, and the journal as another program sees it."""

    def __init__(self, viewer: napari.Viewer, study: Study) -> None:
        from napari_pathoai.panels.review_widget import ReviewWidget
        from tests.viewer_plugin.screen import Screen

        self.study = study
        viewer.window.resize(1366, 768)
        add_review(viewer, ReviewSession(study, SLIDE, "R1"))
        widget: ReviewWidget = viewer.window._qt_window.findChild(ReviewWidget)
        self.widget = widget
        self.review: Review = widget.review
        self.tools: DrawingTools = widget.annotate.tools
        self.screen: Screen = Screen(viewer)
        self.screen.settle()

    @property
    def rgb(self) -> np.ndarray:
        """The chosen class's colour."""
        assert self.review.session is not None
        assert self.review.annotations is not None
        return np.array(self.review.session.ontology[self.review.annotations.label].rgb)

    @property
    def message(self) -> str:
        """What the status line says."""
        return self.widget.status.message.text()

    def journal(self) -> list[Annotation]:
        with Journal.open(self.study) as journal:
            states = journal.annotations(SLIDE)
        return [a for a in states if a.status is not Status.REJECTED]

    def only(self) -> Annotation:
        (state,) = self.journal()
        return state

    def seen(self, place: Place) -> bool:
        """True where the outline's colour is on the screen, within a few pixels of a place."""
        picture = self.screen.picture().astype(int)
        x, y = (round(v) for v in self.screen.at(place))
        near = picture[max(y - 6, 0) : y + 7, max(x - 6, 0) : x + 7]
        return bool((np.abs(near - self.rgb).sum(axis=2) < 120).any())

    def empty(self) -> None:
        """Reject everything and look at the glass again."""
        annotations = self.review.annotations
        assert annotations is not None
        if shown := [a.id for a in annotations.shown]:
            annotations.reject(shown)
        self.screen.press_special(key("Key_Escape"))
        assert self.journal() == []


def key(name: str) -> Qt.Key:
    from qtpy.QtCore import Qt

    return Qt.Key[name]


def held(name: str) -> Qt.KeyboardModifier:
    from qtpy.QtCore import Qt

    return Qt.KeyboardModifier[f"{name}Modifier"]


def line(begin: Place, end: Place, steps: int = 8) -> list[Place]:
    return [
        (begin[0] + (end[0] - begin[0]) * t, begin[1] + (end[1] - begin[1]) * t)
        for t in np.linspace(0, 1, steps)
    ]


def wait(hand: Hand, done: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        hand.screen.settle()
    assert done()
