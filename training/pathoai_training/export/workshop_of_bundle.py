"""Task and data of a trained bundle, as they were in training."""

from __future__ import annotations

from pathoai.errors import LeakError, ModelError
from pathoai.models.bundle import ModelBundle
from pathoai.study.study import Study
from pathoai_training.build import Workshop, build
from pathoai_training.recipe import Recipe
from pathoai_training.split import SplitKind


def workshop_of_bundle(study: Study, bundle: ModelBundle) -> Workshop:
    """Task and data of a bundle, on the study as it is now; a locked test stays locked.

    Args:
        study: In which it was trained.
        bundle: Its provenance names recipe and split.

    Raises:
        ModelError: The bundle does not say how it was trained.
        LeakError: The split comes out another way than it did.
        StudyError: A store, a label or the split is missing.
    """
    record = bundle.training
    if not {"recipe", "settings", "split"} <= record.keys():
        raise ModelError(
            "the bundle does not say how it was trained",
            where=bundle.name,
            remedy="export it from the study in which it was trained",
        )
    split = record["split"]
    written = split["kind"] == SplitKind.WRITTEN
    choice = f"{split['name']}/{split['fold']}" if written else split["kind"]
    recipe = Recipe(record["recipe"], record["settings"])
    workshop = build(recipe, study=study.path, split=choice)
    workshop.data.setup()
    found, known = workshop.data.split.sha256, split["sha256"]
    if found != known:
        raise LeakError(
            "the study has changed since training: its split is another, and tiles that were "
            "trained on may be taken for held out",
            where=bundle.name,
            found=found[:12],
            allowed=known[:12],
            remedy="train the model again, or restore the study's slides and labels",
        )
    return workshop
