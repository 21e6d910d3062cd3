"""What a process needs to run a model over one slide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pathoai.models.runtimes import AUTO

if TYPE_CHECKING:  # torch is heavy, and needed only once the command runs
    from torch import nn

    from pathoai.inference.ensemble import Member
    from pathoai.study.slide_place import SlidePlace


@dataclass(frozen=True, slots=True)
class PredictWork:
    """One slide and a model; all paths must be valid where it runs.

    Args:
        place: Where the slide's store lies, and where what is said of it goes.
        model: Folder of the bundle.
        device: Where the network computes, by name.
        batch_size: Tiles per batch.
        ensemble: Folders of the bundles averaged with it.
        tta: Averages over the symmetries of each tile.
        precision: In which a network computes that names pixels, by name.
        regions: Where regions come from; what the bundle states where empty.
        runtime: What runs the network, by name.
    """

    place: SlidePlace
    model: Path
    device: str
    batch_size: int
    ensemble: tuple[Path, ...] = ()
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


def members_of(work: PredictWork, device: str, runtime: str) -> list[Member]:
    """All models that are asked about pixels or regions; the first is the one that was named.

    Args:
        work: Names them.
        device: Where they compute, by name.
        runtime: By name.
    """
    from pathoai.inference.ensemble import Member
    from pathoai.models.bundle import load_bundle

    bundles = [(folder, load_bundle(folder)) for folder in (work.model, *work.ensemble)]
    return [
        Member(bundle, network_of(folder, bundle.identity, device, runtime))
        for folder, bundle in bundles
    ]
