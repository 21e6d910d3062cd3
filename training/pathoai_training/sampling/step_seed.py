"""Random numbers of each step, a pure function of seed and place."""

from __future__ import annotations

import pytorch_lightning as pl
import torch

from pathoai_training.sampling.seeded_sampler import seed_of


class SeedSteps(pl.Callback):
    """Seeds torch before each batch, so that dropout falls alike in a resumed run.

    Args:
        seed: Of the run.
    """

    def __init__(self, seed: int) -> None:
        """Keep the seed."""
        self._seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Seed every device."""
        torch.manual_seed(
            seed_of(self._seed, trainer.fit_loop.total_batch_idx, trainer.global_rank)
        )
