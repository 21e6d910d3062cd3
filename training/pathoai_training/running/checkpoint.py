"""One checkpoint, replaced as training goes on: a kill leaves the old one or the new one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytorch_lightning as pl
import torch

from pathoai_training.preempt import Preemption


class KeepCheckpoint(pl.Callback):
    """Saves after each epoch, within epochs when it is time, and before leaving.

    Only whole steps are saved, when all that a batch changes has been changed, so that whatever
    comes after a checkpoint is repeated to the bit. The last batch of an epoch is left to the end
    of the epoch: the validation that follows belongs to it.

    Lightning's own callback notes absolute paths in the checkpoint, and warns when a study moved.

    Args:
        path: Where the checkpoint lies.
        every_steps: Optimiser steps between two within an epoch; 0: none by count.
        every_s: Seconds likewise; 0: none by time.
        preemption: Tells whether to leave.
    """

    def __init__(
        self, path: Path, *, every_steps: int, every_s: float, preemption: Preemption
    ) -> None:
        """Save nothing yet."""
        self._path = path
        self._every_steps = every_steps
        self._every_s = every_s
        self._preemption = preemption
        self._saved_at_s = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; from here on signals are ours, not Lightning's."""
        self._preemption.take_over()
        self._saved_at_s = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Save if it is time or if the machine is wanted back."""
        gathering = (batch_idx + 1) % trainer.accumulate_grad_batches != 0
        if gathering or trainer.is_last_batch:
            return  # half gathered gradients are in no checkpoint
        due, asked = self._agree(trainer)
        if due or asked:
            self._save(trainer)
        if asked:
            self._leave(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Do not wait for a long validation: it is repeated from the last checkpoint."""
        if not self._preemption.asked:
            return
        if trainer.is_global_zero:
            self._preemption.requeue()  # SLURM then ends all processes
        if trainer.world_size == 1:
            self._preemption.leave("what the last checkpoint holds is kept")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, after the validation."""
        self._save(trainer)
        if self._agree(trainer)[1]:
            self._leave(trainer)

    def _agree(self, trainer: pl.Trainer) -> tuple[bool, bool]:
        """Whether to save and whether to leave: what any process wants, all do."""
        step = trainer.global_step
        due = bool(self._every_steps) and step % self._every_steps == 0
        late = bool(self._every_s) and time.monotonic() - self._saved_at_s >= self._every_s
        asked = self._preemption.asked
        if trainer.world_size > 1:
            wishes = torch.tensor(
                [late, asked], device=trainer.strategy.root_device, dtype=torch.float
            )
            late, asked = (trainer.strategy.reduce(wishes, reduce_op="sum") > 0).tolist()
        return due or late, asked

    def _leave(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:
            self._preemption.requeue()
        # The first that ends may take the others with it: not before SLURM was asked.
        trainer.strategy.barrier("left")
        self._preemption.leave(f"step {trainer.global_step} is kept")

    def _save(self, trainer: pl.Trainer) -> None:
        """Write beside, then rename."""
        partial = self._path.with_suffix(".partial")
        trainer.save_checkpoint(partial, weights_only=False)  # with the optimiser's state
        if trainer.is_global_zero:
            os.replace(partial, self._path)
        self._saved_at_s = time.monotonic()
