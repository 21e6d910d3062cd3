"""One viewer, drawn in with mouse and keys: every stroke is on the screen and in the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import shapely
from shapely import Point

from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Status
from pathoai_annotations.drawing.outline_edits import areas_of
from tests.viewer_plugin.drawing_hand import PLACE, Hand, held, key, line, wait
from tests.viewer_plugin.small_study import square

if TYPE_CHECKING:
    import napari


pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]


def paints_at_two_zooms(hand: Hand) -> None:
    """The brush has one size on the screen: at half the zoom it paints twice as wide."""
    x, y = PLACE
    widths = []
    for zoom in (1.0, 0.5):
        hand.screen.look_at(PLACE, screen_px_per_px=zoom)
        hand.screen.press("b")
        reach = 100 / zoom
        hand.screen.drag(line((x - reach, y), (x + reach, y)))
        drawn = hand.only()
        left, top, right, bottom = drawn.geometry.bounds
        size = hand.tools.brush.size_px / zoom
        assert drawn.status is Status.VALIDATED
        assert bottom - top == pytest.approx(size, abs=3 / zoom)
        assert (left + right) / 2 == pytest.approx(x, abs=3 / zoom)
        assert right - left == pytest.approx(2 * reach + size, abs=5 / zoom)
        hand.screen.rest()
        assert hand.seen((x, top))
        assert not hand.seen((x, top - 20 / zoom))
        widths.append(bottom - top)
        hand.empty()
    assert widths[1] / widths[0] == pytest.approx(2, rel=0.05)


def adds_and_subtracts(hand: Hand) -> Annotation:
    """As QuPath's brush: from inside adds, Shift adds, Alt takes away, from outside is new."""
    x, y = PLACE
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)
    hand.screen.press("b")
    hand.screen.drag(line((x - 100, y), (x + 100, y)))
    first = hand.only()
    hand.screen.drag(line((x, y), (x, y + 120)))
    grown = hand.only()
    assert grown.id == first.id
    assert grown.geometry.contains(Point(x, y + 110))
    hand.screen.drag(line((x - 100, y + 120), (x, y + 120)), held=held("Shift"))
    grown = hand.only()
    assert grown.geometry.contains(Point(x - 100, y + 120))
    hand.screen.drag(line((x - 60, y - 60), (x - 60, y + 40)), held=held("Alt"))
    cut = hand.only()
    assert cut.id == first.id
    assert not cut.geometry.intersects(Point(x - 60, y))
    stroke = hand.review.viewer.layers["Stroke"]
    assert stroke.brush_size == hand.tools.brush.size_px, "Alt leaves the brush's size alone"
    assert not stroke.data.any(), "napari's layer holds a stroke only while it is made"
    hand.screen.press("d")
    hand.screen.drag(line((x + 60, y - 60), (x + 60, y + 40)))
    cut = hand.only()
    assert not cut.geometry.intersects(Point(x + 60, y))
    hand.screen.press("b")
    hand.screen.drag(line((x + 150, y + 150), (x + 180, y + 150)))
    assert len(hand.journal()) == 2
    hand.screen.press_special(key("Key_Delete"))
    assert hand.only().id == first.id
    return cut


def undoes_and_redoes(hand: Hand, cut: Annotation) -> None:
    """Delete and the stroke before it come back one by one; then they are done again.

    What is out of sight comes into view.
    """
    far = (300.0, 300.0)
    hand.screen.look_at(far, screen_px_per_px=2.0)
    hand.screen.press_special(key("Key_Z"), held=held("Control"))
    assert len(hand.journal()) == 2
    hand.screen.press_special(key("Key_Z"), held=held("Control"))
    assert hand.only().geometry.equals(cut.geometry)
    hand.screen.press_special(key("Key_Z"), held=held("Control"))
    x, y = PLACE
    assert hand.only().geometry.intersects(Point(x + 60, y))
    seen = hand.review.region_in_view()
    assert shapely.box(seen.x, seen.y, seen.right, seen.bottom).contains(cut.geometry.centroid)
    hand.screen.press_special(key("Key_Y"), held=held("Control"))
    assert hand.only().geometry.equals(cut.geometry)
    annotations = hand.review.annotations
    assert annotations is not None
    assert len(annotations.layer.data) == len(areas_of(cut.geometry))


def moves_the_view_while_painting(hand: Hand) -> None:
    """Space lends the mouse to the view; the stroke after it lies where the view is then."""
    from qtpy.QtTest import QTest

    hand.screen.look_at(PLACE, screen_px_per_px=1.0)
    hand.screen.press("b")
    before = hand.screen.viewer.scene.camera.center
    QTest.keyPress(hand.screen.canvas, key("Key_Space"))
    hand.screen.drag(line(PLACE, (PLACE[0] + 100, PLACE[1] + 50)))
    QTest.keyRelease(hand.screen.canvas, key("Key_Space"))
    hand.screen.settle()
    assert hand.screen.viewer.scene.camera.center != before
    assert hand.journal() == []
    begin = (PLACE[0] - 150, PLACE[1] - 100)
    hand.screen.drag(line(begin, (begin[0] + 60, begin[1])))
    assert hand.only().geometry.contains(Point(begin[0] + 30, begin[1]))


