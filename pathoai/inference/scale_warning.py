"""Saying that a slide shows less than a model learnt from."""

from __future__ import annotations

_COARSER = 1.1
"""Up to a tenth coarser, scanners of one kind differ among themselves."""


def scale_warnings(store_mpp: float, model_mpp: float) -> list[str]:
    """A sentence where a slide is coarser than a model's training; nothing otherwise.

    Args:
        store_mpp: Scale of the finest pixels of the slide, µm per pixel.
        model_mpp: Scale that the model was trained at, likewise.
    """
    if store_mpp <= _COARSER * model_mpp:
        return []
    return [
        f"the slide is coarser than the model was trained at ({store_mpp:.3g} µm vs "
        f"{model_mpp:.3g} µm per pixel): details are missing"
    ]
