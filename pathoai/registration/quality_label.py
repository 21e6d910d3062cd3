"""The quality of a registration as a label beside the image, so that a viewer shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.registration.saved_registration import Registration
from pathoai.registration.tile_quality import RegistrationQuality, TileState
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked
from pathoai.tissue.mask import at_centres

KIND = "registration"
SIMILARITY, RESIDUAL = "similarity", "residual"
LARGEST_RESIDUAL_UM = 25.5
"""What 255 stands for in the plane of residuals, or more than that: 0.1 µm a step."""
BELIEVABLE = LabelClass(1, "believable", "Aligned", "Recalé", "#009e73")
REFUSED = LabelClass(2, "refused", "Not aligned", "Non recalé", "#d55e00")


def label_name(moving_id: str) -> str:
    """Name of the label, at the store of the fixed slide."""
    return f"{KIND}/{moving_id}"


def write_quality(store: SlideStore, registration: Registration) -> LabelImage:
    """Write the label ``registration/<moving slide>`` at the fixed slide's store.

    Args:
        store: The fixed slide's.
        registration: With which slide, and how well.

    Returns:
        The label: 1 where the alignment is believable, 2 where it is refused, 255 without tissue.
        Its probability has the channel ``similarity`` (255 for 1), its uncertainty the channel
        ``residual`` (255 for 25.5 µm or more).

    Raises:
        StoreError: Another run writes there.
    """
    name, quality = label_name(registration.transform.moving.slide_id), registration.quality
    about: dict[str, Any] = {
        "origin": "method",
        "method": "registration",
        "tile_um": round(quality.tile_um, 4),
        "residual_um_at_255": LARGEST_RESIDUAL_UM,
        "store_sha256": store.identity,
        "moving_store_sha256": registration.transform.moving.identity,
        "registration_sha256": registration.sha256,
    }
    if registration.is_of_neighbours:
        about["sections"] = "neighbouring"
    if not is_label_complete(store.path, name, about):
        recipe = LabelRecipe(
            name,
            (BELIEVABLE, REFUSED),
            about,
            factor=quality.tile_um / store.mpp,
            probability_channels=(SIMILARITY,),
            uncertainty_channels=(RESIDUAL,),
        )
        with locked(store.path):
            _write(LabelWriter(store.path, store.header, recipe), quality, store)
    return store.label(name)


def _write(writer: LabelWriter, quality: RegistrationQuality, store: SlideStore) -> None:
    values = np.where(quality.state == TileState.NO_TISSUE, NOT_ASSESSED, quality.state)
    similarity = _bytes(quality.similarity)
    residual = _bytes(quality.residual_um / LARGEST_RESIDUAL_UM)
    shape = writer.class_map.array.shape
    own = store.header.grid.coarser(quality.tile_um / store.mpp)
    for shard in shards_of(shape):
        rows, columns = shard_slices(shard, shape)
        parts = [
            at_centres(plane.astype(np.uint8), quality.grid, own, rows, columns)
            for plane in (values, similarity, residual)
        ]
        writer.probability.write(shard, parts[1][None])
        writer.uncertainty.write(shard, parts[2][None])
        writer.class_map.write(shard, parts[0])
    writer.finish()


def _bytes(share: NDArray[np.float32]) -> NDArray[np.uint8]:
    """0 to 1 as 0 to 255; what was not measured is 0, as everywhere off the tissue."""
    return np.asarray(np.rint(np.clip(np.nan_to_num(share), 0, 1) * 255), np.uint8)
