"""A prediction runs apart from the window: it is cancelled, it fails, it is killed, in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import shapely

from pathoai.errors import AnnotationError, ModelError
from pathoai.geometry import Region
from pathoai.store.objects import read_objects
from pathoai.store.slide_store import SlideStore
from pathoai.study.study import Study
from pathoai_annotations.annotation import Status
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.readers.assignment import Role, assign
from pathoai_annotations.readers.reading_room import make_room
from pathoai_annotations.review.known_models import KnownModel, known_model, models_of
from pathoai_annotations.review.predict_here import PredictionRun, propose_part
from tests.annotations.review.square_model import NAME, save_square_model
from tests.viewer_plugin.small_study import (
    BACKGROUND_RGB,
    SLIDE,
    SQUARE_RGB,
    make_study,
    square,
)

pytestmark = pytest.mark.long
IN_VIEW = Region(1000.0, 600.0, 800.0, 800.0)
"""The second square, and none of the others."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = make_study(tmp_path_factory.mktemp("predict-here") / "study")
    folder = made.model_path(NAME)
    save_square_model(folder, made.ontology, dark=SQUARE_RGB, light=BACKGROUND_RGB)
    return made


@pytest.fixture
def model(study: Study) -> KnownModel:
    (found,) = models_of(study)
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs put what they have so far."""
    made = tmp_path / "runs"
    made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


def test_what_is_known_of_a_model_without_running_it(study: Study, model: KnownModel) -> None:
    assert (model.name, model.mpp, model.sees_pixels) == (NAME, 1.0, True)
    assert (model.intended_use, model.licence) == ("Tests of the viewer.", "Apache-2.0")
    assert model.recipe == "breast-tissue-segmentation"
    with pytest.raises(ModelError, match="no model bundle lies here"):
        known_model(study.path)


def test_a_region_is_predicted_and_proposed(study: Study, model: KnownModel, folder: Path) -> None:
    run = PredictionRun(study, SLIDE, model, IN_VIEW)
    state = run.wait()
    assert (state.error, state.is_running, state.said) == ("", False, "1 objects")
    assert state.done == state.total > 0
    part = state.part
    assert part is not None
    (outline,) = part.objects.geometry
    wanted = square(1)
    assert outline.intersection(wanted).area / outline.union(wanted).area > 0.85
    hsil = study.ontology["hsil"].index
    height, width = part.class_map.shape
    y, x = np.nonzero(part.class_map == hsil)
    places = (part.x + (x + 0.5) * part.downsample_x, part.y + (y + 0.5) * part.downsample_y)
    assert shapely.contains_xy(wanted.buffer(20), *places).all()
    assert (part.x, part.y) == pytest.approx((IN_VIEW.x, IN_VIEW.y), abs=4)
    assert width * part.downsample_x == pytest.approx(IN_VIEW.width, abs=8)
    assert height * part.downsample_y == pytest.approx(IN_VIEW.height, abs=8)
    with Journal.open(study) as journal:
        assert propose_part(journal, study, SLIDE, NAME, part, 2000) == (1, 0)
        assert propose_part(journal, study, SLIDE, NAME, part, 2000) == (0, 0)
        (entered,) = journal.annotations(SLIDE)
    assert (entered.author, entered.status, entered.label) == (NAME, Status.PROPOSED, "hsil")
    assert entered.confidence is not None
    assert entered.derived_from == f"model:{NAME}@{part.objects.source['model_sha256']}"
    assert f"prediction/{NAME}" not in SlideStore(study.store_path(SLIDE)).labels
    assert list(folder.glob("pathoai-part-*")) == []


def test_the_slide_is_predicted_into_its_store(study: Study, model: KnownModel) -> None:
    state = PredictionRun(study, SLIDE, model).wait()
    assert state.error == ""
    assert "objects proposed by squares; a doctor decides" in state.said
    label = SlideStore(study.store_path(SLIDE)).label(f"prediction/{NAME}")
    objects = read_objects(study.objects_path(SLIDE, label.name))
    assert len(objects) == 3


def test_a_cancelled_run_leaves_nothing(study: Study, model: KnownModel, folder: Path) -> None:
    run = PredictionRun(study, SLIDE, model, IN_VIEW)
    run.cancel()
    state = run.state
    assert (state.is_cancelled, state.is_running) == (True, False)
    assert (state.part, state.said, state.error) == (None, "", "")
    assert list(folder.glob("pathoai-part-*")) == []
    assert not is_alive(run.process_id)


def test_a_run_that_dies_says_so(study: Study, model: KnownModel, folder: Path) -> None:
    run = PredictionRun(study, SLIDE, model, IN_VIEW)
    os.kill(run.process_id, signal.SIGKILL)
    state = run.wait()
    assert state.error == "the prediction ended by itself (exit code -9); nothing kept"
    assert state.part is None
    assert list(folder.glob("pathoai-part-*")) == []


def test_errors_are_one_line(study: Study, model: KnownModel, tmp_path: Path) -> None:
    altered = tmp_path / "altered"
    bundle = save_square_model(altered, study.ontology, dark=SQUARE_RGB, light=BACKGROUND_RGB)
    (altered / "weights.safetensors").write_bytes(b"")
    state = PredictionRun(study, SLIDE, known_model(altered), IN_VIEW).wait()
    assert bundle.name == "altered"
    assert "the weights are missing or were altered" in state.error
    assert "\n" not in state.error


def test_a_window_that_is_killed_takes_its_prediction_with_it(study: Study, folder: Path) -> None:
    words = [sys.executable, "-m", "tests.annotations.review.killed_window", str(study.path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as window:
        assert window.stdout is not None
        child = int(window.stdout.readline())
        assert is_alive(child)
        window.kill()
    for _ in range(200):
        if not is_alive(child):
            break
        time.sleep(0.1)
    assert not is_alive(child)
    assert list(folder.glob("pathoai-part-*")) == []


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process_id}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_models_speak_where_they_may(
    study: Study, model: KnownModel, tmp_path: Path, folder: Path
) -> None:
    assign(study, [SLIDE], {"R1": Role.BLIND_READER})
    make_room(study, "R1", tmp_path / "room")
    with pytest.raises(AnnotationError, match="in a reading room no model is asked"):
        PredictionRun(Study(tmp_path / "room"), SLIDE, model, IN_VIEW)
    other = KnownModel(model.folder, "m", model.task, "breast", model.classes, 1.0, "", "")
    with pytest.raises(ModelError, match="made for another ontology"):
        PredictionRun(study, SLIDE, other, IN_VIEW)
    grader = KnownModel(model.folder, "m", "slide-grading", "cervix", ("a", "b"), 1.0, "", "")
    with pytest.raises(ModelError, match="says nothing of a part"):
        PredictionRun(study, SLIDE, grader, IN_VIEW)
    assert list(folder.glob("pathoai-part-*")) == []
