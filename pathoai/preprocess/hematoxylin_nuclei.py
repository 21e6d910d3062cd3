"""Nuclei by colour alone: proposals for a slide that nobody has annotated, named as what they are.

Hematoxylin stains nuclei, so its amount (Ruifrok & Johnston 2001), above what surrounds it, marks
them. It also marks some mucin, calcium and crowded cytoplasm: no label of record.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.geometry import Size
from pathoai.ontology import NOT_ASSESSED, LabelClass
from pathoai.preprocess.stain.deconvolution import deconvolve
from pathoai.progress import Advance, silent
from pathoai.store.label_image import LabelImage, is_label_complete
from pathoai.store.label_writer import LabelRecipe, LabelWriter
from pathoai.store.shards import Shard, shard_slices, shards_of
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked
from pathoai.tiling.spec import TileSpec

LABEL = "import/hematoxylin"
METHOD = "hematoxylin"
# Otsu's threshold over a slide is bounded: on a slide without nuclei it would split cytoplasm.
_WEAKEST_NUCLEUS_OD = 0.25
_STRONGEST_BACKGROUND_OD = 0.9
_SMOOTHING_UM = 0.5
_SURROUNDINGS_UM = 12.0
_EXCESS_OD = 0.08
_SMALLEST_NUCLEUS_UM2 = 12.0
_LARGEST_HOLE_UM2 = 8.0
_SMALLEST_RADIUS_UM = 2.0
_MARGIN_PX = 64
_SAMPLE_TILES = 48


def label_nuclei(
    store: SlideStore, nucleus: LabelClass, device: torch.device, *, advance: Advance = silent
) -> LabelImage:
    """Write the label ``import/hematoxylin`` of a slide.

    Args:
        store: The slide's store; nuclei are sought on its finest level.
        nucleus: The class they get.
        device: Where colours are separated.
        advance: Told of shards done and shards in all.

    Returns:
        The label: the nucleus' value, 0 for other tissue, 255 outside tissue.

    Raises:
        NoTissueError: The slide has none.
    """
    threshold = nucleus_threshold(store, device)
    about: dict[str, Any] = {
        "origin": "import",
        "status": "proposed",
        "method": METHOD,
        "description": "hematoxylin-deconvolved nuclei, not validated by a pathologist",
        "objects_apart": True,  # a line lies between nuclei that touch
        "threshold_od": round(threshold, 4),
        "store_sha256": store.identity,
    }
    if not is_label_complete(store.path, LABEL, about):
        with locked(store.path):
            writer = LabelWriter(store.path, store.header, LabelRecipe(LABEL, (nucleus,), about))
            _write(store, writer, (threshold, nucleus.index), device, advance)
    return store.label(LABEL)


def _write(
    store: SlideStore,
    writer: LabelWriter,
    settings: tuple[float, int],
    device: torch.device,
    advance: Advance,
) -> None:
    shape = writer.class_map.array.shape
    shards = list(shards_of(shape))
    for done, shard in enumerate(shards, start=1):
        if not writer.class_map.is_done(shard):
            writer.class_map.write(shard, _label_shard(store, shard, shape, settings, device))
        advance(done, len(shards))
    writer.finish()


def _hematoxylin(pixels: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].to(device)
    return np.asarray(deconvolve(batch)[0, 0].cpu().numpy())


def nucleus_threshold(store: SlideStore, device: torch.device) -> float:
    """From how much hematoxylin on a pixel is of a nucleus: one threshold for the whole slide.

    Otsu's, over the tissue of all of it: per tile it would invent nuclei.

    Args:
        store: The slide's store.
        device: Where colours are separated.

    Returns:
        Optical density, natural logarithm, as `nuclei_of` takes it.
    """
    from scipy import ndimage
    from skimage import filters

    tiles = store.tiles(TileSpec(size_px=256, mpp=store.mpp, min_tissue_fraction=0.3))
    chosen = np.linspace(0, len(tiles) - 1, min(_SAMPLE_TILES, len(tiles))).astype(int)
    samples = []
    for x, y in tiles.origins_px[chosen]:
        found = _hematoxylin(store.read(0, int(x), int(y), Size(256, 256)), device)
        smooth = ndimage.gaussian_filter(found, _SMOOTHING_UM / store.mpp)
        samples.append(smooth[smooth > _WEAKEST_NUCLEUS_OD / 4])
    pooled = np.concatenate(samples)
    if not len(pooled):
        return _STRONGEST_BACKGROUND_OD
    otsu = float(filters.threshold_otsu(pooled))
    return float(np.clip(otsu, _WEAKEST_NUCLEUS_OD, _STRONGEST_BACKGROUND_OD))


def _label_shard(
    store: SlideStore,
    shard: Shard,
    shape: tuple[int, ...],
    settings: tuple[float, int],
    device: torch.device,
) -> NDArray[np.uint8]:
    """One shard of the label; a margin is read around it, so that shards fit together."""
    threshold, value = settings
    rows, columns = shard_slices(shard, shape)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    margin = _MARGIN_PX
    size = Size(width + 2 * margin, height + 2 * margin)
    pixels = store.read(0, columns.start - margin, rows.start - margin, size)
    found = nuclei_of(_hematoxylin(pixels, device), threshold, store.mpp)
    inside = found[margin : margin + height, margin : margin + width]
    out = np.where(inside, np.uint8(value), np.uint8(0))
    on_tissue = store.tissue.on_grid(store.grid(), rows, columns)
    return np.where(on_tissue, out, np.uint8(NOT_ASSESSED))


def nuclei_of(hematoxylin: NDArray[np.float32], threshold: float, mpp: float) -> NDArray[np.bool_]:
    """Nuclei in an image of hematoxylin, touching ones split along a line.

    Args:
        hematoxylin: ``(H, W)`` float32, optical density.
        threshold: The least density of a nucleus.
        mpp: Scale of the image, µm per pixel.

    Returns:
        ``(H, W)`` bool.
    """
    from scipy import ndimage
    from skimage import feature, morphology, segmentation

    smooth = ndimage.gaussian_filter(hematoxylin, _SMOOTHING_UM / mpp)
    around = ndimage.gaussian_filter(hematoxylin, _SURROUNDINGS_UM / mpp)
    mask = (smooth > threshold) & (smooth > around + _EXCESS_OD)
    mask = ndimage.binary_opening(mask, morphology.disk(max(1, round(0.75 / mpp))))
    mask = morphology.remove_small_objects(mask, max_size=int(_SMALLEST_NUCLEUS_UM2 / mpp**2))
    mask = morphology.remove_small_holes(mask, max_size=int(_LARGEST_HOLE_UM2 / mpp**2))
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 0.5 / mpp)
    peaks = feature.peak_local_max(
        depth, min_distance=max(1, round(_SMALLEST_RADIUS_UM / mpp)), labels=mask.astype(int)
    )
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    split = segmentation.watershed(-depth, seeds, mask=mask, watershed_line=True)
    return np.asarray(split > 0)
