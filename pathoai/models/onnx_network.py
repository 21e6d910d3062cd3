"""A network that onnxruntime runs in the place of torch, on the CPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pathoai.models.onnx_model import OnnxModel
from pathoai.models.onnx_packages import onnx_package

Outputs = tuple[torch.Tensor, ...]


class OnnxNetwork(nn.Module):
    """A network of torch, with all that its bundle puts around it as ONNX.

    Called, it is the network of torch, for whoever looks inside (features, hooks); what a model
    says of tiles is asked of :meth:`whole`.

    Args:
        network: Of the bundle.
        model: Its translation, for one tile or region at a time, computed by one thread.
    """

    def __init__(self, network: nn.Module, model: OnnxModel) -> None:
        """Put them together."""
        super().__init__()
        self.network = network
        self.model = model

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """What the network of torch says of a normalised batch."""
        found: torch.Tensor = self.network(batch)
        return found

    def whole(self, batch: torch.Tensor) -> Outputs:
        """What torch's whole network (``probability_network.py``) says of a uint8 batch.

        Tiles are computed one by one, so that what is said of one does not depend on the others;
        side by side in as many threads as torch would take here.
        """
        tiles = batch.numpy()
        threads = min(torch.get_num_threads(), len(tiles))
        if threads <= 1:
            found = [self._of_one(tile) for tile in tiles]
        else:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(self._of_one, tiles))
        return tuple(torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True))

    def _of_one(self, tile: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        return self.model.run(np.ascontiguousarray(tile[None]))


def runtime_of(network: nn.Module) -> dict[str, str]:
    """What computes: ``runtime``, a program and its version, and the ``precision`` of weights."""
    if isinstance(network, OnnxNetwork):
        version = onnx_package("onnxruntime").__version__
        return {
            "runtime": f"onnxruntime {version}",
            "precision": network.model.about["precision"],
        }
    return {"runtime": f"torch {torch.__version__}", "precision": "float32"}


def int8_sha256(network: nn.Module) -> str | None:
    """The file of a network in 8-bit integers; None in float32, which says what the bundle says."""
    if isinstance(network, OnnxNetwork) and network.model.about["precision"] == "int8":
        return network.model.sha256
    return None
