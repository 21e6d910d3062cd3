"""Where no label can be had: what the H&E slide shows brown already, blood, and artefacts."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.preprocess.stain.deconvolution import deconvolve
from pathoai.preprocess.stain.optical_density import optical_density
from pathoai.preprocess.stain.stain_matrix import DAB, EOSIN, HEMATOXYLIN, unit_vectors
from pathoai.quality.artefacts import ARTEFACTS, BLUR, GLASS_EDGE, PEN

BROWN, RED_CELLS = "brown_on_he", "red_cells"
# The others are told by eosin, which a restained slide lacks: there they find brown nests and pale
# stroma. Folds and tears of such a slide show where it differs from the H&E slide.
_SEEN_WITHOUT_EOSIN = (PEN.key, BLUR.key, GLASS_EDGE.key)
# Pigments (hemosiderin, melanin, formalin) absorb blue most, as DAB does and no stain of H&E.
_BROWN_OD = 0.30
_BROWN_BLUE_PER_GREEN = 0.90
# Hemoglobin and eosin: blue nearly as much as green, and clear in red (see `quality.blood`).
_BLOOD_OD = 0.85
_BLOOD_BLUE_PER_GREEN = 0.66
_BLOOD_RED_PER_GREEN = 0.28


def vetoed_colours(he: torch.Tensor, vetoes: tuple[str, ...]) -> torch.Tensor:
    """Pixels of the H&E slide whose colour says that brown there is no antibody.

    Args:
        he: ``(3, H, W)`` uint8, or floating point from 0 to 1.
        vetoes: Of the recipe.

    Returns:
        ``(H, W)`` bool on the same device.
    """
    out = torch.zeros(he.shape[1:], dtype=torch.bool, device=he.device)
    red, green, blue = optical_density(he[None])[0]
    if BROWN in vetoes:
        stains = unit_vectors(np.array([HEMATOXYLIN, EOSIN, DAB]))
        brown = deconvolve(he[None], stains)[0, 2]
        out |= (brown > _BROWN_OD) & (blue > _BROWN_BLUE_PER_GREEN * green)
    if RED_CELLS in vetoes:
        hue = (blue > _BLOOD_BLUE_PER_GREEN * green) & (red < _BLOOD_RED_PER_GREEN * green)
        out |= hue & (green > _BLOOD_OD)
    return out


def without_eosin(vetoes: tuple[str, ...]) -> tuple[str, ...]:
    """The vetoes that an artefact map of a restained slide can be asked for."""
    return tuple(veto for veto in vetoes if veto in _SEEN_WITHOUT_EOSIN)


def artefact_vetoes(vetoes: tuple[str, ...]) -> list[int]:
    """Values of an artefact map that the recipe refuses."""
    return [artefact.index for artefact in ARTEFACTS if artefact.key in vetoes]


def vetoed_artefacts(class_map: NDArray[np.uint8], vetoes: tuple[str, ...]) -> NDArray[np.bool_]:
    """Cells of an artefact map that the recipe refuses, the same shape, bool."""
    return np.isin(class_map, artefact_vetoes(vetoes))
