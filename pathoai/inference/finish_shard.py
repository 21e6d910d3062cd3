"""From a shard's blended outputs to what the store keeps of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.inference.predictor import Predictor
from pathoai.inference.tile_plan import Block
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.label_writer import LabelWriter
from pathoai.store.shards import Shard, ShardWriter

_BAND_ROWS = 256
"""Rows that are quantised at once: what lies between needs little memory."""


@dataclass(frozen=True, eq=False)
class BlendedShard:
    """What was blended of a shard and its margin.

    Args:
        shard: Row and column.
        outputs: ``(C, H, W)`` float32, of the shard and its margin, on the device.
        seen: ``(H, W)`` bool, where a tile was, likewise.
        inner: Rows and columns of the shard in these.
    """

    shard: Shard
    outputs: torch.Tensor
    seen: torch.Tensor
    inner: Block


def finish_shard(predictor: Predictor, writer: LabelWriter, blended: BlendedShard) -> None:
    """Name the class of each pixel of a shard, and write all its planes.

    Args:
        predictor: Whose outputs they are.
        writer: Of the label; the shard counts as done once its class map is written.
        blended: The outputs.
    """
    bundle, inner = predictor.bundle, blended.inner
    outputs, seen = blended.outputs[:, *inner], blended.seen[inner].cpu().numpy()
    if predictor.tells_objects_apart:
        found = predictor.winners(blended.outputs.cpu().numpy(), bundle.spec.mpp)[inner]
    else:
        # Ten times as fast on a CPU as argmax, which says the same.
        found = _banded(lambda part: part[: len(bundle.classes)].max(0).indices, outputs)
    named = np.array(bundle.class_indices(predictor.ontology), np.uint8)[found]
    probability = _banded(lambda part: _quantised(part[1 : len(bundle.classes)]), outputs)
    uncertainty = _banded(lambda part: _quantised(predictor.uncertainty(part)), outputs)
    pixels = (
        np.where(seen, uncertainty, np.uint8(0)),
        probability,
        np.where(seen, named, np.uint8(NOT_ASSESSED)),
    )
    for plane, values in zip(planes_of(writer), pixels, strict=True):
        plane.write(blended.shard, values)


def write_nothing(writer: LabelWriter, shard: Shard) -> None:
    """Note as done a shard on which there is no tile."""
    for plane in planes_of(writer):
        plane.write_chunks(shard, ())


def planes_of(writer: LabelWriter) -> tuple[ShardWriter, ...]:
    """What is written of each shard, in that order; it is done with all of them."""
    return writer.uncertainty, writer.probability, writer.class_map


def _quantised(values: torch.Tensor) -> torch.Tensor:
    """255 for 1."""
    return torch.round(values * 255)


def _banded(
    work: Callable[[torch.Tensor], torch.Tensor], outputs: torch.Tensor
) -> NDArray[np.uint8]:
    """What the device makes of outputs ``(C, H, W)``, ``(…, H, W)`` of whole numbers."""
    bands = [work(band).to(torch.uint8) for band in outputs.split(_BAND_ROWS, dim=1)]
    return torch.cat(bands, dim=-2).cpu().numpy()
