"""The model bundle: weights and all that is needed to use them rightly, in one folder.

``bundle.json`` says what the model is and where it comes from; ``weights.safetensors`` holds
numbers only (a pickle could run code on the hospital's workstation); ``README.md``, the model card,
says the same to people.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathoai.atomic_file import write_bytes_atomically, write_text_atomically
from pathoai.errors import InvalidValueError, ModelError, PathoaiError
from pathoai.models.calibration import Calibration
from pathoai.models.card_notes import read_notes, set_notes_aside
from pathoai.models.instance_maps import MAPS
from pathoai.models.model_card import CARD, model_card
from pathoai.ontology import LabelClass, Ontology
from pathoai.provenance import sha256_of_file, sha256_of_json
from pathoai.strict_json import parse_json
from pathoai.tiling.spec import TileSpec

if TYPE_CHECKING:  # at run time only where there are weights: a description is read without it
    import torch
    from torch import nn

SCHEMA = 1
SEMANTIC_SEGMENTATION = "semantic-segmentation"
INSTANCE_SEGMENTATION = "instance-segmentation"
REGION_CLASSIFICATION = "region-classification"
SLIDE_GRADING = "slide-grading"
_WITH_BACKGROUND = (SEMANTIC_SEGMENTATION, INSTANCE_SEGMENTATION)
_DESCRIPTION = "bundle.json"
_WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of red, green and blue, of values 0 to 1."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """From ``(N, 3, H, W)`` uint8 to what the network takes, float32."""
        import torch

        # Made on a GPU they would have the caller wait until it is done with all before.
        mean, std = (
            torch.tensor(values).view(1, 3, 1, 1).to(batch.device, non_blocking=True)
            for values in (self.mean, self.std)
        )
        return (batch.float() / 255 - mean) / std


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """What a model is, without its weights.

    Args:
        name: Of the folder and of the predictions it makes.
        architecture: Name in the entry-point group ``pathoai.architectures``.
        arguments: What the architecture was built with.
        ontology: Key of the ontology.
        ontology_version: Its version.
        classes: Class of each output channel; of a segmentation, channel 0 is ``background``.
        spec: Size, scale and overlap of the tiles it was trained on.
        task: What it does, e.g. ``semantic-segmentation``.
        normalisation: Of its input.
        calibration: Of its output.
        decision: How probabilities become decisions; empty where the most probable class wins.
        encoder: The pretrained encoder that training began with, or whose features it takes, where
            there was one: its key, licence, the licence's acceptance, and the hash of its weights.
        reference: What its training data looked like, as statistics that new slides are compared
            with: ``stain`` and ``tiles``, each of a ``ReferenceStatistics``; empty where unknown.
        training: Provenance: data, labels and their origin, split, seed, commit, metrics.
        licence: SPDX identifier, or a name.
        intended_use: What it may be used for, and what not.
        weights_sha256: Of the weights' file; filled in when the bundle is saved.
    """

    name: str
    architecture: str
    arguments: Mapping[str, Any]
    ontology: str
    ontology_version: str
    classes: tuple[str, ...]
    spec: TileSpec
    task: str = SEMANTIC_SEGMENTATION
    normalisation: Normalisation = field(default_factory=Normalisation)
    calibration: Calibration = field(default_factory=Calibration)
    decision: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    intended_use: str = ""
    weights_sha256: str = ""

    def __post_init__(self) -> None:
        """Refuse outputs without a meaning."""
        wants_background = self.task in _WITH_BACKGROUND
        if len(self.classes) < 2 or wants_background != (self.classes[0] == "background"):
            raise ModelError(
                "channel 0 of a segmentation is background, and another class follows"
                if wants_background
                else "a classification has two classes or more, and no background",
                where=self.name,
                found=", ".join(self.classes),
            )

    @property
    def outputs(self) -> int:
        """Output channels of the network: its classes, and what tells objects apart."""
        return len(self.classes) + (len(MAPS) if self.task == INSTANCE_SEGMENTATION else 0)

    @property
    def context(self) -> tuple[int, ...]:
        """Of a model of regions: how many times as far its further views reach as the first."""
        return tuple(self.arguments.get("context", ()))

    @property
    def identity(self) -> str:
        """SHA-256 over description and weights: what predictions are signed with."""
        return sha256_of_json(asdict(self))

    def check_task(self, *tasks: str) -> None:
        """Refuse to do another task than the model's.

        Raises:
            ModelError: It is none of these.
        """
        if self.task not in tasks:
            raise ModelError(
                "the model does another task",
                where=self.name,
                found=self.task,
                allowed=" or ".join(tasks),
            )

    def proposal(self, store: str) -> dict[str, Any]:
        """What anything that the model says of a slide says of itself.

        Args:
            store: Identity of the slide's store.
        """
        return {
            "origin": "model",
            "status": "proposed",
            "model": self.name,
            "model_sha256": self.identity,
            "store_sha256": store,
            "trained_on": self.training.get("label_statement", "labels: unknown"),
        }

    def channel_classes(self, ontology: Ontology) -> tuple[LabelClass, ...]:
        """The ontology's class of each output channel.

        Raises:
            ModelError: The study has another ontology than the model.
            OntologyError: The ontology lacks a class of the model.
        """
        if ontology.key != self.ontology:
            raise ModelError(
                "the model was made for another ontology",
                where=self.name,
                found=ontology.key,
                allowed=self.ontology,
            )
        return tuple(ontology[key] for key in self.classes)

    def class_indices(self, ontology: Ontology) -> list[int]:
        """The value in class maps of each output channel; the first is background's, 0."""
        return [c.index for c in self.channel_classes(ontology)]


