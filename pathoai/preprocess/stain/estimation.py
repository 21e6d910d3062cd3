"""The profile of a slide: what its stains look like, estimated from a sample of its tissue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pathoai.errors import InvalidValueError, NoTissueError
from pathoai.preprocess.stain import reinhard
from pathoai.preprocess.stain.macenko import FAINTEST_DENSITY, macenko_vectors
from pathoai.preprocess.stain.normalisation import Profile
from pathoai.preprocess.stain.optical_density import pixel_density
from pathoai.preprocess.stain.reinhard import ColourProfile
from pathoai.preprocess.stain.stain_matrix import (
    HEMATOXYLIN_DAB,
    HEMATOXYLIN_EOSIN,
    unit_vectors,
)
from pathoai.preprocess.stain.stain_profile import StainProfile, read_vector
from pathoai.preprocess.stain.tissue_sample import sample_store
from pathoai.preprocess.stain.vahadane import vahadane_vectors
from pathoai.store.slide_store import SlideStore

_VECTORS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "macenko": macenko_vectors,
    "vahadane": vahadane_vectors,
    "hematoxylin-eosin": lambda _: unit_vectors(HEMATOXYLIN_EOSIN),
    "hematoxylin-dab": lambda _: unit_vectors(HEMATOXYLIN_DAB),
}
STAIN_METHODS = tuple(_VECTORS)
METHODS = (*STAIN_METHODS, reinhard.METHOD)

_DARKEST_PERCENT = 99.0
# Below this, one fold or one fleck of pigment is the darkest percent of the sample.
_LEAST_PIXELS = 2_000


def estimate_stains(store: SlideStore, method: str = "macenko", *, seed: int = 0) -> StainProfile:
    """The stains of a slide.

    Args:
        store: The slide's store; pixels are of its finest level.
        method: ``macenko``, ``vahadane``, or fixed vectors of Ruifrok and Johnston 2001 whose
            amounts alone are measured: ``hematoxylin-eosin``, ``hematoxylin-dab``.
        seed: Of the sample.

    Raises:
        InvalidValueError: The method is unknown, or the slide shows one stain only.
        NoTissueError: Too few stained pixels to say; never a guess.
    """
    _check(method, STAIN_METHODS)
    return stains_of_pixels(
        sample_store(store, seed=seed), method, where=store.slide_id, source_sha256=store.identity
    )


def estimate_profile(store: SlideStore, method: str, *, seed: int = 0) -> Profile:
    """What a slide is normalised by: its stains, or for ``reinhard`` its colour statistics.

    Args and errors are those of `estimate_stains`.
    """
    _check(method, METHODS)
    return profile_of_pixels(
        sample_store(store, seed=seed), method, where=store.slide_id, source_sha256=store.identity
    )


def profile_of_pixels(
    pixels: NDArray[np.uint8], method: str, *, where: str = "slide", source_sha256: str = ""
) -> Profile:
    """The profile of a sample of tissue; arguments and errors are those of `stains_of_pixels`."""
    _check(method, METHODS)
    if method != reinhard.METHOD:
        return stains_of_pixels(pixels, method, where=where, source_sha256=source_sha256)
    _stained(pixels, where)
    return ColourProfile.of_pixels(pixels, source_sha256=source_sha256)


def stains_of_pixels(
    pixels: NDArray[np.uint8], method: str, *, where: str = "slide", source_sha256: str = ""
) -> StainProfile:
    """The stains of a sample of tissue.

    Args:
        pixels: ``(M, 3)`` uint8 RGB.
        method: As in `estimate_stains`.
        where: The coded slide id, for errors.
        source_sha256: Identity of the store they are from.

    Raises:
        InvalidValueError: The method is unknown, or the pixels show one stain only.
        NoTissueError: Fewer than 2,000 pixels are stained.
    """
    _check(method, STAIN_METHODS)
    density = _stained(pixels, where)
    vectors = _VECTORS[method](density)
    amounts = density @ np.linalg.pinv(vectors)
    highest = np.percentile(amounts, _DARKEST_PERCENT, axis=0)
    maximum = (float(highest[0]), float(highest[1]))
    matrix = (read_vector(vectors[0]), read_vector(vectors[1]))
    return StainProfile(matrix, maximum, method, source_sha256)


def _stained(pixels: NDArray[np.uint8], where: str) -> NDArray[np.float64]:
    """The densities of the pixels that hold stain, ``(M, 3)``; glass between cells does not."""
    density = pixel_density(pixels)
    stained = density[np.linalg.norm(density, axis=1) >= FAINTEST_DENSITY]
    if len(stained) < _LEAST_PIXELS:
        raise NoTissueError(
            "too little stained tissue to estimate stains from",
            where=where,
            found=f"{len(stained)} stained pixels of {len(pixels)} sampled",
            allowed=f"{_LEAST_PIXELS} or more",
            remedy="use the profile of another slide of the same staining run",
        )
    return np.asarray(stained)


def _check(method: str, known: tuple[str, ...]) -> None:
    if method not in known:
        raise InvalidValueError("unknown method", found=repr(method), allowed=", ".join(known))
