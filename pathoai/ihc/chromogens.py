"""The colours that stand for an antibody: a prior for each, from which a slide's own are found.

Optical density per unit of stain in red, green and blue. DAB and hematoxylin: Ruifrok AC, Johnston
DA. Quantification of histochemical staining by color deconvolution. Anal Quant Cytol Histol 2001.
AEC and Fast Red: the vectors that accompany the same authors' program.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import RecipeError
from pathoai.preprocess.stain.stain_matrix import DAB, HEMATOXYLIN, unit_vectors

COUNTERSTAIN = "hematoxylin"
CHROMOGENS: dict[str, tuple[float, float, float]] = {
    "dab": DAB,
    "aec": (0.274, 0.680, 0.680),
    "fast_red": (0.214, 0.851, 0.478),
    # Permanent and Warp Red are Fast Red's hue on another carrier: a slide's own vector tells.
    "permanent_red": (0.190, 0.835, 0.517),
}


def prior_vectors(chromogens: tuple[str, ...]) -> NDArray[np.float64]:
    """Unit vectors of the counterstain and of chromogens, ``(1 + C, 3)``, in that order.

    Raises:
        RecipeError: One of them is not known.
    """
    for chromogen in chromogens:
        if chromogen not in CHROMOGENS:
            raise RecipeError(
                "unknown chromogen", found=repr(chromogen), allowed=", ".join(CHROMOGENS)
            )
    return unit_vectors(np.array([HEMATOXYLIN, *(CHROMOGENS[key] for key in chromogens)]))
