"""Lightning as this package uses it: quiet, checkpointed after each epoch, resumable to the bit."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only

from pathoai.progress import Advance
from pathoai_training.trainer_settings import TrainerSettings

CHECKPOINT = "last.ckpt"
_LOG_EVERY_STEPS = 10


class KeepCheckpoint(pl.Callback):
    """Replaces one checkpoint after each epoch; a kill leaves the old one or the new one.

    Lightning's own callback notes absolute paths in the checkpoint, and warns when a study moved.
    """

    def __init__(self, path: Path) -> None:
        """Where the checkpoint lies."""
        self._path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write beside, then rename."""
        partial = self._path.with_suffix(".partial")
        trainer.save_checkpoint(partial, weights_only=False)  # with the optimiser's state
        if trainer.is_global_zero:
            os.replace(partial, self._path)


class ReportSteps(pl.Callback):
    """Tells the common progress bar of every step."""

    def __init__(self, advance: Advance) -> None:
        """Whom to tell."""
        self._advance = advance

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """One step is done."""
        if trainer.is_global_zero:
            self._advance(trainer.global_step, trainer.max_steps)


def make_trainer(
    settings: TrainerSettings, device: torch.device, folder: Path, advance: Advance
) -> pl.Trainer:
    """A trainer that logs to CSV and keeps its checkpoint in a folder.

    Args:
        settings: From the recipe.
        device: Chosen by the user.
        folder: Of this run.
        advance: Told of steps done and steps in all.
    """
    on_gpu = device.type == "cuda"
    one_gpu = [device.index or 0] if on_gpu and settings.devices == 1 else settings.devices
    return pl.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=one_gpu,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        precision=precision_of(settings, device),  # type: ignore[arg-type]  # checked by Lightning
        max_steps=settings.max_steps,
        max_epochs=-1,
        logger=CSVLogger(folder.parent, name=folder.name),
        log_every_n_steps=min(_LOG_EVERY_STEPS, settings.steps_per_epoch, settings.max_steps),
        callbacks=[ReportSteps(advance), KeepCheckpoint(folder / CHECKPOINT)],
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # SeededSampler deals tiles to processes itself
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def is_first_process() -> bool:
    """True in the one process, of those that train together, that writes."""
    return getattr(rank_zero_only, "rank", 0) == 0


def precision_of(settings: TrainerSettings, device: torch.device) -> str:
    """What ``auto`` means on a device; any other name is left to Lightning."""
    if settings.precision != "auto":
        return settings.precision
    has_bf16 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return "bf16-mixed" if has_bf16 else "32-true"


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says on every run; any other message and warning passes."""
    # The list of accelerators that are not there, "max_steps reached", advertising.
    chatter = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = chatter.level
    with warnings.catch_warnings():
        # Tiles are read in the training process on purpose: spawned workers cost more than they
        # bring on small studies, and `--set data.workers=N` starts them.
        warnings.filterwarnings("ignore", message=r"The '\w+' does not have many workers")
        # Lightning 2.6 asks torch 2.15 in a way that torch will drop; harmless until then.
        warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is dep")
        chatter.setLevel(logging.WARNING)
        try:
            yield
        finally:
            chatter.setLevel(level)
