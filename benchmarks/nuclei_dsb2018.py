"""Nuclei of real H&E-like images by 5-fold cross-validation, through the product's own commands.

python benchmarks/nuclei_dsb2018.py nuclei_dsb2018_colour --out results/nuclei_dsb2018.md

The images enter a study, their true outlines the journal; they are tiled, labelled, split, trained
on and predicted as any user's slides. What is scored are the objects of ``pathoai predict`` on
whole images that the fold's training did not see. Settings are fixed: see the report for what
they were chosen on; a fold's network is its last. A killed run goes on after its last whole fold.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from importlib import metadata
from pathlib import Path

import numpy as np
import shapely
import tifffile
import torch
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage
from shapely.geometry import shape

from pathoai.cli.main import run_words
from pathoai.metrics.panoptic import count_objects
from pathoai.metrics.patient_bootstrap import Interval, PatientBootstrap
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import IncomingSlide
from pathoai.study.study import Study
from pathoai_annotations.annotation import Annotation, Origin, deterministic_id
from pathoai_annotations.journal.journal import Journal

_MPP = 0.5
_FOLDS = 5
_AUTHOR = "dsb2018"
_SETTINGS = (
    "classes=[nucleus]",
    "model.architecture=fine-unet",
    "model.arguments={encoder: tf_efficientnet_lite0, depth: 4, width: 24}",
    "model.pretrained=efficientnet-lite0",
    "model.learning_rate=0.003",
    "data.spec={size_px: 128, mpp: 0.5, overlap_px: 64, min_tissue_fraction: 0.5}",
    "data.train_stride_px=32",
    "data.batch_size=8",
    "trainer.ema_decay=0.99",
    "data.augmentation={dihedral: true, stain_scale: 0.25, stain_shift: 0.06}",
)


@dataclass(frozen=True)
class Score:
    """Of one image: sums that make Dice and F1.

    Args:
        both: Pixels that are nucleus and were found.
        either: Nucleus pixels plus found pixels.
        matched: Nuclei found with an intersection over union above one half.
        objects: Nuclei plus found objects.
        overlap: Sum of the pairs' intersections over unions.
    """

    both: float
    either: float
    matched: float
    objects: float
    overlap: float


def images(data: Path) -> dict[str, Path]:
    """Name → picture."""
    return {path.stem: path for path in sorted(data.glob("*.png"))}


def truth(picture: Path) -> NDArray[np.int64]:
    """Numbers of the true nuclei, ``(H, W)``."""
    return np.asarray(tifffile.imread(picture.with_name(f"{picture.stem}_labels.tif")), np.int64)


def run(*words: object) -> None:
    """A command as a user gives it."""
    run_words([str(word) for word in words])


def made_study(folder: Path, data: Path) -> tuple[Study, dict[str, Path]]:
    """The images as slides, tiled without loss, and their outlines as a label; done once."""
    if (folder / "splits" / "folds.json").exists():
        study = Study(folder)
        return study, {row.slide_id: study.source_of(row.slide_id) for row in study.cohort}
    run("init", folder, "--ontology", "breast")
    study, pictures = Study(folder), list(images(data).values())
    rows = study.add([IncomingSlide(p, patient=p.stem, mpp=_MPP) for p in pictures])
    of_slide = {row.slide_id: p for row, p in zip(rows, pictures, strict=True)}
    run("tile", folder, "--tissue", "whole", "--compression", "zstd", "--tile-size", 128)
    with Journal.open(study) as journal:
        for slide_id, picture in of_slide.items():
            journal.propose(outlines(slide_id, truth(picture)))
    run(
        *("label", folder, "--method", "annotations", "--author", _AUTHOR),
        *("--with-proposals", "--exhaustive"),
    )
    run(*("split", folder, "--by", "patient", "--folds", _FOLDS, "--test", 0, "--name", "folds"))
    return study, of_slide


def outlines(slide_id: str, numbers: NDArray[np.int64]) -> list[Annotation]:
    """Annotations of numbered objects, on pixel edges."""
    found = features.shapes(numbers.astype(np.int32), mask=numbers > 0, connectivity=4)
    return [
        Annotation(
            deterministic_id(slide_id, str(i)),
            slide_id,
            "nucleus",
            shapely.make_valid(shape(geometry)),
            Origin.IMPORT,
            _AUTHOR,
        )
        for i, (geometry, _) in enumerate(found)
    ]


def score(study: Study, slide_id: str, model: str, true: NDArray[np.int64]) -> Score:
    """Of one image's prediction."""
    label = SlideStore(study.store_path(slide_id)).label(f"prediction/{model}")
    nucleus = study.ontology["nucleus"].index
    mask = label.read_all() == nucleus
    found, _ = ndimage.label(mask, np.ones((3, 3)))
    counts = count_objects(true, found)
    matched, spurious, missed = (float(v) for v in (counts.matched, counts.spurious, counts.missed))
    return Score(
        float((mask & (true > 0)).sum()),
        float(mask.sum() + (true > 0).sum()),
        matched,
        2 * matched + spurious + missed,
        float(counts.overlap),
    )


