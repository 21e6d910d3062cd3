"""What a tool wrote of a slide, read back, with the borders of the tiles that it was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from seams import seam_ratio

from pathoai.inference.predict_slide import prediction_name
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.slide_store import SlideStore
from pathoai.tiling.spec import TileSpec


@dataclass(frozen=True)
class WrittenMaps:
    """Maps on the slide's pixels.

    Args:
        probability: Of the foreground, ``(H, W)`` uint8; None where the tool keeps none.
        classes: ``(H, W)`` uint8, 1 in the foreground.
        inside: ``(H, W)``: where the tool says something.
        columns: Where tiles begin and end along x.
        rows: Likewise along y.
    """

    probability: NDArray[np.uint8] | None
    classes: NDArray[np.uint8]
    inside: NDArray[np.bool_]
    columns: list[int]
    rows: list[int]

    @property
    def seams(self) -> tuple[float | None, float]:
        """Ratio of steps of the probability (None where there is none) and of the class map."""
        return (
            None if self.probability is None else self._ratio(self.probability),
            self._ratio(self.classes),
        )

    def _ratio(self, values: NDArray[np.uint8]) -> float:
        return seam_ratio(values, self.columns, self.rows, self.inside)


def our_maps(store: Path, model: str, spec: TileSpec) -> WrittenMaps:
    """Of a store."""
    label = SlideStore(store).label(prediction_name(model))
    classes = label.read_all()
    inside = classes != NOT_ASSESSED
    height, width = classes.shape
    stride, first = spec.size_px - spec.overlap_px, -(spec.overlap_px // 2)
    return WrittenMaps(
        np.asarray(label.probability()[0]),
        np.where(inside & (classes > 0), np.uint8(1), np.uint8(0)),
        inside,
        _borders(range(first, width, stride), spec),
        _borders(range(first, height, stride), spec),
    )


def maps_of_peer(path: Path, spec: TileSpec) -> WrittenMaps:
    """Of a ``map.npz`` that a script of ``peers/`` made; tiles begin at 0 where it says nothing."""
    found = np.load(path)
    classes = (found["classes"] > 0).astype(np.uint8)
    height, width = classes.shape
    stride = spec.size_px - spec.overlap_px
    probability = found["probability"] if "probability" in found.files else None
    starts: tuple[Iterable[int], Iterable[int]] = range(0, width, stride), range(0, height, stride)
    inside = np.ones(classes.shape, bool) if probability is None else probability > 0
    if "tiles" in found.files:
        places = np.rint(found["tiles"]).astype(int)
        starts = np.unique(places[:, 0]).tolist(), np.unique(places[:, 1]).tolist()
    return WrittenMaps(
        probability, classes, inside, _borders(starts[0], spec), _borders(starts[1], spec)
    )


def _borders(starts: Iterable[int], spec: TileSpec) -> list[int]:
    return [place for start in starts for place in (start, start + spec.size_px)]
