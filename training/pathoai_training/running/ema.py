"""A moving average of the weights, which generalises better than the last of them."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn


class EmaWeights(pl.Callback):
    """Keeps an exponential moving average; validation sees it, and it is what is published.

    Polyak BT, Juditsky AB. SIAM J Control Optim 1992. The decay warms up, (1 + n) / (10 + n) after
    n steps, so that short runs do not keep their random start. Running statistics of normalisation
    layers are averaged too. Lightning's callback of that kind (2.6) copies the whole module, its
    metrics included, and averages without warming up.

    Args:
        decay: Weight of the past, once warm.
    """

    def __init__(self, decay: float) -> None:
        """Nothing is averaged yet."""
        self._decay = decay
        self._steps = 0
        self._average: dict[str, torch.Tensor] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the first weights, or bring a resumed average to the module's device."""
        current = _floats(pl_module)
        known = self._average or current
        self._average = {
            key: known[key].detach().to(value.device, copy=True) for key, value in current.items()
        }

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        """Move the average after each optimiser step."""
        if trainer.global_step == self._steps:
            return  # gradients are still being gathered
        self._steps = trainer.global_step
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        with torch.no_grad():
            current = list(_floats(pl_module).values())
            torch._foreach_lerp_(list(self._average.values()), current, 1 - decay)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average in the module."""
        if trainer.world_size > 1:
            # Statistics of batches differ between processes; the first one's count, as in DDP.
            for value in self._average.values():
                torch.distributed.broadcast(value, src=0)
        self._swap(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the weights back that are trained."""
        self._swap(pl_module)

    def publish(self, module: nn.Module) -> None:
        """Leave the average in a module, for good."""
        with torch.no_grad():
            for key, value in _floats(module).items():
                value.copy_(self._average[key])

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"average": self._average, "steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self._average, self._steps = state_dict["average"], state_dict["steps"]

    @torch.no_grad()
    def _swap(self, module: nn.Module) -> None:
        for key, value in _floats(module).items():
            kept = value.clone()
            value.copy_(self._average[key])
            self._average[key].copy_(kept)


def _floats(module: nn.Module) -> dict[str, torch.Tensor]:
    """Weights and running statistics; counters are not averaged."""
    return {key: value for key, value in module.state_dict().items() if value.is_floating_point()}