def cross_validate(
    study: Study, of_slide: Mapping[str, Path], steps: int, folds: Sequence[int]
) -> tuple[list[Score], float]:
    """Scores of every image by the fold that did not see it, and seconds of CPU in training.

    A fold that was scored before with the same settings is not trained again.
    """
    scores, cpu_s = [], 0.0
    for fold in folds:
        kept = study.path.parent / f"fold-{fold}.json"
        wanted = {"settings": list(_SETTINGS), "steps": steps, "fold": fold}
        known = json.loads(kept.read_text("utf8")) if kept.exists() else {}
        if {key: known.get(key) for key in wanted} != wanted:
            known = wanted | one_fold(study, of_slide, steps, fold)
            kept.write_text(json.dumps(known), "utf8")
        scores += [Score(*values) for values in known["scores"]]
        cpu_s += known["cpu_s"]
        dice, f1, _ = figures(scores)
        print(f"fold {fold}: so far Dice {dice.estimate:.3f}, F1 {f1.estimate:.3f}", flush=True)
    return scores, cpu_s


def one_fold(
    study: Study, of_slide: Mapping[str, Path], steps: int, fold: int
) -> dict[str, object]:
    """Train on the other folds, predict this one: its images' scores, and seconds of CPU."""
    from pathoai_training.splits.written_split import read_split

    settings = [w for s in (*_SETTINGS, f"trainer.steps_per_epoch={steps}") for w in ("--set", s)]
    model, start = f"{_RECIPE}-fold-{fold}", time.process_time()
    run(
        *("train", study.path, "--recipe", _RECIPE, "--label", f"annotation/{_AUTHOR}"),
        *("--split", "folds", "--fold", fold, "--device", "cpu", "--max-steps", steps),
        *settings,
    )
    cpu_s = time.process_time() - start
    subsets = read_split(study, "folds").subset_of_slide(fold)
    held_out = [s for s, subset in subsets.items() if subset == "validation"]
    run("predict", study.path, "--model", model, "--device", "cpu", "--slides", *held_out)
    scores = [score(study, s, model, truth(of_slide[s])) for s in held_out]
    return {"cpu_s": cpu_s, "scores": [astuple(each) for each in scores]}


_RECIPE = "breast-nuclei-segmentation"


def figures(scores: Sequence[Score]) -> tuple[Interval, Interval, Interval]:
    """Dice, F1 and panoptic quality, pooled over images, with limits over resampled images."""
    table = np.array([[getattr(s, f.name) for f in fields(Score)] for s in scores])
    bootstrap = PatientBootstrap([str(i) for i in range(len(scores))])
    return (
        bootstrap.of_sums(table, lambda t: 2 * t[:, 0] / t[:, 1]),
        bootstrap.of_sums(table, lambda t: 2 * t[:, 2] / t[:, 3]),
        bootstrap.of_sums(table, lambda t: 2 * t[:, 4] / t[:, 3]),
    )


def report(scores: Sequence[Score], cpu_s: float, steps: int) -> str:
    """The table."""
    rows = zip(("Dice", "F1 at IoU 0.5", "panoptic quality"), figures(scores), strict=True)
    floors = {"Dice": "≥ 0.85", "F1 at IoU 0.5": "≥ 0.80"}
    lines = [
        "# Nuclei of real images, 5-fold cross-validation",
        "",
        f"{os.cpu_count()} cores, no GPU, Python {platform.python_version()}, torch "
        f"{torch.__version__}, timm {metadata.version('timm')}.",
        "",
        f"`python benchmarks/nuclei_dsb2018.py`: {len(scores)} images, each scored by the fold "
        f"that did not see it; {steps} steps per fold, {cpu_s / 60:.0f} CPU-minutes of training.",
        "Fine U-Net over EfficientNet-Lite0 (ImageNet), recipe `breast-nuclei-segmentation` with:",
        "",
        *(f"    {s}" for s in _SETTINGS),
        "",
        "| measure | value | 95 % interval (images resampled) | floor |",
        "|---|---|---|---|",
        *(
            f"| {name} | {i.estimate:.3f} | {i.low:.3f} to {i.high:.3f} | {floors.get(name, '–')} |"
            for name, i in rows
        ),
        "",
        "Thresholds of objects and the overlap of tiles were chosen on the first fold of two other",
        "divisions, and on images of their training. True maps give F1 0.97.",
        "Dice pools all pixels, F1 all nuclei. The data name no patients: images of one may lie in",
        "several folds. The scale of the images is not stated; 0.5 µm per pixel is assumed.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the study, cross-validate, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "pathoai-dsb2018"
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--folds", type=int, nargs="+", default=range(1, _FOLDS + 1))
    options = parser.parse_args()
    os.environ.update(
        PATHOAI_VAULT=str(options.work / "vault"), PATHOAI_ENCODERS=str(options.work / "encoders")
    )
    run("encoders", "register", "efficientnet-lite0")
    study, of_slide = made_study(options.work / "study", options.data)
    scores, cpu_s = cross_validate(study, of_slide, options.steps, list(options.folds))
    text = report(scores, cpu_s, options.steps)
    print(text)
    options.out.write_text(text, "utf8")


if __name__ == "__main__":
    main()
