"""Labels a window of the H&E slide: fetch, tell apart, clean, and say what can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.geometry import Grid, Size
from pathoai.ihc.bare_glass import bare_on_other, glass_density
from pathoai.ihc.extract import Extracted, extract
from pathoai.ihc.marked_pair import MarkedPair
from pathoai.ihc.trust import Trust, near_border, trust_of
from pathoai.ihc.vetoes import artefact_vetoes, vetoed_artefacts, vetoed_colours
from pathoai.ihc.warp import MovingCells, warped
from pathoai.ontology import NOT_ASSESSED
from pathoai.preprocess.hematoxylin_nuclei import nuclei_of, nucleus_threshold
from pathoai.preprocess.stain.deconvolution import deconvolve
from pathoai.quality.quality_map import assess_quality, is_judged, read_quality
from pathoai.registration.tile_quality import RegistrationQuality, TileState
from pathoai.store.slide_store import SlideStore
from pathoai.tissue.mask import TissueMask, at_centres

_MARGIN_UM = 48.0
"""What is seen around a window, so that windows fit together: nuclei, smoothing, borders."""

_Mask = NDArray[np.bool_]
_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Fitness:
    """Which parts of a slide can serve: its tissue, and what artefacts leave of it.

    Args:
        tissue: The slide's tissue.
        refused: ``(H, W)`` bool, cells under an artefact that the recipe refuses.
        grid: The raster of these cells.
    """

    tissue: TissueMask
    refused: _Mask
    grid: Grid

    @classmethod
    def of_slide(cls, store: SlideStore, vetoes: tuple[str, ...], device: torch.device) -> Fitness:
        """From the slide's artefact map, which is made where there is none of the present method.

        Args:
            store: The slide; locked by whoever calls, since its map may be written.
            vetoes: Of the recipe.
            device: Where a missing map is measured.

        Raises:
            StoreError: The store is too coarse to judge.
        """
        tissue = store.tissue
        if not artefact_vetoes(vetoes):
            return cls(tissue, np.zeros_like(tissue.mask), tissue.grid)
        quality = read_quality(store) if is_judged(store) else assess_quality(store, device)
        refused = vetoed_artefacts(quality.class_map, vetoes)
        # A cell holds 16 µm: what an artefact spoils does not end with its last whole cell.
        return cls(tissue, np.asarray(ndimage.binary_dilation(refused)), quality.grid)


@dataclass(frozen=True, eq=False)
class LabelledWindow:
    """What is written of a window; arrays ``(H, W)`` uint8.

    Args:
        unmasked: Index of the class where the stain is positive, 0 elsewhere on tissue, else 255.
        trust: Values of `Trust`, 255 outside tissue.
    """

    unmasked: NDArray[np.uint8]
    trust: NDArray[np.uint8]

    @property
    def masked(self) -> NDArray[np.uint8]:
        """The label for training: 255 wherever it cannot be trusted."""
        return np.where(self.trust == Trust.TRUSTED, self.unmasked, np.uint8(NOT_ASSESSED))


class WindowLabeller:
    """Labels windows of one pair, in any order, the same each time.

    Args:
        pair: What is known of both slides.
        here: Which parts of the H&E slide can serve.
        there: Which parts of the restained one.
        device: Where pixels are fetched and stains are told apart.
    """

    def __init__(
        self, pair: MarkedPair, here: Fitness, there: Fitness, device: torch.device
    ) -> None:
        """Look at both slides' glass, and at nuclei where a target snaps to them."""
        self._pair, self._here, self._there, self._device = pair, here, there, device
        self._glass = (glass_density(pair.fixed), glass_density(pair.moving))
        snaps = any(target.snap_to_nuclei for target in pair.recipe.targets)
        self._nucleus_od = nucleus_threshold(pair.fixed, device) if snaps else None

    def label(self, rows: slice, columns: slice) -> LabelledWindow:
        """Label a window.

        Args:
            rows: Rows of the label.
            columns: Columns likewise.
        """
        size = self._pair.grid.size_px
        margin = round(_MARGIN_UM / self._pair.mpp)
        seen = _Window(
            slice(max(0, rows.start - margin), min(size.height, rows.stop + margin)),
            slice(max(0, columns.start - margin), min(size.width, columns.stop + margin)),
            self._pair.grid,
        )
        inner = np.s_[
            rows.start - seen.rows.start : rows.stop - seen.rows.start,
            columns.start - seen.columns.start : columns.stop - seen.columns.start,
        ]
        tissue = seen.of(self._here.tissue.mask, self._here.tissue.grid)
        if not tissue[inner].any():
            nothing = np.full(tissue[inner].shape, np.uint8(NOT_ASSESSED))
            return LabelledWindow(nothing, nothing)
        whole = self._labelled(seen, tissue)
        return LabelledWindow(whole.unmasked[inner].copy(), whole.trust[inner].copy())

    def _labelled(self, seen: _Window, tissue: _Mask) -> LabelledWindow:
        pair, there = self._pair, self._there
        cells = MovingCells.of_window(
            pair.registration.transform, seen.grid, seen.rows, seen.columns
        )
        present = cells.plane(there.tissue.mask, there.tissue.grid, outside=False)
        he = self._he(seen)
        vetoed = vetoed_colours(he, pair.recipe.vetoes).cpu().numpy()
        spoilt = seen.of(self._here.refused, self._here.grid)
        spoilt |= cells.plane(there.refused, there.grid, outside=False) | vetoed
        picture = warped(pair.moving, cells, pair.mpp, tissue & present, self._device)
        bare = bare_on_other(he, picture, self._glass, pair.mpp)
        found = self._extracted(picture, he)
        positive = np.where(vetoed, np.uint8(0), found.positive)
        border = near_border(positive, self._border_px(seen))
        trust = trust_of(
            {
                Trust.STAIN_IN_DOUBT: found.doubtful | border,
                Trust.ARTEFACT: spoilt,
                Trust.NOT_REGISTERED: ~self._believable(seen),
                Trust.NO_TISSUE_ON_OTHER: ~present | bare,
            },
            tissue,
        )
        values = np.array([0, *(label.index for label in pair.classes)], np.uint8)
        unmasked = np.where(tissue, values[positive], np.uint8(NOT_ASSESSED))
        return LabelledWindow(unmasked, trust)

    def _he(self, seen: _Window) -> torch.Tensor:
        """The H&E slide's pixels, ``(3, H, W)`` uint8 on the device."""
        pixels = self._pair.fixed.read_grid(
            seen.grid, seen.columns.start, seen.rows.start, seen.size_px
        )
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(self._device)

    def _extracted(self, picture: torch.Tensor, he: torch.Tensor) -> Extracted:
        """What the stain of the restained slide's picture says."""
        pair = self._pair
        amounts = pair.stains.chromogen_amounts(picture[None])[0].cpu().numpy()
        nuclei = None
        if self._nucleus_od is not None:
            hematoxylin = deconvolve(he[None])[0, 0].cpu().numpy()
            nuclei = nuclei_of(hematoxylin, self._nucleus_od, pair.mpp)
        return extract(amounts, pair.recipe, pair.thresholds, pair.mpp, nuclei)

    def _border_px(self, seen: _Window) -> NDArray[np.float32]:
        """How near to a border a label may be wrong, pixels: as far as the slides are apart."""
        quality = self._pair.registration.quality
        residual = np.nan_to_num(quality.residual_um, nan=0.0, posinf=0.0)
        apart = np.maximum(residual, self._pair.recipe.border_um) / self._pair.mpp
        return seen.of(apart.astype(np.float32), quality.grid)

    def _believable(self, seen: _Window) -> _Mask:
        """Where the tiles are believable, and no refused one is nearer than half a tile."""
        quality = self._pair.registration.quality
        near = seen.of(*_near_refused(quality))
        return quality.on_grid(seen.grid, seen.rows, seen.columns) & ~near


def _near_refused(quality: RegistrationQuality) -> tuple[_Mask, Grid]:
    """Quarters of tiles that touch a refused tile, or are of one, and their raster.

    What is wrong with a tile, a fold say, does not end at its edge.
    """
    refused = (quality.state == TileState.REFUSED).repeat(2, axis=0).repeat(2, axis=1)
    size = Size(refused.shape[1], refused.shape[0])
    halves = Grid(size, quality.grid.downsample_x / 2, quality.grid.downsample_y / 2)
    return np.asarray(ndimage.binary_dilation(refused, np.ones((3, 3), bool))), halves


@dataclass(frozen=True, slots=True)
class _Window:
    """A part of the label's raster.

    Args:
        rows: Its rows.
        columns: Its columns.
        grid: The raster.
    """

    rows: slice
    columns: slice
    grid: Grid

    @property
    def size_px(self) -> Size:
        return Size(self.columns.stop - self.columns.start, self.rows.stop - self.rows.start)

    def of(self, plane: NDArray[_Value], plane_grid: Grid) -> NDArray[_Value]:
        """A coarser plane of the H&E slide at the window's pixels."""
        return at_centres(plane, plane_grid, self.grid, self.rows, self.columns)
