"""Where a label from immunohistochemistry can be trusted, pixel by pixel, and why not elsewhere."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pathoai.ontology import NOT_ASSESSED, LabelClass


class Trust(IntEnum):
    """Values of the label ``trust/<marker>``; 255 where the H&E slide has no tissue."""

    TRUSTED = 1
    NOT_REGISTERED = 2
    STAIN_IN_DOUBT = 3
    ARTEFACT = 4
    NO_TISSUE_ON_OTHER = 5


_NAMES = {
    Trust.TRUSTED: ("Trusted", "Sûr", "#009e73"),
    Trust.NOT_REGISTERED: ("Not registered", "Non recalé", "#d55e00"),
    Trust.STAIN_IN_DOUBT: ("Stain in doubt", "Marquage douteux", "#f0e442"),
    Trust.ARTEFACT: ("Artefact or veto", "Artéfact ou exclusion", "#cc79a7"),
    Trust.NO_TISSUE_ON_OTHER: (
        "No tissue on the restained slide",
        "Pas de tissu sur la lame recolorée",
        "#56b4e9",
    ),
}
TRUST_CLASSES = tuple(
    LabelClass(int(state), state.name.lower(), *names) for state, names in _NAMES.items()
)


def near_border(
    positive: NDArray[np.uint8], radius_px: NDArray[np.float32] | float
) -> NDArray[np.bool_]:
    """Pixels so near to the border of a positive area that a shift would change their label.

    Args:
        positive: ``(H, W)`` uint8, 0 or the number of a target.
        radius_px: How near, for each pixel or for all.

    Returns:
        ``(H, W)`` bool.
    """
    inner = np.zeros(positive.shape, bool)
    for axis in (0, 1):
        steps = np.diff(positive, axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        inner[tuple(before)] |= steps
        inner[tuple(after)] |= steps
    if not inner.any():
        return inner
    # The border runs between pixels, half a pixel from the centres beside it.
    return np.asarray(ndimage.distance_transform_edt(~inner) + 0.5 <= radius_px)


def trust_of(
    reasons: dict[Trust, NDArray[np.bool_]], tissue: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """One value for each pixel: the gravest reason not to trust it, or that it is trusted.

    Args:
        reasons: Pixels ``(H, W)`` for each reason.
        tissue: ``(H, W)`` bool, tissue of the H&E slide.

    Returns:
        ``(H, W)`` uint8, values of `Trust`; 255 outside tissue.
    """
    found = np.full(tissue.shape, np.uint8(Trust.TRUSTED))
    # What is known of the stain matters least where nothing lies beneath, or something else does.
    gravest_last = (
        Trust.STAIN_IN_DOUBT,
        Trust.ARTEFACT,
        Trust.NOT_REGISTERED,
        Trust.NO_TISSUE_ON_OTHER,
    )
    for reason in gravest_last:
        if reason in reasons:
            found[reasons[reason]] = reason
    found[~tissue] = NOT_ASSESSED
    return found
