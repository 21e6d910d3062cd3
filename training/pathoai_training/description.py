"""What a bundle says of its own making, in words and numbers, and never a path."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pathoai
from pathoai.provenance import software_versions, utc_now
from pathoai_training.data.study_data import StudyData
from pathoai_training.recipes.recipe import Recipe

_GIT_TIMEOUT_S = 10


def training_record(recipe: Recipe, data: StudyData, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance that a bundle carries, ready for JSON.

    Args:
        recipe: With all overrides.
        data: That it was trained and measured on.
        metrics: Of the measured subset.
    """
    return {
        "recipe": recipe.name,
        "settings": dict(recipe.content),
        **data.record(),
        "seed": data.seed,
        "metrics": dict(metrics),
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
