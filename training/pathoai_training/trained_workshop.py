"""Task and data of a trained bundle, as they were in training, to look at it once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pathoai.errors import LeakError, ModelError
from pathoai.models.bundle import ModelBundle, load_network
from pathoai.provenance import sha256_of_json
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec
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
        ModelError: The bundle does not say how it was trained, its weights do not fit, or the
            network would be shown other tiles or features than in training.
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
    _check_input(workshop, bundle)
    workshop.model.network = load_network(study.model_path(bundle.name), bundle, device)
    workshop.model.normalise = bundle.normalisation
    workshop.model.to(device).eval()
    return workshop


def _check_input(workshop: Workshop, bundle: ModelBundle) -> None:
    """Features made anew may be of other tiles or weights, which is another input."""
    found = workshop.data.spec, sha256_of_json(workshop.model.encoder)
    if found != (bundle.spec, sha256_of_json(bundle.encoder)):
        raise ModelError(
            "the network is shown other tiles, or features of another encoder, than in training",
            where=bundle.name,
            found=_input_words(workshop.data.spec, workshop.model.encoder),
            allowed=_input_words(bundle.spec, bundle.encoder),
            remedy="make the features again as they were, or train the model again",
        )


def _input_words(spec: TileSpec, encoder: Mapping[str, Any]) -> str:
    words = f"{spec.size_px} px at {spec.mpp:g} µm, overlap {spec.overlap_px} px, tissue "
    words += f"{spec.min_tissue_fraction:g} or more"
    return words + (f", weights {str(encoder['weights_sha256'])[:12]}…" if encoder else "")
