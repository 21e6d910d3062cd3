"""Evaluating semantic segmentation: every pixel of every tile, counted by slide."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from pathoai.metrics.calibration_error import reliability_counts
from pathoai.ontology import NOT_ASSESSED
from pathoai.progress import Advance
from pathoai_training.data.tiles_dataset import TilesDataset
from pathoai_training.evaluation.judgement import Exam, Judgement, evaluated_slides
from pathoai_training.evaluation.worst_tiles import OUTLINES, by_slide, outlined_png, worst_tiles
from pathoai_training.metrics.dice import confusion_counts
from pathoai_training.report.context import CaseRegion
from pathoai_training.report.predictions import SegmentationCounts


def judge_segmentation(exam: Exam, advance: Advance) -> Judgement:
    """Predict a subset's tiles, blind to which slide they come from.

    Args:
        exam: Of a :class:`~pathoai_training.tasks.semantic_segmentation.SemanticSegmentation`.
        advance: Told of tiles done and tiles in all.
    """
    dataset: TilesDataset = exam.data.dataset(exam.subset)
    confusion, reliability = _counts(exam, dataset, advance)
    tiles = dataset.tiles
    shown = np.unique(tiles.slide).tolist()
    ids = [exam.data.slides[place].slide_id for place in shown]
    predictions = SegmentationCounts(
        evaluated_slides(exam.cohort, ids),
        exam.bundle.classes,
        by_slide(confusion, tiles, shown).astype(np.int64),
        by_slide(reliability, tiles, shown),
    )
    wrong = confusion.sum(axis=(1, 2)) - np.trace(confusion, axis1=1, axis2=2)
    cases = tuple(
        _case(exam, dataset, index, wrong[index] / confusion[index].sum())
        for index in worst_tiles(wrong, tiles)
    )
    return Judgement(predictions, cases, tiles=len(dataset))


def _counts(
    exam: Exam, dataset: TilesDataset, advance: Advance
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Confusion ``(N, C, C)`` and reliability ``(N, B, 3)`` of each tile."""
    classes = len(exam.bundle.classes)
    confusion, reliability = [], []
    loader = DataLoader(dataset, batch_size=exam.data.batch_size, generator=torch.Generator())
    with torch.no_grad():
        for images, targets in loader:
            for said, target in zip(_probabilities(exam, images), targets, strict=True):
                counts = confusion_counts(said.argmax(0), target, classes=classes)
                assessed = target != NOT_ASSESSED
                confusion.append(counts.numpy())
                known = said[:, assessed].T.numpy()
                reliability.append(reliability_counts(known, target[assessed].numpy())[0])
            advance(len(confusion), len(dataset))
    return np.stack(confusion), np.stack(reliability)


def _probabilities(exam: Exam, images: torch.Tensor) -> torch.Tensor:
    """Calibrated probabilities ``(N, C, H, W)``, on the CPU."""
    device = next(exam.model.parameters()).device
    return exam.bundle.calibration.probabilities(exam.model(images.to(device)).float()).cpu()


def _case(exam: Exam, dataset: TilesDataset, index: int, share: float) -> CaseRegion:
    """A tile, predicted once more: keeping the maps of all tiles would take too much memory."""
    image, target = dataset[index]
    with torch.no_grad():
        said = _probabilities(exam, image[None])[0].argmax(0)
    said = torch.where(target == NOT_ASSESSED, target.long(), said)
    return CaseRegion(
        exam.data.slides[int(dataset.tiles.slide[index])].slide_id,
        dataset.region(index),
        f"{share:.0%} of the pixels wrong; {OUTLINES}",
        outlined_png(image.numpy(), target.numpy(), said.numpy()),
    )
