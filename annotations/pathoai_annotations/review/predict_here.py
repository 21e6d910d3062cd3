"""Predicting what a reader looks at, or his slide, in a process that he can stop at any time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Thread

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import AnnotationError, ModelError, PathoaiError
from pathoai.geometry import Region
from pathoai.ontology import Ontology
from pathoai.store.objects import ObjectTable, read_objects
from pathoai.study.study import Study
from pathoai_annotations.annotation import Origin
from pathoai_annotations.journal.journal import Journal
from pathoai_annotations.proposals import model_code, proposals_of
from pathoai_annotations.readers.room_sheet import room_sheet
from pathoai_annotations.review.known_models import KnownModel
from pathoai_annotations.review.predict_task import (
    CLASS_MAP,
    ERROR,
    FINISHED,
    OBJECTS,
    PROGRESS,
    PredictTask,
)

_CHILD = "pathoai_annotations.review.predict_child"


@dataclass(frozen=True)
class PredictedPart:
    """What a model says of the region that was asked for.

    Args:
        class_map: ``(H, W)`` uint8, values of the ontology; 255 where nothing was assessed.
        x: Left edge of the map, level-0 pixels.
        y: Top edge likewise.
        downsample_x: Level-0 pixels per pixel of the map.
        downsample_y: Likewise.
        objects: Those whose middle lies in it, level-0 pixels.
    """

    class_map: NDArray[np.uint8]
    x: float
    y: float
    downsample_x: float
    downsample_y: float
    objects: ObjectTable


def check_may_predict(study: Study, model: KnownModel, ontology: Ontology) -> None:
    """Refuse to ask a model where it must not speak, or could not be understood.

    Raises:
        AnnotationError: The study is a reading room: what its reader sees was decided when it was
            made.
        ModelError: The model was made for another ontology.
    """
    sheet = room_sheet(study)
    if sheet is not None:
        raise AnnotationError(
            "in a reading room no model is asked",
            where=sheet.reader,
            remedy="predict in the study, and make a room with --model to show it",
        )
    if model.ontology != ontology.key:
        raise ModelError(
            "the model was made for another ontology",
            where=model.name,
            found=ontology.key,
            allowed=model.ontology,
        )


class PredictionRun:
    """A prediction under way; starts at once.

    Attributes are written by a thread of its own and may be read by any.

    Args:
        study: The study.
        slide_id: Code of the slide.
        model: Which model.
        region: What of the slide, level-0 pixels; all of it, into its store, where None.

    Raises:
        AnnotationError: As of `check_may_predict`.
        ModelError: Likewise; or the model names no pixels, so that no part can be asked for.
    """

    def __init__(
        self, study: Study, slide_id: str, model: KnownModel, region: Region | None = None
    ) -> None:
        """Start the process."""
        check_may_predict(study, model, study.ontology)
        if region is not None and not model.sees_pixels:
            raise ModelError(
                "this model says nothing of a part of a slide alone",
                where=model.name,
                found=model.task,
                remedy="predict the whole slide",
            )
        self.model, self.region = model, region
        self._lock, self._state = Lock(), RunState()
        self._folder = None if region is None else Path(tempfile.mkdtemp(prefix="pathoai-part-"))
        path, bundle = study.path.absolute(), model.folder.absolute()
        known = study.cohort[slide_id].slide_id
        task = PredictTask(path, known, bundle, region, self._folder)
        self._process = subprocess.Popen(
            [sys.executable, "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf8",
        )
        # Its input stays open: the process ends with it, should this one be killed.
        assert self._process.stdin is not None  # asked for above
        self._process.stdin.write(task.to_json() + "\n")
        self._process.stdin.flush()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def state(self) -> RunState:
        """How far it is."""
        with self._lock:
            return self._state

    @property
    def process_id(self) -> int:
        """Of the process that computes."""
        return self._process.pid

    def cancel(self) -> None:
        """Stop it; nothing of a part remains, and a slide goes on from there another time."""
        self._set(is_cancelled=True)
        self._process.kill()
        self._listener.join()

    def wait(self) -> RunState:
        """Until it has ended."""
        self._listener.join()
        return self.state

    def _set(self, **changes: object) -> None:
        with self._lock:
            self._state = replace(self._state, **changes)  # type: ignore[arg-type] # its own fields

    def _listen(self) -> None:
        assert self._process.stdout is not None  # asked for when it was started
        try:
            for line in self._process.stdout:
                # A process that is killed may leave half a line.
                if line.endswith("\n"):
                    self._hear(line)
            code = self._process.wait()
            state = self.state
            if not (state.said or state.error or state.is_cancelled):
                self._set(error=f"the prediction ended by itself (exit code {code}); nothing kept")
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._set(is_running=False)

    def _hear(self, line: str) -> None:
        ((kind, value),) = json.loads(line).items()
        if kind == PROGRESS:
            self._set(done=int(value[0]), total=int(value[1]))
        elif kind == ERROR:
            self._set(error=str(value))
        elif kind == FINISHED and not self.state.is_cancelled:
            try:
                part = None if self._folder is None else _read_part(self._folder)
            except (PathoaiError, OSError) as error:
                self._set(error=str(error))
                return
            self._set(said=str(value), part=part)


@dataclass(frozen=True)
class RunState:
    """How far a prediction is.

    Args:
        is_running: Its process lives, or is being heard out.
        is_cancelled: Somebody stopped it.
        done: Units done.
        total: Units in all; 0 while that is not known.
        error: What went wrong, in one line; empty where nothing did.
        said: What it ended with, in one line; empty where it has not, or was stopped.
        part: What was asked for of a part.
    """

    is_running: bool = True
    is_cancelled: bool = False
    done: int = 0
    total: int = 0
    error: str = ""
    said: str = ""
    part: PredictedPart | None = None


def propose_part(
    journal: Journal, study: Study, slide_id: str, model: str, part: PredictedPart, most: int
) -> tuple[int, int]:
    """Enter what was found in a part as proposals; doing it again adds nothing.

    Args:
        journal: Of the study.
        study: The study.
        slide_id: Code of the slide.
        model: Name of the model.
        part: What it found.
        most: How many at once, the least sure first.

    Returns:
        How many were new, and how many were left out.

    Raises:
        AnnotationError: An object cannot be an annotation; none is entered.
        OntologyError: An object is of a class that the study's ontology lacks.
    """
    objects = part.objects
    rows = np.argsort(objects.probability, kind="stable")[:most]
    chosen = ObjectTable(
        objects.geometry[rows],
        objects.class_index[rows],
        objects.probability[rows],
        objects.area_um2[rows],
        objects.source,
    )
    proposals = proposals_of(
        chosen, slide_id, study.ontology, origin=Origin.MODEL, author=model_code(model)
    )
    return journal.propose(proposals), max(0, len(objects) - most)


def _read_part(folder: Path) -> PredictedPart:
    with np.load(folder / CLASS_MAP, allow_pickle=False) as found:
        (x_px, y_px), (by_x, by_y) = found["place"].tolist(), found["downsample"].tolist()
        objects = read_objects(folder / OBJECTS)
        return PredictedPart(found["class_map"], x_px * by_x, y_px * by_y, by_x, by_y, objects)
