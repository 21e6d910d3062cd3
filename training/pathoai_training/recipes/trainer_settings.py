"""The trainer section of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pathoai.errors import InvalidValueError

LOGS = ("csv", "tensorboard", "mlflow")
"""Where figures of a run can be written to; all of them are files in the run's folder."""


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """When to stop before the last step; the best weights are published, not the last.

    Args:
        metric: Name of a validation metric, as the log has it, e.g. ``validation/dice/nucleus``.
        patience: Looks at the validation tiles, one after each epoch, without a better value.
        mode: Whether better is larger (``max``) or smaller (``min``).
    """

    metric: str
    patience: int = 5
    mode: Literal["max", "min"] = "max"

    def __post_init__(self) -> None:
        """Refuse to stop before the first look."""
        if self.patience < 1:
            raise InvalidValueError(
                "trainer.early_stopping.patience", found=self.patience, allowed="1 or more"
            )


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """How long, and on what.

    Args:
        max_steps: Optimiser steps in all.
        steps_per_epoch: Optimiser steps between looks at the validation tiles, each with a
            checkpoint.
        precision: As Lightning names it; ``auto`` is bf16-mixed where the hardware has it, else 32
            bits (bf16 without hardware support was measured to be 12 times slower).
        devices: Number of devices of one computer.
        num_nodes: Number of computers.
        strategy: As Lightning names it.
        effective_batch_size: Tiles of one optimiser step over all processes; gradients of several
            batches are added up to reach it. None: one batch of each process.
        gradient_clip: Largest norm of the gradient; 0 leaves it as it is.
        gradient_checkpointing: Compute activations twice instead of keeping them; for networks
            that offer it (``set_grad_checkpointing``, as timm's do).
        ema_decay: Of the exponential moving average of the weights that is validated and published
            instead of the last weights (Polyak BT, Juditsky AB. 1992); 0 publishes the last.
        early_stopping: None trains for ``max_steps``.
        checkpoint_steps: Optimiser steps between checkpoints within an epoch; 0: none by count.
        checkpoint_s: Seconds between checkpoints within an epoch; 0: none by time.
        logs: Beside ``csv``, which is always there: ``tensorboard``, ``mlflow``.
    """

    max_steps: int = 200
    steps_per_epoch: int = 25
    precision: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    effective_batch_size: int | None = None
    gradient_clip: float = 0.0
    gradient_checkpointing: bool = False
    ema_decay: float = 0.0
    early_stopping: EarlyStopping | None = None
    checkpoint_steps: int = 0
    checkpoint_s: float = 300.0
    logs: tuple[str, ...] = ("csv",)

    def __post_init__(self) -> None:
        """Refuse to train for no time at all, and what no trainer can do."""
        least = {"max_steps": 1, "steps_per_epoch": 1, "devices": 1, "num_nodes": 1}
        least |= {"gradient_clip": 0, "checkpoint_steps": 0, "checkpoint_s": 0}
        for name, value in least.items():
            if not getattr(self, name) >= value:
                raise InvalidValueError(
                    f"trainer.{name}", found=getattr(self, name), allowed=f"{value} or more"
                )
        if not 0 <= self.ema_decay < 1:
            raise InvalidValueError(
                "trainer.ema_decay", found=self.ema_decay, allowed="0 to below 1, e.g. 0.999"
            )
        if unknown := [name for name in self.logs if name not in LOGS]:
            raise InvalidValueError(
                "trainer.logs", found=", ".join(unknown), allowed=", ".join(LOGS)
            )

    def batches_per_step(self, batch_size: int) -> int:
        """Batches whose gradients each process adds up before a step.

        Args:
            batch_size: Tiles per batch and process.

        Raises:
            InvalidValueError: The stated size is no multiple of what all processes take at once.
        """
        at_once = batch_size * self.devices * self.num_nodes
        stated = at_once if self.effective_batch_size is None else self.effective_batch_size
        if stated < at_once or stated % at_once:
            raise InvalidValueError(
                "trainer.effective_batch_size",
                found=stated,
                allowed=f"a multiple of {at_once}: {batch_size} tiles on each of "
                f"{self.devices * self.num_nodes} device(s)",
                remedy="change it or data.batch_size",
            )
        return stated // at_once


CHANGES_NO_WEIGHT = {
    "trainer": frozenset({"checkpoint_steps", "checkpoint_s", "logs"}),
    "data": frozenset({"workers"}),
}
"""Keys of a recipe that may change between two parts of one run: its result stays the same."""
