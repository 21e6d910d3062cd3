"""The grades that a model proposes for the slides of a study, as a table for any program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pathoai.atomic_file import write_text_atomically
from pathoai.inference.grade_slide import grade_name
from pathoai.inference.slide_grade import SlideGrade
from pathoai.models.bundle import ModelBundle
from pathoai.store.objects import read_objects, software_of_objects
from pathoai.study.study import Study

_IDENTITY = ("model_sha256", "store_sha256", "features_sha256", "pathoai", "torch")


def write_grade_table(study: Study, bundle: ModelBundle) -> Path:
    """Gather what lies beside the slides into ``predictions/<model>.csv``, a row per slide.

    Slides that the model, as it is now, has not graded are left out. The table is made anew each
    time, so it holds no slide that the cohort no longer has.

    Returns:
        The table.
    """
    text = io.StringIO(newline="")
    shares = [f"probability_{key}" for key in bundle.classes]
    names = ["slide_id", "decision", *shares, "prediction_set", "familiarity", "tiles", "notes"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "status", *_IDENTITY])
    for grade, identity in _grades(study, bundle):
        writer.writerow(
            [
                grade.slide_id,
                grade.decision,
                *(f"{share:.6f}" for share in grade.probabilities),
                " ".join(grade.prediction_set),
                f"{grade.familiarity:.4f}",
                grade.tiles,
                "; ".join(grade.notes),
                "proposed",
                *(identity.get(key, "") for key in _IDENTITY),
            ]
        )
    path = study.predictions_path(bundle.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, text.getvalue())
    return path


def _grades(study: Study, bundle: ModelBundle) -> Iterator[tuple[SlideGrade, dict[str, str]]]:
    """Each grade, and what it was made of and with."""
    for row in study.cohort:
        path = study.objects_path(row.slide_id, grade_name(bundle.name))
        if not path.exists():
            continue
        source = read_objects(path).source
        if source.get("model_sha256") == bundle.identity:
            yield SlideGrade.from_dict(source["grade"]), source | software_of_objects(path)
