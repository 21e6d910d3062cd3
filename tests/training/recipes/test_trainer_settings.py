from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.architecture import build_network
from pathoai_training.recipes.trainer_settings import EarlyStopping, TrainerSettings
from pathoai_training.running.lightning_run import CHECKPOINT, checkpoint_in, keep_fewer_activations


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"max_steps": 0}, "max_steps; found 0; allowed: 1 or more"),
        ({"gradient_clip": -1.0}, "gradient_clip; found -1.0; allowed: 0 or more"),
        ({"checkpoint_s": float("nan")}, "checkpoint_s; found nan"),
        ({"ema_decay": 1.0}, "ema_decay; found 1.0; allowed: 0 to below 1"),
        ({"logs": ("wandb",)}, "logs; found wandb; allowed: csv, tensorboard, mlflow"),
    ],
)
def test_what_no_trainer_can_do_is_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        TrainerSettings(**values)  # type: ignore[arg-type]  # wrong on purpose


def test_patience_is_needed() -> None:
    with pytest.raises(InvalidValueError, match=r"patience; found 0"):
        EarlyStopping("validation/dice/nucleus", patience=0)


def test_gradients_are_gathered_up_to_the_stated_size() -> None:
    four = TrainerSettings(devices=2, num_nodes=2, effective_batch_size=96)
    assert four.batches_per_step(8) == 3
    assert TrainerSettings(devices=2).batches_per_step(8) == 1
    for stated in (40, 16):
        with pytest.raises(InvalidValueError, match=r"multiple of 32: 8 tiles on each of 4"):
            TrainerSettings(devices=4, effective_batch_size=stated).batches_per_step(8)


class Transformer(torch.nn.Module):
    """As timm's networks offer it."""

    saving = False

    def set_grad_checkpointing(self, enable: bool) -> None:
        self.saving = enable


def test_activations_are_computed_twice_where_a_network_can() -> None:
    encoder = Transformer()
    keep_fewer_activations(torch.nn.Sequential(encoder))
    assert encoder.saving
    network = build_network("unet", classes=2, arguments={"width": 4, "depth": 1})
    with pytest.raises(InvalidValueError, match=r"gradient_checkpointing: this network cannot"):
        keep_fewer_activations(network)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    assert checkpoint_in(tmp_path) is None
    (tmp_path / CHECKPOINT).write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(ModelError, match=r"last.ckpt: the checkpoint is damaged.*--again"):
        checkpoint_in(tmp_path)
