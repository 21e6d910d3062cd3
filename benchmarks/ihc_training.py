"""What labels from restained slides teach: with the trust mask, without it, and the truth.

    OMP_NUM_THREADS=1 python benchmarks/ihc_training.py --out benchmarks/results/ihc_training.md

Generated H&E slides and twins restained for cytokeratin (AE1/AE3) that lost a part at one side and
got tears and folds when they were washed. The twins are registered, labelled, and three networks
learn by ``pathoai train``, alike but for the label: the one that says where it is not known, the
same stain taken at its word everywhere, and the painted truth. All are scored on H&E slides of
other patients that no network has seen, against the truth.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.cli.main import run_words
from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.recipe import load_recipe
from pathoai.ihc.write_labels import label_marker, label_unmasked
from pathoai.ontology import NOT_ASSESSED
from pathoai.preprocess.slide_source import SlideSource
from pathoai.preprocess.tile_slide import tile_slide
from pathoai.preprocess.tiling_settings import TilingSettings
from pathoai.registration.saved_registration import Registration
from pathoai.slide.open_slide import open_slide
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.slide_store import SlideStore
from pathoai.study.cohort import Cohort, CohortRow
from pathoai.study.study import Study
from pathoai.testing.generated_slide import SlideRecipe, generate_slide
from pathoai.testing.ihc_twin import TwinTruth, generate_ihc_twin
from pathoai.testing.true_registration import true_registration
from pathoai.tiling.spec import TileSpec

_CPU = torch.device("cpu")
_MARKER = "AE1AE3"
_MPP = 0.5
_DAMAGES = 1
_TRUTH = "annotation/truth"
LABELS = {
    "with the trust mask": f"ihc/{_MARKER}",
    "without it": f"ihc/{_MARKER}.unmasked",
    "the truth": _TRUTH,
}
_RECIPE = "breast-tissue-segmentation"
_SETTINGS = (
    "classes=[epithelial_cell]",
    "model.arguments={width: 8, depth: 3}",
    "model.learning_rate=0.01",
    "data.spec={size_px: 128, mpp: 1.0, overlap_px: 32, min_tissue_fraction: 0.25}",
    "data.train_stride_px=32",
    "data.guard_px=48",
    "data.batch_size=8",
    "data.augmentation={dihedral: true, stain_scale: 0.15, stain_shift: 0.03}",
)


@dataclass(frozen=True)
class Plan:
    """How much is made, and learnt for how long.

    Args:
        slides: To learn from.
        held: To be scored on.
        side: Of the slides, pixels of 0.5 µm.
        steps: Of each training.
        found: The twins are registered as a user's are; else their true transform is taken, and
            believed everywhere.
    """

    slides: int
    held: int
    side: int
    steps: int
    found: bool


@dataclass(frozen=True)
class Taught:
    """What a label says of the slides that are learnt from.

    Args:
        known: Share of the tissue that it says anything of.
        wrong: Share of that which is wrong.
        missed: Share of the positive truth that it calls negative.
    """

    known: float
    wrong: float
    missed: float


def code(number: int, *, twin: bool = False) -> str:
    """The code of a slide."""
    return f"{'B' if twin else 'A'}{number:015d}"


def made_study(folder: Path, plan: Plan) -> tuple[Study, dict[str, TwinTruth]]:
    """A study of all slides, tiled; the first of them with their twins."""
    study = Study.create(folder / "study", ontology="breast")
    rows, truths = [], {}
    for number in range(plan.slides + plan.held):
        slide_id, patient = code(number), f"P{number:015d}"
        learnt = number < plan.slides
        pair = f"section-{number}" if learnt else ""
        rows.append(CohortRow(slide_id, patient, pair=pair))
        slide = folder / "slide.svs"
        made = generate_slide(slide, SlideRecipe(plan.side, plan.side, mpp=_MPP, seed=100 + number))
        _tile(slide, study.store_path(slide_id), slide_id, "h-and-e")
        twin = generate_ihc_twin(
            slide,
            made,
            marker=_MARKER,
            seed=number,
            rotation_degrees=3.0 + number,
            partial=0.25,
            tears=_DAMAGES,
            folds=_DAMAGES,
        )
        truths[slide_id] = twin
        if learnt:
            twin_id = code(number, twin=True)
            rows.append(CohortRow(twin_id, patient, stain="IHC", pair=pair, marker=_MARKER))
            _tile(slide, study.store_path(twin_id), twin_id, "ihc")
        slide.unlink()
    Cohort(rows).write(study.path / "cohort.csv")
    return study, truths


def _tile(slide: Path, store: Path, slide_id: str, tissue: str) -> None:
    spec = TileSpec(size_px=128, mpp=_MPP)
    settings = TilingSettings(spec, mpp=_MPP, compression="blosc-zstd", tissue_method=tissue)
    tile_slide(SlideSource(lambda: open_slide(slide, slide_id=slide_id), slide), store, settings)


def true_values(study: Study, truth: TwinTruth, store: SlideStore) -> NDArray[np.uint8]:
    """The painted truth on the pixels of a store: class, 0, or 255 outside tissue."""
    size = store.grid().size_px
    mask = truth.positive_mask(0, 0, size.width, size.height)
    index = study.ontology[load_recipe(_MARKER).class_key].index
    rows, columns = slice(0, size.height), slice(0, size.width)
    tissue = store.tissue.on_grid(store.grid(), rows, columns)
    values = np.where(mask, np.uint8(index), np.uint8(0))
    return np.where(tissue, values, np.uint8(NOT_ASSESSED))


def write_labels(study: Study, truths: dict[str, TwinTruth], plan: Plan) -> dict[str, Taught]:
    """Write the three labels of each slide to learn from, and say how far they are the truth."""
    recipe, sums = load_recipe(_MARKER), {name: np.zeros(5) for name in LABELS}
    for number in range(plan.slides):
        slide_id = code(number)
        fixed = SlideStore(study.store_path(slide_id))
        moving = SlideStore(study.store_path(code(number, twin=True)))
        registration = _registration(fixed, moving, truths[slide_id], plan)
        pair = MarkedPair.seen(fixed, moving, registration, recipe, study.ontology)
        label_marker(pair, device=_CPU)
        label_unmasked(pair, device=_CPU)
        true = true_values(study, truths[slide_id], fixed)
        own = (study.ontology[recipe.class_key],)
        writer = LabelWriter(
            fixed.path, fixed.header, LabelRecipe(_TRUTH, own, {"origin": "truth"})
        )
        for shard in writer.class_map.shards:
            writer.class_map.write(shard, true[writer.class_map.slices(shard)])
        writer.finish()
        for name, label in LABELS.items():
            sums[name] += _compared(fixed.label(label).read_all(), true)
    return {
        name: Taught(known / tissue, wrong / known, missed / positive)
        for name, (tissue, known, wrong, missed, positive) in sums.items()
    }


def _compared(values: NDArray[np.uint8], true: NDArray[np.uint8]) -> NDArray[np.float64]:
    tissue = true != NOT_ASSESSED
    known = tissue & (values != NOT_ASSESSED)
    missed = known & (true > 0) & (values == 0)
    parts = (tissue, known, known & (values != true), missed, tissue & (true > 0))
    return np.array([int(part.sum()) for part in parts], np.float64)


def _registration(
    fixed: SlideStore, moving: SlideStore, truth: TwinTruth, plan: Plan
) -> Registration:
    if not plan.found:
        return true_registration(fixed, moving, truth)
    from pathoai.registration.register_pair import register_pair

    return register_pair(fixed, moving, device=_CPU)


def trained_dice(
    study: Study, truths: dict[str, TwinTruth], plan: Plan, name: str, seed: int
) -> float:
    """Train on one label, predict the held slides, and score all their tissue together."""
    model = f"{'-'.join(name.split())}-{seed}"
    settings = [*_SETTINGS, f"seed={seed}"]
    settings.append(f"trainer={{max_steps: {plan.steps}, steps_per_epoch: {plan.steps // 4}}}")
    words = [word for value in settings for word in ("--set", value)]
    held = [code(number) for number in range(plan.slides, plan.slides + plan.held)]
    place = str(study.path)
    label = ["--name", model, "--label", LABELS[name], "--device", "cpu"]
    run_words(["train", place, "--recipe", _RECIPE, *label, *words])
    run_words(["predict", place, "--model", model, "--slides", *held, "--device", "cpu"])
    both = either = 0
    for slide_id in held:
        store = SlideStore(study.store_path(slide_id))
        label = store.label(f"prediction/{model}")
        factor = round(label.factors[0])
        found = label.read_all().repeat(factor, axis=0).repeat(factor, axis=1) > 0
        true = true_values(study, truths[slide_id], store)
        height, width = (min(a, b) for a, b in zip(found.shape, true.shape, strict=True))
        found, true = found[:height, :width], true[:height, :width]
        tissue = true != NOT_ASSESSED
        both += int((found & (true > 0) & tissue).sum())
        either += int((found & tissue).sum() + ((true > 0) & tissue).sum())
    return 2 * both / max(1, either)


def report(
    plan: Plan, taught: dict[str, Taught], dice: dict[str, list[float]], seconds: float
) -> str:
    """The table."""
    how = "registered by `register_pair`" if plan.found else "laid by their true transform"
    lines = [
        "# What labels from restained slides teach",
        "",
        f"{plan.slides} generated H&E slides of {plan.side} px at {_MPP} µm and their twins "
        f"({_MARKER}), {how}; a quarter of each twin is off its scan, with a tear and a "
        f"fold. {plan.held} held-out slides of other patients. {plan.steps} steps each, the same "
        f"networks, tiles and seeds ({len(next(iter(dice.values())))} runs); {seconds / 60:.0f} "
        "minutes in all.",
        "",
        "| learnt from | of the tissue it tells | of that wrong | of the positive missed | Dice on "
        "held-out H&E, mean | each run |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in dice.items():
        label = taught[name]
        each = ", ".join(f"{value:.3f}" for value in found)
        lines.append(
            f"| {name} | {label.known:.1%} | {label.wrong:.2%} | {label.missed:.1%} | "
            f"**{statistics.mean(found):.3f}** | {each} |"
        )
    lines += [
        "",
        f"Recipe `{_RECIPE}` with:",
        "",
        *(f"    {setting}" for setting in _SETTINGS),
        "",
        "What is missed counts among what the label tells: where it says that it does not know, it "
        "misses nothing.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make slides and labels, train, score, write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    parser.add_argument("--slides", type=int, default=4, help="to learn from")
    parser.add_argument("--held", type=int, default=2, help="to be scored on")
    parser.add_argument("--side", type=int, default=3072, help="of a slide, pixels of 0.5 µm")
    parser.add_argument("--steps", type=int, default=160, help="of each training")
    parser.add_argument("--seeds", type=int, default=2, help="trainings on each label")
    parser.add_argument(
        "--true-transform", action="store_true", help="do not register, take the truth"
    )
    options = parser.parse_args()
    plan = Plan(
        options.slides, options.held, options.side, options.steps, not options.true_transform
    )
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PATHOAI_VAULT"] = str(Path(folder) / "vault")
        study, truths = made_study(Path(folder), plan)
        taught = write_labels(study, truths, plan)
        dice: dict[str, list[float]] = {name: [] for name in LABELS}
        for seed in range(options.seeds):
            for name, values in dice.items():
                values.append(trained_dice(study, truths, plan, name, seed))
                print(f"{name}, run {seed + 1}: Dice {values[-1]:.3f}", flush=True)
    text = report(plan, taught, dice, time.monotonic() - begun)
    print(text)
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
