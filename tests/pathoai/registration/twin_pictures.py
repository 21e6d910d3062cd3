"""A generated section in H&E and restained, as pictures, and copies turned by known maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.geometry import Mpp, Size
from pathoai.registration.affine_map import AffineMap, about, apply, compose, inverse, turn
from pathoai.registration.structure import StructureImage, picture_structure
from pathoai.registration.transform import PlacedSlide

MPP = 1.0
Picture = NDArray[np.uint8]


def placed(name: str, pixels: NDArray[Any], mpp: float = MPP) -> PlacedSlide:
    """The frame of a picture."""
    height, width = pixels.shape[:2]
    return PlacedSlide(name, Mpp.square(mpp), Size(width, height), "0" * 64)


def structure(pixels: Picture, mpp: float = MPP, name: str = "picture") -> StructureImage:
    """The structure of a picture."""
    return picture_structure(pixels, placed(name, pixels, mpp))


@dataclass(frozen=True, eq=False)
class TwinPictures:
    """A section in two stains.

    Args:
        he: `(H, W, 3)` uint8, the fixed slide.
        ihc: The restained slide.
        places: `(N, 2)` µm on the tissue of the fixed slide.
        found: `(N, 2)` µm, where they lie on the restained slide.
    """

    he: Picture
    ihc: Picture
    places: NDArray[np.float64]
    found: NDArray[np.float64]

    def turned(
        self, degrees: float, *, mirrored: bool = False, scale: float = 1.0
    ) -> tuple[Picture, NDArray[np.float64]]:
        """The restained slide laid down otherwise, and where the places lie on it, µm."""
        linear = turn(degrees, mirrored=mirrored, scale=scale)
        size = np.array([self.ihc.shape[1], self.ihc.shape[0]], np.float64)
        width, height = (int(side) for side in np.ceil(np.abs(linear) @ size))
        change = about(linear, size / 2, np.array([width, height]) / 2)
        return moved(self.ihc, change, Size(width, height)), apply(change, self.found / MPP) * MPP

    def error_um(self, affine: AffineMap, found: NDArray[np.float64]) -> float:
        """Median distance between where a map says and where the places are, µm."""
        return float(np.median(np.linalg.norm(apply(affine, self.places) - found, axis=-1)))


def moved(picture: Picture, change: AffineMap, size_px: Size) -> Picture:
    """A picture under an affine map of pixel edges, white around."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5]])
    # scipy asks rows before columns where each pixel's centre comes from.
    back = compose(inverse(half), compose(inverse(change), half))
    matrix, offset = back[::-1, 1::-1], back[::-1, 2]
    planes = [
        ndimage.affine_transform(
            picture[..., channel],
            matrix,
            offset,
            (size_px.height, size_px.width),
            order=1,
            cval=255,
        )
        for channel in range(3)
    ]
    return np.stack(planes, axis=-1)


def paint_twins(
    seed: int, *, organ: Literal["breast", "cervix"] = "breast", marker: str = "AE1AE3"
) -> TwinPictures:
    """A section of 1.2 mm at 1 µm, with a warp of up to 6 µm."""
    from pathoai.testing.generated_slide import SlideRecipe, painter_of, plan_slide
    from pathoai.testing.ihc_twin import TwinPainter, plan_ihc_twin

    side = 1200
    truth = plan_slide(SlideRecipe(width=side, height=side, mpp=MPP, seed=seed, organ=organ))
    twin = plan_ihc_twin(truth, marker=marker, rotation_degrees=0.0, warp_um=6.0, seed=seed)
    he = painter_of(truth).paint(0, 0, side, side)
    ihc = TwinPainter(twin).paint(0, 0, *twin.transform.twin_px)
    rows, columns = np.nonzero(structure(he).tissue)
    some = np.random.default_rng(seed).integers(0, len(rows), 300)
    places = np.asarray(np.stack([columns[some], rows[some]], axis=-1) + 0.5, np.float64)
    return TwinPictures(he, ihc, places * MPP, twin.to_twin(places) * MPP)
