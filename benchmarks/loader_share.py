"""How much of a training step on a CPU is reading: the shipped U-Net recipe on a real store.

python benchmarks/loader_share.py CMU-1-Small-Region.svs --out benchmarks/results/loader_share.md
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
from measure import machine

from pathoai.cli.main import main as pathoai
from pathoai_training.recipes.build import build
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.running.lightning_run import precision_of
from pathoai_training.splits.split import SplitKind

_CLAIM = 0.10
_RECIPE = "breast-nuclei-segmentation"
_WARM_UP = 3
_PACKAGES = ["torch", "zarr", "imagecodecs", "numpy"]
_WAYS = {
    "shipped recipe (width 8, depth 3)": [],
    "width 16": ["model.arguments={width: 16, depth: 3}"],
}


def study_of(slide: Path, folder: Path, encoding: str) -> Path:
    """A study with the slide's store and nuclei found by colour."""
    study = folder / encoding
    cohort = folder / "cohort.csv"
    cohort.write_text(f"slide\n{slide.resolve()}\n", "utf8")
    os.environ["PATHOAI_VAULT"] = str(folder / "vault")
    for words in (
        ["init", str(study), "--ontology", "breast"],
        ["add", str(study), str(cohort)],
        ["tile", str(study), *(["--mpp", "0.5"] if encoding == "resampled" else [])],
        ["label", str(study), "--method", "hematoxylin"],
    ):
        if pathoai(words):
            raise SystemExit(f"{words[0]} failed")
    return study


def shares(study: Path, overrides: list[str], steps: int) -> list[tuple[float, float]]:
    """CPU seconds of reading and of all of each step, all threads counted."""
    recipe = read_recipe(_RECIPE, [f"trainer.steps_per_epoch={steps + _WARM_UP}", *overrides])
    work = build(recipe, study=study, split=SplitKind.AREA)
    work.data.setup()
    optimiser = torch.optim.AdamW(work.model.parameters(), 0.001)
    batches, found = iter(work.data.train_dataloader()), []
    half = precision_of(work.trainer, torch.device("cpu")) == "bf16-mixed"
    work.model.train()
    for batch_number in range(steps + _WARM_UP):
        start = time.process_time()
        batch = next(batches)
        read = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = work.model.training_step(batch, batch_number)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        if batch_number >= _WARM_UP:
            found.append((read - start, time.process_time() - start))
    return found


def main() -> None:
    """Measure each way on each store, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for encoding in ("source", "resampled"):
            study = study_of(options.slide, Path(folder), encoding)
            for name, overrides in _WAYS.items():
                found = shares(study, overrides, options.steps)
                read, whole = (1000 * statistics.median(f[i] for f in found) for i in (0, 1))
                share = sum(f[0] for f in found) / sum(f[1] for f in found)
                rows.append(f"| {encoding} | {name} | {read:.0f} | {whole:.0f} | {share:.1%} |")
                print(rows[-1])
    report = "\n".join(
        [
            "# Reading, as a share of a training step",
            "",
            f"Batches of four tiles of 256 px, {options.steps} steps, one thread, no worker "
            "process, bf16 where the processor has it; CPU milliseconds of a step, medians; "
            f"{machine(_PACKAGES)}. A source store is resampled to 0.5 µm as it is read.",
            f"Claim: reading costs less than {_CLAIM:.0%} of the step.",
            "",
            "| store | network | read ms | step ms | share |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    print(report)
    if options.out:
        options.out.write_text(report, "utf8")


if __name__ == "__main__":
    main()
