"""The review window, from its parts: a napari viewer with a study's slide and the dock widget."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_pathoai.picture.canvas_view import centre_on
from napari_pathoai.session import ReviewSession
from napari_pathoai.settings import setting
from napari_pathoai.texts.texts import text
from napari_pathoai.what_to_read import choose_slide, usual_plan
from pathoai.errors import InvalidValueError, MissingDependencyError, StudyError
from pathoai.study.study import Study
from pathoai_annotations.readers.room_sheet import room_sheet
from pathoai_annotations.review.reading_plan import ReadingPlan
from pathoai_annotations.review.session_summary import SessionSummary

if TYPE_CHECKING:
    import napari

    from napari_pathoai.panels.review_widget import ReviewWidget

_WINDOW_PX = (1600, 1000)
_SETTLE_SECONDS = 2.0
_ABORTING_PYSIDE6 = ("6.12.0",)


def open_review(
    study_path: Path,
    *,
    slide_id: str | None = None,
    at: tuple[float, float] | None = None,
    reader: str | None = None,
    plan: Callable[[], ReadingPlan] = usual_plan,
    screenshot: Path | None = None,
) -> list[SessionSummary]:
    """Show a study until the window is closed, or until its picture is taken.

    Args:
        study_path: Folder of the study.
        slide_id: Slide to show first; the first tiled one where None.
        at: Place to centre on, x and y in level-0 pixels; all of the slide where None.
        reader: Code of the person who reviews, never a name; where None, whose room the study is,
            else ``R1``.
        plan: Makes what is read, once the user's settings are known.
        screenshot: Where to write a picture of the window (PNG) instead of waiting.

    Returns:
        What was read, a summary of each slide on which anything was done.

    Raises:
        MissingDependencyError: napari or Qt is not installed.
        StudyError: There is no display, no such slide, or no slide is tiled.
        InvalidValueError: The place does not lie on the slide.
        AnnotationError: The reader's code is none, or he may not work here.
    """
    study = Study(study_path)
    check_display()
    check_installed()
    # Loaded before anything is chosen: it knows the user's settings.
    import napari

    planned = plan()
    if slide_id is None and planned.slides:
        slide_id = planned.slides[0]
    # An empty code was given, and is refused like any other that is none.
    reader = default_reader(study) if reader is None else reader
    session = ReviewSession(study, choose_slide(study, slide_id), reader, plan=planned)
    if at is not None:
        check_place(session, at)
    read: list[SessionSummary] = []
    viewer, widget = _window(session, at=at)
    widget.review.session_read.connect(lambda summary: read.append(summary))
    if screenshot is None:
        napari.run()
    else:
        settle()
        viewer.window.screenshot(str(screenshot), canvas_only=False, flash=False)
        viewer.close()
    # A window that closes tells its docks nothing.
    widget.review.end()
    return read


def default_reader(study: Study) -> str:
    """Whose reading room the study is; where it is none, the setting, or ``R1``."""
    sheet = room_sheet(study)
    return (str(setting("reader")) or "R1") if sheet is None else sheet.reader


def check_place(session: ReviewSession, at: tuple[float, float]) -> None:
    """Refuse a place that the slide does not have: the window would show nothing.

    Raises:
        InvalidValueError: It lies elsewhere, or is no number.
    """
    size, (x, y) = session.store.slide.size, at
    if not (0 <= x <= size.width and 0 <= y <= size.height):
        raise InvalidValueError(
            "the place does not lie on the slide",
            where=f"{session.slide_id} --at",
            found=f"{x:g},{y:g}",
            allowed=f"0,0 to {size.width},{size.height}, level-0 pixels",
        )


def show_review(
    session: ReviewSession, *, at: tuple[float, float] | None = None, show: bool = True
) -> napari.Viewer:
    """A new viewer with the slide of a session and the review widget.

    Args:
        session: With the slide.
        at: Place to centre on, x and y in level-0 pixels; all of the slide where None.
        show: Whether the window is.
    """
    viewer, _ = _window(session, at=at, show=show)
    return viewer


def _window(
    session: ReviewSession, *, at: tuple[float, float] | None = None, show: bool = True
) -> tuple[napari.Viewer, ReviewWidget]:
    import napari

    viewer = napari.Viewer(title="pathoai", show=show)
    viewer.window.resize(*_WINDOW_PX)
    widget = add_review(viewer, session, resume=at is None)
    if at is not None:
        centre_on(viewer, at, session.store.header.slide_mpp)
    return viewer, widget


def add_review(
    viewer: napari.Viewer, session: ReviewSession, *, resume: bool = True
) -> ReviewWidget:
    """Dock the review widget in an existing viewer and show the session in it.

    Args:
        viewer: Where.
        session: With the slide.
        resume: Whether a slide that was begun is shown where its reader left off.
    """
    from qtpy.QtWidgets import QApplication

    from napari_pathoai.picture.first_picture import show_slide

    # Before the panels are even imported: this is what the user waits for.
    show_slide(viewer, session.store)
    from napari_pathoai.panels.review_widget import ReviewWidget

    widget = ReviewWidget(viewer)
    viewer.window.add_dock_widget(widget, name=text("review_dock"), area="right")
    # Until the layout is done the canvas has another size than the one to fill.
    QApplication.processEvents()
    widget.reading.resumes = resume
    widget.open_session(session)
    return widget


def check_display(platform: str = sys.platform) -> None:
    """Refuse to start Qt without a display: Qt would abort the whole process.

    Raises:
        StudyError: On Linux, neither X nor Wayland is announced and no Qt platform is chosen.
    """
    announced = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
    if platform.startswith("linux") and not any(os.environ.get(name) for name in announced):
        raise StudyError(
            "no display to open a window on",
            found="neither DISPLAY nor WAYLAND_DISPLAY is set",
            remedy="run it on a desktop, through `ssh -X`, or under `xvfb-run -a` for --screenshot",
        )


def check_installed(
    found: Callable[[str], object] = importlib.util.find_spec,
) -> None:
    """Refuse where napari or Qt is absent.

    Raises:
        MissingDependencyError: One of them is; the remedy names the extra.
    """
    missing = [name for name in ("napari", "qtpy") if found(name) is None]
    if not missing and not any(found(name) for name in ("PySide6", "PyQt6")):
        missing = ["PySide6"]
    if missing:
        raise MissingDependencyError(
            "the viewer is not installed",
            found=f"no {' and no '.join(missing)}",
            remedy="pip install 'pathoai[napari]'",
        )
    check_qt_binding()


def check_qt_binding(python: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Refuse the one PySide6 that aborts the process after a few thousand calls.

    PySide6 6.12.0 drops a reference to None with every call that returns nothing. Python 3.12 made
    None immortal; before it, the interpreter aborts in the middle of the work.

    Raises:
        MissingDependencyError: It is installed, and Python is older than 3.12.
    """
    try:
        found = importlib.metadata.version("PySide6_Essentials")
    except importlib.metadata.PackageNotFoundError:
        return
    if found in _ABORTING_PYSIDE6 and python < (3, 12):
        raise MissingDependencyError(
            "this version of PySide6 aborts under this version of Python",
            found=f"PySide6 {found}, Python {'.'.join(map(str, python))}",
            remedy=f"pip install 'pyside6!={found}', or use Python 3.12 or later",
        )


def settle(seconds: float = _SETTLE_SECONDS) -> None:
    """Let Qt and napari draw everything that is pending."""
    import time

    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)
