"""Classes of cells on BRCA-M2C, through the product's own commands, on the listed images.

python benchmarks/cells_m2c.py FOLDER_OF_BREAST_CELLS_M2C --out benchmarks/results/cells_m2c.md

The listed validation images are the locked test. Training images of a patient who also has one of
those are left out, and every sixth of the other patients serves to calibrate. Reported is what the
locked test gave, once, after training.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from measure import machine
from numpy.typing import NDArray

CLASSES = {1: "nucleus_lymphocyte", 2: "nucleus_neoplastic", 3: "nucleus_stromal"}
"""Number in the label files → class of the breast ontology."""
RECIPE, SPLIT, AUTHOR = "breast-cell-classification", "official", "M2C"
ENCODER = "efficientnet-lite0"
"""What the recipe begins with; its weights come from a Python package."""
IMAGES = 90
"""All that the set's lists name."""
MPP_UM = 0.5
"""20×, as the set's description says; the images state no scale."""
CALIBRATION_PATIENTS = 6
"""One in so many of the training patients."""
T = TypeVar("T")


@dataclass(frozen=True)
class Listed:
    """One image of the set."""

    image: Path
    points: Path
    is_test: bool

    @property
    def patient(self) -> str:
        """TCGA's code of the patient, from the file's name."""
        return "-".join(self.image.stem.split("-")[:3])


@dataclass
class Clock:
    """What the steps cost, seconds of wall and of processor time."""

    steps: dict[str, tuple[float, float]]

    def time(self, name: str, work: Callable[[], T]) -> T:
        """Run a step."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.steps[name] = (time.perf_counter() - wall, time.process_time() - cpu)
        return result


def listed(folder: Path) -> list[Listed]:
    """The images of the set's own lists."""
    found = []
    for name, is_test in (("train", False), ("val", True)):
        for line in (folder / f"brca_ds_{name}.txt").read_text("utf8").split():
            points = folder / "labels" / f"{Path(line).stem}_gt_class_coords.txt"
            found.append(Listed(folder / "images" / line, points, is_test))
    return found


def enter_points(study: object, ids: list[str], images: list[Listed]) -> int:
    """Enter every point of the set into the journal, validated and signed off by one author."""
    import shapely

    from pathoai_annotations.annotation import Annotation, Origin
    from pathoai_annotations.journal.journal import Journal

    annotations = []
    for slide_id, image in zip(ids, images, strict=True):
        for number, (y, x, cell) in enumerate(np.loadtxt(image.points, ndmin=2)):
            identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{slide_id} {number}")
            point = shapely.Point(x + 0.5, y + 0.5)  # the middle of the pixel that was named
            label = CLASSES[int(cell)]
            annotations.append(Annotation(identity, slide_id, label, point, Origin.IMPORT, AUTHOR))
    with Journal.open(study) as journal:  # type: ignore[arg-type]
        journal.propose(annotations)
        journal.validate([a.id for a in annotations], author=AUTHOR)
        for slide_id in ids:
            journal.sign_off(slide_id, author=AUTHOR)
    return len(annotations)


def subsets_of(ids: list[str], images: list[Listed]) -> dict[str, str]:
    """Subset of each slide; patients of the test are left to ``--drop-linked``."""
    held = {image.patient for image in images if image.is_test}
    free = sorted({image.patient for image in images} - held)
    calibration = set(free[::CALIBRATION_PATIENTS])
    return {
        slide_id: "test"
        if image.is_test
        else "validation"
        if image.patient in calibration
        else "train"
        for slide_id, image in zip(ids, images, strict=True)
    }


def run_command(*words: str) -> None:
    """One of pathoai's commands, which must not fail."""
    from pathoai.cli.main import main as pathoai

    if pathoai(list(words)):
        raise SystemExit(f"pathoai {' '.join(words[:1])} failed")


def make_study(folder: Path, data: Path, clock: Clock) -> tuple[Path, int]:
    """A study with stores, points and the official split."""
    from pathoai.study.cohort import IncomingSlide
    from pathoai.study.study import Study

    path = folder / "study"
    run_command("init", str(path), "--ontology", "breast")
    study, images = Study(path), listed(data)
    slides = [IncomingSlide(i.image, patient=i.patient, mpp=MPP_UM) for i in images]
    ids = [row.slide_id for row in clock.time(f"enter {IMAGES} images", lambda: study.add(slides))]
    stores = ("tile", str(path), "--tissue", "whole", "--mpp", str(MPP_UM))
    clock.time("make stores", lambda: run_command(*stores, "--compression", "zstd"))
    points = clock.time("enter points", lambda: enter_points(study, ids, images))
    table = folder / "official.csv"
    rows = [f"{slide_id},{subset}" for slide_id, subset in subsets_of(ids, images).items()]
    table.write_text("\n".join(["slide_id,subset", *rows]) + "\n", "utf8")
    run_command("split", str(path), "--assign", str(table), "--drop-linked", "--name", SPLIT)
    return path, points


@dataclass(frozen=True)
class Found:
    """What the locked test gave, and what the calibration patients had given before."""

    confusion: NDArray[np.int64]
    patients: list[str]
    calibration_error: float
    on_calibration: float
    regions: dict[str, int]
    slides: Counter[str]


