"""All nuclei of a restained slide, each with how much of the marker it has, in the H&E frame.

They are found on the restained slide itself, brought over the H&E slide: so a nucleus and its stain
cannot come apart, and a region that somebody outlined on the H&E slide holds the right ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.errors import InvalidValueError
from pathoai.geometry import Size
from pathoai.ihc.intensity_bins import IntensityBins
from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.trust import Trust
from pathoai.ihc.warp import MovingCells, warped
from pathoai.preprocess.hematoxylin_nuclei import nuclei_of
from pathoai.preprocess.stain.deconvolution import deconvolve
from pathoai.preprocess.stain.tissue_sample import sample_store
from pathoai.progress import Advance, silent
from pathoai.store.label_image import LabelImage
from pathoai.store.shards import shard_slices, shards_of

RING_UM = 1.5
"""Of a marker outside the nucleus: it is looked for this far around."""
LEAST_SHARE_OF_RING = 0.3
"""A cell is positive where it has the marker on so much of that ring."""
COUNTED = (Trust.TRUSTED, Trust.STAIN_IN_DOUBT)
"""Where nuclei are counted: a doubtful stain is for the bins to judge, no reason to leave out."""
_CELLULAR = ("nucleus", "membrane", "cytoplasm")
_MARGIN_UM = 48.0
_WEAKEST_OD, _STRONGEST_OD = 0.15, 0.9


@dataclass(frozen=True, eq=False)
class StainedNuclei:
    """Nuclei on trusted tissue.

    Args:
        xy: ``(N, 2)`` float64, centroids, level-0 pixels of the H&E slide.
        amount: ``(N,)`` float32, mean optical density of the chromogen in the nucleus, or in the
            ring around it; natural logarithm.
        grade: ``(N,)`` int64: 0 negative; 1 to 3 by intensity, or 1 for positive where the marker
            is not in nuclei.
        about: How they were found, ready for JSON.
    """

    xy: NDArray[np.float64]
    amount: NDArray[np.float32]
    grade: NDArray[np.int64]
    about: dict[str, Any]

    def __len__(self) -> int:
        """How many."""
        return len(self.xy)


def has_cells(pair: MarkedPair) -> bool:
    """Whether the marker is one of cells; of stroma and vessels only area is counted."""
    return pair.recipe.compartment in _CELLULAR


def find_stained_nuclei(
    pair: MarkedPair,
    trust: LabelImage,
    *,
    device: torch.device,
    bins: IntensityBins | None = None,
    advance: Advance = silent,
) -> StainedNuclei:
    """Find the nuclei of a pair, shard by shard of its label.

    Of a marker with two chromogens the first is looked at.

    Args:
        pair: The slides, and what is known of their stains.
        trust: The label ``trust/<marker>``: says where nuclei are counted.
        device: Where pixels are fetched and stains are told apart.
        bins: Of intensity; those of the slide's threshold where None.
        advance: Told of shards done and shards in all.

    Raises:
        InvalidValueError: The marker is not one of cells.
        StoreError: A chunk of a slide or of the label is damaged.
    """
    if not has_cells(pair):
        raise InvalidValueError(
            "of this marker no cells can be counted",
            where=pair.recipe.key,
            found=pair.recipe.compartment,
            allowed=", ".join(_CELLULAR),
        )
    finder = _Finder(pair, trust, bins or IntensityBins.of_threshold(pair.thresholds[0].od), device)
    shape = (pair.grid.size_px.height, pair.grid.size_px.width)
    shards = list(shards_of(shape))
    parts = []
    for done, shard in enumerate(shards, start=1):
        parts.append(finder.in_block(*shard_slices(shard, shape)))
        advance(done, len(shards))
    xy = np.concatenate([part[0] for part in parts])
    scale = np.array([pair.grid.downsample_x, pair.grid.downsample_y])
    amount, grade = (np.concatenate([part[at] for part in parts]) for at in (1, 2))
    return StainedNuclei(xy * scale, amount, grade, finder.about)


_Found = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.int64]]


class _Finder:
    """Finds nuclei in any block of a label's raster."""

    def __init__(
        self, pair: MarkedPair, trust: LabelImage, bins: IntensityBins, device: torch.device
    ) -> None:
        self._pair, self._trust, self._bins, self._device = pair, trust, bins, device
        self._in_nuclei = pair.recipe.compartment == "nucleus"
        self._nucleus_od = self._threshold()

    @property
    def about(self) -> dict[str, Any]:
        """How nuclei are found and judged."""
        bins = self._bins
        found: dict[str, Any] = {
            "nuclei": "by optical density on the restained slide, seen by no pathologist",
            "nucleus_od": round(self._nucleus_od, 4),
            "chromogen": self._pair.recipe.chromogens[0],
        }
        if self._in_nuclei:
            shown = {"weak": bins.weak, "moderate": bins.moderate, "strong": bins.strong}
            return found | {"bins_od": {name: round(od, 4) for name, od in shown.items()}}
        return found | {
            "positive_od": round(bins.weak, 4),
            "ring_um": RING_UM,
            "least_share_of_ring": LEAST_SHARE_OF_RING,
        }

    def in_block(self, rows: slice, columns: slice) -> _Found:
        """Nuclei whose centroids lie in a block: in its pixels, with amounts and grades."""
        nothing = np.empty((0, 2)), np.empty(0, np.float32), np.empty(0, np.int64)
        size = Size(columns.stop - columns.start, rows.stop - rows.start)
        counted = np.isin(self._trust.reader.read(columns.start, rows.start, size), COUNTED)
        if not counted.any():
            return nothing
        margin = round(_MARGIN_UM / self._pair.mpp)
        seen = tuple(slice(s.start - margin, s.stop + margin) for s in (rows, columns))
        amounts = self._amounts(*seen)
        number, count = ndimage.label(
            nuclei_of(self._nuclear(amounts), self._nucleus_od, self._pair.mpp)
        )
        if not count:
            return nothing
        numbers = np.arange(1, count + 1)
        centre = (
            np.array(ndimage.center_of_mass(np.ones_like(number), number, numbers)) + 0.5 - margin
        )
        row, column = np.floor(centre).astype(np.int64).T
        inside = (row >= 0) & (row < size.height) & (column >= 0) & (column < size.width)
        inside[inside] = counted[row[inside], column[inside]]
        amount, grade = self._judged(amounts[1], number, numbers)
        xy = centre[inside][:, ::-1] + [columns.start, rows.start]
        return xy, amount[inside].astype(np.float32), grade[inside]

    def _judged(
        self, chromogen: NDArray[np.float32], number: NDArray[np.int32], numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Amount of the chromogen and grade of each nucleus."""
        if self._in_nuclei:
            amount = np.asarray(ndimage.mean(chromogen, number, numbers))
            return amount, self._bins.of(amount)
        from skimage import segmentation

        wide = segmentation.expand_labels(number, RING_UM / self._pair.mpp)
        ring = np.where(number > 0, 0, wide)
        amount = np.nan_to_num(np.asarray(ndimage.mean(chromogen, ring, numbers)))
        stained = (chromogen >= self._bins.weak).astype(np.float32)
        share = np.nan_to_num(np.asarray(ndimage.mean(stained, ring, numbers)))
        return amount, (share >= LEAST_SHARE_OF_RING).astype(np.int64)

    def _amounts(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Hematoxylin and chromogens of the restained slide at a block, ``(S, H, W)`` float32."""
        pair = self._pair
        cells = MovingCells.of_window(pair.registration.transform, pair.grid, rows, columns)
        everywhere = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool)
        picture = warped(pair.moving, cells, pair.mpp, everywhere, self._device)
        return np.asarray(self._stains(picture[None])[0])

    def _stains(self, batch: torch.Tensor) -> NDArray[np.float32]:
        stains = self._pair.stains
        amounts = deconvolve(batch, stains.matrix)[:, : len(stains.vectors)].clamp(min=0)
        return np.asarray(amounts.cpu().numpy())

    def _nuclear(self, amounts: NDArray[np.float32]) -> NDArray[np.float32]:
        """What makes a nucleus dark: brown hides the blue below it, where it lies in nuclei."""
        return np.asarray(amounts[0] + amounts[1] if self._in_nuclei else amounts[0])

    def _threshold(self) -> float:
        """Otsu's threshold over a sample of the whole slide: per block it would invent nuclei."""
        from skimage import filters

        pixels = sample_store(self._pair.moving)
        batch = torch.from_numpy(np.ascontiguousarray(pixels.T))[None, :, None]
        pooled = self._nuclear(self._stains(batch)[0, :, 0])
        stained = pooled[pooled > _WEAKEST_OD / 4]
        if not len(stained):
            return _STRONGEST_OD
        return float(np.clip(filters.threshold_otsu(stained), _WEAKEST_OD, _STRONGEST_OD))
