"""Lightning as this package uses it: quiet, on files of its own, resumable to the bit."""

from __future__ import annotations

import logging
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from torch import nn

from pathoai.errors import InvalidValueError, ModelError
from pathoai.progress import Advance
from pathoai_training.preempt import Preemption
from pathoai_training.recipes.build import Workshop
from pathoai_training.recipes.trainer_settings import TrainerSettings
from pathoai_training.running.checkpoint import KeepCheckpoint
from pathoai_training.running.early_stopping import StopEarly
from pathoai_training.running.ema import EmaWeights
from pathoai_training.running.run_log import LogFigures, open_logs
from pathoai_training.sampling.step_seed import SeedSteps

CHECKPOINT = "last.ckpt"
_BEST = "best.pt"
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def fit(
    workshop: Workshop,
    *,
    device: torch.device,
    folder: Path,
    preemption: Preemption,
    advance: Advance,
) -> pl.Trainer:
    """Train from the start or from the last checkpoint; the module ends with what to publish.

    Args:
        workshop: From the recipe.
        device: Chosen by the user.
        folder: Of this run.
        preemption: Tells whether to leave.
        advance: Told of steps done and steps in all.

    Raises:
        PreemptedError: The machine is wanted back; the last whole step is kept.
        InvalidValueError: A setting does not fit network, data or devices.
        ModelError: The checkpoint is damaged.
    """
    settings = workshop.trainer
    if settings.gradient_checkpointing:
        keep_fewer_activations(workshop.model.network)
    ema = [EmaWeights(settings.ema_decay)] if settings.ema_decay else []
    stop = settings.early_stopping
    best = [] if stop is None else [StopEarly(stop, folder / _BEST)]
    callbacks = [
        SeedSteps(workshop.seed),
        *best,  # sees the average before it is swapped out
        *ema,
        LogFigures(open_logs(settings.logs, folder), advance),
        KeepCheckpoint(  # last: all that a step changes has been changed
            folder / CHECKPOINT,
            every_steps=settings.checkpoint_steps,
            every_s=settings.checkpoint_s,
            preemption=preemption,
        ),
    ]
    checkpoint = checkpoint_in(folder)
    with quiet_lightning(), _repeatable(workshop.seed, device), preemption.steps():
        trainer = make_trainer(settings, device, workshop.data.batch_size, callbacks)
        trainer.fit(
            workshop.model, datamodule=workshop.data, ckpt_path=checkpoint, weights_only=True
        )
    for kept in best or ema:
        kept.publish(workshop.model)
    return trainer


def make_trainer(
    settings: TrainerSettings, device: torch.device, batch_size: int, callbacks: list[pl.Callback]
) -> pl.Trainer:
    """A trainer without Lightning's own logs, checkpoints and bars.

    Args:
        settings: From the recipe.
        device: Chosen by the user.
        batch_size: Items per batch and process.
        callbacks: What takes their place.
    """
    on_gpu = device.type == "cuda"
    one_gpu = [device.index or 0] if on_gpu and settings.devices == 1 else settings.devices
    # Lightning's way of leaving SLURM saves in the middle of a step.
    slurm: Any = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else None
    return pl.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=one_gpu,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        precision=precision_of(settings, device),  # type: ignore[arg-type]  # checked by Lightning
        max_steps=settings.max_steps,
        max_epochs=-1,
        accumulate_grad_batches=settings.batches_per_step(batch_size),
        gradient_clip_val=settings.gradient_clip or None,
        callbacks=callbacks,
        plugins=slurm,
        logger=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # SeededSampler deals tiles to processes itself
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def keep_fewer_activations(network: nn.Module) -> None:
    """Switch gradient checkpointing on, as timm's networks offer it.

    Raises:
        InvalidValueError: No part of the network offers it.
    """
    able: list[Any] = [p for p in network.modules() if hasattr(p, "set_grad_checkpointing")]
    if not able:
        raise InvalidValueError(
            "this network cannot compute its activations twice",
            where="trainer.gradient_checkpointing",
            allowed="networks of timm, which have set_grad_checkpointing",
            remedy="leave it off, or take a smaller data.batch_size and state "
            "trainer.effective_batch_size",
        )
    able[0].set_grad_checkpointing(True)


def precision_of(settings: TrainerSettings, device: torch.device) -> str:
    """What ``auto`` means on a device; any other name is left to Lightning."""
    if settings.precision != "auto":
        return settings.precision
    return "bf16-mixed" if _has_bf16(device) else "32-true"


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = Path("/proc/cpuinfo")  # elsewhere than on Linux nobody trains on such a CPU
    known = flags.read_text("utf8").split() if device.type == "cpu" and flags.is_file() else []
    return "avx512_bf16" in known or "amx_bf16" in known


def checkpoint_in(folder: Path) -> Path | None:
    """Where a run goes on from; None where it begins.

    Raises:
        ModelError: The file is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    if not zipfile.is_zipfile(path):
        raise ModelError(
            "the checkpoint is damaged",
            where=f"runs/{folder.name}/{CHECKPOINT}",
            remedy="train anew: --again",
        )
    return path


@contextmanager
def _repeatable(seed: int, device: torch.device) -> Iterator[None]:
    """Same numbers in each run, wherever torch can; the caller's settings are put back.

    On a GPU, products may use TensorFloat-32. Where an operation has no deterministic form torch
    says so in a warning, and goes on.
    """
    on_gpu = device.type == "cuda"
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    products, searching = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    os.environ.setdefault(_WORKSPACE, ":4096:8")  # cuBLAS reads it when it first computes
    with torch.random.fork_rng([device.index or 0] if on_gpu else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        if on_gpu:
            torch.set_float32_matmul_precision("high")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=warned)
            torch.set_float32_matmul_precision(products)
            torch.backends.cudnn.benchmark = searching


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
        # SeededSampler goes on in the middle of an epoch, which Lightning cannot know.
        warnings.filterwarnings("ignore", message=r"You're resuming from a checkpoint that ended")
        chatter.setLevel(logging.WARNING)
        try:
            yield
        finally:
            chatter.setLevel(level)
