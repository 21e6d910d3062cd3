"""From a shard's blended outputs to what the store keeps of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.inference.object_planes import ObjectPlanes
from pathoai.inference.predictor import Predictor
from pathoai.inference.tile_plan import Block
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.label_levels import LabelLevels
from pathoai.store.label_writer import LabelWriter
from pathoai.store.shards import Shard, ShardWriter

_BAND_ROWS = 64
"""Rows that a CPU quantises at once: what lies between stays in its caches."""


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


def finish_shard(
    predictor: Predictor,
    writer: LabelWriter,
    blended: BlendedShard,
    objects: ObjectPlanes | None = None,
) -> list[NDArray[np.uint8]]:
    """Write the planes of a shard, and name the class of each pixel or keep what objects it shows.

    Args:
        predictor: Whose outputs they are.
        writer: Of the label.
        blended: The outputs.
        objects: Of the label, where the model tells them apart.

    Returns:
        What was written of the planes of :func:`levels_of`.
    """
    bundle, inner = predictor.bundle, blended.inner
    outputs, seen = blended.outputs[:, *inner], blended.seen[inner]

    def probability(part: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return _quantised(part[1 : len(bundle.classes)])

    def uncertainty(part: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        return _quantised(predictor.uncertainty(part)) * seen

    unsure = _banded(uncertainty, outputs, seen)
    writer.uncertainty.write(blended.shard, unsure)
    chances = _banded(probability, outputs, seen)
    writer.probability.write(blended.shard, chances)
    if objects:
        objects.keep(blended.shard, blended.outputs.cpu().numpy(), blended.seen.cpu().numpy())
        return [chances, unsure]
    indices = bundle.class_indices(predictor.ontology)
    values = torch.tensor(indices, dtype=torch.uint8, device=outputs.device)

    def named(part: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        # Ten times as fast on a CPU as argmax, which says the same.
        return values[part[: len(bundle.classes)].max(0).indices].where(seen, NOT_ASSESSED)

    class_map = _banded(named, outputs, seen)
    writer.class_map.write(blended.shard, class_map)
    return [chances, unsure, class_map]


def write_nothing(writer: LabelWriter, shard: Shard, objects: ObjectPlanes | None = None) -> None:
    """Note as done a shard on which there is no tile."""
    for plane in _planes_of(writer, objects):
        plane.write_chunks(shard, ())
    if objects:
        objects.keep_nothing(shard)


def is_finished(writer: LabelWriter, shard: Shard, objects: ObjectPlanes | None = None) -> bool:
    """True where nothing of a shard has to be computed."""
    kept = objects is None or objects.is_kept(shard)
    return kept and all(plane.is_done(shard) for plane in _planes_of(writer, objects))


def _planes_of(writer: LabelWriter, objects: ObjectPlanes | None) -> tuple[ShardWriter, ...]:
    """What is written of each shard at once, in that order."""
    planes = writer.uncertainty, writer.probability
    return planes if objects else (*planes, writer.class_map)


def levels_of(writer: LabelWriter, objects: ObjectPlanes | None) -> tuple[LabelLevels, ...]:
    """The coarser levels that grow with the shards; those of objects begin when all are known."""
    return writer.channel_levels if objects else (*writer.channel_levels, writer.class_levels)


def _quantised(values: torch.Tensor) -> torch.Tensor:
    """255 for 1."""
    return torch.round(values * 255)


def _banded(
    work: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    outputs: torch.Tensor,
    seen: torch.Tensor,
) -> NDArray[np.uint8]:
    """What the device makes of outputs ``(C, H, W)`` and of where tiles were ``(H, W)``.

    Returns:
        ``(…, H, W)``, of whole numbers up to 255.
    """
    rows = _BAND_ROWS if outputs.device.type == "cpu" else len(seen)
    bands = zip(outputs.split(rows, dim=1), seen.split(rows), strict=True)
    return torch.cat([work(*band).to(torch.uint8) for band in bands], dim=-2).cpu().numpy()
