"""Writes the label of a marker on the H&E slide, and the label that says where to trust it.

Shard by shard, so that memory does not depend on the slide, and a killed run goes on to the same
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.ihc.label_window import Fitness, LabelledWindow, WindowLabeller
from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.trust import TRUST_CLASSES
from pathoai.ihc.vetoes import without_eosin
from pathoai.progress import Advance, silent
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.store_lock import locked

_Part = Callable[[LabelledWindow], NDArray[np.uint8]]


def label_marker(
    pair: MarkedPair, *, device: torch.device, advance: Advance = silent
) -> LabelImage:
    """Write the labels ``ihc/<marker>`` and ``trust/<marker>`` of an H&E slide.

    Args:
        pair: The slides, the marker, and what is known of both; the labels lie in the H&E store.
        device: Where pixels are fetched and stains are told apart.
        advance: Told of shards done and shards in all.

    Returns:
        The label ``ihc/<marker>``: the class' index where the marker is, 0 where it is not, 255
        where the other label says that this cannot be trusted (`pathoai.ihc.trust.Trust`).

    Raises:
        StoreError: Another run writes one of the stores, or one is too coarse to look for
            artefacts.
    """
    parts: dict[str, _Part] = {
        pair.recipe.trust_label: lambda window: window.trust,
        pair.recipe.label: lambda window: window.masked,
    }
    return _written(pair, parts, device, advance)


def label_unmasked(
    pair: MarkedPair, *, device: torch.device, advance: Advance = silent
) -> LabelImage:
    """Write ``ihc/<marker>.unmasked``: as if all that the stain says could be trusted.

    It is for measuring what trust is worth; arguments and errors are those of `label_marker`.
    """
    parts: dict[str, _Part] = {f"{pair.recipe.label}.unmasked": lambda window: window.unmasked}
    return _written(pair, parts, device, advance)


def _written(
    pair: MarkedPair, parts: dict[str, _Part], device: torch.device, advance: Advance
) -> LabelImage:
    """Write labels in step, or find them finished; the last of them is the one to return."""
    fixed, about, name = pair.fixed, pair.about, list(parts)[-1]
    if not all(is_label_complete(fixed.path, part, about) for part in parts):
        vetoes = pair.recipe.vetoes
        with locked(pair.moving.path):
            there = Fitness.of_slide(pair.moving, without_eosin(vetoes), device)
        with locked(fixed.path):
            here = Fitness.of_slide(fixed, vetoes, device)
            labeller = WindowLabeller(pair, here, there, device)
            writers = [
                LabelWriter(fixed.path, fixed.header, _recipe(pair, part, about, device))
                for part in parts
            ]
            _write(labeller, writers, list(parts.values()), advance)
    return fixed.label(name)


def _recipe(
    pair: MarkedPair, name: str, about: dict[str, Any], device: torch.device
) -> LabelRecipe:
    classes = TRUST_CLASSES if name == pair.recipe.trust_label else pair.classes
    # Devices round differently: a label begun by one is not gone on with by another.
    return LabelRecipe(name, classes, about, pair.factor, made_on={"device": device.type})


def _write(
    labeller: WindowLabeller,
    writers: Sequence[LabelWriter],
    parts: Sequence[_Part],
    advance: Advance,
) -> None:
    shards = writers[0].class_map.shards
    for done, shard in enumerate(shards, start=1):
        missing = [w.class_map for w in writers if not w.class_map.is_done(shard)]
        if missing:
            window = labeller.label(*missing[0].slices(shard))
            for writer, part in zip(writers, parts, strict=True):
                if not writer.class_map.is_done(shard):
                    writer.class_map.write(shard, part(window))
        advance(done, len(shards))
    for writer in writers:
        writer.finish()
