"""One viewer, looked at: colours and edges are where they belong, at every zoom."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_pathoai.opening.open_review import add_review
from napari_pathoai.picture.canvas_view import centre_on, region_in_view
from napari_pathoai.session import ReviewSession
from pathoai.study.study import Study
from tests.viewer_plugin.small_study import (
    BACKGROUND_RGB,
    HEIGHT,
    SLIDE,
    SLIDE_MPP,
    SQUARE_RGB,
    square,
)

if TYPE_CHECKING:
    import napari
    from numpy.typing import NDArray

    from tests.viewer_plugin.screen import Screen

pytestmark = pytest.mark.usefixtures("display")
OPACITY = 0.45


def blended(over: tuple[int, ...], under: tuple[int, ...]) -> NDArray[np.float64]:
    return OPACITY * np.array(over, float) + (1 - OPACITY) * np.array(under, float)


def centre(number: int) -> tuple[float, float]:
    left, top, right, bottom = square(number).bounds
    return ((left + right) / 2, (top + bottom) / 2)


def check_colours(screen: Screen, hsil: tuple[int, int, int]) -> None:
    """Squares 0 and 1 are predicted, square 2 is not; the rest is background."""
    for zoom in (0.9, 0.4):
        for number, expected in enumerate(
            (blended(hsil, SQUARE_RGB), blended(hsil, SQUARE_RGB), np.array(SQUARE_RGB, float))
        ):
            x, y = centre(number)
            screen.look_at((x, y), screen_px_per_px=zoom)
            picture = screen.picture()
            assert screen.colour(picture, (x + 12, y + 70)) == pytest.approx(expected, abs=3)
            left, top, *_ = square(number).bounds
            outside = (left - 20, top - 20)
            assert screen.colour(picture, outside) == pytest.approx(BACKGROUND_RGB, abs=3)


def check_edges(screen: Screen) -> None:
    """The edge of image, prediction and outline is one, within a screen pixel, at every zoom."""
    left, _, _, _ = square(1).bounds
    _, y = centre(1)
    for zoom in (3.0, 1.0, 0.3):
        screen.look_at((left, y), screen_px_per_px=zoom)
        picture = screen.picture().astype(int)
        x_edge, row = screen.at((left, y))
        half = int(70 * zoom)
        line = picture[int(row), int(x_edge) - half : int(x_edge) + half]
        steps = np.abs(np.diff(line, axis=0)).sum(axis=1)
        found = int(x_edge) - half + int(steps.argmax()) + 1
        assert steps.max() > 60
        assert abs(found - x_edge) <= max(1.0, 2 * zoom), f"zoom {zoom}"


def check_outline(screen: Screen, session: ReviewSession) -> None:
    """An annotation's outline is drawn over the edge of its square, in its class colour."""
    left, _, right, _ = square(2).bounds
    _, y = centre(2)
    for x_place in (left, right):
        for zoom in (2.0, 0.5):
            screen.look_at((x_place, y), screen_px_per_px=zoom)
            screen.rest()
            picture = screen.picture().astype(float)
            x_edge, row = screen.at((x_place, y))
            near = picture[int(row), int(x_edge) - 6 : int(x_edge) + 7]
            distance = np.abs(near - np.array(session.ontology["ais"].rgb)).sum(axis=1)
            assert abs(int(distance.argmin()) - 6) <= 2
            assert distance.min() < 120


def check_outside(screen: Screen) -> None:
    """What nobody assessed is as transparent as background, and beyond the slide nothing is."""
    place = (2470.0, HEIGHT / 2)
    screen.look_at(place, screen_px_per_px=1.0)
    assert screen.colour(screen.picture(), place) == pytest.approx(BACKGROUND_RGB, abs=3)


def test_the_slide_its_prediction_and_an_outline(
    make_napari_viewer: Callable[..., napari.Viewer], study: Study
) -> None:
    from tests.viewer_plugin.screen import Screen

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 700)
    session = ReviewSession(study, SLIDE, "R1")
    add_review(viewer, session)
    screen = Screen(viewer)
    screen.settle()
    assert viewer.canvas.overlays.scale_bar.visible
    assert [str(unit) for unit in viewer.layers.units] == ["micrometer", "micrometer"]
    check_colours(screen, session.ontology["hsil"].rgb)
    check_edges(screen)
    check_outside(screen)
    session.add("ais", square(2))
    from napari_pathoai.panels.review_widget import ReviewWidget

    widget = viewer.window._qt_window.findChild(ReviewWidget)
    widget.review.annotations.reload()
    check_outline(screen, session)
    before = screen.picture()
    widget.annotate.set_opacity(0)
    screen.look_at(centre(0), screen_px_per_px=1.0)
    shown = screen.colour(screen.picture(), (centre(0)[0] + 30, centre(0)[1] + 70))
    assert shown == pytest.approx(SQUARE_RGB, abs=3)
    assert before.shape == screen.picture().shape
    centre_on(viewer, centre(1), SLIDE_MPP)
    seen = region_in_view(viewer, SLIDE_MPP)
    middle = (seen.x + seen.width / 2, seen.y + seen.height / 2)
    assert middle == pytest.approx(centre(1), abs=0.01)
    # 250 µm take 35 % of the canvas's smaller side.
    assert min(seen.width, seen.height) * SLIDE_MPP.mean == pytest.approx(250 / 0.35, rel=0.02)
