"""A bundle whose network costs next to nothing: what else predicting costs is then seen alone.

It says where a slide is dark over some 16 µm, so that its class map has regions of a real model's
sizes. Its architecture is announced as a package's would be, by a folder on the path of Python.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from blobs import POOL_PX, Blobs
from made_bundle import tiles_of
from torch.nn import functional

from pathoai.models.bundle import ModelBundle, save_bundle
from pathoai.ontology import load_ontology
from pathoai.tiling.spec import TileSpec

NAME = "blobs"
_TILES, _STEEP = 16, 6.0


def announce(folder: Path) -> None:
    """Make a folder that, on the path of Python, offers the architecture to pathoai."""
    about = folder / "blobs-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: blobs\nVersion: 1\n", "ascii")
    (about / "entry_points.txt").write_text(
        f"[pathoai.architectures]\n{NAME} = {Blobs.__module__}:{Blobs.__name__}\n", "ascii"
    )


def make_blobs(slide: Path, folder: Path, spec: TileSpec) -> None:
    """Save the bundle in ``folder/NAME``.

    Args:
        slide: Half of its tissue, or so, will be one class.
        folder: Where it goes.
        spec: Of the bundle's tiles.
    """
    ontology = load_ontology("breast")
    bundle = ModelBundle(
        NAME,
        NAME,
        {},
        ontology.key,
        ontology.version,
        ("background", "invasive", "stroma"),
        spec,
    )
    network = Blobs(classes=3).eval()
    tiles = torch.from_numpy(tiles_of(slide, _TILES, 2 * spec.size_px))
    red = functional.avg_pool2d(bundle.normalisation(tiles)[:, :1], POOL_PX).numpy()
    low, high = np.quantile(red, [0.3, 0.6]).tolist()
    weight = torch.zeros(3, 3, 1, 1)
    weight[1, 0], weight[2, 0] = -_STEEP, -2 * _STEEP
    network.load_state_dict(
        {
            "head.weight": weight,
            "head.bias": torch.tensor([0, _STEEP * high, _STEEP * (high + low)]),
        }
    )
    save_bundle(folder / NAME, bundle, network)
