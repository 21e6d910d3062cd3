"""What was evaluated, and what is known of how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pathoai.geometry import Region

LEFT_OUT_CENTRES = "left-out-centres"
"""What was evaluated where each fold's model was judged on the centre it had not seen."""


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """Provenance facts; a report says of an empty one that a person must fill it in.

    Args:
        model: Name of the model.
        task: What it does.
        bundle_sha256: Identity of its bundle.
        recipe: What it was trained by.
        ontology: Key and version.
        split_kind: What was kept apart.
        split_sha256: Hash of the split.
        split_statement: What its test says and does not say.
        subset: ``test``, ``validation``, or ``left-out-centres``: the tests of all folds.
        openings: How often the test subset of this split has been opened, this time included; None
            where it is not logged.
        label_statement: Where the labels come from.
        intended_use: As the bundle states it.
        licence: Of the model.
        created: ISO 8601, UTC.
        software: Library → version.
        commit: Of pathoai's source; empty for a release.
        tiles: Tiles that were looked at; None where the task has none.
        training_slides: Slides it was trained on.
        training_patients: Patients likewise.
        seed: Of training.
        architecture: Name of the network.
        mpp: Scale, µm per pixel.
        preparation: How slides became input, in a sentence.
        study: Title of the study; never its folder.
    """

    model: str
    task: str
    bundle_sha256: str
    recipe: str
    ontology: str
    split_kind: str
    split_sha256: str
    split_statement: str
    subset: str
    created: str
    openings: int | None = None
    label_statement: str = ""
    intended_use: str = ""
    licence: str = ""
    software: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    tiles: int | None = None
    training_slides: int | None = None
    training_patients: int | None = None
    seed: int | None = None
    architecture: str = ""
    mpp: float | None = None
    preparation: str = ""
    study: str = ""


@dataclass(frozen=True, slots=True)
class CaseRegion:
    """A place that a person should look at.

    Args:
        slide_id: Code of the slide.
        region: In level-0 pixels.
        title: What is wrong there, e.g. ``true high_grade, decided benign``.
        thumbnail: PNG of the region.
    """

    slide_id: str
    region: Region
    title: str
    thumbnail: bytes
