"""Immunohistochemistry: hematoxylin and brown DAB on the structures of a generated slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pathoai.testing.nuclei import NucleusTable
from pathoai.testing.staining import (
    Structures,
    Textures,
    cell_border,
    collagen,
    stain_nuclei,
)
from pathoai.testing.texture_noise import FloatGrid, tile_window

_RIM_UM = (-0.5, 1.1)


@dataclass(frozen=True)
class Marker:
    """What an antibody binds.

    Attributes:
        compartment: Part of the cell that turns brown.
        shares: Share of positive cells per class of nucleus; classes left out have none.
    """

    compartment: Literal["cytoplasm", "nucleus", "rim"]
    shares: dict[str, float]


MARKERS: dict[str, Marker] = {
    "AE1AE3": Marker("cytoplasm", {"nucleus_neoplastic": 1.0, "nucleus_normal_epithelium": 1.0}),
    "MKI67": Marker(
        "nucleus",
        {
            "nucleus_neoplastic": 0.35,
            "nucleus_normal_epithelium": 0.05,
            "nucleus_lymphocyte": 0.06,
        },
    ),
    "CD3CD20": Marker("rim", {"nucleus_lymphocyte": 0.96}),
}


def positive_cells(
    nuclei: NucleusTable, generator: np.random.Generator, *, marker: Marker
) -> NDArray[np.bool_]:
    """Draw which cells bind the antibody, (N,) bool."""
    shares = np.array([marker.shares.get(key, 0.0) for key in nuclei.class_keys])
    return np.asarray(generator.random(len(nuclei)) < shares[nuclei.class_index], dtype=bool)


def positive_mask(
    structures: Structures, *, marker: Marker, positive: NDArray[np.bool_], mpp: float
) -> NDArray[np.bool_]:
    """Say which pixels of a rectangle bind the antibody.

    Args:
        structures: What lies where in the H&E frame.
        marker: What the antibody binds.
        positive: (N,) bool, the cells that bind it.
        mpp: Micrometres per level-0 pixel.

    Returns:
        (height, width) bool.
    """
    cells = structures.cells
    if marker.compartment == "cytoplasm":
        # Every epithelial cell binds it, also one whose nucleus lies outside the section.
        ground = (structures.epithelium >= 0.5) & (structures.tissue >= 0.5)
        return np.asarray(ground & (cells.distance > 0), dtype=bool)
    bound = np.append(positive, False)[cells.row]
    if marker.compartment == "nucleus":
        return np.asarray(bound & (cells.distance <= 0), dtype=bool)
    low, high = _RIM_UM[0] / mpp, _RIM_UM[1] / mpp
    return np.asarray(bound & (cells.distance >= low) & (cells.distance <= high), dtype=bool)


def hematoxylin_dab(
    structures: Structures,
    *,
    textures: Textures,
    nuclei: NucleusTable,
    bound: NDArray[np.bool_],
) -> tuple[FloatGrid, FloatGrid]:
    """Stain a rectangle.

    Args:
        structures: What lies where in the H&E frame.
        textures: Noise of the slide.
        nuclei: The nuclei that the cell map refers to.
        bound: (height, width) bool, where the antibody is.

    Returns:
        Density of hematoxylin and of DAB, (height, width) float32 each.
    """
    from scipy import ndimage

    height, width = bound.shape
    grain = tile_window(textures.grain, x=structures.x, y=structures.y, width=width, height=height)
    fibre, gap = collagen(structures, textures=textures)
    hematoxylin = (np.float32(0.06) + np.float32(0.015) * fibre) * gap
    hematoxylin += structures.epithelium * (np.float32(0.10) - hematoxylin)
    hematoxylin *= structures.tissue
    stain_nuclei(
        structures, textures=textures, nuclei=nuclei, stains=(hematoxylin, np.zeros_like(fibre))
    )
    hematoxylin *= np.float32(0.62)
    inside = np.arange(height * width)
    border = cell_border(structures, inside=inside).reshape(height, width)
    strength = np.float32(0.55) + np.float32(0.10) * grain + np.float32(0.3) * border
    # The brown deposit diffuses a little.
    soft = ndimage.uniform_filter(bound.astype(np.float32), 3, mode="nearest")
    dab = soft * strength * (1.0 + np.float32(0.15) * structures.thickness)
    background = (0.025 + 0.008 * grain) * structures.tissue
    return hematoxylin, np.asarray(np.maximum(dab, 0.0) + background, dtype=np.float32)
