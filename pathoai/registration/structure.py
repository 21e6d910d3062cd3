"""What two stains of one section share: where its tissue lies, and where nuclei are dense.

Hematoxylin is on both slides; eosin is on one, the chromogen of the antibody on the other. In
optical density, red − blue × (red / blue of DAB) is 0 for DAB whatever its amount, close to 0 for
eosin and for the red chromogens, and half its amount for hematoxylin (vectors: Ruifrok & Johnston
2001). So one combination serves every stain, and no slide has to say how it was stained. To it is
added a saturating measure of all that absorbs light, whatever its colour: lumina, tears and the
outline are the same on both slides, too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pathoai import entry_points
from pathoai.errors import AlignmentError, InvalidValueError
from pathoai.geometry import Grid, Size
from pathoai.preprocess.stain.stain_matrix import DAB
from pathoai.registration.transform import PlacedSlide
from pathoai.store.slide_store import SlideStore
from pathoai.tissue.mask import GROUP, TissueMethod

_BLOCK_PX = 1024
_RED_PER_BLUE = DAB[0] / DAB[2]
# Beyond it blue is black, and what is left of red would be taken for hematoxylin.
_MOST_HEMATOXYLIN_OD = 1.0
_BODY_OD = 0.15
_BODY_WEIGHT = 0.5
# The preset that also finds pale sections, as restained ones are.
_TISSUE_METHOD = "ihc"


@dataclass(frozen=True, eq=False)
class StructureImage:
    """What a slide shows, whatever its stain, on square pixels from its top left.

    Args:
        values: ``(H, W)`` float32, 0 off the tissue.
        tissue: ``(H, W)`` bool.
        mpp: µm per pixel.
        of: The slide.

    Raises:
        InvalidValueError: Planes of different sizes, or a scale that is not positive.
        AlignmentError: There is no tissue.
    """

    values: NDArray[np.float32]
    tissue: NDArray[np.bool_]
    mpp: float
    of: PlacedSlide
    _coarser: dict[int, StructureImage] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be aligned."""
        if self.values.ndim != 2 or self.values.shape != self.tissue.shape or not self.mpp > 0:
            raise InvalidValueError(
                "not an image of a slide's structure",
                where=self.of.slide_id,
                found=f"{self.values.shape} values, {self.tissue.shape} tissue, mpp {self.mpp}",
                allowed="two planes of one size, and a positive scale",
            )
        if not self.tissue.any():
            raise AlignmentError(
                "no tissue to align",
                where=self.of.slide_id,
                remedy="look at the slide's tissue mask: another preset may find it",
            )

    @functools.cached_property
    def tissue_box_um(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the tissue, µm."""
        rows, columns = (np.flatnonzero(self.tissue.any(axis=axis)) for axis in (1, 0))
        edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        left, top, right, bottom = (float(edge) * self.mpp for edge in edges)
        return left, top, right, bottom

    @property
    def extent_um(self) -> float:
        """The longer side of the box about the tissue, µm."""
        left, top, right, bottom = self.tissue_box_um
        return max(right - left, bottom - top)

    @property
    def tissue_um2(self) -> float:
        """Area of the tissue, µm²."""
        return float(np.count_nonzero(self.tissue)) * self.mpp**2

    def coarser(self, factor: int) -> StructureImage:
        """The means of squares of pixels; what lies past the edges counts as glass.

        They are made once: whoever judges many starts asks for the same few factors each time.

        Args:
            factor: Side of the squares; 1 gives the image itself.
        """
        if factor <= 1:
            return self
        found = self._coarser.get(factor)
        if found is None:
            found = self._coarser[factor] = self._means_of(factor)
        return found

    def _means_of(self, factor: int) -> StructureImage:
        values = _means(self.values, factor)
        tissue = _means(self.tissue.astype(np.float32), factor) >= 0.5
        if not tissue.any():
            tissue = _means(self.tissue.astype(np.float32), factor) > 0
        return StructureImage(values, tissue, self.mpp * factor, self.of)

    def without_holes(self, largest_um2: float) -> StructureImage:
        """The same, with holes of the tissue counted as tissue: what is seen stays as it is.

        Args:
            largest_um2: Larger holes stay, µm².
        """
        from skimage import morphology

        largest = int(largest_um2 / self.mpp**2)
        return replace(self, tissue=morphology.remove_small_holes(self.tissue, max_size=largest))

    def near(self, mpp: float) -> StructureImage:
        """The coarsest of these that is no coarser than asked for, to a tenth.

        Args:
            mpp: µm per pixel.
        """
        return self.coarser(max(1, int(mpp / self.mpp * 1.1)))


def structure_image(store: SlideStore, mpp: float) -> StructureImage:
    """Read the structure of a whole slide, block by block: only its two planes have its size.

    Args:
        store: The slide.
        mpp: Scale of the result, µm per pixel.

    Returns:
        The image, over the slide's full canvas.

    Raises:
        StoreError: A part of the slide cannot be read, or it has no tissue mask.
        AlignmentError: It has no tissue.
    """
    slide = store.slide
    grid = Grid.covering(slide.size, slide.mpp, mpp)
    shape = (grid.size_px.height, grid.size_px.width)
    values, tissue = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    mask = store.tissue
    for rows, columns in _blocks(shape):
        shown = mask.on_grid(grid, rows, columns)
        if shown.any():
            size = Size(columns.stop - columns.start, rows.stop - rows.start)
            pixels = store.read_grid(grid, columns.start, rows.start, size)
            values[rows, columns] = structure_of(pixels) * shown
            tissue[rows, columns] = shown
    return StructureImage(values, tissue, mpp, PlacedSlide.of_store(store))


def picture_structure(pixels: NDArray[np.uint8], of: PlacedSlide) -> StructureImage:
    """The structure of a slide that is a picture in memory.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB, the whole slide.
        of: What is known of it; its scale is the picture's.

    Returns:
        The image, on the picture's own pixels.

    Raises:
        AlignmentError: It has no tissue.
    """
    find: TissueMethod = entry_points.load(GROUP, _TISSUE_METHOD)
    tissue = find(pixels, of.mpp.mean)
    values = np.zeros(tissue.shape, np.float32)
    for place in _blocks(tissue.shape):
        values[place] = structure_of(pixels[place]) * tissue[place]
    return StructureImage(values, tissue, of.mpp.mean, of)


def structure_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What is alike in every stain, pixel by pixel: hematoxylin, and that there is something.

    Args:
        pixels: ``(h, w, 3)`` uint8 RGB.

    Returns:
        ``(h, w)`` float32, 0 for clear glass, at most 1.5.
    """
    red, green, blue = (_densities()[pixels[..., channel]] for channel in range(3))
    body = (red + green + blue) * np.float32(-1 / (3 * _BODY_OD))
    np.exp(body, out=body)
    blue *= np.float32(_RED_PER_BLUE)
    red -= blue
    np.clip(red, 0, _MOST_HEMATOXYLIN_OD, out=red)
    red += np.float32(_BODY_WEIGHT) * (1 - body)
    return np.asarray(red, np.float32)


@functools.cache
def _densities() -> NDArray[np.float32]:
    """Optical density (natural logarithm) of each 8-bit value, ``(256,)``."""
    return np.asarray(-np.log((np.arange(256) + 1) / 256), np.float32)


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the blocks that a plane is worked on in."""
    height, width = shape
    for top in range(0, height, _BLOCK_PX):
        for left in range(0, width, _BLOCK_PX):
            yield (
                slice(top, min(top + _BLOCK_PX, height)),
                slice(left, min(left + _BLOCK_PX, width)),
            )


def _means(plane: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Means over squares, the last of them filled up with zeros."""
    height, width = (-(-side // factor) * factor for side in plane.shape)
    if (height, width) != plane.shape:
        plane = np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1])))
    squares = plane.reshape(height // factor, factor, width // factor, factor)
    return np.asarray(squares.mean(axis=(1, 3)), np.float32)