def draws_outlines(hand: Hand) -> None:
    """Polygon, rectangle and ellipse; Alt cuts a hole, which is filled again by its key."""
    x, y = PLACE
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)
    hand.screen.press("l")
    corners = [(x - 150, y - 120), (x + 150, y - 120), (x + 150, y + 120), (x - 150, y + 120)]
    for corner in corners:
        hand.screen.click(corner)
    hand.screen.press_special(key("Key_Return"))
    drawn = hand.only()
    assert (
        drawn.geometry.symmetric_difference(shapely.box(x - 150, y - 120, x + 150, y + 120)).area
        < 3000
    )
    hand.screen.press("o")
    hand.screen.drag(line((x - 60, y - 40), (x + 60, y + 40)), held=held("Alt"))
    (part,) = areas_of(hand.only().geometry)
    assert len(part.interiors) == 1
    assert not part.contains(Point(PLACE))
    hand.screen.rest()
    assert hand.seen((x - 60, y)), "the hole is on the screen"
    hand.screen.move(PLACE)
    hand.screen.press_special(key("Key_F"), held=held("Shift"))
    (part,) = areas_of(hand.only().geometry)
    assert not part.interiors
    hand.screen.press("r")
    hand.screen.drag(line((x + 160, y - 40), (x + 200, y + 40)))
    assert len(hand.journal()) == 2


def splits_and_merges(hand: Hand) -> None:
    """A line across the selected annotation makes two; both selected, they become one again."""
    x, y = PLACE
    hand.screen.press("v")
    hand.screen.click((x - 100, y))
    before = {a.id: a for a in hand.journal()}
    hand.screen.press("k")
    hand.screen.drag(line((x + 40, y - 150), (x + 40, y + 150)))
    assert len(hand.journal()) == 3
    hand.screen.press_special(key("Key_Z"), held=held("Control"))
    assert {a.id for a in hand.journal()} == set(before)
    hand.screen.press_special(key("Key_Y"), held=held("Control"))
    assert len(hand.journal()) == 3
    hand.screen.press("v")
    hand.screen.click((x - 100, y))
    hand.screen.click((x + 100, y), held=held("Shift"))
    hand.screen.press("j")
    merged = {a.id: a for a in hand.journal()}
    assert set(merged) == set(before)
    for one, state in before.items():
        assert merged[one].geometry.area == pytest.approx(state.geometry.area, rel=0.01)


def sets_points(hand: Hand) -> None:
    """A click is a point; it can be selected and deleted like an outline."""
    hand.screen.look_at(PLACE, screen_px_per_px=1.0)
    hand.screen.press("t")
    hand.screen.click(PLACE)
    point = hand.only()
    assert point.geometry.distance(Point(PLACE)) < 2
    hand.screen.rest()
    assert hand.seen(PLACE)
    hand.screen.press("v")
    hand.screen.click(PLACE)
    hand.screen.press_special(key("Key_Delete"))
    assert hand.journal() == []


def takes_a_square_by_wand_and_click(hand: Hand) -> None:
    """What looks alike is taken: by pressing the wand, and by a click that outlines."""
    left, top, right, bottom = square(2).bounds
    middle = ((left + right) / 2, (top + bottom) / 2)
    hand.screen.look_at(middle, screen_px_per_px=0.5)
    hand.screen.press("w")
    hand.screen.drag(line((left + 40, middle[1]), (right - 40, middle[1])))
    taken = hand.only()
    truth = shapely.box(left, top, right, bottom)
    assert overlap(taken.geometry, truth) > 0.9
    hand.empty()
    hand.screen.press("g")
    hand.screen.click(middle)
    wait(hand, lambda: hand.tools.click.draft is not None)
    assert hand.journal() == [], "nothing is saved before it is accepted"
    first = hand.tools.click.draft
    hand.screen.click((left + 20, top + 20), held=held("Alt"))
    wait(hand, lambda: hand.tools.click.draft not in (None, first))
    assert not hand.tools.click.draft.contains(Point(left + 20, top + 20))  # type: ignore[union-attr] # just seen
    hand.screen.press_special(key("Key_Escape"))
    assert hand.tools.click.draft is None
    hand.screen.click(middle)
    wait(hand, lambda: hand.tools.click.draft is not None)
    hand.screen.press_special(key("Key_Return"))
    assert overlap(hand.only().geometry, truth) > 0.9
    hand.screen.press("v")
    hand.empty()


def overlap(one: shapely.Geometry, other: shapely.Geometry) -> float:
    return float(2 * one.intersection(other).area / (one.area + other.area))


def resizes_the_brush(hand: Hand) -> None:
    hand.screen.press("b")
    before = hand.tools.brush.size_px
    hand.screen.press("]")
    larger = hand.tools.brush.size_px
    hand.screen.press("[")
    hand.screen.press("[")
    assert hand.tools.brush.size_px < before < larger


def test_a_reader_draws_with_every_tool(
    make_napari_viewer: Callable[..., napari.Viewer], study: Study
) -> None:
    hand = Hand(make_napari_viewer(show=True), study)
    paints_at_two_zooms(hand)
    cut = adds_and_subtracts(hand)
    undoes_and_redoes(hand, cut)
    hand.empty()
    moves_the_view_while_painting(hand)
    hand.empty()
    draws_outlines(hand)
    splits_and_merges(hand)
    hand.empty()
    sets_points(hand)
    takes_a_square_by_wand_and_click(hand)
    resizes_the_brush(hand)
