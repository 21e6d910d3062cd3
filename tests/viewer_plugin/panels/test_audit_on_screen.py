"""The queue of an audit in a real window: a pathologist's keys become the label's precision."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from qtpy.QtCore import Qt

from napari_pathoai.opening.open_review import add_review
from napari_pathoai.session import ReviewSession
from pathoai.cli.main import main
from pathoai.geometry import Mpp
from pathoai.study.study import Study
from pathoai_annotations.audit.audit_queue import audit_table
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.journal.region_reading import Outcome, RegionKind
from pathoai_annotations.review.reading_plan import ReadingPlan
from tests.annotations.audit.conftest import recipe_without_vetoes
from tests.annotations.restained_discs import HE, make_pair, register_pair_as_is

if TYPE_CHECKING:
    import napari

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]
MARKER, TILES = "AE1AE3", 6
VERDICTS = "yyxyuy"
_WORDS = ("accepted", "rejected", "unsure", "unread")
_OUTCOMES = {"y": Outcome.ACCEPTED, "x": Outcome.REJECTED, "u": Outcome.UNSURE}


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A pair of painted slides, labelled, and its queue of tiles."""
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path / "vault"))
    study = Study.create(tmp_path / "study", ontology="breast")
    make_pair(study, MARKER)
    register_pair_as_is(study)
    words = ["label", str(study.path), "--marker", MARKER, "--device", "cpu"]
    assert main([*words, "--recipe", str(recipe_without_vetoes(tmp_path))]) == 0
    assert main([*words, "--audit", str(TILES), "--tile", "32", "--seed", "1"]) == 0
    return study


def test_keys_in_the_window_become_the_precision(
    make_napari_viewer: Callable[..., napari.Viewer], audited: Study
) -> None:
    from napari_pathoai.panels.review_widget import ReviewWidget
    from tests.viewer_plugin.screen import Screen

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1366, 768)
    plan = ReadingPlan(file=audit_table(audited, MARKER))
    add_review(viewer, ReviewSession(audited, HE, "R1", plan=plan))
    screen = Screen(viewer, Mpp.square(0.5))
    panel = viewer.window._qt_window.findChild(ReviewWidget).reading
    screen.settle()
    regions = panel.regions
    assert regions is not None
    assert len(regions.queue) == TILES
    screen.press("y")
    assert regions.counts.left == TILES, "the first key shows the tile, it decides nothing"
    assert "audit of a label" in panel.place.text()
    if folder := os.environ.get("PATHOAI_SCREENSHOTS"):
        Image.fromarray(viewer.screenshot(canvas_only=False)).save(Path(folder) / "audit.png")
    for place, key in enumerate(VERDICTS):
        assert regions.position == place
        screen.press(key)
    assert regions.counts.decided == TILES - VERDICTS.count("u")
    with Journal.open(audited) as journal:
        read = regions.queue.places_of(journal.region_readings())
    assert {at: one.outcome for at, one in read.items()} == {
        at: _OUTCOMES[key] for at, key in enumerate(VERDICTS)
    }
    assert {one.kind for one in read.values()} == {RegionKind.AUDIT}
    verdict = viewer.window._qt_window.findChild(ReviewWidget).verdict
    assert verdict.grades.isHidden(), "this ontology has no grades"
    screen.press_special(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    with Journal.open(audited) as journal:
        assert journal.is_signed(HE, "R1")
    words = ["label", str(audited.path), "--marker", MARKER, "--precision"]
    assert main(words) == 0
    raw = json.loads((audited.audit_path(MARKER) / "precision.json").read_text("utf8"))
    said = raw["strata"].values()
    assert [sum(verdicts[word] for verdicts in said) for word in _WORDS] == [4, 1, 1, 0]
