"""The stains of one restained slide: hematoxylin and its chromogens, near what they usually are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathoai.ihc.chromogens import COUNTERSTAIN, prior_vectors
from pathoai.preprocess.stain.deconvolution import deconvolve
from pathoai.preprocess.stain.macenko import FAINTEST_DENSITY
from pathoai.preprocess.stain.optical_density import pixel_density
from pathoai.preprocess.stain.stain_matrix import stain_matrix

_WIDEST_DEGREES = 15.0
"""A slide's own vector lies no further from the prior; what does is another colour."""
# Of a chromogen's pixels the purest tenth, as most are mixtures. Of the counterstain's more, or its
# vector would lie at the edge of the nuclei's colours, and the others would seem a little brown.
_PUREST_SHARE, _PUREST_COUNTERSTAIN = 0.1, 0.6
# The prior counts as much as this many pure pixels: on a slide without brown it stays as it is.
_PRIOR_PIXELS = 200.0


@dataclass(frozen=True, eq=False)
class IhcStains:
    """What a restained slide's stains look like.

    Args:
        names: Hematoxylin, then the chromogens of the recipe.
        vectors: ``(S, 3)`` unit vectors of optical density in red, green and blue, S 2 or 3.
        pure_pixels: How many pixels each rests on; with few it is the prior.
    """

    names: tuple[str, ...]
    vectors: NDArray[np.float64]
    pure_pixels: tuple[int, ...]

    @property
    def matrix(self) -> NDArray[np.float64]:
        """``(3, 3)``: the stains, and for two of them what is left."""
        return stain_matrix(self.vectors) if len(self.vectors) == 2 else self.vectors

    def chromogen_amounts(self, batch: torch.Tensor) -> torch.Tensor:
        """Amounts of the chromogens alone.

        Args:
            batch: ``(N, 3, H, W)`` RGB, uint8, or floating point from 0 to 1, on any device.

        Returns:
            ``(N, C, H, W)`` float32, optical density, natural logarithm, 0 or more.
        """
        amounts = deconvolve(batch, self.matrix)[:, 1 : len(self.vectors)]
        return amounts.clamp_(min=0)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what a label rests on."""
        return {
            "names": list(self.names),
            "vectors": np.round(self.vectors, 4).tolist(),
            "pure_pixels": list(self.pure_pixels),
        }


def stains_of_sample(pixels: NDArray[np.uint8], chromogens: tuple[str, ...]) -> IhcStains:
    """The stains of a sample of a slide's tissue.

    Each stain's pixels are those nearer to its prior than to another's and within 15° of it; the
    purest tenth of them points where the stain does, weighed by density and against the prior.
    Nuclear brown lies over blue and has no pure pixels: what in a chromogen's pixels points to
    another stain is mixture, and taken out. So a chromogen that differs from its prior just towards
    another stain is not seen to.

    Args:
        pixels: ``(M, 3)`` uint8 RGB.
        chromogens: Of the recipe, in its order.

    Raises:
        RecipeError: A chromogen is not known.
    """
    prior = prior_vectors(chromogens)
    density = pixel_density(pixels)
    length = np.linalg.norm(density, axis=1)
    stained = density[length >= FAINTEST_DENSITY]
    near = (stained @ prior.T) / np.linalg.norm(stained, axis=1, keepdims=True)
    amounts = np.maximum(stained @ np.linalg.pinv(prior), 0.0)
    purity = amounts / np.maximum(amounts.sum(axis=1, keepdims=True), 1e-9)
    own = near.argmax(axis=1)
    vectors, counts = prior.copy(), []
    for stain, usual in enumerate(prior):
        mine = (own == stain) & (near[:, stain] >= np.cos(np.radians(_WIDEST_DEGREES)))
        share = _PUREST_SHARE if stain else _PUREST_COUNTERSTAIN
        pure = _purest(stained[mine], purity[mine, stain], share)
        # Weighed by density, since the direction of pale pixels is mostly noise.
        total = pure.sum(axis=0) + usual * _PRIOR_PIXELS * FAINTEST_DENSITY
        found = total if stain == 0 else _without_others(total, vectors, stain)
        vectors[stain] = found / np.linalg.norm(found)
        counts.append(len(pure))
    return IhcStains((COUNTERSTAIN, *chromogens), vectors, tuple(counts))


def _without_others(
    density: NDArray[np.float64], vectors: NDArray[np.float64], stain: int
) -> NDArray[np.float64]:
    """A density ``(3,)`` less what of it is other stains, by vectors ``(S, 3)`` known so far."""
    amounts = np.maximum(density @ np.linalg.pinv(vectors), 0.0)
    amounts[stain] = 0.0
    return np.asarray(density - amounts @ vectors)


def _purest(
    density: NDArray[np.float64], purity: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """The share of the pixels that holds the least of other stains, ``(K, 3)``."""
    keep = int(np.ceil(share * len(density)))
    return density[np.argsort(-purity, kind="stable")[:keep]]
