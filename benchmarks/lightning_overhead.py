"""What Lightning and our callbacks cost per training step, beside a bare loop of torch.

python benchmarks/lightning_overhead.py --out benchmarks/results/lightning_overhead.md
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from measure import machine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from pathoai.progress import silent
from pathoai_training.preempt import Preemption
from pathoai_training.recipes.trainer_settings import TrainerSettings
from pathoai_training.running.checkpoint import KeepCheckpoint
from pathoai_training.running.ema import EmaWeights
from pathoai_training.running.lightning_run import make_trainer, quiet_lightning
from pathoai_training.running.run_log import LogFigures, open_logs
from pathoai_training.sampling.step_seed import SeedSteps

_CLAIM_MS = 2.0
_WARM_UP = 50
_STEPS = 350
_BATCH = 8
_PACKAGES = ["torch", "pytorch-lightning"]


class Mark(NamedTuple):
    """A moment: wall clock and this process's processor time, in seconds."""

    wall_s: float
    cpu_s: float


class Tiny(pl.LightningModule):
    """So small that a step costs little beside what goes round it."""

    def __init__(self) -> None:
        """Four layers."""
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
        )

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Cross entropy."""
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> dict[str, object]:
        """As our tasks do."""
        optimiser = torch.optim.AdamW(self.parameters(), 0.001)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.001, total_steps=_STEPS + 1)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Clock(pl.Callback):
    """Marks the end of the warm-up and the end."""

    def __init__(self) -> None:
        """No mark yet."""
        self.marks: list[Mark] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Mark two of the steps."""
        if trainer.global_step in (_WARM_UP, _STEPS):
            self.marks.append(now())


def now() -> Mark:
    """This moment."""
    return Mark(time.perf_counter(), time.process_time())


def loader() -> DataLoader[tuple[torch.Tensor, ...]]:
    """The same batches for all."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_STEPS * _BATCH, 32, generator=generator)
    return DataLoader(TensorDataset(images, images[:, 0].gt(0).long()), batch_size=_BATCH)


def bare() -> list[Mark]:
    """The loop that one writes without a framework."""
    module = Tiny()
    made = module.configure_optimizers()
    optimiser, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    marks = []
    for step, batch in enumerate(loader(), start=1):
        optimiser.zero_grad()
        module.training_step(batch, step).backward()
        optimiser.step()
        schedule.step()
        if step in (_WARM_UP, _STEPS):
            marks.append(now())
    return marks


def with_lightning(*callbacks: pl.Callback) -> list[Mark]:
    """The same by Lightning."""
    clock, settings = Clock(), TrainerSettings(max_steps=_STEPS, precision="32-true")
    with quiet_lightning():
        trainer = make_trainer(settings, torch.device("cpu"), _BATCH, [*callbacks, clock])
        trainer.fit(Tiny(), loader())
    return clock.marks


def as_pathoai(folder: Path, ema: float = 0.0) -> list[Mark]:
    """With all that `pathoai train` adds: seeds, log, checkpoints; averaged weights if asked."""
    preemption = Preemption()
    keep = KeepCheckpoint(folder / "last.ckpt", every_steps=0, every_s=300, preemption=preemption)
    log = LogFigures(open_logs(("csv",), folder), silent)
    averaged = [EmaWeights(ema)] if ema else []
    with preemption.listening():
        return with_lightning(SeedSteps(0), *averaged, log, keep)


def main() -> None:
    """Interleave the ways, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "bare loop": bare,
            "Lightning alone": with_lightning,
            "pathoai train": lambda: as_pathoai(Path(folder)),
            "pathoai train, averaged weights": lambda: as_pathoai(Path(folder), 0.999),
        }
        found: dict[str, list[Mark]] = {name: [] for name in ways}
        for turn in range(options.repeats):
            for name, way in ways.items():
                torch.manual_seed(0)
                start, end = way()
                steps = _STEPS - _WARM_UP
                cost = Mark(*(1000 * (b - a) / steps for a, b in zip(start, end, strict=True)))
                found[name].append(cost)
                print(f"{turn + 1}/{options.repeats} {name}: {cost.cpu_s:.3f} ms of CPU per step")
    report = _report(found, options.repeats)
    print(report)
    if options.out:
        options.out.write_text(report, "utf8")


def _report(found: dict[str, list[Mark]], repeats: int) -> str:
    base, *_ = found.values()
    rows = []
    for name, costs in found.items():
        cells = []
        for axis in (0, 1):
            own = statistics.median(cost[axis] for cost in costs)
            # Beside the bare loop of the same round, so that both met the same weather.
            over = statistics.median(c[axis] - b[axis] for c, b in zip(costs, base, strict=True))
            cells.append(f"{own:.3f} | {over:+.3f}")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(
        [
            "# What Lightning costs per step",
            "",
            f"{_STEPS - _WARM_UP} steps of a network of four small layers, one thread, medians of "
            f"{repeats} interleaved rounds; {machine(_PACKAGES)}.",
            f"Claim: `pathoai train` costs at most {_CLAIM_MS:g} ms per step over a bare loop.",
            "",
            "| | wall ms | over bare | CPU ms | over bare |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
