"""A U-Net for benchmarks: trained for a minute to tell where a slide's nuclei are dense.

Its answers are those of a network that sees: they change at the borders of tissue and, a little,
with what a tile shows around a pixel. Weights of chance would make seams, and outlines, of another
kind.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from pathoai.geometry import Size
from pathoai.models.architecture import build_network
from pathoai.models.bundle import ModelBundle, load_bundle, load_network, save_bundle
from pathoai.models.export_onnx import export_onnx
from pathoai.models.onnx_model import FILES, RECORD
from pathoai.models.probability_network import ProbabilityNetwork
from pathoai.models.runtimes import EXPORT
from pathoai.ontology import load_ontology
from pathoai.provenance import sha256_of_file
from pathoai.slide.open_slide import open_slide
from pathoai.tiling.spec import TileSpec

NAME = "dense-nuclei"
_SIDE_PX, _BATCH = 256, 2


def make_bundle(
    slide: Path,
    folder: Path,
    *,
    spec: TileSpec,
    width: int,
    depth: int,
    steps: int,
    device: str = "cpu",
) -> ModelBundle:
    """Train on a slide, and save the bundle in ``folder/NAME`` and the network as TorchScript.

    Args:
        slide: Whose pixels it learns from, at its own scale.
        folder: Where ``NAME`` and ``network.pt`` are written; the latter takes ``(N, 3, S, S)``
            uint8 and gives calibrated probabilities.
        spec: Of the bundle's tiles.
        width: Of the U-Net.
        depth: Of the U-Net.
        steps: Of training.
        device: Where it is trained.
    """
    ontology = load_ontology("breast")
    arguments = {"width": width, "depth": depth}
    bundle = ModelBundle(
        NAME,
        "unet",
        arguments,
        ontology.key,
        ontology.version,
        ("background", "normal_epithelium"),
        spec,
    )
    torch.manual_seed(0)
    network = build_network("unet", classes=2, arguments=arguments).to(device)
    _train(network, bundle, slide, steps)
    network.cpu()
    bundle = save_bundle(folder / NAME, bundle, network.eval())
    example = torch.zeros(1, 3, spec.size_px, spec.size_px, dtype=torch.uint8)
    with torch.inference_mode():
        whole = _Probabilities(bundle, network)
        torch.jit.trace(whole, example).save(str(folder / "network.pt"))
    return bundle


class _Probabilities(torch.nn.Module):
    """One tensor, as TorchScript and the peers want it."""

    def __init__(self, bundle: ModelBundle, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = ProbabilityNetwork(bundle, network)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.network(images)[0]
        return found


def tiles_of(slide: Path, count: int, side_px: int) -> NDArray[np.uint8]:
    """Tiles of chance from the middle half of a slide, ``(N, 3, S, S)`` uint8."""
    rng = np.random.default_rng(0)
    with open_slide(slide) as reader:
        size = reader.info.size
        places = rng.integers(
            (size.width // 4, size.height // 4),
            (3 * size.width // 4 - side_px, 3 * size.height // 4 - side_px),
            (count, 2),
        )
        tiles = [reader.read_region(x, y, 0, Size(side_px, side_px)) for x, y in places.tolist()]
    return np.ascontiguousarray(np.stack(tiles).transpose(0, 3, 1, 2))


def export_bundle(folder: Path) -> None:
    """Write a bundle's network as ONNX where ``pathoai predict`` looks for it.

    ``pathoai model export`` compares it with torch on held-out items besides, which a network that
    was trained on one slide does not have.
    """
    bundle = load_bundle(folder)
    place = folder / EXPORT
    place.mkdir()
    export_onnx(bundle, load_network(folder, bundle, torch.device("cpu")), place / FILES["float32"])
    about = {"precision": "float32", "sha256": sha256_of_file(place / FILES["float32"])}
    record = {"bundle_sha256": bundle.identity, "files": {FILES["float32"]: about}}
    (place / RECORD).write_text(json.dumps(record), "ascii")


def _train(network: torch.nn.Module, bundle: ModelBundle, slide: Path, steps: int) -> None:
    tiles = tiles_of(slide, _BATCH * min(steps, 64), _SIDE_PX)
    device = next(network.parameters()).device
    truth = torch.from_numpy(_dense(tiles)).to(device)
    images = torch.from_numpy(tiles).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    for step in range(steps):
        chosen = (torch.arange(_BATCH) + _BATCH * step) % len(tiles)
        logits = network.train()(bundle.normalisation(images[chosen]))
        loss = functional.cross_entropy(logits, truth[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _dense(tiles: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where red is absorbed more than on average, within some micrometres; ``(N, S, S)`` 0 or 1."""
    density = -np.log((tiles[:, 0].astype(np.float32) + 1) / 256)
    smooth = ndimage.gaussian_filter(density, (0, 8, 8))
    return (smooth > smooth.mean()).astype(np.int64)
