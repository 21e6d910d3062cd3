"""What a trained network of instances does on tiles that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from pathoai.inference.instances import classes_of_instances, find_instances
from pathoai.metrics.panoptic import (
    ObjectCounts,
    count_objects_by_class,
    stack_counts,
)
from pathoai.models.instance_maps import MAPS
from pathoai.ontology import NOT_ASSESSED
from pathoai_training.data.instance_tiles_dataset import InstanceTilesDataset
from pathoai_training.tasks.segmentation_examination import PixelTally, SegmentationExamination


@dataclass(frozen=True, slots=True)
class InstanceExamination:
    """Pixels and objects of a subset.

    Args:
        pixels: As of a segmentation.
        counts: ``(tiles, 1 + classes)``: objects whatever their class, then of each class.
        slide: ``(N,)`` position of each tile's slide.
    """

    pixels: SegmentationExamination
    counts: ObjectCounts
    slide: NDArray[np.int32]

    @property
    def objects(self) -> ObjectCounts:
        """Sums over all tiles, ``(1 + classes,)``."""
        counts = self.counts
        return ObjectCounts(
            counts.matched.sum(0),
            counts.spurious.sum(0),
            counts.missed.sum(0),
            counts.overlap.sum(0),
        )

    def f1(self, channels: Sequence[str]) -> dict[str, float | None]:
        """F1 at an IoU of one half, per class; None where there is no object."""
        return _named(channels, self.objects.f1)

    def panoptic_quality(self, channels: Sequence[str]) -> dict[str, float | None]:
        """Panoptic quality per class, likewise."""
        return _named(channels, self.objects.panoptic_quality)


def _named(channels: Sequence[str], values: NDArray[np.float64]) -> dict[str, float | None]:
    names = ("any", *channels[1:])
    return {
        key: None if np.isnan(value) else round(float(value), 6)
        for key, value in zip(names, values, strict=True)
    }


def examine_instances(
    model: nn.Module, dataset: InstanceTilesDataset, *, classes: int, batch_size: int, seed: int
) -> InstanceExamination:
    """Predict every tile in one process, so that no tile counts twice.

    Args:
        model: Maps images ``(N, 3, H, W)`` uint8 to ``(N, C + 1, H, W)``; set to evaluation.
        dataset: The tiles.
        classes: Channels of classes, background included.
        batch_size: Tiles at once.
        seed: Of the sample of pixels.
    """
    device = next(model.parameters()).device
    tally = PixelTally(classes, tiles=len(dataset), seed=seed)
    counts: list[ObjectCounts] = []
    model.eval()
    with torch.no_grad():
        for batch in DataLoader(dataset, batch_size=batch_size, generator=torch.Generator()):
            images, target, _, numbers = batch
            outputs = model(images.to(device)).float().cpu()
            logits, maps = outputs[:, : -len(MAPS)], outputs[:, -len(MAPS) :].sigmoid()
            tally.add(logits, target)
            each = (logits.softmax(1), maps, target, numbers)
            counts += [
                count_objects_of_tile(*(part.numpy() for part in tile), mpp=dataset.spec.mpp)
                for tile in zip(*each, strict=True)
            ]
    return InstanceExamination(tally.examination(), stack_counts(counts), dataset.tiles.slide)


def count_objects_of_tile(
    probabilities: NDArray[np.float32],
    maps: NDArray[np.float32],
    target: NDArray[np.uint8],
    numbers: NDArray[np.int32],
    *,
    mpp: float,
) -> ObjectCounts:
    """Objects that are found in what a network says of a tile, beside the true ones.

    Args:
        probabilities: ``(C, H, W)`` float32 of the classes.
        maps: ``(2, H, W)`` float32.
        target: ``(H, W)`` uint8 channels or 255.
        numbers: ``(H, W)`` int32 of the true objects.
        mpp: Scale, µm per pixel.

    Returns:
        ``(1 + classes,)``: objects whatever their class, then of each class.
    """
    found = find_instances(1 - probabilities[0], maps, mpp=mpp)
    channel, _ = classes_of_instances(found, probabilities)
    true, true_channel = _true_objects(numbers, target)
    said_channel = np.concatenate([[0], channel]).astype(np.int64)
    return count_objects_by_class(
        true,
        found.astype(np.int64),
        (true_channel - 1, said_channel - 1),
        class_count=len(probabilities) - 1,
        assessed=target != NOT_ASSESSED,
    )


def _true_objects(
    numbers: NDArray[np.int32], target: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Consecutive numbers of the objects of the network's classes, and the channel of each."""
    shown = np.where((target > 0) & (target != NOT_ASSESSED), numbers, 0)
    # A pixel without an object is put in front, so that number 0 is always there.
    with_outside = np.concatenate([[0], shown.ravel()])
    _, first, which = np.unique(with_outside, return_index=True, return_inverse=True)
    channel = np.concatenate([[0], target.ravel()])[first].astype(np.int64)
    return which[1:].reshape(shown.shape), channel
