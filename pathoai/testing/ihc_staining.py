"""Immunohistochemistry: hematoxylin, brown DAB and red on the structures of a generated slide."""

from __future__ import annotations

from collections.abc import Mapping
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

Chromogen = Literal["dab", "permanent_red"]
Compartment = Literal[
    "nucleus",
    "nuclear_membrane",
    "rim",
    "body",
    "cytoplasm",
    "whole_cell",
    "membrane",
    "basement_membrane",
]
# Distances from the outline of the nucleus: a lymphocyte has hardly any cytoplasm, so its membrane
# is a rim about the nucleus; a spindle cell or macrophage has a body.
_BANDS_UM: dict[Compartment, tuple[float, float]] = {
    "nucleus": (-np.inf, 0.0),
    "nuclear_membrane": (-1.1, 0.3),
    "rim": (-0.5, 1.1),
    "body": (0.2, 3.0),
}
_MEMBRANE_UM = 0.8
_BASEMENT_MEMBRANE_UM = 2.2


@dataclass(frozen=True)
class Marker:
    """What an antibody, or a cocktail of two, binds.

    Attributes:
        compartment: Part of the cell that turns brown.
        shares: Share of positive cells per class of nucleus; classes left out have none.
        red: What the second antibody of a cocktail binds, where the chromogen is red.
    """

    compartment: Compartment
    shares: dict[str, float]
    red: Marker | None = None

    def antibodies(self) -> dict[Chromogen, Marker]:
        """What each chromogen stands for."""
        return {"dab": self} if self.red is None else {"dab": self, "permanent_red": self.red}


_EPITHELIUM = {"nucleus_neoplastic": 1.0, "nucleus_normal_epithelium": 1.0}
_ALL_NUCLEI = {**_EPITHELIUM, "nucleus_lymphocyte": 1.0, "nucleus_stromal": 1.0}

MARKERS: dict[str, Marker] = {
    "AE1AE3": Marker("cytoplasm", _EPITHELIUM),
    "MKI67": Marker(
        "nucleus",
        {
            "nucleus_neoplastic": 0.35,
            "nucleus_normal_epithelium": 0.05,
            "nucleus_lymphocyte": 0.06,
        },
    ),
    "CD3CD20": Marker("rim", {"nucleus_lymphocyte": 0.96}),
    "ER": Marker("nucleus", {"nucleus_neoplastic": 0.8, "nucleus_normal_epithelium": 0.3}),
    "PR": Marker("nucleus", {"nucleus_neoplastic": 0.55, "nucleus_normal_epithelium": 0.25}),
    "PHH3": Marker("nucleus", {"nucleus_neoplastic": 0.04}),
    "INI1": Marker("nucleus", _ALL_NUCLEI),
    "EMD": Marker("nuclear_membrane", _ALL_NUCLEI),
    "HER2": Marker("membrane", {"nucleus_neoplastic": 1.0}),
    "P16": Marker("whole_cell", {"nucleus_neoplastic": 0.97}),
    "CD163": Marker("body", {"nucleus_stromal": 0.2}),
    "P40COLIV": Marker(
        "nucleus",
        {"nucleus_normal_epithelium": 0.45, "nucleus_neoplastic": 0.02},
        red=Marker("basement_membrane", {}),
    ),
    # Vessels are single cells here: an endothelial nucleus and the wall about it.
    "ERGCALDESMON": Marker(
        "nucleus", {"nucleus_stromal": 0.3}, red=Marker("body", {"nucleus_stromal": 0.25})
    ),
    "ERGPODOPLANIN": Marker(
        "nucleus", {"nucleus_stromal": 0.3}, red=Marker("body", {"nucleus_stromal": 0.1})
    ),
}


def positive_cells(
    nuclei: NucleusTable, generator: np.random.Generator, *, marker: Marker
) -> dict[Chromogen, NDArray[np.bool_]]:
    """Draw which cells bind each antibody, (N,) bool per chromogen.

    Both antibodies of a cocktail share the draw, so the smaller share is part of the larger one.
    """
    draw = generator.random(len(nuclei))
    cells: dict[Chromogen, NDArray[np.bool_]] = {}
    for chromogen, antibody in marker.antibodies().items():
        shares = np.array([antibody.shares.get(key, 0.0) for key in nuclei.class_keys])
        cells[chromogen] = np.asarray(draw < shares[nuclei.class_index], dtype=bool)
    return cells


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
    ground = (structures.epithelium >= 0.5) & (structures.tissue >= 0.5)
    if marker.compartment == "cytoplasm":
        # Every epithelial cell binds it, also one whose nucleus lies outside the section.
        return np.asarray(ground & (cells.distance > 0), dtype=bool)
    if marker.compartment == "basement_membrane":
        # On the stroma's side; beyond the other border of an epithelium lies a lumen or glass.
        outside = (structures.depth <= 0) & (structures.depth > -_BASEMENT_MEMBRANE_UM / mpp)
        return np.asarray(outside & (structures.tissue >= 0.5) & (cells.distance > 0), dtype=bool)
    bound = np.append(positive, False)[cells.row]
    if marker.compartment == "whole_cell":
        return np.asarray(bound & (ground | (cells.distance <= 0)), dtype=bool)
    if marker.compartment == "membrane":
        # The gap grows by two pixels per pixel from the border of two cells.
        border = cells.second - cells.distance <= 2 * _MEMBRANE_UM / mpp
        border |= structures.depth <= _MEMBRANE_UM / mpp
        return np.asarray(ground & bound & border & (cells.distance > 0), dtype=bool)
    low, high = (limit / mpp for limit in _BANDS_UM[marker.compartment])
    return np.asarray(bound & (cells.distance >= low) & (cells.distance <= high), dtype=bool)


def restained(
    structures: Structures,
    *,
    textures: Textures,
    nuclei: NucleusTable,
    bound: Mapping[Chromogen, NDArray[np.bool_]],
) -> dict[str, FloatGrid]:
    """Stain a rectangle.

    Args:
        structures: What lies where in the H&E frame.
        textures: Noise of the slide.
        nuclei: The nuclei that the cell map refers to.
        bound: (height, width) bool per chromogen, where its antibody is.

    Returns:
        Density of "hematoxylin" and of each chromogen, (height, width) float32 each.
    """
    height, width = structures.tissue.shape
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
    background = (0.025 + 0.008 * grain) * structures.tissue
    stains = {"hematoxylin": hematoxylin}
    for chromogen, mask in bound.items():
        deposit = _deposit(mask, strength=strength, structures=structures)
        # The second chromogen of a cocktail leaves less of a haze.
        haze = background if chromogen == "dab" else 0.4 * background
        stains[chromogen] = np.asarray(deposit + haze, dtype=np.float32)
    return stains


def _deposit(bound: NDArray[np.bool_], *, strength: FloatGrid, structures: Structures) -> FloatGrid:
    """Density (height, width) of a chromogen where its antibody is; the deposit diffuses."""
    from scipy import ndimage

    soft = ndimage.uniform_filter(bound.astype(np.float32), 3, mode="nearest")
    density = soft * strength * (1.0 + np.float32(0.15) * structures.thickness)
    return np.asarray(np.maximum(density, 0.0), dtype=np.float32)
