"""``python -m pathoai_annotations.review.predict_child``: predicts for a window, apart from it.

What goes wrong here, a crash or a lack of memory, cannot take the window down, and a window that is
gone takes this process with it: it ends as soon as its standard input does.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from pathoai.errors import PathoaiError
from pathoai.progress import Advance
from pathoai.study.study import Study
from pathoai_annotations.review.predict_task import (
    CLASS_MAP,
    ERROR,
    FINISHED,
    OBJECTS,
    PROGRESS,
    PredictTask,
)

if TYPE_CHECKING:  # its module is light, but what it names is not needed before the task is read
    from pathoai.cli.predict_work import PredictWork

Tell = Callable[[str, object], None]


def main() -> int:
    """Do the task that stands in the first line of standard input; returns the exit code."""
    # Threads of torch otherwise spin while they wait; read once, when torch is first loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    lines = os.fdopen(os.dup(1), "w", encoding="utf8")
    # What libraries print must not come between the lines.
    os.dup2(2, 1)
    tell = _teller(lines)
    try:
        task = PredictTask.from_json(sys.stdin.readline())
        threading.Thread(target=_end_with_the_window, args=(task,), daemon=True).start()
        tell(FINISHED, _do(task, lambda done, total: tell(PROGRESS, [done, total])))
    except PathoaiError as error:
        tell(ERROR, str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - the window shows it as one line
        tell(ERROR, f"a bug in pathoai: {type(error).__name__}: {' '.join(str(error).split())}")
        return 1
    return 0


def _teller(lines: TextIO) -> Tell:
    def tell(kind: str, value: object) -> None:
        print(json.dumps({kind: value}), file=lines, flush=True)

    return tell


def _end_with_the_window(task: PredictTask) -> None:
    sys.stdin.read()
    if task.out is not None:
        shutil.rmtree(task.out, ignore_errors=True)
    os._exit(1)


def _do(task: PredictTask, advance: Advance) -> str:
    from pathoai.cli.predict_work import PredictWork
    from pathoai.models.runtimes import AUTO, TORCH

    place = Study(task.study).place(task.slide_id)
    # To translate a network for onnxruntime takes longer than to ask torch about what is in view.
    runtime = TORCH if task.region else AUTO
    work = PredictWork(place, task.bundle, task.device, batch_size=8, runtime=runtime)
    return _part(task, work, advance) if task.region else _slide(task, work, advance)


def _slide(task: PredictTask, work: PredictWork, advance: Advance) -> str:
    """As ``pathoai predict STUDY --model NAME --slides ID``."""
    from pathoai.cli.predict_kind import kind_of
    from pathoai.models.bundle import load_bundle

    bundle = load_bundle(task.bundle)
    kind, study = kind_of(bundle, ""), Study(task.study)
    done = kind.predict(work, None, advance)
    if kind.gather is not None and task.bundle == study.model_path(bundle.name):
        kind.gather(study, bundle.name)
    return done.text


def _part(task: PredictTask, work: PredictWork, advance: Advance) -> str:
    import numpy as np

    from pathoai.cli.predict_pixels import pixel_predictor
    from pathoai.inference.predict_part import predict_part
    from pathoai.store.objects import write_objects
    from pathoai.store.slide_store import SlideStore

    assert task.region is not None  # asked for a part
    assert task.out is not None  # and said where it goes
    store = SlideStore(work.place.store_path)
    part = predict_part(store, pixel_predictor(work), task.region, advance=advance)
    write_objects(task.out / OBJECTS, part.objects)
    np.savez_compressed(
        task.out / CLASS_MAP,
        class_map=part.class_map,
        place=np.array([part.x_px, part.y_px]),
        downsample=np.array([part.grid.downsample_x, part.grid.downsample_y]),
    )
    return f"{len(part.objects)} objects"


if __name__ == "__main__":
    sys.exit(main())
