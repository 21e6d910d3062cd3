"""What a trained network says of regions that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from pathoai.models.turns import mean_over_turns
from pathoai_training.data.regions_dataset import RegionsDataset


@dataclass(frozen=True, slots=True)
class RegionExamination:
    """Regions of a subset, in the order of the data.

    Args:
        logits: ``(N, C)`` float32.
        target: ``(N,)`` int64, the true classes.
        slide_ids: ``(N,)`` text, codes of their slides.
    """

    logits: torch.Tensor
    target: torch.Tensor
    slide_ids: NDArray[np.str_]


def examine_regions(
    model: nn.Module,
    dataset: RegionsDataset,
    slide_ids: NDArray[np.str_],
    *,
    batch_size: int,
    turns: int = 1,
) -> RegionExamination:
    """Predict every region in one process, so that none counts twice.

    Args:
        model: Maps views ``(N, V, 3, S, S)`` uint8 to logits ``(N, C)``; set to evaluation.
        dataset: The regions.
        slide_ids: Codes of the slides that the regions count.
        batch_size: Regions at once.
        turns: How many of the eight turns and mirror images are averaged, as logits.
    """
    device = next(model.parameters()).device
    logits, target = [], []
    model.eval()
    with torch.no_grad():
        for views, classes in DataLoader(
            dataset, batch_size=batch_size, generator=torch.Generator()
        ):
            logits.append(mean_over_turns(model, views.to(device), turns).cpu())
            target.append(classes)
    of_region = slide_ids[dataset.regions.tiles.slide]
    return RegionExamination(torch.cat(logits), torch.cat(target), of_region)
