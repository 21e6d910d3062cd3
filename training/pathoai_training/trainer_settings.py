"""The trainer section of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from pathoai.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """How long, and on what.

    Args:
        max_steps: Optimiser steps in all.
        steps_per_epoch: Steps between checkpoints, each with a look at the validation tiles.
        precision: As Lightning names it; ``auto`` is bf16-mixed where the GPU has it, else 32 bits
            (bf16 without hardware support was measured to be 12 times slower).
        devices: Number of devices of one computer.
        num_nodes: Number of computers.
        strategy: As Lightning names it.
    """

    max_steps: int = 200
    steps_per_epoch: int = 25
    precision: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        """Refuse to train for no time at all."""
        for name in ("max_steps", "steps_per_epoch", "devices", "num_nodes"):
            if getattr(self, name) < 1:
                raise InvalidValueError(
                    f"trainer.{name}", found=getattr(self, name), allowed="1 or more"
                )
