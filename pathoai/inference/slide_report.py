"""What is said of a slide's prediction as a whole: its uncertainty, and how unusual the slide is.

Counts, densities and findings stand beside it (:mod:`pathoai.inference.summary`). A sidecar of the
prediction, ``objects/<slide>/prediction.<model>.json``. Warnings are a part of it: whoever reads
the result reads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.errors import NoTissueError
from pathoai.inference.predictor import Predictor
from pathoai.inference.report_file import SCHEMA
from pathoai.inference.scale_warning import scale_warnings
from pathoai.inference.stain_shift import (
    STAIN,
    UNUSUAL_PERCENTILE,
    stain_shift,
    stain_warnings,
)
from pathoai.inference.tile_outputs import TileComputing
from pathoai.models.pooled_features import pooled_features
from pathoai.models.reference_statistics import ReferenceStatistics
from pathoai.ontology import NOT_ASSESSED
from pathoai.preprocess.torch_threads import all_threads
from pathoai.provenance import result_software
from pathoai.store.grid_tiles import grid_tiles
from pathoai.store.label_image import LabelImage
from pathoai.store.slide_store import SlideStore

TILES = "tiles"
"""Key of a bundle's reference statistics: one vector per tile."""

_UNUSUAL_SHARE = 0.5
_MOST_TILES = 200
_MOST_PIXELS = 1 << 24


def report_on(
    store: SlideStore, predictor: Predictor, label: LabelImage, *, threads: int | None = None
) -> dict[str, Any]:
    """Summarise a finished prediction, ready for JSON; the same however often it was interrupted.

    Args:
        store: The slide.
        predictor: What made the prediction.
        label: The prediction.
        threads: For looking at tiles again; None takes as many as torch does.

    Returns:
        ``uncertainty``: mean and 95th percentile over assessed pixels, 0 to 1, by measure;
        ``stain`` and ``tiles``: distances from the model's training data, None where its bundle
        holds no reference; ``warnings``: sentences; ``software``: versions.
    """
    reference = predictor.bundle.reference
    stain = stain_shift(store, predictor.bundle)
    tiles = None
    if TILES in reference:
        tiles = _tiles(store, predictor, reference[TILES], threads or all_threads())
    return {
        "schema": SCHEMA,
        "slide_id": store.slide_id,
        "label": label.name,
        "about": label.about,
        "uncertainty": _uncertainty(label),
        STAIN: stain,
        TILES: tiles,
        "warnings": [
            *scale_warnings(store.mpp, predictor.bundle.spec.mpp),
            *stain_warnings(stain),
            *_tile_warnings(tiles),
        ],
        "software": result_software(),
    }


def _uncertainty(label: LabelImage) -> dict[str, dict[str, float]]:
    """Of the finest level that fits in memory; coarser ones are its means."""
    level = next(
        (i for i in range(len(label.factors)) if label.array(i).size <= _MOST_PIXELS),
        len(label.factors) - 1,
    )
    assessed = label.read_all(level) != NOT_ASSESSED
    planes = np.asarray(label.uncertainty(level))
    return {
        name: _summary(plane[assessed] / 255)
        for name, plane in zip(label.uncertainty_channels, planes, strict=True)
    }


def _summary(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    if not len(values):
        return {}
    return {
        "mean": round(float(values.mean()), 6),
        "percentile_95": round(float(np.percentile(values, 95)), 6),
    }


def _tiles(
    store: SlideStore, predictor: Predictor, raw: dict[str, Any], threads: int
) -> dict[str, Any]:
    statistics = ReferenceStatistics.from_dict(raw)
    try:
        origins = store.tiles(predictor.bundle.spec).origins_px
    except NoTissueError as error:
        return {"unknown": error.what}
    chosen = origins[np.unique(np.linspace(0, len(origins) - 1, _MOST_TILES).astype(np.int64))]
    distance = statistics.distance(_features(store, predictor, chosen, threads))
    percentile = statistics.percentile(distance)
    return {
        "tiles": len(chosen),
        "median_distance": round(float(np.median(distance)), 6),
        "median_percentile": round(float(np.median(percentile)), 3),
        "share_beyond_95": round(float((percentile >= UNUSUAL_PERCENTILE).mean()), 4),
        "reference_tiles": len(statistics.distances),
    }


def _features(
    store: SlideStore, predictor: Predictor, origins_px: NDArray[np.int64], threads: int
) -> NDArray[np.float64]:
    """Of tiles at the model's scale, ``(N, D)``; of an ensemble, its first member speaks."""
    spec, device = predictor.bundle.spec, predictor.device
    grid = store.slide.grid(spec.mpp)

    def forward(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return pooled_features(predictor.network, predictor.bundle.normalisation(images))

    computing = TileComputing(
        read=lambda origins: grid_tiles(store, grid, origins, spec.size_px),
        forward=forward,
        device=device,
        size_px=spec.size_px,
        batch_size=predictor.batch_size,
        threads=threads,
        in_threads=device.type == "cpu",
    )
    vectors = list(computing.outputs((x, y) for x, y in origins_px.tolist()))
    return torch.stack(vectors).cpu().numpy().astype(np.float64)


def _tile_warnings(tiles: dict[str, Any] | None) -> list[str]:
    if tiles is None:
        return []
    if "unknown" in tiles:
        return [f"tissue not compared with training: {tiles['unknown']}"]
    if tiles["share_beyond_95"] < _UNUSUAL_SHARE:
        return []
    return [
        f"unusual tissue: {tiles['share_beyond_95']:.0%} of tiles are farther from training than "
        "95 % of its own tiles"
    ]
