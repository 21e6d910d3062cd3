"""An evaluation report read back, to compare it with others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.errors import ModelError, PathoaiError
from pathoai_training.report.build_report import JSON, SCHEMA
from pathoai_training.report.context import LEFT_OUT_CENTRES
from pathoai_training.report.evaluated_slides import EvaluatedSlides
from pathoai_training.report.predictions import KINDS, Predictions


@dataclass(frozen=True)
class StoredReport:
    """What a comparison needs of a report.

    Args:
        model: Name of the model.
        bundle_sha256: Identity of its bundle.
        split_sha256: Hash of the split.
        subset: Of the split.
        predictions: Of the evaluated slides.
    """

    model: str
    bundle_sha256: str
    split_sha256: str
    subset: str
    predictions: Predictions


def read_report(folder: Path, *, model: str, subset: str) -> StoredReport:
    """The report in a folder.

    Args:
        folder: Where ``pathoai evaluate`` wrote it.
        model: Name of the model, for messages.
        subset: Likewise.

    Raises:
        ModelError: There is none, it is of another version, or it is malformed.
    """
    path = folder / JSON
    if not path.is_file():
        option = f"--{subset}" if subset == LEFT_OUT_CENTRES else f"--split {subset}"
        raise ModelError(
            "the model has not been evaluated",
            where=model,
            remedy=f"run `pathoai evaluate STUDY --model {model} {option}`",
        )
    try:
        raw: dict[str, Any] = json.loads(path.read_text("utf8"))
        if raw["schema"] != SCHEMA:
            raise ModelError(
                "a report of another version",
                where=model,
                found=raw["schema"],
                allowed=SCHEMA,
                remedy="evaluate the model again",
            )
        return _parsed(raw)
    except PathoaiError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            "malformed report", where=model, found=str(error), remedy="evaluate the model again"
        ) from error


def _parsed(raw: dict[str, Any]) -> StoredReport:
    found, context = raw["predictions"], raw["context"]
    slides = EvaluatedSlides(**{name: tuple(column) for name, column in found["slides"].items()})
    kind = KINDS[found["kind"]]
    return StoredReport(
        model=context["model"],
        bundle_sha256=context["bundle_sha256"],
        split_sha256=context["split_sha256"],
        subset=context["subset"],
        predictions=kind.from_dict(slides, tuple(found["classes"]), found["values"]),
    )
