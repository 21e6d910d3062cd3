"""Stopping when validation no longer improves, with the best weights."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from pathoai.errors import RecipeError
from pathoai_training.recipes.trainer_settings import EarlyStopping


class StopEarly(pl.Callback):
    """Keeps the weights of the best validation in a file, and stops when patience is used up.

    Lightning's callbacks keep the best in a checkpoint that notes absolute paths, and forget that
    they had stopped when a run is killed after its last step.

    Args:
        settings: What is watched.
        path: Where the best weights lie.
    """

    def __init__(self, settings: EarlyStopping, path: Path) -> None:
        """Nothing was seen yet."""
        self._settings = settings
        self._path = path
        self._best: float | None = None
        self._looks_since = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A run that had stopped does not go on."""
        trainer.should_stop = self._is_over

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare with the best so far.

        Raises:
            RecipeError: There is no such metric.
        """
        value = self._value(trainer)
        if self._is_better(value):
            self._best, self._looks_since = value, 0
            if trainer.is_global_zero:
                partial = self._path.with_suffix(".partial")
                torch.save(pl_module.state_dict(), partial)
                os.replace(partial, self._path)
        else:
            self._looks_since += 1
        trainer.should_stop = self._is_over

    def publish(self, module: nn.Module) -> None:
        """Leave the best weights in a module; the last ones where no validation took place."""
        if self._best is not None:
            module.load_state_dict(torch.load(self._path, "cpu", weights_only=True))

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"best": self._best, "looks_since": self._looks_since}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self._best, self._looks_since = state_dict["best"], state_dict["looks_since"]

    @property
    def _is_over(self) -> bool:
        return self._looks_since >= self._settings.patience

    def _is_better(self, value: float) -> bool:
        if self._best is None:
            return not math.isnan(value)  # of a class, say, that no validation tile shows
        return value > self._best if self._settings.mode == "max" else value < self._best

    def _value(self, trainer: pl.Trainer) -> float:
        known = {k: v for k, v in trainer.callback_metrics.items() if not k.startswith("train/")}
        if self._settings.metric not in known:
            raise RecipeError(
                "no such validation metric",
                where="trainer.early_stopping.metric",
                found=repr(self._settings.metric),
                allowed=", ".join(sorted(known)) or "none",
            )
        # One process decides for all, lest rounding make them disagree.
        return float(trainer.strategy.broadcast(float(known[self._settings.metric])))
