"""Restains a generated section: the same tissue in hematoxylin and DAB on another slide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.testing.ihc_staining import MARKERS, hematoxylin_dab, positive_cells, positive_mask
from pathoai.testing.pyramid_tiff import PyramidDescription, write_pyramid
from pathoai.testing.slide_painter import BLOCK_PX, SlidePainter
from pathoai.testing.slide_truth import SlideTruth
from pathoai.testing.staining import absorb, transmit
from pathoai.testing.texture_noise import FloatGrid
from pathoai.testing.twin_transform import TwinTransform


@dataclass(frozen=True, eq=False)
class TwinTruth:
    """What is true of a restained slide.

    Attributes:
        source: Truth of the H&E slide.
        marker: Key of the antibody.
        positive: (N,) bool, which nuclei of the H&E truth belong to cells that bind it.
        transform: The maps between both slides.
    """

    source: SlideTruth
    marker: str
    positive: NDArray[np.bool_]
    transform: TwinTransform

    def to_twin(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (..., 2) points in level-0 px of the H&E slide to the twin."""
        return self.transform.to_twin(points_xy)

    def from_twin(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (..., 2) points in level-0 px of the twin to the H&E slide."""
        return self.transform.from_twin(points_xy)

    def positive_mask(self, x: int, y: int, width: int, height: int) -> NDArray[np.bool_]:
        """Render where the antibody binds, in the frame of the H&E slide.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
            width: Width, px.
            height: Height, px.

        Returns:
            (height, width) bool.
        """
        painter = _painter(self.source)
        structures = painter.structures(x, y, width, height)
        return positive_mask(
            structures,
            marker=MARKERS[self.marker],
            positive=self.positive,
            mpp=self.source.recipe.mpp,
        )

    def positive_mask_in_twin(self, x: int, y: int, width: int, height: int) -> NDArray[np.bool_]:
        """Render where the twin is brown: the mask of the H&E frame at the mapped pixels.

        Args:
            x: Left edge, level-0 px of the twin.
            y: Top edge, level-0 px of the twin.
            width: Width, px.
            height: Height, px.

        Returns:
            (height, width) bool.
        """
        place = _source_places(self.transform, x=x, y=y, width=width, height=height)
        left, top, wide, tall = _box_about(place)
        mask = self.positive_mask(left, top, wide, tall)
        columns = np.rint(place[..., 0]).astype(np.intp) - left
        rows = np.rint(place[..., 1]).astype(np.intp) - top
        return np.asarray(mask[rows, columns], dtype=bool)


def generate_ihc_twin(
    path: Path,
    truth: SlideTruth,
    *,
    marker: str = "AE1AE3",
    rotation_degrees: float = 5.0,
    translation_um: tuple[float, float] = (40.0, -25.0),
    warp_um: float = 8.0,
    seed: int = 0,
) -> TwinTruth:
    """Write the same section, washed, restained and laid on the scanner once more.

    Args:
        path: Where to write the TIFF; replaced if it exists.
        truth: The H&E slide; its artefacts are not repeated.
        marker: Antibody: "AE1AE3", "MKI67" or "CD3CD20".
        rotation_degrees: Rotation of the twin, clockwise on screen.
        translation_um: Move along x and y, micrometres.
        warp_um: Largest displacement by the warp, micrometres.
        seed: Seed of the warp and of the cells that bind the antibody.

    Returns:
        The truth of the twin.
    """
    twin = plan_ihc_twin(
        truth,
        marker=marker,
        rotation_degrees=rotation_degrees,
        translation_um=translation_um,
        warp_um=warp_um,
        seed=seed,
    )
    recipe = truth.recipe
    width, height = twin.transform.twin_px
    description = PyramidDescription(
        width=width,
        height=height,
        mpp=recipe.mpp,
        vendor=recipe.vendor,
        objective_power=recipe.magnification,
        code=f"{recipe.code}-{marker}",
    )
    painter = TwinPainter(twin)
    write_pyramid(Path(path), description=description, paint=painter.paint)
    return twin


def plan_ihc_twin(
    truth: SlideTruth,
    *,
    marker: str = "AE1AE3",
    rotation_degrees: float = 5.0,
    translation_um: tuple[float, float] = (40.0, -25.0),
    warp_um: float = 8.0,
    seed: int = 0,
) -> TwinTruth:
    """Decide how a twin differs from its H&E slide without painting it; see the above."""
    if marker not in MARKERS:
        raise InvalidValueError(
            "the marker is not known", where="marker", found=marker, allowed=", ".join(MARKERS)
        )
    warp, cells = (np.random.default_rng(s) for s in np.random.SeedSequence([seed, 11]).spawn(2))
    mpp = truth.recipe.mpp
    transform = TwinTransform.draw(
        warp,
        source_px=(truth.recipe.width, truth.recipe.height),
        rotation_degrees=rotation_degrees,
        translation_px=(translation_um[0] / mpp, translation_um[1] / mpp),
        warp_px=warp_um / mpp,
    )
    positive = positive_cells(truth.nuclei, cells, marker=MARKERS[marker])
    return TwinTruth(source=truth, marker=marker, positive=positive, transform=transform)


class TwinPainter:
    """Paints a restained slide block by block."""

    def __init__(self, twin: TwinTruth) -> None:
        """Prepare the textures of the section, which both slides share."""
        self.twin = twin
        self.section = _painter(twin.source)

    def paint(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Paint a rectangle of the twin.

        Args:
            x: Left edge, level-0 px of the twin, a multiple of 512.
            y: Top edge, level-0 px of the twin, a multiple of 512.
            width: Width, px.
            height: Height, px.

        Returns:
            (height, width, 3) uint8 RGB.
        """
        picture = np.empty((height, width, 3), dtype=np.uint8)
        for top in range(0, height, BLOCK_PX):
            for left in range(0, width, BLOCK_PX):
                wide, tall = min(BLOCK_PX, width - left), min(BLOCK_PX, height - top)
                block = self._paint_block(x + left, y + top, wide, tall)
                picture[top : top + tall, left : left + wide] = block
        return picture

    def _paint_block(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Stain the section under a block and bring it into the frame of the twin."""
        place = _source_places(self.twin.transform, x=x, y=y, width=width, height=height)
        left, top, wide, tall = _box_about(place)
        zero = np.zeros((height, width), dtype=np.float32)
        if self.section.is_glass(left, top, width=wide, height=tall):
            density = absorb(zero)
            return transmit(density, x=x, y=y, textures=self.section.textures)
        structures = self.section.structures(left, top, wide, tall)
        bound = positive_mask(
            structures,
            marker=MARKERS[self.twin.marker],
            positive=self.twin.positive,
            mpp=self.twin.source.recipe.mpp,
        )
        stains = hematoxylin_dab(
            structures,
            textures=self.section.textures,
            nuclei=self.section.nuclei,
            bound=bound,
        )
        place -= np.array([left, top])
        hematoxylin, dab = (_resampled(stain, place=place) for stain in stains)
        density = absorb(hematoxylin, dab=dab)
        return transmit(density, x=x, y=y, textures=self.section.textures)


def _painter(truth: SlideTruth) -> SlidePainter:
    """A painter of the section without the artefacts of the H&E slide."""
    return SlidePainter(truth.layout, nuclei=truth.nuclei, artefacts=(), seed=truth.recipe.seed)


def _source_places(
    transform: TwinTransform, *, x: int, y: int, width: int, height: int
) -> NDArray[np.float64]:
    """Pixel numbers (height, width, 2) of the H&E slide under the pixels of a twin's rectangle."""
    columns, rows = np.meshgrid(np.arange(x, x + width) + 0.5, np.arange(y, y + height) + 0.5)
    return transform.from_twin(np.stack([columns, rows], axis=-1)) - 0.5


def _box_about(place: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the whole pixels that (height, width, 2) places need."""
    left, top = (int(np.floor(place[..., axis].min())) - 1 for axis in (0, 1))
    right, bottom = (int(np.ceil(place[..., axis].max())) + 2 for axis in (0, 1))
    return left, top, right - left, bottom - top


def _resampled(stain: FloatGrid, *, place: NDArray[np.float64]) -> FloatGrid:
    """Read a stain at fractional pixel numbers (height, width, 2), linearly."""
    from scipy import ndimage

    values = ndimage.map_coordinates(stain, [place[..., 1], place[..., 0]], order=1, mode="nearest")
    return np.asarray(values, dtype=np.float32)
