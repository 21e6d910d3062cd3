"""What a bundle says of its own making, in words and numbers, and never a path."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pathoai
from pathoai.provenance import sha256_of_json, software_versions, utc_now
from pathoai_training.data_module import StoreDataModule
from pathoai_training.recipe import Recipe
from pathoai_training.split import SplitKind

SPLIT_STATEMENTS = {
    SplitKind.PATIENT: "tested on patients that training did not see",
    SplitKind.AREA: "tested on other areas of the slides it was trained on: "
    "this says nothing about other patients, scanners or laboratories",
}
_CHECKED = {"validated", "corrected"}
_GIT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Findings:
    """What was measured on the test tiles.

    Args:
        dice: Class → Dice; None where the test tiles neither hold nor were given the class.
        calibration_error: Expected calibration error.
        test_pixels: Assessed pixels.
    """

    dice: Mapping[str, float | None]
    calibration_error: float
    test_pixels: int


def label_statement(name: str, about: Mapping[str, object]) -> str:
    """What the labels are worth, in one line.

    Args:
        name: Of the label.
        about: What the label says of its origin.
    """
    origin, status = str(about.get("origin", "unknown")), str(about.get("status", "not stated"))
    # Only a pathologist's outline and the journal, where pathologists judge, make a status count.
    judged = origin == "pathologist" or about.get("method") == "annotations"
    verdict = (
        "validated by a pathologist"
        if judged and set(status.split("+")) <= _CHECKED
        else "not validated by a pathologist"
    )
    parts = [f"labels: {name}", f"origin {origin}", f"status {status}"]
    if isinstance(description := about.get("description"), str):
        parts.append(description)
    if verdict not in parts[-1]:
        parts.append(verdict)
    return ", ".join(parts)


def training_record(recipe: Recipe, data: StoreDataModule, findings: Findings) -> dict[str, Any]:
    """The provenance that a bundle carries, ready for JSON."""
    split = data.split
    statements = {label_statement(data.label, slide.about) for slide in data.slides}
    return {
        "recipe": recipe.name,
        "settings": dict(recipe.content),
        "label": data.label,
        "label_statement": "; ".join(sorted(statements)),
        "slides": [
            {
                "slide_id": slide.slide_id,
                "store": slide.identity,
                "label_sha256": sha256_of_json(slide.label),
                "label_about": slide.about,
            }
            for slide in data.slides
        ],
        "split": {
            "kind": str(split.kind),
            "sha256": split.sha256,
            "statement": SPLIT_STATEMENTS[split.kind],
            "guard_px": data.guard_px if split.kind is SplitKind.AREA else None,
            "tiles": {subset: len(tiles) for subset, tiles in data.tiles.items()},
        },
        "seed": data.seed,
        "metrics": {
            "dice": dict(findings.dice),
            "calibration_error": round(findings.calibration_error, 6),
            "test_pixels": findings.test_pixels,
        },
        "software": software_versions()
        | {k: metadata.version(k) for k in ("pytorch-lightning", "torchmetrics")},
        "commit": source_commit(),
        "finished": utc_now(),
    }


def intended_use(record: Mapping[str, Any]) -> str:
    """What the model may be used for, and what it may not."""
    return (
        "Research only. Not a medical device; not for diagnosis, prognosis or treatment. "
        f"{_sentence(record['split']['statement'])} {_sentence(record['label_statement'])}"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def source_commit() -> str | None:
    """Commit of the source tree that pathoai runs from; None for an installed release."""
    tree = Path(pathoai.__file__).parents[1]
    if not (tree / ".git").exists():
        return None
    # `describe` marks a tree with uncommitted changes, which a bare commit would hide.
    words = [
        "git",
        "-C",
        str(tree),
        *["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
    ]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
