"""A model ready to predict the pixels of slides."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import pathoai
from pathoai.errors import InvalidValueError
from pathoai.inference.ensemble import EXPECTED_ENTROPY, Ensemble, Member, relative_entropy
from pathoai.inference.tile_outputs import images
from pathoai.models.bundle import INSTANCE_SEGMENTATION, SEMANTIC_SEGMENTATION, ModelBundle
from pathoai.ontology import Ontology
from pathoai.preprocess.device import Precision, device_name
from pathoai.preprocess.device_memory import fitting
from pathoai.store.slide_store import SlideStore

ENTROPY = "entropy"
MUTUAL_INFORMATION = "mutual_information"
_TASKS = (SEMANTIC_SEGMENTATION, INSTANCE_SEGMENTATION)


@dataclass(frozen=True)
class Predictor:
    """A model ready to predict.

    Args:
        bundle: What the model is.
        network: Its weights, on ``device``.
        ontology: The study's classes.
        device: Where it computes.
        batch_size: Tiles per batch.
        others: What else is asked, and averaged with it.
        turned: Every network is asked about all eight symmetries of a tile.
        precision: In which the networks compute.
    """

    bundle: ModelBundle
    network: nn.Module
    ontology: Ontology
    device: torch.device
    batch_size: int = 8
    others: tuple[Member, ...] = ()
    turned: bool = False
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        """Refuse batches without tiles, and models that do not name the class of every pixel."""
        if self.batch_size < 1:
            raise InvalidValueError("batch size", found=self.batch_size, allowed="1 or more")
        self.bundle.check_task(*_TASKS)
        runtime = self.ensemble.runtime["runtime"]
        if self.precision != "float32" and "onnx" in runtime:
            raise InvalidValueError(
                "onnxruntime computes in the numbers of its file",
                where=self.bundle.name,
                found=f"{self.precision} by {runtime}",
                allowed="--precision float32, or --runtime torch",
            )

    @property
    def ensemble(self) -> Ensemble:
        """All that is asked.

        Raises:
            ModelError: The others have other classes, input or task.
        """
        return Ensemble((Member(self.bundle, self.network), *self.others), turned=self.turned)

    @property
    def uncertainty_channels(self) -> tuple[str, ...]:
        """What is stored of uncertainty: 0 for none, 255 for the most that classes allow."""
        return (ENTROPY,) if self.ensemble.asks_once else (ENTROPY, MUTUAL_INFORMATION)

    def about(self, store: SlideStore) -> dict[str, Any]:
        """What a prediction says of itself: model, version of its input, and that it is one."""
        return self.bundle.proposal(store.identity) | self.ensemble.about

    @property
    def made_on(self) -> dict[str, Any]:
        """What computes: predictions made elsewhere may differ by rounding."""
        found = {
            "pathoai": pathoai.__version__,
            **self.ensemble.runtime,
            "device": self.device.type,
            "device_name": device_name(self.device),
        }
        if self.precision != "float32":
            found["precision"] = self.precision
        # On a CPU a tile's outputs do not depend on the tiles beside it.
        return found if self.device.type == "cpu" else found | {"batch_size": self.batch_size}

    def outputs(self, batch: torch.Tensor) -> torch.Tensor:
        """What the networks say of tiles ``(N, 3, S, S)`` uint8, on the device.

        Returns:
            ``(N, C, S, S)`` float32, 0 to 1: calibrated probabilities of the classes; then, where
            objects are told apart, their maps; then, where more than one is asked, the mean of
            their entropies, relative to the largest.
        """
        with fitting(len(batch)), torch.inference_mode(), self._exact(), self._number():
            return self.ensemble(batch).float().contiguous()

    def _number(self) -> AbstractContextManager[object]:
        mixed = self.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16) if mixed else nullcontext()

    def _exact(self) -> AbstractContextManager[object]:
        """On NVIDIA GPUs float32 is no narrower number, and a batch always takes the same way."""
        if self.device.type != "cuda":
            return nullcontext()
        return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)

    def probabilities(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same of tiles ``(N, S, S, 3)`` uint8 in the computer's memory, and back there."""
        found = self.outputs(images(tiles).to(self.device))
        return np.asarray(found.cpu().numpy(), dtype=np.float32)

    def uncertainty(self, outputs: torch.Tensor) -> torch.Tensor:
        """Channels of uncertainty, ``(U, H, W)`` float32 0 to 1, of blended ``(C, H, W)`` float32.

        Entropy of the mean probability, divided by ln of the number of classes; then what of it is
        mutual information: disagreement, between members and between overlapping tiles.
        """
        total = relative_entropy(outputs[: len(self.bundle.classes)], dim=0)
        if self.ensemble.asks_once:
            return total.clamp(0, 1)
        return torch.cat([total, total - outputs[EXPECTED_ENTROPY]]).clamp(0, 1)

    @property
    def tells_objects_apart(self) -> bool:
        """True where classes are those of whole objects."""
        return self.bundle.task == INSTANCE_SEGMENTATION
