"""Evaluating instance segmentation: objects matched tile by tile, summed by slide."""

from __future__ import annotations

import numpy as np

from pathoai.progress import Advance
from pathoai_training.data.tiles_dataset import TilesDataset
from pathoai_training.evaluation.judgement import Exam, Judgement, evaluated_slides
from pathoai_training.evaluation.worst_tiles import by_slide, outlined_png, worst_tiles
from pathoai_training.report.context import CaseRegion
from pathoai_training.report.predictions import InstanceCounts, counts_of


def judge_instances(exam: Exam, advance: Advance) -> Judgement:
    """Match the objects of a subset's tiles.

    Args:
        exam: Of a :class:`~pathoai_training.tasks.instance_segmentation.InstanceSegmentation`.
        advance: Told of tiles done and tiles in all.
    """
    dataset: TilesDataset = exam.data.dataset(exam.subset)
    advance(0, len(dataset))
    found = exam.model.examine(exam.data, exam.subset)
    advance(len(dataset), len(dataset))
    counts = found.counts
    table = np.stack([counts.matched, counts.spurious, counts.missed, counts.overlap], axis=-1)
    tiles = dataset.tiles
    shown = np.unique(tiles.slide).tolist()
    predictions = InstanceCounts(
        evaluated_slides(exam.cohort, [exam.data.slides[place].slide_id for place in shown]),
        exam.bundle.classes[1:],
        counts_of(by_slide(table, tiles, shown)),
    )
    wrong = table[:, 0, 1] + table[:, 0, 2]
    cases = tuple(
        _case(exam, dataset, index, table[index, 0]) for index in worst_tiles(wrong, tiles)
    )
    return Judgement(predictions, cases, tiles=len(dataset))


def _case(exam: Exam, dataset: TilesDataset, index: int, counts: np.ndarray) -> CaseRegion:
    image, _, _, numbers = dataset[index]
    _, spurious, missed, _ = counts.astype(int).tolist()
    return CaseRegion(
        exam.data.slides[int(dataset.tiles.slide[index])].slide_id,
        dataset.region(index),
        f"{missed} objects missed, {spurious} spurious; outlines: truth blue",
        outlined_png(image.numpy(), numbers.numpy(), np.zeros(numbers.shape, np.uint8)),
    )
