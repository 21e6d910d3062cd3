"""What a model's training slides looked like, so that an unusual slide can be told later."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pathoai.errors import NoTissueError
from pathoai.inference.slide_report import TILES
from pathoai.inference.stain_shift import STAIN
from pathoai.models.bundle import Normalisation
from pathoai.models.pooled_features import pooled_features
from pathoai.models.reference_statistics import LEAST_VECTORS, ReferenceStatistics
from pathoai.preprocess.stain.stain_vector import STAIN_NOISE, stain_vector_of_store
from pathoai.store.slide_store import SlideStore
from pathoai_training.data.data_module import StoreDataModule

_MOST_TILES = 1000


def reference_of(
    network: nn.Module, normalise: Normalisation, data: StoreDataModule
) -> dict[str, Any]:
    """Statistics of the training subset, ready for a bundle.

    Args:
        network: Trained.
        normalise: Of its input.
        data: Set up.

    Returns:
        ``stain``, one vector per training slide, and ``tiles``, features of up to 1,000 tiles; one
        of which too few can be had is left out.
    """
    slide, features = _tile_features(network, normalise, data)
    found = {
        STAIN: (_stain_vectors(data), None, STAIN_NOISE),
        TILES: (features, slide, 0.0),
    }
    return {
        key: ReferenceStatistics.of(vectors, groups, noise=noise).to_dict()
        for key, (vectors, groups, noise) in found.items()
        if len(vectors) >= LEAST_VECTORS
    }


def _stain_vectors(data: StoreDataModule) -> NDArray[np.float64]:
    vectors = []
    for slide in np.unique(data.tiles["train"].slide).tolist():
        try:
            vectors.append(stain_vector_of_store(SlideStore(data.slides[slide].source.path)))
        except NoTissueError:
            continue  # a slide almost without stain cannot say what stain is usual
    return np.array(vectors)


def _tile_features(
    network: nn.Module, normalise: Normalisation, data: StoreDataModule
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Slide and features of training tiles as they are, without augmentation."""
    dataset, device = data.dataset("train"), next(network.parameters()).device
    order = np.random.default_rng(data.seed).permutation(len(dataset))
    chosen = np.sort(order[:_MOST_TILES])
    network.eval()
    parts = []
    for start in range(0, len(chosen), data.batch_size):
        images = dataset.images(chosen[start : start + data.batch_size].tolist()).to(device)
        with torch.no_grad():
            parts.append(pooled_features(network, normalise(images)).cpu().numpy())
    return data.tiles["train"].slide[chosen], np.concatenate(parts).astype(np.float64)
