"""Grading of generated cervical slides: what order, cost and attention bring, and what they cost.

Stage one makes the cohort (``generated_cervix.py``); stage two trains on it: several splits by
patient, and leaving each centre out. Both keep what is done in ``--work`` and go on with it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cervix_grading_report import ACCEPTED, TEST_SHARE, VALIDATION_SHARE, report
from generated_cervix import ENCODER, READER_NOISE, PlannedSlide, make_cohort
from held_bags import HeldBags

from pathoai.models.calibration import Calibration, fit_temperature
from pathoai.models.referral import patients_needed
from pathoai.progress import silent
from pathoai.study.study import Study
from pathoai_training.preempt import Preemption
from pathoai_training.recipes.build import Workshop, build
from pathoai_training.recipes.recipe import read_recipe
from pathoai_training.running.lightning_run import fit as fit_network
from pathoai_training.splits.group_split import split_by_groups
from pathoai_training.splits.linked_slides import Link
from pathoai_training.splits.split_plan import SplitPlan
from pathoai_training.splits.written_split import write_split
from pathoai_training.tasks.calibration_parts import CalibrationParts
from pathoai_training.tasks.grading_examination import GradingExamination, calibrated
from pathoai_training.tasks.slide_grading import SlideGrading

_RECIPE = "cervix-grading"
LEARNING_RATE = 0.01
"""Ten times the recipe's, for a quarter of its steps; tried out on other splits."""
LOSSES = {
    "ordinal": ["model.ordinal_weight=1.0", f"model.reader_noise={READER_NOISE}"],
    "entropy": ["model.ordinal_weight=0.0", "model.reader_noise=0.0"],
    "stopped": ["model.ordinal_weight=0.0", "model.reader_noise=0.0"],
}
"""``stopped`` trains three fifths as long: cross entropy later learns readers' errors by heart."""


@dataclass(frozen=True)
class Fit:
    """One training run.

    Args:
        name: Its file.
        split: As after ``--split``.
        seed: Of split, weights and order.
        loss: A key of :data:`LOSSES`.
    """

    name: str
    split: str
    seed: int
    loss: str


def fits(study: Study, planned: Sequence[PlannedSlide], seeds: int) -> list[Fit]:
    """All runs, their splits written: each loss by patient, one of them without each centre."""
    dealt = [_split(study, planned, f"seed-{seed}", seed=seed) for seed in range(seeds)]
    left_out = _split(study, planned, "centres", leave_one_centre_out=True)
    by_patient = [
        Fit(f"{loss}-seed-{seed}", split, seed, loss)
        for seed, split in enumerate(dealt)
        for loss in LOSSES
    ]
    by_centre = [
        Fit(f"centre-{centre}", f"{left_out}/{fold}", 0, "ordinal")
        for fold, centre in enumerate(sorted({slide.centre for slide in planned}), start=1)
    ]
    return sorted([*by_patient, *by_centre], key=lambda fit: fit.loss == "stopped")


def _split(
    study: Study,
    planned: Sequence[PlannedSlide],
    name: str,
    *,
    seed: int = 0,
    leave_one_centre_out: bool = False,
) -> str:
    """Write a split as ``pathoai split --by patient`` does; gives its name.

    Validation is larger than by default: 2 % need 49 patients with a high-grade lesion in it.
    """
    plan = SplitPlan(
        by=(Link.PATIENT,),
        test=0.0 if leave_one_centre_out else TEST_SHARE,
        validation=VALIDATION_SHARE,
        leave_one_centre_out=leave_one_centre_out,
        seed=seed,
    )
    rows = [slide.row for slide in planned]
    name = f"{name}-of-{len(planned)}"
    write_split(study, split_by_groups(rows, plan, study.ontology, name=name))
    return name


def run(fit: Fit, study: Study, folder: Path, steps: int) -> None:
    """Train, and keep what both networks say of the test slides, calibrated, and the decisions."""
    path = folder / f"{fit.name}.npz"
    if path.exists():
        return
    workshop = _workshop(fit, study, steps)
    model, data = workshop.model, workshop.data
    assert isinstance(model, SlideGrading)
    assert isinstance(data, HeldBags)
    data.setup()
    model.check(data)
    started = time.process_time()
    with tempfile.TemporaryDirectory(dir=folder) as logs:
        fit_network(
            workshop,
            device=torch.device("cpu"),
            folder=Path(logs),
            preemption=Preemption(),
            advance=silent,
        )
    validation, test = (model.examine(data, subset) for subset in ("validation", "test"))
    np.savez(
        path.with_suffix(".partial.npz"),
        cpu_s=time.process_time() - started,
        test_ids=np.array(test.slide_ids),
        **_concluded(model, validation, test),
    )
    path.with_suffix(".partial.npz").rename(path)


def _workshop(fit: Fit, study: Study, steps: int) -> Workshop:
    steps = 3 * steps // 5 if fit.loss == "stopped" else steps
    overrides = [
        f"data.encoder={ENCODER}",
        "data.class_path=held_bags.HeldBags",
        f"seed={fit.seed}",
        *LOSSES[fit.loss],
        f"model.learning_rate={LEARNING_RATE}",
        f"trainer.max_steps={steps}",
        f"trainer.steps_per_epoch={steps}",
    ]
    return build(read_recipe(_RECIPE, overrides), study=study.path, split=fit.split)


def _concluded(
    model: SlideGrading, validation: GradingExamination, test: GradingExamination
) -> dict[str, Any]:
    """What the task concludes at each accepted rate, and what both networks say of the test."""
    found = []
    for model.accepted_miss_rate in ACCEPTED:
        found.append(model.conclude(validation, test))
    parts = CalibrationParts.of(
        validation, first_high=model.costs.first_high, needed=patients_needed(ACCEPTED[0])
    )
    beside = fit_temperature(
        parts.temperature.baseline, parts.temperature.truth, readings=model.readings
    )
    return {
        "rules": np.array([json.dumps(each.decision["referral"]) for each in found]),
        "test_network": np.stack([calibrated(e.calibration, test.logits) for e in found]),
        "test_baseline": calibrated(Calibration(beside), test.baseline),
        "calibration_error": found[0].metrics["calibration_error"],
        "apart": found[0].metrics["calibrated_on"]["patients_apart"],
    }


def main() -> None:
    """Make the cohort, train, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps what is done")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")
    parser.add_argument("--slides", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    study, planned = make_cohort(options.work, slides=options.slides, seed=0)
    folder = options.work / f"runs-{options.slides}-{options.steps}"
    folder.mkdir(exist_ok=True)
    runs = fits(study, planned, options.seeds)
    for number, fit in enumerate(runs, start=1):
        run(fit, study, folder, options.steps)
        print(f"\r{number} of {len(runs)} runs", end="", flush=True)
    print()
    found = {fit.name: dict(np.load(folder / f"{fit.name}.npz")) for fit in runs}
    text = report(found, planned, seeds=options.seeds, steps=options.steps)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
