"""Which models can be asked, and what their cards say: read without torch, and without weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathoai.errors import ModelError
from pathoai.study.study import Study

_DESCRIPTION = "bundle.json"
_OF_PIXELS = ("semantic-segmentation", "instance-segmentation")


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What a bundle says of itself; its weights are checked once it is run.

    Args:
        folder: Of the bundle.
        name: Of the predictions it makes.
        task: What it does.
        ontology: Key of the ontology it was made for.
        classes: Keys of its classes.
        mpp: Scale that it looks at, µm per pixel.
        intended_use: As its card says.
        licence: Likewise.
        recipe: Name of the recipe it was trained by; empty where it does not say.
        decision: How probabilities become decisions.
    """

    folder: Path
    name: str
    task: str
    ontology: str
    classes: tuple[str, ...]
    mpp: float
    intended_use: str
    licence: str
    recipe: str = ""
    decision: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def sees_pixels(self) -> bool:
        """True where it can be asked of a part of a slide alone."""
        return self.task in _OF_PIXELS


def known_model(folder: Path) -> KnownModel:
    """What the bundle in a folder says of itself.

    Raises:
        ModelError: There is no bundle, or its description is malformed.
    """
    path = folder / _DESCRIPTION
    if not path.is_file():
        raise ModelError(
            "no model bundle lies here",
            found=repr(folder.name),
            allowed="a folder that holds bundle.json",
        )
    try:
        raw: dict[str, Any] = json.loads(path.read_text("utf8"))
        return KnownModel(
            folder,
            str(raw["name"]),
            str(raw["task"]),
            str(raw["ontology"]),
            tuple(str(key) for key in raw["classes"]),
            float(raw["spec"]["mpp"]),
            str(raw["intended_use"]),
            str(raw["licence"]),
            str(raw["training"].get("recipe", "")),
            dict(raw["decision"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError("malformed bundle", where=folder.name, found=str(error)) from error


def models_of(study: Study) -> tuple[KnownModel, ...]:
    """The models of a study, by name; folders that are no whole bundle are left out."""
    folder = study.model_path("any").parent
    found = []
    for path in sorted(folder.glob(f"*/{_DESCRIPTION}")):
        try:
            found.append(known_model(path.parent))
        except ModelError:
            # A training that is still writing it, or a damaged copy: whoever names it is told.
            continue
    return tuple(found)
