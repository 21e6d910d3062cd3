"""Restains a generated section: the same tissue in hematoxylin and chromogens on another slide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError
from pathoai.testing.ihc_staining import (
    MARKERS,
    Chromogen,
    positive_cells,
    positive_mask,
    restained,
)
from pathoai.testing.pyramid_tiff import PyramidDescription, write_pyramid
from pathoai.testing.slide_painter import BLOCK_PX, SlidePainter
from pathoai.testing.slide_truth import SlideTruth
from pathoai.testing.staining import Structures, absorb, transmit
from pathoai.testing.texture_noise import FloatGrid
from pathoai.testing.twin_damage import DamageKind, TwinDamage, draw_damages
from pathoai.testing.twin_recipe import TwinOptions, TwinRecipe
from pathoai.testing.twin_transform import SIDES, TwinTransform

_PIGMENT_SEEN = 0.1


@dataclass(frozen=True, eq=False)
class TwinTruth:
    """What is true of a restained slide.

    Attributes:
        source: Truth of the H&E slide.
        recipe: What was asked for.
        cells: (N,) bool per chromogen, which nuclei of the H&E truth belong to cells that bind
            its antibody.
        transform: The maps between both slides.
        damages: The tears and folds, in the frame of the H&E slide.
    """

    source: SlideTruth
    recipe: TwinRecipe
    cells: dict[Chromogen, NDArray[np.bool_]]
    transform: TwinTransform
    damages: tuple[TwinDamage, ...] = ()

    @property
    def marker(self) -> str:
        """Key of the antibody."""
        return self.recipe.marker

    @property
    def mpp(self) -> float:
        """Micrometres per level-0 pixel of the twin."""
        return self.source.recipe.mpp / self.recipe.scale

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(N,) bool, which nuclei of the H&E truth belong to cells that turn brown."""
        return self.cells["dab"]

    def to_twin(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (..., 2) points in level-0 px of the H&E slide to the twin."""
        return self.transform.to_twin(points_xy)

    def from_twin(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (..., 2) points in level-0 px of the twin to the H&E slide."""
        return self.transform.from_twin(points_xy)

    def positive_mask(
        self, x: int, y: int, width: int, height: int, *, chromogen: Chromogen = "dab"
    ) -> NDArray[np.bool_]:
        """Render where an antibody binds, in the frame of the H&E slide.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
            width: Width, px.
            height: Height, px.
            chromogen: Which one, of those of the marker.

        Returns:
            (height, width) bool; what is gone from the twin is positive all the same.

        Raises:
            InvalidValueError: The marker has no such chromogen.
        """
        if chromogen not in self.cells:
            raise InvalidValueError(
                "the marker has no such chromogen",
                where=self.marker,
                found=chromogen,
                allowed=", ".join(self.cells),
            )
        structures = _painter(self.source).structures(x, y, width, height)
        return _bound(self, structures)[chromogen]

    def positive_mask_in_twin(
        self, x: int, y: int, width: int, height: int, *, chromogen: Chromogen = "dab"
    ) -> NDArray[np.bool_]:
        """Render where the twin is brown, or red: the mask of the H&E frame at the mapped pixels.

        Args:
            x: Left edge, level-0 px of the twin.
            y: Top edge, level-0 px of the twin.
            width: Width, px.
            height: Height, px.
            chromogen: Which one, of those of the marker.

        Returns:
            (height, width) bool.
        """
        layers = _layers(self, x=x, y=y, width=width, height=height)
        left, top, wide, tall = _box_about(layers)
        mask = self.positive_mask(left, top, wide, tall, chromogen=chromogen)
        seen = np.zeros((height, width), dtype=bool)
        for layer in layers:
            columns = np.rint(layer.place[..., 0]).astype(np.intp) - left
            rows = np.rint(layer.place[..., 1]).astype(np.intp) - top
            seen |= mask[rows, columns] & (layer.cover >= 0.5)
        return seen

    def gone_mask(self, x: int, y: int, width: int, height: int) -> NDArray[np.bool_]:
        """Render what has no true counterpart: torn, folded, or not on the twin's scan.

        Args:
            x: Left edge, level-0 px of the H&E slide.
            y: Top edge, level-0 px of the H&E slide.
            width: Width, px.
            height: Height, px.

        Returns:
            (height, width) bool; of glass, too.
        """
        columns, rows = np.meshgrid(np.arange(x, x + width) + 0.5, np.arange(y, y + height) + 0.5)
        points = np.stack([columns, rows], axis=-1)
        place = self.to_twin(points)
        gone = np.any((place < 0) | (place >= self.transform.twin_px), axis=-1)
        for damage in self.damages:
            if damage.near(points):
                gone |= damage.depth(points) > 0
        return np.asarray(gone, dtype=bool)

    def pigment_mask(self, x: int, y: int, width: int, height: int) -> NDArray[np.bool_]:
        """Render where both slides are brown without an antibody, in the frame of the H&E slide.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
            width: Width, px.
            height: Height, px.

        Returns:
            (height, width) bool.
        """
        pigment = _painter(self.source).structures(x, y, width, height).pigment
        if pigment is None:
            return np.zeros((height, width), dtype=bool)
        return np.asarray(pigment > _PIGMENT_SEEN, dtype=bool)


def generate_ihc_twin(path: Path, truth: SlideTruth, **options: Unpack[TwinOptions]) -> TwinTruth:
    """Write the same section, washed, restained and laid on a scanner once more.

    Args:
        path: Where to write the TIFF; replaced if it exists.
        truth: The H&E slide; its artefacts are not repeated, its pigment is.
        **options: How the twin differs; see `TwinRecipe`.

    Returns:
        The truth of the twin.

    Raises:
        InvalidValueError: No such twin can be made.
    """
    twin = plan_ihc_twin(truth, **options)
    recipe = truth.recipe
    width, height = twin.transform.twin_px
    description = PyramidDescription(
        width=width,
        height=height,
        mpp=twin.mpp,
        vendor=recipe.vendor,
        objective_power=recipe.magnification * twin.recipe.scale,
        code=f"{recipe.code}-{twin.marker}",
    )
    painter = TwinPainter(twin)
    write_pyramid(Path(path), description=description, paint=painter.paint)
    return twin


def plan_ihc_twin(truth: SlideTruth, **options: Unpack[TwinOptions]) -> TwinTruth:
    """Decide how a twin differs from its H&E slide without painting it; see the above."""
    recipe = TwinRecipe(**options)
    streams = np.random.SeedSequence([recipe.seed, 11]).spawn(3)
    warp, cells, faults = (np.random.default_rng(stream) for stream in streams)
    mpp = truth.recipe.mpp
    rigid = TwinTransform.draw(
        warp,
        source_px=(truth.recipe.width, truth.recipe.height),
        rotation_degrees=recipe.rotation_degrees,
        translation_px=(recipe.translation_um[0] / mpp, recipe.translation_um[1] / mpp),
        warp_px=recipe.warp_um / mpp,
        wavelength_px=None if recipe.wavelength_um is None else recipe.wavelength_um / mpp,
    )
    transform = rigid.rescanned(
        scale=recipe.scale,
        mirrored=recipe.mirrored,
        left_off=recipe.partial,
        side=SIDES[int(faults.integers(len(SIDES)))],
    )
    kinds: list[DamageKind] = ["tear" for _ in range(recipe.tears)]
    kinds += ["fold" for _ in range(recipe.folds)]
    return TwinTruth(
        source=truth,
        recipe=recipe,
        cells=positive_cells(truth.nuclei, cells, marker=MARKERS[recipe.marker]),
        transform=transform,
        damages=draw_damages(kinds, faults, layout=truth.layout),
    )


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
        layers = _layers(self.twin, x=x, y=y, width=width, height=height)
        left, top, wide, tall = _box_about(layers)
        if self.section.is_glass(left, top, width=wide, height=tall):
            density = absorb(np.zeros((height, width), dtype=np.float32))
            return transmit(density, x=x, y=y, textures=self.section.textures)
        structures = self.section.structures(left, top, wide, tall)
        stains = restained(
            structures,
            textures=self.section.textures,
            nuclei=self.section.nuclei,
            bound=_bound(self.twin, structures),
        )
        if structures.pigment is not None:
            stains["pigment"] = structures.pigment
        scale = self.twin.recipe.scale
        density = absorb(
            **{
                name: _laid(stain, layers=layers, corner=(left, top), scale=scale)
                for name, stain in stains.items()
            }
        )
        return transmit(density, x=x, y=y, textures=self.section.textures)


def _painter(truth: SlideTruth) -> SlidePainter:
    """A painter of the section without the artefacts of the H&E slide."""
    return SlidePainter(truth.layout, nuclei=truth.nuclei, artefacts=(), seed=truth.recipe.seed)


def _bound(twin: TwinTruth, structures: Structures) -> dict[Chromogen, NDArray[np.bool_]]:
    """Where in a rectangle each antibody binds, (height, width) bool per chromogen."""
    antibodies = MARKERS[twin.marker].antibodies()
    return {
        chromogen: positive_mask(
            structures,
            marker=antibodies[chromogen],
            positive=positive,
            mpp=twin.source.recipe.mpp,
        )
        for chromogen, positive in twin.cells.items()
    }


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer of tissue in a rectangle of a twin.

    Attributes:
        place: (height, width, 2) float64, pixel numbers of the H&E slide.
        cover: (height, width) float32, how much of the layer is there, 0 to 1.
    """

    place: NDArray[np.float64]
    cover: FloatGrid


def _layers(twin: TwinTruth, *, x: int, y: int, width: int, height: int) -> list[_Layer]:
    """The section under a rectangle of a twin, and the flaps that were folded onto it."""
    columns, rows = np.meshgrid(np.arange(x, x + width) + 0.5, np.arange(y, y + height) + 0.5)
    points = twin.from_twin(np.stack([columns, rows], axis=-1))
    kept = np.ones((height, width), dtype=np.float32)
    flaps = []
    for damage in twin.damages:
        if not damage.near(points):
            continue
        kept *= 1.0 - damage.missing(points)
        doubled = damage.doubled(points)
        if doubled.any():
            # Elsewhere the flap is not looked at: the box about its places stays small.
            over = np.where((doubled > 0)[..., None], damage.turned_over(points), points)
            flaps.append(_Layer(over - 0.5, doubled))
    return [_Layer(points - 0.5, kept), *flaps]


def _box_about(layers: list[_Layer]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the whole pixels that all layers need."""
    edges = []
    for axis in (0, 1):
        # Axis by axis: numpy is slow at both at once.
        low = min(layer.place[..., axis].min() for layer in layers)
        high = max(layer.place[..., axis].max() for layer in layers)
        edges.append((int(np.floor(low)) - 1, int(np.ceil(high)) + 2))
    (left, right), (top, bottom) = edges
    return left, top, right - left, bottom - top


def _laid(
    stain: FloatGrid, *, layers: list[_Layer], corner: tuple[int, int], scale: float
) -> FloatGrid:
    """Read a stain of a rectangle with a given corner through all layers, linearly."""
    from scipy import ndimage

    if scale < 1.0:
        # A pixel of the twin gathers the light of several of the H&E slide.
        stain = ndimage.uniform_filter(stain, round(1.0 / scale), mode="nearest")
    laid = np.zeros(layers[0].cover.shape, dtype=np.float32)
    for layer in layers:
        place = [layer.place[..., 1] - corner[1], layer.place[..., 0] - corner[0]]
        read = ndimage.map_coordinates(stain, place, order=1, mode="nearest")
        laid += np.asarray(read, dtype=np.float32) * layer.cover
    return laid
