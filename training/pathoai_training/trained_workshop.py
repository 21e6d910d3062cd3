"""Task and data of a trained bundle, as they were in training, to look at it once more."""

from __future__ import annotations

import torch

from pathoai.errors import LeakError, ModelError
from pathoai.models.bundle import ModelBundle, load_network
from pathoai.study.study import Study
from pathoai_training.recipes.build import Workshop, build
from pathoai_training.recipes.recipe import Recipe


def trained_workshop(study: Study, bundle: ModelBundle, device: torch.device) -> Workshop:
    """Task with the bundle's weights, and data as in training, from today's study.

    A locked test stays locked.

    Args:
        study: In which it was trained.
        bundle: Its provenance names recipe and split.
        device: Where the network shall lie.

    Raises:
        ModelError: The bundle does not say how it was trained, or its weights do not fit.
        LeakError: The split comes out another way than it did.
        StudyError: A store, a label or the split is missing.
    """
    record = bundle.training
    if not {"recipe", "settings", "split"} <= record.keys():
        raise ModelError(
            "the bundle does not say how it was trained",
            where=bundle.name,
            remedy="take the bundle that `pathoai train` made in this study",
        )
    split = record["split"]
    choice = f"{split['name']}/{split['fold']}" if split.get("name") else split["kind"]
    workshop = build(Recipe(record["recipe"], record["settings"]), study=study.path, split=choice)
    workshop.data.setup()
    found, known = workshop.data.split.sha256, split["sha256"]
    if found != known:
        raise LeakError(
            "the study has changed since training, so that its split is another: slides of the "
            "test may have been trained on",
            where=bundle.name,
            found=found[:12],
            allowed=known[:12],
            remedy="train the model again with --replace, or restore the study's slides and labels",
        )
    # As in training: a task may learn from the data how long its input is.
    workshop.model.check(workshop.data)
    workshop.model.network = load_network(study.model_path(bundle.name), bundle, device)
    workshop.model.normalise = bundle.normalisation
    workshop.model.to(device).eval()
    return workshop
