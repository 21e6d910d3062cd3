"""A process killed right after a stroke: the stroke is in the journal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from shapely import Point

from pathoai.study.study import Study
from pathoai_annotations.annotation import Status
from pathoai_annotations.journal.journal import Journal
from tests.viewer_plugin.small_study import SLIDE

pytestmark = [pytest.mark.usefixtures("display"), pytest.mark.long]
PLACE = (1200.0, 1300.0)
_READER = """
import sys, time
sys.path[:0] = {path!r}
import napari
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from pathlib import Path
from napari_pathoai.opening.open_review import add_review
from napari_pathoai.session import ReviewSession
from pathoai.study.study import Study
from tests.viewer_plugin.screen import Screen

viewer = napari.Viewer(show=True)
viewer.window.resize(1000, 650)
add_review(viewer, ReviewSession(Study(Path({study!r})), {slide!r}, "R1"))
screen = Screen(viewer)
screen.settle()
x, y = {place!r}
screen.look_at((x, y), screen_px_per_px=1.0)
screen.press("b")
screen.drag([(x - 80, y), (x, y), (x + 80, y)])
print("released", flush=True)
time.sleep(60)
"""


def test_a_stroke_outlives_its_process(study: Study) -> None:
    path = [str(Path(p).resolve()) for p in sys.path if p]
    code = _READER.format(path=path, study=str(study.path), slide=SLIDE, place=PLACE)
    reader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert reader.stdout is not None
        said = next((line for line in reader.stdout if line.startswith("released")), "")
    finally:
        os.kill(reader.pid, signal.SIGKILL)
        reader.communicate()
    assert said, "the reader's process came to its stroke"
    with Journal.open(study) as journal:
        (drawn,) = journal.annotations(SLIDE)
    assert drawn.status is Status.VALIDATED
    assert drawn.geometry.contains(Point(PLACE))
