"""A small model that finds dark squares on a light slide: its last layer is made for that."""

from __future__ import annotations

from pathlib import Path

import torch

from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, save_bundle
from pathoai.ontology import Ontology
from pathoai.tiling.spec import TileSpec

NAME = "squares"
_CERTAIN = 12.0
"""Logit of a pixel of either colour."""


def save_square_model(
    folder: Path,
    ontology: Ontology,
    *,
    dark: tuple[int, int, int],
    light: tuple[int, int, int],
    mpp: float = 1.0,
) -> ModelBundle:
    """Write the bundle; what is as dark as ``dark`` is called ``hsil``."""
    arguments = {"width": 4, "depth": 1}
    bundle = ModelBundle(
        folder.name,
        "unet",
        arguments,
        ontology.key,
        ontology.version,
        ("background", "hsil"),
        TileSpec(64, mpp, overlap_px=16),
        training={"recipe": "breast-tissue-segmentation"},
        licence="Apache-2.0",
        intended_use="Tests of the viewer.",
    )
    torch.manual_seed(1)
    network = build_network("unet", classes=2, arguments=arguments).eval()
    head = network.get_submodule("head")
    assert isinstance(head, torch.nn.Conv2d)
    assert head.bias is not None
    seen: list[torch.Tensor] = []
    hook = head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    truth = _squares()
    tiles = torch.where(truth[:, None], _flat(dark), _flat(light))
    with torch.no_grad():
        network(bundle.normalisation(tiles))
        hook.remove()
        features = seen[0].permute(0, 2, 3, 1).flatten(0, 2).double()
        columns = torch.cat([features, torch.ones(len(features), 1)], dim=1)
        wanted = torch.where(truth.flatten(), _CERTAIN, -_CERTAIN).double()
        # Ridge: a network of random weights has features that say the same.
        gram = columns.T @ columns + 1e-3 * torch.eye(columns.shape[1])
        weight = torch.linalg.solve(gram, columns.T @ wanted).float()
        head.weight.zero_()
        head.bias.zero_()
        head.weight[1, :, 0, 0], head.bias[1] = weight[:-1], weight[-1]
    return save_bundle(folder, bundle, network)


def _squares() -> torch.Tensor:
    """Where tiles are dark, ``(N, 64, 64)``: squares of several sizes at several places."""
    tiles = torch.zeros((12, 64, 64), dtype=torch.bool)
    for number, tile in enumerate(tiles):
        start = 3 * number
        tile[start : start + 20 + number, 5 + number : 60 - 2 * number] = True
    tiles[-1], tiles[-2] = True, False
    return tiles


def _flat(colour: tuple[int, int, int]) -> torch.Tensor:
    return torch.tensor(colour, dtype=torch.uint8).view(1, 3, 1, 1)
