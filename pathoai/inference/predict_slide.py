"""A slide's prediction: tiles, blended probabilities, a class map in the store.

Work goes shard by shard, so memory does not depend on the slide's size and a killed run resumes at
the shard it had reached. Tiles at the border of two shards are computed for both, which makes each
shard's pixels independent of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pathoai.errors import InvalidValueError, ModelError
from pathoai.geometry import Grid
from pathoai.inference.blending import BlendedBlock, blending_window
from pathoai.inference.ensemble import EXPECTED_ENTROPY, Ensemble, Member
from pathoai.inference.instances import apart, classes_of_instances, find_instances
from pathoai.inference.mirrored_tiles import mirrored_tile
from pathoai.models.bundle import INSTANCE_SEGMENTATION, SEMANTIC_SEGMENTATION, ModelBundle
from pathoai.models.uncertainty import relative_entropy
from pathoai.ontology import NOT_ASSESSED, Ontology
from pathoai.progress import Advance, silent
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked

ENTROPY = "entropy"
MUTUAL_INFORMATION = "mutual_information"
_LARGEST_MPP_ERROR = 0.02
_TASKS = (SEMANTIC_SEGMENTATION, INSTANCE_SEGMENTATION)
# More than the largest nucleus: what is cut by a shard's border is seen whole from both sides.
_INSTANCE_MARGIN_UM = 32.0


def prediction_name(model: str) -> str:
    """The label that holds the prediction of a model."""
    return f"prediction/{model}"


@dataclass(frozen=True)
class Predictor:
    """A model ready to predict.

    Args:
        bundle: What the model is.
        network: Its weights, on ``device``.
        ontology: The study's classes.
        device: Where it computes.
        batch_size: Tiles per batch.
        others: What else is asked, and averaged with it.
        turned: Every network is asked about all eight symmetries of a tile.
    """

    bundle: ModelBundle
    network: nn.Module
    ontology: Ontology
    device: torch.device
    batch_size: int = 8
    others: tuple[Member, ...] = ()
    turned: bool = False

    def __post_init__(self) -> None:
        """Refuse batches without tiles, and models that do not name the class of every pixel."""
        if self.batch_size < 1:
            raise InvalidValueError("batch size", found=self.batch_size, allowed="1 or more")
        self.bundle.check_task(*_TASKS)
        _ = self.ensemble

    @property
    def ensemble(self) -> Ensemble:
        """All that is asked.

        Raises:
            ModelError: The others have other classes, input or task.
        """
        return Ensemble((Member(self.bundle, self.network), *self.others), turned=self.turned)

    @property
    def uncertainty_channels(self) -> tuple[str, ...]:
        """What is stored of uncertainty: 0 for none, 255 for the most that classes allow."""
        return (ENTROPY,) if self.ensemble.asks_once else (ENTROPY, MUTUAL_INFORMATION)

    def about(self, store: SlideStore) -> dict[str, Any]:
        """What a prediction says of itself: model, version of its input, and that it is one."""
        return self.bundle.proposal(store.identity) | self.ensemble.about

    def probabilities(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the networks say of tiles ``(N, S, S, 3)`` uint8, 0 to 1, ``(N, C, S, S)``.

        Calibrated probabilities of the classes; then, where objects are told apart, their maps;
        then, where more than one is asked, the mean of their entropies, relative to the largest.
        """
        batch = torch.from_numpy(np.ascontiguousarray(tiles.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            found = self.ensemble(batch.to(self.device))
        return np.asarray(found.cpu().numpy(), dtype=np.float32)

    def uncertainty(self, outputs: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Channels of uncertainty, ``(U, H, W)`` uint8, of blended outputs ``(C, H, W)``.

        Entropy of the mean probability, divided by ln of the number of classes; then what of it is
        mutual information: disagreement, between members and between overlapping tiles.
        """
        total = relative_entropy(outputs[: len(self.bundle.classes)], axis=0)
        channels = [total]
        if MUTUAL_INFORMATION in self.uncertainty_channels:
            channels.append(np.clip(total - outputs[EXPECTED_ENTROPY], 0, 1))
        return np.rint(255 * np.stack(channels)).astype(np.uint8)

    def winners(self, outputs: NDArray[np.float32], mpp: float) -> NDArray[np.uint8]:
        """The channel of each pixel, ``(H, W)`` uint8; objects that touch with a line between.

        Args:
            outputs: ``(C, H, W)`` float32 of :meth:`probabilities`, blended.
            mpp: Scale of the pixels.
        """
        classes = len(self.bundle.classes)
        probabilities, maps = outputs[:classes], outputs[classes : self.bundle.outputs]
        if not len(maps):
            return np.asarray(probabilities.argmax(axis=0), np.uint8)
        # Not 1 - background: where no tile was, every probability is 0, and there is no object.
        numbers = find_instances(probabilities[1:].sum(axis=0), maps, mpp=mpp)
        channel, _ = classes_of_instances(numbers, probabilities)
        named = np.concatenate([np.zeros(1, np.uint8), channel])[numbers]
        return np.where(apart(numbers), named, np.uint8(0))


def predict_slide(
    store: SlideStore, predictor: Predictor, *, advance: Advance = silent
) -> LabelImage:
    """Predict a whole slide into its store, or go on where an interrupted run stopped.

    Args:
        store: The slide's store.
        predictor: The model.
        advance: Told of shards done and shards in all.

    Returns:
        The label ``prediction/<model>``: the class map and, beside it, the probability of each
        class but background, uint8, 255 for certainty, and the uncertainty of each pixel.

    Raises:
        ModelError: The store has no level of the model's scale, or another ontology.
    """
    bundle = predictor.bundle
    name, about = prediction_name(bundle.name), predictor.about(store)
    classes = bundle.channel_classes(predictor.ontology)
    if not is_label_complete(store.path, name, about):
        recipe = LabelRecipe(
            name,
            classes,
            about,
            factor=_factor_of(store, bundle),
            probability_channels=tuple(c.key for c in classes[1:]),
            uncertainty_channels=predictor.uncertainty_channels,
        )
        with locked(store.path):
            _write(store, predictor, LabelWriter(store.path, store.header, recipe), advance)
    return store.label(name)


def _write(store: SlideStore, predictor: Predictor, writer: LabelWriter, advance: Advance) -> None:
    origins = tile_origins(store, predictor.bundle)
    values = np.array(predictor.bundle.class_indices(predictor.ontology), np.uint8)
    shape = writer.class_map.array.shape
    shards = list(shards_of(shape))
    for done, shard in enumerate(shards, start=1):
        planes = (writer.uncertainty, writer.probability, writer.class_map)
        if not all(plane.is_done(shard) for plane in planes):
            within = shard_slices(shard, shape)
            around, inner = _with_margin(within, _margin_px(predictor.bundle), shape)
            outputs, seen = _predict_block(store, predictor, around, origins).result()
            winner = values[predictor.winners(outputs, predictor.bundle.spec.mpp)]
            probabilities = outputs[1 : len(values), *inner]
            uncertainty = np.where(seen, predictor.uncertainty(outputs), np.uint8(0))
            writer.uncertainty.write(shard, uncertainty[:, *inner])
            writer.probability.write(shard, np.rint(probabilities * 255).astype(np.uint8))
            class_map = np.where(seen, winner, np.uint8(NOT_ASSESSED))
            writer.class_map.write(shard, class_map[inner])
        advance(done, len(shards))
    writer.finish()


def _factor_of(store: SlideStore, bundle: ModelBundle) -> int:
    """Store pixels per pixel of the model."""
    factor = max(1, round(bundle.spec.mpp / store.mpp))
    if abs(store.mpp * factor / bundle.spec.mpp - 1) <= _LARGEST_MPP_ERROR:
        return factor
    raise ModelError(
        "the store's scale does not fit the model",
        where=f"{store.slide_id} {bundle.name}",
        found=f"{store.mpp:g} µm per pixel",
        allowed=f"{bundle.spec.mpp:g} µm per pixel, or that divided by a whole number",
        remedy=f"tile the slide at --mpp {bundle.spec.mpp:g}, or train at the store's scale",
    )


def grid_of(store: SlideStore, bundle: ModelBundle) -> Grid:
    """The raster that the model sees, on which its label lies."""
    factor = _factor_of(store, bundle)
    return store.header.grid.coarser(factor) if factor > 1 else store.header.grid


def _overlap_px(bundle: ModelBundle) -> int:
    # A quarter of a tile is what hides the seams when the model's own tiles did not overlap.
    return bundle.spec.overlap_px or bundle.spec.size_px // 4


def tile_origins(store: SlideStore, bundle: ModelBundle) -> NDArray[np.int64]:
    """Origins x, y ``(N, 2)`` of the tiles with tissue, in pixels that the model sees."""
    size, overlap = bundle.spec.size_px, _overlap_px(bundle)
    grid = grid_of(store, bundle)
    # Starting half an overlap outside keeps the fading edge of tiles off the slide's own edge.
    x = np.arange(-(overlap // 2), grid.size_px.width, size - overlap)
    y = np.arange(-(overlap // 2), grid.size_px.height, size - overlap)
    origins = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.int64)
    fraction = store.tissue.fraction(
        origins[:, 0] * grid.downsample_x,
        origins[:, 1] * grid.downsample_y,
        (size * grid.downsample_x, size * grid.downsample_y),
    )
    return np.asarray(origins[fraction > 0])


def _margin_px(bundle: ModelBundle) -> int:
    """What is predicted around a shard: nothing where pixels are named one by one."""
    if bundle.task != INSTANCE_SEGMENTATION:
        return 0
    return round(_INSTANCE_MARGIN_UM / bundle.spec.mpp)


def _with_margin(
    within: tuple[slice, slice], margin_px: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns with a margin, as far as the slide goes, and where the first lie in them.

    An object that the slide's edge cuts has no rim there, and nothing beyond.
    """
    around = tuple(
        slice(max(0, part.start - margin_px), min(length, part.stop + margin_px))
        for part, length in zip(within, shape, strict=True)
    )
    inner = tuple(
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(within, around, strict=True)
    )
    return (around[0], around[1]), (inner[0], inner[1])


def _predict_block(
    store: SlideStore,
    predictor: Predictor,
    around: tuple[slice, slice],
    origins: NDArray[np.int64],
) -> BlendedBlock:
    """Outputs of a block of rows and columns."""
    left, top, right, bottom = around[1].start, around[0].start, around[1].stop, around[0].stop
    bundle, size = predictor.bundle, predictor.bundle.spec.size_px
    block = BlendedBlock(
        predictor.ensemble.outputs,
        x_px=left,
        y_px=top,
        width_px=right - left,
        height_px=bottom - top,
    )
    touching = (
        (origins[:, 0] < right)
        & (origins[:, 0] + size > left)
        & (origins[:, 1] < bottom)
        & (origins[:, 1] + size > top)
    )
    window, grid = blending_window(size), grid_of(store, bundle)
    for batch in _batches(origins[touching], predictor.batch_size):
        tiles = np.stack([mirrored_tile(store, grid, int(x), int(y), size) for x, y in batch])
        for (x, y), found in zip(batch, predictor.probabilities(tiles), strict=True):
            block.add(int(x), int(y), found, window)
    return block


def _batches(origins: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    return (origins[start : start + size] for start in range(0, len(origins), size))
