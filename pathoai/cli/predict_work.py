"""What a process needs to run a model over one slide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.models.runtimes import AUTO

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from torch import nn


@dataclass(frozen=True, slots=True)
class PredictWork:
    """One slide and a model; the study's path must be valid where it runs.

    Args:
        study: The study folder.
        slide_id: The slide.
        model: Name of the bundle.
        device: Where the network computes, by name.
        batch_size: Tiles per batch.
        ensemble: Names of the bundles averaged with it.
        tta: Averages over the symmetries of each tile.
        precision: In which a network computes that names pixels, by name.
        regions: Where regions come from; what the bundle states where empty.
        runtime: What runs the network, by name.
    """

    study: Path
    slide_id: str
    model: str
    device: str
    batch_size: int
    ensemble: tuple[str, ...] = ()
    tta: bool = False
    precision: str = "auto"
    regions: str = ""
    runtime: str = AUTO


_MOST_NETWORKS = 16
"""Kept in memory between slides; a larger ensemble is read from disk again for each."""


@lru_cache(maxsize=_MOST_NETWORKS)
def network_of(folder: Path, identity: str, device: str, runtime: str) -> nn.Module:
    """The network of a bundle; kept between slides as long as the bundle is the same.

    Args:
        folder: Of the bundle.
        identity: Of the bundle, as it was just read.
        device: By name.
        runtime: By name; of models that are asked about pixels or regions.
    """
    import torch

    from pathoai.models.bundle import load_bundle
    from pathoai.models.load_runnable import load_runnable

    return load_runnable(folder, load_bundle(folder), torch.device(device), runtime)