def save_bundle(folder: Path, bundle: ModelBundle, network: nn.Module) -> ModelBundle:
    """Write a bundle; its description is written last, so a folder without one is no bundle.

    The card comes before it: a killed save leaves weights that the old description refuses, never
    a whole bundle with another's card. What a person wrote of the same bundle goes into the card;
    what was written of another is set aside.

    Returns:
        The bundle with the hash of its weights.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = save({k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()})
    whole = replace(bundle, weights_sha256=hashlib.sha256(weights).hexdigest())
    if (folder / _DESCRIPTION).is_file() and (known := _identity_in(folder)) != whole.identity:
        set_notes_aside(folder, known)
    text = json.dumps({"schema": SCHEMA} | asdict(whole), indent=1, sort_keys=True, allow_nan=False)
    write_bytes_atomically(folder / _WEIGHTS, weights)
    write_card(folder, _described(text))
    write_text_atomically(folder / _DESCRIPTION, text + "\n")
    return load_bundle(folder)


def _identity_in(folder: Path) -> str:
    """Identity of the bundle that a folder describes, be it whole or not."""
    text = (folder / _DESCRIPTION).read_bytes()
    try:
        raw = json.loads(text)
        return sha256_of_json({key: value for key, value in raw.items() if key != "schema"})
    except (ValueError, AttributeError):
        return hashlib.sha256(text).hexdigest()


def write_card(folder: Path, bundle: ModelBundle) -> None:
    """Write the card of a bundle into its folder, with what a person wrote there."""
    write_text_atomically(folder / CARD, model_card(bundle, read_notes(folder)))


def load_bundle(folder: Path) -> ModelBundle:
    """Read a bundle's description and check that its weights are unchanged.

    Raises:
        ModelError: There is no bundle, or it is malformed, incomplete or altered.
    """
    bundle = read_bundle(folder)
    weights = folder / _WEIGHTS
    if not weights.is_file() or sha256_of_file(weights) != bundle.weights_sha256:
        raise ModelError(
            "the weights are missing or were altered",
            where=folder.name,
            remedy="copy the bundle again, or train it again",
        )
    return bundle


def read_bundle(folder: Path) -> ModelBundle:
    """Read a bundle's description alone, whatever became of its weights; needs no torch.

    Raises:
        ModelError: There is no bundle, or it is malformed.
    """
    if not (folder / _DESCRIPTION).is_file():
        siblings = sorted(p.name for p in folder.parent.glob("*") if (p / _DESCRIPTION).is_file())
        raise ModelError(
            "unknown model",
            found=repr(folder.name),
            allowed=", ".join(siblings) or "none has been trained yet",
            remedy="train one with `pathoai train STUDY --recipe NAME`",
        )
    try:
        return _described((folder / _DESCRIPTION).read_text("utf8"))
    except PathoaiError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("malformed bundle", where=folder.name, found=str(error)) from error


def _described(text: str) -> ModelBundle:
    try:
        raw: dict[str, Any] = parse_json(text, _DESCRIPTION)
    except InvalidValueError as error:
        raise ModelError("malformed bundle", where=error.where, found=error.found) from error
    if (schema := raw.pop("schema")) != SCHEMA:
        raise ModelError("another version of bundle", found=schema, allowed=SCHEMA)
    normalisation = {k: tuple(v) for k, v in raw.pop("normalisation").items()}
    return ModelBundle(
        spec=TileSpec(**raw.pop("spec")),
        normalisation=Normalisation(**normalisation),
        calibration=Calibration.from_dict(raw.pop("calibration")),
        classes=tuple(raw.pop("classes")),
        **raw,
    )


def load_network(folder: Path, bundle: ModelBundle, device: torch.device) -> nn.Module:
    """The network of a bundle, with its weights, ready to predict.

    Raises:
        ModelError: The weights do not fit the architecture.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from pathoai.models.architecture import build_network

    network = build_network(bundle.architecture, classes=bundle.outputs, arguments=bundle.arguments)
    try:
        network.load_state_dict(load((folder / _WEIGHTS).read_bytes()))
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(
            "the weights do not fit the architecture", where=bundle.name, found=str(error)
        ) from error
    network = network.to(device).eval()
    if device.type == "cuda":
        # Tiles come with their colours together; weights in another order are turned every time.
        network = network.to(memory_format=torch.channels_last)
    return network
