"""A slide's prediction: tiles, blended probabilities, a class map in the store.

Work goes shard by shard, as a plan of tiles says, so memory does not depend on the slide's size and
a killed run resumes at the shards it had not finished. Reading, computing, blending and finishing
go on at the same time, each a bounded number of steps ahead of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.inference.blending import BlendedBlock, blending_window
from pathoai.inference.device_mark import DeviceMark
from pathoai.inference.device_turn import device_turn
from pathoai.inference.finish_shard import (
    BlendedShard,
    finish_shard,
    is_finished,
    levels_of,
    write_nothing,
)
from pathoai.inference.label_raster import label_factor, label_raster, tissue_tiles
from pathoai.inference.mirrored_tiles import mirrored_tiles
from pathoai.inference.object_planes import MARGIN_UM, ObjectPlanes
from pathoai.inference.predictor import Predictor
from pathoai.inference.tile_outputs import Outputs, TileComputing
from pathoai.inference.tile_plan import ShardStep, TilePlan
from pathoai.models.bundle import INSTANCE_SEGMENTATION, ModelBundle
from pathoai.preprocess.torch_threads import all_threads, undivided, undivided_threads
from pathoai.progress import Advance, silent
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter, begun_with
from pathoai.store.shards import Shard
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked

_KEPT_BYTES = 640 << 20
"""Outputs of tiles that later shards need: the wider the stripes, the fewer tiles are computed
twice. Six outputs of tiles of 512 px make stripes of seven shards: one tile in twenty."""
_FINISHED_AT_ONCE, _OF_BYTES = 2, 10
"""Shards whose outputs are held while they are finished, or wait for that, at most; and where these
lie on a GPU and only bytes come back from it."""


def prediction_name(model: str) -> str:
    """The label that holds the prediction of a model."""
    return f"prediction/{model}"


def predict_slide(
    store: SlideStore,
    predictor: Predictor,
    *,
    threads: int | None = None,
    advance: Advance = silent,
) -> LabelImage:
    """Predict a whole slide into its store, or go on where an interrupted run stopped.

    An unfinished label that was begun on another device, or by other versions, is begun anew.

    Args:
        store: The slide's store.
        predictor: The model.
        threads: That compute, on a CPU, or else read; None takes as many as torch does.
        advance: Told of shards done and shards in all; again and again, so that it can stop us.

    Returns:
        The label ``prediction/<model>``: the class map and, beside it, the probability of each
        class but background, uint8, 255 for certainty, and the uncertainty of each pixel.

    Raises:
        ModelError: The study has another ontology.
        StoreError: Another run writes the store, or a chunk of it cannot be decoded.
    """
    bundle = predictor.bundle
    name, about = prediction_name(bundle.name), predictor.about(store)
    classes = bundle.channel_classes(predictor.ontology)
    if not is_label_complete(store.path, name, about):
        recipe = LabelRecipe(
            name,
            classes,
            about,
            factor=label_factor(store, bundle),
            probability_channels=tuple(c.key for c in classes[1:]),
            uncertainty_channels=predictor.uncertainty_channels,
            with_instances=predictor.tells_objects_apart,
            made_on=predictor.made_on,
        )
        with locked(store.path), undivided():
            writer = LabelWriter(store.path, store.header, recipe)
            computing = tile_computing(store, predictor, threads or all_threads())
            predict_shards(predictor, writer, tile_plan(store, predictor), computing, advance)
            writer.finish()
    return store.label(name)


def begun_elsewhere(store: SlideStore, predictor: Predictor) -> bool:
    """True where an unfinished prediction lies there that something else was making."""
    name = prediction_name(predictor.bundle.name)
    made_on = begun_with(store.path, name, predictor.about(store))
    return made_on is not None and made_on != predictor.made_on


def tile_plan(store: SlideStore, predictor: Predictor) -> TilePlan:
    """The tiles of a slide, and the order in which its shards are predicted."""
    bundle = predictor.bundle
    size = label_raster(store, bundle).size_px
    bytes_of_a_tile = predictor.ensemble.outputs * bundle.spec.size_px**2 * 4
    most_kept = _KEPT_BYTES // bytes_of_a_tile
    lattice = tissue_tiles(store, bundle)
    return TilePlan(lattice, (size.height, size.width), _margin_px(bundle), most_kept)


def _margin_px(bundle: ModelBundle) -> int:
    """What is predicted around a shard: nothing where pixels are named one by one."""
    if bundle.task != INSTANCE_SEGMENTATION:
        return 0
    return round(MARGIN_UM / bundle.spec.mpp)


def tile_computing(store: SlideStore, predictor: Predictor, threads: int) -> TileComputing:
    """How the tiles of a slide become outputs of a model."""
    size, grid = predictor.bundle.spec.size_px, label_raster(store, predictor.bundle)
    return TileComputing(
        read=lambda origins_px: mirrored_tiles(store, grid, origins_px, size),
        forward=predictor.outputs,
        device=predictor.device,
        size_px=size,
        batch_size=predictor.batch_size,
        threads=threads,
        in_threads=predictor.device.type == "cpu",
    )


def predict_shards(
    predictor: Predictor,
    writer: LabelWriter,
    plan: TilePlan,
    computing: TileComputing,
    advance: Advance = silent,
) -> None:
    """Write what is not there yet of a label's finest level, and the coarser shards over it.

    Args:
        predictor: The model.
        writer: Of the label.
        plan: The tiles.
        computing: What gives their outputs.
        advance: Told of shards done and shards in all, and often in between.
    """
    shards, objects = writer.class_map.shards, _objects(predictor, writer)
    left = [shard for shard in shards if not is_finished(writer, shard, objects)]
    for levels in levels_of(writer, objects):
        levels.expect(left)
    workers, most = _finishing_room(predictor, computing.threads)
    with undivided_threads(workers) as pool:
        finishing = _Finishing(pool, most, advance, len(shards) - len(left), len(shards))
        finishing.tell()
        with ExitStack() as turn:
            origins = _origins(plan, left)
            outputs = computing.outputs(origins, lambda: turn.enter_context(device_turn()))
            for step, block in _blended(predictor, plan, outputs, left, finishing.tell):
                mark = DeviceMark(predictor.device)
                work = partial(_finish, predictor, writer, objects, step, block, mark)
                finishing.start(work)
                del work, block  # its memory is the next one's
        finishing.wait()
    if objects:
        objects.finish(finishing.tell)


def _finishing_room(predictor: Predictor, threads: int) -> tuple[int, int]:
    """Shards finished at once, and those held meanwhile, among them the one that waits."""
    if predictor.device.type == "cpu" or predictor.tells_objects_apart:
        # Telling objects apart takes as much memory again as a shard's outputs.
        return min(_FINISHED_AT_ONCE, 1 + threads // 4), _FINISHED_AT_ONCE
    # A GPU blends a shard in a fraction of the time in which a core compresses it.
    workers = min(_OF_BYTES - 1, 1 + threads // 2)
    return workers, workers + 1


def _objects(predictor: Predictor, writer: LabelWriter) -> ObjectPlanes | None:
    if not predictor.tells_objects_apart:
        return None
    values = np.array(predictor.bundle.class_indices(predictor.ontology), np.uint8)
    return ObjectPlanes(writer, values, predictor.bundle.spec.mpp)


def _finish(
    predictor: Predictor,
    writer: LabelWriter,
    objects: ObjectPlanes | None,
    step: ShardStep,
    block: BlendedBlock | None,
    mark: DeviceMark,
) -> None:
    growing = levels_of(writer, objects)
    written: Sequence[NDArray[np.uint8] | None] = [None] * len(growing)
    if block is None:
        write_nothing(writer, step.shard, objects)
    else:
        with mark.reached():
            blended = BlendedShard(step.shard, *block.finish(), step.inner)
            written = finish_shard(predictor, writer, blended, objects)
        del block, blended
    for levels, pixels in zip(growing, written, strict=True):
        levels.add(step.shard, pixels)


def _blended(
    predictor: Predictor,
    plan: TilePlan,
    outputs: Outputs,
    left: list[Shard],
    beat: Callable[[], None],
) -> Iterator[tuple[ShardStep, BlendedBlock | None]]:
    """Each shard with its tiles blended; None where there is no tile."""
    window = torch.from_numpy(blending_window(plan.lattice.size_px)).to(predictor.device)
    kept: dict[tuple[int, int], torch.Tensor] = {}
    with closing(outputs):
        for step in plan.steps(left):
            if not len(step.tiles):
                yield step, None
                continue
            block = BlendedBlock(predictor.ensemble.outputs, step.around, window)
            places = _places(plan.lattice.origins_px(step.tiles))
            for place, computed, keep in zip(places, step.computed, step.kept, strict=True):
                output = next(outputs) if computed else kept.pop(place)
                if keep:
                    # A copy: what was computed with it shall not be kept alive.
                    kept[place] = output.clone() if computed else output
                block.add(*place, output)
                beat()
            yield step, block
            del block, output


def _origins(plan: TilePlan, left: list[Shard]) -> Iterator[tuple[int, int]]:
    """Where the tiles lie that are computed, in the order in which they are."""
    for step in plan.steps(left):
        yield from _places(plan.lattice.origins_px(step.tiles[step.computed]))


def _places(origins_px: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(x, y) for x, y in origins_px.tolist()]


class _Finishing:
    """Shards that are finished while others are computed."""

    def __init__(self, pool: Executor, most: int, advance: Advance, done: int, total: int) -> None:
        self._pool, self._most, self._advance = pool, most, advance
        self._done, self._total = done, total
        self._under_way: deque[Future[None]] = deque()

    def start(self, work: Callable[[], None]) -> None:
        """Begin to finish a shard, once there is room."""
        while len(self._under_way) >= self._most:
            self._await_first()
        self._under_way.append(self._pool.submit(work))

    def wait(self) -> None:
        """Until all are finished."""
        while self._under_way:
            self._await_first()

    def tell(self) -> None:
        """Say how far we are."""
        while self._under_way and self._under_way[0].done():
            self._await_first()
        self._advance(self._done, self._total)

    def _await_first(self) -> None:
        self._under_way.popleft().result()
        self._done += 1
        self._advance(self._done, self._total)