def look_at_test(path: Path) -> Found:
    """Open the test, on record, and predict its cells."""
    from pathoai.metrics.calibration_error import (
        expected_calibration_error,
        reliability_counts,
    )
    from pathoai.models.bundle import load_bundle
    from pathoai.study.study import Study
    from pathoai_training.evaluation.evaluate import evaluate
    from pathoai_training.report.predictions import SlidePredictions
    from pathoai_training.splits.written_split import read_split

    study = Study(path)
    said = evaluate(study, RECIPE, device="cpu").predictions
    assert isinstance(said, SlidePredictions)  # cells are items, as slides are
    bundle = load_bundle(study.model_path(RECIPE))
    reliability = reliability_counts(said.probabilities, said.truth)
    return Found(
        said.confusion,
        list(said.slides.patient_ids),
        float(expected_calibration_error(reliability)[0]),
        bundle.training["metrics"]["balanced_accuracy"],
        {**bundle.training["split"]["regions"], "test": len(said.truth)},
        Counter(read_split(study, SPLIT).subset_of_slide().values()),
    )


def report(found: Found, points: int, clock: Clock) -> str:
    """The whole report, in Markdown."""
    used = {name: found.slides[name] for name in ("train", "validation", "test")}
    dropped = IMAGES - sum(used.values())
    lines = [
        "# Classes of cells on BRCA-M2C",
        "",
        f"`python benchmarks/cells_m2c.py FOLDER`: the shipped recipe `{RECIPE}`, on the listed "
        "validation images, which were locked until training had ended. Intervals: 95 %, "
        f"{len(set(found.patients))} patients resampled.",
        "",
        *measures(found),
        "",
        "Floor set beforehand: balanced accuracy 0.75 (a network of three layers reaches 0.73). "
        f"Calibration patients, seen before the test was opened: {found.on_calibration:.3f}.",
        "",
        *confusion_table(found),
        "",
        f"Images: {used}; {dropped} training images left out because their patient "
        f"is in the test. Cells: {found.regions}. Points entered: {points}.",
        "",
        *step_table(clock),
        "",
        machine(("torch", "pytorch-lightning", "pathoai")) + "; times depend on its load.",
        "",
    ]
    return "\n".join(lines)


def measures(found: Found) -> list[str]:
    """The table of what was reached, each number with its interval and a constant's."""
    from pathoai.metrics.agreement import accuracy, balanced_accuracy, recall
    from pathoai.metrics.patient_bootstrap import PatientBootstrap

    bootstrap = PatientBootstrap(found.patients)
    prevalence = found.confusion.sum((0, 2)) / len(found.confusion)
    rows = [
        ("balanced accuracy", balanced_accuracy, f"{1 / len(CLASSES):.3f}"),
        ("accuracy", accuracy, f"{prevalence.max():.3f}"),
    ]
    rows += [
        (f"recall of {name}", lambda c, k=k: recall(c)[..., k], "0 or 1")
        for k, name in enumerate(CLASSES.values())
    ]
    lines = ["| of the test | found | 95 % interval | best constant class |", "|---|---|---|---|"]
    for name, statistic, constant in rows:
        of = bootstrap.of_sums(found.confusion, statistic)
        interval = f"{float(of.low):.3f} to {float(of.high):.3f}"
        lines.append(f"| {name} | {float(of.estimate):.3f} | {interval} | {constant} |")
    return [*lines, f"| expected calibration error | {found.calibration_error:.3f} | | |"]


def confusion_table(found: Found) -> list[str]:
    """What each class was taken for."""
    lines = ["| truth \\ decision | " + " | ".join(CLASSES.values()) + " |", "|---|---|---|---|"]
    rows = zip(CLASSES.values(), found.confusion.sum(0).tolist(), strict=True)
    return lines + [f"| {name} | " + " | ".join(map(str, row)) + " |" for name, row in rows]


def step_table(clock: Clock) -> list[str]:
    """What each step cost."""
    lines = ["| step | wall s | CPU s |", "|---|---|---|"]
    steps = clock.steps.items()
    return lines + [f"| {name} | {wall:.1f} | {cpu:.1f} |" for name, (wall, cpu) in steps]


def main() -> None:
    """Make the study, train, look at the test, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of BRCA-M2C")
    parser.add_argument("--out", type=Path, required=True, help="the report to write")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    clock = Clock({})
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PATHOAI_VAULT"] = str(Path(folder) / "vault")
        os.environ["PATHOAI_ENCODERS"] = str(Path(folder) / "encoders")
        run_command("encoders", "register", ENCODER)
        study, points = make_study(Path(folder), options.data, clock)
        words = ["train", str(study), "--recipe", RECIPE, "--split", SPLIT, "--device", "cpu"]
        words += [word for pair in options.set for word in ("--set", pair)]
        clock.time("train", lambda: run_command(*words))
        found = clock.time("look at the test", lambda: look_at_test(study))
    text = report(found, points, clock)
    options.out.write_text(text, "utf8")
    print(text)


if __name__ == "__main__":
    main()
