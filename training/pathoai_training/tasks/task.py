"""What every task shares: a network by name, its training, and how it is judged afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import nn

from pathoai.models.architecture import build_network
from pathoai.models.bundle import Normalisation
from pathoai.models.calibration import Calibration
from pathoai.tiling.spec import TileSpec
from pathoai_training.data.study_data import StudyData

Data = TypeVar("Data", bound=StudyData)
Examination = TypeVar("Examination")
"""What the network said of a subset, and what is true: each task has its own."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is known of a trained network.

    Args:
        calibration: Fitted on validation, seen on the subset that was measured.
        metrics: Of that subset, ready for JSON: metric → value, or class → value; None where
            the subset does not show it.
        decision: How probabilities become decisions, ready for JSON; empty where the task has
            none beyond the most probable class.
    """

    calibration: Calibration
    metrics: Mapping[str, Any]
    decision: Mapping[str, Any] = field(default_factory=dict)


class Task(LightningModule, ABC, Generic[Data, Examination]):
    """Trains a network of :mod:`pathoai.models`.

    A task overrides the hooks ``configure_network`` and ``configure_loss``, the three steps of
    Lightning, and ``examine`` and ``conclude``. It is named by its ``class_path`` in a recipe.

    Args:
        classes: Keys of the classes, as in the recipe.
        architecture: Name in the entry-point group ``pathoai.architectures``.
        arguments: What else the architecture takes.
        learning_rate: Peak of the one-cycle schedule (Smith LN, Topin N. Super-convergence. 2019).
        weight_decay: Of AdamW (Loshchilov I, Hutter F. ICLR 2019).
        pretrained: Key of a registered encoder whose weights the network's own begins with.

    Attributes:
        kind: What the bundle says of itself, and inference chooses by.
        channels: Class of each output channel.
        encoder: What the bundle says of the pretrained encoder; empty without one.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        *,
        classes: tuple[str, ...],
        architecture: str,
        arguments: dict[str, Any] | None = None,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        pretrained: str | None = None,
    ) -> None:
        """Build the network through its hook; weights are random."""
        super().__init__()
        self.channels = self.channels_of(tuple(classes))
        self.architecture = architecture
        self.arguments = dict(arguments or {})
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.pretrained = pretrained
        self.encoder: dict[str, Any] = {}
        self.normalise = Normalisation()
        self.network = self.configure_network()

    @classmethod
    def channels_of(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Class of each output channel, from the classes of the recipe."""
        return classes

    def configure_network(self) -> nn.Module:
        """From normalised input to logits.

        Raises:
            InvalidValueError: The architecture is unknown.
            ModelError: It does not take these arguments.
        """
        return build_network(
            self.architecture, classes=len(self.channels), arguments=self.arguments
        )

    def begin(self, spec: TileSpec) -> None:
        """Take over the weights of the pretrained encoder, if one is named.

        Args:
            spec: Of the tiles: they must have the scale that the encoder was trained on.

        Raises:
            ModelError: No such encoder is registered here, or it does not fit network or scale.
        """
        if self.pretrained is None:
            return
        from pathoai.models.encoder_registry import EncoderRegistry
        from pathoai.models.load_pretrained import load_pretrained

        registered = EncoderRegistry().get(self.pretrained)
        entry = registered.entry
        entry.check_mpp(spec.mpp, where=f"{entry.key}, data.spec.mpp")
        self.encoder = load_pretrained(self.network, registered)
        if entry.mean is not None and entry.std is not None:
            self.normalise = Normalisation(entry.mean, entry.std)

    def check(self, data: Data) -> None:
        """Refuse data from which this network could not learn honestly; called before step one.

        A network that depends on what the data turned out to be is made here.
        """

    @abstractmethod
    def examine(self, data: Data, subset: str) -> Examination:
        """Predict a subset in one process, so that nothing counts twice.

        Args:
            data: Set up.
            subset: ``train``, ``validation`` or ``test``.
        """

    @abstractmethod
    def conclude(self, validation: Examination, measured: Examination) -> Conclusion:
        """Fit on one subset what is fitted after training, and measure on another.

        Args:
            validation: What calibration and decisions are fitted on.
            measured: What they are seen on; may be the same where the test subset is locked.
        """

    def reference(self, data: Data) -> Mapping[str, Any]:
        """Statistics of the training data, as a bundle keeps them; empty where a task has none.

        Args:
            data: Set up.
        """
        return {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images ``(N, 3, H, W)`` uint8."""
        logits: torch.Tensor = self.network(self.normalise(images))
        return logits

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW under one cycle over all steps."""
        optimiser = torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            max_lr=self.learning_rate,
            total_steps=max(2, int(self.trainer.estimated_stepping_batches)),
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
